"""Dropout in an attention unit of STSN. For its equations, see test_parity.py."""

import pytest
import torch

from spacy_jre.layers.label_attention import AttentionUnit
from spacy_jre.layers.padding import WindowPadding

WIDTH = 8


@pytest.fixture
def unit():
    torch.manual_seed(0)
    unit = AttentionUnit(WIDTH, n_heads=2, dropout=0.5)
    for parameter in unit.parameters():
        parameter.data.normal_(0, 0.5)
    return unit


def run(unit: AttentionUnit, *, training: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(5, WIDTH, generator=generator)
    padding = WindowPadding(torch.tensor([3, 2]), 3, 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return unit.train(training)(rows, rows, padding)


def applies_dropout(unit: AttentionUnit) -> bool:
    return not torch.allclose(run(unit, training=True), run(unit, training=False))


def test_dropout_applies_to_attention_weights(unit):
    unit.outer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    unit.dropout.forward = lambda rows: rows  # that of both sub-layers
    assert applies_dropout(unit)


def test_dropout_applies_to_the_first_sub_layer(unit, monkeypatch):
    unit.outer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    original = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *args, **kwargs: original(*args, **{**kwargs, "dropout_p": 0.0}),
    )
    assert applies_dropout(unit)


def test_dropout_applies_to_the_second_sub_layer(unit):
    unit.project.weight.data.zero_()  # the output of the attention is zero
    assert applies_dropout(unit)


def test_dropout_does_not_apply_to_residuals(unit):
    for layer in (unit.project, unit.outer):
        layer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    assert not applies_dropout(unit)


def test_weights_are_those_of_the_forward_pass(unit):
    unit.eval()
    rows = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(1))
    keys = torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(2))
    padding = WindowPadding(torch.tensor([3, 2]), 3, 5)
    weights = unit.weights(rows, keys, padding)
    values = padding.pad(unit.value(keys)).unflatten(2, (2, -1)).transpose(1, 2)
    mixed = unit.project(padding.unpad((weights @ values).transpose(1, 2).flatten(2)))
    hidden = unit.attention_norm(rows + mixed)
    expected = unit.norm(hidden + unit.outer(unit.inner(hidden).relu()))
    torch.testing.assert_close(unit(rows, keys, padding), expected)
