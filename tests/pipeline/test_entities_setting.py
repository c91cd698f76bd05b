"""Relations between entities that another component or an annotator has set."""

import json
import pickle
import warnings

import pytest
import spacy
from spacy.tokens import Doc, Span
from spacy.training import Example

from spacy_jre import register_extension
from spacy_jre.annotations import read_gold
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.cli.evaluate import score_given_entities
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY
from .helpers import (
    MODELS,
    learn,
    make_nlp,
    model_config,
    overfit_lainet,
    story_examples,
    tok2vec_config,
)

TEXT = "Ada Quint cooks for Hotel Lima in Oslo ."


def with_gold(nlp, key="gold") -> list[Example]:
    """The story, with the gold entities in a group of the predicted Docs."""
    examples = story_examples(nlp)
    for example in examples:
        set_gold(example.predicted, example.reference, key)
    return examples


def set_gold(doc, reference, key="gold"):
    entities = sorted(read_gold(reference).entities)
    doc.spans[key] = [doc.char_span(*entity) for entity in entities]


def given_nlp(source="spans:gold", examples=None, **settings):
    """An initialized pipeline that gets its entities."""
    settings = {**tok2vec_config(), "entities": source, **settings}
    spacy.util.fix_random_seed(0)
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config=settings)
    examples = with_gold(nlp) if examples is None else examples
    nlp.initialize(lambda: examples)
    return nlp, examples


def rows_of(doc, attr="relations"):
    return [(r["head"], r["tail"], r.label, round(r.score, 4)) for r in doc._.get(attr)]


@pytest.fixture(scope="module")
def trained():
    register_extension()
    nlp, examples = given_nlp()
    learn(nlp, examples, 60, rate=0.01)
    return nlp


@pytest.fixture(scope="module")
def predicting():
    """A trained component that predicts entities."""
    register_extension()
    nlp, examples = make_nlp()
    learn(nlp, examples, 60, rate=0.01)
    return nlp


# training -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_the_relations_of_given_entities(name, tiny_bert, wide_bert):
    config = model_config(name, tiny_bert, wide_bert)
    if name == "ISER":
        config = tok2vec_config("ISER", dropout=0.0)
    nlp = spacy.blank("en")
    settings = {"entities": "spans:gold", "threshold": 0.3}
    nlp.add_pipe("jre", config={**config, **settings})
    examples = with_gold(nlp)
    nlp.initialize(lambda: examples)
    before = nlp.evaluate(with_gold(nlp))["rel_strict_f"]
    learn(nlp, examples, 120, rate=0.003)
    scores = nlp.evaluate(with_gold(nlp))
    assert scores["ents_f"] == 1.0
    assert scores["rel_strict_f"] > max(0.6, before)


@pytest.mark.parametrize("name", ["SpERT", "LAINet"])
def test_span_classifier_is_not_trained(name, tiny_bert, wide_bert):
    config = model_config(name, tiny_bert, wide_bert)
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", config={**config, "entities": "spans:gold"})
    examples = with_gold(nlp)
    nlp.initialize(lambda: examples)
    module = get_module(nlp.get_pipe("jre").model.get_ref("network"))
    heads = module.network.entity.classify if name == "LAINet" else module.heads.entity
    nlp.get_pipe("jre").update(examples)
    gradient = heads.weight.grad
    assert gradient is None or not gradient.any()


def test_gold_entities_of_the_reference_are_given_if_nothing_is_set():
    register_extension()
    nlp = spacy.blank("en")
    examples = story_examples(nlp)
    nlp, _ = given_nlp(examples=examples)
    learn(nlp, examples, 60, rate=0.01)
    assert nlp.evaluate(with_gold(nlp))["rel_strict_f"] == 1.0


def test_gold_entities_that_do_not_align_are_counted():
    nlp, examples = given_nlp()
    reference = examples[0].reference
    words = ["Ada", "Quint cooks", "for", "Hotel", "Lima", "in", "Oslo", "."]
    example = Example(Doc(nlp.vocab, words=words), reference)
    with pytest.warns(UserWarning, match=r"J904.* 1 gold entities and 1 gold rel"):
        nlp.update([example])


def ruler_patterns():
    return [
        {"label": label, "pattern": " ".join(sentence["words"][start:end])}
        for sentence in STORY
        for start, end, label in sentence["entities"]
        if " ".join(sentence["words"][start:end]) != "Lima"
    ]


def test_entities_of_an_annotating_component_are_given(examples):
    """The nested entity "Lima" is not in doc.ents and has no relation."""
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    nlp.add_pipe("jre", config={**tok2vec_config(), "entities": "doc.ents"})
    nlp.initialize(lambda: examples)
    ruler.add_patterns(ruler_patterns())
    optimizer = create_adamw_v1(0.01, bias_correction=True)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer, annotates=["entity_ruler"])
    scores = nlp.evaluate(story_examples(nlp))
    assert scores["rel_strict_f"] == 1.0
    doc = nlp(TEXT)
    assert [(e.text, e.label_) for e in doc.ents] == [
        ("Ada Quint", "PER"),
        ("Hotel Lima", "ORG"),
        ("Oslo", "LOC"),
    ]
    assert [s.text for s in doc.spans["jre"]] == ["Ada Quint", "Hotel Lima", "Oslo"]


