"""What is different about a component with LAI-Net; the rest is in the other files."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc, Span
from spacy.training import Example
from torch.testing import assert_close

from spacy_jre.architectures.torch_node import get_module
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY, make_example
from .helpers import (
    RELATION_LABELS,
    empty_examples,
    lainet_config,
    make_nlp,
    no_span_is_none,
    overfit_lainet,
    story_examples,
    tok2vec_config,
)

TEXTS = [" ".join(sentence["words"]) for sentence in STORY]


@pytest.fixture(scope="module")
def trained(wide_bert):
    from spacy_jre import register_extension

    register_extension()
    return overfit_lainet(wide_bert)


@pytest.fixture
def untrained(wide_bert):
    return make_nlp(lainet_config(wide_bert))


def strict_scores(nlp):
    scores = nlp.evaluate(story_examples(nlp))
    return scores["ents_f"], scores["rel_f"], scores["rel_strict_f"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "network",
    [
        {"shared_encoder": True},
        {"annotate": False},
        {"agreement": "mean", "mask": "visible"},
        {"filter": False, "text_sees_markers": False, "markers_see": "pair"},
    ],
    ids=str,
)
def test_overfits_with_other_settings(wide_bert, network):
    nlp = overfit_lainet(wide_bert, 300, **network)
    assert strict_scores(nlp) == (1.0, 1.0, 1.0)


def test_symmetric_relation_is_stored_once_and_in_text_order(trained):
    spouses = [
        r.as_triple() for r in trained(TEXTS[3])._.relations if r.label == "spouse"
    ]
    assert spouses == [("Mia Roe", "spouse", "Ola Lie")]


def test_threshold_takes_relations_away_and_zero_invents_none(trained):
    pipe = trained.get_pipe("jre")
    every = [len(doc._.relations) for doc in trained.pipe(TEXTS)]
    wanted = [len(sentence["relations"]) for sentence in STORY]
    assert every == wanted
    pipe.cfg["threshold"] = 1.0
    try:
        assert not any(doc._.relations for doc in trained.pipe(TEXTS))
    finally:
        pipe.cfg["threshold"] = 0.0


# learning -----------------------------------------------------------------------------


def module_of(nlp):
    return get_module(nlp.get_pipe("jre").model.get_ref("network"))


def test_update_changes_both_transformers_and_the_network(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    losses = nlp.update(examples, sgd=create_adamw_v1(0.001))
    assert losses["jre"] > 0.0
    same = {
        n for n, p in module_of(nlp).named_parameters() if torch.equal(p, before[n])
    }
    assert {name for name in same if "pooler" not in name} == set()


def test_rates_find_the_transformers_by_name(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    nlp.update(examples, sgd=create_adamw_v1(0.001, rates={"^encoder": 0.0}))
    for name, parameter in module_of(nlp).named_parameters():
        still = torch.equal(parameter, before[name])
        assert still == name.startswith("encoder"), name


def test_gradients_of_several_updates_add_up(wide_bert):
    config = lainet_config(wide_bert, dropout=0.0, graph_dropout=0.0)
    config["model"]["tok2vec"]["transformer_config"] = {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    nlp, examples = make_nlp(config)

    def gradients(*batches):
        module_of(nlp).zero_grad(set_to_none=True)
        for batch in batches:
            nlp.update(batch, sgd=False)
        parameters = module_of(nlp).named_parameters()
        return {n: p.grad.clone() for n, p in parameters if p.grad is not None}

    first, second = gradients(examples[:2]), gradients(examples[2:])
    both = gradients(examples[:2], examples[2:])
    assert both.keys() == first.keys() | second.keys()
    for name, gradient in both.items():
        assert_close(gradient, first[name] + second[name], atol=1e-5, rtol=1e-4)


def test_gradients_go_with_the_update(untrained):
    nlp, examples = untrained
    nlp.update(examples, sgd=False)
    assert any(p.grad is not None for p in module_of(nlp).parameters())
    nlp.get_pipe("jre").finish_update(create_adamw_v1(0.001))
    assert all(p.grad is None for p in module_of(nlp).parameters())


def test_batches_of_one_update_are_counted_once(untrained):
    nlp, examples = untrained
    pipe = nlp.get_pipe("jre")
    nlp.update(examples[:2], sgd=False)
    nlp.update(examples[2:], sgd=False)
    assert pipe.model.attrs["updates"] == 0
    pipe.finish_update(create_adamw_v1(0.001))
    assert pipe.model.attrs["updates"] == 1


@pytest.mark.parametrize("whole", [True, False])
def test_update_with_an_optimizer_is_counted_once(untrained, whole):
    nlp, examples = untrained
    pipe = nlp.get_pipe("jre")
    learner = nlp if whole else pipe
    learner.update(examples, sgd=create_adamw_v1(0.001))
    assert pipe.model.attrs["updates"] == 1


def test_updates_are_counted_and_saved(untrained, tmp_path):
    nlp, examples = untrained
    for _ in range(3):
        nlp.update(examples, sgd=create_adamw_v1(0.001))
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert loaded.get_pipe("jre").model.attrs["updates"] == 3
    loaded.update(story_examples(loaded), sgd=create_adamw_v1(0.001))
    assert loaded.get_pipe("jre").model.attrs["updates"] == 4


def test_docs_without_tokens_teach_nothing_and_count_nothing(untrained):
    nlp, _ = untrained
    losses = nlp.update(empty_examples(nlp, ["", ""]), sgd=create_adamw_v1(0.001))
    assert losses["jre"] == 0.0
    assert nlp.get_pipe("jre").model.attrs["updates"] == 0


def test_entities_without_relations_teach_entities_alone(untrained):
    nlp, _ = untrained
    reference = nlp.make_doc(TEXTS[0])
    reference.ents = [reference.char_span(0, 9, label="PER")]
    nlp.update([Example(nlp.make_doc(TEXTS[0]), reference)], sgd=False)
    taught = {n for n, p in module_of(nlp).named_parameters() if p.grad is not None}
    assert any(name.startswith("network.entity") for name in taught)
    assert not any(n.startswith(("network.relation", "encoder.1")) for n in taught)


def test_pair_of_two_labels_is_counted(untrained):
    nlp, _ = untrained
    sentence = {**STORY[0], "relations": [(0, 1, "works_for"), (0, 1, "based_in")]}
    with pytest.warns(UserWarning, match=r"J910.*1 pair"):
        nlp.update([make_example(nlp, sentence)])


def test_gold_wider_than_the_limit_is_told_once(wide_bert):
    nlp, examples = make_nlp(lainet_config(wide_bert), max_span_width=1)
    with pytest.warns(UserWarning, match=r"J911.*5 gold entities.*0 gold relations"):
        nlp.update(examples)
    nlp.update(examples)  # warnings are errors here


def test_gold_that_ends_with_a_blank_is_told(untrained):
    nlp, _ = untrained
    reference = nlp.make_doc("Ada Quint\n\ncooks")
    reference.spans["jre"] = [Span(reference, 0, end, "PER") for end in (2, 3)]
    example = Example(nlp.make_doc(reference.text), reference)
    with pytest.warns(UserWarning, match=r"J911.*1 gold entities"):
        nlp.update([example])


def test_scores_tell_no_loss(untrained):
    nlp, examples = untrained
    pipe = nlp.get_pipe("jre")
    scores = pipe.model.predict([example.x for example in examples])
    with pytest.raises(NotImplementedError, match="J315"):
        pipe.get_loss(examples, scores)


# prediction ---------------------------------------------------------------------------


def test_entities_never_begin_or_end_with_a_blank(untrained):
    nlp, _ = untrained
    with no_span_is_none(module_of(nlp)):
        doc = nlp("\nOslo \n Lima\t")
    spans = [(span.start_char, span.text) for span in doc.spans["jre"]]
    assert spans == [(1, "Oslo"), (1, "Oslo \n Lima"), (8, "Lima")]


def test_first_evaluation_stays_within_bounds(wide_bert, caplog):
    nlp, _ = make_nlp(lainet_config(wide_bert), symmetric=["spouse"])
    stage = module_of(nlp).network.relation
    with torch.no_grad():
        stage.classify.bias[1 + RELATION_LABELS.index("spouse")] = 100.0
    doc = Doc(nlp.vocab, words=["Oslo", "Lima", "for", "all"] * 3)
    with no_span_is_none(module_of(nlp)):
        doc = nlp.get_pipe("jre")(doc)
    # every span is an entity; of the best twelve, all pairs are related
    assert len(doc.spans["jre"]) == 12 * 10 - 9 * 10 / 2
    assert len(doc._.relations) == 12 * 11 / 2
    assert "J905" in caplog.text


# settings -----------------------------------------------------------------------------


def test_annotations_are_settings_of_the_model(wide_bert):
    config = lainet_config(wide_bert, annotations={"PER": "a person"})
    nlp, _ = make_nlp(config)
    tokenizer = module_of(nlp).tokenizer
    form = module_of(nlp).forms[0]
    assert tokenizer.decode(form.annotations[2]) == "a person"
    config = lainet_config(wide_bert, annotations={"PERSON": "a person"})
    with pytest.raises(ValueError, match=r"J314.*PERSON"):
        make_nlp(config)


def test_symmetric_labels_have_no_twin(wide_bert):
    directed, _ = make_nlp(lainet_config(wide_bert))
    undirected, _ = make_nlp(lainet_config(wide_bert), symmetric=["spouse"])
    columns = [
        module_of(nlp).network.relation.classify.out_features
        for nlp in (directed, undirected)
    ]
    assert columns == [1 + 4 + 4, 1 + 4 + 3]


def test_label_added_by_hand_is_annotated(wide_bert):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("jre", config=lainet_config(wide_bert))
    pipe.add_label("GreatHotel", kind="entity")
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    form = module_of(nlp).forms[0]
    assert len(form.annotations) == 4
    assert module_of(nlp).tokenizer.decode(form.annotations[0]) == "great hotel"


def test_tok2vec_is_refused_when_the_component_is_made(nlp):
    with pytest.raises(ValueError, match="J311"):
        nlp.add_pipe("jre", config=tok2vec_config("LAINet"))


def test_scores_of_entities_are_probabilities(trained):
    for doc in trained.pipe(TEXTS):
        scores = np.asarray(doc.spans["jre"].attrs["scores"])
        assert ((scores > 0.25) & (scores <= 1.0)).all()
