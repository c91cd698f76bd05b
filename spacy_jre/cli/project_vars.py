"""`spacy jre check-vars`: check the variables of a project before its other steps.

weasel adds ``--vars.epoch 3`` to the variables of the project, even if there is no
variable with this name, and the script of a step only receives the variables it uses.
Misspelled names are therefore detected on the command line of weasel, which is the
parent process of the step.
"""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import srsly
from packaging.version import InvalidVersion, Version
from weasel.util.environment import ENV_VARS

from ..corpora.dataset import Dataset, find_dataset
from ..corpora.splits import find_only_file
from ..errors import Errors, JREError
from .recipes import choose_config
from .train import check_encoder


def command_line_of_parent() -> list[str]:
    """RETURNS (list[str]): The arguments of the parent process. Empty if the system
    doesn't show them.
    """
    pid = os.getppid()
    path = Path(f"/proc/{pid}/cmdline")
    if path.is_file():
        return path.read_text(encoding="utf8", errors="replace").split("\0")
    try:
        process = subprocess.run(
            ["ps", "-ww", "-o", "args=", "-p", str(pid)],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return []
    return process.stdout.split()


def check_vars(
    path: Path,
    arguments: Sequence[str],
    *,
    dataset: str,
    model: str,
    recipe: str,
    version: str,
    fold: int,
    encoder: str,
) -> None:
    """Check the names and the values of a project's variables.

    path (Path): The project.yml.
    arguments (Sequence[str]): The command line of ``spacy project run``.
    RAISES (ValueError): J734 for an unknown variable, J735 for an invalid model,
        dataset or version, J634 for a fold that does not exist, J733 for an invalid
        encoder, J755 for an unknown recipe, J601 for a recipe without a config.
    """
    known = srsly.read_yaml(path)["vars"]
    in_environment = os.environ.get(ENV_VARS.CONFIG_OVERRIDES, "").split()
    for argument in [*arguments, *in_environment]:
        match = re.match(r"--vars\.([^=]+)", argument)
        if match and match[1] not in known:
            raise JREError(
                Errors.J734.format(path=path, name=match[1], known=", ".join(known))
            )
    configs = sorted(config.stem for config in (path.parent / "configs").glob("*.cfg"))
    if model not in configs:
        expected = f"one of {', '.join(configs)}"
        raise JREError(_wrong("model", expected, model))
    choose_config(path.parent / "configs" / f"{model}.cfg", recipe)
    folder = path.parent / "assets" / dataset
    if not folder.is_dir():
        expected = "a folder in assets/ with train, dev and test files"
        raise JREError(_wrong("dataset", expected, dataset))
    declared = find_dataset(folder)
    if declared is not None or find_only_file(folder) is None:
        (declared or Dataset(folder)).paths(fold)
    check_encoder(encoder)
    try:
        Version(version)
    except InvalidVersion as error:
        expected = "a version such as 0.1.0"
        raise JREError(_wrong("version", expected, version)) from error


def _wrong(name: str, expected: str, value: str) -> str:
    return Errors.J735.format(name=name, expected=expected, value=value)
