"""`spacy jre cross-validate`: an experiment with one model, one dataset and one row.

It trains every fold with every seed, scores on test, and averages the scores of
model-best.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors, JREError
from .experiment.plan import Experiment, PlannedRun, parse_experiment, plan_runs
from .experiment.scores import summarize

PART = "best"


def parse_numbers(text: str) -> list[int]:
    """Parse a list of numbers, e.g. "0-4,7". RAISES (ValueError): J709."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part, re.ASCII)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise JREError(Errors.J709.format(value=text))
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(numbers))


def plan_cross_validation(
    config: Path,
    source: Path,
    *,
    folds: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    **settings: Any,
) -> tuple[Experiment, list[PlannedRun]]:
    """Get the runs of a cross-validation, fold by fold.

    config (Path): Training config.
    source (Path): Dataset folder. Without a dataset.json it has no folds.
    folds (Sequence[int]): The folds to run. Empty: all.
    seeds (Sequence[int]): Random seeds of the training.
    settings: Other fields of ``Experiment``.
    RETURNS (tuple[Experiment, list[PlannedRun]]): The experiment and its runs.
    RAISES (ValueError): J634 for a fold or J601 for a file that does not exist, J750
        for an invalid setting.
    """
    # the name of a folder such as "." is empty
    dataset = source.resolve().name or "dataset"
    values = {
        "title": "Cross-validation",
        "models": {config.stem: {"config": str(config)}},
        "datasets": {
            dataset: {
                "path": str(source),
                "folds": list(folds) or None,
                "score": "test",
            }
        },
        "rows": {"as configured": {}},
        "seeds": list(seeds),
        **settings,
    }
    experiment = parse_experiment(config, values)
    runs = plan_runs(config, experiment)
    return experiment, sorted(runs, key=lambda run: run.fold)


def summarize_runs(
    runs: Sequence[PlannedRun], results: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Average the scores over all runs, i.e. over folds and seeds.

    results (Mapping): The results by fingerprint, including those of all runs.
    RETURNS (dict[str, Any]): The result of ``summarize``, and "runs" with fold, seed
        and scores of each run.
    """
    scores = [results[run.fingerprint][PART] for run in runs]
    return {
        **summarize(scores),
        "runs": [
            {"fold": run.fold, "seed": run.seed, "scores": row}
            for run, row in zip(runs, scores, strict=True)
        ],
    }
