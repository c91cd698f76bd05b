"""Divide records into train, dev and test, or into folds."""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, get_args

from ..annotations import Record
from ..errors import Errors, JREError
from .sources import stays_inside

SPLITS = ("train", "dev", "test")
By = Literal["doc", "record"]


def find_splits(folder: Path) -> dict[str, Path]:
    """The files or folders train, dev and test of a folder; none where it has none.

    RAISES (ValueError): J601 where one of them is missing, J705 for two of one name,
        J617 where one is a symbolic link that leaves the folder.
    """
    if not folder.is_dir():
        return {}
    if any(path.suffix in (".ann", ".a1") for path in folder.iterdir()):
        return {}  # brat's documents may have any name
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.stem not in SPLITS:
            continue
        if path.stem in found:
            first = found[path.stem]
            raise JREError(
                Errors.J705.format(first=first, second=path, split=path.stem)
            )
        stays_inside(path, folder)
        found[path.stem] = path
    if not found:
        return {}
    for split in SPLITS:
        if split not in found:
            path = folder / f"{split}.*"
            raise JREError(Errors.J601.format(path=path))
    return {split: found[split] for split in SPLITS}


def parse_shares(text: str) -> dict[str, float]:
    """Read "80/10/10" (train, dev, test) or "80/20" (train, dev).

    RETURNS (dict[str, float]): Shares of 1.
    RAISES (ValueError): J630 for anything else.
    """
    try:
        numbers = [float(part) for part in text.split("/")]
    except ValueError as error:
        raise JREError(Errors.J630.format(value=text)) from error
    if len(numbers) in (2, 3) and all(0 < n < float("inf") for n in numbers):
        shares = [n / sum(numbers) for n in numbers]
        if all(shares):  # huge and tiny numbers vanish
            return dict(zip(SPLITS, shares, strict=False))
    raise JREError(Errors.J630.format(value=text))


def split_records(
    records: Sequence[Record],
    shares: dict[str, float],
    *,
    by: By = "doc",
    seed: int = 0,
) -> dict[str, list[Record]]:
    """Draw a split. No split stays empty; but for that, each gets its share with an
    error of less than one document.

    records (Sequence[Record]): What to divide.
    shares (dict[str, float]): Share of the records each split shall have.
    by (str): "doc": records of one document, and equal texts, stay together; "record":
        each by itself.
    seed (int): Of the drawing.
    RETURNS (dict[str, list[Record]]): Each in the records' order.
    RAISES (ValueError): J202 for `by`, J631 for fewer documents than splits.
    """
    groups = group_records(records, by)
    if len(groups) < len(shares):
        raise JREError(Errors.J631.format(count=len(groups), splits=len(shares)))
    random.Random(seed).shuffle(groups)
    # big documents first: they would overfill what is nearly full
    groups.sort(key=len, reverse=True)
    filled: Counter[str] = Counter()
    where: dict[int, str] = {}
    for left, group in zip(range(len(groups), 0, -1), groups, strict=True):
        empty = [split for split in shares if not filled[split]]
        least = max(
            empty if len(empty) >= left else shares,
            key=lambda split: shares[split] * len(records) - filled[split],
        )
        filled[least] += len(group)
        where.update(dict.fromkeys(group, least))
    return {
        split: [r for index, r in enumerate(records) if where[index] == split]
        for split in shares
    }


def group_records(records: Sequence[Record], by: By) -> list[list[int]]:
    """Positions of the records that have to stay together."""
    if by not in get_args(By):
        raise JREError(Errors.J202.format(name="by", allowed="doc, record", value=by))
    if by == "record":
        return [[index] for index in range(len(records))]
    # two records with one text, or of one document, have one root
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
) -> list[Record]:
    """Keep the records whose document or ``orig_id`` is among some ids.

    wanted (set[str]): The ids.
    source (str): Where they are from, for the message.
    RAISES (ValueError): J632 for ids that no record has.
    """
    kept = []
    found: set[str] = set()
    for record in records:
        ids = record_ids(record) & wanted
        found |= ids
        if ids:
            kept.append(record)
    if found != wanted:
        missing = sorted(wanted - found)
        raise JREError(
            Errors.J632.format(
                source=source, count=len(missing), first=", ".join(missing[:5])
            )
        )
    return kept


def record_ids(record: Record) -> set[str]:
    ids = {str(record.meta["orig_id"])} if "orig_id" in record.meta else set()
    return ids if record.document is None else ids | {record.document}
