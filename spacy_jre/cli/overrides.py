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
