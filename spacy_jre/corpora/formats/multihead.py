"""The column format of multi-head selection (Bekoulis et al. 2018).

::

    #doc 12
    0   Ada     B-Peop  ['N']           [0]
    1   Quint   I-Peop  ['Work_For']    [4]
    ...

The tab-separated columns are row, token, BIO tag, relation labels and their target
rows. A relation is annotated at the last token of its head, and its target is the last
token of its tail. ``N`` means no relation.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import UNKNOWN_ARGUMENT, Rows
from ..sources import Location, OnSkip, each_record, read_text, refuse, short_repr
from .words import word_span

NO_RELATION = "N"


@dataclass
class _Block:
    location: Location
    name: str
    rows: list[tuple[Location, list[str]]] = field(default_factory=list)


def read_multihead(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per ``#doc``. ``meta["orig_id"]`` is its number. An I- tag
        without a preceding tag of the same entity starts an entity and is reported in
        ``left_out``, like broken tags and relations. CoNLL04 has relations to such
        entities.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and column.
    """
    return each_record(_blocks(path), _read_block, skip, _count)


def _count(block: _Block) -> tuple[int, int]:
    columns = [columns for _, columns in block.rows if len(columns) == 5]
    entities = sum(row[2].startswith("B-") for row in columns)
    # the label N is no relation
    labels = [label for row in columns for label in re.findall(r"'([^']*)'", row[3])]
    return entities, sum(label != NO_RELATION for label in labels)


def _blocks(path: Path) -> Iterator[_Block]:
    block: _Block | None = None
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        location, line = Location(path, f"line {number}"), line.rstrip("\r")
        if line.startswith("#doc"):
            if block is not None:
                yield block
            block = _Block(location, line[4:].strip())
            continue
        if block is None:
            block = _Block(location, "")
        block.rows.append((location, line.split("\t")))
    if block is None:
        raise JREError(Errors.J602.format(path=path))
    yield block


def _read_block(block: _Block) -> Record:
    for number, (location, columns) in enumerate(block.rows):
        if len(columns) != 5:
            raise location.error("columns", f"are {len(columns)}, not 5")
        if columns[0] != str(number):
            raise location.error("row", f"is {columns[0]!r}, expected {number}")
        if not columns[1]:
            raise location.error("token", "is empty")
    words = tuple(columns[1] for _, columns in block.rows)
    rows, offsets = Rows.of_words(words), word_offsets(words)
    spans: list[tuple[int, int, str]] = []
    for number, (location, columns) in enumerate(block.rows):
        word, tag = columns[1:3]
        with rows.row("entity", key=number):
            if not _add_tag(location, spans, number, tag):
                reason = (
                    f"{location}: {tag} of {word!r} does not continue an entity; read "
                    "as B-"
                )
                cause = "an I- tag does not continue an entity"
                rows.leave_out("tag", reason, cause)
    for first, last, label in spans:
        here = block.rows[first][0]
        span = word_span(here, offsets, first, last, inclusive=True)
        rows.add_entity(here, *span, label, last)
    for number, (location, columns) in enumerate(block.rows):
        with rows.row("relation"):
            labels = _literal(location, "relations", columns[3], str)
            heads = _literal(location, "heads", columns[4], int)
            if len(labels) != len(heads):
                problem = f"are {len(heads)} for {len(labels)} relations"
                raise location.error("heads", problem)
            for label, head in zip(labels, heads, strict=True):
                if label == NO_RELATION:
                    continue
                if rows.knows(number) and rows.knows(head):
                    with rows.row("relation"):
                        rows.add_relation(location, number, head, label)
                else:
                    problem = f"{label} to row {head} has an argument that is not an"
                    reason = f"{location}: {problem} entity"
                    rows.leave_out("relation", reason, UNKNOWN_ARGUMENT)
    return Record(
        **rows.fields(),
        source=f"{block.location}, #doc {block.name}",
        meta={"orig_id": int(block.name) if block.name.isdecimal() else block.name},
    )


def _add_tag(
    location: Location, spans: list[tuple[int, int, str]], number: int, tag: str
) -> bool:
    """Start an entity (first, last, label), or extend the last one.

    RETURNS (bool): False for an I- tag that does not continue an entity.
    """
    if tag == "O":
        return True
    kind, _, label = tag.partition("-")
    if kind not in ("B", "I") or not label:
        raise location.error("tag", f"is {tag!r}, expected O, B-label or I-label")
    if kind == "I" and spans and spans[-1][1:] == (number - 1, label):
        spans[-1] = (spans[-1][0], number, label)
        return True
    spans.append((number, number, label))
    return kind == "B"


def _literal(location: Location, name: str, text: str, kind: type) -> list[Any]:
    """Parse a Python list literal."""
    try:
        values = ast.literal_eval(text)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        problem = f"is {short_repr(text)}, not a list: {error}"
        raise location.error(name, problem) from error
    values = location.check(name, values, list)
    return [location.check(name, value, kind) for value in values]
