"""Linear layers: initialized as in BERT, and over parts without concatenation."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def linear(n_inputs: int, n_outputs: int, *, bias: bool = True) -> nn.Linear:
    """RETURNS (Linear): Initialized as in BERT: weights N(0, 0.02), bias 0."""
    layer = nn.Linear(n_inputs, n_outputs, bias=bias)
    nn.init.normal_(layer.weight, std=0.02)
    if bias:
        nn.init.zeros_(layer.bias)
    return layer


class PartsLinear(nn.Module):
    """``W [a; b; c] + bias``, computed as ``W_a a + W_b b + W_c c + bias``.

    In training, every part of every row gets its own dropout mask, which equals
    dropout on the concatenation. In prediction, each part is projected once
    (``project``), and the results are gathered and added.
    """

    def __init__(self, parts: Mapping[str, int], n_outputs: int, dropout: float):
        """
        parts (Mapping[str, int]): Name and width of each part, in order.
        n_outputs (int): Width of the result.
        dropout (float): Rate on the parts in training.
        """
        super().__init__()
        self.parts = dict(parts)
        self.weight = nn.Parameter(torch.empty(n_outputs, sum(self.parts.values())))
        self.bias = nn.Parameter(torch.zeros(n_outputs))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.weight, std=0.02)

    def block(self, name: str) -> Tensor:
        """RETURNS (Tensor): The weights of one part. Shape: (n_outputs, width)."""
        start = 0
        for part, width in self.parts.items():
            if part == name:
                return self.weight[:, start : start + width]
            start += width
        raise KeyError(name)

    def project(self, name: str, rows: Tensor) -> Tensor:
        """Project one part, without bias and without dropout.

        rows (Tensor): Shape: (N, width of the part).
        RETURNS (Tensor): Shape: (N, n_outputs).
        """
        return F.linear(rows, self.block(name))

    def forward(self, rows: Mapping[str, Tensor]) -> Tensor:
        """Apply dropout to each part, project it, and add the results.

        rows (Mapping[str, Tensor]): The rows of each part, by name. Shape of each:
            (N, width of the part).
        RETURNS (Tensor): Shape: (N, n_outputs).
        """
        projected = [self.project(n, self.dropout(rows[n])) for n in self.parts]
        return torch.stack(projected).sum(0) + self.bias
