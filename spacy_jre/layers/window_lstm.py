"""Run an LSTM over the rows of each window."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .padding import window_ids


def run_windows(
    network: nn.LSTM,
    rows: Tensor,
    counts: Tensor,
    host_counts: Sequence[int] | None = None,
) -> Tensor:
    """Run a bidirectional LSTM over each window, without padding.

    ``pack_padded_sequence`` would do this, but it refuses windows without rows.

    rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
    counts (Tensor): Rows per window. Shape: (W,).
    host_counts (Sequence[int] | None): The same numbers on the host. None: they are
        copied from the device, which synchronizes with a GPU.
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
    # rows
    lengths = torch.tensor(counts.tolist() if host_counts is None else host_counts)
    sizes = (lengths > torch.arange(int(lengths.max())).unsqueeze(1)).sum(1)
    packed = PackedSequence(rows[order], sizes)
    return network(packed)[0].data[torch.argsort(order)]
