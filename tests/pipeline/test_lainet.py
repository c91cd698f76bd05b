"""Behavior of a component with LAI-Net that differs from the other models."""

from contextlib import contextmanager

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
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


@pytest.mark.parametrize("threshold", [1e-6, 0.01])
def test_threshold_above_zero_adds_no_relations(trained, threshold):
    with thresholded(trained, threshold):
        counts = [len(doc._.relations) for doc in trained.pipe(TEXTS)]
    assert counts == [len(sentence["relations"]) for sentence in STORY]


def test_high_threshold_removes_all_relations(trained):
    with thresholded(trained, 1.0):
        assert not any(doc._.relations for doc in trained.pipe(TEXTS))


@contextmanager
def thresholded(nlp, value):
    cfg = nlp.get_pipe("jre").cfg
    before = cfg["threshold"]
    cfg["threshold"] = value
    yield
    cfg["threshold"] = before


# training -----------------------------------------------------------------------------


def module_of(nlp):
    return get_module(nlp.get_pipe("jre").model.get_ref("network"))


def updates_of(nlp) -> int:
    return int(module_of(nlp).network.updates)


def gradient_norm(parameters) -> float:
    gradients = [p.grad for p in parameters if p.grad is not None]
    return float(torch.nn.utils.get_total_norm(gradients))


