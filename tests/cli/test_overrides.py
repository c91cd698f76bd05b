"""Config overrides of train, cross-validate and debug-data."""

import pytest

from spacy_jre.cli import train as train_module
from spacy_jre.cli.overrides import (
    SET_BY_TRAIN,
    read_overrides,
    short_overrides,
)

from ..conftest import ROOT
from .helpers import assert_plain_error, run

CONFIG = ROOT / "configs" / "test" / "spert.cfg"
TRAIN = ("train", CONFIG, "--output", "out", "--train", "x", "--dev", "x")
CROSS_VALIDATE = ("cross-validate", CONFIG, ROOT / "assets" / "newswire")
CROSS_VALIDATE += ("--output", "out")


def test_values_are_parsed_as_in_spacy_train():
    arguments = ["--a.b", "0.6", "--a.c=[1, 2]", "--a.d", "text", "--a.flag"]
    assert read_overrides(arguments) == {
        "a.b": pytest.approx(0.6),
        "a.c": [1, 2],
        "a.d": "text",
        "a.flag": True,
    }


def test_environment_variable_of_spacy_is_used(monkeypatch):
    monkeypatch.setenv("SPACY_CONFIG_OVERRIDES", "--a.b 3")
    assert read_overrides([]) == {"a.b": 3}


def test_arguments_are_not_modified():
    arguments = ["--a.b", "3"]
    read_overrides(arguments)
    assert arguments == ["--a.b", "3"]


@pytest.mark.parametrize("command", [TRAIN, CROSS_VALIDATE], ids=lambda c: c[0])
def test_misspelled_option_is_reported(command):
    assert_plain_error(run(*command, "--epoch", 3), "J724", "--epoch", "--help")


@pytest.mark.parametrize("name", SET_BY_TRAIN)
def test_reserved_value_fails_with_the_option_to_use(name):
    result = run(*TRAIN, f"--{name}", 1)
    assert_plain_error(result, "J732", f"--{name} ", f"Use {SET_BY_TRAIN[name]}.")


def test_seed_of_cross_validate_is_reserved():
    result = run(*CROSS_VALIDATE, "--system.seed", 1)
    assert_plain_error(result, "J732", "--system.seed", "Use --seeds.")


@pytest.mark.parametrize("command", ["train", "cross-validate"])
def test_help_explains_precedence_of_overrides(command):
    text = " ".join(run(command, "--help").output.split())
    assert "Other options override values of the config" in text
    if command == "train":
        assert "take precedence over the config, dataset.json" in text


# options for learning rate, warm-up and clipping


def test_options_that_are_set_are_overrides():
    assert short_overrides(3e-5, 0.0, 0.0) == {
        "training.optimizer.learn_rate.initial_rate": 3e-5,
        "recipe.warmup": 0.0,
        "training.optimizer.grad_clip": 0.0,
    }
    assert short_overrides(0.0, -1.0, -1.0) == {}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--learn-rate", -0.1),
        ("--warmup", 1.5),
        ("--warmup", -0.5),
        ("--grad-clip", -2),
    ],
)
@pytest.mark.parametrize("command", [TRAIN, CROSS_VALIDATE], ids=lambda c: c[0])
def test_option_out_of_range_fails(command, option, value):
    assert_plain_error(run(*command, option, value), "J791", option, f"{value}")


def test_long_name_takes_precedence_over_an_option(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        train_module, "run_training", lambda *_, **settings: seen.update(settings)
    )
    options = ("--grad-clip", 0.25, "--warmup", 0, "--recipe.warmup", 0.5)
    assert run(*TRAIN, *options).exit_code == 0
    assert seen["overrides"] == {
        "training.optimizer.grad_clip": 0.25,
        "recipe.warmup": 0.5,
    }
