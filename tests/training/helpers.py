"""Train small pipelines, interrupt them and compare their weights."""

import hashlib
import io
import os
import signal
from pathlib import Path

import spacy
from spacy.language import Language
from spacy.tokens import DocBin
from spacy.training.initialize import init_nlp
from spacy.util import load_config
from thinc.api import Config

from spacy_jre.annotations import build_doc
from spacy_jre.training.loop import train

from ..conftest import ROOT, STORY, make_record

RATE = "training.optimizer.learn_rate"
TOK2VEC = "components.jre.model.tok2vec"
# nine steps in three epochs of three steps, with dropout and shuffled data
SETTINGS = {
    "training.max_steps": 8,
    "training.max_epochs": 0,
    "training.eval_frequency": 3,
    "training.batcher.size": 2,
    "training.dropout": 0.3,
    f"{RATE}.warmup_steps": 2,
    f"{RATE}.total_steps": 12,
}
SMALL = {f"{TOK2VEC}.width": 32, f"{TOK2VEC}.depth": 1, f"{TOK2VEC}.embed_size": 200}


def write_corpus(path: Path) -> Path:
    """Write the story as a .spacy file."""
    nlp = spacy.blank("en")
    docs = [build_doc(make_record(sentence), nlp) for sentence in STORY]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def small_config(corpus: Path, model: str = "spert", **overrides) -> Config:
    """The config of a small pipeline. Overrides have __ instead of dots."""
    settings = {
        **SETTINGS,
        **({} if model == "lainet" else SMALL),
        "paths.train": str(corpus),
        "paths.dev": str(corpus),
        **{name.replace("__", "."): value for name, value in overrides.items()},
    }
    path = ROOT / "configs" / "test" / f"{model}.cfg"
    return load_config(path, overrides=settings, interpolate=False)


def init_small(corpus: Path, model: str = "spert", **overrides) -> Language:
    """Initialize a small pipeline. Overrides have __ instead of dots."""
    return init_nlp(small_config(corpus, model, **overrides))


def train_small(nlp: Language, output: Path, **settings) -> str:
    """Train without output, and return what the logger has printed."""
    stdout = io.StringIO()
    train(nlp, output, stdout=stdout, stderr=io.StringIO(), **settings)
    return stdout.getvalue()


def at_update(nlp: Language, number: int, action) -> Language:
    """Call an action before an update of the pipeline. They are numbered from 0."""
    update, count = nlp.update, iter(range(10**6))

    def counted(*args, **kwargs):
        if next(count) == number:
            action()
        return update(*args, **kwargs)

    nlp.update = counted
    return nlp


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def crash() -> None:
    raise RuntimeError("crash")


def hash_weights(folder: Path) -> str:
    """Hash the weights of a saved pipeline."""
    nlp = spacy.load(folder)
    return hashlib.sha256(nlp.get_pipe("jre").model.to_bytes()).hexdigest()
