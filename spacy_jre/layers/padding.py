"""Between one flat matrix of rows and a padded batch of windows."""

import math

import torch
from torch import Tensor


def pad_windows(rows: Tensor, counts: Tensor, longest: int) -> tuple[Tensor, Tensor]:
    """Lay the rows of each window into a padded batch.

    rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
    counts (Tensor): Rows per window. Shape: (W,).
    longest (int): The largest count.
    RETURNS (tuple[Tensor, Tensor]): The batch, zeros where padded, shape: (W,
        longest, D); and where a row is real, shape: (W, longest), bool.
    """
    real = torch.arange(longest, device=rows.device) < counts.unsqueeze(1)
    batch = rows.new_zeros((counts.shape[0], longest, rows.shape[1]))
    return batch.masked_scatter(real.unsqueeze(2), rows), real


class WindowPadding:
    """One index for laying many matrices of rows into padded windows and back.

    keys (Tensor): What attention may look at: the real rows; and the first, zeros,
        of a window without rows, since a softmax over nothing is not a number.
        Shape: (W, L), bool.
    """

    def __init__(self, counts: Tensor, longest: int, total: int):
        """
        counts (Tensor): Rows per window. Shape: (W,).
        longest (int): At least the largest count.
        total (int): Their sum.
        """
        self._shape = counts.shape[0], max(longest, 1)
        windows = window_ids(counts, total)
        starts = counts.cumsum(0) - counts
        places = torch.arange(total, device=counts.device) - starts[windows]
        self._slots = windows * self._shape[1] + places
        positions = torch.arange(self._shape[1], device=counts.device)
        self.keys = positions < counts.clamp(min=1).unsqueeze(1)

    def pad(self, rows: Tensor) -> Tensor:
        """
        rows (Tensor): Rows of all windows. Shape: (N, D).
        RETURNS (Tensor): Zeros where padded. Shape: (W, L, D).
        """
        width = rows.shape[1]
        batch = rows.new_zeros((math.prod(self._shape), width))
        return batch.index_copy(0, self._slots, rows).view(*self._shape, width)

    def unpad(self, batch: Tensor) -> Tensor:
        """
        batch (Tensor): Shape: (W, L, D).
        RETURNS (Tensor): The real rows. Shape: (N, D).
        """
        return batch.flatten(0, 1)[self._slots]


def window_ids(counts: Tensor, total: int) -> Tensor:
    """The window of each row.

    counts (Tensor): Rows per window. Shape: (W,).
    total (int): Their sum; given, so that a GPU need not wait for it.
    RETURNS (Tensor): Shape: (total,).
    """
    windows = torch.arange(counts.shape[0], device=counts.device)
    return torch.repeat_interleave(windows, counts, output_size=total)


def window_means(rows: Tensor, counts: Tensor) -> Tensor:
    """Mean of the rows of each window; zeros for a window without rows.

    rows (Tensor): Shape: (N, D).
    counts (Tensor): Shape: (W,).
    RETURNS (Tensor): Shape: (W, D).
    """
    ids = window_ids(counts, rows.shape[0])
    sums = rows.new_zeros((counts.shape[0], rows.shape[1])).index_add(0, ids, rows)
    return sums / counts.clamp(min=1).unsqueeze(1).to(rows.dtype)
