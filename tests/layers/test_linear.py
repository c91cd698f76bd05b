import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from spacy_jre.layers.linear import PartsLinear, linear

PARTS = {"span": 4, "width": 2, "sentence": 3}
N_ROWS = 5
N_OUTPUTS = 6


@pytest.fixture(autouse=True)
def _seed():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


def make_layer(dropout=0.0, parts=PARTS):
    layer = PartsLinear(parts, N_OUTPUTS, dropout)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    return layer


def make_rows(n_rows=N_ROWS, parts=PARTS):
    return {name: torch.randn(n_rows, width) for name, width in parts.items()}


class GivenMasks(nn.Module):
    """Replaces dropout: multiplies with the given masks, one per call."""

    def __init__(self, masks):
        super().__init__()
        self.masks = list(masks)

    def forward(self, rows):
        return rows * self.masks.pop(0)


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layer_is_initialized_as_in_bert(bias):
    layer = linear(300, 200, bias=bias)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0.0, abs=5e-4)
    assert not layer.bias.any() if bias else layer.bias is None


@pytest.mark.parametrize("bias", [True, False])
def test_linear_layer_has_the_same_weights_for_a_seed_as_plain_torch(bias):
    torch.manual_seed(1)
    expected = nn.Linear(4, 3, bias=bias)
    nn.init.normal_(expected.weight, std=0.02)
    torch.manual_seed(1)
    assert torch.equal(linear(4, 3, bias=bias).weight, expected.weight)


@pytest.mark.parametrize("train", [True, False])
def test_parts_equal_the_concatenation_without_dropout(train):
    layer, rows = make_layer().train(train), make_rows()
    whole = torch.cat([rows[name] for name in PARTS], 1)
    expected = F.linear(whole, layer.weight, layer.bias)
    assert_close(layer(rows), expected, rtol=1e-6, atol=1e-6)


def test_sum_of_projected_parts_and_bias_equals_the_layer():
    layer, rows = make_layer(dropout=0.5).eval(), make_rows()
    added = sum(layer.project(name, rows[name]) for name in PARTS) + layer.bias
    assert_close(layer(rows), added, rtol=1e-6, atol=1e-6)


def test_order_of_the_given_parts_does_not_matter():
    layer, rows = make_layer(), make_rows()
    swapped = {name: rows[name] for name in reversed(PARTS)}
    assert torch.equal(layer(swapped), layer(rows))


def test_masked_parts_equal_the_masked_concatenation():
    layer, rows = make_layer(), make_rows()
    masks = {name: torch.bernoulli(torch.full_like(rows[name], 0.5)) for name in PARTS}
    layer.dropout = GivenMasks(masks[name] for name in PARTS)
    whole = torch.cat([rows[name] * masks[name] for name in PARTS], 1)
    expected = F.linear(whole, layer.weight, layer.bias)
    assert_close(layer(rows), expected, rtol=1e-6, atol=1e-6)


def test_every_row_gets_its_own_mask():
    layer = make_layer(dropout=0.5).train()
    same = {name: torch.ones(20, width) for name, width in PARTS.items()}
    assert len(layer(same).unique(dim=0)) > 10


def test_every_part_gets_its_own_mask():
    layer = make_layer(dropout=0.5, parts={"head": 4, "tail": 4}).train()
    layer.weight.data = torch.cat(
        [torch.ones(N_OUTPUTS, 4), -torch.ones(N_OUTPUTS, 4)], 1
    )
    same = torch.randn(20, 4)
    # with one mask for both parts, their results would cancel each other
    assert not torch.allclose(layer({"head": same, "tail": same}), layer.bias)


def test_eval_mode_applies_no_dropout():
    layer, rows = make_layer(dropout=0.9).eval(), make_rows()
    assert torch.equal(layer(rows), layer(rows))


def test_block_returns_the_columns_of_a_part():
    layer = make_layer()
    assert torch.equal(layer.block("span"), layer.weight[:, :4])
    assert torch.equal(layer.block("width"), layer.weight[:, 4:6])
    assert torch.equal(layer.block("sentence"), layer.weight[:, 6:])


def test_block_of_an_unknown_part_raises():
    with pytest.raises(KeyError, match="between"):
        make_layer().block("between")


def test_gradient_of_a_part_reaches_only_its_columns():
    layer, rows = make_layer(), make_rows()
    layer.project("width", rows["width"]).sum().backward()
    filled = layer.weight.grad.abs().sum(0) > 0
    assert filled.tolist() == [False] * 4 + [True] * 2 + [False] * 3


def test_no_rows_give_no_rows():
    assert make_layer()(make_rows(0)).shape == (0, N_OUTPUTS)


def test_weights_of_parts_are_initialized_as_in_bert():
    layer = PartsLinear({"span": 300, "width": 100}, 100, 0.1)
    assert layer.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layer.weight.mean().item() == pytest.approx(0.0, abs=5e-4)


def test_bias_of_parts_is_initialized_to_zero():
    assert not PartsLinear(PARTS, N_OUTPUTS, 0.1).bias.any()
