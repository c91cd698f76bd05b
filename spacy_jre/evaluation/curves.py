"""Precision-recall curve and calibration of scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from spacy.scorer import PRFScore

from ..scoring.thresholds import LabelScores

BINS = 10


@dataclass(frozen=True)
class CurvePoint:
    """The scores of the relations that reach a threshold."""

    threshold: float
    p: float
    r: float
    f: float


@dataclass(frozen=True)
class Curve:
    """A precision-recall curve of strict relations.

    points (list[CurvePoint]): From the highest threshold to the lowest. Only thresholds
        that add a correct relation: between two of them, precision decreases and recall
        stays.
    average_precision (float): The sum of the precisions, each weighted with the
        increase of the recall from the previous point.
    """

    points: list[CurvePoint]
    average_precision: float


@dataclass(frozen=True)
class Bin:
    """The predictions whose score is in a part of 0 to 1.

    low, high (float): Lower and upper limit. A score is above `low`, except for 0.
    count (int): Number of predictions.
    score (float | None): Mean score. None for an empty bin.
    correct (float | None): Share of correct predictions.
    """

    low: float
    high: float
    count: int
    score: float | None
    correct: float | None


@dataclass(frozen=True)
class Calibration:
    """How often predictions with a score are correct.

    bins (list[Bin]): Ten bins of equal width.
    error (float | None): The expected calibration error: the mean of the distances
        between mean score and share of correct predictions, weighted with the number of
        predictions (Guo et al. 2017, equation 3). None without predictions.
    """

    bins: list[Bin]
    error: float | None


def precision_recall(entry: LabelScores) -> Curve:
    """Compute the curve over all thresholds.

    entry (LabelScores): The scored relations.
    RETURNS (Curve): The curve. Without points if no relation is correct.
    """
    scores = np.asarray(entry.scores, dtype="float32")
    order = np.argsort(-scores, kind="stable")
    scores, correct = scores[order], np.asarray(entry.correct, dtype=int)[order]
    # the last relation with each score: a threshold cannot separate equal scores
    ends = np.flatnonzero(np.append(scores[1:] != scores[:-1], True)[: len(scores)])
    n_correct = np.cumsum(correct)[ends]
    ends = ends[np.diff(n_correct, prepend=0) > 0]
    points, average, recall = [], 0.0, 0.0
    for end, found in zip(ends.tolist(), np.cumsum(correct)[ends].tolist()):
        counts = PRFScore(tp=found, fp=end + 1 - found, fn=entry.support - found)
        figures = counts.to_dict()
        points.append(CurvePoint(threshold=float(scores[end]), **figures))
        average += (figures["r"] - recall) * figures["p"]
        recall = figures["r"]
    return Curve(points, average)


def calibrate(scores: Sequence[float], correct: Sequence[bool]) -> Calibration:
    """Compare scores with the share of correct predictions.

    scores (Sequence[float]): Scores from 0 to 1.
    correct (Sequence[bool]): Whether each prediction is correct.
    RETURNS (Calibration): The reliability curve and its error.
    """
    values, hits = np.asarray(scores, dtype=float), np.asarray(correct, dtype=float)
    edges = np.linspace(0, 1, BINS + 1)
    # (0.1, 0.2] is bin 1
    numbers = np.clip(np.searchsorted(edges, values, side="left") - 1, 0, BINS - 1)
    bins, error = [], 0.0
    for number in range(BINS):
        inside = numbers == number
        count = int(inside.sum())
        mean = float(values[inside].mean()) if count else None
        share = float(hits[inside].mean()) if count else None
        low, high = (round(float(edge), 1) for edge in edges[number : number + 2])
        bins.append(Bin(low, high, count, mean, share))
        if mean is not None and share is not None:
            error += count * abs(mean - share)
    return Calibration(bins, error / len(values) if len(values) else None)
