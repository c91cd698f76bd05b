import pytest
import torch
from torch.testing import assert_close

from spacy_jre.layers.span_chunks import compute_in_chunks

COUNTS = torch.tensor([3, 0, 4, 2])  # units per window
SPANS = torch.tensor([[4, 6], [0, 1], [3, 3], [0, 3], [7, 9], [3, 7], [1, 2]])
WINDOWS = torch.tensor([2, 0, 1, 0, 3, 2, 0])
UNITS = torch.arange(1.0, 10.0)


class OutsideSum:
    """Sums the units outside of each span, and records the shapes of its inputs."""

    def __init__(self, units=UNITS):
        self.units = units
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, units: slice, inside: torch.Tensor) -> torch.Tensor:
        if len(inside):
            self.shapes.append(tuple(inside.shape))
        return (self.units[units] * ~inside).sum(1, keepdim=True)


def compute(function, memory, spans=SPANS, windows=WINDOWS):
    return compute_in_chunks(
        function, spans, windows, COUNTS, cost=lambda n: 10 * n, memory=memory
    )


OUTSIDE = [[11.0], [5.0], [0.0], [0.0], [0.0], [0.0], [4.0]]


@pytest.mark.parametrize("memory", [1, 60, 10_000])
def test_rows_are_in_the_order_of_the_spans(memory):
    assert compute(OutsideSum(), memory).tolist() == OUTSIDE


def test_chunk_is_as_large_as_the_budget_allows():
    function = OutsideSum()
    compute(function, 60)
    # windows of 3, 0, 4 and 2 units; a span of the first one takes 30 of 60 bytes
    assert function.shapes == [(2, 3), (1, 3), (1, 0), (1, 4), (1, 4), (1, 2)]


def test_budget_below_one_span_gives_chunks_of_one_span():
    function = OutsideSum()
    compute(function, 1)
    assert [n for n, _ in function.shapes] == [1] * 7


def test_no_spans_give_no_rows():
    none = SPANS[:0]
    assert compute(OutsideSum(), 60, none, WINDOWS[:0]).shape == (0, 1)


def compute_gradient(memory):
    units = UNITS.clone().requires_grad_()
    function = OutsideSum(units.square())
    (compute(function, memory) ** 2).sum().backward()
    return units.grad, len(function.shapes)


def test_chunks_beyond_the_budget_are_recomputed_and_have_the_same_gradients():
    expected, n_calls = compute_gradient(10_000)
    assert n_calls == 4  # one per window
    gradient, n_calls = compute_gradient(60)
    assert n_calls == 2 * 6
    assert_close(gradient, expected)


def test_chunks_are_computed_once_without_gradients():
    function = OutsideSum(UNITS.clone().requires_grad_())
    with torch.no_grad():
        compute(function, 60)
    assert len(function.shapes) == 6
