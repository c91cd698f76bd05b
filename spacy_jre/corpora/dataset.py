"""A dataset: a folder of files, and a ``dataset.json`` that says what they are.

::

    {"lang": "en", "entities": [...], "relations": [...] or {label: [head, tail]},
     "files": {"train": ["train.json"], "dev": [...], "test": [...]},
     "folds": 10, "train_minus_test": true, "dev_share": 0.15, "without_overlaps": true,
     "per_sentence": true, "keep": "last", "encoder": "tok2vec",
     "settings": {config path: value}, ...}

Everything has a default; without ``files`` the folder holds a file train, dev and test
each. In names of files ``{fold}`` stands for the number of the fold.
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
from .splits import SPLITS, find_splits, record_ids, split_records

FILE = "dataset.json"
MAX_FOLDS = 1000
# what is true of the converted files too
FACTS = (
    *("title", "license", "source", "lang", "entities", "relations"),
    *("keep", "encoder", "settings"),
)


# what the data may say about the component
SETTINGS = (
    *("threshold", "label_thresholds", "max_span_width", "symmetric"),
    *("negative_spans", "negative_pairs", "overwrite_ents"),
)


Label = Annotated[str, Field(min_length=1)]
LabelPair = Annotated[list[Label], Field(min_length=2, max_length=2)]
FileNames = Annotated[list[Label], Field(min_length=1)]
Share = Annotated[float, Field(ge=0.0, lt=1.0)]
# spaCy imports a module of the language's name
Language = Annotated[str, Field(pattern=r"^[A-Za-z_]\w*$")]
# no folder: data choose no files
Encoder = Annotated[
    str,
    Field(pattern=r"^$|^package:\w+$|^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$"),
]


@dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Dataset:
    """
    title, license, source (str): For people.
    lang (str): Language of the tokenizer.
    entities (Sequence[str]), relations (Sequence | Mapping): The labels; a relation may
        say which entity labels it joins.
    files (Mapping[str, Sequence[str]]): Split to files, relative to the folder.
    folds (int): How many folds there are; 0: none.
    train_minus_test (bool): Whether the files of train hold test as well, and the
        records of test are to be taken out, by ``orig_id`` or document.
    dev_share (float): Share of train that becomes dev, by documents.
    without_overlaps (bool): Whether texts with overlapping entities are left out.
    per_sentence (bool): Whether each sentence of a document becomes a text of its own.
    keep (str): "best" epoch on dev, or "last": where dev is no data of its own.
    encoder (str): What to train with where nobody says; see ``spacy jre train``.
    settings (Mapping[str, Any]): Values of the training config that follow from the
        data, such as ``components.jre.symmetric``: of the component and its network
        only, so that the data of a stranger choose no code and no encoder's files.
    limits (Mapping[str, Any]): What ``spacy jre validate`` asks for.
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
            if problem := _problem_of_setting(name, value):
                raise ValueError(f"{problem}: {name}")
        return settings

    @field_validator("keep")
    @classmethod
    def _check_keep(cls, keep: str, info: ValidationInfo) -> str:
        known = info.data
        no_dev = known.get("files") and "dev" not in known["files"]
        if no_dev and not known.get("dev_share") and keep == "best":
            raise ValueError(
                "must be 'last': there is no dev data to choose an epoch by"
            )
        return keep

    def paths(self, fold: int = 0) -> dict[str, list[Path]]:
        """The files of each split.

        RAISES (ValueError): J634 for a fold that is not there; J601, J705 where the
            folder lacks a split or has two files for it; J633 for a file that is
            neither in the folder nor in one beside it.
        """
        if not 0 <= fold < max(1, self.folds):
            raise JREError(
                Errors.J634.format(folder=self.folder, fold=fold, folds=self.folds)
            )
        if not self.files:
            found = find_splits(self.folder)
            if not found:
                raise JREError(Errors.J601.format(path=self.folder / "train.*"))
            return {split: [path] for split, path in found.items()}
        return {
            split: [
                self._find(n.replace("{fold}", str(fold))) for n in self.files[split]
            ]
            for split in SPLITS
            if split in self.files
        }

    def _find(self, name: str) -> Path:
        """RAISES (ValueError): J633 for a name that leads elsewhere than into the
        folder or the ones beside it."""
        path = self.folder / name
        beside = Path(os.path.realpath(self.folder)).parent
        # realpath: Path.resolve raises an error for links in a circle
        inside = Path(os.path.realpath(path)).is_relative_to(beside)
        if Path(name).is_absolute() or not inside:
            problem = (
                f"names {name!r}, which is neither in the folder nor in one beside it. "
                "Copy the file into the folder"
            )
            raise JREError(_wrong(self.folder / FILE, "files", problem))
        return path

    def arrange(
        self, splits: Mapping[str, list[Record]], left_out: dict[str, list[LeftOut]]
    ) -> dict[str, list[Record]]:
        """Make train, dev and test out of what the files hold.

        left_out (dict[str, list[LeftOut]]): Gets what is left out of each split.
        """
        found = dict(splits)
        if self.train_minus_test:
            ids = {name for record in found["test"] for name in record_ids(record)}
            found["train"] = [r for r in found["train"] if not record_ids(r) & ids]
        if self.without_overlaps:
            for split, records in found.items():
                kept = [record for record in records if not has_overlaps(record)]
                left_out.setdefault(split, []).extend(
                    LeftOut("text", f"{record.source}: has overlapping entities")
                    for record in records
                    if has_overlaps(record)
                )
                found[split] = kept
        if self.dev_share:
            shares = {"train": 1 - self.dev_share, "dev": self.dev_share}
            found.update(split_records(found["train"], shares))
        # spaCy wants a dev corpus; where there is none, no epoch is chosen by it
        found.setdefault("dev", found["test"])
        return {split: found[split] for split in SPLITS}


