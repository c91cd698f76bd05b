"""Run an LSTM over the rows of each window."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from .padding import WindowPadding, window_ids

WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def run_windows(
    network: nn.LSTM,
    rows: Tensor,
    counts: Tensor,
    host_counts: Sequence[int] | None = None,
) -> Tensor:
    """Run a bidirectional LSTM with one layer over each window.

    ``pack_padded_sequence`` would do this, but it refuses windows without rows, and its
    backprop is slow on the CPU.

    rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
    counts (Tensor): Rows per window. Shape: (W,).
    host_counts (Sequence[int] | None): The same numbers on the host. None: they are
        copied from the device, which synchronizes with a GPU.
    RETURNS (Tensor): The outputs in the same order. Shape: (N, outputs).
    """
    total = rows.shape[0]
    if total == 0:
        return rows.new_zeros((0, 2 * network.hidden_size))
    windows = window_ids(counts, total)
    starts = counts.cumsum(0) - counts
    positions = torch.arange(total, device=rows.device) - starts[windows]
    # torch requires the batch sizes on the host
    lengths = torch.tensor(counts.tolist() if host_counts is None else host_counts)
    if torch.is_grad_enabled() and rows.device.type == "cpu":
        # reverses each window
        backward = (starts + counts)[windows] - 1 - positions
        padding = WindowPadding(counts, int(lengths.max()), total)
        return _run_padded(network, rows, backward, padding)
    # packed order: all first rows, all second rows, ..., longer windows first
    ranks = torch.argsort(torch.argsort(counts, descending=True, stable=True))
    order = torch.argsort(positions * counts.shape[0] + ranks[windows])
    # the windows with more than 0, 1, 2 ... rows
    sizes = (lengths > torch.arange(int(lengths.max())).unsqueeze(1)).sum(1)
    packed = PackedSequence(rows[order], sizes)
    return network(packed)[0].data[torch.argsort(order)]


def _run_padded(
    network: nn.LSTM, rows: Tensor, backward: Tensor, padding: WindowPadding
) -> Tensor:
    """Run both directions over a padded batch.

    torch runs a padded batch in one call of oneDNN, but a packed one step by step, and
    backprop of the latter takes twice the time. The reverse direction reads reversed
    windows, so that the padding is after the rows, where it has no effect.

    backward (Tensor): The rows of each window in reverse order. Shape: (N,).
    padding (WindowPadding): Padding of the windows.
    """
    state = rows.new_zeros((1, padding.mask.shape[0], network.hidden_size))
    outputs = []
    for direction, inputs in (("l0", rows), ("l0_reverse", rows[backward])):
        weights = [getattr(network, f"{name}_{direction}") for name in WEIGHTS]
        # with biases, one layer, no dropout, training, one direction, windows first
        output, *_ = torch.lstm(
            padding.pad(inputs),
            (state, state),
            weights,
            True,
            1,
            0.0,
            True,
            False,
            True,
        )
        outputs.append(padding.unpad(output))
    forward, reversed_rows = outputs
    return torch.cat([forward, reversed_rows[backward]], 1)
