"""The PubTator format: abstracts with entities and relations between concepts, such as
BC5CDR, NCBI Disease and BioRED.

::

    1234567|t|Naproxen and renal failure.
    1234567|a|Two cases are described.
    1234567	0	8	Naproxen	Chemical	D009288
    1234567	13	26	renal failure	Disease	D051437
    1234567	CID	D009288	D051437

The columns of an entity are document, start, end, text, label and concepts. Offsets are
characters of the title, one separating character and the abstract, end exclusive. The
columns of a relation are document, label, and the concepts of head and tail. BioRED has
a fifth column ("Novel"), which ``meta`` keeps.

Relations are between concepts. See ``biomedical.py`` for how their mentions are chosen.
"""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import Record
from ..rows import Rows
from ..sources import Block, Location, OnSkip, each_record, read_blocks, refuse
from .biomedical import Concepts, Mention, has_text, read_concepts
from .offsets import UNITS
from .surface import Repeats, check_repeats

PASSAGE = re.compile(r"([^\s|]+)\|([a-z])\|(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?[0-9]{1,9}")


def read_pubtator(
    path: Path, *, skip: OnSkip = refuse, repeats: Repeats = "nearest"
) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped document.
    repeats (str): Rule for the mentions of a concept. See ``surface.py``.
    YIELDS (Record): One per document. The title and the abstract are two lines of the
        text. ``document`` is the id. ``meta`` has the concepts of each entity and the
        rows of the relations. Offsets in UTF-16 code units or UTF-8 bytes are converted
        if the texts of more entities match. Relations to a concept without an entity
        are reported in ``left_out``, like broken rows.
    RAISES (ValueError): J202 for `repeats`; J601, J602, J665-J667 for the file. With
        `refuse`: J605, J622, J668 with line and column.
    """
    check_repeats(repeats)
    blocks = read_blocks(path, _is_title)
    return each_record(blocks, partial(_read_document, repeats), skip, _count)


def is_pubtator(lines: tuple[str, ...]) -> bool:
    return bool(lines) and _is_title(lines[0])


def _is_title(line: str) -> bool:
    match = PASSAGE.fullmatch(line)
    return match is not None and match[2] == "t"


def _is_entity(columns: list[str]) -> bool:
    return len(columns) > 5 or _NUMBER.fullmatch("".join(columns[1:2])) is not None


def _count(block: Block) -> tuple[int, int]:
    rows = [line.split("\t") for _, line in block.lines if not PASSAGE.fullmatch(line)]
    entities = sum(map(_is_entity, rows))
    return entities, len(rows) - entities


def _read_document(repeats: Repeats, block: Block) -> Record:
    if block.error:
        raise block.error
    passages: list[str] = []
    entities: list[tuple[Location, list[str]]] = []
    relations: list[tuple[Location, list[str]]] = []
    title = PASSAGE.fullmatch(block.lines[0][1])
    if title is None:
        problem = "is missing: a document starts with a line such as 1234567|t|Title"
        raise block.location.error("title", problem)
    document = title[1]
    for location, line in block.lines:
        if (match := PASSAGE.fullmatch(line)) and match[1] == document:
            passages.append(match[3])
            continue
        columns = line.split("\t")
        (entities if _is_entity(columns) else relations).append((location, columns))
    rows = Rows("\n".join(passages))
    concepts = Concepts(rows, repeats)
    ids: list[list[str]] = []
    for mention in _read_mentions(rows, document, entities):
        with rows.row("entity"):
            if concepts.add(mention, "skip"):
                ids.append(list(mention.concepts))
    for location, columns in relations:
        with rows.row("relation"):
            _check_document(location, columns, document)
            if len(columns) not in (4, 5):
                raise location.error("columns", f"are {len(columns)}, not 4 or 5")
            label, head, tail = (column.strip() for column in columns[1:4])
            concepts.relate(location, head, tail, label)
    meta: dict[str, Any] = {"concepts": ids} if any(ids) else {}
    if relations:
        meta["concept_relations"] = [columns[1:] for _, columns in relations]
    return Record(
        **rows.fields(), document=document, source=str(block.location), meta=meta
    )


def _check_document(location: Location, columns: list[str], document: str) -> None:
    if columns[0].strip() != document:
        problem = f"is {columns[0]!r}, but the title has {document!r}"
        raise location.error("document", problem)


def _read_mentions(
    rows: Rows, document: str, entities: list[tuple[Location, list[str]]]
) -> Iterator[Mention]:
    """The entities, with offsets in the unit that matches most of their texts."""
    read: list[tuple[Location, list[str], int, int]] = []
    for location, columns in entities:
        with rows.row("entity"):
            _check_document(location, columns, document)
            if len(columns) < 5:
                problem = f"are {len(columns)}, not at least 5, separated by tabs"
                raise location.error("columns", problem)
            for name, value in zip(("start", "end"), columns[1:3], strict=True):
                if not _NUMBER.fullmatch(value):
                    raise location.error(name, f"is {value!r}, not a number")
            read.append((location, columns, int(columns[1]), int(columns[2])))
    text = rows.text
    converts = list(UNITS.values())[: 1 if text.isascii() else None]
    best = max(
        (convert(text) for convert in converts),
        key=lambda offsets: sum(
            start in offsets
            and end in offsets
            and has_text(text, [(offsets[start], offsets[end])], columns[3])
            for _, columns, start, end in read
        ),
    )
    for location, columns, start, end in read:
        # offsets outside the text are reported as they are in the file
        inside = start in best and end in best
        piece = (best[start], best[end]) if inside else (start, end)
        names = read_concepts(columns[5]) if len(columns) > 5 else ()
        yield Mention(location, [piece], columns[4].strip(), columns[3], None, names)