def test_relations_of_other_entities_are_skipped_and_counted():
    nlp, examples = given_nlp(examples=story_examples(spacy.blank("en")))
    (example,) = examples[:1]
    doc = example.predicted
    # without the head of works_for
    doc.spans["gold"] = [Span(doc, 4, 6, "ORG"), Span(doc, 7, 8, "LOC")]
    with pytest.warns(UserWarning, match=r"J919.* 0 given.* 1 gold relations"):
        nlp.update([example], sgd=None)


def test_given_entity_with_an_unknown_label_is_refused_in_training():
    nlp, examples = given_nlp()
    doc = examples[0].predicted
    doc.spans["gold"] = [Span(doc, 0, 2, "DISH")]
    with pytest.raises(ValueError, match=r"J534.*'Ada Quint' in spans:gold.*'DISH'"):
        nlp.update(examples, sgd=None)


def test_given_entity_with_an_unknown_label_can_be_skipped_in_training():
    nlp, examples = given_nlp(unknown_entities="skip")
    doc = examples[0].predicted
    doc.spans["gold"] = [*doc.spans["gold"], Span(doc, 2, 3, "DISH")]
    with pytest.warns(UserWarning, match=r"J919.* 1 given.* 0 gold relations"):
        nlp.update(examples, sgd=None)


@pytest.mark.parametrize("name", ["SpERT", "STSN"])
def test_given_entity_with_an_unknown_label_can_be_kept(name):
    nlp, examples = given_nlp(**tok2vec_config(name), unknown_entities="keep")
    doc = examples[0].predicted
    doc.spans["gold"] = [Span(s.doc, s.start, s.end, "NP") for s in doc.spans["gold"]]
    learn(nlp, examples, 60, rate=0.01)
    result = nlp.get_pipe("jre")(doc)
    assert {r["head"]["label"] for r in result._.relations} == {"NP"}


def test_batch_without_given_entities_is_no_error():
    nlp, _ = given_nlp()
    doc = nlp.make_doc("Rain fell .")
    doc.spans["gold"] = []
    reference = nlp.make_doc("Rain fell .")
    reference._.relations = []
    losses = nlp.update([Example(doc, reference)], sgd=nlp.create_optimizer())
    assert losses["jre"] == 0.0


def test_batch_without_given_entities_is_no_error_for_lainet(wide_bert):
    nlp = overfit_lainet(wide_bert, steps=1)
    nlp.get_pipe("jre").cfg["entities"] = "spans:gold"
    doc = nlp.make_doc("Rain fell .")
    doc.spans["gold"] = []
    reference = nlp.make_doc("Rain fell .")
    reference._.relations = []
    losses = nlp.update([Example(doc, reference)], sgd=nlp.create_optimizer())
    assert losses["jre"] == 0.0


# prediction ---------------------------------------------------------------------------


def test_scores_equal_those_of_evaluate_with_given_gold_entities(predicting):
    examples = story_examples(predicting)
    pipe = predicting.get_pipe("jre")
    expected = score_given_entities(pipe, examples, batch_size=2).scores
    pipe.cfg["entities"] = "spans:gold"
    try:
        scores = predicting.evaluate(with_gold(predicting))
    finally:
        pipe.cfg["entities"] = "predict"
    assert expected["rel_strict_f"] > 0.5
    assert {name: scores[name] for name in expected} == expected


def test_relations_between_predicted_entities_do_not_change_if_they_are_given(
    predicting,
):
    pipe = predicting.get_pipe("jre")
    doc = predicting(TEXT)
    again = predicting.make_doc(TEXT)
    again.spans["gold"] = [
        Span(again, s.start, s.end, s.label_) for s in doc.spans["jre"]
    ]
    pipe.cfg["entities"] = "spans:gold"
    try:
        pipe(again)
    finally:
        pipe.cfg["entities"] = "predict"
    assert rows_of(again) == rows_of(doc) != []


def test_given_entities_are_those_of_the_span_group_with_score_1(trained):
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = [Span(doc, 4, 6, "ORG"), Span(doc, 5, 6, "LOC")]
    doc.ents = [Span(doc, 2, 3, "VERB")]
    trained.get_pipe("jre")(doc)
    assert [(s.text, s.label_) for s in doc.spans["jre"]] == [
        ("Hotel Lima", "ORG"),
        ("Lima", "LOC"),
    ]
    assert doc.spans["jre"].attrs["scores"] == [1.0, 1.0]
    assert [e.label_ for e in doc.ents] == ["VERB"]


def test_given_entities_can_be_wider_than_max_span_width(trained):
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = [Span(doc, 0, 9, "ORG"), Span(doc, 7, 8, "LOC")]
    trained.get_pipe("jre").cfg["max_span_width"] = 2
    try:
        trained.get_pipe("jre")(doc)
    finally:
        trained.get_pipe("jre").cfg["max_span_width"] = 10
    assert len(doc.spans["jre"]) == 2


