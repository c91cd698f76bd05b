"""CoNLL-U Plus with relations in comments, which flair uses for relation extraction.

::

    # global.columns = ID FORM NER
    # newdoc id = news-1
    # sent_id = 7
    # text = Ida Holm joined Nordbruk AS .
    # relations = 1;2;4;5;joined|4;5;1;2;employs
    1	Ida	B-PER
    2	Holm	I-PER
    ...

A relation is ``head start;head end;tail start;tail end;label``: the IDs of the first
and the last token of its arguments. Relations are separated by ``|``.

The columns with the entities are those with the name NER, NE or ENTITY, also as a part
of the name ("PARSEME:NE", "NER:SPAN"). Tags can be BIO, BIOES, BILOU, labels without a
prefix, or numbered as in PARSEME ("1:PER" for the first token and "1" for the others).
Without such a column, the arguments of relations are the entities, with the label
``Entity``.

The tokens are the syntactic words. Multiword tokens ("3-4") and empty nodes ("8.1") are
kept in ``meta``. Sources: https://universaldependencies.org/ext-format.html,
https://github.com/flairNLP/flair
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ...annotations import LeftOut, Record
from ...annotations.records import word_offsets
from ..rows import ENTITY, OUTSIDE, UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import (
    Block,
    Discontinuous,
    Location,
    OnSkip,
    each_record,
    read_blocks,
    refuse,
    short_repr,
)

DISCONTINUOUS = "the entity is discontinuous"
_UD = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
_ENTITY_COLUMNS = {"NER", "NE", "ENTITY", "ENTITIES"}
_COMMENT = re.compile(r"#\s*([^=\s][^=]*?)\s*=\s*(.*?)\s*")
_RELATION = re.compile(
    r"\s*(\d{1,9})\s*;\s*(\d{1,9})\s*;\s*(\d{1,9})\s*;\s*(\d{1,9});(.*)"
)
_OUTSIDE_TAGS = ("O", "_", "-", "*", "")
# BIO, BIOES (E, S) and BILOU (L, U)
_TAG = re.compile(r"([BIESLU])-(.+)")
_NUMBERED = re.compile(r"\d{1,9}(?::[^;]+)?(?:;\d{1,9}(?::[^;]+)?)*")


@dataclass(frozen=True)
class _Sentence:
    """A sentence, with what its file says before it.

    columns (tuple[str, ...]): Names of the columns.
    document (str | None): Id of the document.
    """

    block: Block
    columns: tuple[str, ...]
    document: str | None


class _Row(NamedTuple):
    location: Location
    cells: list[str]


class _Entity(NamedTuple):
    """An entity: the indices of its words, and the location of the first one."""

    location: Location
    words: list[int]
    label: str


def read_conllu(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped sentence.
    discontinuous (str): How to read a discontinuous entity of a numbered column: "skip"
        leaves it out, "cover" reads the span from its first to its last word.
    YIELDS (Record): One per sentence. ``document`` is the id of ``# newdoc``,
        ``meta["orig_id"]`` the ``sent_id``. ``meta`` also has the text if it differs
        from the words, multiword tokens, empty nodes and other comments. Other columns
        are not kept. An I- tag that does not continue an entity starts one and is
        reported in ``left_out``, like broken relations.
    RAISES (ValueError): J601, J602, J665-J667 for the file. With `refuse`: J605, J622,
        J668 with line and column.
    """
    parse = partial(_read_sentence, discontinuous)
    return each_record(_sentences(path), parse, skip, _count)


def is_conllu(lines: Iterable[str]) -> bool:
    """Whether a file has relations in comments, or a column with entities."""
    for line in lines:
        if match := _COMMENT.fullmatch(line):
            columns = match[2].upper().split()
            if match[1] == "relations" or (
                match[1] == "global.columns" and _entity_columns(columns)
            ):
                return True
    return False


def _sentences(path: Path) -> Iterator[_Sentence]:
    columns: tuple[str, ...] = _UD
    document = None
    documents = 0
    for block in read_blocks(path):
        for _, line in block.lines:
            if re.fullmatch(r"#\s*newdoc\s*", line):
                documents += 1
                document = str(documents)
            elif match := _COMMENT.fullmatch(line):
                if match[1] == "global.columns":
                    columns = tuple(match[2].upper().split())
                elif match[1] == "newdoc id":
                    documents += 1
                    document = match[2]
        if block.error or any(not line.startswith("#") for _, line in block.lines):
            yield _Sentence(block, columns, document)


