"""ISER: gradients, settings and memory. For its equations see test_parity.py."""

import math
import subprocess
import sys
from typing import NamedTuple

import pytest
import torch
from torch.testing import assert_close

from spacy_jre.networks.iser import ISER

from .helpers import (
    N_ENTITY_LABELS,
    N_RELATION_LABELS,
    STORY,
    WIDTH,
    as_rows,
    as_tasks,
    backpropagate,
    build,
    idle_parameters,
    logits_of,
    prediction_batch,
    settings_id,
    training_batch,
    with_bias,
    with_layout,
)
from .naive_iser import ISER_SETTINGS, LOCAL

every_setting = pytest.mark.parametrize("settings", ISER_SETTINGS, ids=settings_id)


# ablations ---------------------------------------------------------------------------


def attention(name: str) -> set[str]:
    return {f"{name}.{part}.weight" for part in ("query", "key", "value")}


def recurrent(name: str) -> set[str]:
    kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return {f"{name}.{k}_l0{s}" for k in kinds for s in ("", "_reverse")}


FUSION = recurrent("fusion.lstm")
SEA = attention("context.attention") | recurrent("context.gru")
VIEWS = with_bias(*(f"{t}_view.{n}" for t in ("entity", "relation") for n in (0, 2)))
HEADS = with_bias("heads.entity", "heads.relation")
HEADS |= {"heads.width_embedding.table.weight"}
BOTH = frozenset({"entity", "relation"})


class Row(NamedTuple):
    """One row of tables 3 to 6, or a setting, compared with ISER as published."""

    settings: dict
    changes: set[str]  # logits that change
    added: set[str] = frozenset()
    removed: set[str] = frozenset()


TABLE = [
    Row({"fusion": False}, BOTH, removed=FUSION),
    Row({"global_context": "gru"}, {"entity"}, removed=attention("context.attention")),
    Row({"global_context": "cls"}, {"entity"}, removed=SEA),
    Row({"local_context": "attention"}, {"relation"}, added=attention("between")),
    *(Row({"local_context": kind}, {"relation"}) for kind in LOCAL[1:]),
    # ours
    Row({"n_heads": 2}, {"entity"}),
    Row({"pooling": "max"}, BOTH),
    Row({"span_memory": 1}, frozenset()),
]
every_row = pytest.mark.parametrize("row", TABLE, ids=lambda r: settings_id(r.settings))


def parameters_of(network) -> dict[str, torch.Size]:
    return {name: p.shape for name, p in network.named_parameters()}


def test_published_network_has_fusion_sea_views_and_heads():
    assert parameters_of(build("iser")).keys() == FUSION | SEA | VIEWS | HEADS


@every_row
def test_row_has_the_expected_parameters(row):
    reference = parameters_of(build("iser"))
    ablated = parameters_of(build("iser", **row.settings))
    assert ablated.keys() - reference.keys() == row.added
    assert reference.keys() - ablated.keys() == row.removed
    for name in ablated.keys() & reference.keys():
        assert ablated[name] == reference[name]


@every_row
def test_row_changes_the_expected_logits_only(row):
    reference, network = build("iser"), build("iser", **row.settings)
    network.load_state_dict(reference.state_dict(), strict=False)
    batch = training_batch()
    published, ablated = reference(*batch), network(*batch)
    for kind in BOTH:
        before = getattr(published, f"{kind}_logits")
        after = getattr(ablated, f"{kind}_logits")
        if kind in row.changes:
            assert not torch.allclose(after, before, atol=1e-3)
        else:
            assert torch.equal(after, before)


@every_row
def test_every_parameter_of_a_row_gets_a_gradient(row):
    network = build("iser", **row.settings)
    backpropagate(network(*training_batch()))
    assert idle_parameters(network) == []


@every_setting
def test_only_cls_contexts_use_the_sentence_vector(settings):
    batch = training_batch()
    batch.sentence.requires_grad_()
    backpropagate(build("iser", **settings)(*batch))
    if "cls" in settings.values():
        assert batch.sentence.grad.any(1).all()
    else:
        assert batch.sentence.grad is None


# cross attention ---------------------------------------------------------------------


