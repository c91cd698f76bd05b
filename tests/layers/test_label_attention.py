"""Where a unit of STSN's attention drops (MODELS reading, 4.2; equations: networks)."""

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


def run(unit: AttentionUnit, *, learning: bool) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(5, WIDTH, generator=generator)
    padding = WindowPadding(torch.tensor([3, 2]), 3, 5)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return unit.train(learning)(rows, rows, padding)


def drops(unit: AttentionUnit) -> bool:
    return not torch.allclose(run(unit, learning=True), run(unit, learning=False))


def test_attention_weights_are_dropped(unit):
    unit.outer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    unit.dropout.forward = lambda rows: rows  # both sub-layers
    assert drops(unit)


def test_first_sub_layer_is_dropped(unit, monkeypatch):
    unit.outer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    plain = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *args, **kwargs: plain(*args, **{**kwargs, "dropout_p": 0.0}),
    )
    assert drops(unit)


def test_second_sub_layer_is_dropped(unit):
    unit.project.weight.data.zero_()  # nothing of the attention arrives
    assert drops(unit)


def test_residuals_are_not_dropped(unit):
    for layer in (unit.project, unit.outer):
        layer.weight.data.zero_()
    unit.outer.bias.data.zero_()
    assert not drops(unit)