def test_update_changes_both_transformers_and_the_network(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    losses = nlp.update(examples, sgd=create_adamw_v1(0.001))
    assert losses["jre"] > 0.0
    same = {
        n for n, p in module_of(nlp).named_parameters() if torch.equal(p, before[n])
    }
    assert {name for name in same if "pooler" not in name} == set()


def test_rates_match_the_names_of_the_transformers(untrained):
    nlp, examples = untrained
    before = {n: p.detach().clone() for n, p in module_of(nlp).named_parameters()}
    nlp.update(examples, sgd=create_adamw_v1(0.001, rates={"^encoder": 0.0}))
    for name, parameter in module_of(nlp).named_parameters():
        unchanged = torch.equal(parameter, before[name])
        assert unchanged == name.startswith("encoder"), name


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


def test_gradients_are_removed_by_the_update(untrained):
    nlp, examples = untrained
    nlp.update(examples, sgd=False)
    assert any(p.grad is not None for p in module_of(nlp).parameters())
    nlp.get_pipe("jre").finish_update(create_adamw_v1(0.001))
    assert all(p.grad is None for p in module_of(nlp).parameters())


def test_each_stage_is_clipped_by_its_own_norm(untrained):
    nlp, examples = untrained
    nlp.update(examples, sgd=False)
    stages = module_of(nlp).stages()
    assert all(gradient_norm(stage) > 0.01 for stage in stages)
    optimizer = create_adamw_v1(0.001, grad_clip=0.001)
    nlp.get_pipe("jre").finish_update(optimizer)
    name_of = {id(p): name for name, p in module_of(nlp).named_parameters()}
    moments = {name: state[0] for (_, name), state in optimizer.state.items()}
    for stage in stages:
        first = [moments[n] for p in stage if (n := name_of[id(p)]) in moments]
        # the first moment is the gradient times 1 - beta1
        norm = float(torch.nn.utils.get_total_norm(first)) / 0.1
        assert norm == pytest.approx(0.001, rel=1e-2)


def test_batches_of_one_update_are_counted_once(untrained):
    nlp, examples = untrained
    pipe = nlp.get_pipe("jre")
    nlp.update(examples[:2], sgd=False)
    nlp.update(examples[2:], sgd=False)
    assert updates_of(nlp) == 0
    pipe.finish_update(create_adamw_v1(0.001))
    assert updates_of(nlp) == 1


@pytest.mark.parametrize("whole", [True, False])
def test_update_with_an_optimizer_is_counted_once(untrained, whole):
    nlp, examples = untrained
    learner = nlp if whole else nlp.get_pipe("jre")
    learner.update(examples, sgd=create_adamw_v1(0.001))
    assert updates_of(nlp) == 1


def test_updates_are_counted_and_saved(untrained, tmp_path):
    nlp, examples = untrained
    for _ in range(3):
        nlp.update(examples, sgd=create_adamw_v1(0.001))
    nlp.to_disk(tmp_path / "model")
    loaded = spacy.load(tmp_path / "model")
    assert updates_of(loaded) == 3
    loaded.update(story_examples(loaded), sgd=create_adamw_v1(0.001))
    assert updates_of(loaded) == 4


def test_update_without_tokens_is_not_counted(untrained):
    nlp, _ = untrained
    losses = nlp.update(empty_examples(nlp, ["", ""]), sgd=create_adamw_v1(0.001))
    assert losses["jre"] == 0.0
    assert updates_of(nlp) == 0


def test_entities_without_relations_train_the_entity_stage_only(untrained):
    nlp, _ = untrained
    reference = nlp.make_doc(TEXTS[0])
    reference.ents = [reference.char_span(0, 9, label="PER")]
    nlp.update([Example(nlp.make_doc(TEXTS[0]), reference)], sgd=False)
    parameters = module_of(nlp).named_parameters()
    trained = {name for name, p in parameters if p.grad is not None}
    assert any(name.startswith("network.entity") for name in trained)
    assert not any(n.startswith(("network.relation", "encoder.1")) for n in trained)


def test_pair_with_two_labels_is_counted(untrained):
    nlp, _ = untrained
    sentence = {**STORY[0], "relations": [(0, 1, "works_for"), (0, 1, "based_in")]}
    with pytest.warns(UserWarning, match=r"J910.*1 pair"):
        nlp.update([make_example(nlp, sentence)])


@pytest.fixture
def inputs(untrained, monkeypatch) -> list:
    """Candidates of each update, and which spans are entities."""
    module = module_of(untrained[0])
    original, calls = module.forward, []

    def spy(texts, candidates, is_entity):
        calls.append((candidates, is_entity))
        return original(texts, candidates, is_entity)

    monkeypatch.setattr(module, "forward", spy)
    return calls


def negatives_of_story() -> list[tuple[int, int]]:
    """Numbers of negative spans up to ten tokens and negative pairs, per sentence."""
    counts = []
    for sentence in STORY:
        count = len(sentence["words"])
        n_spans = sum(min(10, count - start) for start in range(count))
        n_gold = len(sentence["entities"])
        n_pairs = n_gold * (n_gold - 1) - len(sentence["relations"])
        counts.append((n_spans - n_gold, n_pairs))
    return counts


@pytest.mark.parametrize("limit", [0, 2, 20, None])
def test_negatives_are_sampled_as_for_the_other_models(untrained, inputs, limit):
    nlp, examples = untrained
    nlp.get_pipe("jre").cfg.update(negative_spans=limit, negative_pairs=limit)
    nlp.update(examples, sgd=False)
    most = 1000 if limit is None else limit
    n_spans = sum(len(sentence["entities"]) for sentence in STORY)
    n_pairs = sum(len(sentence["relations"]) for sentence in STORY)
    for spans, pairs in negatives_of_story():
        n_spans += min(spans, most)
        n_pairs += min(pairs, most)
    ((candidates, _),) = inputs
    assert (len(candidates.spans), len(candidates.pairs)) == (n_spans, n_pairs)


def test_gold_wider_than_the_limit_is_trained_on(untrained, inputs):
    nlp, examples = untrained
    nlp.get_pipe("jre").cfg["max_span_width"] = 1
    with pytest.warns(UserWarning, match=r"J921.*2 gold entities"):
        nlp.update(examples[:1], sgd=False)
    ((candidates, is_entity),) = inputs
    gold = {tuple(span) for span in candidates.spans[is_entity.numpy()].tolist()}
    assert gold == {(start, end) for start, end, _ in STORY[0]["entities"]}
    assert (np.diff(candidates.spans[~is_entity.numpy()]) == 1).all()


SPACED = ["Ada", "Quint", "\n\n", "cooks"]


def test_gold_that_ends_with_whitespace_is_trained_on(untrained, inputs):
    nlp, _ = untrained
    entities = [(0, 3, "PER"), (3, 4, "ORG")]
    relations = [(0, 1, "works_for")]
    sentence = {"words": SPACED, "entities": entities, "relations": relations}
    nlp.update([make_example(nlp, sentence)], sgd=False)  # warnings are errors here
    ((candidates, is_entity),) = inputs
    assert candidates.spans[is_entity.numpy()].tolist() == [[0, 2], [3, 4]]
    assert len(candidates.pairs) == 2


def test_gold_of_whitespace_only_is_skipped_and_counted(untrained, inputs):
    nlp, _ = untrained
    entities = [(0, 2, "PER"), (2, 3, "ORG")]
    relations = [(0, 1, "works_for")]
    sentence = {"words": SPACED, "entities": entities, "relations": relations}
    with pytest.warns(UserWarning, match=r"J904.*1 gold entities and 1 gold rel"):
        nlp.update([make_example(nlp, sentence)], sgd=False)
    ((candidates, is_entity),) = inputs
    assert candidates.spans[is_entity.numpy()].tolist() == [[0, 2]]
    assert len(candidates.pairs) == 0


# prediction ---------------------------------------------------------------------------


def test_entities_never_start_or_end_with_whitespace(untrained):
    nlp, _ = untrained
    with no_span_is_none(module_of(nlp)):
        doc = nlp("\nOslo \n Lima\t")
    spans = [(span.start_char, span.text) for span in doc.spans["jre"]]
    assert spans == [(1, "Oslo"), (1, "Oslo \n Lima"), (8, "Lima")]


def test_pairs_of_an_untrained_network_are_limited(wide_bert, caplog):
    nlp, _ = make_nlp(lainet_config(wide_bert), symmetric=["spouse"])
    stage = module_of(nlp).network.relation
    with torch.no_grad():
        stage.classify.bias[1 + RELATION_LABELS.index("spouse")] = 100.0
    doc = Doc(nlp.vocab, words=["Oslo", "Lima", "for", "all"] * 3)
    with no_span_is_none(module_of(nlp)):
        doc = nlp.get_pipe("jre")(doc)
    # every span is an entity, and all pairs of the best twelve are related
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


def test_symmetric_labels_have_no_inverse_label(wide_bert):
    directed, _ = make_nlp(lainet_config(wide_bert))
    undirected, _ = make_nlp(lainet_config(wide_bert), symmetric=["spouse"])
    columns = [
        module_of(nlp).network.relation.classify.out_features
        for nlp in (directed, undirected)
    ]
    assert columns == [1 + 4 + 4, 1 + 4 + 3]


def test_added_label_has_an_annotation(wide_bert):
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("jre", config=lainet_config(wide_bert))
    pipe.add_label("GreatHotel", kind="entity")
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    form = module_of(nlp).forms[0]
    assert len(form.annotations) == 4
    assert module_of(nlp).tokenizer.decode(form.annotations[0]) == "great hotel"


def test_tok2vec_is_refused(nlp):
    with pytest.raises(ValueError, match="J311"):
        nlp.add_pipe("jre", config=tok2vec_config("LAINet"))


def test_scores_of_entities_are_probabilities(trained):
    for doc in trained.pipe(TEXTS):
        scores = np.asarray(doc.spans["jre"].attrs["scores"])
        assert ((scores > 0.25) & (scores <= 1.0)).all()
