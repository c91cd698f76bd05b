"""The training data of GLiNER and GLiREL: tokenized sentences.

::

    [{"tokenized_text": [token, ...], "ner": [[first, last, label], ...],
      "relations": [[head, tail, label], ...]}, ...]

The last token of an entity is *inclusive*. Head and tail are indices into "ner". GLiREL
appends the text to each entity, and its relations are objects:

::

    {"head": {"mention", "position": [first, last], "type"}, "tail": {...},
     "relation_text": label}

Entities can also be objects ``{"start", "end", "label", "text"}``, and arguments of
relations in objects can be indices. If a sentence has
the texts of its entities, and more of them match an *exclusive* end, the end is
exclusive (GLiREL's conversion of DocRED).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ..rows import Rows
from ..sources import (
    Location,
    OnSkip,
    as_integer,
    each_record,
    read_json,
    refuse,
    row_counter,
)
from .words import read_words, word_span

Span = tuple[int, int]
RELATION_FIELDS = ("label", "relation_text", "type")


def read_gliner(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one sentence per line.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence. ``meta`` keeps the other fields. ``left_out`` has
        the broken entities and relations. A sentence without the key "relations" has
        no relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field.
    """
    return each_record(
        read_json(path, skip), _read_sentence, skip, row_counter("ner", "relations")
    )


def _read_sentence(item: tuple[Location, Any]) -> Record:
    location, sentence = item
    tokens = location.get(sentence, "tokenized_text", list)
    words = read_words(location, "tokenized_text", tokens)
    entities = location.get_rows(sentence, "ner")
    relations = location.get_rows(sentence, "relations", required=False)
    inclusive = _is_inclusive(words, entities, relations)
    offsets = word_offsets(words)
    rows = Rows.of_words(words)
    keys_of: dict[Span, dict[str, int]] = {}
    for index, (here, entity) in enumerate(location.each("entity", entities)):
        with rows.row("entity", key=index):
            span, label = _read_span(here, entity), _read_label(here, entity)
            keys_of.setdefault(span, {}).setdefault(label, index)
            start, end = word_span(here, offsets, *span, inclusive=inclusive)
            rows.add_entity(here, start, end, label, index)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            if isinstance(relation, list):
                relation = dict(zip(("head", "tail", "label"), relation, strict=False))
            head, tail = (
                _find_key(here, here.get(relation, role, (int, dict)), keys_of)
                for role in ("head", "tail")
            )
            label = here.get(relation, _choose(relation, *RELATION_FIELDS), str)
            rows.add_relation(here, head, tail, label)
    return Record(
        **rows.fields(),
        source=str(location),
        meta=location.rest(sentence, "tokenized_text", "ner", "relations"),
    )


def _as_object(entity: Any) -> Any:
    if not isinstance(entity, list):
        return entity
    return dict(zip(("start", "end", "label", "text"), entity, strict=False))


def _read_span(here: Location, entity: Any) -> Span:
    entity = _as_object(entity)
    return here.get(entity, "start", int), here.get(entity, "end", int)


def _read_label(here: Location, entity: Any) -> str:
    entity = _as_object(entity)
    label: str = here.get(entity, _choose(entity, "label", "type"), str)
    return label


def _choose(row: dict[str, Any], *fields: str) -> str:
    """RETURNS (str): The first of the fields that the row has. Default: the first."""
    return next((field for field in fields if field in row), fields[0])


def _find_key(
    here: Location, argument: int | dict[str, Any], keys_of: dict[Span, dict[str, int]]
) -> int | Span:
    """Find the entity of an argument. If its span has several, prefer its type."""
    if isinstance(argument, int):
        return argument
    position = here.get(argument, "position", list)
    if len(position) != 2:
        raise here.error("position", f"has {len(position)} values, not 2")
    start, end = (here.check("position", value, int) for value in position)
    labels = keys_of.get((start, end))
    if labels is None:
        return start, end
    kind = argument.get("type")
    if isinstance(kind, str) and kind in labels:
        return labels[kind]
    return next(iter(labels.values()))


def _is_inclusive(words: tuple[str, ...], entities: Any, relations: Any) -> bool:
    """Whether the texts of the entities match inclusive rather than exclusive ends."""
    spans = [_as_object(entity) for entity in entities]
    for relation in relations:
        if isinstance(relation, dict):
            spans += (
                {"start": position[0], "end": position[1], "text": side.get("mention")}
                for side in (relation.get("head"), relation.get("tail"))
                if isinstance(side, dict)
                and isinstance(position := side.get("position"), list)
                and len(position) == 2
            )
    matches = [0, 0]
    for span in spans:
        if not isinstance(span, dict) or not isinstance(span.get("text"), str):
            continue
        start, end = (as_integer(span.get(name)) for name in ("start", "end"))
        if isinstance(start, int) and isinstance(end, int) and 0 <= start <= end:
            expected = "".join(span["text"].split())
            for kind, stop in enumerate((end, end + 1)):
                matches[kind] += "".join(words[start:stop]) == expected
    return matches[1] >= matches[0]
