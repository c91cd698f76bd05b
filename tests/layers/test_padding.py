import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.testing import assert_close

from spacy_jre.layers.padding import (
    WindowPadding,
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


def make_padding(counts, longest):
    return WindowPadding(as_counts(counts), longest, sum(counts))


def test_rows_are_at_the_start_of_their_window():
    assert make_padding([2, 0, 1], 2).pad(ROWS).tolist() == [
        [[1.0, 2.0], [3.0, 5.0]],
        [[0.0, 0.0], [0.0, 0.0]],
        [[7.0, 11.0], [0.0, 0.0]],
    ]


def test_mask_is_true_for_rows():
    mask = make_padding([2, 0, 1], 2).mask
    assert mask.tolist() == [[True, True], [False, False], [True, False]]


def test_keys_include_the_first_row_of_an_empty_window():
    keys = make_padding([2, 0, 1], 2).keys
    assert keys.tolist() == [[True, True], [True, False], [True, False]]


@EXAMPLES
@given(counts=window_counts, extra=st.integers(0, 2))
def test_padded_batch_contains_the_rows_in_order(counts, extra):
    rows = make_rows(counts)
    longest = max(counts, default=0) + extra
    padding = make_padding(counts, longest)
    batch = padding.pad(rows)
    # attention needs at least one key
    assert batch.shape == (len(counts), max(longest, 1), 2)
    assert torch.equal(batch[padding.mask], rows)
    assert not batch[~padding.mask].any()


@EXAMPLES
@given(counts=window_counts, extra=st.integers(0, 2))
def test_unpad_is_the_inverse_of_pad(counts, extra):
    rows = make_rows(counts)
    padding = make_padding(counts, max(counts, default=0) + extra)
    assert torch.equal(padding.unpad(padding.pad(rows)), rows)


def test_windows_without_rows_are_padded_to_one_row():
    padding = make_padding([0, 0], 0)
    assert padding.pad(torch.zeros((0, 2))).tolist() == [[[0.0, 0.0]]] * 2
    assert not padding.mask.any()


def test_no_windows_give_an_empty_batch():
    padding = make_padding([], 0)
    assert padding.pad(torch.zeros((0, 2))).shape == (0, 1, 2)
    assert padding.mask.shape == (0, 1)


@pytest.mark.parametrize(
    ("counts", "ids"),
    [([2, 0, 3], [0, 0, 2, 2, 2]), ([0, 1], [1]), ([0, 0], []), ([], [])],
)
def test_window_ids_repeat_the_window_of_each_row(counts, ids):
    assert window_ids(as_counts(counts), sum(counts)).tolist() == ids


def test_mean_is_over_the_rows_of_each_window():
    means = window_means(ROWS, as_counts([2, 1]))
    assert means.tolist() == [[2.0, 3.5], [7.0, 11.0]]


def test_mean_of_a_window_without_rows_is_zero():
    means = window_means(ROWS, as_counts([0, 3, 0]))
    assert means[[0, 2]].tolist() == [[0.0, 0.0]] * 2


@EXAMPLES
@given(counts=window_counts.filter(lambda counts: 0 not in counts))
def test_means_equal_a_loop_over_windows(counts):
    rows = make_rows(counts)
    expected = [part.mean(0) for part in rows.split(counts)] if counts else []
    means = window_means(rows, as_counts(counts))
    assert means.shape == (len(counts), 2)
    assert_close(list(means), expected)


def test_gradient_of_means_equals_finite_differences():
    counts = as_counts([2, 0, 1])
    rows = ROWS.double().requires_grad_()
    assert gradcheck(lambda rows: window_means(rows, counts), rows)


def test_no_windows_give_no_means():
    assert window_means(torch.zeros((0, 2)), as_counts([])).shape == (0, 2)


def test_gradients_of_pad_and_unpad_equal_finite_differences():
    padding = make_padding([2, 0, 1], 3)
    rows = ROWS.double().requires_grad_()
    assert gradcheck(lambda r: padding.pad(r), rows)
    batch = torch.randn(3, 3, 2, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda b: padding.unpad(b), batch)
