"""Counts of each document and label, and the figures that follow from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..scoring.comparison import Comparison

FIGURES = ("p", "r", "f")


@dataclass(frozen=True)
class CountTable:
    """How many entities or relations are correct, false and missed.

    labels (tuple[str, ...]): The labels that occur in the gold annotation or the
        predictions, in alphabetical order.
    counts (ndarray): The correct, false and missed of each document and label. Shape:
        (N, L, 3).
    """

    labels: tuple[str, ...]
    counts: np.ndarray

    def with_labels(self, labels: Sequence[str]) -> "CountTable":
        """RETURNS (CountTable): The table with more labels, whose counts are 0."""
        counts = np.zeros((len(self.counts), len(labels), 3))
        columns = [labels.index(label) for label in self.labels]
        counts[:, columns] = self.counts
        return CountTable(tuple(labels), counts)


def count_documents(
    comparisons: Sequence[Comparison], documents: np.ndarray, kind: str
) -> CountTable | None:
    """Count the rows of each document, as the scorer does.

    comparisons (Sequence[Comparison]): One per Doc.
    documents (ndarray): The number of the document of each Doc. Shape: (number of
        Docs,).
    kind (str): "ents", "rel" or "rel_strict".
    RETURNS (CountTable | None): The counts. None if no reference is annotated.
    """
    counted = [comparison.count(kind) for comparison in comparisons]
    if all(counts is None for counts in counted):
        return None
    labels = tuple(sorted({label for counts in counted for label in counts or ()}))
    column = {label: number for number, label in enumerate(labels)}
    table = np.zeros((int(documents.max()) + 1, len(labels), 3))
    for document, counts in zip(documents.tolist(), counted, strict=True):
        for label, row in (counts or {}).items():
            table[document, column[label]] += row
    return CountTable(labels, table)


def precision_recall_f1(counts: np.ndarray) -> np.ndarray:
    """Compute the figures. A figure is 0 if its denominator is 0.

    counts (ndarray): Correct, false and missed. Shape: (..., 3).
    RETURNS (ndarray): Precision, recall and F1. Shape: (..., 3).
    """
    correct, false, missed = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    pairs = (
        (correct, correct + false),
        (correct, correct + missed),
        (2 * correct, 2 * correct + false + missed),
    )
    return np.stack([_divide(*pair) for pair in pairs], -1)


def summarize_counts(counts: np.ndarray) -> dict[str, np.ndarray]:
    """Compute micro and macro figures, with the names of the scorer.

    Macro figures are means over the labels that occur.

    counts (ndarray): Counts of each label. Shape: (..., L, 3).
    RETURNS (dict[str, ndarray]): "p", "r", "f", "macro_p", "macro_r", "macro_f". Shape
        of each: (...).
    """
    micro = precision_recall_f1(counts.sum(-2))
    occurs = (counts.sum(-1) > 0)[..., None]
    by_label = precision_recall_f1(counts) * occurs
    macro = _divide(by_label.sum(-2), np.broadcast_to(occurs.sum(-2), micro.shape))
    return {
        f"{prefix}{name}": values[..., column]
        for prefix, values in (("", micro), ("macro_", macro))
        for column, name in enumerate(FIGURES)
    }


def _divide(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    result = np.zeros(np.shape(numerator))
    return np.divide(numerator, denominator, out=result, where=denominator > 0)
