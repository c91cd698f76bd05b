"""The settings `overlaps` and `constraints` of the component."""

import json
from dataclasses import replace

import numpy as np
import pytest
import spacy
import srsly
from spacy.cli._util import app
from spacy.cli.init_config import fill_config
from spacy.tokens import DocBin
from spacy.util import load_config
from typer.testing import CliRunner

from spacy_jre.annotations import (
    build_doc,
    overlapping_pairs,
    read_gold,
    register_extension,
)
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.pipeline import joint_extractor
from spacy_jre.pipeline.decoding import decode

from ..conftest import ROOT, STORY, make_example, make_record
from .helpers import (
    ENTITY_LABELS,
    MODELS,
    RELATION_LABELS,
    learn,
    make_nlp,
    model_config,
    no_span_is_none,
    predictions_of,
    tok2vec_config,
)

CONFIG = ROOT / "configs" / "test" / "spert.cfg"
NESTED = STORY[0]
FLAT = [{**NESTED, "entities": NESTED["entities"][:3]}, *STORY[1:]]
# of the story: "Hotel Lima" (ORG) contains "Lima" (LOC)
OVERLAPPING = [["ORG", "LOC"]]
TABLE = [
    ["ORG", "based_in", "LOC"],
    ["PER", "lives_in", "LOC"],
    ["PER", "spouse", "PER"],
    ["PER", "works_for", "ORG"],
]
LABELS = {"entities": ENTITY_LABELS, "relations": RELATION_LABELS}


def component(nlp, sentences=STORY, labels=None, **settings):
    spacy.util.fix_random_seed(0)
    # few spans, because only as many are paired as a sentence has tokens
    settings = {"max_span_width": 2, **settings}
    pipe = nlp.add_pipe("jre", config={**tok2vec_config(), **settings})
    examples = [make_example(nlp, sentence) for sentence in sentences]
    pipe.initialize(lambda: examples, labels=labels)
    return pipe


@pytest.fixture
def predict_all(monkeypatch):
    """Predict with every span as an entity, and every relation of each pair.

    The labels of the entities are random, because untrained networks use only one.
    """
    rng = np.random.default_rng(0)

    def decode_random(scores, n_docs, **settings):
        logits = rng.normal(size=scores.entity_logits.shape)
        logits[:, 0] = -10.0
        return decode(replace(scores, entity_logits=logits), n_docs, **settings)

    def predict(nlp, pipe):
        pipe.cfg["threshold"] = 0.0
        with no_span_is_none(get_module(pipe.model.get_ref("network"))):
            return list(nlp.pipe([" ".join(sentence["words"]) for sentence in STORY]))

    monkeypatch.setattr(joint_extractor, "decode", decode_random)
    return predict


def is_flat(doc):
    tokens = [token.i for span in doc.spans["jre"] for token in span]
    return len(tokens) == len(set(tokens))


def rows_of(docs):
    return {
        (relation.head.label_, relation.label, relation.tail.label_)
        for doc in docs
        for relation in doc._.relations
    }


# overlaps -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sentences", "settings", "flat"),
    [
        (STORY, {}, False),
        (FLAT, {"overlaps": "keep"}, False),
        (STORY, {"overlaps": "best"}, True),
        (STORY, {"overlaps": "auto"}, False),
        (FLAT, {"overlaps": "auto"}, True),
    ],
    ids=["default", "keep", "best", "auto nested", "auto flat"],
)
def test_overlapping_entities_are_predicted(
    nlp, sentences, settings, flat, predict_all
):
    docs = predict_all(nlp, component(nlp, sentences, **settings))
    assert all(map(is_flat, docs)) is flat
    assert any(doc._.relations for doc in docs)


def test_only_entities_with_the_labels_of_the_training_data_overlap(nlp, predict_all):
    def labels_of(docs):
        return {
            (first[2], second[2])
            for doc in docs
            for first, second in overlapping_pairs(read_gold(doc).entities)
        }

    docs = predict_all(nlp, component(nlp, overlaps="auto"))
    assert labels_of(docs) == {tuple(row) for row in OVERLAPPING}
    nlp.remove_pipe("jre")
    assert len(labels_of(predict_all(nlp, component(nlp, overlaps="keep")))) > 1