def _entity_columns(columns: Iterable[str]) -> list[int]:
    """The numbers of the columns with entities. "NER:SPAN_SCORE" is not one of them."""
    return [
        number
        for number, name in enumerate(columns)
        if _ENTITY_COLUMNS & {*re.split("[:_]", name)} and "SCORE" not in name
    ]


def _count(sentence: _Sentence) -> tuple[int, int]:
    entities = relations = 0
    numbers = _entity_columns(sentence.columns)
    for _, line in sentence.block.lines:
        match = _COMMENT.fullmatch(line)
        if match and match[1] == "relations":
            relations += len(_split_relations(match[2]))
        elif not line.startswith("#"):
            cells = line.split("\t")
            tags = [cells[number] for number in numbers if number < len(cells)]
            entities += sum(tag.startswith(("B-", "S-", "U-")) for tag in tags)
            entities += sum(len(re.findall(r"(?:^|;)\d+:", tag)) for tag in tags)
    return entities, relations


def _split_relations(value: str) -> list[str]:
    # a label can contain |
    parts = re.split(r"\|(?=\s*\d+\s*;)", value)
    return [part for part in parts if part.strip(" |_")]


def _read_sentence(discontinuous: Discontinuous, sentence: _Sentence) -> Record:
    block, columns = sentence.block, sentence.columns
    if block.error:
        raise block.error
    if "FORM" not in columns:
        problem = f"has no FORM: {' '.join(columns)}"
        raise block.location.error("global.columns", problem)
    words: list[_Row] = []
    links: list[tuple[Location, str]] = []
    index_of: dict[str, int] = {}
    meta: dict[str, Any] = {}
    document = sentence.document
    for location, line in block.lines:
        if line.startswith("#"):
            match = _COMMENT.fullmatch(line)
            key, value = (match[1], match[2]) if match else ("", line)
            if key == "relations":
                links += [(location, part) for part in _split_relations(value)]
            elif key in ("sent_id", "sentence_id"):
                meta["orig_id"] = value
            elif key == "document_id":
                document = value
            elif key == "text":
                meta["text"] = value
            elif key not in ("global.columns", "newdoc id") and line[1:].strip():
                meta.setdefault("comments", []).append(line)
            continue
        cells = _split_row(location, line, columns)
        name = cells[columns.index("ID")] if "ID" in columns else str(len(words) + 1)
        if re.fullmatch(r"\d+-\d+", name):
            meta.setdefault("multiword_tokens", []).append(line)
        elif re.fullmatch(r"\d+\.\d+", name):
            meta.setdefault("empty_nodes", []).append(line)
        elif not name.isdecimal() or name in index_of:
            problem = "occurs twice" if name in index_of else "is not a number"
            raise location.error("ID", f"is {short_repr(name)}, which {problem}")
        elif not cells[columns.index("FORM")]:
            raise location.error("FORM", "is empty")
        else:
            index_of[name] = len(words)
            words.append(_Row(location, cells))
    if not words:
        raise block.location.error("FORM", "is missing: the sentence has no words")
    forms = tuple(row.cells[columns.index("FORM")] for row in words)
    rows = Rows.of_words(forms)
    if meta.get("text") == rows.text:
        del meta["text"]
    offsets = word_offsets(forms)
    # entities in the file, also those that are left out
    known: set[tuple[int, int]] = set()

    def add(entity: _Entity) -> None:
        """Add an entity. Relations refer to its first and last word, and if there are
        several entities with these words, to the first of them."""
        span = entity.words[0], entity.words[-1]
        start, end = offsets[span[0]][0], offsets[span[1]][1]
        with rows.row("entity", key=span):
            key = ("second", len(rows.entities)) if span in known else span
            known.add(span)
            rows.add_entity(entity.location, start, end, entity.label, key)

    numbers = _entity_columns(columns)
    for number in numbers:
        for entity in _read_column(rows, columns[number], words, number):
            if _has_gaps(entity.words) and discontinuous == "skip":
                span = entity.words[0], entity.words[-1]
                reason = f"{entity.location}: the {entity.label} has gaps"
                rows.leave_out("entity", reason, DISCONTINUOUS, key=span)
                known.add(span)
            else:
                add(entity)
    for here, part in _each_relation(links):
        with rows.row("relation"):
            head, tail, label = _read_relation(here, part, index_of)
            for first, last in (head, tail):
                if (first, last) in known:
                    continue
                if not numbers:
                    add(_Entity(here, [*range(first, last + 1)], ENTITY))
                else:
                    text = short_repr(" ".join(forms[first : last + 1]))
                    column = " or ".join(columns[number] for number in numbers)
                    problem = (
                        f"has the argument {text}, which is not an entity of {column}"
                    )
                    raise RowError(here.error("relations", problem), UNKNOWN_ARGUMENT)
            rows.add_relation(here, head, tail, label)
    return Record(
        **rows.fields(),
        document=document,
        source=str(block.location),
        meta=meta,
    )


