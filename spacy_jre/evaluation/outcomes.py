"""Which entities and relations of a Doc are found, missed or false, and why.

A relation is a hit if it is strictly correct, as in ``rel_strict`` of the scorer. The
hits and the missed together are the gold annotation, the hits and the false together
are the prediction. Each missed and each false one has exactly one cause.

A wrong entity is explained by a wrong entity of the other side: a missed one by the
false one that overlaps most, and the other way round. A correct entity explains
nothing, so that a missed entity around a correct nested one is "missed".
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from spacy.tokens import Doc
from spacy.training import Example

from ..annotations import DEFAULT_ATTR
from ..annotations.build import RECORD_KEY
from ..scoring.comparison import Comparison, EntityRow, StrictRow, compare

Kind = Literal["hit", "missed", "false"]

MISSED_ENTITY_CAUSES = ("missed", "boundary", "type", "boundary and type")
FALSE_ENTITY_CAUSES = ("false", *MISSED_ENTITY_CAUSES[1:])
MISSED_RELATION_CAUSES = (
    "entity missed",
    "entity boundary",
    "entity type",
    "relation missed",
    "wrong label",
    "wrong direction",
)
FALSE_RELATION_CAUSES = (
    "entity false",
    "entity boundary",
    "entity type",
    "unrelated pair",
    "wrong label",
    "wrong direction",
)


@dataclass(frozen=True)
class SpanRef:
    """A labeled span in the text of the gold Doc.

    start, end (int): Characters, end exclusive. Equal for a predicted span that has no
        characters in the gold text.
    label (str): The entity label.
    """

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class EntityOutcome:
    """A gold or predicted entity.

    kind (str): "hit", "missed" or "false".
    cause (str): Empty for a hit. "type": an entity of the other side has the same
        boundaries and another label. "boundary": one overlaps and has the same label.
        "boundary and type": one overlaps and has another label. Otherwise "missed" or
        "false".
    gold, predicted (SpanRef | None): Both for a hit. The gold entity for a missed one
        and the predicted entity for a false one. The other one is the entity that the
        cause refers to, or None.
    """

    kind: Kind
    cause: str
    gold: SpanRef | None
    predicted: SpanRef | None


@dataclass(frozen=True)
class RelationOutcome:
    """A gold or predicted relation.

    kind (str): "hit", "missed" or "false".
    cause (str): Empty for a hit. If an entity is wrong, the cause of the entity:
        "entity missed" or "entity false", "entity boundary" (also with another label)
        or "entity type"; if both are wrong, the first one of these. If both entities
        are correct: "wrong direction" if the other side has the label in the other
        order, "wrong label" if it has another label in any order, otherwise "relation
        missed" or "unrelated pair". Correct predictions do not explain a missed
        relation.
    label (str): The relation label.
    head, tail (SpanRef): The arguments: of the gold relation for a hit and a missed
        one, of the prediction for a false one.
    score (float | None): The score of the prediction. None for a missed one.
    """

    kind: Kind
    cause: str
    label: str
    head: SpanRef
    tail: SpanRef
    score: float | None


@dataclass(frozen=True)
class DocumentOutcome:
    """The outcomes of a Doc, in text order.

    text (str): The text of the gold Doc.
    doc_id (str): The document that the Doc is a part of, or an empty string.
    entities (list[EntityOutcome]): Empty if the gold Doc has no entity annotation.
    relations (list[RelationOutcome]): Empty if it has no relation annotation.
    """

    text: str
    doc_id: str
    entities: list[EntityOutcome]
    relations: list[RelationOutcome]


def compare_docs(
    gold: Doc,
    predicted: Doc,
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: frozenset[str] = frozenset(),
) -> DocumentOutcome:
    """Compare a predicted Doc with the gold Doc.

    gold, predicted (Doc): The Docs. Their texts can differ, see ``TextAlignment``.
    attr (str): Name of the relation extension.
    symmetric (frozenset[str]): Symmetric relation labels.
    RETURNS (DocumentOutcome): The outcomes.
    """
    example = Example(predicted, gold)
    return outcomes_of(compare(example, attr=attr, symmetric=symmetric))


def outcomes_of(comparison: Comparison) -> DocumentOutcome:
    """Explain the differences of a comparison.

    comparison (Comparison): The aligned annotations, with symmetric relations once.
    RETURNS (DocumentOutcome): The outcomes.
    """
    document = _Document(comparison)
    reference = comparison.alignment.example.reference
    return DocumentOutcome(
        text=reference.text,
        doc_id=_doc_id(reference),
        entities=document.entity_outcomes() if comparison.knows_entities else [],
        relations=document.relation_outcomes() if comparison.knows_relations else [],
    )


class _Document:
    """The errors of a Doc, with what explains them."""

    def __init__(self, comparison: Comparison):
        self.comparison = comparison
        gold, predicted = comparison.gold_entities, comparison.predicted_entities
        missed = [row for row in gold if row not in predicted]
        false = [row for row in predicted if row not in gold]
        # the entity of the other side, None without overlap
        self.missed = {row: _most_similar(row, false) for row in missed}
        self.false = {row: _most_similar(row, missed) for row in false}

    def entity_outcomes(self) -> list[EntityOutcome]:
        refer = self._refer
        gold = self.comparison.gold_entities
        hits = [row for row in gold if row not in self.missed]
        outcomes = [
            *(EntityOutcome("hit", "", refer(row), refer(row)) for row in hits),
            *(
                EntityOutcome(
                    "missed",
                    _entity_cause(row, other) or "missed",
                    refer(row),
                    None if other is None else refer(other),
                )
                for row, other in self.missed.items()
            ),
            *(
                EntityOutcome(
                    "false",
                    _entity_cause(row, other) or "false",
                    None if other is None else refer(other),
                    refer(row),
                )
                for row, other in self.false.items()
            ),
        ]
        return sorted(outcomes, key=_entity_position)

    def relation_outcomes(self) -> list[RelationOutcome]:
        gold = self.comparison.gold_relations
        predicted = self.comparison.predicted_relations
        missed = [row for row in gold if row not in predicted]
        false = [row for row in predicted if row not in gold]
        outcomes = [
            *(
                self._outcome("hit", "", row, predicted[row])
                for row in gold
                if row in predicted
            ),
            *(
                self._outcome("missed", self._missed_cause(row, false), row, None)
                for row in missed
            ),
            *(
                self._outcome("false", self._false_cause(row), row, predicted[row])
                for row in false
            ),
        ]
        return sorted(outcomes, key=_relation_position)

    def _missed_cause(self, row: StrictRow, false: Iterable[StrictRow]) -> str:
        return (
            _argument_cause(row, self.missed, "entity missed")
            or _pair_cause(row, false)
            or "relation missed"
        )

    def _false_cause(self, row: StrictRow) -> str:
        # if the entities of the reference are unknown, no entity is wrong
        wrong = self.false if self.comparison.knows_entities else {}
        return (
            _argument_cause(row, wrong, "entity false")
            or _pair_cause(row, self.comparison.gold_relations)
            or "unrelated pair"
        )

    def _outcome(
        self, kind: Kind, cause: str, row: StrictRow, score: float | None
    ) -> RelationOutcome:
        head, tail = self._refer(row[0]), self._refer(row[1])
        return RelationOutcome(kind, cause, row[2], head, tail, score)

    def _refer(self, row: EntityRow) -> SpanRef:
        start, end = self.comparison.alignment.reference_range(row[:2])
        return SpanRef(start, end, row[2])


def _most_similar(row: EntityRow, others: Iterable[EntityRow]) -> EntityRow | None:
    """Choose an overlapping entity: the one with the same boundaries, or else one with
    the same label, then the one that overlaps most, then the first one."""
    candidates = [other for other in others if _overlap(row, other) > 0]
    return max(
        candidates,
        key=lambda other: (
            row[:2] == other[:2],
            row[2] == other[2],
            _overlap(row, other),
            [-offset for offset in other[:2]],
        ),
        default=None,
    )


def _overlap(one: EntityRow, other: EntityRow) -> int:
    if one[:2] == other[:2]:
        return max(1, one[1] - one[0])
    return min(one[1], other[1]) - max(one[0], other[0])


def _entity_cause(row: EntityRow, other: EntityRow | None) -> str:
    """RETURNS (str): The cause of a wrong entity. Empty without an overlapping one."""
    if other is None:
        return ""
    if row[:2] == other[:2]:
        return "type"
    return "boundary" if row[2] == other[2] else "boundary and type"


def _argument_cause(
    row: StrictRow, wrong: dict[EntityRow, EntityRow | None], without_overlap: str
) -> str:
    """RETURNS (str): The cause of a relation with a wrong argument. Empty if both are
    correct."""
    causes = {
        _entity_cause(entity, wrong[entity]) for entity in row[:2] if entity in wrong
    }
    if "" in causes:
        return without_overlap
    if causes & {"boundary", "boundary and type"}:
        return "entity boundary"
    return "entity type" if causes else ""


def _pair_cause(row: StrictRow, others: Iterable[StrictRow]) -> str:
    """RETURNS (str): The cause of a wrong relation between two correct entities. Empty
    if no other relation is between them."""
    head, tail, label = row
    cause = ""
    for other in others:
        if other == (tail, head, label):
            return "wrong direction"
        if {other[0], other[1]} == {head, tail}:
            cause = "wrong label"
    return cause


def _entity_position(outcome: EntityOutcome) -> tuple[int, int, str]:
    span = outcome.gold if outcome.kind != "false" else outcome.predicted
    assert span is not None
    return span.start, span.end, span.label


def _relation_position(outcome: RelationOutcome) -> tuple[int, int, int, int, str]:
    head, tail = outcome.head, outcome.tail
    return head.start, head.end, tail.start, tail.end, outcome.label


def _doc_id(doc: Doc) -> str:
    kept = doc.user_data.get(RECORD_KEY) or {}
    return str(kept.get("document") or "")
