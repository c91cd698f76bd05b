"""Propose pairs of predicted entities."""

from typing import NamedTuple

import torch
from torch import Tensor


class ProposedPairs(NamedTuple):
    """Unordered pairs of entities of one window.

    entities (Tensor): The entities that are paired, as indices in the spans. Shape:
        (N,).
    first, second (Tensor): Indices in the entities, first before second in span order.
        Shape of each: (P,).
    n_truncated (Tensor): Number of windows with more entities than the limit.
        Scalar.
    """

    entities: Tensor
    first: Tensor
    second: Tensor
    n_truncated: Tensor


class BestEntities(NamedTuple):
    """The entities to pair, sorted by window, then in span order.

    entities (Tensor): Indices in the spans. Shape: (N,).
    windows (Tensor): Window of each entity. Shape: (N,).
    n_truncated (Tensor): Number of windows with more entities than the limit.
        Scalar.
    """

    entities: Tensor
    windows: Tensor
    n_truncated: Tensor


def choose_entities(
    entity_logits: Tensor, span_windows: Tensor, limits: Tensor
) -> BestEntities:
    """Choose the predicted entities with the highest scores in each window.

    An untrained classifier predicts that most spans are entities, and the number of
    pairs is quadratic. So at most `limits` entities of a window are paired.

    entity_logits (Tensor): Column 0 is "none". Shape: (S, E + 1).
    span_windows (Tensor): Window of each span. Shape: (S,).
    limits (Tensor): Maximum number of entities per window. Shape: (W,).
    """
    # argmax of the logits, as in decoding: rounded probabilities can be equal
    entities = entity_logits.argmax(-1).nonzero().squeeze(1)
    scores = entity_logits.softmax(-1).amax(-1)
    windows = span_windows[entities]
    n_windows = limits.shape[0]
    # sort by window, then by score: two stable sorts
    order = torch.argsort(scores[entities], descending=True, stable=True)
    order = order[torch.argsort(windows[order], stable=True)]
    counts = torch.bincount(windows, minlength=n_windows)
    starts = counts.cumsum(0) - counts
    ranks = torch.arange(len(entities), device=entities.device)
    ranks = ranks - starts[windows[order]]
    kept = order[ranks < limits[windows[order]]]
    n_truncated = (counts > limits).sum()

    entities = entities[kept]
    windows = windows[kept]
    # sort by window, then in span order
    order = torch.argsort(entities, stable=True)
    order = order[torch.argsort(windows[order], stable=True)]
    return BestEntities(entities[order], windows[order], n_truncated)


def propose_pairs(
    entity_logits: Tensor, span_windows: Tensor, limits: Tensor
) -> ProposedPairs:
    """Pair the entities of each window that ``choose_entities`` returns.

    entity_logits, span_windows, limits (Tensor): See ``choose_entities``.
    RETURNS (ProposedPairs): All pairs of distinct entities of one window.
    """
    entities, windows, n_truncated = choose_entities(
        entity_logits, span_windows, limits
    )
    counts = torch.bincount(windows, minlength=limits.shape[0])
    ends = counts.cumsum(0)[windows]
    positions = torch.arange(len(entities), device=entities.device)
    partners = ends - positions - 1
    first = torch.repeat_interleave(positions, partners)
    offsets = partners.cumsum(0) - partners
    steps = torch.arange(first.shape[0], device=first.device) - offsets[first]
    return ProposedPairs(entities, first, first + 1 + steps, n_truncated)
