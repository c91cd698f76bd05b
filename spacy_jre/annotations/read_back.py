"""Convert a Doc to a record, for writing corpora to other formats."""

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
    """Convert a Doc to a record. The inverse of ``build_doc``.

    doc (Doc): The Doc.
    words (bool): Whether the record gets the tokens as words, without whitespace
        tokens, separated by single spaces. The record of a Doc that was built from
        words always has them.
    attr (str): Name of the relation extension.
    source (str): Source of the record, for messages.
    RETURNS (Record): The current annotation of the Doc. Duplicates in the record that
        the Doc was built from are restored if the annotation did not change.
    RAISES (ValueError): J109 for a relation argument without a label; J112, J113, J114
        if user data or a span group is malformed.
    """
    kept = _kept(doc, source)
    entities, relations = _annotation(doc, attr)
    if "entities" in kept:
        # DocBin returns tuples, from_bytes returns lists
        kept_entities = [tuple(row) for row in kept["entities"]]
        kept_relations = [tuple(row) for row in kept["relations"]]
        if set(kept_entities) == set(entities) and (
            _triples(kept_entities, kept_relations) == _triples(entities, relations)
        ):
            entities, relations = kept_entities, kept_relations
    text, own_words, offsets = doc.text, None, None
    if words or doc.has_unknown_spaces:
        keep_spaces = doc.has_unknown_spaces
        tokens = [token for token in doc if keep_spaces or not token.is_space]
        own_words = tuple(token.text for token in tokens)
        text = " ".join(own_words)
        offsets = dict(zip((t.i for t in tokens), word_offsets(own_words), strict=True))
    scores = _scores(doc, attr)
    sentences = None
    if doc.has_annotation("SENT_START"):
        bounds = [_shift(doc, s.start_char, s.end_char, offsets) for s in doc.sents]
        sentences = tuple(bound for bound in bounds if bound[0] < bound[1])
    return Record(
        text=text,
        entities=tuple(
            EntityRecord(
                *_shift(doc, start, end, offsets),
                label,
                scores.get((start, end, label), 1.0),
            )
            for start, end, label in entities
        ),
        relations=tuple(
            RelationRecord(
                head,
                tail,
                label,
                scores.get((*entities[head], *entities[tail], label), 1.0),
            )
            for head, tail, label in relations
        ),
        words=own_words,
        sentences=sentences if sentences and len(sentences) > 1 else None,
        document=kept.get("document"),
        source=source,
        meta=kept.get("meta", {}),
    )


def _kept(doc: Doc, source: str) -> dict[str, Any]:
    """The fields of the record that `build_doc` stored in user data.

    RAISES (ValueError): J114 if they are malformed.
    """
    kept = doc.user_data.get(RECORD_KEY, {})
    problem = ""
    if not isinstance(kept, dict):
        kept, problem = {}, "it is not a dict"
    elif not isinstance(kept.get("document"), (str, NoneType)):
        problem = "document is not a string"
    elif not isinstance(kept.get("meta", {}), dict):
        problem = "meta is not a dict"
    elif ("entities" in kept) != ("relations" in kept):
        problem = "it needs both entities and relations"
    elif "entities" in kept:
        problem = _check_rows(kept)
    try:
        # DocBin returns lists as tuples
        kept = {**kept, "meta": json.loads(json.dumps(kept.get("meta", {})))}
    except (TypeError, ValueError, RecursionError) as error:
        problem = f"meta is not valid JSON: {error}"
    if problem:
        raise JREError(
            Errors.J114.format(source=source, key=RECORD_KEY, problem=problem)
        )
    return kept


def _check_rows(kept: dict[str, Any]) -> str:
    """The problem with the rows of (int, int, str). Empty if there is none."""
    for name in ("entities", "relations"):
        rows = kept[name]
        if not isinstance(rows, (list, tuple)) or not all(
            isinstance(row, (list, tuple))
            and len(row) == 3
            and all(isinstance(v, t) for v, t in zip(row, (int, int, str), strict=True))
            for row in rows
        ):
            return f"{name} is not a list of rows of two numbers and a label"
    count = len(kept["entities"])
    if not all(0 <= i < count for row in kept["relations"] for i in row[:2]):
        return f"relations refers to an entity beyond the {count} entities"
    return ""


def _annotation(doc: Doc, attr: str) -> tuple[list[Entity], list[Triple]]:
    """The entities, and the relations between their indices."""
    entities = [(e.start, e.end, e.label) for e in annotated_entities(doc, attr)]
    index_of: dict[Entity, int] = {}
    for index, entity in enumerate(entities):
        index_of.setdefault(entity, index)
    relations = []
    for row in stored_relations(doc, attr):
        arguments = []
        for entity in (
            (row.head_start, row.head_end, row.head_label),
            (row.tail_start, row.tail_end, row.tail_label),
        ):
            if entity not in index_of:
                index_of[entity] = len(entities)
                entities.append(entity)
            arguments.append(index_of[entity])
        relations.append((arguments[0], arguments[1], row.label))
    return entities, relations


def _scores(doc: Doc, attr: str) -> dict[tuple[int | str | float, ...], float]:
    """The scores of the entities and relations, by the other values of their rows."""
    scores: dict[tuple[int | str | float, ...], float] = {}
    scores.update((row[:-1], row.score) for row in annotated_entities(doc, attr))
    scores.update((row[:-1], row.score) for row in stored_relations(doc, attr))
    return scores


def _triples(
    entities: list[Entity], relations: list[Triple]
) -> set[tuple[Entity, Entity, str]]:
    return {(entities[h], entities[t], label) for h, t, label in relations}


def _shift(
    doc: Doc, start: int, end: int, offsets: dict[int, tuple[int, int]] | None
) -> tuple[int, int]:
    """Convert offsets in the Doc to offsets in its words joined by single spaces.

    offsets (dict[int, tuple[int, int]] | None): Token index -> offsets of the word.
        None if the record keeps the text of the Doc.
    RETURNS (tuple[int, int]): The offsets; (0, 0) if the range has no words.
    """
    if offsets is None:
        return start, end
    inside = [t.i for t in expanded_span(doc, start, end) if t.i in offsets]
    return (offsets[inside[0]][0], offsets[inside[-1]][1]) if inside else (0, 0)
