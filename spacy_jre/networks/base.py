"""The protocol of a joint network, and what several of them do first."""

from dataclasses import replace
from typing import Literal, Protocol

import torch
from torch import Tensor

from ..layers.checks import check_choice
from ..layers.layout import JointOutputs, Layout
from ..layers.padding import window_ids
from ..layers.ranges import MaxPooler, MeanPooler, SpanPooler, SumPooler

__all__ = [
    "POOLINGS",
    "JointNetwork",
    "JointOutputs",
    "Layout",
    "Pooling",
    "make_pooler",
    "max_per_window",
    "pool_units_to_tokens",
]

Pooling = Literal["max", "sum", "mean"]
POOLINGS = ("max", "sum", "mean")


class JointNetwork(Protocol):
    """A joint model of entities and relations over the units of windows."""

    def __call__(self, units: Tensor, sentence: Tensor, layout: Layout) -> JointOutputs:
        """
        units (Tensor): The encoder's vectors, without special tokens. Shape: (U, D).
        sentence (Tensor): One vector per window, [CLS] or the mean. Shape: (W, D).
        layout (Layout): Where windows, tokens, spans and pairs lie.
        """


def pool_units_to_tokens(units: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    """Max-pool the wordpieces of each token, so that units are tokens.

    RETURNS (tuple[Tensor, Layout]): Token vectors, shape: (T, D), and the layout
        over them. A token without pieces keeps no unit.
    """
    start, end = layout.token_units.unbind(1)
    filled = (end > start).long()
    rows = next(iter(make_pooler("max", units, layout).widths(1)))
    ends = filled.cumsum(0)
    windows = window_ids(layout.token_counts, layout.n_tokens)
    counts = torch.zeros_like(layout.token_counts).index_add(0, windows, filled)
    pooled = replace(
        layout,
        token_units=torch.stack([ends - filled, ends], 1),
        unit_counts=counts,
        longest_units=layout.longest_window,
        longest_token=1,
    )
    return rows[filled.bool()], pooled


def make_pooler(pooling: Pooling, units: Tensor, layout: Layout) -> SpanPooler:
    """RETURNS (SpanPooler): Pools token ranges of the given units.
    RAISES (ValueError): J202 for an unknown kind."""
    check_choice("pooling", pooling, POOLINGS)
    if pooling == "max":
        return MaxPooler(
            units, layout.token_units, layout.longest_window, layout.longest_token
        )
    if pooling == "sum":
        return SumPooler(units, layout.token_units)
    return MeanPooler(units, layout.token_units)


def max_per_window(units: Tensor, layout: Layout) -> Tensor:
    """RETURNS (Tensor): The maximum over all units of each window. Shape: (W, D)."""
    ends = layout.token_counts.cumsum(0)
    windows = torch.stack([ends - layout.token_counts, ends], 1)
    return make_pooler("max", units, layout).ranges(windows)
