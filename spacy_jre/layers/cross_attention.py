"""Cross-task attention of one query per window over the units of the other task."""

import torch
from torch import Tensor, nn

from .checks import check_heads


class CrossTaskAttention(nn.Module):
    """Let the sentence vector of one task read the units of another one.

    Source: SINET, section 3.2.2, equations 2-4; output projection with bias and
    both dropouts as in the authors' code. Keys and values are the other task's
    units and the query's own vector.
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float, norm: bool):
        """
        width (int): D.
        n_heads (int): Attention heads; they divide D.
        dropout (float): Rate on the attention weights and after the projection.
        norm (bool): Whether a LayerNorm follows the residual.
        RAISES (ValueError): J201 if the heads do not divide the width.
        """
        super().__init__()
        check_heads(width, n_heads)
        self.n_heads = n_heads
        self.scale = (width // n_heads) ** -0.5
        self.query = _linear(width, bias=False)
        self.key = _linear(width, bias=False)
        self.value = _linear(width, bias=False)
        self.project = _linear(width, bias=True)
        self.attention_dropout = nn.Dropout(dropout)
        self.output_dropout = nn.Dropout(dropout)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(
        self, own: Tensor, units: Tensor, real: Tensor
    ) -> tuple[Tensor, Tensor]:
        """
        own (Tensor): The query of each window. Shape: (W, D).
        units (Tensor): Units of the other task, padded. Shape: (W, L, D).
        real (Tensor): Which units are no padding. Shape: (W, L), bool.
        RETURNS (tuple[Tensor, Tensor]): The new vectors, shape: (W, D), and the
            attention weights before dropout, the query's own key last, shape: (W,
            heads, L + 1).
        """
        n_windows, width = own.shape
        keys = torch.cat([units, own.unsqueeze(1)], 1)
        real = torch.cat([real, real.new_ones((n_windows, 1))], 1)
        query = self._split(self.query(own).unsqueeze(1))
        key, value = self._split(self.key(keys)), self._split(self.value(keys))
        scores = (query @ key.transpose(2, 3)).squeeze(2) * self.scale
        scores = scores.masked_fill(~real.unsqueeze(1), torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        mixed = self.attention_dropout(weights).unsqueeze(2) @ value
        mixed = self.project(mixed.reshape(n_windows, width))
        return self.norm(self.output_dropout(mixed) + own), weights

    def _split(self, rows: Tensor) -> Tensor:
        """(W, L, D) -> (W, heads, L, D / heads)"""
        n_windows, length, width = rows.shape
        heads = (n_windows, length, self.n_heads, width // self.n_heads)
        return rows.reshape(heads).transpose(1, 2)


def _linear(width: int, *, bias: bool) -> nn.Linear:
    layer = nn.Linear(width, width, bias=bias)
    nn.init.normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer
