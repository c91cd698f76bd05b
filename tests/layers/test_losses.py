"""Losses against values by hand, and gradients against finite differences."""

from math import exp, log

import pytest
import torch

from spacy_jre.layers.losses import UNKNOWN, binary_cross_entropy, cross_entropy


def test_cross_entropy_equals_the_value_by_hand():
    logits = torch.tensor([[0.0, log(3.0)], [log(4.0), 0.0]])
    # the probabilities of the targets are 3/4 and 1/5
    expected = -(log(3 / 4) + log(1 / 5)) / 2
    assert float(cross_entropy(logits, torch.tensor([1, 1]))) == pytest.approx(expected)


def test_rows_with_unknown_targets_are_ignored():
    logits = torch.tensor([[0.0, log(3.0)], [5.0, -5.0]])
    loss = cross_entropy(logits, torch.tensor([1, UNKNOWN]))
    assert float(loss) == pytest.approx(-log(3 / 4))


def test_binary_cross_entropy_equals_the_value_by_hand():
    logits = torch.tensor([[log(3.0), 0.0]])
    loss = binary_cross_entropy(logits, torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx(-(log(3 / 4) + log(1 / 2)) / 2)


def test_binary_cross_entropy_can_sum_over_labels():
    logits = torch.tensor([[log(3.0), 0.0], [0.0, 0.0]])
    targets = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    loss = binary_cross_entropy(logits, targets, "sum")
    # the mean over the rows
    assert float(loss) == pytest.approx(-(log(3 / 4) + 3 * log(1 / 2)) / 2)


def test_binary_cross_entropy_of_large_logits_is_finite():
    logits = torch.tensor([[1e4, -1e4]])
    loss = binary_cross_entropy(logits, torch.tensor([[0.0, 1.0]]))
    assert float(loss) == 1e4


EMPTY = {
    "no rows": (cross_entropy, (0, 3), torch.zeros(0, dtype=torch.long)),
    "no known target": (cross_entropy, (2, 3), torch.full((2,), UNKNOWN)),
    "no pairs": (binary_cross_entropy, (0, 3), torch.zeros(0, 3)),
}


@pytest.mark.parametrize(("loss", "shape", "targets"), EMPTY.values(), ids=EMPTY)
def test_loss_and_gradient_are_zero_without_targets(loss, shape, targets):
    weights = torch.ones(3, requires_grad=True)
    value = loss(torch.ones(shape) * weights, targets)
    assert float(value.detach()) == 0.0
    value.backward()
    assert weights.grad.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("loss", "targets"),
    [
        (cross_entropy, torch.tensor([1, 2, UNKNOWN])),
        (binary_cross_entropy, torch.tensor([[1.0, 0, 1]] * 3)),
    ],
)
def test_gradient_equals_finite_differences(loss, targets):
    logits = torch.linspace(-1, 1, 9).reshape(3, 3).requires_grad_()
    loss(logits, targets).backward()
    step = 1e-2
    for row in range(3):
        for column in range(3):
            values = []
            for sign in (1, -1):
                shifted = logits.detach().clone()
                shifted[row, column] += sign * step
                values.append(float(loss(shifted, targets)))
            slope = (values[0] - values[1]) / (2 * step)
            assert float(logits.grad[row, column]) == pytest.approx(slope, abs=1e-4)


def test_loss_of_half_precision_logits_is_in_single_precision():
    logits = torch.tensor([[3.0, -5.0]], dtype=torch.bfloat16)
    loss = cross_entropy(logits, torch.tensor([1]))
    assert loss.dtype == torch.float32
    assert float(loss) == pytest.approx(8 + log(1 + exp(-8)), rel=1e-6)
