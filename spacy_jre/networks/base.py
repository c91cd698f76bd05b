"""The base class of the joint networks, and functions that several of them use."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..layers.attention_map import AttentionMap
from ..layers.boundaries import BoundaryPooler, WithBoundaries, token_rows
from ..layers.checks import check_choice
from ..layers.layout import JointOutputs, Layout, Targets
from ..layers.padding import window_ids
from ..layers.ranges import MaxPooler, MeanPooler, SpanPooler, SumPooler

__all__ = [
    "POOLINGS",
    "AttentionMap",
    "JointNetwork",
    "JointOutputs",
    "Layout",
    "Loss",
    "Pooling",
    "Targets",
    "add_boundaries",
    "make_pooler",
    "max_per_window",
    "pool_units_to_tokens",
]

Pooling = Literal["max", "sum", "mean"]
POOLINGS = ("max", "sum", "mean")


class Loss(NamedTuple):
    """
    value (Tensor): Scalar.
    n_multi_label (int): Number of pairs with several gold relations, if the network
        is trained on only one of them.
    """

    value: Tensor
    n_multi_label: int = 0


class JointNetwork(nn.Module):
    """A joint model of entities and relations over the units of windows.

    ``forward(units, sentence, layout)`` returns JointOutputs. units (Tensor): vectors
    of the encoder without special tokens, shape: (U, D). sentence (Tensor): one vector
    per window, [CLS] or the mean of the units, shape: (W, D). layout (Layout): the
    index tensors of windows, tokens, spans and pairs.

    dims (dict[str, Any]): The arguments with which the network was created and which
        depend on the data: the numbers of labels and, for most networks, the width of
        the encoder. The function that creates the network sets it.
    """

    dims: dict[str, Any]

    @property
    def metadata(self) -> dict[str, Any]:
        """The fields of the header of saved weights. They create the network again."""
        return self.dims

    @property
    def name(self) -> str:
        """The name of the network in messages."""
        return type(self).__name__

    def loss(self, outputs: Any, targets: Targets) -> Loss:
        """Compute the loss of the paper.

        outputs (JointOutputs): The outputs for the given spans and pairs.
        targets (Targets): The targets of the same spans, pairs and tokens.
        RETURNS (Loss): The loss.
        """
        raise NotImplementedError

    def relation_scores(self, outputs: Any) -> Tensor:
        """RETURNS (Tensor): Probabilities of the relation labels. Shape: (P, R)."""
        return outputs.relation_logits.float().sigmoid()

    def attention_maps(
        self, units: Tensor, sentence: Tensor, layout: Layout
    ) -> dict[str, AttentionMap]:
        """Compute the attention weights of one window.

        units, sentence (Tensor): As in ``forward``.
        layout (Layout): One window with at least one unit. The spans are its entities,
            the pairs those of its relations.
        RETURNS (dict[str, AttentionMap]): The maps by name. Empty if the network has no
            attention.
        """
        return {}

    def count_update(self) -> None:
        """Called before each update of the weights, when the gradients are set."""

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """Groups of parameters whose gradients are clipped separately.

        RETURNS (Sequence): Empty if the network is clipped as a whole.
        """
        return ()


def pool_units_to_tokens(units: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    """Max-pool the wordpieces of each token, so that units are tokens.

    RETURNS (tuple[Tensor, Layout]): Vectors of the tokens that have wordpieces,
        shape: (U, D), and the layout over them.
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
        host_counts=layout.pooled_counts,
    )
    # selecting the tokens would synchronize with the GPU
    return rows[filled.bool()] if layout.has_empty else rows, pooled


def make_pooler(pooling: Pooling, units: Tensor, layout: Layout) -> SpanPooler:
    """RETURNS (SpanPooler): A pooler of token ranges over the given units.
    RAISES (ValueError): J202 for an unknown pooling."""
    check_choice("pooling", pooling, POOLINGS)
    if pooling == "max":
        return MaxPooler(
            units,
            layout.token_units,
            layout.longest_window,
            layout.longest_token,
            layout.has_empty,
        )
    if pooling == "sum":
        return SumPooler(units, layout.token_units)
    return MeanPooler(units, layout.token_units)


def add_boundaries(pooler: SpanPooler, units: Tensor, layout: Layout) -> SpanPooler:
    """RETURNS (SpanPooler): Adds the first unit of the first token and the last unit of
    the last token to the vector of each span."""
    ends = [token_rows(units, layout.token_units, last=last) for last in (False, True)]
    return WithBoundaries(pooler, BoundaryPooler(*ends))


def max_per_window(units: Tensor, layout: Layout) -> Tensor:
    """RETURNS (Tensor): The maximum over all units of each window. Shape: (W, D)."""
    ends = layout.token_counts.cumsum(0)
    windows = torch.stack([ends - layout.token_counts, ends], 1)
    return make_pooler("max", units, layout).ranges(windows)
