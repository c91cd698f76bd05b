"""`spacy jre train`: spaCy's own training with computed schedule steps."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import srsly
import torch
from spacy.cli._util import import_code
from spacy.cli.train import train
from spacy.util import load_config

from ..corpora.reader import find_docbins, load_docbin
from ..errors import Errors

ENCODER = "components.jre.model.tok2vec.name"


def schedule_overrides(
    n_sentences: int, batch_size: int, epochs: int, warmup: float
) -> dict[str, Any]:
    """The config values that follow from corpus, batch size and epochs.

    n_sentences (int): Docs of the training data.
    warmup (float): Share of all steps in which the rate rises.
    RETURNS (dict[str, Any]): Config overrides: steps of the schedule, an evaluation
        after each epoch, and no other end of training. spaCy counts steps from 0 and
        evaluates after the update, so the last evaluation comes with one step more
        than the epochs have, at a rate of 0.
    """
    per_epoch = math.ceil(n_sentences / batch_size)
    total = per_epoch * epochs
    return {
        "training.max_epochs": 0,
        "training.max_steps": total,
        "training.patience": 0,
        "training.eval_frequency": per_epoch,
        "training.batcher.size": batch_size,
        "training.optimizer.learn_rate.warmup_steps": round(total * warmup),
        "training.optimizer.learn_rate.total_steps": total,
    }


def run_training(
    config: Path,
    output: Path,
    train_path: Path,
    dev_path: Path,
    *,
    encoder: str = "",
    epochs: int = 0,
    batch_size: int = 0,
    seed: int = 0,
    gpu_id: int = -1,
    threads: int = 0,
    dataset: str = "",
    symmetric: Sequence[str] = (),
    lang: str = "",
) -> None:
    """See ``spacy jre train --help``. ``[recipe]`` of the config has the defaults."""
    import_code(None)
    raw = load_config(config, interpolate=False)
    if "recipe" not in raw:
        raise ValueError(Errors.J706.format(path=config))
    recipe = raw["recipe"]
    count = sum(len(load_docbin(path)) for path in find_docbins(Path(train_path)))
    overrides: dict[str, Any] = {
        "paths.train": str(train_path),
        "paths.dev": str(dev_path),
        "system.seed": seed,
        **schedule_overrides(
            count,
            batch_size or recipe["batch_size"],
            epochs or recipe["epochs"],
            recipe["warmup"],
        ),
    }
    if encoder:
        overrides[ENCODER] = encoder
    if lang:
        overrides["nlp.lang"] = lang
    if symmetric:
        overrides["components.jre.symmetric"] = list(symmetric)
    if threads:
        torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    train(config, output, use_gpu=gpu_id, overrides=overrides)
    if dataset:
        for folder in (output / "model-best", output / "model-last"):
            _name_dataset(folder, dataset)


def _name_dataset(folder: Path, dataset: str) -> None:
    """Say in a pipeline's meta.json what it was trained on."""
    meta = srsly.read_json(folder / "meta.json")
    meta["description"] = (
        f"Joint entity and relation extraction, trained on {dataset} with spacy-jre"
    )
    meta["sources"] = [{"name": dataset}]
    srsly.write_json(folder / "meta.json", meta)
