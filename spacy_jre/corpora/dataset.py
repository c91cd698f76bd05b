"""A dataset: a folder of files and a ``dataset.json`` that describes them.

::

    {"lang": "en", "entities": [...], "relations": [...] or {label: [head, tail]},
     "files": {"train": ["train.json"], "dev": [...], "test": [...]},
     "folds": 10, "train_minus_test": true, "dev_share": 0.15, "without_overlaps": true,
     "per_sentence": true, "keep": "last", "encoder": "tok2vec",
     "settings": {config path: value}, "network": {argument: value}, ...}

All fields have a default. Without ``files``, the folder needs one file each for train,
dev and test. In file names, ``{fold}`` is replaced with the number of the fold.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import field, fields
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any, Literal

import srsly
from pydantic import ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic.dataclasses import dataclass

from ..annotations import LeftOut, Record
from ..errors import Errors, JREError
from .splits import (
    SPLITS,
    find_splits,
    record_ids,
    split_records,
    splits_missing,
)

FILE = "dataset.json"
MAX_FOLDS = 1000
# fields that also apply to the converted files
FACTS = (
    *("title", "license", "source", "lang", "entities", "relations"),
    *("keep", "encoder", "settings", "network"),
)


# settings of the component that a dataset can define
SETTINGS = (
    *("threshold", "label_thresholds", "max_span_width", "symmetric"),
    *("negative_spans", "negative_pairs", "overwrite_ents"),
    *("overlaps", "constraints"),
)
# arguments of an architecture that a dataset can define for the networks that have them
NETWORK = (
    *("annotations", "max_length", "max_candidates"),
    *("entity_layers", "entity_heads", "relation_layers", "relation_heads"),
)


Label = Annotated[str, Field(min_length=1)]
LabelPair = Annotated[list[Label], Field(min_length=2, max_length=2)]
FileNames = Annotated[list[Label], Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
# spaCy imports a module with the name of the language
Language = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
# no paths: a dataset cannot choose files on the user's computer
Encoder = Annotated[
    str,
    Field(pattern=r"^$|^package:\w+$|^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$"),
]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Dataset:
    """
    folder (Path): The folder of the files.
    title, license, source (str): Description for users.
    lang (str): Language of the tokenizer.
    entities (Sequence[str]), relations (Sequence | Mapping): The labels. A mapping
        defines the entity labels of head and tail for each relation label.
    files (Mapping[str, Sequence[str]]): Split -> files, relative to the folder.
    folds (int): Number of folds. 0: no folds.
    train_minus_test (bool): Whether the files of train also contain the records of
        test, which are then removed by ``orig_id`` or document.
    dev_share (float): Share of train that becomes dev, split by documents.
    without_overlaps (bool): Whether to leave out texts with overlapping entities.
    per_sentence (bool): Whether to split documents into one text per sentence.
    keep (str): "best" keeps the best epoch on dev. "last" keeps the last epoch, for
        datasets without separate dev data.
    encoder (str): Default encoder for ``spacy jre train``.
    settings (Mapping[str, Any]): Values of the training config that depend on the
        data, such as ``components.jre.symmetric``. Only settings of the component and
        its network are allowed, so that downloaded data cannot run code or choose
        files.
    network (Mapping[str, Any]): Arguments of ``components.jre.model``, such as
        LAI-Net's ``annotations``. Each one is used if the architecture of the config
        has it, otherwise it has no effect.
    limits (Mapping[str, Any]): Limits for ``spacy jre validate``.
    """

    folder: Path
    title: str = ""
    license: str = ""
    source: str = ""
    lang: Language = "en"
    entities: list[Label] = field(default_factory=list)
    relations: (
        list[Label]
        | dict[Label, Annotated[list[Label], Field(min_length=2, max_length=2)]]
    ) = field(default_factory=list)
    files: dict[Literal["train", "dev", "test"], FileNames] = field(
        default_factory=dict
    )
    folds: Annotated[int, Field(ge=0, le=MAX_FOLDS)] = 0
    train_minus_test: bool = False
    dev_share: Share = 0.0
    without_overlaps: bool = False
    per_sentence: bool = False
    keep: Annotated[Literal["best", "last"], Field(validate_default=True)] = "best"
    encoder: Encoder = ""
    settings: dict[str, Any] = field(default_factory=dict)
    network: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, Any] = field(default_factory=dict)

    @field_validator("files")
    @classmethod
    def _check_files(cls, files: dict[str, list[str]]) -> dict[str, list[str]]:
        for name in (name for names in files.values() for name in names):
            if re.search(r"[{}]", name.replace("{fold}", "")):
                raise ValueError(f"has a brace other than {{fold}} in {name!r}")
        if files and not {"train", "test"} <= files.keys():
            raise ValueError("must have train and test")
        return files

    @field_validator("settings")
    @classmethod
    def _check_settings(cls, settings: dict[str, Any]) -> dict[str, Any]:
        for name, value in settings.items():
            if problem := _check_setting(name, value):
                raise ValueError(f"{problem}: {name}")
        return settings

    @field_validator("network")
    @classmethod
    def _check_network(cls, network: dict[str, Any]) -> dict[str, Any]:
        for name, value in network.items():
            if name not in NETWORK:
                known = ", ".join(NETWORK)
                raise ValueError(f"can only set {known}, not: {name}")
            if _names_function(value):
                raise ValueError(f"must not refer to a registered function: {name}")
        return network

    @field_validator("keep")
    @classmethod
    def _check_keep(cls, keep: str, info: ValidationInfo) -> str:
        known = info.data
        no_dev = known.get("files") and "dev" not in known["files"]
        if no_dev and not known.get("dev_share") and keep == "best":
            raise ValueError(
                "must be 'last': there is no dev data to select the best epoch"
            )
        return keep

    @property
    def has_dev(self) -> bool:
        """Whether dev is separate from test."""
        return not self.files or "dev" in self.files or bool(self.dev_share)

    @property
    def rearranges(self) -> bool:
        """Whether the records of a split depend on those of another one, or of the
        whole split. If not, ``arrange`` is not required."""
        return (
            self.train_minus_test
            or self.without_overlaps
            or bool(self.dev_share)
            or not self.has_dev
        )

    def paths(self, fold: int = 0) -> dict[str, list[Path]]:
        """Get the files of each split.

        fold (int): Number of the fold.
        RETURNS (dict[str, list[Path]]): Split -> files.
        RAISES (ValueError): J634 for an unknown fold; J716, J705 if the folder lacks a
            split or has two files for it; J633 for a file that is neither in the folder
            nor in a sibling folder.
        """
        if not 0 <= fold < max(1, self.folds):
            raise JREError(
                Errors.J634.format(folder=self.folder, fold=fold, folds=self.folds)
            )
        if not self.files:
            paths = find_splits(self.folder)
            if not paths:
                raise splits_missing(self.folder, *SPLITS)
            return {split: [path] for split, path in paths.items()}
        return {
            split: [
                self._find(n.replace("{fold}", str(fold))) for n in self.files[split]
            ]
            for split in SPLITS
            if split in self.files
        }

    def _find(self, name: str) -> Path:
        """RAISES (ValueError): J633 for a file that is neither in the folder nor in a
        sibling folder."""
        path = self.folder / name
        parent = Path(os.path.realpath(self.folder)).parent
        # Path.resolve raises an error for circular links, realpath does not
        inside = Path(os.path.realpath(path)).is_relative_to(parent)
        if Path(name).is_absolute() or not inside:
            problem = (
                f"names {name!r}, which is neither in the folder nor in a sibling "
                "folder. Copy the file into the folder"
            )
            raise JREError(_message(self.folder / FILE, "files", problem))
        return path

    def check_files(self, fold: int = 0) -> None:
        """RAISES (ValueError): J717 for a missing file. See ``paths`` for other
        errors."""
        for path in (path for paths in self.paths(fold).values() for path in paths):
            if not path.exists():
                raise JREError(
                    Errors.J717.format(
                        path=path, dataset=self.folder / FILE, folder=self.folder
                    )
                )

    def arrange(
        self, splits: Mapping[str, list[Record]], left_out: dict[str, list[LeftOut]]
    ) -> dict[str, list[Record]]:
        """Create train, dev and test from the records of the files.

        splits (Mapping[str, list[Record]]): Split -> records of its files.
        left_out (dict[str, list[LeftOut]]): Split -> texts that are left out. Updated
            in place.
        RETURNS (dict[str, list[Record]]): Split -> records.
        """
        result = dict(splits)
        if self.train_minus_test:
            ids = {name for record in result["test"] for name in record_ids(record)}
            result["train"] = [r for r in result["train"] if not record_ids(r) & ids]
        if self.without_overlaps:
            for split, records in result.items():
                kept = [record for record in records if not has_overlaps(record)]
                left_out.setdefault(split, []).extend(
                    LeftOut("text", f"{record.source}: has overlapping entities")
                    for record in records
                    if has_overlaps(record)
                )
                result[split] = kept
        if self.dev_share:
            shares = {"train": 1 - self.dev_share, "dev": self.dev_share}
            result.update(split_records(result["train"], shares))
        # spaCy requires a dev corpus. Without dev data, `keep` is "last", so that test
        # does not select the epoch
        result.setdefault("dev", result["test"])
        return {split: result[split] for split in SPLITS}


def has_overlaps(record: Record) -> bool:
    return any(
        a.start < b.end and b.start < a.end for a, b in combinations(record.entities, 2)
    )


def find_dataset(folder: Path) -> Dataset | None:
    """Read the dataset of a folder.

    folder (Path): The folder.
    RETURNS (Dataset | None): The dataset. None if there is no ``dataset.json``.
    RAISES (ValueError): J633 if the file is invalid.
    """
    path = folder / FILE
    return read_dataset(path) if path.is_file() else None


def settings_of_data(train: Path) -> dict[str, Any]:
    """Get the config overrides that the dataset.json of the training data defines.

    train (Path): A .spacy file.
    RETURNS (dict[str, Any]): Config overrides. Empty if its folder has no
        ``dataset.json``.
    """
    dataset = find_dataset(train.parent)
    if dataset is None:
        return {}
    return {"nlp.lang": dataset.lang, **dataset.settings}


def read_dataset(path: Path) -> Dataset:
    """RAISES (ValueError): J601 if the file is missing, J633 for an invalid field."""
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    try:
        values = srsly.read_json(path)
    except ValueError as error:
        raise JREError(_message(path, "-", f"broken JSON: {error}")) from error
    if not isinstance(values, dict):
        raise JREError(_message(path, "-", "must be an object"))
    if "folder" in values:
        raise JREError(
            _message(path, "folder", f"is unknown. Known: {_known_fields()}")
        )
    try:
        return Dataset(path.parent, **values)
    except ValidationError as error:
        raise JREError(_message(path, *_first_problem(error))) from error


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The invalid field and the problem."""
    first = error.errors(include_url=False)[0]
    field, *inside = (str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        return field, f"is unknown. Known: {_known_fields()}"
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return field, str(cause)
    where = f" at {'.'.join(inside)}" if inside else ""
    return field, f"is invalid{where}: {first['msg']}, not {first['input']!r:.60}"


def _known_fields() -> str:
    return ", ".join(f.name for f in fields(Dataset) if f.name != "folder")


def _check_setting(name: str, value: Any) -> str:
    """RETURNS (str): The problem with a setting. Empty if it is allowed."""
    path = name.split(".")
    of_component = path[:2] == ["components", "jre"] and path[2:3]
    of_model = path[:3] == ["components", "jre", "model"] and len(path) == 4
    allowed = of_component and len(path) == 3 and path[2] in SETTINGS
    if not allowed and not (
        of_model and path[3].isidentifier() and path[3] != "tok2vec"
    ):
        known = ", ".join(SETTINGS)
        return (
            f"can only set components.jre.<{known}> and components.jre.model.<setting "
            "of the network>, not"
        )
    if _names_function(value):
        return "must not refer to a registered function"
    return ""


def _names_function(value: Any) -> bool:
    if isinstance(value, dict):
        return any(k.startswith("@") or _names_function(v) for k, v in value.items())
    return isinstance(value, list) and any(_names_function(item) for item in value)


def write_facts(dataset: Dataset, path: Path) -> None:
    """Write the fields of a dataset that also apply to the converted files."""
    default = Dataset(dataset.folder)
    facts = {
        name: getattr(dataset, name)
        for name in FACTS
        if getattr(dataset, name) != getattr(default, name)
    }
    srsly.write_json(path, facts)


def set_language(path: Path, lang: str) -> None:
    """Write the language of converted files, so that they train a pipeline for it.

    path (Path): A dataset.json. If it exists, its other fields are kept. It is not
        created for the default language.
    lang (str): Language code.
    """
    facts = srsly.read_json(path) if path.is_file() else {}
    if facts or lang != Dataset(path.parent).lang:
        srsly.write_json(path, {**facts, "lang": lang})


def _message(path: Path, name: str, problem: str) -> str:
    return Errors.J633.format(path=path, field=name, problem=problem)
