"""Embedding of span widths."""

import torch
from torch import Tensor, nn

N_ROWS = 100  # SpERT's and SINET's code


class WidthEmbedding(nn.Module):
    """One vector per span width in tokens. Wider spans share the last row.

    Source: SpERT, section 3.1. 100 rows and the initialization N(0, 0.02) are from
    the published code (the default of torch is N(0, 1)).
    """

    def __init__(self, width: int):
        """width (int): Size of the vectors."""
        super().__init__()
        self.table = nn.Embedding(N_ROWS, width)
        nn.init.normal_(self.table.weight, std=0.02)

    def forward(self, widths: Tensor) -> Tensor:
        """
        widths (Tensor): Span widths in tokens. Shape: (S,).
        RETURNS (Tensor): Shape: (S, width).
        """
        return self.table(widths.clamp(max=N_ROWS - 1))

    def rows(self) -> Tensor:
        """RETURNS (Tensor): The whole table. Shape: (100, width)."""
        return self.table.weight

    @staticmethod
    def index(spans: Tensor) -> Tensor:
        """RETURNS (Tensor): The table row of each span. Shape: (S,)."""
        return torch.clamp(spans[:, 1] - spans[:, 0], max=N_ROWS - 1)
