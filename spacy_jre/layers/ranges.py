"""Pool ranges of rows without a mask per range.

SpERT's code builds a dense tensor (spans x units x width) and masks it. Here, a sparse
table returns the maximum of any range with two look-ups, and ``embedding_bag`` computes
sums and means. A range never crosses the boundary of its window, so the windows follow
each other in one flat matrix without padding.

Source of the sparse table: Bender and Farach-Colton, "The LCA problem revisited"
(2000), section 3.
"""

from collections.abc import Iterator
from typing import Any, Literal, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor


class _Maximum(torch.autograd.Function):
    """Elementwise maximum of two tensors with equal shapes.

    For equal elements, the first one gets the gradient, where ``torch.maximum`` gives
    half of it to each. The sum is the same if both are the same element of two
    overlapping blocks. On the CPU, the backward pass takes about a tenth of the time,
    because it has no branches.
    """

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        ctx.save_for_backward(first >= second)
        return torch.maximum(first, second)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        (is_first,) = ctx.saved_tensors
        of_first = grad * is_first
        return of_first, grad - of_first


def maximum(first: Tensor, second: Tensor) -> Tensor:
    """Elementwise maximum with a fast backward pass.

    first, second (Tensor): Shape: (N, D).
    RETURNS (Tensor): Shape: (N, D).
    """
    if torch.is_grad_enabled():
        return cast(Tensor, _Maximum.apply(first, second))
    # the prediction does not need the comparison
    return torch.maximum(first, second)


