"""The column format of multi-head selection (Bekoulis et al. 2018).

::

    #doc 12
    0   Ada     B-Peop  ['N']           [0]
    1   Quint   I-Peop  ['Work_For']    [4]
    ...

Tab-separated: row, token, BIO tag, relation labels, and as many rows they lead to. A
relation stands at the last token of its head and names the last token of its tail;
``N`` is no relation.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..sources import OnSkip, Place, each_record, read_text, refuse, shorten

NO_RELATION = "N"


@dataclass
class _Block:
    place: Place
    name: str
    rows: list[tuple[Place, list[str]]] = field(default_factory=list)


def read_multihead(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Told of every sentence that is left out.
    YIELDS (Record): One per ``#doc``; ``meta["orig_id"]`` is its number. A tag I- that
        continues nothing begins an entity (so it is in CoNLL04, where relations lead
        to such entities), and is named.
    RAISES (ValueError): J601, J602, J604 for the file. By `refuse`: J605 with line and
        column.
    """
    return each_record(_blocks(path), _read_block, skip)


def _blocks(path: Path) -> Iterator[_Block]:
    block: _Block | None = None
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        place, line = Place(path, f"line {number}"), line.rstrip("\r")
        if line.startswith("#doc"):
            if block is not None:
                yield block
            block = _Block(place, line[4:].strip())
            continue
        if block is None:
            block = _Block(place, "")
        block.rows.append((place, line.split("\t")))
    if block is None:
        raise JREError(Errors.J602.format(path=path))
    yield block


def _read_block(block: _Block) -> Record:
    words = []
    spans: list[tuple[int, int, str]] = []
    links: list[tuple[Place, int, str, int]] = []
    left_out = []
    for number, (place, columns) in enumerate(block.rows):
        if len(columns) != 5:
            raise place.wrong("columns", f"are {len(columns)}, not 5")
        row, word, tag = columns[:3]
        if row != str(number):
            raise place.wrong("row", f"is {row!r}, expected {number}")
        if not word:
            raise place.wrong("token", "is empty")
        words.append(word)
        if not _add_tag(place, spans, number, tag):
            reason = f"{place}: {tag} of {word!r} continues nothing; read as B-"
            left_out.append(LeftOut("tag", reason))
        labels = _literal(place, "relations", columns[3], str)
        heads = _literal(place, "heads", columns[4], int)
        if len(labels) != len(heads):
            raise place.wrong("heads", f"are {len(heads)} for {len(labels)} relations")
        links += [
            (place, number, label, head)
            for label, head in zip(labels, heads, strict=True)
            if label != NO_RELATION
        ]
    ending = {last: index for index, (_, last, _) in enumerate(spans)}
    relations = []
    for place, row_number, label, head in links:
        if row_number in ending and head in ending:
            relations.append(RelationRecord(ending[row_number], ending[head], label))
        else:
            reason = f"{place}: {label} to row {head} joins a token that ends no entity"
            left_out.append(LeftOut("relation", reason))
    offsets = word_offsets(tuple(words))
    return Record(
        text=" ".join(words),
        entities=tuple(
            EntityRecord(offsets[first][0], offsets[last][1], label)
            for first, last, label in spans
        ),
        relations=tuple(relations),
        words=tuple(words),
        left_out=tuple(left_out),
        source=f"{block.place}, #doc {block.name}",
        meta={"orig_id": int(block.name) if block.name.isdecimal() else block.name},
    )


def _add_tag(
    place: Place, spans: list[tuple[int, int, str]], number: int, tag: str
) -> bool:
    """Begin an entity (first, last, label), or make the last one longer.

    RETURNS (bool): False for an I- that continues nothing.
    """
    if tag == "O":
        return True
    kind, _, label = tag.partition("-")
    if kind not in ("B", "I") or not label:
        raise place.wrong("tag", f"is {tag!r}, no O, B-label or I-label")
    if kind == "I" and spans and spans[-1][1:] == (number - 1, label):
        spans[-1] = (spans[-1][0], number, label)
        return True
    spans.append((number, number, label))
    return kind == "B"


def _literal(place: Place, name: str, text: str, kind: type) -> list[Any]:
    """A list as Python writes it."""
    try:
        values = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        problem = f"is {shorten(text)}, no list: {error}"
        raise place.wrong(name, problem) from error
    for value in place.check(name, values, list):
        place.check(name, value, kind)
    return list(values)
