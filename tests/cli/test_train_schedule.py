import pytest
import spacy
from spacy.tokens import DocBin

from spacy_jre.cli.train import schedule_overrides

from ..conftest import ROOT
from .helpers import assert_plain_error, run

CONFIG = ROOT / "configs" / "spert.cfg"
RATE = "training.optimizer.learn_rate"


@pytest.mark.parametrize(
    ("n_sentences", "batch_size", "epochs", "warmup", "per_epoch", "total", "rising"),
    [
        pytest.param(922, 2, 20, 0.1, 461, 9220, 922, id="CoNLL04 as published"),
        pytest.param(5, 2, 3, 0.1, 3, 9, 1, id="smaller last batch"),
        pytest.param(7, 3, 10, 0.25, 3, 30, 8, id="round half to even"),
        pytest.param(6, 3, 4, 0.5, 2, 8, 4, id="full batches"),
        pytest.param(3, 8, 2, 0.5, 1, 2, 1, id="batch larger than the corpus"),
        pytest.param(10, 1, 1, 0.0, 10, 10, 0, id="no warm-up"),
        pytest.param(10, 1, 1, 1.0, 10, 10, 10, id="only warm-up"),
        pytest.param(1, 1, 1, 0.1, 1, 1, 0, id="one step"),
    ],
)
def test_steps_equal_values_counted_by_hand(
    n_sentences, batch_size, epochs, warmup, per_epoch, total, rising
):
    assert schedule_overrides(n_sentences, batch_size, epochs, warmup) == {
        "training.max_epochs": 0,
        "training.max_steps": total,
        "training.patience": 0,
        "training.eval_frequency": per_epoch,
        "training.batcher.size": batch_size,
        f"{RATE}.warmup_steps": rising,
        f"{RATE}.total_steps": total,
    }


def test_steps_are_integers():
    values = schedule_overrides(7, 3, 10, 0.25).values()
    assert [type(value) for value in values] == [int] * len(values)


def train(tmp_path, data):
    arguments = ["--output", tmp_path / "out", "--encoder", "nowhere"]
    arguments += ["--train", data, "--dev", data]
    return run("train", CONFIG, *arguments)


def test_config_without_a_recipe_fails(tmp_path):
    config = tmp_path / "own.cfg"
    config.write_text(CONFIG.read_text().replace("[recipe]", "[other]"))
    data = tmp_path / "train.spacy"
    DocBin(docs=[spacy.blank("en")("Oslo")]).to_disk(data)
    result = run("train", config, "--output", tmp_path, "--train", data, "--dev", data)
    assert_plain_error(result, "J706", str(config))


def test_missing_training_data_fails(tmp_path):
    data = tmp_path / "missing.spacy"
    assert_plain_error(train(tmp_path, data), "J601", str(data))


def test_training_data_that_is_not_a_docbin_fails(tmp_path):
    data = tmp_path / "notes.spacy"
    data.write_text("not a DocBin")
    assert_plain_error(train(tmp_path, data), "J609", str(data))


def test_empty_training_data_fails(tmp_path):
    data = tmp_path / "empty.spacy"
    DocBin().to_disk(data)
    assert_plain_error(train(tmp_path, data), "J602", str(data))
