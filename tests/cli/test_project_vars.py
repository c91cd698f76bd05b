"""`spacy jre check-vars`: names and values of project variables."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from spacy_jre.cli import project_vars
from spacy_jre.cli.project_vars import command_line_of_parent

from ..conftest import ROOT
from .helpers import assert_plain_error, run

VALUES = {"dataset": "newswire", "model": "sinet", "version": "0.1.0"}


def check(monkeypatch, command="", **values):
    """Run the command like a step of ``spacy project run all . COMMAND``."""
    line = ["python", "-m", "spacy", "project", "run", "all", ".", *command.split()]
    monkeypatch.setattr(project_vars, "command_line_of_parent", lambda: line)
    arguments = []
    for name, value in {**VALUES, **values}.items():
        arguments += [f"--{name.replace('_', '-')}", value]
    return run("check-vars", ROOT / "project.yml", *arguments)


def test_valid_variables_pass(monkeypatch):
    result = check(monkeypatch, "--vars.epochs 3 --vars.seed=4", epochs=3, seed=4)
    assert result.exit_code == 0
    assert "variables of the project are valid" in result.output


@pytest.mark.parametrize("command", ["--vars.epoch 3", "--vars.epoch=3"])
def test_misspelled_variable_fails_with_the_known_variables(monkeypatch, command):
    result = check(monkeypatch, command)
    assert_plain_error(result, "J734", "'epoch'", "--vars.epoch", "epochs, batch_size")


def test_misspelled_variable_in_the_environment_fails(monkeypatch):
    monkeypatch.setenv("WEASEL_CONFIG_OVERRIDES", "--vars.sead 1")
    assert_plain_error(check(monkeypatch), "J734", "'sead'")


def test_other_options_pass(monkeypatch):
    assert check(monkeypatch, "--force --epoch 3").exit_code == 0


@pytest.mark.parametrize(
    ("name", "value", "code", "parts"),
    [
        ("model", "Sinet", "J735", ["'Sinet'", "iser, lainet, sinet, spert, stsn"]),
        ("recipe", "papers", "J755", ["'papers'", "recommended, paper"]),
        ("dataset", "mine", "J735", ["'mine'", "a folder in assets/"]),
        ("version", "one", "J735", ["'one'", "0.1.0"]),
        ("fold", 3, "J634", ["newswire", "Fold 3"]),
        ("encoder", "Tok2Vec", "J733", ["'Tok2Vec'", "tok2vec"]),
        ("epochs", -3, "J736", ["--epochs", "at least 0", "-3"]),
        ("batch_size", -1, "J736", ["--batch-size", "at least 0", "-1"]),
        ("seed", -1, "J736", ["--seed", "at least 0", "-1"]),
        ("gpu_id", -2, "J736", ["--gpu-id", "-2"]),
        ("learn_rate", -1e-4, "J791", ["--learn-rate", "at least 0", "-0.0001"]),
    ],
)
def test_invalid_value_fails_before_the_first_step(
    monkeypatch, name, value, code, parts
):
    assert_plain_error(check(monkeypatch, **{name: value}), code, *parts)


def test_command_line_of_the_parent_process_is_read():
    code = (
        "from spacy_jre.cli.project_vars import command_line_of_parent\n"
        "print(*command_line_of_parent())\n"
    )
    parent = (
        "import subprocess, sys\n"
        "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)\n"
    )
    arguments = [sys.executable, "-c", parent, code, "--vars.epoch", "3"]
    shown = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert shown.stdout.strip().endswith("--vars.epoch 3")


def test_command_line_is_read_with_ps_without_proc(monkeypatch):
    calls = []

    def run_ps(arguments, **_):
        calls.append(arguments)
        return SimpleNamespace(stdout="python -m spacy --vars.epoch 3\n")

    monkeypatch.setattr(project_vars.Path, "is_file", lambda path: False)
    monkeypatch.setattr(subprocess, "run", run_ps)
    assert command_line_of_parent()[-2:] == ["--vars.epoch", "3"]
    assert calls[0][-1] == str(os.getppid())


def test_command_line_is_empty_without_proc_and_ps(monkeypatch):
    monkeypatch.setattr(project_vars.Path, "is_file", lambda path: False)
    monkeypatch.setenv("PATH", "")
    assert command_line_of_parent() == []


@pytest.mark.parametrize(
    ("names", "code"),
    [(["export.jsonl", "README.md"], ""), (["a.txt", "b.txt"], "J716")],
)
def test_folder_of_the_dataset_can_have_a_single_file(tmp_path, names, code):
    folder = tmp_path / "assets" / "mine"
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    configs = tmp_path / "configs"
    configs.mkdir()
    (configs / "sinet.cfg").touch()
    (tmp_path / "project.yml").write_text("vars:\n  dataset: mine\n", encoding="utf8")

    def check_mine():
        values = {**VALUES, "dataset": "mine"}
        options = {"recipe": "recommended", "fold": 0, "encoder": ""}
        project_vars.check_vars(tmp_path / "project.yml", [], **values, **options)

    if code:
        with pytest.raises(ValueError, match=code):
            check_mine()
    else:
        check_mine()
