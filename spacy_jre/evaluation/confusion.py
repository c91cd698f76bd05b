"""Which labels are predicted instead of which."""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.comparison import Comparison


@dataclass(frozen=True)
class Confusion:
    """Gold labels (rows) and predicted labels (columns) of the same boundaries.

    labels (list[str]): The labels, in alphabetical order.
    counts (list[list[int]]): Shape: (L + 1, L + 1). The last row and the last column
        are "none": predictions without a gold label, gold labels without a prediction.
    """

    labels: list[str]
    counts: list[list[int]]


def confuse_entities(comparisons: Iterable[Comparison]) -> Confusion | None:
    """Compare the labels of spans.

    The sums of the rows are the gold entities of each label, those of the columns the
    predicted ones.

    comparisons (Iterable[Comparison]): One per Doc.
    RETURNS (Confusion | None): The table. None if no reference is annotated.
    """
    return _confuse(comparisons, "ents")


def confuse_relations(comparisons: Iterable[Comparison]) -> Confusion | None:
    """Compare the labels of ordered pairs of spans. The entity labels are ignored. See
    ``confuse_entities``."""
    return _confuse(comparisons, "rel")


def _confuse(comparisons: Iterable[Comparison], kind: str) -> Confusion | None:
    annotated = [rows for one in comparisons if (rows := one.rows(kind)) is not None]
    if not annotated:
        return None
    pairs: list[tuple[str | None, str | None]] = []
    for predicted, gold in annotated:
        pairs += [(row[-1], row[-1]) for row in predicted & gold]
        missed, false = _by_place(gold - predicted), _by_place(predicted - gold)
        for place in missed.keys() | false.keys():
            pairs += _align(missed.get(place, ()), false.get(place, ()))
    labels = sorted({label for pair in pairs for label in pair if label is not None})
    index: Mapping[str | None, int] = {
        **{label: number for number, label in enumerate(labels)},
        None: len(labels),
    }
    counts = np.zeros((len(index), len(index)), dtype=int)
    for expected, found in pairs:
        counts[index[expected], index[found]] += 1
    return Confusion(labels, counts.tolist())


def _by_place(rows: Iterable[tuple[Hashable, ...]]) -> dict[Hashable, list[str]]:
    """Group the labels by what precedes them in the row."""
    places: dict[Hashable, list[str]] = {}
    for row in rows:
        places.setdefault(row[:-1], []).append(str(row[-1]))
    return places


def _align(
    missed: Sequence[str], false: Sequence[str]
) -> list[tuple[str | None, str | None]]:
    """Pair each missed label with at most one false label, in alphabetical order."""
    n_rows = max(len(missed), len(false))
    columns = [
        [*sorted(labels), *[None] * (n_rows - len(labels))]
        for labels in (missed, false)
    ]
    return list(zip(*columns, strict=True))
