"""The gold and the predicted annotation of an Example, as sets that can be compared."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from spacy.training import Example

from ..annotations import DEFAULT_ATTR, read_gold
from ..annotations.align import TextAlignment
from ..annotations.gold import SpanKey

# start and end of the address (see ``TextAlignment``), and label
EntityRow = tuple[int, int, str]
# head and tail without their labels, and label
BoundaryRow = tuple[tuple[int, int], tuple[int, int], str]
# head, tail and label
StrictRow = tuple[EntityRow, EntityRow, str]
# correct, predicted and not gold, gold and not predicted
Counts = tuple[int, int, int]
# what is counted: the prefixes of the scores
KINDS = ("ents", "rel", "rel_strict")


@dataclass(frozen=True)
class Comparison:
    """The annotations of an Example. A predicted and a gold row are equal if the
    prediction is correct.

    alignment (TextAlignment): Converts the addresses in the rows.
    gold_entities, gold_relations (dict): The gold rows, as ordered sets.
    predicted_entities (dict): The predicted rows, as an ordered set.
    predicted_relations (dict): The predicted rows in order, and their scores.
    knows_entities, knows_relations (bool): False if the reference has no such
        annotation. Predictions are then neither correct nor wrong.
    """

    alignment: TextAlignment
    gold_entities: dict[EntityRow, None]
    gold_relations: dict[StrictRow, None]
    predicted_entities: dict[EntityRow, None]
    predicted_relations: dict[StrictRow, float]
    knows_entities: bool
    knows_relations: bool

    def rows(self, kind: str) -> tuple[set[Any], set[Any]] | None:
        """Get the rows to count. The label is the last value of a row.

        kind (str): "ents", "rel" or "rel_strict".
        RETURNS (tuple | None): The predicted and the gold rows. None if the reference
            is not annotated.
        """
        if kind == "ents":
            if not self.knows_entities:
                return None
            return set(self.predicted_entities), set(self.gold_entities)
        if not self.knows_relations:
            return None
        predicted, gold = self.predicted_relations, self.gold_relations
        if kind == "rel":
            return set(map(boundary_row, predicted)), set(map(boundary_row, gold))
        return set(predicted), set(gold)

    def count(self, kind: str) -> dict[str, Counts] | None:
        """Count the correct, false and missed rows.

        kind (str): "ents", "rel" or "rel_strict".
        RETURNS (dict[str, Counts] | None): By label, for the labels that occur. None
            if the reference is not annotated.
        """
        rows = self.rows(kind)
        if rows is None:
            return None
        predicted, gold = rows
        counts: dict[str, list[int]] = {}
        for column, group in enumerate(
            (predicted & gold, predicted - gold, gold - predicted)
        ):
            for row in group:
                counts.setdefault(row[-1], [0, 0, 0])[column] += 1
        return {label: (tp, fp, fn) for label, (tp, fp, fn) in counts.items()}


def compare(
    example: Example,
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: frozenset[str] = frozenset(),
    symmetric_twice: bool = False,
) -> Comparison:
    """Align the predicted and the gold annotation of an Example.

    example (Example): The Example.
    attr (str): Name of the relation extension.
    symmetric (frozenset[str]): Symmetric relation labels. A symmetric relation occurs
        once, with the argument that comes first as head.
    symmetric_twice (bool): Whether a symmetric relation occurs in both orders instead.
    RETURNS (Comparison): The annotations.
    """
    gold = read_gold(example.reference, attr=attr, symmetric=symmetric)
    predicted = read_gold(example.predicted, attr=attr, symmetric=symmetric)
    alignment = TextAlignment(example)
    twice = symmetric if symmetric_twice else frozenset()
    scores: dict[StrictRow, float] = {}
    for key, score in predicted.relations.items():
        for row in _relation_rows(key, alignment.predicted_address, twice):
            scores[row] = max(score, scores.get(row, score))
    gold_rows = [
        row
        for key in gold.relations
        for row in _relation_rows(key, alignment.address, twice)
    ]
    return Comparison(
        alignment=alignment,
        gold_entities={_row(key, alignment.address): None for key in gold.entities},
        gold_relations=dict.fromkeys(gold_rows),
        predicted_entities={
            _row(key, alignment.predicted_address): None for key in predicted.entities
        },
        predicted_relations=scores,
        knows_entities=gold.knows_entities,
        knows_relations=gold.knows_relations,
    )


def boundary_row(row: StrictRow) -> BoundaryRow:
    """RETURNS (BoundaryRow): What has to be equal if the entity labels are ignored."""
    head, tail, label = row
    return head[:2], tail[:2], label


def _row(key: SpanKey, address: Callable[[SpanKey], tuple[int, int]]) -> EntityRow:
    return (*address(key), key[2])


def _relation_rows(
    triple: tuple[SpanKey, SpanKey, str],
    address: Callable[[SpanKey], tuple[int, int]],
    twice: frozenset[str],
) -> list[StrictRow]:
    head, tail = (_row(key, address) for key in triple[:2])
    label = triple[2]
    rows = [(head, tail, label)]
    return [*rows, (tail, head, label)] if label in twice else rows
