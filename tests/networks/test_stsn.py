"""STSN: gradients, settings and tags. For its equations see test_parity.py."""

from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from spacy_jre.layers.layout import JointOutputs, Targets
from spacy_jre.layers.padding import WindowPadding
from spacy_jre.networks.stsn import STSN

from .helpers import (
    N_ENTITY_LABELS,
    N_RELATION_LABELS,
    N_TAGS,
    STORY,
    WIDTH,
    backpropagate,
    build,
    idle_parameters,
    prediction_batch,
    settings_id,
    training_batch,
    with_bias,
    with_layout,
)
from .naive_stsn import INTERACTIONS, STSN_SETTINGS

# ablations ---------------------------------------------------------------------------


def unit(prefix: str) -> set[str]:
    weights = {f"{prefix}.{n}.weight" for n in ("query", "key", "value", "project")}
    with_bias = ("inner", "outer", "attention_norm", "norm")
    return weights | {
        f"{prefix}.{n}.{p}" for n in with_bias for p in ("weight", "bias")
    }


def layer(number: int) -> set[str]:
    units = (unit(f"attention.{number}.{t}") for t in ("label", "entity", "relation"))
    return merge(number).union(*units)


def merge(*numbers: int) -> set[str]:
    return {f"attention.{n}.merge.{p}" for n in numbers for p in ("weight", "bias")}


TAGS = with_bias("tags", "label_view")
REFERENCE = (
    layer(0) | layer(1) | layer(2) | TAGS | with_bias("entity_view", "relation_view")
) | with_bias("heads.entity", "heads.relation")
REFERENCE |= {"heads.width_embedding.table.weight"}


class Row(NamedTuple):
    """One row of tables 4 and 5, or a setting, compared with STSN as published."""

    settings: dict
    changes: set[str] = frozenset({"entity", "relation", "tag"})
    added: set[str] = frozenset()
    removed: set[str] = frozenset()
    other_shape: set[str] = frozenset()


HEADS = {"heads.entity.weight", "heads.relation.weight"}
TABLE = [
    # table 4
    Row({"n_layers": 1}, removed=layer(1) | layer(2)),
    Row({"n_layers": 2}, removed=layer(2)),
    Row({"n_layers": 4}, added=layer(3)),
    Row({"n_layers": 5}, added=layer(3) | layer(4)),
    Row({"n_layers": 6}, added=layer(3) | layer(4) | layer(5)),
    # table 5
    Row({"n_layers": 0}, removed=layer(0) | layer(1) | layer(2) | TAGS),
    Row({"interaction": "ner_to_re"}, removed=merge(0, 1, 2)),
    Row({"interaction": "re_to_ner"}, removed=merge(0, 1, 2)),
    Row({"interaction": "none"}, removed=merge(0, 1, 2)),
    # settings
    Row({"n_heads": 2}),
    Row({"dropout": 0.5}, changes=set()),
    Row({"attention_dropout": 0.5}, changes=set()),
    Row(
        {"width_embedding": 3},
        changes={"entity", "relation"},
        other_shape=HEADS | {"heads.width_embedding.table.weight"},
    ),
]
every_row = pytest.mark.parametrize("row", TABLE, ids=lambda r: settings_id(r.settings))


def shapes_of(network) -> dict[str, tuple]:
    return {name: tuple(p.shape) for name, p in network.named_parameters()}


def make(**settings) -> STSN:
    return build("stsn", **settings)


def outputs_of(row: Row) -> tuple[dict, dict]:
    """Logits of STSN as published and of a row, with equal shared weights."""
    reference, batch = make(), training_batch()
    settings = dict(row.settings)
    width_embedding = settings.pop("width_embedding", None)
    network = make(**settings)
    if width_embedding is not None:
        network = STSN(
            WIDTH,
            N_ENTITY_LABELS,
            N_RELATION_LABELS,
            N_TAGS,
            width_embedding=width_embedding,
        ).eval()
    state = reference.state_dict()
    shared = {name: p for name, p in state.items() if name not in row.other_shape}
    network.load_state_dict(shared, strict=False)
    outputs = tuple(n(*batch)._asdict() for n in (reference, network))
    return tuple({k: o[f"{k}_logits"] for k in KINDS} for o in outputs)


