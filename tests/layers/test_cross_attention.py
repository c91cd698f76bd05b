import math

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from spacy_jre.layers.cross_attention import CrossTaskAttention

WIDTH = 8
COUNTS = (3, 0, 5, 1)  # units per window
LONGEST = 5


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make_layer(*, n_heads=4, norm=True, dropout=0.0, dtype=torch.float32):
    layer = CrossTaskAttention(WIDTH, n_heads=n_heads, dropout=dropout, norm=norm)
    for parameter in layer.parameters():
        nn.init.normal_(parameter, std=0.5)
    return layer.to(dtype)


def make_inputs(counts=COUNTS, longest=LONGEST, dtype=torch.float32):
    agents = torch.randn(len(counts), WIDTH, dtype=dtype)
    units = torch.randn(len(counts), longest, WIDTH, dtype=dtype)
    mask = torch.arange(longest) < torch.tensor(counts).unsqueeze(1)
    return agents, units, mask


def naive(layer, agents, units, mask):
    """Equations 2-4, one window, one head and one key at a time."""
    heads = layer.n_heads
    size = WIDTH // heads
    rows, all_weights = [], []
    for window in range(len(agents)):
        query_row = agents[window]
        keys = [*units[window], query_row]
        is_key = [*mask[window].tolist(), True]
        query = layer.query.weight @ query_row
        mixed, weights = [], []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            scores = [
                query[part] @ (layer.key.weight @ key)[part] / math.sqrt(WIDTH / heads)
                if unmasked
                else torch.tensor(-torch.inf)
                for key, unmasked in zip(keys, is_key, strict=True)
            ]
            powers = [torch.exp(score) for score in scores]
            shares = [power / sum(powers) for power in powers]
            mixed.append(
                sum(s * (layer.value.weight @ k)[part] for s, k in zip(shares, keys))
            )
            weights.append(torch.stack(shares))
        row = layer.project.weight @ torch.cat(mixed) + layer.project.bias + query_row
        if isinstance(layer.norm, nn.LayerNorm):
            spread = torch.sqrt(row.var(unbiased=False) + 1e-5)
            row = (row - row.mean()) / spread * layer.norm.weight + layer.norm.bias
        rows.append(row)
        all_weights.append(torch.stack(weights))
    return torch.stack(rows), torch.stack(all_weights)


@pytest.mark.parametrize("norm", [True, False])
@pytest.mark.parametrize("n_heads", [1, 2, 4, 8])
def test_attention_equals_a_loop_over_windows_heads_and_keys(n_heads, norm):
    layer, inputs = make_layer(n_heads=n_heads, norm=norm), make_inputs()
    assert_close(layer(*inputs), naive(layer, *inputs), rtol=1e-5, atol=1e-5)


def test_weights_have_a_column_per_unit_and_one_for_the_query():
    _, weights = make_layer()(*make_inputs())
    assert weights.shape == (4, 4, 5 + 1)


def test_weights_sum_to_one():
    _, weights = make_layer()(*make_inputs())
    assert_close(weights.sum(-1), torch.ones(4, 4))


def test_weights_sum_to_one_in_train_mode():
    _, weights = make_layer(dropout=0.5).train()(*make_inputs())
    assert_close(weights.sum(-1), torch.ones(4, 4))


def test_padding_gets_no_weight():
    agents, units, mask = make_inputs()
    _, weights = make_layer()(agents, units, mask)
    padding = ~mask.unsqueeze(1).expand(-1, 4, -1)
    assert not weights[..., :-1][padding].any()


def test_every_unit_gets_a_weight():
    agents, units, mask = make_inputs()
    _, weights = make_layer()(agents, units, mask)
    assert (weights[..., :-1][mask.unsqueeze(1).expand(-1, 4, -1)] > 0).all()


def test_values_of_padding_do_not_change_the_result():
    layer, (agents, units, mask) = make_layer(), make_inputs()
    other = units.masked_fill(~mask.unsqueeze(2), 1e4)
    assert torch.equal(layer(agents, other, mask)[0], layer(agents, units, mask)[0])


def test_length_of_padding_does_not_change_the_result():
    layer, (agents, units, mask) = make_layer(), make_inputs()
    longer = torch.cat([units, torch.randn(4, 3, WIDTH)], 1)
    longer_mask = torch.cat([mask, torch.zeros(4, 3, dtype=torch.bool)], 1)
    assert_close(layer(agents, longer, longer_mask)[0], layer(agents, units, mask)[0])


def test_padding_gets_no_gradient():
    layer, (agents, units, mask) = make_layer(), make_inputs()
    units.requires_grad_()
    layer(agents, units, mask)[0].pow(2).sum().backward()
    assert not units.grad[~mask].any()
    assert units.grad[mask].any(-1).all()