class RangeMax:
    """Maximum over ranges of rows, with a sparse table.

    Level k of the table has the maximum of every 2^k adjacent rows, one row for each
    start, so it has N + 1 - 2^k rows. The levels follow each other. The maximum
    of a range of n rows is that of the two blocks of 2^floor(log2 n) rows at its
    start and end. The blocks may overlap, which does not change a maximum.
    """

    def __init__(self, rows: Tensor, longest: int):
        """
        rows (Tensor): Shape: (N, D).
        longest (int): Length of the longest range.
        """
        levels = [rows]
        size = 1
        while size * 2 <= min(longest, rows.shape[0]):
            below = levels[-1]
            levels.append(maximum(below[:-size], below[size:]))
            size *= 2
        self._count = rows.shape[0]
        self._table = torch.cat(levels) if len(levels) > 1 else rows

    def __call__(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Start and end of each range, end exclusive. Shape: (Q, 2).
        RETURNS (Tensor): Zeros for an empty range. Shape: (Q, D).
        """
        start, end = ranges[:, 0], ranges[:, 1]
        length = end - start
        if self._count == 0:
            return self._table.new_zeros((ranges.shape[0], self._table.shape[1]))
        empty = length <= 0
        # frexp: length = m * 2^e with m in [0.5, 1), so floor(log2) = e - 1 exactly
        level = torch.frexp(length.clamp(min=1).double()).exponent.long() - 1
        block = torch.ones_like(level) << level
        # the rows of the lower levels: N, N - 1, N - 3, ...
        offset = level * (self._count + 1) - block + 1
        first = offset + torch.where(empty, 0, start)
        last = offset + torch.where(empty, 0, end - block)
        pooled = maximum(
            self._table.index_select(0, first), self._table.index_select(0, last)
        )
        return pooled.masked_fill(empty.unsqueeze(1), 0.0)


def bag_ranges(rows: Tensor, ranges: Tensor, mode: Literal["sum", "mean"]) -> Tensor:
    """Sum or mean over ranges of rows.

    rows (Tensor): Shape: (N, D).
    ranges (Tensor): Start and end, end exclusive. Shape: (Q, 2).
    mode (str): "sum" or "mean".
    RETURNS (Tensor): Zeros for an empty range. Shape: (Q, D).
    """
    lengths = (ranges[:, 1] - ranges[:, 0]).clamp(min=0)
    ends = lengths.cumsum(0)
    starts = ends - lengths
    total = int(ends[-1]) if len(ends) else 0
    index = torch.arange(total, device=rows.device)
    index = index + (ranges[:, 0] - starts).repeat_interleave(lengths)
    # a long sum loses precision in half precision
    wide = rows if rows.dtype == torch.float64 else rows.float()
    return F.embedding_bag(index, wide, starts, mode=mode).to(rows.dtype)


class RangePooler(Protocol):
    """Map every token range to one row."""

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges, end exclusive. Shape: (Q, 2).
        RETURNS (Tensor): Zeros for a range without units. Shape: (Q, D).
        """


class SpanPooler(RangePooler, Protocol):
    """Pool token ranges over one matrix of units."""

    def widths(self, longest: int) -> Iterator[Tensor]:
        """
        YIELDS (Tensor): For each width 1, 2, ... `longest`: row i pools the tokens
            i to i + width. Shape: (T, D). Rows of ranges that cross the boundary of
            their window are not defined.
        """


class MaxPooler:
    """Elementwise maximum over token ranges.

    A token without units is ignored. A range of only such tokens gets zeros.
    """

    def __init__(
        self,
        units: Tensor,
        token_units: Tensor,
        longest: int,
        longest_token: int,
        has_empty: bool = True,
    ):
        """
        units (Tensor): Shape: (U, D).
        token_units (Tensor): Unit range of each token. Shape: (T, 2).
        longest (int): Length of the longest token range, in tokens.
        longest_token (int): Length of the longest unit range of a token.
        has_empty (bool): Whether a token can be without units. The host knows this, so
            that there is neither a pass over all rows nor a synchronization with the
            GPU to find out.
        """
        self._longest = longest
        self._has_empty = has_empty
        self._tokens = RangeMax(units, longest_token)(token_units)
        # the lowest value is neutral in a maximum; it is replaced by zero at the end
        self._lowest = torch.finfo(units.dtype).min
        if has_empty:
            empty = (token_units[:, 1] <= token_units[:, 0]).unsqueeze(1)
            self._tokens = self._tokens.masked_fill(empty, self._lowest)
        self._table: RangeMax | None = None

    def ranges(self, ranges: Tensor) -> Tensor:
        if self._table is None:
            self._table = RangeMax(self._tokens, self._longest)
        return self._fill_empty(self._table(ranges))

    def widths(self, longest: int) -> Iterator[Tensor]:
        rows = self._tokens
        for width in range(1, longest + 1):
            if width > 1:
                # max over w tokens = max of (max over w - 1 tokens, the last token)
                rows = maximum(rows, self._tokens.roll(1 - width, 0))
            yield self._fill_empty(rows)

    def _fill_empty(self, pooled: Tensor) -> Tensor:
        if not self._has_empty:
            return pooled
        return pooled.masked_fill(pooled == self._lowest, 0.0)


class SumPooler:
    """Sum over the units of token ranges."""

    mode: Literal["sum", "mean"] = "sum"

    def __init__(self, units: Tensor, token_units: Tensor):
        """
        units (Tensor): Shape: (U, D).
        token_units (Tensor): Unit range of each token, in ascending order. Shape:
            (T, 2).
        """
        self._units = units
        self._token_units = token_units

    def ranges(self, ranges: Tensor) -> Tensor:
        units = unit_ranges(ranges, self._token_units)
        return bag_ranges(self._units, units, self.mode)

    def widths(self, longest: int) -> Iterator[Tensor]:
        count = self._token_units.shape[0]
        starts = torch.arange(count, device=self._token_units.device)
        for width in range(1, longest + 1):
            ends = (starts + width).clamp(max=count)
            yield self.ranges(torch.stack([starts, ends], 1))


class MeanPooler(SumPooler):
    """Mean over the units of token ranges (not over the tokens)."""

    mode = "mean"


def unit_ranges(ranges: Tensor, token_units: Tensor) -> Tensor:
    """Convert token ranges to unit ranges.

    ranges (Tensor): Token ranges, end exclusive. Shape: (Q, 2).
    token_units (Tensor): Unit range of each token, in ascending order. Shape: (T, 2).
    RETURNS (Tensor): Empty for an empty token range. Shape: (Q, 2).
    """
    if token_units.shape[0] == 0:
        return torch.zeros_like(ranges)
    start, end = ranges[:, 0], ranges[:, 1]
    filled = end > start
    first = token_units[torch.where(filled, start, 0), 0]
    last = token_units[torch.where(filled, end - 1, 0), 1]
    return torch.stack([first, torch.where(filled, last, first)], 1)


def between_ranges(first: Tensor, second: Tensor) -> Tensor:
    """Return the range of the tokens between two spans.

    first, second (Tensor): Token ranges of the spans. Shape: (P, 2).
    RETURNS (Tensor): Empty (end <= start) if the spans are adjacent or overlap. The
        same for both orders of a pair. Shape: (P, 2).
    """
    return torch.stack(
        [
            torch.minimum(first[:, 1], second[:, 1]),
            torch.maximum(first[:, 0], second[:, 0]),
        ],
        1,
    )
