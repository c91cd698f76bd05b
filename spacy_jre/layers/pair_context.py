"""Representations of the context between two spans, other than max pooling."""

import torch
from torch import Tensor

from .attention_map import mean_of_queries
from .masked_attention import MaskedSelfAttention
from .ranges import unit_ranges
from .span_chunks import compute_in_chunks, units_inside


class WindowVectors:
    """Represent every range by one vector of its window.

    Source: ISER, tables 5 and 6: "LC -> CLS", "LC -> GC".
    """

    def __init__(self, vectors: Tensor, token_windows: Tensor):
        """
        vectors (Tensor): Shape: (W, D).
        token_windows (Tensor): Window of each token. Shape: (T,).
        """
        self._vectors = vectors
        self._token_windows = token_windows

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges between two spans. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, D).
        """
        return self._vectors[gap_windows(ranges, self._token_windows)]


class AttendedRanges:
    """Apply self-attention inside each range, then max pooling.

    Source: ISER, tables 5 and 6, "LC -> LC_att". An empty range gets zeros.
    """

    def __init__(
        self,
        attention: MaskedSelfAttention,
        rows: Tensor,
        token_units: Tensor,
        unit_counts: Tensor,
        token_windows: Tensor,
        *,
        memory: int,
    ):
        """
        rows (Tensor): The units of all windows. Shape: (U, D).
        token_units (Tensor): Unit range of each token. Shape: (T, 2).
        unit_counts (Tensor): Units per window. Shape: (W,).
        token_windows (Tensor): Window of each token. Shape: (T,).
        memory (int): Memory budget in bytes (see span_chunks.py).
        """
        self._attention = attention
        self._shared = attention.project(rows)
        self._token_units = token_units
        self._unit_counts = unit_counts
        self._token_windows = token_windows
        self._memory = memory

    def ranges(self, ranges: Tensor) -> Tensor:
        """
        ranges (Tensor): Token ranges between two spans. Shape: (Q, 2).
        RETURNS (Tensor): Shape: (Q, D).
        """
        # many pairs share their context: both orders of a pair, nested spans
        ranges, index = torch.unique(ranges, dim=0, return_inverse=True)
        rows = compute_in_chunks(
            self._attend,
            unit_ranges(ranges, self._token_units),
            gap_windows(ranges, self._token_windows),
            self._unit_counts,
            cost=self._cost,
            memory=self._memory,
        )
        return rows[index]

    def weights(self, ranges: Tensor) -> Tensor:
        """Compute the attention weights in ranges of the same window, the only one.

        ranges (Tensor): Token ranges with units. Shape: (Q, 2).
        RETURNS (Tensor): The mean over the units of each range. Shape: (heads, Q, U).
        """
        n_units = len(self._shared.rows)
        inside = units_inside(unit_ranges(ranges, self._token_units), n_units)
        weights = self._attention.weights(self._shared, slice(0, n_units), inside)
        return mean_of_queries(weights, inside)

    def _attend(self, units: slice, inside: Tensor) -> Tensor:
        if 0 in inside.shape:
            return self._shared.rows.new_zeros((inside.shape[0], self._width))
        rows = self._attention(self._shared, units, inside)
        lowest = torch.finfo(rows.dtype).min
        rows = rows.masked_fill(~inside.T.unsqueeze(2), lowest).amax(0)
        return rows.masked_fill(~inside.any(1, keepdim=True), 0.0)

    @property
    def _width(self) -> int:
        return self._shared.rows.shape[1]

    def _cost(self, n_units: int) -> int:
        return 4 * n_units * (4 * self._width + self._attention.floats(n_units))


def gap_windows(ranges: Tensor, token_windows: Tensor) -> Tensor:
    """Return the window of each range between two spans, even if it is empty.

    A range starts at the end of one of the spans, so the token before its start is
    in the same window.

    ranges (Tensor): Token ranges between two spans. Shape: (Q, 2).
    token_windows (Tensor): Window of each token. Shape: (T,).
    RETURNS (Tensor): Shape: (Q,).
    """
    return token_windows[ranges[:, 0] - 1]