def test_query_of_a_window_without_units_attends_to_itself():
    layer, (agents, units, mask) = make_layer(), make_inputs()
    rows, weights = layer(agents, units, mask)
    assert weights[1].tolist() == [[0.0] * 5 + [1.0]] * 4
    expected = layer.norm(layer.project(layer.value(agents[1])) + agents[1])
    assert_close(rows[1], expected)


def test_queries_of_a_batch_without_units_attend_to_themselves():
    layer, agents = make_layer(), torch.randn(2, WIDTH)
    rows, weights = layer(
        agents, torch.zeros(2, 0, WIDTH), torch.zeros(2, 0, dtype=torch.bool)
    )
    assert weights.tolist() == [[[1.0]] * 4] * 2
    assert_close(rows, layer.norm(layer.project(layer.value(agents)) + agents))


def test_windows_do_not_attend_to_each_other():
    layer, (agents, units, mask) = make_layer(), make_inputs()
    rows, _ = layer(agents, units, mask)
    alone, _ = layer(agents[2:3], units[2:3], mask[2:3])
    assert_close(alone, rows[2:3])


def test_no_windows_give_no_rows():
    rows, weights = make_layer()(*make_inputs(counts=(), longest=0))
    assert rows.shape == (0, WIDTH)
    assert weights.shape == (0, 4, 1)


@pytest.mark.parametrize("norm", [True, False])
def test_gradient_equals_finite_differences(norm):
    layer = make_layer(norm=norm, dtype=torch.float64)
    agents, units, mask = make_inputs((2, 0), 3, dtype=torch.float64)
    inputs = agents.requires_grad_(), units.requires_grad_()
    assert gradcheck(lambda agents, units: layer(agents, units, mask), inputs)


def test_gradients_of_the_weights_equal_those_of_a_loop():
    layer, inputs = make_layer(dtype=torch.float64), make_inputs(dtype=torch.float64)
    parameters = list(layer.parameters())
    folded = torch.autograd.grad(layer(*inputs)[0].pow(3).sum(), parameters)
    looped = torch.autograd.grad(naive(layer, *inputs)[0].pow(3).sum(), parameters)
    assert_close(folded, looped)


def test_cost_of_a_unit_is_one_product_per_head_for_its_score_and_its_value():
    layer = make_layer(n_heads=2)

    def count(length):
        inputs = make_inputs(counts=(length,), longest=length)
        with FlopCounterMode(display=False) as counter:
            layer(*inputs)
        return counter.get_total_flops()

    per_product = 2 * WIDTH  # additions and multiplications
    assert count(11) - count(1) == 10 * 2 * layer.n_heads * per_product


@pytest.mark.parametrize("n_heads", [3, 5, 16])
def test_width_must_be_divisible_by_the_heads(n_heads):
    with pytest.raises(ValueError, match="J201"):
        CrossTaskAttention(WIDTH, n_heads=n_heads, dropout=0.0, norm=True)


def test_layer_without_norm_has_no_norm_parameters():
    names = {name for name, _ in make_layer(norm=False).named_parameters()}
    assert names == {
        "query.weight",
        "key.weight",
        "value.weight",
        "project.weight",
        "project.bias",
    }


def test_eval_mode_applies_no_dropout():
    layer, inputs = make_layer(dropout=0.5).eval(), make_inputs()
    assert_close(layer(*inputs), naive(layer, *inputs), rtol=1e-5, atol=1e-5)


def test_dropout_after_the_projection_does_not_change_the_residual():
    layer, (agents, units, mask) = make_layer(norm=False, dropout=1.0), make_inputs()
    layer.attention_dropout = nn.Identity()
    assert torch.equal(layer.train()(agents, units, mask)[0], agents)


def test_dropout_of_the_weights_does_not_change_the_bias_and_the_residual():
    layer, (agents, units, mask) = make_layer(norm=False, dropout=1.0), make_inputs()
    layer.output_dropout = nn.Identity()
    rows, _ = layer.train()(agents, units, mask)
    assert_close(rows, agents + layer.project.bias)


def test_weights_are_initialized_as_in_bert():
    layer = CrossTaskAttention(256, n_heads=4, dropout=0.0, norm=True)
    for linear in (layer.query, layer.key, layer.value, layer.project):
        assert linear.weight.std().item() == pytest.approx(0.02, rel=0.02)


def test_bias_of_the_projection_is_initialized_to_zero():
    layer = CrossTaskAttention(WIDTH, n_heads=4, dropout=0.0, norm=True)
    assert not layer.project.bias.any()


def test_norm_is_initialized_to_one_and_zero():
    layer = CrossTaskAttention(WIDTH, n_heads=4, dropout=0.0, norm=True)
    assert (layer.norm.weight == 1).all()
    assert not layer.norm.bias.any()
