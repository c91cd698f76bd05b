"""Pool ranges of rows without a mask per range.

Published code builds a dense (spans x units x width) tensor and masks it. Here a
sparse table answers any maximum by two look-ups, and ``embedding_bag`` sums and
averages. A range never leaves its window, so windows lie one after the other in one
flat matrix and nothing is padded.

Source of the sparse table: Bender and Farach-Colton, "The LCA problem revisited"
(2000), section 3.
"""

from collections.abc import Iterator
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class RangeMax:
    """Maximum over ranges of rows, by a sparse table.

    Level k of the table holds the maximum of every 2^k rows; a range of length n is
    the maximum of the two blocks of 2^floor(log2 n) rows at its ends. The blocks may
    overlap, which does not change a maximum.
    """

    def __init__(self, rows: Tensor, longest: int):
        """
        rows (Tensor): Shape: (N, D).
        longest (int): Length of the longest range that will be asked for.
        """
        levels = [rows]
        size = 1
        while size * 2 <= max(longest, 1):
            below = levels[-1]
            # rows that wrap around are in no block of a range inside the matrix
            levels.append(torch.maximum(below, below.roll(-size, 0)))
            size *= 2
        self._count = rows.shape[0]
        self._table = torch.cat(levels) if len(levels) > 1 else rows

    def __call__(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Start and end of each range, end exclusive. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, D). Empty ranges are zeros.
        """
        start, end = ranges[:, 0], ranges[:, 1]
        length = end - start
        if self._count == 0:
            return self._table.new_zeros((ranges.shape[0], self._table.shape[1]))
        empty = length <= 0
        # frexp gives length = m * 2^e with m in [0.5, 1): floor(log2) = e - 1, exact
        level = torch.frexp(length.clamp(min=1).double()).exponent.long() - 1
        block = torch.ones_like(level) << level
        first = level * self._count + torch.where(empty, 0, start)
        last = level * self._count + torch.where(empty, 0, end - block)
        pooled = torch.maximum(
            self._table.index_select(0, first), self._table.index_select(0, last)
        )
        return pooled.masked_fill(empty.unsqueeze(1), 0.0)


def bag_ranges(rows: Tensor, ranges: Tensor, mode: Literal["sum", "mean"]) -> Tensor:
    """Sum or mean over ranges of rows.

    rows (Tensor): Shape: (N, D).
    ranges (Tensor): Start and end, end exclusive. Shape: (Q, 2).
    RETURNS (Tensor): Shape: (Q, D). Empty ranges are zeros.
    """
    lengths = (ranges[:, 1] - ranges[:, 0]).clamp(min=0)
    ends = lengths.cumsum(0)
    starts = ends - lengths
    total = int(ends[-1]) if len(ends) else 0
    index = torch.arange(total, device=rows.device)
    index = index + (ranges[:, 0] - starts).repeat_interleave(lengths)
    # half precision would lose digits of a long sum
    wide = rows if rows.dtype == torch.float64 else rows.float()
    return F.embedding_bag(index, wide, starts, mode=mode).to(rows.dtype)


class RangePooler(Protocol):
    """Give every token range a row."""

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges, end exclusive. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, D). A range without a unit is zeros.
        """


class SpanPooler(RangePooler, Protocol):
    """Pool token ranges of one matrix of units."""

    def widths(self, longest: int) -> Iterator[Tensor]:
        """
        YIELDS (Tensor): For each width 1, 2, ... `longest`: row i pools the tokens
            i to i + width. Shape: (T, D). Rows that leave their window hold
            anything and are not to be looked up.
        """


class MaxPooler:
    """Elementwise maximum over token ranges.

    A token without units is neutral; a range of only such tokens is zeros.
    """

    def __init__(
        self, units: Tensor, token_units: Tensor, longest: int, longest_token: int
    ):
        """
        units (Tensor): Shape: (U, D).
        token_units (Tensor): Unit range of each token. Shape: (T, 2).
        longest (int): Length of the longest token range, in tokens.
        longest_token (int): Length of the longest unit range of a token.
        """
        self._longest = longest
        self._token_units = token_units
        tokens = RangeMax(units, longest_token)(token_units)
        self._empty = (token_units[:, 1] <= token_units[:, 0]).unsqueeze(1)
        # neutral while pooling, zero where nothing else was in the range
        self._lowest = torch.finfo(tokens.dtype).min
        self._tokens = tokens.masked_fill(self._empty, self._lowest)
        self._table: RangeMax | None = None

    def ranges(self, ranges: Tensor) -> Tensor:
        if self._table is None:
            self._table = RangeMax(self._tokens, self._longest)
        return self._zero_unfilled(self._table(ranges))

    def widths(self, longest: int) -> Iterator[Tensor]:
        rows = self._tokens
        for width in range(1, longest + 1):
            if width > 1:
                # max over w tokens = max of (max over w - 1 tokens, the last token)
                rows = torch.maximum(rows, self._tokens.roll(1 - width, 0))
            yield self._zero_unfilled(rows)

    def _zero_unfilled(self, pooled: Tensor) -> Tensor:
        return pooled.masked_fill(pooled == self._lowest, 0.0)


class SumPooler:
    """Sum over the units of token ranges."""

    mode: Literal["sum", "mean"] = "sum"

    def __init__(self, units: Tensor, token_units: Tensor):
        """
        units (Tensor): Shape: (U, D).
        token_units (Tensor): Unit range of each token, in rising order. Shape: (T, 2).
        """
        self._units = units
        self._token_units = token_units

    def ranges(self, ranges: Tensor) -> Tensor:
        of_units = unit_ranges(ranges, self._token_units)
        return bag_ranges(self._units, of_units, self.mode)

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
    """From ranges of tokens to ranges of their units.

    ranges (Tensor): Token ranges, end exclusive. Shape: (Q, 2).
    token_units (Tensor): Unit range of each token, in rising order. Shape: (T, 2).
    RETURNS (Tensor): Empty where the token range is. Shape: (Q, 2).
    """
    if token_units.shape[0] == 0:
        return torch.zeros_like(ranges)
    start, end = ranges[:, 0], ranges[:, 1]
    filled = end > start
    first = token_units[torch.where(filled, start, 0), 0]
    last = token_units[torch.where(filled, end - 1, 0), 1]
    return torch.stack([first, torch.where(filled, last, first)], 1)


def between_ranges(first: Tensor, second: Tensor) -> Tensor:
    """The tokens strictly between two spans.

    first, second (Tensor): Token ranges of the spans. Shape: (P, 2).
    RETURNS (Tensor): Shape: (P, 2). Empty (end <= start) where the spans touch or
        overlap. Both orders of a pair give the same range.
    """
    return torch.stack(
        [
            torch.minimum(first[:, 1], second[:, 1]),
            torch.maximum(first[:, 0], second[:, 0]),
        ],
        1,
    )
