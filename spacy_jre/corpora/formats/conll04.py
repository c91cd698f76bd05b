"""CoNLL04 in its published format (Roth and Yih 2004): ``conll04.corp``.

A sentence is a block of lines with nine columns. The first column is the number of the
sentence, the second the entity label, the third the row, the sixth the token. After an
empty line, there are lines ``row, row, relation``, and another empty line. A multi-word
entity is one row, with its words joined by ``/``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import Location, OnSkip, each_record, read_text, refuse, short_repr
from .words import word_span

COLUMNS = 9
# characters that the format replaces with names
WORDS = {"COMMA": ",", "-LRB-": "(", "-RRB-": ")"}


@dataclass
class _Block:
    """The lines of a sentence with their locations."""

    location: Location
    tokens: list[tuple[Location, list[str]]] = field(default_factory=list)
    relations: list[tuple[Location, list[str]]] = field(default_factory=list)


def read_conll04(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence, with or without relations. The tokens are the
        same as in SpERT's JSON. ``meta["orig_id"]`` is the number of the sentence, as
        in the index files of Gupta et al. (2016). Part-of-speech tags are not kept.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and column.
    """
    return each_record(_blocks(path), _read_block, skip, _count)


def _count(block: _Block) -> tuple[int, int]:
    labels = [columns[1] for _, columns in block.tokens if len(columns) == COLUMNS]
    return sum(label != "O" for label in labels), len(block.relations)


def _blocks(path: Path) -> Iterator[_Block]:
    block: _Block | None = None
    in_tokens = False
    for number, line in enumerate(read_text(path).split("\n"), 1):
        location = Location(path, f"line {number}")
        columns = line.rstrip("\r").split("\t")
        if not line.strip():
            in_tokens = False
        elif len(columns) > 3 or block is None:
            if not in_tokens or block is None:
                if block is not None:
                    yield block
                block = _Block(location)
                in_tokens = True
            block.tokens.append((location, columns))
        else:
            block.relations.append((location, columns))
    if block is None:
        raise JREError(Errors.J602.format(path=path))
    yield block


def _read_block(block: _Block) -> Record:
    words: list[str] = []
    spans: list[tuple[Location, int, int, str, str]] = []
    for location, columns in block.tokens:
        if len(columns) != COLUMNS:
            raise location.error("columns", f"are {len(columns)}, not {COLUMNS}")
        if columns[0] != block.tokens[0][1][0]:
            problem = f"is {columns[0]!r} within sentence {block.tokens[0][1][0]!r}"
            raise location.error("sentence", problem)
        label, row, token = columns[1], columns[2], columns[5]
        first = len(words)
        # only the words of entities are joined: "and/or" is one token
        parts = [token] if label == "O" else [part for part in token.split("/") if part]
        if not token:
            raise location.error("token", "is empty")
        parts = parts or [token]  # only slashes
        words += [WORDS.get(part, part) for part in parts]
        if label != "O":
            spans.append((location, first, len(words), label, row))
    rows, offsets = Rows.of_words(tuple(words)), word_offsets(words)
    for location, first, end, label, row in spans:
        with rows.row("entity", key=row):
            span = word_span(location, offsets, first, end)
            rows.add_entity(location, *span, label, row)
    for location, columns in block.relations:
        with rows.row("relation"):
            if len(columns) != 3:
                problem = f"is {short_repr(columns)}, not row, row, label"
                raise location.error("relation", problem)
            head, tail, label = columns
            rows.add_relation(location, head, tail, label)
    number = block.location.number("sentence", block.tokens[0][1][0])
    return Record(
        **rows.fields(),
        source=f"{block.location}, sentence {number}",
        meta={"orig_id": number},
    )
