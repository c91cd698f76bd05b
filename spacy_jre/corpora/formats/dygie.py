"""The JSON lines of DyGIE, DyGIE++ and PURE: one tokenised document a line.

::

    {"doc_key": ..., "sentences": [[token, ...], ...],
     "ner": [[[start, end, label], ...], ...],
     "relations": [[[start, end, start, end, label], ...], ...], "clusters": [...]}

Offsets are tokens from the start of the document, end *inclusive*. ACE04 and ACE05 come
in this shape out of DyGIE's preprocessing of the licensed files.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...annotations.records import word_offsets
from ..sources import OnSkip, Place, each_record, read_json, refuse, shorten
from .spert_json import read_words


def read_dygie(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Told of every document that is left out, such as those without
        annotation.
    YIELDS (Record): One per document, with its sentences; ``meta`` keeps clusters and
        what else it holds. A relation belongs to the first entity of its span.
    RAISES (ValueError): J601, J602 for the file. By `refuse`: J604, J605 with line and
        field.
    """
    return each_record(read_json(path, skip), partial(_read_document, skip), skip)


def _read_document(skip: OnSkip, item: tuple[Place, Any]) -> Record | None:
    place, document = item
    sentences = place.get(document, "sentences", list)
    if "ner" not in document and "relations" not in document:
        skip(LeftOut("record", f"{place}: has neither 'ner' nor 'relations'"))
        return None
    words: list[str] = []
    bounds = []
    for sentence in sentences:
        first = len(words)
        words += read_words(
            place, "sentences", place.check("sentences", sentence, list)
        )
        if len(words) > first:
            bounds.append((first, len(words) - 1))
    offsets = word_offsets(tuple(words))

    def characters(here: Place, start: int, end: int) -> tuple[int, int]:
        if not 0 <= start <= end < len(words):
            problem = f"is {start}..{end}, outside the {len(words)} tokens (end counts)"
            raise here.wrong("span", problem)
        return offsets[start][0], offsets[end][1]

    entities: list[EntityRecord] = []
    of_span: dict[tuple[int, int], int] = {}
    for here, values in _rows(place, document, "ner", len(sentences), 3):
        start, end = characters(here, *values[:2])
        of_span.setdefault((start, end), len(entities))
        entities.append(EntityRecord(start, end, values[2]))
    relations = []
    left_out = []
    for here, values in _rows(place, document, "relations", len(sentences), 5):
        head, tail = characters(here, *values[:2]), characters(here, *values[2:4])
        if head in of_span and tail in of_span:
            relations.append(RelationRecord(of_span[head], of_span[tail], values[4]))
        else:
            reason = f"{here}: {shorten(values)} joins a span that is no entity"
            left_out.append(LeftOut("relation", reason))
    events_per_sentence = place.check("events", document.get("events") or [], list)
    for number, events in enumerate(events_per_sentence):
        if place.check("events", events, list):
            reason = f"{place}: {len(events)} event(s) of sentence {number}"
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
        source=str(place),
        meta=place.rest(document, "sentences", "ner", "relations"),
    )


def _rows(
    place: Place, document: dict[str, Any], field: str, count: int, size: int
) -> Iterator[tuple[Place, list[Any]]]:
    """The rows of a field: integers, then a label. Predictions add scores behind."""
    per_sentence = place.get(document, field, list)
    if len(per_sentence) != count:
        problem = f"has {len(per_sentence)} lists for {count} sentences"
        raise place.wrong(field, problem)
    for sentence, rows in enumerate(per_sentence):
        for index, row in enumerate(place.check(field, rows, list)):
            here = place.at(f"sentence {sentence}, {field} {index}")
            values = here.check(field, row, list)[:size]
            if len(values) < size:
                raise here.wrong(field, f"has {len(values)} values, not {size}")
            for value in values[:-1]:
                here.check(field, value, int)
            here.check(field, values[-1], str)
            yield here, values