def test_weights_of_both_directions_are_returned_and_sum_to_one():
    batch = training_batch()
    views = build("iser").compute_views(as_tasks(batch), batch.layout)
    longest = batch.layout.longest_units
    for weights in views.weights:
        assert weights.shape == (len(STORY), longest, longest)
        assert_close(weights.sum(-1), torch.ones(len(STORY), longest))
        for window, count in zip(weights, batch.layout.unit_counts, strict=True):
            assert not window[:, count:].any()  # padding is not a key


def test_weights_equal_equations_3_and_4():
    network, batch = build("iser"), training_batch()
    weights = network.compute_views(as_tasks(batch), batch.layout).weights
    n = int(batch.layout.unit_counts[0])
    entity = network.entity_view(batch.units)[:n]
    relation = network.relation_view(batch.units)[:n]
    for window_weights, own, other in (
        (weights[0], relation, entity),
        (weights[1], entity, relation),
    ):
        expected = (own @ other.T / math.sqrt(WIDTH)).softmax(-1)
        assert_close(window_weights[0, :n, :n], expected)


def test_network_without_fusion_has_no_weights_and_two_views():
    network, batch = build("iser", fusion=False), training_batch()
    views = network.compute_views(as_tasks(batch), batch.layout)
    assert views.weights is None
    assert torch.equal(views.entity, network.entity_view(batch.units))
    assert torch.equal(views.relation, network.relation_view(batch.units))


# invariances -------------------------------------------------------------------------


@every_setting
@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_padding_does_not_change_the_logits(settings, make_batch):
    batch = make_batch()
    wide = with_layout(batch, longest_units=batch.layout.longest_units + 7)
    network = build("iser", **settings)
    assert_close(network(*wide), network(*batch))


def build_with_budget(settings: dict, memory: int) -> ISER:
    network = build("iser", **settings)
    network.memory = memory
    if network.context is not None:
        network.context.memory = memory
    return network


@pytest.mark.parametrize("memory", [1, 20_000])
@pytest.mark.parametrize("settings", [{}, {"local_context": "attention"}])
@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_spans_in_chunks_get_the_same_logits_and_gradients(
    settings, memory, make_batch
):
    results = []
    for network in (build_with_budget(settings, memory), build("iser", **settings)):
        batch = make_batch()
        batch.units.requires_grad_()
        outputs = network(*batch)
        backpropagate(outputs)
        gradients = {n: p.grad for n, p in network.named_parameters()}
        results.append((logits_of(outputs), batch.units.grad, gradients))
    assert_close(*results, rtol=1e-5, atol=1e-5)


def test_given_and_proposed_pairs_have_equal_logits_in_train_mode_without_dropout():
    network = build("iser", dropout=0.0).train()
    batch = prediction_batch()
    proposed = network(*batch)
    given = network(*with_layout(batch, pairs=proposed.pairs, width_counts=()))
    assert len(proposed.pairs)
    assert_close(given.entity_logits, proposed.entity_logits)
    assert_close(given.relation_logits, proposed.relation_logits)


@every_setting
def test_second_window_does_not_change_the_logits_of_the_first(settings):
    network = build("iser", **settings)
    both = prediction_batch(STORY[:2])
    n_units = sum(STORY[0])
    alone = prediction_batch(STORY[:1])._replace(
        units=both.units[:n_units], sentence=both.sentence[:1]
    )
    inside = (both.layout.spans[:, 1] <= len(STORY[0])).nonzero().squeeze(1)
    assert_close(network(*both).entity_logits[inside], network(*alone).entity_logits)


# edge cases --------------------------------------------------------------------------


def test_span_that_covers_its_window_has_the_context_of_zero_rows():
    network = build("iser")
    batch = prediction_batch(((2, 1),))
    rows = network.compute_views(as_tasks(batch), batch.layout).entity
    context = network.context(
        rows, batch.layout.unit_counts, as_rows([(0, 3)]), torch.tensor([0]), (3,)
    )
    _, state = network.context.gru(torch.zeros(3, 1, WIDTH))
    assert_close(context, torch.cat([state[0], state[1]], 1))


