"""Attention weights of one window, by tokens instead of units."""

from typing import NamedTuple

from torch import Tensor

from .span_chunks import units_inside

# token ranges, end exclusive: one for a token or a span, two for a pair of spans
TokenRanges = tuple[tuple[int, int], ...]
# what a row or a column represents. A string: something that is not text
AxisLabel = TokenRanges | str


class AttentionMap(NamedTuple):
    """
    weights (Tensor): The weights of each head. A row is a query, a column a key. Shape:
        (heads, rows, columns).
    rows, columns (tuple[AxisLabel, ...]): The tokens of each row and column, as offsets
        in the window, or a name.
    """

    weights: Tensor
    rows: tuple[AxisLabel, ...]
    columns: tuple[AxisLabel, ...]


class TokenAxis:
    """Convert weights of units to weights of tokens.

    Source: ISER, section 5, figures 7 and 8: the weights are aggregated by token. The
    weight of a token as a key is the sum over its units, so that a row keeps its sum.
    As a query, it is the mean. Tokens without units are left out.

    labels (tuple[TokenRanges, ...]): The tokens that have units.
    """

    def __init__(self, token_units: Tensor, n_units: int):
        """
        token_units (Tensor): Unit range of each token of one window. Shape: (T, 2).
        n_units (int): U.
        """
        inside = units_inside(token_units, n_units)
        filled = inside.any(1)
        self._inside = inside[filled]
        self.labels: tuple[TokenRanges, ...] = tuple(
            ((token, token + 1),) for token in filled.nonzero().flatten().tolist()
        )

    def keys(self, weights: Tensor) -> Tensor:
        """
        weights (Tensor): The units can be padded. Shape: (..., L).
        RETURNS (Tensor): Shape: (..., tokens).
        """
        n_units = self._inside.shape[1]
        return weights[..., :n_units] @ self._inside.to(weights.dtype).T

    def queries(self, weights: Tensor) -> Tensor:
        """
        weights (Tensor): The units can be padded. Shape: (..., L, keys).
        RETURNS (Tensor): Shape: (..., tokens, keys).
        """
        inside = self._inside.to(weights.dtype)
        n_units = inside.shape[1]
        return (inside / inside.sum(1, keepdim=True)) @ weights[..., :n_units, :]

    def square(self, weights: Tensor) -> AttentionMap:
        """
        weights (Tensor): Weights between the units, which can be padded. Shape: (heads,
            L, L).
        RETURNS (AttentionMap): Weights between the tokens.
        """
        return AttentionMap(
            self.queries(self.keys(weights)).float(), self.labels, self.labels
        )


def mean_of_queries(weights: Tensor, kept: Tensor) -> Tensor:
    """Average the weights of the queries of each mask.

    weights (Tensor): Shape: (heads, N, n, n).
    kept (Tensor): N masks of the queries, at least one query each. Shape: (N, n), bool.
    RETURNS (Tensor): Shape: (heads, N, n).
    """
    chosen = kept.to(weights.dtype).unsqueeze(2)
    return (weights * chosen).sum(2) / chosen.sum(1)
