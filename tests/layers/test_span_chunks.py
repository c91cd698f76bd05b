import pytest
import torch
from torch.testing import assert_close

from spacy_jre.layers.span_chunks import read_in_chunks

COUNTS = torch.tensor([3, 0, 4, 2])  # units per window
SPANS = torch.tensor([[4, 6], [0, 1], [3, 3], [0, 3], [7, 9], [3, 7], [1, 2]])
WINDOWS = torch.tensor([2, 0, 1, 0, 3, 2, 0])
UNITS = torch.arange(1.0, 10.0)


class Reader:
    """Sums the units outside of each span, and remembers what it was asked."""

    def __init__(self, units=UNITS):
        self.units = units
        self.asked: list[tuple[int, int]] = []

    def __call__(self, units: slice, inside: torch.Tensor) -> torch.Tensor:
        if len(inside):
            self.asked.append(tuple(inside.shape))
        return (self.units[units] * ~inside).sum(1, keepdim=True)


def read(reader, memory, spans=SPANS, windows=WINDOWS):
    return read_in_chunks(
        reader, spans, windows, COUNTS, cost=lambda n: 10 * n, memory=memory
    )


OUTSIDE = [[11.0], [5.0], [0.0], [0.0], [0.0], [0.0], [4.0]]


@pytest.mark.parametrize("memory", [1, 60, 10_000])
def test_rows_come_in_the_order_of_the_spans(memory):
    assert read(Reader(), memory).tolist() == OUTSIDE


def test_chunk_is_as_large_as_the_budget_allows():
    reader = Reader()
    read(reader, 60)
    # windows of 3, 0, 4 and 2 units; the first takes 30 of 60 bytes per span
    assert reader.asked == [(2, 3), (1, 3), (1, 0), (1, 4), (1, 4), (1, 2)]


def test_budget_below_one_span_takes_one_span_at_a_time():
    reader = Reader()
    read(reader, 1)
    assert [n for n, _ in reader.asked] == [1] * 7


def test_no_spans_give_no_rows():
    none = SPANS[:0]
    assert read(Reader(), 60, none, WINDOWS[:0]).shape == (0, 1)


def learn(memory):
    units = UNITS.clone().requires_grad_()
    reader = Reader(units.square())
    (read(reader, memory) ** 2).sum().backward()
    return units.grad, len(reader.asked)


def test_what_does_not_fit_is_read_twice_in_learning_and_learns_the_same():
    fitting, n_reads = learn(10_000)
    assert n_reads == 4  # one per window
    # seven spans by two units and more
    again, n_reads = learn(60)
    assert n_reads == 2 * 6
    assert_close(again, fitting)


def test_nothing_is_read_twice_in_prediction():
    reader = Reader(UNITS.clone().requires_grad_())
    with torch.no_grad():
        read(reader, 60)
    assert len(reader.asked) == 6
