"""Convert between one flat matrix of rows and a padded batch of windows."""

import math

import torch
from torch import Tensor


class WindowPadding:
    """Pad matrices of rows that share the same windows, and undo it.

    mask (Tensor): True for rows, False for padding. Shape: (W, L), bool.
    keys (Tensor): The keys of an attention: `mask`, and the first row, zeros, of a
        window without rows, because a softmax without keys is not defined. Shape:
        (W, L), bool.
    """

    def __init__(self, counts: Tensor, longest: int, total: int):
        """
        counts (Tensor): Rows per window. Shape: (W,).
        longest (int): At least the largest count.
        total (int): The sum of the counts.
        """
        self._shape = counts.shape[0], max(longest, 1)
        windows = window_ids(counts, total)
        starts = counts.cumsum(0) - counts
        positions = torch.arange(total, device=counts.device) - starts[windows]
        self._index = windows * self._shape[1] + positions
        columns = torch.arange(self._shape[1], device=counts.device)
        self.mask = columns < counts.unsqueeze(1)
        self.keys = columns < counts.clamp(min=1).unsqueeze(1)

    def pad(self, rows: Tensor) -> Tensor:
        """
        rows (Tensor): Rows of all windows, one window after the other. Shape: (N,
            D).
        RETURNS (Tensor): The padded batch, with zeros as padding. Shape: (W, L, D).
        """
        width = rows.shape[1]
        batch = rows.new_zeros((math.prod(self._shape), width))
        return batch.index_copy(0, self._index, rows).view(*self._shape, width)

    def unpad(self, batch: Tensor) -> Tensor:
        """
        batch (Tensor): Shape: (W, L, D).
        RETURNS (Tensor): The rows without padding. Shape: (N, D).
        """
        return batch.flatten(0, 1)[self._index]


def window_ids(counts: Tensor, total: int) -> Tensor:
    """Return the window of each row.

    counts (Tensor): Rows per window. Shape: (W,).
    total (int): The sum of the counts, passed to avoid a synchronization with the
        GPU.
    RETURNS (Tensor): Shape: (total,).
    """
    windows = torch.arange(counts.shape[0], device=counts.device)
    return torch.repeat_interleave(windows, counts, output_size=total)


def window_means(rows: Tensor, counts: Tensor) -> Tensor:
    """Average the rows of each window. A window without rows gets zeros.

    rows (Tensor): Shape: (N, D).
    counts (Tensor): Shape: (W,).
    RETURNS (Tensor): Shape: (W, D).
    """
    ids = window_ids(counts, rows.shape[0])
    sums = rows.new_zeros((counts.shape[0], rows.shape[1])).index_add(0, ids, rows)
    return sums / counts.clamp(min=1).unsqueeze(1).to(rows.dtype)
