"""The experiments of the project can be run."""

from dataclasses import replace
from itertools import cycle

import pytest
import srsly
import torch
from spacy.schemas import ConfigSchemaTraining
from spacy.training import Example
from spacy.util import load_model_from_config, registry

from spacy_jre.annotations import build_doc
from spacy_jre.cli.experiment import plan as module
from spacy_jre.cli.experiment.plan import (
    PlannedRun,
    plan_runs,
    read_experiment,
    resolve_run,
)
from spacy_jre.corpora.dataset import find_dataset

from .conftest import ROOT, STORY, make_record, save_tiny_bert

FILES = sorted((ROOT / "experiments").glob("*.yml"))
IDS = [path.stem for path in FILES]
# number of rows of a file that are trained
TRAINED = 3


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch):
    """Paths are relative to the project. Its datasets may not have been downloaded."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(
        module,
        "data_fingerprints",
        lambda dataset, fold: {"train": [dataset.folder.name]},
    )


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    """A tiny BERT, with a width that all numbers of heads divide."""
    folder = tmp_path_factory.mktemp("bert") / "tiny"
    return str(save_tiny_bert(folder, positions=160, width=24))


def rows_of(path, encoder) -> list[PlannedRun]:
    """One run for each combination of row, model and dataset, with a tiny encoder."""
    experiment = read_experiment(path)
    experiment = experiment.model_copy(update={"seeds": [0]})
    found = {}
    for run in plan_runs(path, experiment):
        found.setdefault((run.model, run.row, run.dataset), run)
    # the encoders of the papers are not installed
    return [replace(run, encoder=encoder) for run in found.values()]


def spread(items: list, count: int) -> list:
    """RETURNS (list): The first item, the last one, and others between them."""
    step = max(1, (len(items) - 1) // max(1, count - 1))
    return items[::step][:count]


def labels_of(run: PlannedRun) -> dict[str, list[str]]:
    about = find_dataset(run.source)
    return {"entities": list(about.entities), "relations": list(about.relations)}


def make_examples(nlp, labels) -> list[Example]:
    """The story of the tests with other labels."""
    names = {kind: cycle(values) for kind, values in labels.items()}
    new: dict[str, dict[str, str]] = {kind: {} for kind in labels}

    def rename(kind, label):
        return new[kind].setdefault(label, next(names[kind]))

    examples = []
    for sentence in STORY:
        renamed = {
            "words": sentence["words"],
            "entities": [
                (start, end, rename("entities", label))
                for start, end, label in sentence["entities"]
            ],
            "relations": [
                (head, tail, rename("relations", label))
                for head, tail, label in sentence["relations"]
            ],
        }
        doc = build_doc(make_record(renamed), nlp)
        examples.append(Example(nlp.make_doc(doc.text), doc))
        examples[-1].predicted = doc.copy()
    return examples


def train(run: PlannedRun, steps: int) -> list[float]:
    """RETURNS (list[float]): The loss of each update."""
    config = resolve_run(run)
    nlp = load_model_from_config(config)
    training = registry.resolve(config["training"], schema=ConfigSchemaTraining)
    pipe = nlp.get_pipe("jre")
    labels = labels_of(run)
    examples = make_examples(nlp, labels)
    pipe.initialize(lambda: examples, nlp=nlp, labels=labels)
    values = []
    for _ in range(steps):
        losses: dict[str, float] = {}
        pipe.update(examples, sgd=training["optimizer"], losses=losses)
        training["optimizer"].step_schedules()
        values.append(float(losses["jre"]))
    return values


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_every_row_resolves(path, encoder):
    """Every row with one dataset, and every dataset with one row."""
    checked: set[tuple[str, str, str]] = set()
    for run in rows_of(path, encoder):
        names = {("row", run.model, run.row), ("dataset", run.model, run.dataset)}
        if not names <= checked:
            resolve_run(run)
        checked |= names


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_rows_train_two_steps(path, encoder):
    for run in spread(rows_of(path, encoder), TRAINED):
        torch.manual_seed(0)
        losses = train(run, 2)
        assert all(0.0 < loss < 100.0 for loss in losses), run.label
        assert losses[0] != losses[1]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_rows_of_a_model_have_different_settings(path):
    runs = plan_runs(path, read_experiment(path))
    # a dataset can be shown twice, with micro and macro F1
    assert len({(run.dataset, run.fingerprint) for run in runs}) == len(runs)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_experiment_is_scored_on_dev_unless_the_paper_is_not(path):
    experiment = read_experiment(path)
    is_of_paper = path.stem.startswith(("sinet", "stsn", "iser", "lainet"))
    for dataset in experiment.datasets.values():
        about = srsly.read_json(ROOT / dataset.path / "dataset.json")
        has_dev = "dev" in about.get("files", ("dev",))
        assert is_of_paper or dataset.score == ("dev" if has_dev else "test")


def scores_of(name: str, row: str, dataset: str):
    path = ROOT / "experiments" / f"{name}.yml"
    experiment = read_experiment(path)
    (model,) = experiment.models
    scores = experiment.rows[row].paper_scores(model, dataset)
    return scores.ents_f, scores.rel_f, scores.rel_strict_f


@pytest.mark.parametrize(
    ("name", "row", "dataset", "scores"),
    [
        ("sinet-table-3", "without LayerNorm", "scierc", (73.84, 50.13, 41.41)),
        ("sinet-table-4", "+ TAP + CTAM RE", "ace05", (86.83, 64.09, 60.98)),
        ("stsn-table-4", "6 layers", "ade", (90.5, None, 82.9)),
        ("stsn-table-5", "w/o Label", "conll04", (88.1, None, 70.8)),
        ("iser-table-6", "LC -> GC_BERT", "conll04", (87.05, None, 63.76)),
        ("lainet-table-2", "RE: 5 layers", "scierc", (None, 66.28, 60.06)),
        ("lainet-table-2", "NER: 6 heads", "ace05", (90.24, None, None)),
        ("lainet-table-4", "w/o 1st", "ade", (89.99, 80.99, 80.41)),
        ("lainet-table-5", "full", "scierc", (66.21, 66.06, 60.3)),
    ],
)
def test_last_row_of_a_table_has_the_scores_of_the_paper(name, row, dataset, scores):
    assert scores_of(name, row, dataset) == scores


@pytest.mark.parametrize(
    "tables",
    [
        ["sinet-table-3", "sinet-table-4", "sinet-figure-3"],
        ["stsn-table-4", "stsn-table-5", "stsn-figures-5-6"],
        [f"iser-table-{number}" for number in (3, 4, 5, 6)],
        [f"lainet-table-{number}" for number in (2, 4, 5)],
    ],
)
def test_every_ablation_of_the_papers_has_a_file(tables):
    assert set(tables) <= set(IDS)


def test_page_on_reproduction_names_the_experiments_of_the_papers():
    text = (ROOT / "docs" / "reproduce.md").read_text(encoding="utf8")
    papers = ("sinet", "stsn", "iser", "lainet", "minilm")
    missing = [n for n in IDS if n.startswith(papers) and f"`{n}" not in text]
    assert missing == []
