"""Attention between the tokens of two tasks, and STSN's layer of three units."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import check_heads
from .linear import linear
from .padding import WindowPadding


class AttentionUnit(nn.Module):
    """Apply multi-head attention and a feed-forward network, with residuals.

    Source: STSN, section 3.2.2. Equations 5 and 6: multi-head attention; the bracket
    of equation 5 is interpreted as ``softmax(..) (V W_V)``. Equation 7: feed-forward
    network. A LayerNorm follows each residual. The four projections have no bias,
    the feed-forward network has.
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float):
        """
        width (int): D.
        n_heads (int): Attention heads. D must be divisible by it.
        dropout (float): Rate on the attention weights and on both sub-layers before
            the residual.
        RAISES (ValueError): J201 if the width is not divisible by the heads.
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
        queries (Tensor): Q of all windows. Shape: (N, D).
        keys (Tensor): K and V of the same windows. Shape: (N, D).
        padding (WindowPadding): Padding of these windows, for the attention.
        RETURNS (Tensor): Shape: (N, D).
        """
        # equation 5; the default scale is 1 / sqrt(D / heads)
        mixed = F.scaled_dot_product_attention(
            self._split(padding.pad(self.query(queries))),
            self._split(padding.pad(self.key(keys))),
            self._split(padding.pad(self.value(keys))),
            attn_mask=padding.keys[:, None, None],
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        # equation 6
        mixed = self.project(padding.unpad(mixed.transpose(1, 2).flatten(2)))
        rows = self.attention_norm(queries + self.dropout(mixed))
        # equation 7
        forward = self.outer(self.inner(rows).relu())
        return self.norm(rows + self.dropout(forward))

    def weights(self, queries: Tensor, keys: Tensor, padding: WindowPadding) -> Tensor:
        """Compute the attention weights of ``forward``, which its kernel discards.

        RETURNS (Tensor): Shape: (W, heads, L, L).
        """
        query = self._split(padding.pad(self.query(queries)))
        key = self._split(padding.pad(self.key(keys)))
        scores = (query * query.shape[-1] ** -0.5) @ key.transpose(2, 3)
        lowest = torch.finfo(scores.dtype).min
        return scores.masked_fill(~padding.keys[:, None, None], lowest).softmax(-1)

    def _split(self, rows: Tensor) -> Tensor:
        """(W, L, D) -> (W, heads, L, D / heads)"""
        return rows.unflatten(2, (self.n_heads, -1)).transpose(1, 2)


class LabelAttention(nn.Module):
    """One layer of STSN, with an attention unit for labels, entities and relations.

    Source: STSN, section 3.2.1. Equation 3: entity and relation rows are merged.
    Equation 4: label rows attend to the merged rows, then entity and relation rows
    attend to the new label rows. Information flows between entities and relations
    only through the label rows. `interaction` sets which rows these attend to
    (table 5).
    """

    def __init__(self, width: int, *, n_heads: int, dropout: float, interaction: str):
        """
        width (int): D.
        n_heads (int): Heads of each attention unit.
        dropout (float): Rate inside the attention units.
        interaction (str): Keys and values of the label unit: "full" a projection of
            the entity and relation rows, "ner_to_re" the entity rows, "re_to_ner"
            the relation rows, "none" the label rows themselves.
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
        label, entity, relation (Tensor): The rows of the layer below. Shape of each:
            (N, D).
        padding (WindowPadding): Padding of their windows.
        RETURNS (tuple[Tensor, Tensor, Tensor]): The new rows, in the same order.
        """
        # equation 4
        keys = self._label_keys(label, entity, relation)
        label = self.label(label, keys, padding)
        return (
            label,
            self.entity(entity, label, padding),
            self.relation(relation, label, padding),
        )

    def weights(
        self, label: Tensor, entity: Tensor, relation: Tensor, padding: WindowPadding
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Compute the attention weights of ``forward``.

        RETURNS (tuple[Tensor, Tensor, Tensor]): Those of the label, entity and relation
            unit. Shape of each: (W, heads, L, L).
        """
        keys = self._label_keys(label, entity, relation)
        new_label = self.label(label, keys, padding)
        return (
            self.label.weights(label, keys, padding),
            self.entity.weights(entity, new_label, padding),
            self.relation.weights(relation, new_label, padding),
        )

    def _label_keys(self, label: Tensor, entity: Tensor, relation: Tensor) -> Tensor:
        if self.merge is not None:
            # equation 3
            return self.merge(torch.cat([entity, relation], 1))
        return {"ner_to_re": entity, "re_to_ner": relation}.get(self.interaction, label)
