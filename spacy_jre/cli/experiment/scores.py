"""The scores of a run, and their mean and deviation over several runs."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

KINDS = ("ents", "rel", "rel_strict")
FIGURES = ("p", "r", "f")
# names of nlp.evaluate. Macro: the mean over the labels
SCORES = tuple(
    f"{kind}_{average}{figure}"
    for kind in KINDS
    for average in ("", "macro_")
    for figure in FIGURES
)
PER_TYPE = tuple(f"{kind}_per_type" for kind in KINDS)


def select_scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Select the scores of a run from those of ``nlp.evaluate``.

    RETURNS (dict[str, Any]): The scores between 0 and 1, and for each label.
    """
    return {
        # None without gold annotations
        **{name: float(scores[name] or 0.0) for name in SCORES},
        **{name: scores[name] for name in PER_TYPE},
    }


def summarize(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Compute mean and sample standard deviation of each score and label.

    runs (Sequence[Mapping]): The results of ``select_scores``, at least one.
    RETURNS (dict[str, Any]): "n"; "mean" and "deviation" by the names of the scores;
        and the same for each label, with the number of runs in which it occurs. A
        deviation is None for a single run. Results of versions without macro scores are
        averaged without them.
    """
    names = [name for name in SCORES if all(name in run for run in runs)]
    return {
        **_average(runs, names),
        **{
            name: _average_labels([run[name] or {} for run in runs])
            for name in PER_TYPE
        },
    }


def _average_labels(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    labels = sorted({label for run in runs for label in run})
    return {
        label: _average([run[label] for run in runs if label in run], FIGURES)
        for label in labels
    }


def _average(rows: Sequence[Mapping[str, Any]], names: Iterable[str]) -> dict[str, Any]:
    columns = {name: [row[name] for row in rows] for name in names}
    return {
        "n": len(rows),
        "mean": {name: statistics.fmean(values) for name, values in columns.items()},
        "deviation": {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in columns.items()
        },
    }
