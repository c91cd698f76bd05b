"""Cross attention between two views of the same units, fused to one."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .padding import WindowPadding, window_ids


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
        self, entity: Tensor, relation: Tensor, unit_counts: Tensor, longest: int
    ) -> FusedUnits:
        """
        entity, relation (Tensor): X_e and X_r. Shape of each: (U, D).
        unit_counts (Tensor): Units per window. Shape: (W,).
        longest (int): The largest count.
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
        return FusedUnits(run_windows(self.lstm, rows, unit_counts), *weights)


def run_windows(network: nn.LSTM, rows: Tensor, counts: Tensor) -> Tensor:
    """Run a recurrent network over each window, without padding.

    ``pack_padded_sequence`` would do this, but it refuses windows without rows.

    rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
    counts (Tensor): Rows per window. Shape: (W,).
    RETURNS (Tensor): The outputs in the same order. Shape: (N, outputs).
    """
    total = rows.shape[0]
    windows = window_ids(counts, total)
    starts = counts.cumsum(0) - counts
    positions = torch.arange(total, device=rows.device) - starts[windows]
    if total == 0:
        return rows.new_zeros((0, 2 * network.hidden_size))
    # packed order: all first rows, all second rows, ..., longer windows first
    ranks = torch.argsort(torch.argsort(counts, descending=True, stable=True))
    order = torch.argsort(positions * counts.shape[0] + ranks[windows])
    # torch requires the batch sizes on the host: the windows with more than 0, 1, 2 ...
    # rows. This synchronizes with the GPU.
    lengths = torch.tensor(counts.tolist())
    sizes = (lengths > torch.arange(int(lengths.max())).unsqueeze(1)).sum(1)
    packed = PackedSequence(rows[order], sizes)
    return network(packed)[0].data[torch.argsort(order)]