def test_doc_without_given_entities_is_reported_once(trained):
    pipe = trained.get_pipe("jre")
    pipe._warner._given.clear()
    with pytest.warns(UserWarning, match=r"J918.* 2 Doc.*spans:gold.*gold_entities"):
        docs = list(trained.pipe([TEXT, TEXT]))
    assert [doc._.relations for doc in docs] == [(), ()]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trained(TEXT)


def test_doc_annotated_without_entities_is_not_reported(trained):
    pipe = trained.get_pipe("jre")
    pipe._warner._given.clear()
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = []
    assert pipe(doc)._.relations == ()


def test_given_entity_with_an_unknown_label_is_refused(trained):
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = [Span(doc, 0, 2, "DISH")]
    with pytest.raises(ValueError, match=r"J534.*'Ada Quint'.*'DISH'.*LOC, ORG, PER"):
        trained.get_pipe("jre")(doc)


def test_given_entity_with_an_unknown_label_can_be_skipped(trained):
    pipe = trained.get_pipe("jre")
    pipe._warner._given.clear()
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = [Span(doc, 0, 2, "DISH"), Span(doc, 4, 6, "ORG")]
    pipe.cfg["unknown_entities"] = "skip"
    try:
        with pytest.warns(UserWarning, match=r"J919.* 1 given"):
            pipe(doc)
    finally:
        pipe.cfg["unknown_entities"] = "error"
    assert [s.text for s in doc.spans["jre"]] == ["Hotel Lima"]


def test_outdated_span_group_is_refused(trained):
    doc = trained.make_doc(TEXT)
    doc.spans["gold"] = [Span(doc, 7, 8, "LOC")]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:6])
    with pytest.raises(ValueError, match=r"J532.*'gold'"):
        trained.get_pipe("jre")(doc)


def test_entities_of_another_jre_are_related():
    register_extension("triples")
    nlp = spacy.blank("en")
    nlp.add_pipe("jre", name="ner", config=tok2vec_config())
    second = {"entities": "spans:jre", "attr": "triples", "spans_key": "second"}
    nlp.add_pipe("jre", name="re", config={**tok2vec_config(), **second})
    examples = story_examples(nlp)
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    nlp.initialize(lambda: examples)
    optimizer = create_adamw_v1(0.01, bias_correction=True)
    for _ in range(60):
        nlp.update(examples, sgd=optimizer)
    doc = nlp(TEXT)
    assert [s.text for s in doc.spans["second"]] == [s.text for s in doc.spans["jre"]]
    assert [r.as_triple() for r in doc._.triples]


# settings, saving, processes ----------------------------------------------------------


@pytest.mark.parametrize("value", ["ents", "spans:", "doc.spans"])
def test_other_source_is_refused(nlp, value):
    with pytest.raises(ValueError, match=r"J506.*entities.*spans:<key>"):
        nlp.add_pipe("jre", config={"entities": value})


def test_other_handling_of_unknown_labels_is_refused(nlp):
    with pytest.raises(ValueError, match=r"unknown_entities"):
        nlp.add_pipe("jre", config={"unknown_entities": "ignore"})


def test_span_group_of_the_given_entities_is_not_overwritten(nlp):
    with pytest.raises(ValueError, match=r"J530.*'jre'"):
        nlp.add_pipe("jre", config={"entities": "spans:jre"})


def gold_docs(nlp) -> list[Doc]:
    return [example.predicted for example in with_gold(nlp)]


def test_loaded_pipeline_predicts_the_same(trained, tmp_path):
    trained.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.get_pipe("jre").cfg["entities"] == "spans:gold"
    expected = [rows_of(doc) for doc in trained.pipe(gold_docs(trained))]
    assert [rows_of(doc) for doc in loaded.pipe(gold_docs(loaded))] == expected
    unpickled = pickle.loads(pickle.dumps(trained))
    assert [rows_of(doc) for doc in unpickled.pipe(gold_docs(unpickled))] == expected


@pytest.mark.parametrize(
    ("field", "value"), [("entities", "ents"), ("windows", 0), ("spans_key", "")]
)
def test_invalid_saved_setting_is_refused(trained, tmp_path, field, value):
    trained.to_disk(tmp_path / "model")
    path = tmp_path / "model" / "jre" / "cfg"
    cfg = {**json.loads(path.read_text(encoding="utf8")), field: value}
    path.write_text(json.dumps(cfg), encoding="utf8")
    with pytest.raises(ValueError, match=rf"J520.*'{field}"):
        spacy.load(tmp_path / "model")


def test_processes_predict_the_same(trained):
    expected = [rows_of(doc) for doc in trained.pipe(gold_docs(trained))]
    docs = list(trained.pipe(gold_docs(trained), n_process=2, batch_size=2))
    assert [rows_of(doc) for doc in docs] == expected