@pytest.mark.parametrize("name", MODELS)
def test_arguments_of_relations_are_in_doc_ents_without_overlaps(
    name, tiny_bert, wide_bert, predict_all
):
    config = model_config(name, tiny_bert, wide_bert)
    settings = {"overlaps": "best", "symmetric": ["spouse"], "max_span_width": 2}
    nlp, _ = make_nlp(config, **settings)
    docs = predict_all(nlp, nlp.get_pipe("jre"))
    assert any(doc._.relations for doc in docs)
    for doc in docs:
        ents = {(ent.start_char, ent.end_char, ent.label_) for ent in doc.ents}
        group = doc.spans["jre"]
        assert {(s.start_char, s.end_char, s.label_) for s in group} == ents
        for relation in doc._.relations:
            for span in (relation.head, relation.tail):
                assert (span.start_char, span.end_char, span.label_) in ents


# constraints --------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_only_combinations_of_the_training_data_are_predicted(
    name, tiny_bert, wide_bert, predict_all
):
    config = model_config(name, tiny_bert, wide_bert)
    nlp, _ = make_nlp(config, constraints="infer")
    rows = rows_of(predict_all(nlp, nlp.get_pipe("jre")))
    assert rows
    assert rows <= {tuple(row) for row in TABLE}


def test_other_combinations_are_predicted_without_constraints(nlp, predict_all):
    rows = rows_of(predict_all(nlp, component(nlp)))
    assert not rows <= {tuple(row) for row in TABLE}


def test_list_replaces_the_combinations_of_the_training_data(nlp, predict_all):
    row = ["LOC", "lives_in", "PER"]
    pipe = component(nlp, constraints=[row])
    assert rows_of(predict_all(nlp, pipe)) == {tuple(row)}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (["CAT", "spouse", "PER"], r"'CAT'.*entity labels.*LOC.*ORG.*PER"),
        (["PER", "spouse", "DOG"], r"'DOG'.*entity labels.*LOC"),
        (["PER", "married", "PER"], r"'married'.*relation labels.*based_in"),
    ],
)
def test_list_with_an_unknown_label_is_refused(nlp, row, message):
    with pytest.raises(ValueError, match=f"J511.*{message}"):
        component(nlp, constraints=[row])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("overlaps", "first"),
        ("constraints", "all"),
        ("constraints", []),
        ("constraints", [["PER", "spouse"]]),
    ],
)
def test_invalid_setting_is_refused(nlp, setting, value):
    # spaCy checks the config, the component what the schema cannot express
    with pytest.raises(ValueError, match=setting):
        nlp.add_pipe("jre", config={setting: value})


# labels files -------------------------------------------------------------------------


def test_label_data_has_only_what_the_settings_use(nlp):
    assert component(nlp).label_data == LABELS
    nlp.remove_pipe("jre")
    pipe = component(nlp, overlaps="auto", constraints="infer")
    assert pipe.label_data == {**LABELS, "overlapping": OVERLAPPING, "triples": TABLE}


def test_label_data_replaces_the_training_data(nlp, predict_all):
    labels = {**LABELS, "overlapping": [], "triples": TABLE[:1]}
    pipe = component(nlp, labels=labels, overlaps="auto", constraints="infer")
    assert pipe.label_data == labels
    docs = predict_all(nlp, pipe)
    assert all(map(is_flat, docs))
    assert rows_of(docs) <= {tuple(TABLE[0])}


def test_labels_file_of_an_older_version_is_completed_from_the_training_data(nlp):
    pipe = component(nlp, FLAT, LABELS, overlaps="auto", constraints="infer")
    assert pipe.label_data == {**LABELS, "overlapping": [], "triples": TABLE}


def test_labels_file_with_an_unknown_label_is_refused(nlp):
    labels = {**LABELS, "triples": [["PER", "married", "PER"]]}
    with pytest.raises(ValueError, match=r"J511.*labels file.*'married'"):
        component(nlp, labels=labels, constraints="infer")


def test_labels_file_with_an_unknown_label_of_an_overlap_is_refused(nlp):
    labels = {**LABELS, "overlapping": [["PER", "CAT"]]}
    with pytest.raises(ValueError, match=r"J511.*labels file.*'CAT'"):
        component(nlp, labels=labels, overlaps="auto")


@pytest.mark.parametrize(
    "values", [{"overlapping": [["ORG"]]}, {"triples": [["PER", "spouse"]]}]
)
def test_labels_file_with_another_structure_is_refused(nlp, values):
    with pytest.raises(ValueError, match="J503"):
        component(nlp, labels={**LABELS, **values})


