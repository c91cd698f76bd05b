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
    related = {(h, t) for h, t, _ in gold.relations.tolist()}
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
            negatives = _draw(negatives, negative_spans, rng)
        spans += [own, negatives]
        classified += [is_new & classify, np.ones(len(negatives), dtype=bool)]
        if gold.knows_relations[window]:
            ordered = [
                (i, j)
                for i in range(len(members))
                for j in range(len(members))
                if i != j and (is_new[i] or is_new[j])
            ]
            is_related = [(members[i], members[j]) in related for i, j in ordered]
            table = np.asarray(ordered, dtype=np.int64).reshape(-1, 2)
            mask = np.asarray(is_related, dtype=bool)
            unrelated = _draw(table[~mask], negative_pairs, rng)
            pairs += [table[mask] + n_spans, unrelated + n_spans]
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


def _draw(rows: np.ndarray, size: int | None, rng: np.random.Generator) -> np.ndarray:
    if size is None or len(rows) <= size:
        return rows
    return rows[rng.choice(len(rows), size=size, replace=False)]


def _stack(rows: list[np.ndarray]) -> np.ndarray:
    if not rows:
        return np.zeros((0, 2), dtype=np.int64)
    return np.concatenate(rows).astype(np.int64)
