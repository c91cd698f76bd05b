import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from spacy_jre.layers.ranges import (
    MaxPooler,
    MeanPooler,
    RangeMax,
    SumPooler,
    bag_ranges,
    between_ranges,
)

WIDTH = 3
KINDS = ("max", "sum", "mean")
EXAMPLES = settings(max_examples=30, deadline=None, derandomize=True)


def sums_of(rows):
    return lambda ranges: bag_ranges(rows, ranges, "sum")


# windows of tokens of 0..4 units
window_sizes = st.lists(
    st.lists(st.integers(0, 4), min_size=1, max_size=5), min_size=1, max_size=3
)
seeds = st.integers(0, 2**16)


def make_rows(n_rows, seed=0, dtype=torch.float64):
    """Distinct rows, with negative values in the first column, so below zero."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n_rows, WIDTH, generator=generator, dtype=dtype)
    rows[:, 0] = -rows[:, 0].abs() - 0.1
    return rows


def token_ranges(windows):
    """Unit range of each token of all windows."""
    sizes = torch.tensor([n for window in windows for n in window], dtype=torch.long)
    ends = sizes.cumsum(0)
    return torch.stack([ends - sizes, ends], 1)


def make_pooler(kind, units, token_units):
    if kind == "sum":
        return SumPooler(units, token_units)
    if kind == "mean":
        return MeanPooler(units, token_units)
    sizes = (token_units[:, 1] - token_units[:, 0]).tolist()
    longest = max(sizes, default=0)
    return MaxPooler(units, token_units, len(token_units), longest, 0 in sizes)


def naive_pool(kind, rows):
    """Pool a list of rows in a loop."""
    if not rows:
        return torch.zeros(WIDTH, dtype=torch.float64)
    pooled = rows[0]
    for row in rows[1:]:
        pooled = (
            torch.where(row > pooled, row, pooled) if kind == "max" else pooled + row
        )
    return pooled / len(rows) if kind == "mean" else pooled


def naive_ranges(kind, units, token_units, ranges):
    unit_numbers = [range(start, end) for start, end in token_units.tolist()]
    pooled = [
        naive_pool(kind, [units[u] for t in range(start, end) for u in unit_numbers[t]])
        for start, end in ranges.tolist()
    ]
    return torch.stack(pooled)


def ranges_of(windows):
    """All token ranges inside a window, including empty ranges."""
    ranges, first = [], 0
    for window in windows:
        last = first + len(window)
        ranges += [(s, e) for s in range(first, last) for e in range(s, last + 1)]
        first = last
    return torch.tensor(ranges)


# Three tokens of two, one and two units.
TOKENS = torch.tensor([[0, 2], [2, 3], [3, 5]])
UNITS = torch.tensor([[1.0, -5.0], [4.0, -2.0], [-3.0, -1.0], [2.0, -9.0], [0.0, -4.0]])


def test_range_max_of_three_rows():
    table = RangeMax(UNITS[:3], 3)
    pooled = table(torch.tensor([[0, 1], [0, 2], [1, 3], [0, 3]]))
    assert pooled.tolist() == [[1.0, -5.0], [4.0, -2.0], [4.0, -1.0], [4.0, -1.0]]


def test_sums_of_three_rows():
    pooled = bag_ranges(
        UNITS[:3], torch.tensor([[0, 1], [0, 2], [1, 3], [0, 3]]), "sum"
    )
    assert pooled.tolist() == [[1.0, -5.0], [5.0, -7.0], [1.0, -3.0], [2.0, -8.0]]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("max", [[4.0, -2.0], [-3.0, -1.0], [2.0, -1.0], [4.0, -1.0]]),
        ("sum", [[5.0, -7.0], [-3.0, -1.0], [-1.0, -14.0], [4.0, -21.0]]),
        # the mean of units, not of tokens
        ("mean", [[2.5, -3.5], [-3.0, -1.0], [-1 / 3, -14 / 3], [0.8, -4.2]]),
    ],
)
def test_pooled_units_of_three_tokens(kind, expected):
    ranges = torch.tensor([[0, 1], [1, 2], [1, 3], [0, 3]])
    pooled = make_pooler(kind, UNITS, TOKENS).ranges(ranges)
    assert_close(pooled, torch.tensor(expected))


@EXAMPLES
@given(n_rows=st.integers(1, 12), seed=seeds)
def test_range_max_equals_a_loop_over_every_range(n_rows, seed):
    rows = make_rows(n_rows, seed)
    ranges = ranges_of([[1] * n_rows])
    expected = naive_ranges("max", rows, token_ranges([[1] * n_rows]), ranges)
    assert torch.equal(RangeMax(rows, n_rows)(ranges), expected)


@EXAMPLES
@given(n_rows=st.integers(2, 12), longest=st.integers(1, 6), seed=seeds)
def test_range_max_needs_a_table_for_the_longest_range_only(n_rows, longest, seed):
    rows = make_rows(n_rows, seed)
    ranges = ranges_of([[1] * n_rows])
    ranges = ranges[ranges[:, 1] - ranges[:, 0] <= longest]
    expected = naive_ranges("max", rows, token_ranges([[1] * n_rows]), ranges)
    assert torch.equal(RangeMax(rows, longest)(ranges), expected)


@EXAMPLES
@given(n_rows=st.integers(1, 12), seed=seeds)
def test_sums_equal_a_loop_over_every_range(n_rows, seed):
    rows = make_rows(n_rows, seed)
    ranges = ranges_of([[1] * n_rows])
    expected = naive_ranges("sum", rows, token_ranges([[1] * n_rows]), ranges)
    assert_close(bag_ranges(rows, ranges, "sum"), expected)


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(windows=window_sizes, seed=seeds)
def test_pooler_equals_a_loop_over_every_range(kind, windows, seed):
    tokens, ranges = token_ranges(windows), ranges_of(windows)
    units = make_rows(int(tokens[-1, 1]), seed)
    pooled = make_pooler(kind, units, tokens).ranges(ranges)
    assert_close(pooled, naive_ranges(kind, units, tokens, ranges))


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(windows=window_sizes, seed=seeds)
def test_gradient_of_the_pooler_equals_a_loop(kind, windows, seed):
    tokens, ranges = token_ranges(windows), ranges_of(windows)
    units = make_rows(int(tokens[-1, 1]), seed).requires_grad_()
    incoming = make_rows(len(ranges), seed + 1)

    def gradient(pooled):
        # without units, the zeros of the loop do not depend on the input
        total = (pooled * incoming).sum() + 0 * units.sum()
        return torch.autograd.grad(total, units)[0]

    ours = gradient(make_pooler(kind, units, tokens).ranges(ranges))
    naive = gradient(naive_ranges(kind, units, tokens, ranges))
    assert_close(ours, naive)


@pytest.mark.parametrize("kind", KINDS)
@EXAMPLES
@given(windows=window_sizes, seed=seeds)
def test_row_of_a_width_equals_the_range_that_starts_there(kind, windows, seed):
    tokens = token_ranges(windows)
    pooler = make_pooler(kind, make_rows(int(tokens[-1, 1]), seed), tokens)
    longest = max(len(window) for window in windows)
    for width, rows in enumerate(pooler.widths(longest), start=1):
        ranges = ranges_of(windows)
        ranges = ranges[ranges[:, 1] - ranges[:, 0] == width]
        assert_close(rows[ranges[:, 0]], pooler.ranges(ranges))


@pytest.mark.parametrize("kind", KINDS)
def test_widths_give_one_row_per_token_for_each_width(kind):
    rows = list(make_pooler(kind, UNITS, TOKENS).widths(3))
    assert [r.shape for r in rows] == [(3, 2)] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_ranges_equals_finite_differences(kind):
    windows = [[2, 0, 3], [1, 1]]
    tokens, ranges = token_ranges(windows), ranges_of(windows)
    units = make_rows(7).requires_grad_()
    assert gradcheck(lambda u: make_pooler(kind, u, tokens).ranges(ranges), units)


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_of_widths_equals_finite_differences(kind):
    tokens = token_ranges([[2, 0, 3, 1]])
    units = make_rows(6).requires_grad_()

    def rows_inside(units):
        widths = make_pooler(kind, units, tokens).widths(3)
        return torch.cat([rows[: 4 - i] for i, rows in enumerate(widths)])

    assert gradcheck(rows_inside, units)


@pytest.mark.parametrize("pool", [lambda rows: RangeMax(rows, 4), sums_of])
def test_gradient_of_rows_equals_finite_differences(pool):
    ranges = ranges_of([[1] * 5])
    ranges = ranges[ranges[:, 1] - ranges[:, 0] <= 4]
    assert gradcheck(lambda rows: pool(rows)(ranges), make_rows(5).requires_grad_())


def test_first_of_equal_rows_gets_the_whole_gradient():
    rows = torch.tensor([[1.0, 3.0], [2.0, 3.0], [2.0, 3.0]], requires_grad=True)
    RangeMax(rows, 3)(torch.tensor([[0, 3]])).sum().backward()
    assert rows.grad.tolist() == [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("empty", [(0, 0), (1, 1), (3, 3), (2, 1), (3, 0)])
def test_empty_range_gets_zeros(kind, empty):
    pooled = make_pooler(kind, UNITS, TOKENS).ranges(torch.tensor([empty]))
    assert pooled.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("pool", [lambda rows: RangeMax(rows, 3), sums_of])
@pytest.mark.parametrize("empty", [(0, 0), (3, 3), (2, 1), (3, 0)])
def test_empty_range_of_rows_gets_zeros(pool, empty):
    assert pool(-make_rows(3).abs())(torch.tensor([empty])).tolist() == [[0.0] * WIDTH]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sizes", [[0, 2, 1], [2, 0, 1], [2, 1, 0], [0, 2, 0, 1, 0]])
def test_token_without_units_is_ignored(kind, sizes):
    units = -make_rows(3).abs()
    tokens = token_ranges([sizes])
    pooled = make_pooler(kind, units, tokens).ranges(torch.tensor([[0, len(sizes)]]))
    assert_close(pooled[0], naive_pool(kind, list(units)))


def test_token_without_units_is_ignored_beside_very_low_units():
    units = torch.full((1, 2), -1e30)
    pooler = make_pooler("max", units, token_ranges([[0, 1, 0]]))
    assert torch.equal(pooler.ranges(torch.tensor([[0, 3]])), units)


@pytest.mark.parametrize("kind", KINDS)
def test_span_of_tokens_without_units_gets_zeros(kind):
    tokens = token_ranges([[1, 0, 0, 2]])
    pooler = make_pooler(kind, -make_rows(3).abs(), tokens)
    ranges = torch.tensor([[1, 2], [2, 3], [1, 3]])
    assert pooler.ranges(ranges).tolist() == [[0.0] * WIDTH] * 3


@pytest.mark.parametrize("kind", KINDS)
def test_width_row_of_tokens_without_units_gets_zeros(kind):
    tokens = token_ranges([[1, 0, 0, 2]])
    pooler = make_pooler(kind, -make_rows(3).abs(), tokens)
    single, double = pooler.widths(2)
    assert [single[1].tolist(), double[1].tolist()] == [[0.0] * WIDTH] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_span_without_units_has_no_gradient(kind):
    tokens = token_ranges([[1, 0, 2]])
    units = make_rows(3).requires_grad_()
    make_pooler(kind, units, tokens).ranges(torch.tensor([[1, 2]])).sum().backward()
    assert units.grad.tolist() == [[0.0] * WIDTH] * 3


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("kind", KINDS)
def test_pooler_keeps_the_dtype_of_the_units(kind, dtype):
    units = -make_rows(3).abs().to(dtype)
    pooled = make_pooler(kind, units, token_ranges([[0, 1, 2]])).ranges(
        torch.tensor([[0, 1], [0, 2]])
    )
    assert pooled.dtype == dtype
    assert torch.equal(pooled, torch.stack([torch.zeros_like(units[0]), units[0]]))


def test_sum_of_small_rows_after_a_large_row_is_exact():
    rows = torch.tensor([[1e9], [0.125], [0.25]])
    assert bag_ranges(rows, torch.tensor([[1, 3]]), "sum").tolist() == [[0.375]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_ranges_give_no_rows(kind):
    none = torch.zeros((0, 2), dtype=torch.long)
    assert make_pooler(kind, UNITS, TOKENS).ranges(none).shape == (0, 2)


@pytest.mark.parametrize("pool", [lambda rows: RangeMax(rows, 3), sums_of])
def test_no_ranges_of_rows_give_no_rows(pool):
    assert pool(UNITS)(torch.zeros((0, 2), dtype=torch.long)).shape == (0, 2)


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_get_zeros_if_there_are_no_units(kind):
    pooler = make_pooler(kind, torch.zeros((0, 2)), token_ranges([[0, 0]]))
    ranges = torch.tensor([[0, 1], [0, 2]])
    assert pooler.ranges(ranges).tolist() == [[0.0, 0.0]] * 2
    assert [rows.tolist() for rows in pooler.widths(1)] == [[[0.0, 0.0]] * 2]


@pytest.mark.parametrize("kind", KINDS)
def test_no_tokens_give_no_rows_of_any_width(kind):
    pooler = make_pooler(kind, torch.zeros((0, 2)), torch.zeros((0, 2)).long())
    assert [rows.shape for rows in pooler.widths(2)] == [(0, 2)] * 2


@pytest.mark.parametrize("kind", KINDS)
def test_empty_range_of_no_tokens_gets_zeros(kind):
    pooler = make_pooler(kind, torch.zeros((0, 2)), torch.zeros((0, 2)).long())
    assert pooler.ranges(torch.tensor([[0, 0]])).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("pool", [lambda rows: RangeMax(rows, 1), sums_of])
def test_empty_range_of_no_rows_gets_zeros(pool):
    pooled = pool(torch.zeros((0, 2)))(torch.tensor([[0, 0]]))
    assert pooled.tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(
    ("first", "second", "between"),
    [
        ((0, 2), (4, 5), (2, 4)),  # two tokens between
        ((0, 1), (2, 3), (1, 2)),  # one token between
    ],
)
def test_between_ranges_are_the_tokens_between_two_spans(first, second, between):
    ranges = between_ranges(torch.tensor([first]), torch.tensor([second]))
    assert ranges.tolist() == [list(between)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ((0, 2), (2, 3)),  # adjacent
        ((0, 3), (2, 5)),  # overlapping
        ((0, 5), (1, 2)),  # nested
        ((0, 5), (0, 2)),  # nested, same start
        ((0, 5), (3, 5)),  # nested, same end
        ((1, 3), (1, 3)),  # equal
    ],
)
def test_range_between_adjacent_or_overlapping_spans_is_empty(first, second):
    start, end = between_ranges(torch.tensor([first]), torch.tensor([second]))[0]
    assert end <= start


@EXAMPLES
@given(spans=st.lists(st.tuples(st.integers(0, 6), st.integers(1, 4)), min_size=2))
def test_range_between_is_the_same_for_both_orders_of_a_pair(spans):
    first = torch.tensor([(start, start + width) for start, width in spans])
    second = first.flip(0)
    assert torch.equal(between_ranges(first, second), between_ranges(second, first))


def test_no_pairs_give_no_ranges_between():
    none = torch.zeros((0, 2), dtype=torch.long)
    assert between_ranges(none, none).shape == (0, 2)


class CountFills(TorchDispatchMode):
    """Count the passes that replace values."""

    n_fills = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.n_fills += func.overloadpacket is torch.ops.aten.masked_fill
        return func(*args, **(kwargs or {}))


def test_widths_replace_no_values_if_every_token_has_units():
    units, token_units = torch.randn(4, WIDTH), torch.tensor([[0, 1], [1, 3], [3, 4]])
    pooler = MaxPooler(units, token_units, 3, 2, has_empty=False)
    with CountFills() as counted:
        rows = list(pooler.widths(3))
    assert counted.n_fills == 0
    expected = list(MaxPooler(units, token_units, 3, 2, has_empty=True).widths(3))
    assert torch.equal(torch.stack(rows), torch.stack(expected))
