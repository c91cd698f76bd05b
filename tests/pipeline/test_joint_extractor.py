"""Settings and edge cases of the component. See also test_component_contract.py."""

import math
import threading

import pytest
import torch
from spacy.tokens import Doc
from spacy.training import Example
from thinc.api import noop, use_ops, warmup_linear

from spacy_jre.annotations import EntityRecord, Record, build_doc
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.pipeline.joint_extractor import JointRelationExtractor
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY, make_example
from .helpers import (
    ENTITY_LABELS,
    RELATION_LABELS,
    learn,
    make_nlp,
    predictions_of,
    story_examples,
    tok2vec_config,
    transformer_config,
)


def test_added_labels_precede_labels_of_the_data(nlp, examples):
    pipe = nlp.add_pipe("jre")
    assert pipe.add_label("zzz", kind="relation") == 1
    assert pipe.add_label("zzz", kind="relation") == 0
    assert pipe.add_label("ZZZ", kind="entity") == 1
    nlp.initialize(lambda: examples)
    assert pipe.label_data == {
        "entities": ["ZZZ", *ENTITY_LABELS],
        "relations": ["zzz", *RELATION_LABELS],
    }


def test_label_needs_a_kind(nlp):
    pipe = nlp.add_pipe("jre")
    with pytest.raises(TypeError, match="'kind'"):
        pipe.add_label("PER")
    assert pipe.labels == ()


def test_label_of_another_kind_is_refused(nlp):
    with pytest.raises(ValueError, match=r"J506.*kind.*entity or relation.*'ent'"):
        nlp.add_pipe("jre").add_label("PER", kind="ent")


@pytest.mark.parametrize("kind", ["entity", "relation"])
def test_label_is_added_to_its_kind_only(nlp, kind):
    pipe = nlp.add_pipe("jre")
    pipe.add_label("PER", kind=kind)
    other = {"entity": "relations", "relation": "entities"}[kind]
    assert pipe.labels == ("PER",)
    assert pipe.label_data[other] == []


def test_model_on_an_apple_gpu_is_refused(nlp):
    with use_ops("mps"):
        model = noop()
    with pytest.raises(ValueError, match=r"J508.*MPS.*require_cpu"):
        JointRelationExtractor(nlp.vocab, model)


@pytest.mark.parametrize(
    "labels",
    [
        ["a", "b"],
        {"entities": ["a"]},
        {"entities": "a", "relations": ["b"]},
        {"entities": [1], "relations": ["b"]},
    ],
)
def test_labels_with_another_structure_are_refused(nlp, examples, labels):
    pipe = nlp.add_pipe("jre")
    with pytest.raises(ValueError, match="J503"):
        pipe.initialize(lambda: examples, labels=labels)


def test_data_without_relations_is_refused(nlp):
    nlp.add_pipe("jre")
    record = Record("Oslo", (EntityRecord(0, 4, "LOC"),))
    example = Example(nlp.make_doc("Oslo"), build_doc(record, nlp))
    with pytest.raises(ValueError, match=r"J502.*relation"):
        nlp.initialize(lambda: [example])


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("threshold", 1.5),
        ("threshold", -0.1),
        ("max_span_width", 0),
        ("negative_spans", -1),
        ("negative_pairs", -2),
        ("label_thresholds", {"spouse": 2.0}),
    ],
)
def test_setting_out_of_range_is_refused(nlp, setting, value):
    with pytest.raises(ValueError, match=f"J506.*{setting}"):
        nlp.add_pipe("jre", config={setting: value})


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [("symmetric", ["married"], "J505"), ("label_thresholds", {"x": 0.5}, "J507")],
)
def test_setting_with_an_unknown_label_is_refused(setting, value, code):
    with pytest.raises(ValueError, match=code):
        make_nlp(**{setting: value})


def test_overfits_on_tok2vec():
    nlp, examples = make_nlp(tok2vec_config("SINET", width_embedding=25))
    learn(nlp, examples, 60, rate=0.01)
    scores = nlp.evaluate(story_examples(nlp))
    assert (scores["ents_f"], scores["rel_strict_f"]) == (1.0, 1.0)


def test_overfits_on_pooled_wordpieces(tiny_bert):
    nlp, examples = make_nlp(transformer_config(tiny_bert, "SpERT", pooling="max"))
    learn(nlp, examples, 120)
    scores = nlp.evaluate(story_examples(nlp))
    assert (scores["ents_f"], scores["rel_strict_f"]) == (1.0, 1.0)


@pytest.fixture(scope="module")
def trained():
    from spacy_jre import register_extension

    register_extension()
    nlp, examples = make_nlp()
    learn(nlp, examples, 60, rate=0.01)
    return nlp


