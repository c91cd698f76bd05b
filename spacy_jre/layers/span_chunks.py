"""Work done once per span over all units of its window, under a memory budget."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def read_in_chunks(
    read: Callable[[slice, Tensor], Tensor],
    spans: Tensor,
    windows: Tensor,
    unit_counts: Tensor,
    *,
    cost: Callable[[int], int],
    memory: int,
) -> Tensor:
    """Read spans by the window, so many at once as the budget allows.

    Spans of one window are equally long reads: nothing is padded. Where gradients
    are kept and the reads of all spans do not fit the budget together, each chunk is
    computed a second time on the way back (nothing inside may be random).

    read (Callable): Takes the units of a window and which of them lie in each span,
        shape: (N, units), bool. Gives one row per span.
    spans (Tensor): Unit ranges, end exclusive. Shape: (S, 2).
    windows (Tensor): Window of each span. Shape: (S,).
    unit_counts (Tensor): Units per window. Shape: (W,).
    cost (Callable): Bytes that one span of a window of so many units keeps.
    memory (int): The budget in bytes.
    RETURNS (Tensor): The rows in the order of the spans. Shape: (S, ...).
    """
    order = torch.argsort(windows, stable=True)
    n_spans = torch.bincount(windows, minlength=unit_counts.shape[0])
    # here the host waits for a GPU: it has to know the sizes of chunks
    sizes = torch.stack([unit_counts, n_spans], 1).tolist()
    needed = sum(count * cost(length) for length, count in sizes)
    read_chunk = read
    if torch.is_grad_enabled() and needed > memory:
        read_chunk = partial(
            checkpoint, read, use_reentrant=False, preserve_rng_state=False
        )
    # no span of no unit: without any span, it alone tells the shape of a row
    none = torch.zeros((0, 0), dtype=torch.bool, device=spans.device)
    rows = [read(slice(0, 0), none)]
    unit = span = 0
    for length, count in sizes:
        units = slice(unit, unit + length)
        numbers = torch.arange(unit, unit + length, device=spans.device)
        at_once = max(memory // max(cost(length), 1), 1)
        for chunk in order[span : span + count].split(at_once):
            start, end = spans[chunk].unsqueeze(2).unbind(1)
            rows.append(read_chunk(units, (numbers >= start) & (numbers < end)))
        unit, span = unit + length, span + count
    return torch.cat(rows)[torch.argsort(order)]
