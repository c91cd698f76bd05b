"""`spacy jre cross-validate`: train and score every fold and seed, and average.

Runs that were finished under the same conditions are skipped, so that the command
resumes if it was interrupted.
"""

import hashlib
import json
import re
import shutil
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import srsly
from weasel.util import get_checksum

from ..about import __version__
from ..corpora.dataset import FILE as DATASET_FILE
from ..corpora.dataset import Dataset, find_dataset
from ..corpora.sources import walk_files
from ..errors import Errors, JREError
from .convert import Settings, convert_again
from .evaluate import evaluate
from .train import run_training

# the scores that are averaged, with the names of nlp.evaluate
SCORES = tuple(
    f"{kind}_{figure}" for kind in ("ents", "rel", "rel_strict") for figure in "prf"
)


@dataclass(frozen=True)
class Run:
    """The scores of one fold and seed, between 0 and 1."""

    fold: int
    seed: int
    scores: dict[str, float]
    repeated: bool  # False: finished by an earlier call


@dataclass(frozen=True)
class Average:
    """Mean and sample standard deviation of each score. None for a single run."""

    mean: dict[str, float]
    deviation: dict[str, float | None]


def parse_numbers(text: str) -> list[int]:
    """Parse a list of numbers, e.g. "0-4,7". RAISES (ValueError): J709."""
    numbers: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part, re.ASCII)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise JREError(Errors.J709.format(value=text))
        numbers += range(int(match[1]), int(match[2] or match[1]) + 1)
    return list(dict.fromkeys(numbers))


def cross_validate(
    config: Path,
    source: Path,
    output: Path,
    *,
    folds: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    max_loss: float = 0.01,
    keep_models: bool = True,
    checksums: Path | None = None,
    gpu_id: int = -1,
    **training: Any,
) -> Iterator[Run]:
    """Train on each fold and score on its test data.

    config (Path): Training config.
    source (Path): Dataset folder. Without a dataset.json it has no folds.
    output (Path): Output folder. Each run has a folder in it with its pipelines and
        ``metrics.json``.
    folds (Sequence[int]): The folds to run. Defaults to all.
    seeds (Sequence[int]): Random seeds of the training.
    max_loss (float): See ``spacy jre convert``.
    keep_models (bool): Whether to keep the trained pipelines.
    training: Other settings of ``run_training``.
    YIELDS (Run): One per fold and seed.
    RAISES (ValueError): J634 for a fold or J601 for a file that does not exist, before
        the first training; and the errors of the conversion and the training.
    """
    dataset = find_dataset(source) or Dataset(source)
    config_fingerprint = fingerprint(config)
    fingerprints = {
        fold: data_fingerprints(dataset, fold)
        for fold in folds or range(max(1, dataset.folds))
    }
    for fold, data in fingerprints.items():
        corpus = output / "corpus" / str(fold)
        converted = False
        for seed in seeds:
            folder = output / f"fold-{fold}-seed-{seed}"
            metrics = folder / "metrics.json"
            conditions = {
                "version": __version__,
                "config": config_fingerprint,
                "data": data,
                "seed": seed,
                **training,
            }
            finished = _read_finished(metrics, conditions)
            if finished is not None:
                yield Run(fold, seed, finished, repeated=False)
                continue
            # the old scores are not those of the new pipelines
            metrics.unlink(missing_ok=True)
            if not converted:
                settings = Settings(fold=fold, checksums=checksums)
                convert_again(source, corpus, settings, max_loss)
                converted = True
            run_training(
                config,
                folder,
                corpus / "train.spacy",
                corpus / "dev.spacy",
                seed=seed,
                gpu_id=gpu_id,
                resumable=False,
                **training,
            )
            model = folder / "model-best"
            evaluated = evaluate(model, corpus / "test.spacy", gpu_id=gpu_id)
            scores = {name: float(evaluated[name] or 0.0) for name in SCORES}
            if not keep_models:
                for trained in ("model-best", "model-last"):
                    shutil.rmtree(folder / trained)
            # written last, because it marks the run as finished
            srsly.write_json(metrics, {"conditions": conditions, "scores": scores})
            yield Run(fold, seed, scores, repeated=True)


def _read_finished(path: Path, conditions: dict[str, Any]) -> dict[str, float] | None:
    """Get the scores of a run, or None if it has to be repeated."""
    if not path.is_file():
        return None
    try:
        metrics = srsly.read_json(path)
    except ValueError:  # interrupted while writing
        return None
    if not isinstance(metrics, dict):
        return None
    if metrics.get("conditions") != _as_json(conditions):
        return None
    scores = metrics.get("scores")
    return scores if isinstance(scores, dict) and scores.keys() == set(SCORES) else None


def _as_json(value: Any) -> Any:
    """Convert a value as JSON does, e.g. tuples to lists."""
    return json.loads(json.dumps(value))


def data_fingerprints(dataset: Dataset, fold: int) -> dict[str, list[str]]:
    """Get the fingerprints of the files of a fold and of dataset.json."""
    dataset.check_files(fold)
    paths = dataset.paths(fold)
    dataset_json = dataset.folder / DATASET_FILE
    return {
        "dataset": [fingerprint(dataset_json)] if dataset_json.is_file() else [],
        **{
            split: [fingerprint(path) for path in part] for split, part in paths.items()
        },
    }


def fingerprint(path: Path) -> str:
    """Get the checksum of a file, or of the names and contents of a folder's files.

    RAISES (ValueError): J601 if the path does not exist.
    """
    if path.is_dir():
        digest = hashlib.md5(usedforsecurity=False)
        # the reader reports the links that are not followed
        for file in walk_files(path, skip=lambda left_out: None):
            name = file.relative_to(path).as_posix()
            digest.update(f"{get_checksum(file)} {name}\n".encode())
        return digest.hexdigest()
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    return get_checksum(path)


def average(runs: Sequence[Run]) -> Average:
    """Average the scores over all runs, i.e. over folds and seeds."""
    columns = {name: [run.scores[name] for run in runs] for name in SCORES}
    return Average(
        {name: statistics.fmean(values) for name, values in columns.items()},
        {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in columns.items()
        },
    )
