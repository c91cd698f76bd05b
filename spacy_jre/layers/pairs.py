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
        Scalar, on the host.
    """

    entities: Tensor
    first: Tensor
    second: Tensor
    n_truncated: Tensor


class BestEntities(NamedTuple):
    """The entities to pair, sorted by window, then in span order.

    entities (Tensor): Indices in the spans. Shape: (N,).
    windows (Tensor): Window of each entity. Shape: (N,).
    counts (Tensor): Number of entities per window. Shape: (W,).
    n_pairs (int): Number of unordered pairs of entities of one window.
    n_truncated (Tensor): Number of windows with more entities than the limit.
        Scalar, on the host.
    """

    entities: Tensor
    windows: Tensor
    counts: Tensor
    n_pairs: int
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
    # synchronizes with the GPU: the host needs the number of entities
    entities = entity_logits.argmax(-1).nonzero().squeeze(1)
    scores = entity_logits.softmax(-1).amax(-1)
    windows = span_windows[entities]
    # sort by window, then by score: two stable sorts
    order = torch.argsort(scores[entities], descending=True, stable=True)
    order = order[torch.argsort(windows[order], stable=True)]
    # bincount would synchronize
    counts = torch.zeros_like(limits).index_add(0, windows, torch.ones_like(windows))
    starts = counts.cumsum(0) - counts
    ranks = torch.arange(len(entities), device=entities.device)
    ranks = ranks - starts[windows[order]]
    dropped = ranks >= limits[windows[order]]
    kept_counts = torch.minimum(counts, limits)
    numbers = [
        kept_counts.sum(),
        (kept_counts * (kept_counts - 1)).sum() // 2,
        (counts > limits).sum(),
    ]
    # synchronizes with the GPU: one copy instead of one per size of a result
    n_kept, n_pairs, n_truncated = torch.stack(numbers).tolist()
    if n_kept < len(entities):
        kept = order[torch.argsort(dropped, stable=True)[:n_kept]]
        entities, windows = entities[kept], windows[kept]
    # sort by window, then in span order
    order = torch.argsort(entities, stable=True)
    order = order[torch.argsort(windows[order], stable=True)]
    return BestEntities(
        entities[order], windows[order], kept_counts, n_pairs, torch.tensor(n_truncated)
    )


def propose_pairs(
    entity_logits: Tensor, span_windows: Tensor, limits: Tensor
) -> ProposedPairs:
    """Pair the entities of each window that ``choose_entities`` returns.

    entity_logits, span_windows, limits (Tensor): See ``choose_entities``.
    RETURNS (ProposedPairs): All pairs of distinct entities of one window.
    """
    entities, windows, counts, n_pairs, n_truncated = choose_entities(
        entity_logits, span_windows, limits
    )
    ends = counts.cumsum(0)[windows]
    positions = torch.arange(len(entities), device=entities.device)
    partners = ends - positions - 1
    first = torch.repeat_interleave(positions, partners, output_size=n_pairs)
    offsets = partners.cumsum(0) - partners
    steps = torch.arange(first.shape[0], device=first.device) - offsets[first]
    return ProposedPairs(entities, first, first + 1 + steps, n_truncated)
