"""Token rows, and spans represented by their first and last token."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .ranges import SpanPooler


def token_rows(units: Tensor, token_units: Tensor, *, last: bool = False) -> Tensor:
    """Look up the first or the last unit of each token.

    units (Tensor): Shape: (U, D).
    token_units (Tensor): Unit range of each token. Shape: (T, 2).
    last (bool): Whether to look up the last unit.
    RETURNS (Tensor): Zeros for a token without a unit. Shape: (T, D).
    """
    start, end = token_units.unbind(1)
    with_zeros = torch.cat([units, units.new_zeros((1, units.shape[1]))])
    row = end - 1 if last else start
    return with_zeros[torch.where(end > start, row, units.shape[0])]


class BoundaryPooler:
    """Represent a span by its first and its last token: ``[h_start; h_end]``.

    Source: STSN, equation 11, without the width, which ``SpanPairHeads`` adds. The
    result is twice as wide as the token rows.
    """

    def __init__(self, starts: Tensor, ends: Tensor):
        """starts, ends (Tensor): The rows of the tokens as first and as last token of a
        span. Shape of each: (T, D)."""
        self._starts = starts
        self._ends = ends

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges, end exclusive, not empty. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, 2D).
        """
        rows = self._starts[ranges[:, 0]], self._ends[ranges[:, 1] - 1]
        return torch.cat(rows, 1)

    def widths(self, longest: int) -> Iterator[Tensor]:
        """YIELDS (Tensor): See ``SpanPooler.widths``. Shape: (T, 2D)."""
        for width in range(1, longest + 1):
            yield torch.cat([self._starts, self._ends.roll(1 - width, 0)], 1)


class WithBoundaries:
    """Add the first and the last token of a span to its pooled vector.

    The result is ``[pooled; h_start; h_end]``.
    """

    def __init__(self, pooler: SpanPooler, boundaries: BoundaryPooler):
        self._pooler = pooler
        self._boundaries = boundaries

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges, end exclusive, not empty. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, 3D).
        """
        parts = self._pooler.ranges(ranges), self._boundaries.ranges(ranges)
        return torch.cat(parts, 1)

    def widths(self, longest: int) -> Iterator[Tensor]:
        """YIELDS (Tensor): See ``SpanPooler.widths``. Shape: (T, 3D)."""
        for parts in zip(
            self._pooler.widths(longest), self._boundaries.widths(longest), strict=True
        ):
            yield torch.cat(parts, 1)