def _split_row(location: Location, line: str, columns: tuple[str, ...]) -> list[str]:
    cells = line.split("\t")
    if len(cells) != len(columns):
        # written by hand, with spaces between the columns
        cells = line.split() if len(line.split()) == len(columns) else cells
    if len(cells) != len(columns):
        names = " ".join(columns)
        problem = f"are {len(cells)}, but global.columns has {len(columns)}: {names}"
        raise location.error("columns", problem)
    return cells


def _each_relation(
    links: list[tuple[Location, str]],
) -> Iterator[tuple[Location, str]]:
    for number, (location, part) in enumerate(links):
        yield location.at(f"relation {number}"), part


def _read_relation(
    here: Location, part: str, index_of: dict[str, int]
) -> tuple[tuple[int, int], tuple[int, int], str]:
    match = _RELATION.fullmatch(part)
    if match is None:
        problem = (
            f"has {short_repr(part)}, which is not head_start;head_end;tail_start;"
            "tail_end;label"
        )
        raise here.error("relations", problem)
    spans = []
    for first, last in ((match[1], match[2]), (match[3], match[4])):
        span = index_of.get(first, -1), index_of.get(last, -1)
        if not 0 <= span[0] <= span[1]:
            problem = f"has {first};{last}, which are not IDs of tokens (inclusive)"
            raise RowError(here.error("relations", problem), OUTSIDE)
        spans.append(span)
    return spans[0], spans[1], match[5].strip()


def _has_gaps(words: list[int]) -> bool:
    return any(second != first + 1 for first, second in pairwise(words))


def _read_column(
    rows: Rows, name: str, words: list[_Row], number: int
) -> list[_Entity]:
    """The entities of a column, in the order of their first words."""
    tags = [row.cells[number] for row in words]
    used = [tag for tag in tags if tag not in _OUTSIDE_TAGS]
    if used and all(_NUMBERED.fullmatch(tag) for tag in used):
        return _read_numbered(rows, name, words, tags)
    prefixes = any(_TAG.fullmatch(tag) for tag in used)
    entities: list[_Entity] = []
    current = ""  # label of the entity that the next word can continue
    for index, (row, tag) in enumerate(zip(words, tags, strict=True)):
        if tag in _OUTSIDE_TAGS:
            current = ""
            continue
        match = _TAG.fullmatch(tag)
        if match is None and prefixes and re.fullmatch("[BIESLU]-?", tag):
            with rows.row("entity"):
                raise row.location.error(name, f"is {tag!r}, without a label")
            current = ""
            continue
        prefix, label = (match[1], match[2]) if match else ("I", tag)
        if label == current and prefix in "IEL":
            entities[-1].words.append(index)
        else:
            if prefix in "IEL" and prefixes:
                problem = f"{tag} of {name} does not continue an entity; read as B-"
                rows.left_out.append(
                    LeftOut(
                        "tag",
                        f"{row.location}: {problem}",
                        cause="an I- tag does not continue an entity",
                    )
                )
            entities.append(_Entity(row.location, [index], label))
        current = "" if prefix in "ESLU" else label
    return entities


def _read_numbered(
    rows: Rows, name: str, words: list[_Row], tags: list[str]
) -> list[_Entity]:
    entities: dict[str, _Entity] = {}
    for index, (row, tag) in enumerate(zip(words, tags, strict=True)):
        if tag in _OUTSIDE_TAGS:
            continue
        for part in tag.split(";"):
            key, _, label = part.partition(":")
            if key in entities and not label:
                entities[key].words.append(index)
                continue
            with rows.row("entity"):
                if not label or key in entities:
                    problem = f"is {short_repr(tag)}: {key} has no label"
                    if label:
                        problem = f"is {short_repr(tag)}: {key} has two labels"
                    raise row.location.error(name, problem)
                entities[key] = _Entity(row.location, [index], label)
    return list(entities.values())
