"""Between one flat matrix of rows and a padded batch of windows."""

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
