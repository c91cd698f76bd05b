"""Self-attention of a window that is read many times, each time partly masked."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .checks import check_heads
from .linear import linear


class Projections(NamedTuple):
    """What all reads share.

    rows, query, key, value (Tensor): The rows of all windows and their three linear
        maps. Shape of each: (U, D).
    """

    rows: Tensor
    query: Tensor
    key: Tensor
    value: Tensor


class MaskedSelfAttention(nn.Module):
    """Multi-head self-attention over rows of which some are set to zero.

    Source: ISER, section 3.4, equations 7 and 8, with the residual of figure 4; no
    output projection and no LayerNorm. A row that is zero has a zero query, which
    spreads evenly over the keys, and is no key itself; so the projections of the
    unmasked rows serve every mask. Without any key the attention gives zeros.
    """

    def __init__(self, width: int, *, n_heads: int):
        """
        width (int): D.
        n_heads (int): Attention heads; they divide D.
        RAISES (ValueError): J201 if the heads do not divide the width.
        """
        super().__init__()
        check_heads(width, n_heads)
        self.n_heads = n_heads
        self.scale = (width // n_heads) ** -0.5
        self.query = linear(width, width, bias=False)
        self.key = linear(width, width, bias=False)
        self.value = linear(width, width, bias=False)

    def project(self, rows: Tensor) -> Projections:
        """RETURNS (Projections): Of the unmasked rows. Shape of rows: (U, D)."""
        return Projections(rows, self.query(rows), self.key(rows), self.value(rows))

    def forward(self, shared: Projections, units: slice, kept: Tensor) -> Tensor:
        """
        shared (Projections): Of all windows.
        units (slice): The n rows of one window.
        kept (Tensor): Which of them each of N reads keeps. Shape: (N, n), bool.
        RETURNS (Tensor): Attention plus the masked rows, position before read, as a
            recurrent network takes them. Shape: (n, N, D).
        """
        query, key, value = (
            part[units].unflatten(1, (self.n_heads, -1)).transpose(0, 1)
            for part in (shared.query, shared.key, shared.value)
        )
        # for all reads, (heads, n, n); a zero query has the score 0 for every key.
        # Scaled before the product, which half precision might not hold
        scores = (query * self.scale) @ key.transpose(1, 2)
        scores = scores.unsqueeze(1) * kept.unsqueeze(2)
        scores = scores.masked_fill(~kept.unsqueeze(1), torch.finfo(scores.dtype).min)
        # one matrix product per head for all reads
        mixed = scores.softmax(-1).flatten(1, 2) @ value
        mixed = mixed.unflatten(1, kept.shape).permute(2, 1, 0, 3).flatten(2)
        # no key at all: the softmax was over nothing
        mixed = mixed.masked_fill(~kept.any(1).view(1, -1, 1), 0.0)
        return mixed + shared.rows[units].unsqueeze(1) * kept.T.unsqueeze(2)

    def floats(self, n_units: int) -> int:
        """RETURNS (int): Numbers that one read keeps for each unit of a window."""
        return 3 * self.n_heads * n_units