KINDS = ("entity", "relation", "tag")


def test_reference_has_the_parameters_of_the_paper():
    assert shapes_of(make()).keys() == REFERENCE


@every_row
def test_row_has_the_expected_parameters(row):
    settings = {"width_embedding": 5, **row.settings}
    network = STSN(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, N_TAGS, **settings)
    reference, ablated = shapes_of(make()), shapes_of(network)
    assert ablated.keys() - reference.keys() == row.added
    assert reference.keys() - ablated.keys() == row.removed
    shared = reference.keys() & ablated.keys()
    changed = {name for name in shared if ablated[name] != reference[name]}
    assert changed == row.other_shape


@every_row
def test_row_changes_the_expected_logits_only(row):
    reference, ablated = outputs_of(row)
    for kind in KINDS:
        if kind == "tag" and ablated["tag"] is None:
            assert "tags.weight" in row.removed
        elif kind in row.changes:
            assert not torch.allclose(ablated[kind], reference[kind], atol=1e-3)
        else:
            assert torch.equal(ablated[kind], reference[kind])


@pytest.mark.parametrize("settings", STSN_SETTINGS, ids=settings_id)
def test_every_parameter_of_a_setting_gets_a_gradient(settings):
    network = make(**settings)
    backpropagate(network(*training_batch()))
    assert idle_parameters(network) == []


# figures 7 to 9: which logits depend on the entity rows and on the relation rows
DEPENDENT = {
    ("full", "entity_view"): {"entity", "relation", "tag"},
    ("full", "relation_view"): {"entity", "relation", "tag"},
    ("ner_to_re", "entity_view"): {"entity", "relation", "tag"},
    ("ner_to_re", "relation_view"): {"relation"},
    ("re_to_ner", "entity_view"): {"entity"},
    ("re_to_ner", "relation_view"): {"entity", "relation", "tag"},
    ("none", "entity_view"): {"entity"},
    ("none", "relation_view"): {"relation"},
}


@pytest.mark.parametrize(("interaction", "view"), DEPENDENT)
def test_information_flows_as_in_figures_7_to_9(interaction, view):
    network, batch = make(interaction=interaction), training_batch()
    before = network(*batch)._asdict()
    getattr(network, view).weight.data.neg_()
    after = network(*batch)._asdict()
    changed = {
        kind
        for kind in KINDS
        if not torch.equal(after[f"{kind}_logits"], before[f"{kind}_logits"])
    }
    assert changed == DEPENDENT[interaction, view]


@pytest.mark.parametrize("rate", ["dropout", "attention_dropout"])
def test_each_dropout_rate_applies_in_train_mode_only(rate):
    network = make(**{"dropout": 0, "attention_dropout": 0, rate: 0.5})
    batch = training_batch()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trained, predicted = network.train()(*batch), network.eval()(*batch)
    assert not torch.allclose(trained.entity_logits, predicted.entity_logits)
    same_tags = torch.equal(trained.tag_logits, predicted.tag_logits)
    assert same_tags == (rate == "dropout")


# padding and tags --------------------------------------------------------------------


@pytest.mark.parametrize("make_batch", [training_batch, prediction_batch])
def test_wider_padding_does_not_change_the_logits(make_batch):
    network, batch = make(), make_batch()
    wide = with_layout(batch, longest_window=11, longest_units=23)
    assert_close(network(*wide), network(*batch))


