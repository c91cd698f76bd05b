from .build import AlignmentReport, TextTooLongError, build_doc, tokenize
from .documents import DocPart, concat_docs, span_as_doc
from .given import GivenEntity, given_entities
from .gold import Gold, overlapping_pairs, read_gold
from .read_back import read_record
from .records import (
    EntityRecord,
    LeftOut,
    Record,
    RelationRecord,
    split_sentences,
)
from .relations import (
    DEFAULT_ATTR,
    SPANS_KEY,
    Relation,
    StoredEntity,
    StoredRelation,
    annotated_entities,
    entity_group,
    has_relations,
    register_extension,
    stored_entities,
    stored_relations,
    write_annotations,
)

__all__ = [
    "DEFAULT_ATTR",
    "SPANS_KEY",
    "AlignmentReport",
    "DocPart",
    "EntityRecord",
    "GivenEntity",
    "Gold",
    "LeftOut",
    "Record",
    "Relation",
    "RelationRecord",
    "StoredEntity",
    "StoredRelation",
    "TextTooLongError",
    "annotated_entities",
    "build_doc",
    "concat_docs",
    "entity_group",
    "given_entities",
    "has_relations",
    "overlapping_pairs",
    "read_gold",
    "read_record",
    "register_extension",
    "span_as_doc",
    "split_sentences",
    "stored_entities",
    "stored_relations",
    "tokenize",
    "write_annotations",
]
