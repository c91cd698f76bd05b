"""Tests of all networks: shapes, invariances, gradients, empty inputs."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.func import functional_call
from torch.testing import assert_close

from spacy_jre.networks.base import make_pooler
from spacy_jre.networks.sinet import SINET

from .helpers import (
    CHOOSE_UNITS,
    N_ENTITY_LABELS,
    N_RELATION_LABELS,
    NETWORKS,
    NO_DROPOUT,
    STORY,
    USE_SENTENCE,
    WIDTH,
    Batch,
    as_rows,
    backpropagate,
    build,
    by_pair,
    by_span,
    idle_parameters,
    logits_of,
    make_layout,
    prediction_batch,
    settings_id,
    training_batch,
    with_layout,
)
from .naive_stsn import INTERACTIONS

RECIPE = {"recurrent": "per_task", "relation_hidden": 6, "start_end": True}
VARIANTS = {f"{name}-as-is": (name, {}) for name in NETWORKS} | {
    f"{name}-tokens": (name, {"pooling": "max"}) for name in sorted(CHOOSE_UNITS)
}
VARIANTS |= {f"{name}-recipe": (name, RECIPE) for name in sorted(CHOOSE_UNITS)}
VARIANTS["stsn-recipe"] = ("stsn", {"recurrent": "per_task", "relation_hidden": 6})
# each kind of attention, recurrence and head
DIFFERENTIATED = [
    ("spert", {}),
    ("sinet", {"n_heads": 2}),
    ("sinet", {"n_layers": 2, "pooling": "max", "agent": "mean"}),
    ("stsn", {"n_layers": 0}),
    *(("stsn", {"n_layers": 1, "interaction": kind}) for kind in INTERACTIONS),
    ("iser", {"n_heads": 4}),
    ("iser", {"n_heads": 2, "fusion": False, "local_context": "attention"}),
    ("iser", {"global_context": "gru", "local_context": "global"}),
    *(VARIANTS[f"{name}-recipe"] for name in ("spert", "sinet", "stsn", "iser")),
]
every_variant = pytest.mark.parametrize(
    ("name", "settings"), VARIANTS.values(), ids=VARIANTS
)


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture(params=NETWORKS)
def name(request):
    return request.param


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS)
def network(request):
    name, settings = request.param
    return build(name, **settings)


def all_finite(outputs) -> bool:
    return all(bool(rows.isfinite().all()) for rows in logits_of(outputs))


def joined(first: Batch, second: Batch) -> Batch:
    """Join two training batches of one window each."""
    one, two = first.layout, second.layout
    layout = make_layout(
        (STORY[0], STORY[1]),
        spans=torch.cat([one.spans, two.spans + one.n_tokens]),
        pairs=torch.cat([one.pairs, two.pairs + len(one.spans)]),
    )
    units = torch.cat([first.units, second.units])
    return Batch(units, torch.cat([first.sentence, second.sentence]), layout)


# shapes -----------------------------------------------------------------------------


def test_given_spans_and_pairs_have_a_logit_per_label(network):
    batch = training_batch()
    outputs = network(*batch)
    n_spans, n_pairs = len(batch.layout.spans), len(batch.layout.pairs)
    assert outputs.entity_logits.shape == (n_spans, N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (n_pairs, N_RELATION_LABELS)


@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_logits_do_not_depend_on_whether_tokens_without_units_are_expected(
    network, make_batch
):
    batch = make_batch(((2, 1, 3), (1, 2)))  # all tokens have units
    network.eval()
    expected = logits_of(network(*batch))
    actual = logits_of(network(*with_layout(batch, has_empty=False)))
    for first, second in zip(expected, actual, strict=True):
        assert torch.equal(first, second)


def test_given_pairs_are_returned_unchanged(network):
    batch = training_batch()
    outputs = network(*batch)
    assert torch.equal(outputs.pairs, batch.layout.pairs)
    assert int(outputs.n_truncated) == 0


def test_given_pairs_are_scored_in_chunks(network):
    network.eval()
    whole = network(*training_batch()).relation_logits
    parts = network(*with_layout(training_batch(), pair_chunk=2)).relation_logits
    assert len(whole) > 4
    assert torch.allclose(parts, whole, atol=1e-6)


def test_all_spans_and_proposed_pairs_have_a_logit_per_label(network):
    batch = prediction_batch()
    outputs = network(*batch)
    assert outputs.entity_logits.shape == (len(batch.layout.spans), N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (len(outputs.pairs), N_RELATION_LABELS)
    assert outputs.pairs.shape[1] == 2


def test_pairs_are_proposed_in_both_orders(network):
    pairs = {tuple(pair) for pair in network(*prediction_batch()).pairs.tolist()}
    assert pairs
    assert pairs == {(tail, head) for head, tail in pairs}


def test_proposed_pairs_never_cross_windows(network):
    batch = prediction_batch()
    windows = torch.repeat_interleave(torch.arange(3), batch.layout.token_counts)
    pairs = network(*batch).pairs
    head, tail = windows[batch.layout.spans[pairs][:, :, 0]].unbind(1)
    assert torch.equal(head, tail)


def test_n_truncated_counts_windows_above_the_limit(network):
    limits = torch.tensor([0, 1000, 0])
    outputs = network(*prediction_batch(pair_limits=limits))
    assert int(outputs.n_truncated) == 2


# invariances ------------------------------------------------------------------------


@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_train_mode_equals_eval_mode_without_dropout(name, make_batch):
    network, batch = build(name, **NO_DROPOUT[name]), make_batch()
    assert_close(network.train()(*batch), network.eval()(*batch), rtol=0, atol=0)


def test_train_mode_applies_dropout(name):
    network, batch = build(name, dropout=0.5), training_batch()
    trained, predicted = network.train()(*batch), network.eval()(*batch)
    assert not torch.allclose(trained.entity_logits, predicted.entity_logits)
    assert not torch.allclose(trained.relation_logits, predicted.relation_logits)


@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_same_input_gives_the_same_logits(network, make_batch):
    batch = make_batch()
    assert_close(network(*batch), network(*batch), rtol=0, atol=0)


def test_same_seed_gives_the_same_logits_in_train_mode(network):
    batch = training_batch()
    torch.manual_seed(1)
    first = network.train()(*batch)
    torch.manual_seed(1)
    assert_close(network(*batch), first, rtol=0, atol=0)


def test_batch_of_two_windows_equals_two_batches_in_training(network):
    first, second = (
        training_batch(STORY[:1], seed=1),
        training_batch(STORY[1:2], seed=2),
    )
    both, one, two = (network(*b) for b in (joined(first, second), first, second))
    assert_close(both.entity_logits, torch.cat([one.entity_logits, two.entity_logits]))
    expected = torch.cat([one.relation_logits, two.relation_logits])
    assert_close(both.relation_logits, expected)


def test_batch_of_windows_equals_single_windows_in_prediction(network):
    batch = prediction_batch()
    outputs = network(*batch)
    spans, pairs = {}, {}
    token, unit = 0, 0
    for number, window in enumerate(STORY):
        alone = prediction_batch((window,))._replace(
            units=batch.units[unit : unit + sum(window)],
            sentence=batch.sentence[number : number + 1],
        )
        spans |= by_span(alone, network(*alone), first=token)
        pairs |= by_pair(alone, network(*alone), first=token)
        token, unit = token + len(window), unit + sum(window)
    assert_close(by_span(batch, outputs), spans)
    assert_close(by_pair(batch, outputs), pairs)


def test_permuting_the_spans_permutes_the_logits(network):
    batch = training_batch()
    order = torch.randperm(len(batch.layout.spans))
    shuffled = with_layout(
        batch,
        spans=batch.layout.spans[order],
        pairs=order.argsort()[batch.layout.pairs],
    )
    outputs, expected = network(*shuffled), network(*batch)
    assert_close(outputs.entity_logits, expected.entity_logits[order])
    assert_close(outputs.relation_logits, expected.relation_logits)


def test_permuting_the_pairs_permutes_the_logits(network):
    batch = training_batch()
    order = torch.randperm(len(batch.layout.pairs))
    outputs = network(*with_layout(batch, pairs=batch.layout.pairs[order]))
    assert_close(outputs.relation_logits, network(*batch).relation_logits[order])


@pytest.mark.parametrize("chunk", [1, 2, 7])
def test_chunk_size_of_pairs_does_not_change_the_logits(network, chunk):
    batch = prediction_batch()
    assert_close(network(*with_layout(batch, pair_chunk=chunk)), network(*batch))


def test_given_and_proposed_pairs_have_equal_logits(network):
    batch = prediction_batch()
    proposed = network(*batch)
    given = network(*with_layout(batch, pairs=proposed.pairs, width_counts=()))
    assert_close(given.entity_logits, proposed.entity_logits)
    assert_close(given.relation_logits, proposed.relation_logits)


# gradients --------------------------------------------------------------------------


def test_every_parameter_gets_a_gradient(network):
    backpropagate(network(*training_batch()))
    assert idle_parameters(network) == []


def test_units_and_used_sentence_vectors_get_a_gradient(name):
    batch = training_batch()
    batch.units.requires_grad_()
    batch.sentence.requires_grad_()
    backpropagate(build(name)(*batch))
    assert batch.units.grad.any()
    if name in USE_SENTENCE:
        assert batch.sentence.grad.any(1).all()
    else:
        assert batch.sentence.grad is None


@pytest.mark.parametrize(
    ("name", "settings"),
    DIFFERENTIATED,
    ids=[f"{name}-{settings_id(settings)}" for name, settings in DIFFERENTIATED],
)
def test_gradients_of_all_parameters_equal_finite_differences(name, settings):
    network = build(name, dtype=torch.float64, **NO_DROPOUT[name], **settings)
    batch = training_batch(((1, 2, 0), (2, 1)), dtype=torch.float64)
    names, parameters = zip(*network.named_parameters())

    def logits(*values):
        state = dict(zip(names, values, strict=True))
        return logits_of(functional_call(network, state, tuple(batch)))

    assert gradcheck(logits, parameters, fast_mode=True)


@every_variant
@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_gradients_equal_finite_differences(name, settings, make_batch):
    network = build(name, dtype=torch.float64, **settings)
    batch = make_batch(((1, 2, 0), (2, 1)), dtype=torch.float64)

    def logits(units, sentence):
        outputs = network(units, sentence, batch.layout)
        assert len(outputs.pairs)
        return logits_of(outputs)

    inputs = batch.units.requires_grad_(), batch.sentence.requires_grad_()
    assert gradcheck(logits, inputs, fast_mode=True)


# empty inputs -----------------------------------------------------------------------


def test_zero_given_spans_give_no_logits(network):
    none = as_rows([])
    outputs = network(*with_layout(training_batch(), spans=none, pairs=none))
    assert outputs.entity_logits.shape == (0, N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)


def test_zero_spans_give_no_logits_in_prediction(network):
    outputs = network(*prediction_batch(max_width=0))
    assert outputs.entity_logits.shape == (0, N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)
    assert outputs.pairs.shape == (0, 2)


def test_zero_windows_give_no_logits_in_training(network):
    outputs = network(*training_batch(()))
    assert outputs.entity_logits.shape == (0, N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)


def test_zero_windows_give_no_logits_in_prediction(network):
    outputs = network(*prediction_batch(()))
    assert outputs.entity_logits.shape == (0, N_ENTITY_LABELS + 1)
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)
    assert outputs.pairs.shape == (0, 2)


def test_zero_given_pairs_give_no_relation_logits(network):
    batch = training_batch()
    outputs = network(*with_layout(batch, pairs=as_rows([])))
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)
    assert_close(outputs.entity_logits, network(*batch).entity_logits)


def test_zero_entities_give_no_pairs(network):
    network.heads.entity.bias.data[0] = 1000.0  # all are "none"
    outputs = network(*prediction_batch())
    assert outputs.pairs.shape == (0, 2)
    assert outputs.relation_logits.shape == (0, N_RELATION_LABELS)


def test_one_token_gives_one_span_and_no_pairs(network):
    outputs = network(*prediction_batch(((2,),)))
    assert outputs.entity_logits.shape == (1, N_ENTITY_LABELS + 1)
    assert outputs.pairs.shape == (0, 2)
    assert all_finite(outputs)


@pytest.mark.parametrize(
    "sizes",
    [((0, 0, 0),), ((0,), (1, 2)), ((1, 2), (0, 0), (2, 1))],
    ids=["alone", "first", "between"],
)
@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_window_without_units_has_finite_logits(network, make_batch, sizes):
    assert all_finite(network(*make_batch(sizes)))


def test_spans_without_units_of_one_width_have_equal_logits(network):
    outputs = network(*prediction_batch(((0, 0, 0),), max_width=1))
    first, second, third = outputs.entity_logits
    assert_close(second, first)
    assert_close(third, first)


def test_window_without_units_has_finite_gradients(network):
    batch = training_batch(((0, 0), (2, 1)))
    batch.units.requires_grad_()
    backpropagate(network(*batch))
    assert batch.units.grad.isfinite().all()
    assert all(p.grad.isfinite().all() for p in network.parameters())


# settings ---------------------------------------------------------------------------


@pytest.mark.parametrize("n_heads", [3, 16])
def test_width_of_sinet_must_be_divisible_by_the_heads(n_heads):
    with pytest.raises(ValueError, match="J201"):
        SINET(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, n_heads=n_heads)


@pytest.mark.parametrize(
    "setting", ["interaction", "agent", "span_pooling", "context_pooling"]
)
def test_sinet_refuses_an_unknown_value(setting):
    with pytest.raises(ValueError, match="J202") as error:
        SINET(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, **{setting: "median"})
    assert setting in str(error.value)
    assert "median" in str(error.value)


@pytest.mark.parametrize("n_layers", [0, -1])
def test_sinet_refuses_fewer_than_one_layer(n_layers):
    with pytest.raises(ValueError, match="J203"):
        SINET(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, n_layers=n_layers)


def test_unknown_pooling_is_refused():
    batch = training_batch()
    with pytest.raises(ValueError, match="J202"):
        make_pooler("median", batch.units, batch.layout)
