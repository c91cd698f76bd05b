"""The experiments of the project can be run."""

import pytest
import torch

from spacy_jre.annotations import build_doc
from spacy_jre.cli.experiment import plan as module
from spacy_jre.cli.experiment.plan import (
    check_runs,
    plan_runs,
    read_experiment,
)
from spacy_jre.cli.experiment.runs import execute_run
from spacy_jre.corpora.formats.docbin import RelationDocBin

from .conftest import ROOT, STORY, make_record

FILES = sorted((ROOT / "experiments").glob("*.yml"))
IDS = [path.stem for path in FILES]


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    """Paths are relative to the project. Its datasets may not have been downloaded."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        module,
        "data_fingerprints",
        lambda dataset, fold: {"train": [dataset.folder.name]},
    )


@pytest.fixture
def corpus(nlp, tmp_path):
    docs = RelationDocBin()
    for sentence in STORY:
        docs.add(build_doc(make_record(sentence), nlp))
    docs.to_disk(tmp_path / "train.spacy")
    return tmp_path / "train.spacy"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_every_row_resolves(path, tiny_bert):
    experiment = read_experiment(path)
    # the default encoder is not installed everywhere
    experiment = experiment.model_copy(update={"encoder": tiny_bert})
    check_runs(path, plan_runs(path, experiment))


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_row_trains(path, tiny_bert, corpus, tmp_path):
    experiment = read_experiment(path)
    run = plan_runs(path, experiment)[0]
    spec = {
        "config": str(run.config),
        "output": str(tmp_path / "out"),
        "train": str(corpus),
        "dev": str(corpus),
        "scored": str(corpus),
        "encoder": tiny_bert,
        "seed": 0,
        "gpu_id": -1,
        "threads": torch.get_num_threads(),
        # two updates
        "overrides": {**run.overrides, "recipe.epochs": 1, "recipe.batch_size": 3},
        "keep_models": False,
    }
    execute_run(spec)
    assert (tmp_path / "out" / "result.json").is_file()


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_rows_of_a_model_have_different_settings(path):
    runs = plan_runs(path, read_experiment(path))
    assert len({run.fingerprint for run in runs}) == len(runs)


def test_experiments_are_scored_on_dev():
    for path in FILES:
        for dataset in read_experiment(path).datasets.values():
            assert dataset.score == "dev"
