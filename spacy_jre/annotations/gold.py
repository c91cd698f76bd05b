"""Read the entities and relations of a reference Doc."""

from collections.abc import Iterable
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
    """The annotation of a Doc, with character offsets.

    entities (dict[SpanKey, None]): The entities, as an ordered set.
    relations (dict): The relations (head, tail, label) in order, and their scores. If a
        relation occurs twice, the score is the higher one.
    knows_entities, knows_relations (bool): False if the Doc has no such annotation,
        which differs from annotation with no entities or relations.
    """

    entities: dict[SpanKey, None]
    relations: dict[tuple[SpanKey, SpanKey, str], float]
    knows_entities: bool
    knows_relations: bool


def read_gold(
    doc: Doc,
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: frozenset[str] = frozenset(),
) -> Gold:
    """Collect the entities and relations of a Doc.

    The entities are those stored with the relations. If there are none, they are read
    from ``doc.spans["jre"]``, or from ``doc.ents`` if there is no such group. Arguments
    of relations are added.

    doc (Doc): A reference or predicted Doc.
    attr (str): Name of the relation extension.
    symmetric (frozenset[str]): Labels of symmetric relations. Their head is the
        argument that comes first in the text.
    RETURNS (Gold): The annotation.
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
    relations: dict[tuple[SpanKey, SpanKey, str], float] = {}
    labels = {key[:2]: key[2] for key in reversed(entities)}
    for row in stored_relations(doc, attr):
        # an argument without a label refers to the entity with the same offsets
        head: SpanKey = (*row[:2], row.head_label or labels.get(row[:2], ""))
        tail: SpanKey = (*row[3:5], row.tail_label or labels.get(row[3:5], ""))
        if row.label in symmetric:
            head, tail = sorted((head, tail))
        entities[head] = entities[tail] = None
        triple = (head, tail, row.label)
        relations[triple] = max(row.score, relations.get(triple, row.score))
    return Gold(entities, relations, knows_entities or bool(relations), knows_relations)


def overlapping_pairs(entities: Iterable[SpanKey]) -> list[tuple[SpanKey, SpanKey]]:
    """Find the pairs of entities that overlap.

    entities (Iterable[SpanKey]): The entities of a Doc.
    RETURNS (list[tuple[SpanKey, SpanKey]]): The pairs. The first entity is the one that
        starts first, or else the longer one, so it is the outer one of nested entities.
    """
    ordered = sorted(entities, key=lambda key: (key[0], -key[1], key[2]))
    pairs = []
    for index, first in enumerate(ordered):
        # an index: a slice would copy the other entities for each entity
        for position in range(index + 1, len(ordered)):
            second = ordered[position]
            if second[0] >= first[1]:
                break
            pairs.append((first, second))
    return pairs
