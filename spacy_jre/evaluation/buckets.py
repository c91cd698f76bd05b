"""Scores of entities and relations by length, distance and nesting.

The boundaries of the entity lengths and of the text lengths are those of STSN's figures
5 and 6.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from spacy.tokens import Doc

from .counts import precision_recall_f1
from .outcomes import DocumentOutcome, EntityOutcome, RelationOutcome, SpanRef

# the first value of each bucket
ENTITY_LENGTHS = (1, 3, 5, 7, 9, 11)
TEXT_LENGTHS = (0, 20, 35, 50)
DISTANCES = (0, 3, 6, 11, 21)

Outcome = EntityOutcome | RelationOutcome


@dataclass(frozen=True)
class Bucket:
    """The scores of the entities or relations of a bucket.

    name (str): The bucket, such as "1-2" or "nested".
    gold, correct (int): Number of gold ones, and of those that are predicted.
    predicted (int | None): Number of predicted ones. None if the bucket depends on the
        gold annotation only. `p` and `f` are then None, too.
    p, r, f (float | None): Precision, recall and F1. None without predicted ones,
        without gold ones, and without both.
    """

    name: str
    gold: int
    correct: int
    predicted: int | None
    p: float | None
    r: float | None
    f: float | None


def make_buckets(
    documents: Sequence[tuple[Doc, DocumentOutcome]],
) -> dict[str, list[Bucket]]:
    """Divide the outcomes into buckets.

    documents (Sequence): The gold Docs and their outcomes.
    RETURNS (dict[str, list[Bucket]]): "ents_length" (tokens of the entity),
        "ents_text_length" and "rel_strict_text_length" (tokens of the Doc),
        "rel_strict_distance" (tokens between the arguments), "ents_nested" and
        "rel_strict_nested" (whether an entity, or an argument of the relation, overlaps
        another gold entity; these have only recall). Relations are strict.
    """
    measured = [_Measured(doc, outcome) for doc, outcome in documents]
    rows = {
        "ents_length": (_of_length, ENTITY_LENGTHS, "entities"),
        "ents_text_length": (_of_text, TEXT_LENGTHS, "entities"),
        "rel_strict_text_length": (_of_text, TEXT_LENGTHS, "relations"),
        "rel_strict_distance": (_of_distance, DISTANCES, "relations"),
    }
    buckets = {
        name: _count(measured, field, range_names(starts), _in_range(starts, measure))
        for name, (measure, starts, field) in rows.items()
    }
    for kind, field in (("ents", "entities"), ("rel_strict", "relations")):
        buckets[f"{kind}_nested"] = _count(
            measured, field, ["flat", "nested"], _nesting, gold_only=True
        )
    return buckets


def range_names(starts: Sequence[int]) -> list[str]:
    """RETURNS (list[str]): The names of the buckets, such as "1-2" and ">10"."""
    names = [
        f"{start}-{end - 1}" if end - 1 > start else f"{start}"
        for start, end in pairwise(starts)
    ]
    return [*names, f">{starts[-1] - 1}"]


class _Measured:
    """A gold Doc and its outcomes, with lengths in tokens."""

    def __init__(self, doc: Doc, outcome: DocumentOutcome):
        self.doc = doc
        self.outcome = outcome
        self.gold = {e.gold for e in outcome.entities if e.gold and e.kind != "false"}

    def tokens(self, span: SpanRef) -> tuple[int, int]:
        """RETURNS (tuple[int, int]): The tokens that overlap a span."""
        found = self.doc.char_span(span.start, span.end, alignment_mode="expand")
        return (0, 0) if found is None else (found.start, found.end)

    def is_nested(self, span: SpanRef) -> bool:
        return any(
            span.start < other.end and other.start < span.end
            for other in self.gold
            if other != span
        )


Measure = Callable[[_Measured, Outcome], int]


def _arguments(outcome: Outcome) -> list[SpanRef]:
    if isinstance(outcome, RelationOutcome):
        return [outcome.head, outcome.tail]
    own = outcome.predicted if outcome.kind == "false" else outcome.gold
    assert own is not None
    return [own]


def _of_length(measured: _Measured, outcome: Outcome) -> int:
    start, end = measured.tokens(_arguments(outcome)[0])
    return max(1, end - start)


def _of_text(measured: _Measured, outcome: Outcome) -> int:
    return len(measured.doc)


def _of_distance(measured: _Measured, outcome: Outcome) -> int:
    first, second = sorted(measured.tokens(span) for span in _arguments(outcome))
    return max(0, second[0] - first[1])


def _in_range(
    starts: Sequence[int], measure: Measure
) -> Callable[[_Measured, Outcome], int]:
    def bucket(measured: _Measured, outcome: Outcome) -> int:
        value = measure(measured, outcome)
        return sum(start <= value for start in starts) - 1

    return bucket


def _nesting(measured: _Measured, outcome: Outcome) -> int:
    return int(any(measured.is_nested(span) for span in _arguments(outcome)))


def _count(
    documents: Iterable[_Measured],
    field: str,
    names: Sequence[str],
    bucket_of: Callable[[_Measured, Outcome], int],
    *,
    gold_only: bool = False,
) -> list[Bucket]:
    counts = [{"hit": 0, "false": 0, "missed": 0} for _ in names]
    for measured in documents:
        for outcome in getattr(measured.outcome, field):
            if not (gold_only and outcome.kind == "false"):
                counts[bucket_of(measured, outcome)][outcome.kind] += 1
    return [
        _make_bucket(name, *count.values(), gold_only=gold_only)
        for name, count in zip(names, counts, strict=True)
    ]


def _make_bucket(
    name: str, correct: int, false: int, missed: int, *, gold_only: bool
) -> Bucket:
    p, r, f = precision_recall_f1(np.asarray([correct, false, missed])).tolist()
    gold, predicted = correct + missed, None if gold_only else correct + false
    return Bucket(
        name=name,
        gold=gold,
        correct=correct,
        predicted=predicted,
        p=p if predicted else None,
        r=r if gold else None,
        f=f if predicted is not None and predicted + gold else None,
    )
