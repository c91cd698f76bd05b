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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from itertools import combinations
from pathlib import Path
from typing import Any, Literal

import srsly

from ..annotations import LeftOut, Record
from ..errors import Errors
from .splits import SPLITS, find_splits, record_ids, split_records

FILE = "dataset.json"
MAX_FOLDS = 1000
# what is true of the converted files too
FACTS = (
    *("title", "license", "source", "lang", "entities", "relations"),
    *("keep", "encoder", "settings"),
)


@dataclass(frozen=True)
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
        data, such as ``components.jre.symmetric``.
    limits (Mapping[str, Any]): What ``spacy jre validate`` asks for.
    """

    folder: Path
    title: str = ""
    license: str = ""
    source: str = ""
    lang: str = "en"
    entities: Sequence[str] = ()
    relations: Sequence[str] | Mapping[str, Sequence[str]] = ()
    files: Mapping[str, Sequence[str]] = field(default_factory=dict)
    folds: int = 0
    train_minus_test: bool = False
    dev_share: float = 0.0
    without_overlaps: bool = False
    per_sentence: bool = False
    keep: Literal["best", "last"] = "best"
    encoder: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    limits: Mapping[str, Any] = field(default_factory=dict)

    def paths(self, fold: int = 0) -> dict[str, list[Path]]:
        """The files of each split.

        RAISES (ValueError): J634 for a fold that is not there; J601, J705 where the
            folder lacks a split or has two files for it; J633 for a file that is
            neither in the folder nor in one beside it.
        """
        if not 0 <= fold < max(1, self.folds):
            raise ValueError(
                Errors.J634.format(folder=self.folder, fold=fold, folds=self.folds)
            )
        if not self.files:
            found = find_splits(self.folder)
            if not found:
                raise ValueError(Errors.J601.format(path=self.folder / "train.*"))
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
            raise ValueError(_wrong(self.folder / FILE, "files", problem))
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
        raise ValueError(Errors.J601.format(path=path))
    try:
        values = srsly.read_json(path)
    except ValueError as error:
        raise ValueError(_wrong(path, "-", f"broken JSON: {error}")) from error
    if not isinstance(values, dict):
        raise ValueError(_wrong(path, "-", "must be an object"))
    defaults = {f.name: f for f in fields(Dataset) if f.name != "folder"}
    for name, value in values.items():
        if name not in defaults:
            known = ", ".join(defaults)
            raise ValueError(_wrong(path, name, f"is unknown. Known: {known}"))
        if not isinstance(value, _KINDS[name]) or (
            isinstance(value, bool) and bool not in _KINDS[name]
        ):
            kinds = " or ".join(kind.__name__ for kind in _KINDS[name])
            raise ValueError(_wrong(path, name, f"must be {kinds}, is {value!r}"))
    dataset = Dataset(path.parent, **values)
    for name in ("entities", "relations"):
        if not all(isinstance(label, str) and label for label in values.get(name, ())):
            raise ValueError(_wrong(path, name, "must hold strings, none empty"))
    if isinstance(dataset.relations, dict):
        for label, joins in dataset.relations.items():
            if not (_are_strings(joins) and len(joins) == 2):
                problem = f"must give [head label, tail label] for {label}"
                raise ValueError(_wrong(path, "relations", problem))
    if not 0 <= dataset.folds <= MAX_FOLDS:
        problem = f"must be from 0 to {MAX_FOLDS}, is {dataset.folds}"
        raise ValueError(_wrong(path, "folds", problem))
    if not dataset.lang.isidentifier():  # spaCy imports a module of this name
        problem = f"must be a language code such as 'en', is {dataset.lang!r}"
        raise ValueError(_wrong(path, "lang", problem))
    files = dataset.files
    for split, names in files.items():
        if not _are_strings(names) or not names:
            problem = f"must have a list of file names for {split}, not {names!r}"
            raise ValueError(_wrong(path, "files", problem))
        for name in names:
            if re.search(r"[{}]", name.replace("{fold}", "")):
                problem = f"{name!r} has another brace than {{fold}}"
                raise ValueError(_wrong(path, "files", problem))
    if files and not {"train", "test"} <= files.keys() <= set(SPLITS):
        problem = "must have train and test, may have dev, and nothing else"
        raise ValueError(_wrong(path, "files", problem))
    if dataset.keep not in ("best", "last"):
        problem = f"must be 'best' or 'last', is {dataset.keep!r}"
        raise ValueError(_wrong(path, "keep", problem))
    if not 0 <= dataset.dev_share < 1:
        problem = f"must be from 0 to below 1, is {dataset.dev_share}"
        raise ValueError(_wrong(path, "dev_share", problem))
    no_dev = files and "dev" not in files and not dataset.dev_share
    if no_dev and dataset.keep == "best":
        problem = "must be 'last': there is no dev data to choose an epoch by"
        raise ValueError(_wrong(path, "keep", problem))
    return dataset


def _are_strings(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) and x for x in value)


def write_facts(dataset: Dataset, path: Path) -> None:
    """Write what is still true of a dataset once it is converted: not its files."""
    default = Dataset(dataset.folder)
    facts = {
        name: getattr(dataset, name)
        for name in FACTS
        if getattr(dataset, name) != getattr(default, name)
    }
    srsly.write_json(path, facts)


_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("title", "license", "source", "lang", "keep", "encoder"), (str,)),
    "entities": (list,),
    "relations": (list, dict),
    **dict.fromkeys(("files", "settings", "limits"), (dict,)),
    "folds": (int,),
    "dev_share": (int, float),
    **dict.fromkeys(("train_minus_test", "without_overlaps", "per_sentence"), (bool,)),
}


def _wrong(path: Path, name: str, problem: str) -> str:
    return Errors.J633.format(path=path, field=name, problem=problem)
