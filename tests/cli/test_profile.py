"""`spacy jre profile` prints the cost of a saved pipeline."""

import json

import pytest
import spacy
import torch

from spacy_jre.annotations import build_doc, register_extension
from spacy_jre.cli.profile import profile_model
from spacy_jre.corpora.formats.docbin import RelationDocBin

from ..conftest import STORY, make_record, transformer_config
from ..pipeline.helpers import make_nlp
from .helpers import assert_plain_error, output_of, run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    register_extension()
    path = tmp_path_factory.mktemp("data") / "data.spacy"
    docs = RelationDocBin()
    for sentence in STORY:
        docs.add(build_doc(make_record(sentence), spacy.blank("en")))
    docs.to_disk(path)
    return path


@pytest.fixture(scope="module")
def model(tiny_bert, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model") / "model"
    nlp, _ = make_nlp(transformer_config(tiny_bert, "SINET", n_heads=4))
    nlp.to_disk(folder)
    return folder


def test_cost_is_printed_and_written(model, data, tmp_path):
    path = tmp_path / "new" / "profile.json"
    options = ["--limit", 3, "--batch-sizes", "2,1", "--rounds", 1]
    result = run("profile", model, data, *options, "--output", path)
    assert result.exit_code == 0, result.output
    found = json.loads(path.read_text())
    assert found["docs"] == 3
    assert [one["batch_size"] for one in found["batches"]] == [1, 2]
    text = output_of(result)
    assert f"{found['parameters']['network']:,}" in text
    for part in ("Floating-point operations", "Where the time goes, 1 Doc(s)"):
        assert part in text


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--batch-sizes", "0"),
        ("--batch-sizes", "1,x"),
        ("--batch-sizes", ""),
        ("--rounds", "0"),
        ("--limit", "-1"),
        ("--threads", "-1"),
    ],
)
def test_invalid_number_is_refused(option, value, tmp_path):
    result = run("profile", tmp_path / "model", tmp_path / "data", option, value)
    assert_plain_error(result, "J736", option)


def test_gold_entities_are_given_as_in_training(data, tmp_path, monkeypatch):
    nlp, _ = make_nlp()
    for settings in (nlp.get_pipe("jre").cfg, nlp.get_pipe_config("jre")):
        settings["entities"] = "spans:gold"
    reader = {"@readers": "spacy-jre.Corpus.v1", "path": None}
    nlp.config["corpora"]["dev"] = {**reader, "gold_entities": "spans:gold"}
    nlp.to_disk(tmp_path / "model")
    given = []

    def profile(nlp, pipe, docs, **settings):
        given.extend(len(doc.spans["gold"]) for doc in docs)

    monkeypatch.setattr("spacy_jre.cli.profile.profile", profile)
    profile_model(str(tmp_path / "model"), data)
    assert given == [len(sentence["entities"]) for sentence in STORY]


def test_threads_of_pytorch_are_set_and_restored(model, data, monkeypatch):
    before, inside = torch.get_num_threads(), []

    def profile(*args, **settings):
        inside.append(torch.get_num_threads())

    monkeypatch.setattr("spacy_jre.cli.profile.profile", profile)
    profile_model(str(model), data, threads=before + 1)
    assert inside == [before + 1]
    assert torch.get_num_threads() == before
