"""Self-attention over a window, computed once for many masks."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from .checks import check_heads
from .linear import linear


class Projections(NamedTuple):
    """The projections of the unmasked rows, shared by all masks.

    rows, query, key, value (Tensor): The rows of all windows and their three
        projections. Shape of each: (U, D).
    """

    rows: Tensor
    query: Tensor
    key: Tensor
    value: Tensor


class MaskedSelfAttention(nn.Module):
    """Multi-head self-attention over rows, some of them set to zero by a mask.

    Source: ISER, section 3.4. Equation 7: projections. Equation 8: attention, with
    the residual of figure 4, without output projection and LayerNorm. A masked row
    has a zero query, which attends evenly to all keys. It is not a key, although
    equations 7 and 8 do not exclude it. So the projections of the unmasked rows are
    shared by all masks. If all rows are masked, the result is zeros. The scale is
    that of multi-head attention, ``sqrt(D / heads)``; equation 8 has ``sqrt(D)``.
    """

    def __init__(self, width: int, *, n_heads: int):
        """
        width (int): D.
        n_heads (int): Attention heads. D must be divisible by it.
        RAISES (ValueError): J201 if the width is not divisible by the heads.
        """
        super().__init__()
        check_heads(width, n_heads)
        self.n_heads = n_heads
        self.scale = (width // n_heads) ** -0.5
        self.query = linear(width, width, bias=False)
        self.key = linear(width, width, bias=False)
        self.value = linear(width, width, bias=False)

    def project(self, rows: Tensor) -> Projections:
        """RETURNS (Projections): The projections. Shape of rows: (U, D)."""
        return Projections(rows, self.query(rows), self.key(rows), self.value(rows))

    def forward(self, shared: Projections, units: slice, kept: Tensor) -> Tensor:
        """
        shared (Projections): Projections of all windows.
        units (slice): The n rows of one window.
        kept (Tensor): N masks: True for the rows to keep. Shape: (N, n), bool.
        RETURNS (Tensor): Attention plus the masked rows, in the axis order of
            recurrent networks. Shape: (n, N, D).
        """
        value = self._split(shared.value, units)
        # one matrix product per head for all masks
        mixed = self.weights(shared, units, kept).flatten(1, 2) @ value
        mixed = mixed.unflatten(1, kept.shape).permute(2, 1, 0, 3).flatten(2)
        # without keys, the softmax is not defined
        mixed = mixed.masked_fill(~kept.any(1).view(1, -1, 1), 0.0)
        return mixed + shared.rows[units].unsqueeze(1) * kept.T.unsqueeze(2)

    def weights(self, shared: Projections, units: slice, kept: Tensor) -> Tensor:
        """Compute the attention weights. For the arguments, see ``forward``.

        RETURNS (Tensor): Shape: (heads, N, n, n).
        """
        query, key = (self._split(part, units) for part in (shared.query, shared.key))
        # shared by all masks: (heads, n, n). A zero query has the score 0 for every
        # key. Scaled before the product, which could overflow in half precision.
        scores = (query * self.scale) @ key.transpose(1, 2)
        scores = scores.unsqueeze(1) * kept.unsqueeze(2)
        scores = scores.masked_fill(~kept.unsqueeze(1), torch.finfo(scores.dtype).min)
        return scores.softmax(-1)

    def _split(self, rows: Tensor, units: slice) -> Tensor:
        """RETURNS (Tensor): The rows of a window by heads. Shape: (heads, n, D /
        heads)."""
        return rows[units].unflatten(1, (self.n_heads, -1)).transpose(0, 1)

    def floats(self, n_units: int) -> int:
        """RETURNS (int): Floats per mask and unit of a window."""
        return 3 * self.n_heads * n_units
