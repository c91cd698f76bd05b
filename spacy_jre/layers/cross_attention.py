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
    with bias and both dropouts are from the authors' code.
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
        # equation 2
        keys = torch.cat([units, agents.unsqueeze(1)], 1)
        mask = torch.cat([mask, mask.new_ones((n_windows, 1))], 1)
        # equation 3
        query = self._split(self.query(agents).unsqueeze(1))
        key, value = self._split(self.key(keys)), self._split(self.value(keys))
        scores = (query @ key.transpose(2, 3)).squeeze(2) * self.scale
        scores = scores.masked_fill(~mask.unsqueeze(1), torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        mixed = self.attention_dropout(weights).unsqueeze(2) @ value
        mixed = self.project(mixed.reshape(n_windows, width))
        # equation 4
        return self.norm(self.output_dropout(mixed) + agents), weights

    def _split(self, rows: Tensor) -> Tensor:
        """(W, L, D) -> (W, heads, L, D / heads)"""
        n_windows, length, width = rows.shape
        heads = (n_windows, length, self.n_heads, width // self.n_heads)
        return rows.reshape(heads).transpose(1, 2)
