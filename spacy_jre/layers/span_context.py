"""What a window says around a span: SEA, and its plain recurrent sister."""

from torch import Tensor, nn

from .masked_attention import MaskedSelfAttention
from .span_chunks import read_in_chunks

# numbers per unit and unit width that a read keeps for the way back: the input, the
# gates and states of both directions (measured)
_FLOATS = 16


class SpanContext(nn.Module):
    """Read the window with the span masked out, once per span.

    Source: ISER, section 3.4, equations 7-9 (semantic enhancement attention, SEA):
    self-attention, then a BiGRU over all n positions, masked ones too; its context
    vector is the forward state at the last position and the backward state at the
    first. Without attention it is the SEA-less ISER_GRU of tables 3 and 4.
    """

    def __init__(self, width: int, *, n_heads: int | None, memory: int):
        """
        width (int): D, even.
        n_heads (int | None): Attention heads; None: no attention.
        memory (int): Bytes that the reads may take (see span_chunks.py).
        """
        super().__init__()
        self.width = width
        self.memory = memory
        self.attention = (
            None if n_heads is None else MaskedSelfAttention(width, n_heads=n_heads)
        )
        self.gru = nn.GRU(width, width // 2, bidirectional=True)

    def forward(
        self, rows: Tensor, unit_counts: Tensor, spans: Tensor, windows: Tensor
    ) -> Tensor:
        """
        rows (Tensor): The units of all windows, H. Shape: (U, D).
        unit_counts (Tensor): Units per window. Shape: (W,).
        spans (Tensor): Unit ranges, end exclusive. Shape: (S, 2).
        windows (Tensor): Window of each span. Shape: (S,).
        RETURNS (Tensor): Zeros, the state before the first unit, for a span of a
            window without units. Shape: (S, D).
        """
        shared = None if self.attention is None else self.attention.project(rows)

        def read(units: slice, inside: Tensor) -> Tensor:
            if 0 in inside.shape:
                return rows.new_zeros((inside.shape[0], self.width))
            if self.attention is None or shared is None:
                states = rows[units].unsqueeze(1) * ~inside.T.unsqueeze(2)
            else:
                states = self.attention(shared, units, ~inside)
            # last states of both directions: (2, N, D / 2)
            return self.gru(states)[1].transpose(0, 1).flatten(1)

        return read_in_chunks(
            read, spans, windows, unit_counts, cost=self._cost, memory=self.memory
        )

    def _cost(self, n_units: int) -> int:
        floats = _FLOATS * self.width
        if self.attention is not None:
            floats += self.attention.floats(n_units)
        return 4 * n_units * floats
