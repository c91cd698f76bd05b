"""`spacy jre train`: spaCy's own training with computed schedule steps."""

import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import srsly
import torch
from spacy.cli._util import import_code
from spacy.cli.train import train
from spacy.util import load_config
from thinc.api import Config

from ..corpora.dataset import find_dataset, settings_of_data
from ..corpora.reader import find_docbins, load_docbin
from ..errors import Errors

TOK2VEC = "tok2vec"
TRANSFORMER = "spacy-jre.TransformerEncoder.v1"
# spaCy's own small encoder, for CPUs and for languages without a transformer at hand
TOK2VEC_BLOCK = {
    "@architectures": "spacy.HashEmbedCNN.v2",
    "pretrained_vectors": None,
    "width": 96,
    "depth": 4,
    "embed_size": 2000,
    "window_size": 1,
    "maxout_pieces": 3,
    "subword_features": True,
}


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


def choose_encoder(
    config: Config, encoder: str, source: str = "The option --encoder"
) -> None:
    """Put an encoder into the slot of the component, with a learning rate to suit.

    encoder (str): A hub name, a folder or ``package:<module>`` of a transformer, which
        takes the settings of one that is there; "tok2vec" for spaCy's own, whose rate
        is ``tok2vec_rate`` of ``[recipe]``.
    source (str): Who asks for it, for the error.
    RAISES (ValueError): J710 where "tok2vec" is asked for and the recipe has no rate.
    """
    model = config["components"]["jre"]["model"]
    if encoder == TOK2VEC:
        if "tok2vec_rate" not in config["recipe"]:
            raise ValueError(Errors.J710.format(source=source))
        model["tok2vec"] = dict(TOK2VEC_BLOCK)
        schedule = config["training"]["optimizer"]["learn_rate"]
        schedule["initial_rate"] = config["recipe"]["tok2vec_rate"]
    elif model["tok2vec"].get("@architectures") == TRANSFORMER:
        model["tok2vec"]["name"] = encoder
    else:
        model["tok2vec"] = {"@architectures": TRANSFORMER, "name": encoder}


def choose_language(config: Config, lang: str) -> None:
    """Make it the pipeline's language, with the tokenizer that belongs to it.

    A config that spaCy filled in names the tokenizer of the language before; only one
    that is not spaCy's stays.
    """
    nlp = config["nlp"]
    tokenizer = str(nlp.get("tokenizer", {}).get("@tokenizers", ""))
    if nlp["lang"] != lang and tokenizer.startswith("spacy."):
        del nlp["tokenizer"]
        config.get("initialize", {}).pop("tokenizer", None)
    nlp["lang"] = lang


def run_training(
    config_path: Path,
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
    """See ``spacy jre train --help``. ``[recipe]`` of the config has the defaults, and
    the dataset.json beside the training data those that follow from the data."""
    import_code(None)
    config = load_config(config_path, interpolate=False)
    if "recipe" not in config:
        raise ValueError(Errors.J706.format(path=config_path))
    recipe = config["recipe"]
    known = find_dataset(Path(train_path).parent)
    if encoder:
        choose_encoder(config, encoder)
    elif known is not None and known.encoder:
        choose_encoder(config, known.encoder, "The dataset.json of the data")
    settings = settings_of_data(Path(train_path))
    its_lang = settings.pop("nlp.lang", "")
    if lang or its_lang:
        choose_language(config, lang or its_lang)
    count = sum(len(load_docbin(path)) for path in find_docbins(Path(train_path)))
    overrides: dict[str, Any] = {
        **settings,
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
    if "cold_start" in recipe:
        # a share of all updates, which LAI-Net counts
        steps = overrides["training.max_steps"]
        cold = round(steps * recipe["cold_start"])
        overrides["components.jre.model.cold_start"] = cold
    if symmetric:
        overrides["components.jre.symmetric"] = list(symmetric)
    if threads:
        torch.set_num_threads(threads)
    output.mkdir(parents=True, exist_ok=True)
    config.to_disk(output / "config.cfg")
    train(output / "config.cfg", output, use_gpu=gpu_id, overrides=overrides)
    if known is not None and known.keep == "last":
        shutil.rmtree(output / "model-best")
        shutil.copytree(output / "model-last", output / "model-best")
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