def test_init_labels_writes_what_the_settings_use(tmp_path):
    register_extension()
    blank = spacy.blank("en")
    docs = [build_doc(make_record(sentence), blank) for sentence in FLAT]
    corpus = tmp_path / "flat.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(corpus)
    arguments = ["init", "labels", CONFIG, tmp_path / "labels"]
    for option, value in {
        "paths.train": corpus,
        "paths.dev": corpus,
        "components.jre.overlaps": "auto",
        "components.jre.constraints": "infer",
    }.items():
        arguments += [f"--{option}", value]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    labels = srsly.read_json(tmp_path / "labels" / "jre.json")
    assert labels == {**LABELS, "overlapping": [], "triples": TABLE}


# saving -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained():
    register_extension()
    nlp, examples = make_nlp(
        overlaps="auto", constraints="infer", symmetric=["spouse"], threshold=0.1
    )
    learn(nlp, examples, 20, rate=0.01)
    return nlp


def test_settings_are_kept_in_bytes_and_on_disk(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    expected = trained.get_pipe("jre")
    for loaded in (
        spacy.load(tmp_path / "model"),
        spacy.blank("en").from_config(trained.config).from_bytes(trained.to_bytes()),
    ):
        pipe = loaded.get_pipe("jre")
        assert pipe.cfg == expected.cfg
        assert pipe.label_data == expected.label_data
        assert pipe.label_data["overlapping"] == OVERLAPPING
        assert predictions_of(loaded) == predictions_of(trained)


def test_list_of_constraints_is_kept_in_the_config(nlp, tmp_path):
    nlp.add_pipe("jre", config={"constraints": TABLE, "overlaps": "best"})
    nlp.to_disk(tmp_path / "model")
    for name in ("constraints", "overlaps"):
        loaded = spacy.load(tmp_path / "model")
        assert loaded.config["components"]["jre"][name] == nlp.get_pipe("jre").cfg[name]
        assert loaded.get_pipe("jre").cfg[name] == nlp.get_pipe("jre").cfg[name]


def test_fill_config_keeps_a_list_and_adds_the_defaults(tmp_path, capsys):
    _, filled = fill_config(tmp_path / "default.cfg", CONFIG)
    assert filled["components"]["jre"]["overlaps"] == "keep"
    assert filled["components"]["jre"]["constraints"] == "none"
    config = load_config(CONFIG)
    config["components"]["jre"]["constraints"] = TABLE
    config.to_disk(tmp_path / "own.cfg")
    fill_config(tmp_path / "full.cfg", tmp_path / "own.cfg")
    full = load_config(tmp_path / "full.cfg")
    assert full["components"]["jre"]["constraints"] == TABLE


def test_pipeline_that_was_saved_without_the_settings_predicts_the_same(tmp_path):
    nlp, examples = make_nlp(threshold=0.1)
    learn(nlp, examples, 20, rate=0.01)
    nlp.to_disk(tmp_path / "model")
    path = tmp_path / "model" / "jre" / "cfg"
    cfg = srsly.read_json(path)
    for name in (
        "overlaps",
        "constraints",
        "overlapping",
        "triples",
        "several_sentences",
    ):
        del cfg[name]
    path.write_text(json.dumps(cfg), encoding="utf8")
    assert predictions_of(spacy.load(tmp_path / "model")) == predictions_of(nlp)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("triples", [["PER", "spouse", "CAT"]], "unknown labels.*CAT"),
        ("constraints", [["PER", "married", "PER"]], "unknown labels.*married"),
        ("constraints", "all", ""),
        ("overlaps", "first", ""),
        ("overlapping", True, ""),
        ("overlapping", [["PER", "CAT"]], "unknown labels.*CAT"),
        ("several_sentences", 3, ""),
    ],
)
def test_invalid_saved_setting_is_refused(trained, tmp_path, field, value, problem):
    trained.to_disk(tmp_path / "model")
    path = tmp_path / "model" / "jre" / "cfg"
    cfg = {**srsly.read_json(path), field: value}
    path.write_text(json.dumps(cfg), encoding="utf8")
    with pytest.raises(ValueError, match=f"J520.*{field}.*{problem}"):
        spacy.load(tmp_path / "model")


@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_two_processes_predict_the_same(trained):
    assert predictions_of(trained, n_process=2, batch_size=2) == predictions_of(trained)
