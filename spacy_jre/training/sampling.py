"""Sample the spans and pairs to train on.

Source: SpERT, section 3.4 ("negative sampling"). As in the published code, negative
pairs are pairs of gold entities.
"""

import numpy as np

from ..types import Candidates, Windows
from .targets import GoldBatch


def sample_candidates(
    gold: GoldBatch,
    windows: Windows,
    rng: np.random.Generator,
    *,
    max_span_width: int,
    negative_spans: int | None,
    negative_pairs: int | None,
    classify: bool = True,
) -> Candidates:
    """Sample all gold spans and related pairs, and a number of negatives.

    Spans of a window: all gold spans, also those wider than the limit, and up to
    `negative_spans` other spans within the limit. Pairs of a window: each related
    ordered pair once, and up to `negative_pairs` ordered pairs of distinct gold spans
    that are not related. Negatives are drawn uniformly without replacement.
    Unannotated windows are skipped. If windows overlap, a span or pair is sampled in
    the first window that contains it. A gold span of an earlier window is only an
    argument of pairs.

    gold (GoldBatch): The gold of the batch.
    windows (Windows): The windows.
    rng (Generator): The random number generator.
    max_span_width (int): Widest negative span, in tokens.
    negative_spans, negative_pairs (int | None): Maximum number per window. None:
        all.
    classify (bool): Whether the spans are classified. If False, there are no negative
        spans: the gold spans are given.
    RETURNS (Candidates): Spans and pairs.
    """
    spans: list[np.ndarray] = []
    classified: list[np.ndarray] = []
    pairs: list[np.ndarray] = []
    n_spans = 0
    first_tokens, counts = windows.first_token, windows.counts
    related = np.unique(gold.relations[:, :2], axis=0)
    related = related[related[:, 0] != related[:, 1]]
    # both arguments of a relation are spans of one window
    related_windows = gold.windows[related[:, 0]]
    for window in range(len(counts)):
        if not gold.knows_entities[window]:
            continue
        members = np.flatnonzero(gold.windows == window)
        own = gold.spans[members]
        is_new = windows.is_new(own)
        negatives = np.zeros((0, 2), dtype=np.int64)
        if classify:
            negatives = _other_spans(
                int(first_tokens[window]), int(counts[window]), max_span_width, own
            )
            negatives = negatives[windows.is_new(negatives)]
            negatives = negatives[_draw(len(negatives), negative_spans, rng)]
        spans += [own, negatives]
        classified += [is_new & classify, np.ones(len(negatives), dtype=bool)]
        if gold.knows_relations[window]:
            here = related[related_windows == window]
            positive = np.searchsorted(members, here)
            positive = positive[is_new[positive].any(1)]
            unrelated = _draw_pairs(is_new, positive, negative_pairs, rng)
            pairs += [positive + n_spans, unrelated + n_spans]
        n_spans += len(own) + len(negatives)
    chosen = np.concatenate(classified) if classified else np.zeros(0, dtype=bool)
    return Candidates(_stack(spans), _stack(pairs), classified=chosen)


def _other_spans(first: int, count: int, max_width: int, own: np.ndarray) -> np.ndarray:
    """All spans of a window up to a width, except the gold spans."""
    grid, widths = np.meshgrid(
        np.arange(count), np.arange(1, min(max_width, count) + 1), indexing="ij"
    )
    starts, ends = grid.ravel(), (grid + widths).ravel()
    inside = ends <= count
    starts, ends = starts[inside] + first, ends[inside] + first
    # encode each span as one number, to compare it with the gold spans
    scale = first + count + max_width + 1
    is_gold = np.isin(starts * scale + ends, own[:, 0] * scale + own[:, 1])
    return np.stack([starts[~is_gold], ends[~is_gold]], 1)


def _draw_pairs(
    is_new: np.ndarray, related: np.ndarray, size: int | None, rng: np.random.Generator
) -> np.ndarray:
    """Draw from all ordered pairs of spans that are not related, without creating them.

    is_new (ndarray): Whether a span is in no earlier window. One span of a pair is.
        Shape: (N,), bool.
    related (ndarray): The related pairs. Shape: (M, 2).
    size (int | None): Maximum number of pairs. None: all.
    RETURNS (ndarray): The pairs. Shape: (K, 2).
    """
    n_spans = len(is_new)
    # number of pairs with each head, in whose order the pairs are numbered
    sizes = np.where(is_new, n_spans - 1, is_new.sum())
    np.subtract.at(sizes, related[:, 0], 1)
    ends = np.cumsum(sizes)
    numbers = _draw(int(sizes.sum()), size, rng)
    heads = np.searchsorted(ends, numbers, side="right")
    places = numbers - (ends - sizes)[heads]
    tails = np.zeros_like(heads)
    order = np.argsort(heads, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(heads[order])) + 1):
        if len(rows):
            head = heads[rows[0]]
            allowed = np.ones(n_spans, dtype=bool) if is_new[head] else is_new.copy()
            allowed[head] = False
            allowed[related[related[:, 0] == head, 1]] = False
            tails[rows] = np.flatnonzero(allowed)[places[rows]]
    return np.stack([heads, tails], 1)


def _draw(count: int, size: int | None, rng: np.random.Generator) -> np.ndarray:
    """RETURNS (ndarray): Distinct numbers below the count. All of them if there are no
    more than the size."""
    if size is None or count <= size:
        return np.arange(count)
    return rng.choice(count, size=size, replace=False)


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    if not rows:
        return np.zeros((0, 2), dtype=np.int64)
    return np.concatenate(rows).astype(np.int64)