@pytest.mark.parametrize("interaction", INTERACTIONS)
def test_values_of_padding_do_not_change_the_logits(interaction, monkeypatch):
    network, batch = make(interaction=interaction), training_batch()
    expected = network(*batch)
    pad = WindowPadding.pad

    def pad_with_noise(self, rows):
        return pad(self, rows).masked_fill(~self.keys.unsqueeze(2), 50.0)

    monkeypatch.setattr(WindowPadding, "pad", pad_with_noise)
    assert_close(network(*batch), expected)


def test_tags_do_not_depend_on_other_windows():
    batch = training_batch()
    first = len(STORY[0])
    n_units = sum(STORY[0])
    other = batch._replace(units=batch.units.clone())
    other.units[n_units:] += 1.0
    before, after = (make()(*b).tag_logits for b in (batch, other))
    assert_close(after[:first], before[:first])
    assert not torch.allclose(after[first:], before[first:], atol=1e-3)


def test_relation_loss_can_be_a_sum_over_labels():
    outputs = JointOutputs(
        entity_logits=torch.zeros(1, 2),
        pairs=torch.zeros(2, 2),
        relation_logits=torch.randn(2, 5, generator=torch.Generator().manual_seed(0)),
        n_truncated=torch.tensor(0),
    )
    targets = Targets(torch.zeros(1, dtype=torch.long), torch.zeros(2, 5))
    entities = F.cross_entropy(outputs.entity_logits, targets.entities)
    mean, total = (
        make(relation_loss=reduction).loss(outputs, targets).value - entities
        for reduction in ("mean", "sum")
    )
    assert_close(total, 5 * mean)


def test_prediction_computes_no_tags():
    network, calls = make(), []
    network.tags.register_forward_hook(lambda *_: calls.append(1))
    assert network(*prediction_batch()).tag_logits is None
    assert calls == []
    tags = network(*training_batch()).tag_logits
    assert tags.shape == (sum(map(len, STORY)), N_TAGS)


def test_tag_logits_of_a_token_without_wordpieces_are_the_bias():
    network = make()
    tags = network(*training_batch()).tag_logits
    assert STORY[0][2] == 0
    assert torch.equal(tags[2], network.tags.bias)


# settings ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"n_heads": 3}, "J201"),
        ({"n_heads": 0}, "J201"),
        ({"interaction": "some"}, r"J202.*interaction.*'some'"),
        ({"n_layers": -1}, r"J203.*n_layers.*-1"),
        ({"dropout": 1.0}, r"J203.*dropout.*1\.0"),
        ({"attention_dropout": -0.1}, r"J203.*attention_dropout.*-0\.1"),
        ({"width_embedding": 0}, r"J203.*width_embedding.*0"),
    ],
    ids=lambda value: settings_id(value) if isinstance(value, dict) else "",
)
def test_setting_out_of_range_is_refused(settings, code):
    with pytest.raises(ValueError, match=code):
        STSN(WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, N_TAGS, **settings)


def test_weights_are_initialized_as_in_bert():
    network = STSN(64, N_ENTITY_LABELS, N_RELATION_LABELS, N_TAGS)
    for name, parameter in network.state_dict().items():
        if name.endswith("norm.weight"):
            assert (parameter == 1).all()
        elif name.endswith("bias"):
            assert (parameter == 0).all()
        else:
            assert float(parameter.std()) == pytest.approx(0.02, rel=0.15), name
            assert abs(float(parameter.mean())) < 0.003


def test_unit_normalizes_the_sum_of_query_and_attention():
    """In a window of one token, the result of attention is the value."""
    network = make(n_layers=1, interaction="none")
    unit = network.attention[0].label
    own = torch.arange(8.0).unsqueeze(0)
    padding = WindowPadding(torch.tensor([1]), 1, 1)
    value = unit.project(unit.value(own))
    rows = F.layer_norm(
        own + value, (8,), unit.attention_norm.weight, unit.attention_norm.bias
    )
    rows = rows + unit.outer(unit.inner(rows).relu())
    expected = F.layer_norm(rows, (8,), unit.norm.weight, unit.norm.bias)
    assert_close(unit(own, own, padding), expected)