def test_threads_that_share_a_pipeline_predict_the_same(trained):
    texts = [" ".join(s["words"]) for s in STORY]
    expected = predictions_of(trained)
    predictions = []

    def work():
        predictions.extend(predictions_of(trained, texts) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert predictions == [expected] * 15


def test_existing_ents_are_kept_without_overwrite_ents(trained):
    pipe = trained.get_pipe("jre")
    pipe.cfg["overwrite_ents"] = False
    try:
        doc = trained.make_doc("Ada Quint cooks for Hotel Lima in Oslo .")
        doc.ents = [doc.char_span(10, 15, label="VERB")]
        doc = pipe(doc)
    finally:
        pipe.cfg["overwrite_ents"] = True
    assert [e.label_ for e in doc.ents] == ["VERB"]
    assert len(doc.spans["jre"]) == 4


def test_label_threshold_overrides_the_threshold(trained):
    pipe = trained.get_pipe("jre")
    text = "Ada Quint cooks for Hotel Lima in Oslo ."
    pipe.cfg["label_thresholds"] = {"works_for": 1.0}
    try:
        labels = {r.label for r in trained(text)._.relations}
    finally:
        pipe.cfg["label_thresholds"] = {}
    assert labels == {"based_in"}


def test_symmetric_relation_is_stored_once_and_in_text_order():
    nlp, examples = make_nlp(symmetric=["spouse"])
    learn(nlp, examples, 60, rate=0.01)
    doc = nlp("Mia Roe and Ola Lie , both of Tromso , married .")
    spouses = [r.as_triple() for r in doc._.relations if r.label == "spouse"]
    assert spouses == [("Mia Roe", "spouse", "Ola Lie")]


def test_extension_can_have_another_name(nlp, examples):
    from spacy_jre import register_extension

    nlp.add_pipe("jre", config={"attr": "triples"})
    register_extension("triples")
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    nlp.initialize(lambda: examples)
    doc = nlp("Ada Quint cooks for Hotel Lima")
    assert doc._.triples is not None
    assert doc._.relations == ()


def test_extension_of_another_package_is_refused(nlp):
    Doc.set_extension("triples", default=[])
    with pytest.raises(ValueError, match="J101"):
        nlp.add_pipe("jre", config={"attr": "triples"})


# edge cases -------------------------------------------------------------------------


def test_prediction_accepts_five_thousand_tokens():
    nlp, _ = make_nlp()
    doc = nlp.make_doc("Ada Quint cooks for Hotel Lima in Oslo . " * 560)
    for token in doc:
        token.is_sent_start = token.i % 9 == 0
    assert len(doc) > 5000
    doc = nlp.get_pipe("jre")(doc)
    assert all(e.end <= len(doc) for e in doc.spans["jre"])


def test_each_kind_of_skipped_annotation_is_reported_once():
    nlp, _ = make_nlp()
    unannotated = nlp.make_doc("Ada Quint cooks")
    across = make_example(nlp, STORY[0])
    across.predicted[3].is_sent_start = True
    with pytest.warns(UserWarning, match="J903"):
        nlp.update([Example(unannotated, nlp.make_doc(unannotated.text))])
    with pytest.warns(UserWarning, match="J904"):
        nlp.update([across])
    nlp.update([across])  # warnings are errors here


def test_entities_wider_than_the_limit_are_counted():
    nlp, examples = make_nlp(max_span_width=1)
    # both persons of the sentence have two tokens
    with pytest.warns(UserWarning, match=r"J921.*2 gold .*= 1 .*3 gold relations"):
        nlp.update([examples[3]])
    nlp.update([examples[3]])  # warnings are errors here


def test_relation_of_an_entity_with_itself_is_named_in_the_warning():
    nlp, (example, *_) = make_nlp()
    doc = example.reference
    span = doc.spans["jre"][0]
    doc._.relations = [{"head": span, "tail": span, "label": "spouse"}]
    with pytest.warns(UserWarning, match="J904.*relations of an entity with itself"):
        nlp.update([example])


def test_learning_rate_of_0_is_reported_at_the_second_update():
    nlp, examples = make_nlp()
    optimizer = nlp.resume_training(sgd=create_adamw_v1(warmup_linear(0.1, 1, 2)))
    for _ in range(2):  # the rates 0 and 0.1, and no warning
        nlp.update(examples, sgd=optimizer)
        optimizer.step_schedules()
    nlp.update(examples, sgd=optimizer)  # the last rate of the schedule: 0
    with pytest.warns(UserWarning, match=r"J920.*'jre'.*resume_training"):
        nlp.update(examples, sgd=optimizer)
    nlp.update(examples, sgd=optimizer)


def fill_weights(nlp, value):
    network = get_module(nlp.get_pipe("jre").model.get_ref("network"))
    with torch.no_grad():
        next(network.parameters()).fill_(value)


def test_loss_that_is_not_finite_changes_no_weights():
    nlp, examples = make_nlp()
    fill_weights(nlp, math.nan)
    before = nlp.get_pipe("jre").model.to_bytes()
    with pytest.raises(ValueError, match=r"J420.*'jre' is nan.*5 Doc.*'Ada Quint"):
        nlp.get_pipe("jre").update(examples, sgd=create_adamw_v1(0.001))
    assert nlp.get_pipe("jre").model.to_bytes() == before


def test_scores_that_are_not_finite_are_refused():
    nlp, _ = make_nlp()
    fill_weights(nlp, math.nan)
    with pytest.raises(ValueError, match=r"J430.*'jre'.*1 Doc.*'Ada sings'"):
        nlp("Ada sings")


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite_are_not_loaded(value):
    nlp, _ = make_nlp()
    other, _ = make_nlp()
    fill_weights(nlp, value)
    with pytest.raises(ValueError, match=r"J431.* value\(s\) of the saved weights"):
        other.from_bytes(nlp.to_bytes())


def test_weights_of_a_tok2vec_that_are_not_finite_are_not_loaded():
    nlp, _ = make_nlp()
    other, _ = make_nlp()
    (node, *_) = (n for n in nlp.get_pipe("jre").model.walk() if "E" in n.param_names)
    node.get_param("E")[3, 1] = math.nan
    with pytest.raises(ValueError, match=r"J431.*1 value.*hashembed\.E"):
        other.from_bytes(nlp.to_bytes())


def test_unannotated_doc_does_not_change_the_loss():
    nlp, examples = make_nlp(
        tok2vec_config(dropout=0.0), negative_spans=None, negative_pairs=None
    )
    unannotated = Example(nlp.make_doc("Ada Quint"), nlp.make_doc("Ada Quint"))
    expected = nlp.update(examples, sgd=False)["jre"]
    with pytest.warns(UserWarning, match="J903"):
        loss = nlp.update([*examples, unannotated], sgd=False)["jre"]
    assert loss == pytest.approx(expected, rel=1e-5)


def test_pairs_of_an_untrained_network_are_limited_in_a_long_window():
    nlp, _ = make_nlp()
    doc = nlp.make_doc("Ada Quint cooks for Hotel Lima in Oslo . " * 40)
    for token in doc:
        token.is_sent_start = token.i == 0
    doc = nlp(doc)
    pairs = {(r["head"]["start"], r["tail"]["start"]) for r in doc._.relations}
    assert len(pairs) <= 100 * 99


def test_relation_across_windows_is_counted():
    nlp, _ = make_nlp()
    example = make_example(nlp, STORY[0])
    example.predicted[3].is_sent_start = True
    with pytest.warns(UserWarning, match=r"J904.*0 gold entities and 1 gold rel"):
        nlp.update([example])


def test_span_with_two_labels_is_counted():
    nlp, _ = make_nlp()
    entities = [(0, 2, "PER"), (0, 2, "ORG")]
    sentence = {**STORY[0], "entities": entities, "relations": []}
    with pytest.warns(UserWarning, match=r"J906.*1 span"):
        nlp.update([make_example(nlp, sentence)])


def test_failing_doc_does_not_remove_other_docs_from_the_stream(trained):
    failed = []

    def keep(name, pipe, docs, error):
        failed.extend(docs)

    pipe = trained.get_pipe("jre")
    original = pipe.predict

    def predict(docs):
        docs = list(docs)
        if any(doc.text == "bad" for doc in docs):
            raise RuntimeError("deliberate failure")
        return original(docs)

    pipe.set_error_handler(keep)
    pipe.predict = predict
    try:
        texts = ["Oslo", "bad", "Bergen"]
        docs = list(pipe.pipe(trained.make_doc(t) for t in texts))
    finally:
        del pipe.predict
        del pipe.error_handler
    assert [doc.text for doc in docs] == ["Oslo", "Bergen"]
    assert [doc.text for doc in failed] == ["bad"]


def test_pipeline_can_have_two_components(nlp, examples):
    nlp.add_pipe("jre", name="first")
    second = {"overwrite_ents": False, "attr": "triples", "spans_key": "second"}
    nlp.add_pipe("jre", name="second", config=second)
    for example in examples:
        example.reference._.triples = list(example.reference._.relations)
    nlp.initialize(lambda: examples)
    losses = nlp.update(examples, sgd=nlp.create_optimizer())
    assert {"first", "second"} <= losses.keys()


def test_analyze_pipes_shows_the_assigned_attributes(nlp):
    nlp.add_pipe("jre")
    attributes = nlp.analyze_pipes()["attrs"]
    assert attributes["doc._.relations"]["assigns"] == ["jre"]
    assert attributes["doc.ents"]["assigns"] == ["jre"]


@pytest.mark.parametrize("name", ["SpERT", "SINET", "STSN"])
def test_one_number_is_read_per_update_and_after_the_backward_pass(name, monkeypatch):
    # reading a number waits until a GPU has computed it
    nlp, examples = make_nlp(tok2vec_config(name))
    calls = []

    def record(owner, name):
        original = getattr(owner, name)

        def wrapper(*args, **kwargs):
            calls.append(name)
            return original(*args, **kwargs)

        monkeypatch.setattr(owner, name, wrapper)

    record(torch.autograd, "backward")
    for name in ("__float__", "__int__", "__bool__", "item", "tolist"):
        record(torch.Tensor, name)
    losses = nlp.get_pipe("jre").update(examples, sgd=create_adamw_v1(0.001))
    assert losses["jre"] > 0.0
    assert calls == ["backward", "__float__"]
