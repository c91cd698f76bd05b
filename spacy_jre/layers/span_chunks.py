"""Compute rows of spans from all units of their windows, with a memory budget."""

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint


def compute_in_chunks(
    compute: Callable[[slice, Tensor], Tensor],
    spans: Tensor,
    windows: Tensor,
    unit_counts: Tensor,
    *,
    cost: Callable[[int], int],
    memory: int,
    starts: Sequence[int] | None = None,
) -> Tensor:
    """Compute one row per span, for as many spans at once as the budget allows.

    A chunk contains spans of one window only, so nothing is padded. If gradients are
    required and the chunks do not fit the budget together, each chunk is recomputed
    in the backward pass, so `compute` must be deterministic.

    compute (Callable): Takes the units of a window and a mask of the units of each
        span, shape: (N, units), bool. Returns one row per span.
    spans (Tensor): Unit ranges, end exclusive. Shape: (S, 2).
    windows (Tensor): Window of each span. Shape: (S,).
    unit_counts (Tensor): Units per window. Shape: (W,).
    cost (Callable): Takes the number of units of a window. Returns the memory of one
        of its spans in bytes.
    memory (int): The budget in bytes.
    starts (Sequence[int] | None): The first unit of each window. None: each window
        starts at the end of the one before.
    RETURNS (Tensor): The rows in the order of the spans. Shape: (S, ...).
    """
    order = torch.argsort(windows, stable=True)
    # bincount would synchronize, too
    n_spans = torch.zeros_like(unit_counts)
    n_spans = n_spans.index_add(0, windows, torch.ones_like(windows))
    # synchronizes with the GPU: the host needs the sizes of the chunks
    sizes = torch.stack([unit_counts, n_spans], 1).tolist()
    needed = sum(count * cost(length) for length, count in sizes)
    compute_chunk = compute
    if torch.is_grad_enabled() and needed > memory:
        compute_chunk = partial(
            checkpoint, compute, use_reentrant=False, preserve_rng_state=False
        )
    # an empty chunk, so that torch.cat knows the shape of a row without any spans
    none = torch.zeros((0, 0), dtype=torch.bool, device=spans.device)
    rows = [compute(slice(0, 0), none)]
    unit = span = 0
    for number, (length, count) in enumerate(sizes):
        unit = unit if starts is None else starts[number]
        units = slice(unit, unit + length)
        chunk_size = max(memory // max(cost(length), 1), 1)
        for chunk in order[span : span + count].split(chunk_size):
            rows.append(compute_chunk(units, units_inside(spans[chunk] - unit, length)))
        unit, span = unit + length, span + count
    return torch.cat(rows)[torch.argsort(order)]


def units_inside(spans: Tensor, n_units: int) -> Tensor:
    """Mask the units of each span.

    spans (Tensor): Unit ranges in a window, end exclusive. Shape: (N, 2).
    n_units (int): Units of the window.
    RETURNS (Tensor): Shape: (N, units), bool.
    """
    numbers = torch.arange(n_units, device=spans.device)
    start, end = spans.unsqueeze(2).unbind(1)
    return (numbers >= start) & (numbers < end)
