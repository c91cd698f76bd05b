"""The effect of each setting of SINET's ablation tables on logits and parameters."""

from typing import NamedTuple

import pytest
import torch
from torch.testing import assert_close

from .helpers import (
    as_tasks,
    backpropagate,
    build,
    idle_parameters,
    prediction_batch,
    training_batch,
)

VIEWS = {"entity_view.weight", "relation_view.weight"}
NORM = {"attention.0.norm.weight", "attention.0.norm.bias"}
ATTENTION = NORM | {
    "attention.0.query.weight",
    "attention.0.key.weight",
    "attention.0.value.weight",
    "attention.0.project.weight",
    "attention.0.project.bias",
}
HEADS = {
    "heads.width_embedding.table.weight",
    "heads.entity.weight",
    "heads.entity.bias",
    "heads.relation.weight",
    "heads.relation.bias",
}


def layers(*numbers: int) -> set[str]:
    """The parameters of the attention layers with these numbers."""
    return {name.replace(".0.", f".{n}.") for n in numbers for name in ATTENTION}


class Row(NamedTuple):
    """One row of an ablation table, compared with SINET as published."""

    settings: dict
    changes: set[str]  # logits that change
    added: set[str] = frozenset()
    removed: set[str] = frozenset()


BOTH = {"entity", "relation"}
TABLE = [
    # table 3
    Row({"span_pooling": "sum"}, BOTH),
    Row({"span_pooling": "mean"}, BOTH),
    Row({"context_pooling": "sum"}, {"relation"}),
    Row({"context_pooling": "mean"}, {"relation"}),
    Row({"agent": "max"}, BOTH),
    Row({"agent": "mean"}, BOTH),
    Row({"norm": False}, BOTH, removed=NORM),
    # figure 3
    Row({"n_heads": 1}, BOTH),
    Row({"n_heads": 2}, BOTH),
    Row({"n_layers": 2}, BOTH, added=layers(1)),
    Row({"n_layers": 3}, BOTH, added=layers(1, 2)),
    # table 4
    Row({"interaction": "none"}, BOTH, removed=VIEWS | ATTENTION),
    Row({"interaction": "tap"}, BOTH, removed=ATTENTION),
    Row({"interaction": "ctam_ner"}, {"relation"}),
    Row({"interaction": "ctam_re"}, {"entity"}),
    # ours
    Row({"pooling": "max"}, BOTH),
]


def _id(row: Row) -> str:
    return "-".join(f"{name}={value}" for name, value in row.settings.items())


every_row = pytest.mark.parametrize("row", TABLE, ids=_id)


def parameters_of(network) -> set[str]:
    return {name for name, _ in network.named_parameters()}


def logits_of(row: Row) -> tuple[dict, dict]:
    """Logits of SINET as published and of a row, with equal shared weights."""
    reference, network = build("sinet"), build("sinet", **row.settings)
    network.load_state_dict(reference.state_dict(), strict=False)
    batch = training_batch()
    outputs = reference(*batch), network(*batch)
    return tuple(
        {"entity": o.entity_logits, "relation": o.relation_logits} for o in outputs
    )


def test_published_network_has_views_one_attention_layer_and_heads():
    assert parameters_of(build("sinet")) == VIEWS | ATTENTION | HEADS


@every_row
def test_row_has_the_expected_parameters(row):
    reference, ablated = (
        parameters_of(build("sinet")),
        parameters_of(build("sinet", **row.settings)),
    )
    assert ablated - reference == row.added
    assert reference - ablated == row.removed


@every_row
def test_shared_parameters_keep_their_shapes(row):
    shapes = {n: p.shape for n, p in build("sinet").named_parameters()}
    for name, parameter in build("sinet", **row.settings).named_parameters():
        if name not in row.added:
            assert parameter.shape == shapes[name]


@every_row
def test_row_changes_the_expected_logits(row):
    reference, ablated = logits_of(row)
    for kind in row.changes:
        assert not torch.allclose(ablated[kind], reference[kind], atol=1e-3)


@every_row
def test_row_does_not_change_the_other_logits(row):
    reference, ablated = logits_of(row)
    for kind in BOTH - row.changes:
        assert torch.equal(ablated[kind], reference[kind])


@every_row
def test_every_parameter_of_a_row_gets_a_gradient(row):
    network = build("sinet", **row.settings)
    backpropagate(network(*training_batch()))
    assert idle_parameters(network) == []


@pytest.mark.parametrize(("interaction", "task"), [("ctam_ner", 0), ("ctam_re", 1)])
def test_task_with_attention_has_the_sentence_vector_of_the_full_model(
    interaction, task
):
    batch = training_batch()
    inputs = as_tasks(batch), batch.layout
    full = build("sinet").compute_views(*inputs)[2 + task]
    ablated = build("sinet", interaction=interaction).compute_views(
        as_tasks(batch), batch.layout
    )[2 + task]
    assert torch.equal(ablated, full)


@pytest.mark.parametrize(("interaction", "task"), [("ctam_ner", 1), ("ctam_re", 0)])
def test_task_without_attention_has_the_sentence_vector_of_tap(interaction, task):
    batch = training_batch()
    inputs = as_tasks(batch), batch.layout
    ablated = build("sinet", interaction=interaction)
    view = (ablated.entity_view, ablated.relation_view)[task]
    assert torch.equal(
        ablated.compute_views(*inputs)[2 + task],
        view(batch.sentence),
    )


def test_base_uses_units_and_sentence_vector_of_the_encoder():
    batch = training_batch()
    views = build("sinet", interaction="none").compute_views(
        as_tasks(batch), batch.layout
    )
    assert views.entity_units is batch.units
    assert views.relation_units is batch.units
    assert views.entity_sentence is batch.sentence
    assert views.relation_sentence is batch.sentence


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize("n_heads", [1, 2, 4])
def test_weights_of_every_layer_and_head_are_returned(n_layers, n_heads):
    network, batch = (
        build("sinet", n_layers=n_layers, n_heads=n_heads),
        training_batch(),
    )
    weights = network.compute_views(as_tasks(batch), batch.layout).weights
    shape = (3, n_heads, batch.layout.longest_units + 1)
    assert [w.shape for pair in weights for w in pair] == [shape] * 2 * n_layers


@pytest.mark.parametrize(("task", "other"), [(0, "relation_view"), (1, "entity_view")])
def test_each_task_attends_to_the_units_of_the_other(task, other):
    network, batch = build("sinet"), training_batch()
    before = network.compute_views(as_tasks(batch), batch.layout).weights[0][task]
    getattr(network, other).weight.data.neg_()
    assert not torch.allclose(
        network.compute_views(as_tasks(batch), batch.layout).weights[0][task], before
    )


@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
@pytest.mark.parametrize(
    ("name", "settings"), [("spert", {}), ("sinet", {"interaction": "none"})]
)
def test_pooling_tokens_first_does_not_change_logits_without_views(
    name, settings, make_batch
):
    batch = make_batch()
    without = build(name, **settings)(*batch)
    pooled = build(name, pooling="max", **settings)(*batch)
    assert_close(pooled, without, rtol=0, atol=0)
