"""Token rows, and spans represented by their first and last token."""

from collections.abc import Iterator

import torch
from torch import Tensor


def token_rows(units: Tensor, token_units: Tensor) -> Tensor:
    """Look up one row per token, where a token has at most one unit.

    units (Tensor): Shape: (U, D).
    token_units (Tensor): Unit range of each token. Shape: (T, 2).
    RETURNS (Tensor): Zeros for a token without a unit. Shape: (T, D).
    """
    start, end = token_units.unbind(1)
    with_zeros = torch.cat([units, units.new_zeros((1, units.shape[1]))])
    return with_zeros[torch.where(end > start, start, units.shape[0])]


class BoundaryPooler:
    """Represent a span by its first and its last token: ``[h_start; h_end]``.

    Source: STSN, equation 11, without the width, which ``SpanPairHeads`` adds. The
    result is twice as wide as the token rows.
    """

    def __init__(self, tokens: Tensor):
        """tokens (Tensor): Shape: (T, D)."""
        self._tokens = tokens

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges, end exclusive, not empty. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, 2D).
        """
        ends = self._tokens[ranges[:, 0]], self._tokens[ranges[:, 1] - 1]
        return torch.cat(ends, 1)

    def widths(self, longest: int) -> Iterator[Tensor]:
        """YIELDS (Tensor): See ``SpanPooler.widths``. Shape: (T, 2D)."""
        for width in range(1, longest + 1):
            yield torch.cat([self._tokens, self._tokens.roll(1 - width, 0)], 1)
