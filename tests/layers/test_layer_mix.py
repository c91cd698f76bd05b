import math

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from spacy_jre.layers.layer_mix import LayerMix

STATES = [torch.full((1, 2, 3), value) for value in (1.0, 10.0, 100.0)]


def make_mix(*weights: list[float]) -> LayerMix:
    """A mix with the given weights, one list per view."""
    mix = LayerMix(len(weights[0]), len(weights))
    mix.logits.data = torch.tensor(weights).log()
    return mix


def test_mix_is_the_weighted_sum_of_the_layers():
    mixed = make_mix([0.5, 0.3, 0.2])(STATES)
    assert_close(mixed, torch.full((1, 2, 3), 0.5 + 3.0 + 20.0))


def test_views_follow_each_other():
    mixed = make_mix([0.5, 0.3, 0.2], [0.0, 1.0, 0.0])(STATES)
    assert mixed[0, 0].tolist() == pytest.approx([23.5] * 3 + [10.0] * 3)


def test_last_layer_starts_with_55_percent():
    # (0.45 * 1 + 0.45 * 10) / 2 + 0.55 * 100
    assert_close(LayerMix(3, 1)(STATES), torch.full((1, 2, 3), 57.475))


def test_one_layer_has_the_whole_weight():
    assert_close(LayerMix(1, 1)(STATES[1:2]), STATES[1])


def test_gradients_equal_finite_differences():
    mix = LayerMix(3, 2).double()
    states = [torch.randn(1, 2, 3).double().requires_grad_() for _ in range(3)]

    def mixed(logits, *states):
        mix.logits.data = logits.data
        return torch.func.functional_call(mix, {"logits": logits}, (states,))

    assert gradcheck(mixed, (mix.logits.detach().requires_grad_(), *states))


def test_weights_get_a_gradient():
    mix = LayerMix(3, 1)
    mix(STATES).sum().backward()
    # softmax: w_i * (6 * state_i - sum of w_j * 6 * state_j)
    weights = [0.225, 0.225, 0.55]
    mean = math.fsum(w * s for w, s in zip(weights, (6, 60, 600), strict=True))
    expected = [w * (s - mean) for w, s in zip(weights, (6, 60, 600), strict=True)]
    assert mix.logits.grad[0].tolist() == pytest.approx(expected, rel=1e-5)
