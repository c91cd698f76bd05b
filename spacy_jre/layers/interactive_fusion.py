"""Cross attention between two views of the same units, fused to one."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .padding import WindowPadding
from .window_lstm import run_windows


class FusedUnits(NamedTuple):
    """
    rows (Tensor): H. Shape: (U, D).
    relation_to_entity, entity_to_relation (Tensor): The attention weights of
        equations 3 and 4: from relation rows to entity rows, and from entity rows to
        relation rows. Zeros for padded keys. Shape of each: (W, queries, keys).
    """

    rows: Tensor
    relation_to_entity: Tensor
    entity_to_relation: Tensor


class InteractiveFusion(nn.Module):
    """Apply cross attention in both directions, then a BiLSTM over both results.

    Source: ISER, section 3.3. Equations 3 and 4: cross attention without
    projections, with the scale ``sqrt(D)``. Equation 5: a BiLSTM with D / 2 per
    direction. (Contribution 2 of the paper says BiGRU; section 3.3 and equation 5
    say BiLSTM.)
    """

    def __init__(self, width: int):
        """width (int): D, even."""
        super().__init__()
        self.scale = width**-0.5
        self.lstm = nn.LSTM(2 * width, width // 2, bidirectional=True)

    def forward(
        self,
        entity: Tensor,
        relation: Tensor,
        unit_counts: Tensor,
        longest: int,
        host_counts: Sequence[int] | None = None,
    ) -> FusedUnits:
        """
        entity, relation (Tensor): X_e and X_r. Shape of each: (U, D).
        unit_counts (Tensor): Units per window. Shape: (W,).
        longest (int): The largest count.
        host_counts (Sequence[int] | None): See ``run_windows``.
        RETURNS (FusedUnits): H and the attention weights.
        """
        padding = WindowPadding(unit_counts, longest, entity.shape[0])
        entity, relation = padding.pad(entity), padding.pad(relation)
        # scaled before the product, which could overflow in half precision
        scores = (relation * self.scale) @ entity.transpose(1, 2)
        # equation 4 uses the transposed scores of equation 3
        weights = [
            part.masked_fill(
                ~padding.keys.unsqueeze(1), torch.finfo(part.dtype).min
            ).softmax(-1)
            for part in (scores, scores.transpose(1, 2))
        ]
        rows = torch.cat(
            [
                padding.unpad(weights[0] @ entity),
                padding.unpad(weights[1] @ relation),
            ],
            1,
        )
        # equation 5
        rows = run_windows(self.lstm, rows, unit_counts, host_counts)
        return FusedUnits(rows, *weights)
