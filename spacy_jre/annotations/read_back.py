"""The way back from a Doc to a record, for writing corpora to other formats."""

import json
from types import NoneType
from typing import Any

from spacy.tokens import Doc

from ..errors import Errors, JREError
from .build import RECORD_KEY
from .records import EntityRecord, Record, RelationRecord, word_offsets
from .relations import (
    DEFAULT_ATTR,
    annotated_entities,
    expanded_span,
    stored_relations,
)

Entity = tuple[int, int, str]
Triple = tuple[int, int, str]


def read_record(
    doc: Doc, *, words: bool = False, attr: str = DEFAULT_ATTR, source: str = "Doc"
) -> Record:
    """The record of a Doc: the way back from ``build_doc``.

    words (bool): Whether the record shall have the tokens as words, those of white
        space left out, and single blanks between them. A Doc that was built from words
        has them anyway.
    source (str): For messages.
    RETURNS (Record): What the Doc says now. What stood twice in the record the Doc was
        built from stands twice again, if the annotation is still the same.
    RAISES (ValueError): J109 for an argument of a relation that has no label; J112,
        J113, J114 where user data or a span group of another origin has a wrong form.
    """
    kept = _kept(doc, source)
    entities, relations = _annotation(doc, attr)
    if "entities" in kept:
        # DocBin gives tuples where from_bytes gives lists
        before = [tuple(row) for row in kept["entities"]]
        joined = [tuple(row) for row in kept["relations"]]
        if set(before) == set(entities) and (
            _pairs(before, joined) == _pairs(entities, relations)
        ):
            entities, relations = before, joined
    text, own_words, places = doc.text, None, None
    if words or doc.has_unknown_spaces:
        keep_blanks = doc.has_unknown_spaces
        tokens = [token for token in doc if keep_blanks or not token.is_space]
        own_words = tuple(token.text for token in tokens)
        text = " ".join(own_words)
        places = dict(zip((t.i for t in tokens), word_offsets(own_words), strict=True))
    sentences = None
    if doc.has_annotation("SENT_START"):
        bounds = [_moved(doc, s.start_char, s.end_char, places) for s in doc.sents]
        sentences = tuple(bound for bound in bounds if bound[0] < bound[1])
    return Record(
        text=text,
        entities=tuple(
            EntityRecord(*_moved(doc, start, end, places), label)
            for start, end, label in entities
        ),
        relations=tuple(RelationRecord(*row) for row in relations),
        words=own_words,
        sentences=sentences if sentences and len(sentences) > 1 else None,
        document=kept.get("document"),
        source=source,
        meta=kept.get("meta", {}),
    )


def _kept(doc: Doc, source: str) -> dict[str, Any]:
    """What `build_doc` stored beside the annotation.

    RAISES (ValueError): J114 where it has a wrong form.
    """
    kept = doc.user_data.get(RECORD_KEY, {})
    problem = ""
    if not isinstance(kept, dict):
        kept, problem = {}, "it is no dict"
    elif not isinstance(kept.get("document"), (str, NoneType)):
        problem = "document is no string"
    elif not isinstance(kept.get("meta", {}), dict):
        problem = "meta is no dict"
    elif ("entities" in kept) != ("relations" in kept):
        problem = "entities and relations belong together"
    elif "entities" in kept:
        problem = _wrong_rows(kept)
    try:
        # DocBin makes tuples of lists
        kept = {**kept, "meta": json.loads(json.dumps(kept.get("meta", {})))}
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"meta is no JSON: {error}"
    if problem:
        raise JREError(
            Errors.J114.format(source=source, key=RECORD_KEY, problem=problem)
        )
    return kept


def _wrong_rows(kept: dict[str, Any]) -> str:
    """What is wrong with the rows of (int, int, str); empty where nothing is."""
    for name in ("entities", "relations"):
        rows = kept[name]
        if not isinstance(rows, (list, tuple)) or not all(
            isinstance(row, (list, tuple))
            and len(row) == 3
            and all(isinstance(v, t) for v, t in zip(row, (int, int, str), strict=True))
            for row in rows
        ):
            return f"{name} is no list of two numbers and a label each"
    count = len(kept["entities"])
    if not all(0 <= at < count for row in kept["relations"] for at in row[:2]):
        return f"relations names another entity than the {count} there are"
    return ""


def _annotation(doc: Doc, attr: str) -> tuple[list[Entity], list[Triple]]:
    """Entities, and relations between their positions."""
    entities = [(e.start, e.end, e.label) for e in annotated_entities(doc, attr)]
    position: dict[Entity, int] = {}
    for index, entity in enumerate(entities):
        position.setdefault(entity, index)
    relations = []
    for row in stored_relations(doc, attr):
        arguments = []
        for entity in (
            (row.head_start, row.head_end, row.head_label),
            (row.tail_start, row.tail_end, row.tail_label),
        ):
            if entity not in position:
                position[entity] = len(entities)
                entities.append(entity)
            arguments.append(position[entity])
        relations.append((arguments[0], arguments[1], row.label))
    return entities, relations


def _pairs(
    entities: list[Entity], relations: list[Triple]
) -> set[tuple[Entity, Entity, str]]:
    return {(entities[h], entities[t], label) for h, t, label in relations}


def _moved(
    doc: Doc, start: int, end: int, places: dict[int, tuple[int, int]] | None
) -> tuple[int, int]:
    """Characters of the Doc as characters of its words between single blanks."""
    if places is None:
        return start, end
    inside = [t.i for t in expanded_span(doc, start, end) if t.i in places]
    return (places[inside[0]][0], places[inside[-1]][1]) if inside else (0, 0)
