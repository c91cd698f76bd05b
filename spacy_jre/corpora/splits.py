"""Split records into train, dev and test."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal, get_args

from ..annotations import Record
from ..errors import Errors, JREError
from .sources import inner_stem, stays_inside

SPLITS = ("train", "dev", "test")
By = Literal["doc", "record"]


def find_splits(folder: Path) -> dict[str, Path]:
    """Find the files or subfolders named train, dev and test in a folder.

    folder (Path): The folder.
    RETURNS (dict[str, Path]): Split -> path. Empty if there are none.
    RAISES (ValueError): J716 if one of them is missing, J705 for two with the same
        name, J617 for a symbolic link to a target outside the folder.
    """
    if not folder.is_dir():
        return {}
    if any(path.suffix in (".ann", ".a1") for path in folder.iterdir()):
        return {}  # brat's documents can have any name
    paths: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        split = inner_stem(path)
        if split not in SPLITS:
            continue
        if split in paths:
            first = paths[split]
            raise JREError(Errors.J705.format(first=first, second=path, split=split))
        stays_inside(path, folder)
        paths[split] = path
    if not paths:
        return {}
    if len(paths) < len(SPLITS):
        raise splits_missing(folder, *(name for name in SPLITS if name not in paths))
    return {split: paths[split] for split in SPLITS}


def find_only_file(folder: Path) -> Path | None:
    """Find the data file of a folder with a single one.

    folder (Path): The folder.
    RETURNS (Path | None): The file. None if there are other files or subfolders, except
        for hidden files, licenses and files such as README.md.
    """
    paths = [
        path
        for path in folder.iterdir()
        if not path.name.startswith((".", "README", "LICENSE")) and path.suffix != ".md"
    ]
    if len(paths) != 1 or not paths[0].is_file() or not stays_inside(paths[0], folder):
        return None
    return paths[0]


def splits_missing(folder: Path, *missing: str) -> JREError:
    """RETURNS (JREError): J716 for a folder without the files of these splits."""
    names = sorted(path.name for path in folder.iterdir())
    *first, last = (f"{name}.*" for name in missing)
    shown = ", ".join(names[:10]) + f" and {len(names) - 10} more" * (len(names) > 10)
    return JREError(
        Errors.J716.format(
            folder=folder,
            missing=" and ".join([*([", ".join(first)] if first else []), last]),
            files=shown or "no files",
            example=folder / (names[0] if names else "FILE"),
        )
    )


def parse_shares(text: str) -> dict[str, float]:
    """Parse shares such as "80/10/10" (train, dev, test) or "80/20" (train, dev).

    text (str): The shares.
    RETURNS (dict[str, float]): Split -> share; the shares sum to 1.
    RAISES (ValueError): J630 for any other text.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise JREError(Errors.J630.format(value=text)) from error
    if len(numbers) in (2, 3) and all(0 < n < float("inf") for n in numbers):
        shares = [n / sum(numbers) for n in numbers]
        if all(shares):  # a share can underflow to 0
            return dict(zip(SPLITS, shares, strict=False))
    raise JREError(Errors.J630.format(value=text))


def split_records(
    records: Sequence[Record],
    shares: dict[str, float],
    *,
    by: By = "doc",
    seed: int = 0,
) -> dict[str, list[Record]]:
    """Split records at random. Every split gets at least one document. Otherwise, the
    shares are exact to within one document.

    records (Sequence[Record]): The records.
    shares (dict[str, float]): Split -> share of the records.
    by (str): "doc" keeps the records of a document, and records with equal texts,
        together. "record" assigns each record on its own.
    seed (int): Random seed.
    RETURNS (dict[str, list[Record]]): Split -> records, in their original order.
    RAISES (ValueError): J202 for `by`, J631 for fewer documents than splits.
    """
    groups = group_records(records, by)
    if len(groups) < len(shares):
        raise JREError(Errors.J631.format(count=len(groups), splits=len(shares)))
    random.Random(seed).shuffle(groups)
    # large documents first, because late ones would exceed the share of a split
    groups.sort(key=len, reverse=True)
    filled: Counter[str] = Counter()
    split_of: dict[int, str] = {}
    for remaining, group in zip(range(len(groups), 0, -1), groups, strict=True):
        empty = [split for split in shares if not filled[split]]
        chosen = max(
            empty if len(empty) >= remaining else shares,
            key=lambda split: shares[split] * len(records) - filled[split],
        )
        filled[chosen] += len(group)
        split_of.update(dict.fromkeys(group, chosen))
    return {
        split: [r for index, r in enumerate(records) if split_of[index] == split]
        for split in shares
    }


def group_records(records: Sequence[Record], by: By) -> list[list[int]]:
    """RETURNS (list[list[int]]): Indices of the records that must stay together."""
    if by not in get_args(By):
        raise JREError(Errors.J202.format(name="by", allowed="doc, record", value=by))
    if by == "record":
        return [[index] for index in range(len(records))]
    # union-find: records with the same text or document have the same root
    root: dict[tuple[str, str], tuple[str, str]] = {}

    def find(key: tuple[str, str]) -> tuple[str, str]:
        root.setdefault(key, key)
        while root[key] != key:
            root[key] = root[root[key]]
            key = root[key]
        return key

    for record in records:
        keys = _keys(record)
        root[find(keys[-1])] = find(keys[0])
    groups: dict[tuple[str, str], list[int]] = {}
    for index, record in enumerate(records):
        groups.setdefault(find(_keys(record)[0]), []).append(index)
    return list(groups.values())


def _keys(record: Record) -> list[tuple[str, str]]:
    keys = [("text", " ".join(record.text.split()).casefold())]
    if record.document is not None:
        keys.append(("document", record.document))
    return keys


def choose_by_id(
    records: Iterable[Record], wanted: set[str], source: str
) -> Iterator[Record]:
    """Select records by document or ``orig_id``.

    records (Iterable[Record]): The records.
    wanted (set[str]): The ids.
    source (str): Source of the ids, for the message.
    YIELDS (Record): The selected records.
    RAISES (ValueError): J632 for ids that no record has, after the last record.
    """
    known: set[str] = set()
    for record in records:
        ids = record_ids(record) & wanted
        known |= ids
        if ids:
            yield record
    if known != wanted:
        missing = sorted(wanted - known)
        raise JREError(
            Errors.J632.format(
                source=source, count=len(missing), first=", ".join(missing[:5])
            )
        )


def record_ids(record: Record) -> set[str]:
    ids = {str(record.meta["orig_id"])} if "orig_id" in record.meta else set()
    return ids if record.document is None else ids | {record.document}
