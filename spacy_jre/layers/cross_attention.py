"""Attention of one query per window over the units of another task."""

import torch
from torch import Tensor, nn

from .checks import check_heads
from .linear import linear


class CrossTaskAttention(nn.Module):
    """Attend from the sentence vector of one task to the units of another task.

    Source: SINET, section 3.2, "Cross-task Attention Mechanism". Equation 2: the
    keys and values are the units of the other task and the query itself. Equation 3:
    multi-head attention and residual. Equation 4: LayerNorm. The output projection
    with bias and both dropouts are from the authors' code. The projections of keys and
    values are applied to the query and to the weighted sum of the units instead, which
    gives the same result with one row per head, not one per unit.
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float, norm: bool):
        """
        width (int): D.
        n_heads (int): Attention heads. D must be divisible by it.
        dropout (float): Rate on the attention weights and after the projection.
        norm (bool): Whether to apply a LayerNorm after the residual.
        RAISES (ValueError): J201 if the width is not divisible by the heads.
        """
        super().__init__()
        check_heads(width, n_heads)
        self.n_heads = n_heads
        self.scale = (width // n_heads) ** -0.5
        self.query = linear(width, width, bias=False)
        self.key = linear(width, width, bias=False)
        self.value = linear(width, width, bias=False)
        self.project = linear(width, width)
        self.attention_dropout = nn.Dropout(dropout)
        self.output_dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(
        self, agents: Tensor, units: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensor]:
        """
        agents (Tensor): The query of each window, one sentence vector. Shape: (W, D).
        units (Tensor): Units of the other task, padded. Shape: (W, L, D).
        mask (Tensor): True for units, False for padding. Shape: (W, L), bool.
        RETURNS (tuple[Tensor, Tensor]): The new vectors, shape: (W, D), and the
            attention weights before dropout, shape: (W, heads, L + 1). The last
            weight is that of the query itself.
        """
        n_windows, width = agents.shape
        # equation 2: the agents are the last key of each window. They are not
        # concatenated with the units, which would copy the units.
        mask = torch.cat([mask, mask.new_ones((n_windows, 1))], 1)
        own = agents.unsqueeze(1)
        # equation 3: (W_K x) . q = x . (W_K^T q), and sum(w W_V x) = W_V sum(w x)
        query = self._split(self.query(agents) * self.scale)
        query = torch.bmm(query, self._split(self.key.weight, 0)).transpose(0, 1)
        scores = torch.cat(
            [query @ units.transpose(1, 2), query @ own.transpose(1, 2)], -1
        )
        scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        kept = self.attention_dropout(weights)
        mixed = kept[..., :-1] @ units + kept[..., -1:] @ own
        value = self._split(self.value.weight, 0)
        mixed = torch.bmm(mixed.transpose(0, 1), value.transpose(1, 2))
        mixed = self.project(mixed.transpose(0, 1).reshape(n_windows, width))
        # equation 4
        return self.norm(self.output_dropout(mixed) + agents), weights

    def _split(self, rows: Tensor, dim: int = 1) -> Tensor:
        """Split a dimension into heads, and make the heads the first dimension."""
        return rows.unflatten(dim, (self.n_heads, -1)).movedim(dim, 0)
