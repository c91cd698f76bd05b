"""Attention of one task's tokens over another one's, and STSN's layer of three."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_heads
from .linear import linear
from .padding import WindowPadding


class AttentionUnit(nn.Module):
    """Multi-head attention, then a position-wise network, each added and normed.

    Source: STSN, section 3.2.2, equations 5-7; the bracket of equation 5 is read as
    ``softmax(..) (V W_V)``. The four projections have no bias, the position-wise
    network has.
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float):
        """
        width (int): D.
        n_heads (int): Attention heads; they divide D.
        dropout (float): Rate on the attention weights and on both sub-layers before
            the residual.
        RAISES (ValueError): J201 if the heads do not divide the width.
        """
        super().__init__()
        check_heads(width, n_heads)
        self.n_heads = n_heads
        self.query = linear(width, width, bias=False)
        self.key = linear(width, width, bias=False)
        self.value = linear(width, width, bias=False)
        self.project = linear(width, width, bias=False)
        self.inner = linear(width, width)
        self.outer = linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, keys: Tensor, padding: WindowPadding) -> Tensor:
        """
        queries (Tensor): Q, flat. Shape: (N, D).
        keys (Tensor): K and V, rows of the same windows. Shape: (N, D).
        padding (WindowPadding): Only the attention itself pads.
        RETURNS (Tensor): Shape: (N, D).
        """
        mixed = F.scaled_dot_product_attention(
            self._split(padding.pad(self.query(queries))),
            self._split(padding.pad(self.key(keys))),
            self._split(padding.pad(self.value(keys))),
            attn_mask=padding.keys[:, None, None],
            dropout_p=self.dropout.p if self.training else 0.0,
        )  # its scale is equation 5's, 1 / sqrt(D / heads)
        mixed = self.project(padding.unpad(mixed.transpose(1, 2).flatten(2)))
        rows = self.attention_norm(queries + self.dropout(mixed))
        ahead = self.outer(self.inner(rows).relu())
        return self.norm(rows + self.dropout(ahead))

    def _split(self, rows: Tensor) -> Tensor:
        """(W, L, D) -> (W, heads, L, D / heads)"""
        return rows.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class LabelAttention(nn.Module):
    """One layer of STSN: labels read entities and relations, then both read labels.

    Source: section 3.2.1, equations 3 and 4. Entities and relations meet in the
    label rows alone; what these read is the layer's `interaction` (table 5).
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float, interaction: str):
        """
        width (int): D.
        n_heads (int): Heads of each unit.
        dropout (float): Rate inside the units.
        interaction (str): What the label unit reads: "full" a projection of the
            entity and relation rows, "ner_to_re" the entity rows, "re_to_ner" the
            relation rows, "none" the label rows themselves.
        """
        super().__init__()
        self.interaction = interaction
        self.merge = linear(2 * width, width) if interaction == "full" else None
        self.label, self.entity, self.relation = (
            AttentionUnit(width, n_heads=n_heads, dropout=dropout) for _ in range(3)
        )

    def forward(
        self, label: Tensor, entity: Tensor, relation: Tensor, padding: WindowPadding
    ) -> tuple[Tensor, Tensor, Tensor]:
        """
        label, entity, relation (Tensor): The rows of the layer below. (N, D) each.
        padding (WindowPadding): Of their windows.
        RETURNS (tuple[Tensor, Tensor, Tensor]): The new rows.
        """
        keys = {"ner_to_re": entity, "re_to_ner": relation}.get(self.interaction, label)
        if self.merge is not None:
            keys = self.merge(torch.cat([entity, relation], 1))
        label = self.label(label, keys, padding)
        return (
            label,
            self.entity(entity, label, padding),
            self.relation(relation, label, padding),
        )
