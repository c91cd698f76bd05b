"""Config overrides on the command line, as in spaCy's commands."""

from collections.abc import Mapping
from typing import Any

from spacy.cli._util import NoSuchOption, parse_config_overrides

from ..errors import Errors, JREError

# config values that the command sets, and what to use instead
SET_BY_TRAIN = {"paths.train": "--train", "paths.dev": "--dev", "system.seed": "--seed"}
SET_BY_CROSS_VALIDATE = {
    "paths.train": "the folder of the dataset",
    "paths.dev": "the folder of the dataset",
    "system.seed": "--seeds",
}


def read_overrides(
    arguments: list[str], reserved: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Read options such as ``--components.jre.threshold 0.6``.

    Overrides in the environment variable SPACY_CONFIG_OVERRIDES are included.

    arguments (list[str]): The arguments that are not options of the command.
    reserved (Mapping[str, str]): Config values that can't be overridden, and what to
        use instead.
    RETURNS (dict[str, Any]): Config overrides by dotted name.
    RAISES (ValueError): J724 for an unknown option, J732 for a reserved config value.
    """
    try:
        overrides = parse_config_overrides(list(arguments))
    except NoSuchOption as error:
        raise JREError(Errors.J724.format(error=error)) from error
    for name in overrides:
        if reserved and name in reserved:
            raise JREError(Errors.J732.format(name=name, instead=reserved[name]))
    return overrides


def short_overrides(
    learn_rate: float, warmup: float, grad_clip: float
) -> dict[str, float]:
    """Get the config overrides of the options for learning rate, warm-up and clipping.

    learn_rate (float): 0: not set.
    warmup, grad_clip (float): -1: not set.
    RETURNS (dict[str, float]): Config overrides by dotted name.
    RAISES (ValueError): J791 for a value out of range.
    """
    for name, value, good, expected in (
        ("learn-rate", learn_rate, learn_rate >= 0.0, "at least 0"),
        (
            "warmup",
            warmup,
            0.0 <= warmup <= 1.0 or warmup == -1.0,
            "from 0 to 1, or -1",
        ),
        (
            "grad-clip",
            grad_clip,
            grad_clip >= 0.0 or grad_clip == -1.0,
            "at least 0, or -1",
        ),
    ):
        if not good:
            raise JREError(
                Errors.J791.format(name=name, expected=expected, value=value)
            )
    overrides = {
        "training.optimizer.learn_rate.initial_rate": learn_rate,
        "recipe.warmup": warmup,
        "training.optimizer.grad_clip": grad_clip,
    }
    unset = (0.0, -1.0, -1.0)
    return {
        name: value
        for (name, value), default in zip(overrides.items(), unset, strict=True)
        if value != default
    }
