"""A residual bidirectional LSTM over the rows of each window."""

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from .checks import check_range
from .padding import WindowPadding


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
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, rows: Tensor, padding: WindowPadding, lengths: Tensor) -> Tensor:
        """
        rows (Tensor): Rows of all windows, one window after the other. Shape: (N, D).
        padding (WindowPadding): Pads the rows to windows.
        lengths (Tensor): Rows per window, on the host: torch packs sequences by
            lengths on the host. Shape: (W,).
        RETURNS (Tensor): Shape: (N, D).
        """
        if rows.shape[0] == 0:
            return rows
        padded = padding.pad(self.dropout(rows))
        # torch does not pack an empty sequence. The output of an empty window is not
        # read.
        packed = pack_padded_sequence(
            padded, lengths.clamp(min=1), batch_first=True, enforce_sorted=False
        )
        output, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=padded.shape[1]
        )
        return rows + padding.unpad(output)
