"""The JSON lines format of DyGIE, DyGIE++ and PURE: one tokenized document per line.

::

    {"doc_key": ..., "sentences": [[token, ...], ...],
     "ner": [[[start, end, label], ...], ...],
     "relations": [[[start, end, start, end, label], ...], ...], "clusters": [...]}

Offsets are tokens of the document, end *inclusive*. DyGIE's preprocessing converts the
licensed files of ACE04 and ACE05 to this format.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import LeftOut, Record
from ...annotations.records import word_offsets
from ..rows import UNKNOWN_ARGUMENT, Rows
from ..sources import (
    Location,
    OnSkip,
    as_integer,
    each_record,
    read_json,
    refuse,
    short_repr,
)
from .words import read_words, word_span

Span = tuple[int, int]  # first and last token


def read_dygie(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped document, such as those without annotation.
    YIELDS (Record): One per document, with its sentences. ``meta`` keeps clusters and
        other fields. If several entities have the span of an argument, the relation
        gets the first one. ``left_out`` has the broken entities and relations.
    RAISES (ValueError): J601, J602 for the file. With `refuse`: J604, J605 with line
        and field.
    """
    parse = partial(_read_document, skip)
    return each_record(read_json(path, skip), parse, skip, _count)


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    """The numbers of entities and relations of a document that cannot be read."""
    counts = []
    for field in ("ner", "relations"):
        value = item[1].get(field) if isinstance(item[1], dict) else None
        sentences = value if isinstance(value, list) else []
        counts.append(sum(len(rows) for rows in sentences if isinstance(rows, list)))
    return counts[0], counts[1]


def _read_document(skip: OnSkip, item: tuple[Location, Any]) -> Record | None:
    location, document = item
    sentences = location.get(document, "sentences", list)
    if "ner" not in document and "relations" not in document:
        cause = "the document has neither 'ner' nor 'relations'"
        skip(LeftOut("record", f"{location}: {cause}", cause=cause))
        return None
    words: list[str] = []
    bounds = []
    for sentence in sentences:
        first = len(words)
        words += read_words(
            location, "sentences", location.check("sentences", sentence, list)
        )
        if len(words) > first:
            bounds.append((first, len(words) - 1))
    rows, offsets = Rows.of_words(tuple(words)), word_offsets(words)
    seen: set[Span] = set()
    for here, row in _each(location, document, "ner", len(sentences)):
        key = _span_of(row)
        # relations get the first entity of a span
        key = None if key in seen else key
        with rows.row("entity", key=key):
            start, end, label = _values(here, row, "ner", 3)
            span = word_span(here, offsets, start, end, inclusive=True)
            rows.add_entity(here, *span, label, key)
            seen.add((start, end))
    for here, row in _each(location, document, "relations", len(sentences)):
        with rows.row("relation"):
            *spans, label = _values(here, row, "relations", 5)
            head, tail = (spans[0], spans[1]), (spans[2], spans[3])
            for ends in (head, tail):
                word_span(here, offsets, *ends, inclusive=True)
            if rows.knows(head) and rows.knows(tail):
                rows.add_relation(here, head, tail, label)
            else:
                reason = (
                    f"{here}: {short_repr(row)} has an argument that is not an entity"
                )
                rows.leave_out("relation", reason, UNKNOWN_ARGUMENT)
    events_per_sentence = location.check("events", document.get("events") or [], list)
    for number, events in enumerate(events_per_sentence):
        with rows.row("event"):
            if location.check("events", events, list):
                reason = f"{location}: {len(events)} event(s) of sentence {number}"
                rows.leave_out("event", reason, "events are not supported")
    key = document.get("doc_key")
    return Record(
        **rows.fields(),
        sentences=(
            tuple((offsets[a][0], offsets[b][1]) for a, b in bounds)
            if len(bounds) > 1
            else None
        ),
        document=None if key is None else str(key),
        source=str(location),
        meta=location.rest(document, "sentences", "ner", "relations"),
    )


def _each(
    location: Location, document: dict[str, Any], field: str, count: int
) -> Iterator[tuple[Location, Any]]:
    """The rows of a field with their locations. A sentence with another value than a
    list counts as one row."""
    if document.get(field) is None:
        return
    per_sentence = location.get(document, field, list)
    if len(per_sentence) != count:
        problem = f"has {len(per_sentence)} lists for {count} sentences"
        raise location.error(field, problem)
    for number, rows in enumerate(per_sentence):
        here = location.at(f"sentence {number}")
        if rows is not None:
            rows_of = (
                here.each(field, rows) if isinstance(rows, list) else [(here, rows)]
            )
            yield from rows_of


def _values(here: Location, row: Any, field: str, size: int) -> list[Any]:
    """The integers and the label of a row. Predictions append scores, which are
    ignored."""
    values = here.check(field, row, list)[:size]
    if len(values) < size:
        raise here.error(field, f"has {len(values)} values, not {size}")
    numbers = [here.check(field, value, int) for value in values[:-1]]
    return [*numbers, here.check(field, values[-1], str)]


def _span_of(row: Any) -> Span | None:
    """The span of an entity, even if the rest of the row is broken."""
    match row:
        case [start, end, *_]:
            span = as_integer(start), as_integer(end)
            return span if all(isinstance(word, int) for word in span) else None
    return None
