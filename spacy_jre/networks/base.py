"""What every joint network has, and what several of them do first."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..layers.checks import check_choice
from ..layers.layout import JointOutputs, Layout, Targets
from ..layers.padding import window_ids
from ..layers.ranges import MaxPooler, MeanPooler, SpanPooler, SumPooler

__all__ = [
    "POOLINGS",
    "JointNetwork",
    "JointOutputs",
    "Layout",
    "Loss",
    "Pooling",
    "Targets",
    "make_pooler",
    "max_per_window",
    "pool_units_to_tokens",
]

Pooling = Literal["max", "sum", "mean"]
POOLINGS = ("max", "sum", "mean")


class Loss(NamedTuple):
    """
    value (Tensor): Scalar.
    n_multi_label (int): Pairs with several gold relations of which one is learnt.
    """

    value: Tensor
    n_multi_label: int = 0


class JointNetwork(nn.Module):
    """A joint model of entities and relations over the units of windows.

    ``forward(units, sentence, layout)`` gives JointOutputs: units (Tensor), the
    encoder's vectors without special tokens, shape: (U, D); sentence (Tensor), one
    vector per window, [CLS] or the mean, shape: (W, D); layout (Layout), where windows,
    tokens, spans and pairs lie.
    """

    def loss(self, outputs: Any, targets: Targets) -> Loss:
        """Compare outputs in learning with the gold: the paper's loss.

        outputs (JointOutputs): Of given spans and pairs.
        targets (Targets): Of the same spans, pairs and tokens.
        """
        raise NotImplementedError

    def relation_scores(self, outputs: Any) -> Tensor:
        """RETURNS (Tensor): Probabilities of the relation labels. Shape: (P, R)."""
        return outputs.relation_logits.float().sigmoid()

    def count_update(self) -> None:
        """Called before each update of the weights, while the gradients are there."""

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """Parameters that share no gradient with others, and are clipped apart.

        RETURNS (Sequence): None for a network that is clipped as a whole.
        """
        return ()


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
