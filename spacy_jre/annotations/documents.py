"""Concatenate Docs and cut Spans into Docs without losing relations.

``Doc.from_docs`` and ``Span.as_doc`` drop Doc-level values; these two re-base
the stored character offsets.
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
    """A Doc cut out of another one.

    doc (Doc): The part.
    lost_relations (int): Relations with exactly one argument inside the part.
    """

    doc: Doc
    lost_relations: int


def concat_docs(docs: Sequence[Doc], *, attr: str = DEFAULT_ATTR) -> Doc | None:
    """Join Docs into one, relations and scored entities included.

    docs (Sequence[Doc]): The Docs, all of one vocab.
    attr (str): Name of the relation extension.
    RETURNS (Doc | None): The joined Doc; None without any Doc, as
        ``Doc.from_docs`` has it.
    """
    # (the stub of from_docs lacks `exclude`)
    joined = Doc.from_docs(list(docs), exclude=["user_data"])  # type: ignore[call-arg]
    if joined is None or not any(_is_ours(doc, attr) for doc in docs):
        return joined
    entities: list[StoredEntity] = []
    relations: list[StoredRelation] = []
    first_token = 0
    for doc in docs:
        if len(doc) == 0:  # from_docs leaves empty Docs out
            continue
        offset = joined[first_token].idx
        first_token += len(doc)
        entities += [_move_entity(e, offset) for e in annotated_entities(doc, attr)]
        relations += [_move_relation(r, offset) for r in stored_relations(doc, attr)]
    write_annotations(joined, entities, relations, attr)
    if not any(has_relations(doc, attr) for doc in docs):
        del joined.user_data[storage_key(attr)]  # entities are all there was
    return joined


def span_as_doc(span: Span, *, attr: str = DEFAULT_ATTR) -> DocPart:
    """Cut a Span into a Doc of its own, with the relations that lie inside it.

    span (Span): The part to cut out.
    attr (str): Name of the relation extension.
    RETURNS (DocPart): The Doc, and how many relations had only one argument in it.
    """
    part = span.as_doc()
    source = span.doc
    part.has_unknown_spaces = source.has_unknown_spaces
    if not _is_ours(source, attr):
        return DocPart(part, 0)
    start, end = span.start_char, span.end_char
    entities = [
        _move_entity(entity, -start)
        for entity in annotated_entities(source, attr)
        if start <= entity.start and entity.end <= end
    ]
    relations, lost = [], 0
    for relation in stored_relations(source, attr):
        head = start <= relation.head_start and relation.head_end <= end
        tail = start <= relation.tail_start and relation.tail_end <= end
        if head and tail:
            relations.append(_move_relation(relation, -start))
        lost += head != tail
    write_annotations(part, entities, relations, attr)
    if not has_relations(source, attr):
        del part.user_data[storage_key(attr)]
    return DocPart(part, lost)


def _is_ours(doc: Doc, attr: str) -> bool:
    """Tell whether spaCy's own helpers would lose something of ours."""
    return has_relations(doc, attr) or SPANS_KEY in doc.spans


def _move_entity(entity: StoredEntity, offset: int) -> StoredEntity:
    return entity._replace(start=entity.start + offset, end=entity.end + offset)


def _move_relation(relation: StoredRelation, offset: int) -> StoredRelation:
    return relation._replace(
        head_start=relation.head_start + offset,
        head_end=relation.head_end + offset,
        tail_start=relation.tail_start + offset,
        tail_end=relation.tail_end + offset,
    )
