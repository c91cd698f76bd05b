import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.testing import assert_close

from spacy_jre.layers.padding import (
    WindowPadding,
    pad_windows,
    window_ids,
    window_means,
)

ROWS = torch.tensor([[1.0, 2.0], [3.0, 5.0], [7.0, 11.0]])
EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True)
window_counts = st.lists(st.integers(0, 4), max_size=5)


def make_rows(counts, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(sum(counts), 2, generator=generator)


def as_counts(counts):
    return torch.tensor(counts, dtype=torch.long)


def test_rows_lie_at_the_front_of_their_window():
    batch, _ = pad_windows(ROWS, as_counts([2, 0, 1]), 2)
    assert batch.tolist() == [
        [[1.0, 2.0], [3.0, 5.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[7.0, 11.0], [0.0, 0.0]],
    ]


def test_real_says_where_rows_lie():
    _, real = pad_windows(ROWS, as_counts([2, 0, 1]), 2)
    assert real.tolist() == [[True, True], [False, False], [True, False]]


@EXAMPLES
@given(counts=window_counts, extra=st.integers(0, 2))
def test_real_rows_are_the_flat_ones_in_order(counts, extra):
    rows = make_rows(counts)
    longest = max(counts, default=0) + extra
    batch, real = pad_windows(rows, as_counts(counts), longest)
    assert batch.shape == (len(counts), longest, 2)
    assert torch.equal(batch[real], rows)
    assert not batch[~real].any()


def test_gradient_comes_home_from_the_padded_batch():
    counts = as_counts([2, 0, 1])
    rows = ROWS.double().requires_grad_()
    assert gradcheck(lambda rows: pad_windows(rows, counts, 3)[0], rows)


def test_windows_without_rows_are_all_padding():
    batch, real = pad_windows(torch.zeros((0, 2)), as_counts([0, 0]), 0)
    assert batch.shape == (2, 0, 2)
    assert real.shape == (2, 0)


def test_no_windows_make_an_empty_batch():
    batch, real = pad_windows(torch.zeros((0, 2)), as_counts([]), 0)
    assert batch.shape == (0, 0, 2)
    assert real.shape == (0, 0)


@pytest.mark.parametrize(
    ("counts", "ids"),
    [([2, 0, 3], [0, 0, 2, 2, 2]), ([0, 1], [1]), ([0, 0], []), ([], [])],
)
def test_every_row_knows_its_window(counts, ids):
    assert window_ids(as_counts(counts), sum(counts)).tolist() == ids


def test_mean_is_taken_over_the_rows_of_a_window():
    means = window_means(ROWS, as_counts([2, 1]))
    assert means.tolist() == [[2.0, 3.5], [7.0, 11.0]]


def test_mean_of_a_window_without_rows_is_zeros():
    means = window_means(ROWS, as_counts([0, 3, 0]))
    assert means[[0, 2]].tolist() == [[0.0, 0.0]] * 2


@EXAMPLES
@given(counts=window_counts.filter(lambda counts: 0 not in counts))
def test_means_equal_those_of_a_loop(counts):
    rows = make_rows(counts)
    expected = [part.mean(0) for part in rows.split(counts)] if counts else []
    means = window_means(rows, as_counts(counts))
    assert means.shape == (len(counts), 2)
    assert_close(list(means), expected)


def test_gradient_of_means_equals_finite_differences():
    counts = as_counts([2, 0, 1])
    rows = ROWS.double().requires_grad_()
    assert gradcheck(lambda rows: window_means(rows, counts), rows)


def test_no_windows_have_no_means():
    assert window_means(torch.zeros((0, 2)), as_counts([])).shape == (0, 2)


@given(window_counts, st.integers(0, 2))
@EXAMPLES
def test_one_index_pads_as_pad_windows_and_takes_the_rows_out_again(counts, more):
    rows, longest = make_rows(counts), max(counts, default=0) + more
    padding = WindowPadding(as_counts(counts), longest, sum(counts))
    batch = padding.pad(rows)
    assert torch.equal(padding.unpad(batch), rows)
    expected, real = pad_windows(rows, as_counts(counts), max(longest, 1))
    assert torch.equal(batch, expected)
    # a window without rows shows its first one, zeros, so that a softmax has a key
    real[:, 0] = True
    assert torch.equal(padding.keys, real)


def test_gradients_of_the_index_equal_finite_differences():
    padding = WindowPadding(as_counts([2, 0, 1]), 3, 3)
    rows = ROWS.double().requires_grad_()
    assert gradcheck(lambda r: padding.pad(r), rows)
    batch = torch.randn(3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda b: padding.unpad(b), batch)
