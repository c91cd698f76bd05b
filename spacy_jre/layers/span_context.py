"""The context of a span in its window: SEA, and its variant without attention."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from .attention_map import mean_of_queries
from .masked_attention import MaskedSelfAttention
from .span_chunks import compute_in_chunks, units_inside

# floats per span, unit and width that the backward pass needs: the input, the gates and
# the states of both directions (measured)
_FLOATS = 16


class SpanContext(nn.Module):
    """Encode the window of each span with the span masked out.

    Source: ISER, section 3.4 (semantic enhancement attention, SEA). Equations 7 and
    8: self-attention (``MaskedSelfAttention``). Equation 9: a BiGRU over all n
    positions, including masked ones. The context vector is the forward state at the
    last position and the backward state at the first. Without attention, this is
    ISER_GRU of tables 3 and 4.

    Every span reads its whole window, and the attention is quadratic in it, so that
    time grows with the third power of the length: on one CPU thread, a prediction with
    all-MiniLM-L6-v2 and 4 entities takes 0.15 s for 32 tokens, 0.9 s for 64, 4.3 s for
    128 and 22 s for 256. `max_units` limits how much of a longer window a span reads,
    so that time then grows with the length.
    """

    def __init__(
        self, width: int, *, n_heads: int | None, memory: int, max_units: int = 0
    ):
        """
        width (int): D, even.
        n_heads (int | None): Attention heads. None: no attention.
        memory (int): Memory budget in bytes (see span_chunks.py).
        max_units (int): Maximum number of units that a span reads. 0: no limit.
        """
        super().__init__()
        self.width = width
        self.memory = memory
        self.max_units = max_units
        self.attention = (
            None if n_heads is None else MaskedSelfAttention(width, n_heads=n_heads)
        )
        self.gru = nn.GRU(width, width // 2, bidirectional=True)

    def forward(
        self,
        rows: Tensor,
        unit_counts: Tensor,
        spans: Tensor,
        windows: Tensor,
        host_counts: Sequence[int],
    ) -> Tensor:
        """
        rows (Tensor): The units of all windows, H. Shape: (U, D).
        unit_counts (Tensor): Units per window. Shape: (W,).
        spans (Tensor): Unit ranges, end exclusive. Shape: (S, 2).
        windows (Tensor): Window of each span. Shape: (S,).
        host_counts (Sequence[int]): Units per window, on the host.
        RETURNS (Tensor): Zeros, the initial state, for a span of a window without
            units. Shape: (S, D).
        """
        shared = None if self.attention is None else self.attention.project(rows)

        def compute(units: slice, inside: Tensor) -> Tensor:
            if 0 in inside.shape:
                return rows.new_zeros((inside.shape[0], self.width))
            if self.attention is None or shared is None:
                states = rows[units].unsqueeze(1) * ~inside.T.unsqueeze(2)
            else:
                states = self.attention(shared, units, ~inside)
            # equation 9; last states of both directions: (2, N, D / 2)
            return self.gru(states)[1].transpose(0, 1).flatten(1)

        starts = None
        if 0 < self.max_units < max(host_counts, default=0):
            # a section takes the place of a window
            starts, unit_counts, windows = cut_windows(
                spans, windows, host_counts, self.max_units
            )
        return compute_in_chunks(
            compute,
            spans,
            windows,
            unit_counts,
            cost=self._cost,
            memory=self.memory,
            starts=starts,
        )

    def weights(self, rows: Tensor, spans: Tensor) -> Tensor | None:
        """Compute the attention weights of one window (figure 4).

        rows (Tensor): The units of the window. Shape: (n, D).
        spans (Tensor): Unit ranges that leave at least one unit. Shape: (S, 2).
        RETURNS (Tensor | None): The mean over the units outside each span. None without
            attention. Shape: (heads, S, n).
        """
        if self.attention is None:
            return None
        kept = ~units_inside(spans, len(rows))
        shared = self.attention.project(rows)
        weights = self.attention.weights(shared, slice(0, len(rows)), kept)
        return mean_of_queries(weights, kept)

    def _cost(self, n_units: int) -> int:
        floats = _FLOATS * self.width
        if self.attention is not None:
            floats += self.attention.floats(n_units)
        return 4 * n_units * floats


class Sections(NamedTuple):
    """Overlapping sections of windows.

    starts (list[int]): The first unit of each section.
    unit_counts (Tensor): Units per section. Shape: (C,).
    of_span (Tensor): The section of each span. Shape: (S,).
    """

    starts: list[int]
    unit_counts: Tensor
    of_span: Tensor


def cut_windows(
    spans: Tensor, windows: Tensor, host_counts: Sequence[int], max_units: int
) -> Sections:
    """Cut long windows into sections that overlap by half.

    The section of a span is the one in whose middle it is. Inside a window, the middle
    of a span has at least a quarter of a section on each side.

    spans (Tensor): Unit ranges, end exclusive. Shape: (S, 2).
    windows (Tensor): Window of each span. Shape: (S,).
    host_counts (Sequence[int]): Units per window, on the host.
    max_units (int): Maximum number of units of a section.
    RETURNS (Sections): The sections. A short window is one section.
    """
    stride = max(max_units // 2, 1)
    starts: list[int] = []
    lengths: list[int] = []
    rows = []  # by window: first unit, first section, number of sections
    unit = 0
    for count in host_counts:
        last = max(count - max_units, 0)
        offsets = [*range(0, last, stride), last]
        rows.append((unit, len(starts), len(offsets)))
        starts += [unit + offset for offset in offsets]
        lengths += [min(count, max_units)] * len(offsets)
        unit += count
    first_unit, first_section, n_sections = torch.tensor(rows, device=spans.device).T[
        :, windows
    ]
    middle = spans.sum(1) // 2 - first_unit
    number = ((middle - max_units // 2 + stride // 2) // stride).clamp(min=0)
    return Sections(
        starts,
        torch.tensor(lengths, device=spans.device),
        first_section + torch.minimum(number, n_sections - 1),
    )
