"""A residual bidirectional LSTM over the rows of each window."""

from collections.abc import Sequence

from torch import Tensor, nn

from .checks import check_range
from .window_lstm import run_windows


class ResidualBiLSTM(nn.Module):
    """``x + BiLSTM(dropout(x))`` over the rows of each window.

    One layer with D / 2 units in each direction. Source of the LSTM: Hochreiter and
    Schmidhuber, "Long Short-Term Memory" (1997), with forget gates.
    """

    def __init__(self, width: int, *, dropout: float):
        """
        width (int): D. It must be even.
        dropout (float): Rate on the input of the LSTM.
        RAISES (ValueError): J203 for an odd width.
        """
        super().__init__()
        check_range("the encoder's width", width, width % 2 == 0, "even")
        self.dropout = nn.Dropout(dropout)
        self.lstm = nn.LSTM(width, width // 2, bidirectional=True)

    def forward(
        self, rows: Tensor, counts: Tensor, host_counts: Sequence[int] | None = None
    ) -> Tensor:
        """
        rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
        counts (Tensor): Rows per window. Shape: (W,).
        host_counts (Sequence[int] | None): See ``run_windows``.
        RETURNS (Tensor): Shape: (N, D).
        """
        return rows + run_windows(self.lstm, self.dropout(rows), counts, host_counts)