@every_setting
@pytest.mark.parametrize("sizes", [((1,),), ((3,),), ((0,), (1, 1)), ((2,), (1, 1))])
def test_short_windows_get_finite_logits_and_gradients(settings, sizes):
    network, batch = build("iser", **settings), training_batch(sizes)
    batch.units.requires_grad_()
    outputs = network(*batch)
    assert all(bool(rows.isfinite().all()) for rows in logits_of(outputs))
    backpropagate(outputs)
    assert batch.units.grad.isfinite().all()


@pytest.mark.parametrize(
    ("settings", "code", "name"),
    [
        ({"n_heads": 3}, "J201", "8"),
        ({"n_heads": 0}, "J201", "8"),
        ({"n_heads": 16, "local_context": "attention"}, "J201", "16"),
        ({"global_context": "max"}, "J202", "global_context"),
        ({"local_context": "sea"}, "J202", "local_context"),
        ({"pooling": "mean"}, "J202", "pooling"),
        ({"dropout": 1.0}, "J203", "dropout"),
        ({"width_embedding": 0}, "J203", "width_embedding"),
        ({"span_memory": 0}, "J203", "span_memory"),
        ({"max_context": -1}, "J203", "max_context"),
        ({"max_context": 7}, "J203", "max_context"),
    ],
)
def test_invalid_settings_are_refused(settings, code, name):
    with pytest.raises(ValueError, match=rf"{code}.*{name}"):
        ISER(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, **settings)


def test_odd_width_is_refused():
    with pytest.raises(ValueError, match=r"J203.*width.*even"):
        ISER(7, N_ENTITY_LABELS, N_RELATION_LABELS, n_heads=1)


@pytest.mark.parametrize("context", ["gru", "cls"])
def test_heads_are_ignored_without_attention(context):
    # 10 is not divisible by 8
    network = ISER(
        10, N_ENTITY_LABELS, N_RELATION_LABELS, n_heads=8, global_context=context
    )
    names = [name for name, _ in network.named_parameters()]
    assert not any("attention" in name for name in names)


def test_long_windows_are_reported_once_with_their_number():
    network = build("iser", max_context=8)
    batch = prediction_batch(((1,) * 9, (1,) * 8, (2,) * 5))
    with pytest.warns(UserWarning, match=r"J922.*2 window.* 8 units"):
        network(*batch)
    network(*batch)


def test_limit_has_no_effect_on_shorter_windows():
    batch = prediction_batch(((1,) * 8, (2, 1)))
    logits = [logits_of(build("iser", max_context=n)(*batch)) for n in (0, 8)]
    for whole, limited in zip(*logits, strict=True):
        assert torch.equal(whole, limited)


# memory ------------------------------------------------------------------------------

MEASURE = """
import resource, sys, torch
from spacy_jre.networks.iser import ISER
torch.set_num_threads(1)
torch.manual_seed(0)
context = ISER(384, 4, 5).context
rows, counts = torch.randn(100, 384), torch.tensor([100])
spans = torch.tensor(
    [(s, s + w) for w in range(1, 11) for s in range(101 - w)], dtype=torch.long
)
assert len(spans) == 955
trains, n_spans = sys.argv[1] == "training", int(sys.argv[2])
spans = spans[torch.randperm(955)[:n_spans]]

def compute(spans):
    windows = torch.zeros(len(spans), dtype=torch.long)
    return context(rows, counts, spans, windows, (100,))

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

compute(spans[:1]).sum().backward()  # memory of torch itself
before = peak()
if trains:
    compute(spans).sum().backward()
else:
    with torch.inference_mode():
        compute(spans)
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mode", "n_spans"), [("prediction", 955), ("training", 105), ("training", 955)]
)
def test_spans_of_a_long_sentence_need_less_memory_than_the_budget(mode, n_spans):
    command = [sys.executable, "-c", MEASURE, mode, str(n_spans)]
    added = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(added) < 1024 * 2**20  # the default budget


def test_views_are_equal_with_the_initialization_of_he():
    network = ISER(64, N_ENTITY_LABELS, N_RELATION_LABELS)
    for number in (0, 2):
        entity, relation = (
            view[number].weight.data
            for view in (network.entity_view, network.relation_view)
        )
        assert torch.equal(entity, relation)
        assert entity.data_ptr() != relation.data_ptr()
        assert entity.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.05)
