"""Choose the thresholds of relation labels by the strict F1 on a corpus."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from spacy.scorer import PRFScore
from spacy.training import Example

from ..annotations import DEFAULT_ATTR
from .comparison import compare


@dataclass
class LabelScores:
    """The predicted relations of a label.

    scores (list[float]): Their scores.
    correct (list[bool]): Whether they are strictly correct.
    support (int): Number of gold relations.
    """

    scores: list[float] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)
    support: int = 0

    def reach(self, threshold: float) -> np.ndarray:
        """RETURNS (ndarray): Whether each relation reaches a threshold."""
        # as in decoding: the scores are single-precision numbers
        return np.asarray(self.scores, dtype="float32") >= np.float32(threshold)

    def count(self, threshold: float) -> PRFScore:
        """RETURNS (PRFScore): The counts of the relations that reach a threshold."""
        kept = self.reach(threshold)
        n_correct = int(np.asarray(self.correct, dtype=bool)[kept].sum())
        return PRFScore(
            tp=n_correct, fp=int(kept.sum()) - n_correct, fn=self.support - n_correct
        )

    def best_threshold(self, lowest: float) -> float | None:
        """Choose the threshold with the highest F1.

        All thresholds between two scores give the same F1. The result is the middle of
        the best interval, so that it does not depend on a single score. If several
        intervals are equally good, it is the widest one.

        lowest (float): The scores of all relations with at least this score are known.
        RETURNS (float | None): The threshold. None if no relation is correct.
        """
        if not any(self.correct):
            return None
        order = np.argsort(np.asarray(self.scores), kind="stable")[::-1]
        scores = np.asarray(self.scores, dtype="float32")[order]
        n_correct = np.cumsum(np.asarray(self.correct)[order])
        n_kept = np.arange(1, len(scores) + 1)
        # a threshold cannot separate equal scores
        lower = np.append(scores[1:], np.float32(lowest))
        f1 = np.where(scores > lower, 2 * n_correct / (n_kept + self.support), -1.0)
        best = np.flatnonzero(np.isclose(f1, f1.max(), rtol=0, atol=1e-12))
        index = best[np.argmax(scores[best] - lower[best])]
        return _middle(float(lower[index]), float(scores[index]))


def _middle(low: float, high: float) -> float:
    """RETURNS (float): A short number above `low` and not above `high`, near the
    middle, also in single precision."""
    middle = (low + high) / 2
    for digits in range(2, 9):
        value = round(middle, digits)
        if np.float32(low) < np.float32(value) <= np.float32(high):
            return value
    return high


@dataclass(frozen=True)
class Thresholds:
    """Thresholds of the relation labels.

    threshold (float): The threshold of labels that are not in `labels`.
    labels (Mapping[str, float]): Thresholds by label.
    """

    threshold: float
    labels: Mapping[str, float]

    def of(self, label: str) -> float:
        return self.labels.get(label, self.threshold)


def collect_scores(
    examples: Iterable[Example],
    *,
    attr: str = DEFAULT_ATTR,
    symmetric: Iterable[str] = (),
) -> dict[str, LabelScores]:
    """Collect the scores of predicted relations, and which of them are correct.

    The comparison is that of ``score_joint`` for ``rel_strict``.

    examples (Iterable[Example]): Examples with predictions.
    attr (str): Name of the relation extension.
    symmetric (Iterable[str]): Symmetric relation labels.
    RETURNS (dict[str, LabelScores]): By relation label, of the predicted and of the
        gold relations.
    """
    undirected = frozenset(symmetric)
    table: dict[str, LabelScores] = {}
    for example in examples:
        comparison = compare(example, attr=attr, symmetric=undirected)
        if not comparison.knows_relations:
            continue
        for *_, label in comparison.gold_relations:
            table.setdefault(label, LabelScores()).support += 1
        for row, score in comparison.predicted_relations.items():
            entry = table.setdefault(row[-1], LabelScores())
            entry.scores.append(score)
            entry.correct.append(row in comparison.gold_relations)
    return table


def join_labels(table: Mapping[str, LabelScores]) -> LabelScores:
    """RETURNS (LabelScores): The relations of all labels."""
    together = LabelScores()
    for entry in table.values():
        together.scores += entry.scores
        together.correct += entry.correct
        together.support += entry.support
    return together


def count_all(table: Mapping[str, LabelScores], thresholds: Thresholds) -> PRFScore:
    """RETURNS (PRFScore): The counts of all labels, with the given thresholds."""
    total = PRFScore()
    for label, entry in table.items():
        total += entry.count(thresholds.of(label))
    return total


def choose_thresholds(
    table: Mapping[str, LabelScores],
    current: Thresholds,
    *,
    min_support: int,
    lowest: float,
) -> Thresholds:
    """Choose the thresholds with the highest strict F1.

    The threshold of a label with enough gold relations maximizes the F1 of the label.
    The threshold of all other labels is the one that maximizes the micro F1 if all
    labels have the same threshold. If the micro F1 is higher with the same threshold
    for all labels, it is used. If the micro F1 with the current thresholds is at least
    as high, they do not change.

    table (Mapping[str, LabelScores]): The result of ``collect_scores``.
    current (Thresholds): The current thresholds.
    min_support (int): Minimum number of gold relations of a label with its own
        threshold.
    lowest (float): The scores of all relations with at least this score are known.
    RETURNS (Thresholds): The thresholds.
    """
    threshold = join_labels(table).best_threshold(lowest)
    if threshold is None:
        return current
    own = {
        label: best
        for label, entry in sorted(table.items())
        if entry.support >= min_support
        and (best := entry.best_threshold(lowest)) is not None
    }
    # of equally good ones, `max` chooses the first
    candidates = (current, Thresholds(threshold, own), Thresholds(threshold, {}))
    return max(candidates, key=lambda one: count_all(table, one).fscore)
