"""Concatenate Docs and convert Spans to Docs without losing relations.

``Doc.from_docs`` and ``Span.as_doc`` drop ``doc.user_data``. The functions here keep
the relations and shift the stored character offsets.
"""

from collections.abc import Sequence
from typing import NamedTuple

from spacy.tokens import Doc, Span

from .relations import (
    DEFAULT_ATTR,
    SPANS_KEY,
    StoredEntity,
    StoredRelation,
    annotated_entities,
    has_relations,
    storage_key,
    stored_relations,
    write_annotations,
)


class DocPart(NamedTuple):
    """A Doc created from a Span.

    doc (Doc): The Doc.
    lost_relations (int): Number of relations with exactly one argument in the Span.
    """

    doc: Doc
    lost_relations: int


def concat_docs(
    docs: Sequence[Doc], *, attr: str = DEFAULT_ATTR, spans_key: str = SPANS_KEY
) -> Doc | None:
    """Concatenate Docs, including relations and scored entities.

    docs (Sequence[Doc]): The Docs. They must share a vocab.
    attr (str): Name of the relation extension.
    spans_key (str): Name of the span group of the entities.
    RETURNS (Doc | None): The concatenated Doc. None if `docs` is empty, like
        ``Doc.from_docs``.
    """
    # (the stub of from_docs lacks `exclude`)
    joined = Doc.from_docs(list(docs), exclude=["user_data"])  # type: ignore[call-arg]
    if joined is None or not any(_has_annotation(doc, attr, spans_key) for doc in docs):
        return joined
    entities: list[StoredEntity] = []
    relations: list[StoredRelation] = []
    first_token = 0
    for doc in docs:
        if len(doc) == 0:  # from_docs skips empty Docs
            continue
        offset = joined[first_token].idx
        first_token += len(doc)
        own = annotated_entities(doc, attr, spans_key)
        entities += [_move_entity(entity, offset) for entity in own]
        relations += [_move_relation(r, offset) for r in stored_relations(doc, attr)]
    write_annotations(joined, entities, relations, attr, spans_key=spans_key)
    if not any(has_relations(doc, attr) for doc in docs):
        del joined.user_data[storage_key(attr)]  # there were only entities
    return joined


def span_as_doc(
    span: Span, *, attr: str = DEFAULT_ATTR, spans_key: str = SPANS_KEY
) -> DocPart:
    """Create a Doc from a Span, including the relations inside the Span.

    span (Span): The Span.
    attr (str): Name of the relation extension.
    spans_key (str): Name of the span group of the entities.
    RETURNS (DocPart): The Doc, and the number of relations with only one argument in
        the Span.
    """
    part = span.as_doc()
    source = span.doc
    part.has_unknown_spaces = source.has_unknown_spaces
    if not _has_annotation(source, attr, spans_key):
        return DocPart(part, 0)
    start, end = span.start_char, span.end_char
    entities = [
        _move_entity(entity, -start)
        for entity in annotated_entities(source, attr, spans_key)
        if start <= entity.start and entity.end <= end
    ]
    relations, lost = [], 0
    for relation in stored_relations(source, attr):
        head = start <= relation.head_start and relation.head_end <= end
        tail = start <= relation.tail_start and relation.tail_end <= end
        if head and tail:
            relations.append(_move_relation(relation, -start))
        lost += head != tail
    write_annotations(part, entities, relations, attr, spans_key=spans_key)
    if not has_relations(source, attr):
        del part.user_data[storage_key(attr)]
    return DocPart(part, lost)


def _has_annotation(doc: Doc, attr: str, spans_key: str) -> bool:
    """Whether the Doc has annotation that spaCy's own functions would drop."""
    return has_relations(doc, attr) or spans_key in doc.spans


def _move_entity(entity: StoredEntity, offset: int) -> StoredEntity:
    return entity._replace(start=entity.start + offset, end=entity.end + offset)


def _move_relation(relation: StoredRelation, offset: int) -> StoredRelation:
    return relation._replace(
        head_start=relation.head_start + offset,
        head_end=relation.head_end + offset,
        tail_start=relation.tail_start + offset,
        tail_end=relation.tail_end + offset,
    )
