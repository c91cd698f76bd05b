"""Read what a reference Doc says, however its entities were annotated."""

from dataclasses import dataclass

from spacy.tokens import Doc

from .relations import (
    DEFAULT_ATTR,
    SPANS_KEY,
    annotated_entities,
    has_relations,
    stored_entities,
    stored_relations,
)

SpanKey = tuple[int, int, str]  # characters, end exclusive, and label


@dataclass(frozen=True)
class Gold:
    """The annotation of a Doc, by characters.

    entities (dict[SpanKey, None]): An ordered set.
    relations (dict): (head, tail, label), an ordered set.
    knows_entities, knows_relations (bool): False where the Doc was never annotated
        for them, which is something else than having none.
    """

    entities: dict[SpanKey, None]
    relations: dict[tuple[SpanKey, SpanKey, str], None]
    knows_entities: bool
    knows_relations: bool


def read_gold(
    doc: Doc,
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: frozenset[str] = frozenset(),
) -> Gold:
    """Collect entities and relations of a Doc.

    Entities are those stored beside the relations, else those of ``doc.spans["jre"]``,
    else ``doc.ents``; and every argument of a relation.

    doc (Doc): A reference, or a prediction.
    symmetric (frozenset[str]): Labels whose relations are stored once, the argument
        first in the text as the head.
    """
    knows_relations = has_relations(doc, attr)
    knows_entities = (
        stored_entities(doc, attr) is not None
        or SPANS_KEY in doc.spans
        or doc.has_annotation("ENT_IOB")
    )
    entities: dict[SpanKey, None] = {
        entity[:3]: None for entity in annotated_entities(doc, attr)
    }
    relations: dict[tuple[SpanKey, SpanKey, str], None] = {}
    labels = {key[:2]: key[2] for key in reversed(entities)}
    for row in stored_relations(doc, attr):
        # an argument without a label stands for the entity at its place
        head: SpanKey = (*row[:2], row.head_label or labels.get(row[:2], ""))
        tail: SpanKey = (*row[3:5], row.tail_label or labels.get(row[3:5], ""))
        if row.label in symmetric:
            head, tail = sorted((head, tail))
        entities[head] = entities[tail] = None
        relations[(head, tail, row.label)] = None
    return Gold(entities, relations, knows_entities or bool(relations), knows_relations)
