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

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...annotations.records import word_offsets
from ..sources import Location, OnSkip, each_record, read_json, refuse, short_repr
from .words import read_words


def read_dygie(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped document, such as those without annotation.
    YIELDS (Record): One per document, with its sentences. ``meta`` keeps clusters and
        other fields. If several entities have the span of an argument, the relation
        gets the first one.
    RAISES (ValueError): J601, J602 for the file. With `refuse`: J604, J605 with line
        and field.
    """
    return each_record(read_json(path, skip), partial(_read_document, skip), skip)


def _read_document(skip: OnSkip, item: tuple[Location, Any]) -> Record | None:
    location, document = item
    sentences = location.get(document, "sentences", list)
    if "ner" not in document and "relations" not in document:
        skip(LeftOut("record", f"{location}: has neither 'ner' nor 'relations'"))
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
    offsets = word_offsets(tuple(words))

    def characters(here: Location, start: int, end: int) -> tuple[int, int]:
        if not 0 <= start <= end < len(words):
            problem = (
                f"is {start}..{end}, outside the {len(words)} tokens (end inclusive)"
            )
            raise here.error("span", problem)
        return offsets[start][0], offsets[end][1]

    entities: list[EntityRecord] = []
    of_span: dict[tuple[int, int], int] = {}
    for here, values in _rows(location, document, "ner", len(sentences), 3):
        start, end = characters(here, *values[:2])
        of_span.setdefault((start, end), len(entities))
        entities.append(EntityRecord(start, end, values[2]))
    relations = []
    left_out = []
    for here, values in _rows(location, document, "relations", len(sentences), 5):
        head, tail = characters(here, *values[:2]), characters(here, *values[2:4])
        if head in of_span and tail in of_span:
            relations.append(RelationRecord(of_span[head], of_span[tail], values[4]))
        else:
            reason = (
                f"{here}: {short_repr(values)} has an argument that is not an entity"
            )
            left_out.append(LeftOut("relation", reason))
    events_per_sentence = location.check("events", document.get("events") or [], list)
    for number, events in enumerate(events_per_sentence):
        if location.check("events", events, list):
            reason = f"{location}: {len(events)} event(s) of sentence {number}"
            left_out.append(LeftOut("event", reason))
    key = document.get("doc_key")
    return Record(
        text=" ".join(words),
        entities=tuple(entities),
        relations=tuple(relations),
        words=tuple(words),
        sentences=(
            tuple((offsets[a][0], offsets[b][1]) for a, b in bounds)
            if len(bounds) > 1
            else None
        ),
        document=None if key is None else str(key),
        left_out=tuple(left_out),
        source=str(location),
        meta=location.rest(document, "sentences", "ner", "relations"),
    )


def _rows(
    location: Location, document: dict[str, Any], field: str, count: int, size: int
) -> Iterator[tuple[Location, list[Any]]]:
    """Read the rows of a field: integers and a label. Predictions append scores, which
    are ignored."""
    per_sentence = location.get(document, field, list)
    if len(per_sentence) != count:
        problem = f"has {len(per_sentence)} lists for {count} sentences"
        raise location.error(field, problem)
    for sentence, rows in enumerate(per_sentence):
        for index, row in enumerate(location.check(field, rows, list)):
            here = location.at(f"sentence {sentence}, {field} {index}")
            values = here.check(field, row, list)[:size]
            if len(values) < size:
                raise here.error(field, f"has {len(values)} values, not {size}")
            for value in values[:-1]:
                here.check(field, value, int)
            here.check(field, values[-1], str)
            yield here, values
