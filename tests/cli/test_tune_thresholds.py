import json
import shutil

import pytest
import spacy
import srsly
from spacy.tokens import Doc, DocBin

from spacy_jre import register_extension
from spacy_jre.annotations import build_doc
from spacy_jre.cli.evaluate import evaluate
from spacy_jre.cli.tune_thresholds import is_key, tune_thresholds
from spacy_jre.corpora.reader import Corpus
from spacy_jre.pipeline.joint_extractor import JointRelationExtractor

from ..conftest import STORY, make_record
from ..pipeline.helpers import learn, make_nlp
from .helpers import assert_plain_error, output_of, run

# a config file cannot contain these labels
RENAMED = {"works_for": "per:employee_of", "based_in": "@layers"}


def write(path, sentences):
    register_extension()
    nlp = spacy.blank("en")
    docs = [build_doc(make_record(sentence), nlp) for sentence in sentences]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


@pytest.fixture(scope="module")
def dev(tmp_path_factory):
    return write(tmp_path_factory.mktemp("data") / "dev.spacy", STORY)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A pipeline on disk whose threshold is too high."""
    register_extension()
    nlp, examples = make_nlp(threshold=0.98, label_thresholds={"spouse": 0.999})
    learn(nlp, examples, 30, rate=0.01)
    nlp.meta["performance"] = {"rel_strict_f": 0.0, "tag_acc": 0.5}
    folder = tmp_path_factory.mktemp("model") / "model"
    nlp.to_disk(folder)
    return folder


def test_reported_figures_are_those_of_spacy_jre_evaluate(trained, dev, tmp_path):
    output = tmp_path / "tuned"
    tuning = tune_thresholds(str(trained), dev, output=output, min_support=2)
    before, after = tuning.micro()
    old, new = (evaluate(model, dev) for model in (trained, output))
    assert before.fscore == pytest.approx(old["rel_strict_f"])
    assert after.fscore == pytest.approx(new["rel_strict_f"])
    assert after.fscore > before.fscore
    for label, entry in tuning.table.items():
        counts = entry.count(tuning.new.of(label)).to_dict()
        assert counts == pytest.approx(new["rel_strict_per_type"][label])
    assert new["ents_f"] == old["ents_f"]


def test_sentences_of_the_data_are_kept(tmp_path, monkeypatch):
    # one sentence of the data, two sentences by the rules
    sentence = {
        "words": ["Ada", "of", "Fjordline", "Ltd", ".", "Lives", "in", "Oslo"],
        "entities": [(0, 1, "PER"), (2, 4, "ORG"), (7, 8, "LOC")],
        "relations": [(0, 1, "works_for"), (0, 2, "lives_in")],
    }
    dev = write(tmp_path / "dev.spacy", [sentence])
    nlp, _ = make_nlp()
    nlp.add_pipe("sentencizer", before="jre")
    nlp.to_disk(tmp_path / "model")
    counts = []
    predict = JointRelationExtractor.predict

    def counting(self, docs):
        counts.extend(len(list(doc.sents)) for doc in docs)
        return predict(self, docs)

    monkeypatch.setattr(JointRelationExtractor, "predict", counting)
    tune_thresholds(str(tmp_path / "model"), dev)
    assert counts == [1]
    by_rules = nlp.get_pipe("sentencizer")(Doc(nlp.vocab, sentence["words"]))
    assert len(list(by_rules.sents)) == 2


def test_thresholds_are_saved_in_component_and_config(trained, dev, tmp_path):
    output = tmp_path / "tuned"
    tuning = tune_thresholds(str(trained), dev, output=output, min_support=2)
    assert set(tuning.new.labels) <= {"based_in", "lives_in", "works_for"}
    nlp = spacy.load(output)
    for settings in (nlp.get_pipe("jre").cfg, nlp.config["components"]["jre"]):
        assert settings["threshold"] == tuning.new.threshold
        assert settings["label_thresholds"] == tuning.new.labels
    again = tune_thresholds(str(output), dev, output=tmp_path / "2", min_support=2)
    assert again.new == tuning.new == again.old


def test_performance_is_that_of_the_tuned_pipeline(trained, dev, tmp_path):
    tuning = tune_thresholds(str(trained), dev, output=tmp_path / "tuned")
    meta = srsly.read_json(tmp_path / "tuned" / "meta.json")
    f1 = tuning.micro()[1].fscore
    assert meta["performance"] == {"rel_strict_f": pytest.approx(f1), "tag_acc": 0.5}


def test_scores_of_another_extension_are_updated(trained, tmp_path):
    register_extension("triples")
    try:
        nlp = spacy.load(trained)
        for settings in (nlp.get_pipe("jre").cfg, nlp.get_pipe_config("jre")):
            settings["attr"] = "triples"
        nlp.meta["performance"] = {"triples_rel_strict_f": 0.0, "rel_f": 0.5}
        nlp.to_disk(tmp_path / "model")
        docs = [build_doc(make_record(one), nlp, attr="triples") for one in STORY]
        dev = tmp_path / "dev.spacy"
        DocBin(docs=docs, store_user_data=True).to_disk(dev)
        tuning = tune_thresholds(str(tmp_path / "model"), dev)
        f1 = tuning.micro()[1].fscore
        assert f1 > 0
        assert srsly.read_json(tmp_path / "model" / "meta.json")["performance"] == {
            "triples_rel_strict_f": pytest.approx(f1),
            "rel_f": 0.5,
        }
    finally:
        Doc.remove_extension("triples")


def test_scores_of_the_entities_of_a_later_component_are_kept(trained, dev, tmp_path):
    nlp = spacy.load(trained)
    nlp.add_pipe("entity_ruler")
    nlp.meta["performance"] = {"ents_f": 0.25, "rel_f": 0.0}
    nlp.to_disk(tmp_path / "model")
    tune_thresholds(str(tmp_path / "model"), dev)
    performance = srsly.read_json(tmp_path / "model" / "meta.json")["performance"]
    assert performance["ents_f"] == 0.25
    assert performance["rel_f"] > 0


def test_pipeline_is_changed_in_its_folder_without_output(trained, dev, tmp_path):
    model = tmp_path / "copy"
    shutil.copytree(trained, model)
    before = (model / "jre" / "model").read_bytes()
    result = run("tune-thresholds", model, dev)
    assert result.exit_code == 0, result.output
    assert (model / "jre" / "model").read_bytes() == before
    threshold = json.loads((model / "jre" / "cfg").read_text())["threshold"]
    assert 0.001 < threshold < 0.98
    assert f"threshold = {threshold}" in (model / "config.cfg").read_text()


def test_command_shows_labels_thresholds_and_scores(trained, dev, tmp_path):
    result = run("tune-thresholds", trained, dev, "--output", tmp_path / "tuned")
    assert result.exit_code == 0, result.output
    rows = {
        line.split()[0]: line.split() for line in result.output.splitlines() if line
    }
    assert rows["spouse"][:3] == ["spouse", "1", "0.999"]
    assert rows["works_for"][:3] == ["works_for", "2", "0.98"]
    assert rows["micro"][1] == "8"
    assert len(rows["micro"]) == 4  # no thresholds
    # no label has ten relations
    assert "Threshold of other labels" in output_of(result)
    assert spacy.load(tmp_path / "tuned").get_pipe("jre").cfg["label_thresholds"] == {}


def test_each_doc_is_predicted_once(trained, dev, tmp_path, monkeypatch):
    counts = []
    predict = JointRelationExtractor.predict

    def counting(self, docs):
        docs = list(docs)
        counts.append(len(docs))
        return predict(self, docs)

    monkeypatch.setattr(JointRelationExtractor, "predict", counting)
    tune_thresholds(str(trained), dev, output=tmp_path / "tuned")
    assert sum(counts) == len(STORY)


def test_label_that_a_config_cannot_contain_is_saved_in_the_component(tmp_path):
    story = [
        {
            **sentence,
            "relations": [
                (h, t, RENAMED.get(x, x)) for h, t, x in sentence["relations"]
            ],
        }
        for sentence in STORY
    ]
    dev = write(tmp_path / "dev.spacy", story)
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={"threshold": 0.9999})
    examples = list(Corpus(dev)(nlp))
    nlp.initialize(lambda: examples)
    learn(nlp, examples, 30, rate=0.01)
    nlp.to_disk(tmp_path / "model")
    result = run("tune-thresholds", tmp_path / "model", dev, "--min-support", 2)
    assert result.exit_code == 0, result.output
    labels = "@layers, per:employee_of"
    assert f"can't contain the labels {labels}" in output_of(result)
    loaded = spacy.load(tmp_path / "model")
    assert set(RENAMED.values()) < loaded.get_pipe("jre").cfg["label_thresholds"].keys()
    in_config = loaded.config["components"]["jre"]["label_thresholds"]
    assert in_config.keys() == {"lives_in"}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("works_for", True), ("USED-FOR", True), ("ORG-AFF.Employment", True),
        ("创始人", True), ("a b", True), ("org:founded", False), ("a=b", False),
        ("#1", False), ("=x", False), ("@layers", False), ("a@b", True),
    ],
)  # fmt: skip
def test_labels_that_a_config_can_contain_are_recognized(label, expected):
    assert is_key(label) is expected


# errors -------------------------------------------------------------------------------


def test_pipeline_without_the_component_is_refused(dev, tmp_path):
    spacy.blank("en").to_disk(tmp_path / "blank")
    result = run("tune-thresholds", tmp_path / "blank", dev)
    assert_plain_error(result, "J740", "'jre'", "none")


def test_unknown_component_is_refused(trained, dev):
    result = run("tune-thresholds", trained, dev, "--component", "ner")
    assert_plain_error(result, "J740", "'ner'", "jre")


def test_component_is_chosen_if_there_are_several(dev, tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", name="first", config={"threshold": 0.9})
    second = {"threshold": 0.9, "attr": "triples", "spans_key": "second"}
    nlp.add_pipe("jre", name="second", config=second)
    examples = list(Corpus(dev)(nlp))
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    nlp.initialize(lambda: examples)
    learn_both = nlp.create_optimizer()
    for _ in range(30):
        nlp.update(examples, sgd=learn_both)
    nlp.to_disk(tmp_path / "model")
    result = run("tune-thresholds", tmp_path / "model", dev)
    assert_plain_error(result, "J722", "first, second", "--component")
    tuning = tune_thresholds(str(tmp_path / "model"), dev, component="first")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.pipe_names == ["first", "second"]
    assert loaded.get_pipe("first").cfg["threshold"] == tuning.new.threshold
    assert loaded.get_pipe("second").cfg["threshold"] == 0.9


def test_data_without_relations_is_refused(trained, tmp_path):
    dev = write(tmp_path / "rain.spacy", [STORY[2]])
    result = run("tune-thresholds", trained, dev, "--output", tmp_path / "tuned")
    assert_plain_error(result, "J741", "rain.spacy")
    assert not (tmp_path / "tuned").exists()


def test_missing_data_is_refused(trained, tmp_path):
    result = run("tune-thresholds", trained, tmp_path / "none.spacy")
    assert_plain_error(result, "J601", "none.spacy")


def test_installed_pipeline_needs_an_output_folder(dev):
    result = run("tune-thresholds", "en_jre_sinet", dev)
    assert_plain_error(result, "J742", "en_jre_sinet", "--output")


def test_negative_support_is_refused(trained, dev):
    result = run("tune-thresholds", trained, dev, "--min-support", -1)
    assert_plain_error(result, "J736", "min-support")
