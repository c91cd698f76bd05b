"""The JSON format of TACRED, Re-TACRED and other corpora in their format: one pair of
entities per row.

::

    [{"id": ..., "docid": ..., "relation": label, "token": [token, ...],
      "subj_start", "subj_end", "subj_type", "obj_start", "obj_end", "obj_type"}, ...]

Offsets are tokens, end *inclusive*. The rows with the same tokens and the same
``docid`` become one record with all their entities. The subject is the head. Rows with
the relation ``no_relation`` only add their entities. Entities without a type have the
label ``Entity``. Tokens such as ``-LRB-`` are kept.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...annotations import Record
from ...annotations.records import word_offsets
from ..rows import ENTITY, LOST_ARGUMENT, Rows
from ..sources import Location, OnSkip, each_item, each_record, read_json, refuse
from .words import read_words, word_span

NO_RELATION = "no_relation"
ARGUMENTS = tuple(f"{r}_{f}" for r in ("subj", "obj") for f in ("start", "end", "type"))
FIELDS = ("id", "relation", *ARGUMENTS)
Mention = tuple[int, int, str]


class _Row(NamedTuple):
    location: Location
    words: tuple[str, ...]
    document: str | None
    value: dict[str, Any]


def read_tacred(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one pair per line. It is read as a whole,
        because the rows of a sentence can be apart.
    skip (Callable): Called for each skipped row.
    YIELDS (Record): One per sentence, with the entities sorted by offset. ``meta``
        keeps the ids of its rows, the pairs without a relation ("no_relation", as
        indices of entities) and the other fields of the first row. ``left_out`` has
        the broken entities and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field.
    """
    items = read_json(path, skip)
    sentences: dict[Any, list[_Row]] = {}
    for row in each_item(items, _read_row, skip, _count_row):
        rows = sentences.setdefault((row.document, row.words), [])
        if rows:  # the other fields are those of the first row
            value = {key: row.value[key] for key in FIELDS if key in row.value}
            row = row._replace(value=value)
        rows.append(row)
    return each_record(sentences.values(), _read_sentence, skip, _count)


def _count_row(item: tuple[Location, Any]) -> tuple[int, int]:
    is_negative = isinstance(item[1], dict) and item[1].get("relation") == NO_RELATION
    return 2, 0 if is_negative else 1


def _count(sentence: list[_Row]) -> tuple[int, int]:
    counts = [_count_row((row.location, row.value)) for row in sentence]
    return sum(count[0] for count in counts), sum(count[1] for count in counts)


def _read_row(item: tuple[Location, Any]) -> _Row:
    location, value = item
    words = read_words(location, "token", location.get(value, "token", list))
    document = value.get("docid")
    if document is not None:
        document = str(location.check("docid", document, (str, int)))
    location.rest({"id": value.get("id")})  # raises an error if it cannot be stored
    return _Row(location, words, document, value)


def _read_sentence(sentence: list[_Row]) -> Record:
    first = sentence[0]
    offsets = word_offsets(first.words)
    rows = Rows.of_words(first.words)
    pairs = [
        tuple(_read_mention(rows, row, role, offsets) for role in ("subj", "obj"))
        for row in sentence
    ]
    found = {mention for pair in pairs for mention in pair if mention is not None}
    for mention in sorted(found):
        with rows.row("entity", key=mention):
            rows.add_entity(first.location, *mention, key=mention)
    untyped = sum(
        row.value.get(f"{role}_type") is None
        for row in sentence
        for role in ("subj", "obj")
    )
    rows.report_untyped(first.location, untyped, "sentence")
    negative = []
    for row, (head, tail) in zip(sentence, pairs, strict=True):
        with rows.row("relation"):
            label = row.location.get(row.value, "relation", str)
            if label == NO_RELATION:
                negative.append((head, tail))
            elif head is None or tail is None:
                reason = f"{row.location}: an argument of the relation was left out"
                rows.leave_out("relation", reason, LOST_ARGUMENT)
            else:
                rows.add_relation(row.location, head, tail, label)
    index_of = {(e.start, e.end, e.label): i for i, e in enumerate(rows.entities)}
    return Record(
        **rows.fields(),
        document=first.document,
        source=str(first.location),
        meta={
            "ids": [row.value.get("id") for row in sentence],
            NO_RELATION: [
                [index_of[head], index_of[tail]]
                for head, tail in negative
                if head in index_of and tail in index_of
            ],
            **first.location.rest(first.value, "docid", "token", *FIELDS),
        },
    )


def _read_mention(
    rows: Rows, row: _Row, role: str, offsets: list[tuple[int, int]]
) -> Mention | None:
    """RETURNS (Mention | None): Character offsets and label. None for a broken one,
    which is reported."""
    here, value = row.location.at(role), row.value
    with rows.row("entity"):
        start = here.get(value, f"{role}_start", int)
        end = here.get(value, f"{role}_end", int)
        label = ENTITY
        if value.get(f"{role}_type") is not None:
            label = here.get(value, f"{role}_type", str)
        if not label:
            raise here.error(f"{role}_type", "is empty")
        return *word_span(here, offsets, start, end, inclusive=True), label
    return None
