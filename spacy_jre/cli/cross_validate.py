"""`spacy jre cross-validate`: train and score every fold and seed, and average.

A run that was finished under the same conditions is not repeated, so that the command
goes on where it was cut off.
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
from spacy.cli.evaluate import evaluate
from weasel.util import get_checksum

from ..about import __version__
from ..corpora.dataset import FILE as DATASET_FILE
from ..corpora.dataset import Dataset, find_dataset
from ..corpora.sources import walk_files
from ..errors import Errors, JREError
from .convert import Settings, check_losses, convert_path
from .train import run_training

# what is averaged, as nlp.evaluate names it
SCORES = tuple(
    f"{kind}_{figure}" for kind in ("ents", "rel", "rel_strict") for figure in "prf"
)


@dataclass(frozen=True)
class Run:
    """The scores of one fold and seed, 0 to 1."""

    fold: int
    seed: int
    scores: dict[str, float]
    repeated: bool  # False: finished before


@dataclass(frozen=True)
class Average:
    """Mean and sample standard deviation of each score; None for a single run."""

    mean: dict[str, float]
    deviation: dict[str, float | None]


def parse_numbers(text: str) -> list[int]:
    """Read "0-4,7" as 0, 1, 2, 3, 4, 7. RAISES (ValueError): J709."""
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
    """Train and score on the test part of each fold.

    config (Path): Training config.
    source (Path): Folder of a dataset; without a dataset.json it has no folds.
    output (Path): Gets a folder per run, with its pipelines and ``metrics.json``.
    folds (Sequence[int]): Which ones; none: all.
    seeds (Sequence[int]): Of the training; the folds are the dataset's.
    max_loss (float): See ``spacy jre convert``.
    keep_models (bool): Whether the trained pipelines stay on the disk.
    training: Further settings of ``run_training``.
    YIELDS (Run): One per fold and seed.
    RAISES (ValueError): J634 for a fold that is not there, J601 for a file that is not,
        both before anything is trained; and what the conversion and the training raise.
    """
    dataset = find_dataset(source) or Dataset(source)
    config_print = fingerprint(config)
    prints = {
        fold: _data_fingerprints(dataset, fold)
        for fold in folds or range(max(1, dataset.folds))
    }
    for fold, data in prints.items():
        corpus = output / "corpus" / str(fold)
        converted = False
        for seed in seeds:
            folder = output / f"fold-{fold}-seed-{seed}"
            metrics = folder / "metrics.json"
            conditions = {
                "version": __version__,
                "config": config_print,
                "data": data,
                "seed": seed,
                **training,
            }
            finished = _read_finished(metrics, conditions)
            if finished is not None:
                yield Run(fold, seed, finished, repeated=False)
                continue
            # scores and pipelines of one folder belong together
            metrics.unlink(missing_ok=True)
            if not converted:
                # of an earlier call, where the source has none any more
                (corpus / DATASET_FILE).unlink(missing_ok=True)
                settings = Settings(fold=fold, checksums=checksums)
                check_losses(convert_path(source, corpus, settings), max_loss)
                converted = True
            run_training(
                config,
                folder,
                corpus / "train.spacy",
                corpus / "dev.spacy",
                seed=seed,
                gpu_id=gpu_id,
                **training,
            )
            model = folder / "model-best"
            found = evaluate(
                str(model), corpus / "test.spacy", use_gpu=gpu_id, silent=True
            )
            scores = {name: float(found[name] or 0.0) for name in SCORES}
            if not keep_models:
                for trained in ("model-best", "model-last"):
                    shutil.rmtree(folder / trained)
            # last, so that it marks the run as finished
            srsly.write_json(metrics, {"conditions": conditions, "scores": scores})
            yield Run(fold, seed, scores, repeated=True)


def _read_finished(path: Path, conditions: dict[str, Any]) -> dict[str, float] | None:
    """The scores of a run that was finished under these conditions."""
    if not path.is_file():
        return None
    try:
        found = srsly.read_json(path)
    except ValueError:  # cut off while it was written
        return None
    if not isinstance(found, dict) or found.get("conditions") != _as_json(conditions):
        return None
    scores = found.get("scores")
    return scores if isinstance(scores, dict) and scores.keys() == set(SCORES) else None


def _as_json(value: Any) -> Any:
    """As it will be read back: lists for tuples."""
    return json.loads(json.dumps(value))


def _data_fingerprints(dataset: Dataset, fold: int) -> dict[str, list[str]]:
    """What a fold is made of: its files, and the file that says how."""
    paths = dataset.paths(fold)
    if not paths:
        path = dataset.folder / "train.*"
        raise JREError(Errors.J601.format(path=path))
    about = dataset.folder / DATASET_FILE
    return {
        "dataset": [fingerprint(about)] if about.is_file() else [],
        **{
            split: [fingerprint(path) for path in part] for split, part in paths.items()
        },
    }


def fingerprint(path: Path) -> str:
    """The checksum of a file; of a folder, that of the names and contents of its files.

    RAISES (ValueError): J601 where there is neither.
    """
    if path.is_dir():
        digest = hashlib.md5(usedforsecurity=False)
        # (the reader names the links that are not followed)
        for file in walk_files(path, skip=lambda left_out: None):
            name = file.relative_to(path).as_posix()
            digest.update(f"{get_checksum(file)} {name}\n".encode())
        return digest.hexdigest()
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    return get_checksum(path)


def average(runs: Sequence[Run]) -> Average:
    """RETURNS (Average): Over all runs, folds and seeds alike."""
    columns = {name: [run.scores[name] for run in runs] for name in SCORES}
    return Average(
        {name: statistics.fmean(values) for name, values in columns.items()},
        {
            name: statistics.stdev(values) if len(values) > 1 else None
            for name, values in columns.items()
        },
    )
