"""Confidence intervals and significance from resampled documents.

Source: Efron and Tibshirani (1993), chapters 13 (percentile intervals) and 16 (tests),
as used for comparisons of systems by Berg-Kirkpatrick et al. (2012).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .counts import FIGURES, CountTable, precision_recall_f1, summarize_counts

RESAMPLES = 1000
# probability below and above the interval
TAIL = 0.025
# documents x resamples of a part; limits the memory
MAX_DRAWS = 4_000_000
# a difference of sums in another order
ROUNDING = 1e-12

Interval = tuple[float, float]


@dataclass(frozen=True)
class Intervals:
    """The 95% intervals of the figures of one kind.

    summary (dict[str, Interval]): "p", "r", "f", "macro_p", "macro_r" and "macro_f".
    per_type (dict[str, dict[str, Interval]]): "p", "r" and "f" of each label, from the
        resamples in which the label occurs.
    """

    summary: dict[str, Interval]
    per_type: dict[str, dict[str, Interval]]


@dataclass(frozen=True)
class Difference:
    """The difference of an F1 between two predictions.

    f, other_f (float): The F1 of both.
    difference (float): ``f - other_f``.
    interval (Interval): The 95% interval of the difference.
    p (float): The p value, see ``compare_tables``.
    """

    f: float
    other_f: float
    difference: float
    interval: Interval
    p: float


def bootstrap_intervals(
    table: CountTable, *, seed: int = 0, resamples: int = RESAMPLES
) -> Intervals:
    """Compute percentile intervals of all figures.

    table (CountTable): The counts of each document.
    seed (int): Random seed.
    resamples (int): Number of resamples.
    RETURNS (Intervals): The intervals.
    """
    totals = resample_totals(table.counts, seed=seed, resamples=resamples)
    summary = {
        name: _interval(values) for name, values in summarize_counts(totals).items()
    }
    by_label = precision_recall_f1(totals)
    occurs = totals.sum(-1) > 0
    per_type = {
        label: {
            name: _interval(by_label[occurs[:, column], column, number])
            for number, name in enumerate(FIGURES)
        }
        for column, label in enumerate(table.labels)
    }
    return Intervals(summary, per_type)


def compare_tables(
    table: CountTable,
    other: CountTable,
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> tuple[dict[str, Difference], dict[str, Difference]]:
    """Compare two predictions of the same documents with a paired bootstrap.

    Both are scored on the same resampled documents. The p value is the share of
    resamples whose difference is at least as far from the observed difference d as d is
    from 0, that is, ``|d* - d| >= |d|``. The observed data count as a resample, so that
    p is at least 1 / (resamples + 1). It is 1 if d is 0.

    table, other (CountTable): The counts of both predictions. The documents must be
        the same.
    seed (int), resamples (int): See ``bootstrap_intervals``.
    RETURNS (tuple): The differences in micro ("f") and macro F1 ("macro_f"), and in the
        F1 of each label. The F1 of a label that does not occur is 0.
    """
    labels = sorted({*table.labels, *other.labels})
    both = [one.with_labels(labels).counts for one in (table, other)]
    observed = [counts.sum(0) for counts in both]
    # the same seed draws the same documents
    drawn = [resample_totals(counts, seed=seed, resamples=resamples) for counts in both]
    sums = [summarize_counts(counts) for counts in observed]
    drawn_sums = [summarize_counts(counts) for counts in drawn]
    summary = {
        name: _difference(
            *(one[name] for one in sums), *(one[name] for one in drawn_sums)
        )
        for name in ("f", "macro_f")
    }
    f1s = [precision_recall_f1(counts)[..., 2] for counts in (*observed, *drawn)]
    per_type = {
        label: _difference(*(f1[..., column] for f1 in f1s))
        for column, label in enumerate(labels)
    }
    return summary, per_type


def resample_totals(
    counts: np.ndarray, *, seed: int, resamples: int = RESAMPLES
) -> np.ndarray:
    """Draw documents with replacement, and sum their counts.

    counts (ndarray): Counts of each document. Shape: (N, L, 3).
    seed (int): Random seed. The draws depend on the seed and on N only.
    resamples (int): B, the number of resamples.
    RETURNS (ndarray): The sums of each resample. Shape: (B, L, 3).
    """
    n_documents = len(counts)
    flat = counts.reshape(n_documents, -1)
    rng = np.random.default_rng(seed)
    totals = [weights @ flat for weights in _draws(rng, n_documents, resamples)]
    return np.concatenate(totals).reshape(resamples, *counts.shape[1:])


def _draws(
    rng: np.random.Generator, n_documents: int, resamples: int
) -> Iterator[np.ndarray]:
    """YIELDS (ndarray): How often each document is drawn. Shape: (part, N)."""
    size = max(1, MAX_DRAWS // n_documents)
    for first in range(0, resamples, size):
        rows = min(size, resamples - first)
        drawn = rng.integers(0, n_documents, (rows, n_documents))
        drawn += n_documents * np.arange(rows)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=rows * n_documents)
        yield weights.reshape(rows, n_documents).astype(float)


def _interval(values: np.ndarray) -> Interval:
    low, high = np.quantile(values, [TAIL, 1 - TAIL]) if len(values) else (0.0, 0.0)
    return float(low), float(high)


def _difference(
    f: np.ndarray, other_f: np.ndarray, drawn: np.ndarray, other_drawn: np.ndarray
) -> Difference:
    observed = float(f) - float(other_f)
    differences = drawn - other_drawn
    extreme = np.abs(differences - observed) >= abs(observed) - ROUNDING
    return Difference(
        f=float(f),
        other_f=float(other_f),
        difference=observed,
        interval=_interval(differences),
        p=float((extreme.sum() + 1) / (len(differences) + 1)),
    )