def has_overlaps(record: Record) -> bool:
    return any(
        a.start < b.end and b.start < a.end for a, b in combinations(record.entities, 2)
    )


def find_dataset(folder: Path) -> Dataset | None:
    """The dataset of a folder; None where no ``dataset.json`` lies in it.

    RAISES (ValueError): J633 where the file is wrong.
    """
    path = folder / FILE
    return read_dataset(path) if path.is_file() else None


def settings_of_data(train: Path) -> dict[str, Any]:
    """What the dataset.json beside some training data says about a training config.

    train (Path): A .spacy file.
    RETURNS (dict[str, Any]): Config overrides; empty where no file lies there.
    """
    dataset = find_dataset(train.parent)
    if dataset is None:
        return {}
    return {"nlp.lang": dataset.lang, **dataset.settings}


def read_dataset(path: Path) -> Dataset:
    """RAISES (ValueError): J601 without the file, J633 with the field that is wrong."""
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    try:
        values = srsly.read_json(path)
    except ValueError as error:
        raise JREError(_wrong(path, "-", f"broken JSON: {error}")) from error
    if not isinstance(values, dict):
        raise JREError(_wrong(path, "-", "must be an object"))
    if "folder" in values:
        raise JREError(_wrong(path, "folder", f"is unknown. Known: {_known_fields()}"))
    try:
        return Dataset(path.parent, **values)
    except ValidationError as error:
        raise JREError(_wrong(path, *_first_problem(error))) from error


def _first_problem(error: ValidationError) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The field, and what is wrong with it."""
    first = error.errors(include_url=False)[0]
    field, *inside = (str(part) for part in first["loc"])
    if first["type"] == "unexpected_keyword_argument":
        return field, f"is unknown. Known: {_known_fields()}"
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return field, str(cause)
    place = f" at {'.'.join(inside)}" if inside else ""
    return field, f"is wrong{place}: {first['msg']}, not {first['input']!r:.60}"


def _known_fields() -> str:
    return ", ".join(f.name for f in fields(Dataset) if f.name != "folder")


def _problem_of_setting(name: str, value: Any) -> str:
    """RETURNS (str): Why a setting is refused; empty where it is not."""
    path = name.split(".")
    of_component = path[:2] == ["components", "jre"] and path[2:3]
    of_model = path[:3] == ["components", "jre", "model"] and len(path) == 4
    allowed = of_component and len(path) == 3 and path[2] in SETTINGS
    if not allowed and not (
        of_model and path[3].isidentifier() and path[3] != "tok2vec"
    ):
        known = ", ".join(SETTINGS)
        return (
            f"may set components.jre.<{known}> and components.jre.model.<name of a "
            "setting of the network>, not"
        )
    if _names_function(value):
        return "must not name a registered function"
    return ""


def _names_function(value: Any) -> bool:
    if isinstance(value, dict):
        return any(k.startswith("@") or _names_function(v) for k, v in value.items())
    return isinstance(value, list) and any(_names_function(item) for item in value)


def write_facts(dataset: Dataset, path: Path) -> None:
    """Write what is still true of a dataset once it is converted: not its files."""
    default = Dataset(dataset.folder)
    facts = {
        name: getattr(dataset, name)
        for name in FACTS
        if getattr(dataset, name) != getattr(default, name)
    }
    srsly.write_json(path, facts)


def _wrong(path: Path, name: str, problem: str) -> str:
    return Errors.J633.format(path=path, field=name, problem=problem)
