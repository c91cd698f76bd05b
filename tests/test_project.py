"""project.yml is consistent, and the smoke workflow runs."""

import re
import shutil
import subprocess
import sys

import pytest
import srsly

from spacy_jre.corpora.dataset import read_dataset

from .conftest import ROOT, SHARED

PROJECT = srsly.read_yaml(ROOT / "project.yml")
COMMANDS = {command["name"]: command for command in PROJECT["commands"]}


def test_every_variable_is_declared():
    used = set(re.findall(r"\$\{vars\.(\w+)\}", (ROOT / "project.yml").read_text()))
    assert used == set(PROJECT["vars"])


@pytest.mark.parametrize("model", ["spert", "sinet", "stsn", "iser", "lainet"])
@pytest.mark.parametrize("workflow", PROJECT["workflows"])
def test_dependencies_of_a_step_exist_or_are_outputs_of_earlier_steps(workflow, model):
    outputs: set[str] = set()
    for name in PROJECT["workflows"][workflow]:
        for dep in COMMANDS[name].get("deps", []):
            included = ROOT / dep.replace("${vars.dataset}", "newswire").replace(
                "${vars.model}", model
            )
            assert dep in outputs or included.exists(), (name, dep)
        outputs.update(COMMANDS[name].get("outputs", []))


def test_paths_of_a_run_contain_dataset_model_recipe_fold_and_seed():
    for name in ("train", "evaluate", "show"):
        for output in COMMANDS[name]["outputs"]:
            for var in ("dataset", "model", "recipe", "fold", "seed"):
                assert f"${{vars.{var}}}" in output


def test_paths_of_converted_files_contain_dataset_and_fold():
    for output in COMMANDS["convert"]["outputs"]:
        for var in ("dataset", "fold"):
            assert f"${{vars.{var}}}" in output


@pytest.mark.parametrize("workflow", ["all", "folds"])
def test_variables_are_checked_before_the_first_step(workflow):
    assert PROJECT["workflows"][workflow][0] == "check-vars"


def test_every_variable_is_checked():
    (script,) = COMMANDS["check-vars"]["script"]
    assert set(re.findall(r"\$\{vars\.(\w+)\}", script)) == set(PROJECT["vars"])
    # with outputs, the step would be skipped if nothing has changed
    assert "outputs" not in COMMANDS["check-vars"]


def test_misspelled_variable_stops_the_project():
    command = [sys.executable, "-m", "spacy", "project", "run", "check-vars", ROOT]
    result = subprocess.run(
        [*command, "--vars.epoch", "3"], capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "[J734] project.yml has no variable 'epoch'" in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_package_builds_the_wheel_of_spacy_jre():
    *_, model, own = COMMANDS["package"]["script"]
    folder = "packages/${vars.dataset}/${vars.model}/${vars.recipe}"
    assert f"model-best {folder} " in model
    assert own == f"python -m build --no-isolation --outdir {folder} ."


# these datasets require a license and can't be downloaded
LICENSED = {"ace04", "ace05"}


@pytest.mark.parametrize(
    "folder", sorted((ROOT / "assets").iterdir()), ids=lambda folder: folder.name
)
def test_file_of_a_dataset_is_included_or_an_asset(folder):
    dataset = read_dataset(folder / "dataset.json")
    fetched = {(ROOT / asset["dest"]).resolve() for asset in PROJECT["assets"]}
    for fold in range(max(1, dataset.folds)):
        for paths in dataset.paths(fold).values():
            for path in paths:
                known = path.exists() or path.resolve() in fetched
                assert known or folder.name in LICENSED, path


def test_every_asset_is_used():
    used = {
        path.resolve()
        for about in ROOT.glob("assets/*/dataset.json")
        for dataset in [read_dataset(about)]
        for fold in range(max(1, dataset.folds))
        for paths in dataset.paths(fold).values()
        for path in paths
    }
    assert {(ROOT / asset["dest"]).resolve() for asset in PROJECT["assets"]} <= used


def test_every_asset_is_pinned_and_has_a_checksum():
    for asset in PROJECT["assets"]:
        assert re.search(r"/[0-9a-f]{40}/", asset["url"]), asset["dest"]
        assert re.fullmatch(r"[0-9a-f]{32}", asset["checksum"])


@pytest.mark.data
def test_staged_files_have_the_checksums_of_the_assets(tmp_path):
    from weasel.util import get_checksum

    checksums = {a["dest"]: a["checksum"] for a in PROJECT["assets"]}
    for dest, checksum in checksums.items():
        _, dataset, name = dest.split("/")
        file = SHARED / dataset / "spert" / f"{dataset}_{name}"
        assert get_checksum(file) == checksum


@pytest.mark.slow
def test_smoke_workflow_runs_once(tmp_path):
    for name in ("project.yml", "configs", "assets"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    command = [sys.executable, "-m", "spacy", "project", "run", "smoke", "."]
    first = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert first.returncode == 0, first.stdout + first.stderr
    for output in (
        "training/smoke/model-best",
        "metrics/smoke.json",
        "pages/smoke.html",
    ):
        assert (tmp_path / output).exists()
    assert list((tmp_path / "packages" / "smoke").rglob("*.whl"))
    second = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert second.stdout.count("Skipping") >= 4
