"""What is different about a component with LAI-Net; the rest is in the other files."""

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.architectures.torch_node import get_module
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import STORY, make_example
from .helpers import (
    empty_examples,
    lainet_config,
    make_nlp,
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
    nlp, examples = make_nlp(lainet_config(wide_bert))
    nlp.update(examples[:2], sgd=False)
    parameter = module_of(nlp).network.entity.represent.weight
    first = parameter.grad.clone()
    nlp.update(examples[2:], sgd=False)
    assert not torch.equal(parameter.grad, first)
    nlp.get_pipe("jre").finish_update(create_adamw_v1(0.001))
    assert parameter.grad is None


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


def test_first_evaluation_stays_within_bounds(untrained):
    nlp, _ = untrained
    doc = Doc(nlp.vocab, words=["Oslo", "Lima", "for", "all"] * 8)
    doc = nlp.get_pipe("jre")(doc)
    arguments = {
        (r[role]["start"], r[role]["end"])
        for r in doc._.relations
        for role in ("head", "tail")
    }
    assert len(arguments) <= len(doc)


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
