import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.training.sampling import sample_candidates
from spacy_jre.training.targets import GoldBatch, SkippedGold
from spacy_jre.types import Windows


def make_windows(counts) -> Windows:
    counts = np.asarray(counts)
    zeros = np.zeros(len(counts), dtype=np.int64)
    return Windows(np.arange(len(counts)), zeros, counts)


def make_gold(windows, spans, relations=(), knows=None) -> GoldBatch:
    spans = np.asarray(spans, dtype=np.int64).reshape(-1, 2)
    token_window = np.repeat(np.arange(len(windows.doc)), windows.counts)
    known = np.ones(len(windows.doc), dtype=bool) if knows is None else knows
    return GoldBatch(
        spans=spans,
        labels=np.ones(len(spans), dtype=np.int64),
        windows=token_window[spans[:, 0]] if len(spans) else np.zeros(0, np.int64),
        relations=np.asarray(relations, dtype=np.int64).reshape(-1, 3),
        knows_entities=known,
        knows_relations=known,
        skipped=SkippedGold(),
    )


def sample(gold, windows, seed=0, **kwargs):
    options = {"max_span_width": 3, "negative_spans": 100, "negative_pairs": 100}
    rng = np.random.default_rng(seed)
    return sample_candidates(gold, windows, rng, **{**options, **kwargs})


@st.composite
def batches(draw):
    counts = draw(st.lists(st.integers(1, 7), min_size=1, max_size=4))
    windows = make_windows(counts)
    spans, relations, first = [], [], 0
    for count in counts:
        inside = [(i, j) for i in range(count) for j in range(i + 1, count + 1)]
        own = draw(st.lists(st.sampled_from(inside), max_size=4, unique=True))
        numbers = range(len(spans), len(spans) + len(own))
        spans += [(first + i, first + j) for i, j in own]
        pairs = [(a, b) for a in numbers for b in numbers if a != b]
        if pairs:
            chosen = draw(st.lists(st.sampled_from(pairs), max_size=4, unique=True))
            relations += [(a, b, 0) for a, b in chosen]
        first += count
    return windows, make_gold(windows, spans, relations)


@given(batches(), st.integers(0, 5), st.integers(0, 5), st.integers(1, 8))
@settings(max_examples=80, deadline=None)
def test_sample_has_gold_and_the_given_number_of_negatives(
    batch, n_spans, n_pairs, width
):
    windows, gold = batch
    sampled = sample(
        gold,
        windows,
        max_span_width=width,
        negative_spans=n_spans,
        negative_pairs=n_pairs,
    )
    token_window = np.repeat(np.arange(len(windows.doc)), windows.counts)
    spans = [tuple(s) for s in sampled.spans.tolist()]
    gold_spans = {tuple(s) for s in gold.spans.tolist()}
    assert len(spans) == len(set(spans))
    assert gold_spans <= set(spans)
    related = {
        (tuple(gold.spans[h]), tuple(gold.spans[t])) for h, t, _ in gold.relations
    }
    pairs = [(spans[h], spans[t]) for h, t in sampled.pairs.tolist()]
    assert len(pairs) == len(set(pairs))
    assert related <= set(pairs)
    for window, (first, count) in enumerate(
        zip(windows.first_token, windows.counts, strict=True)
    ):
        here = [s for s in spans if token_window[s[0]] == window]
        negatives = [s for s in here if s not in gold_spans]
        available = sum(max(0, count - w + 1) for w in range(1, width + 1)) - sum(
            1
            for s in gold_spans
            if token_window[s[0]] == window and s[1] - s[0] <= width
        )
        assert len(negatives) == min(n_spans, available)
        for start, end in negatives:
            assert first <= start < end <= first + count
            assert end - start <= width
        own = [s for s in here if s in gold_spans]
        unrelated = [
            p for p in pairs if p not in related and token_window[p[0][0]] == window
        ]
        possible = len(own) * (len(own) - 1) - sum(
            1 for h, _ in related if token_window[h[0]] == window
        )
        assert len(unrelated) == min(n_pairs, possible)
        for head, tail in unrelated:
            assert head in gold_spans
            assert tail in gold_spans
            assert head != tail


def test_same_seed_gives_the_same_sample():
    windows = make_windows([9])
    gold = make_gold(windows, [(0, 1)])
    first = sample(gold, windows, seed=3, negative_spans=5)
    second = sample(gold, windows, seed=3, negative_spans=5)
    other = sample(gold, windows, seed=4, negative_spans=5)
    assert first.spans.tolist() == second.spans.tolist()
    assert first.spans.tolist() != other.spans.tolist()


def test_none_samples_all():
    windows = make_windows([4])
    gold = make_gold(windows, [(0, 1), (1, 2), (2, 4)], [(0, 1, 0)])
    sampled = sample(gold, windows, negative_spans=None, negative_pairs=None)
    assert len(sampled.spans) == 4 + 3 + 2
    assert len(sampled.pairs) == 6


def test_gold_span_wider_than_the_limit_is_sampled():
    windows = make_windows([6])
    sampled = sample(make_gold(windows, [(0, 6)]), windows, max_span_width=2)
    assert [0, 6] in sampled.spans.tolist()


def test_reversed_related_pair_is_a_negative():
    windows = make_windows([3])
    gold = make_gold(windows, [(0, 1), (2, 3)], [(0, 1, 0)])
    assert sample(gold, windows).pairs.tolist() == [[0, 1], [1, 0]]


def test_pair_with_two_labels_is_one_pair():
    windows = make_windows([3])
    gold = make_gold(windows, [(0, 1), (2, 3)], [(0, 1, 0), (0, 1, 1)])
    assert sample(gold, windows, negative_pairs=0).pairs.tolist() == [[0, 1]]


def test_unannotated_window_is_not_sampled():
    windows = make_windows([3, 3])
    gold = make_gold(windows, [(3, 4)], knows=np.asarray([False, True]))
    assert sample(gold, windows).spans.min() >= 3


@pytest.mark.parametrize("counts", [[], [1]])
def test_windows_without_gold_and_negatives_give_an_empty_sample(counts):
    windows = make_windows(np.asarray(counts, dtype=np.int64))
    sampled = sample(make_gold(windows, []), windows, negative_spans=0)
    assert sampled.spans.shape == (0, 2)
    assert sampled.pairs.shape == (0, 2)


def test_unrelated_pairs_are_drawn_uniformly():
    windows = make_windows([4])
    gold = make_gold(windows, [(0, 1), (1, 2), (2, 3)], [(0, 2, 0), (1, 0, 0)])
    counts = {}
    for seed in range(600):
        sampled = sample(gold, windows, seed=seed, negative_pairs=2, negative_spans=0)
        assert sampled.pairs[:2].tolist() == [[0, 2], [1, 0]]
        for pair in sampled.pairs[2:].tolist():
            counts[tuple(pair)] = counts.get(tuple(pair), 0) + 1
    assert sorted(counts) == [(0, 1), (1, 2), (2, 0), (2, 1)]
    assert min(counts.values()) > 230  # expected 300, six deviations below is 227


def test_pairs_of_overlapping_windows_have_a_new_span():
    # tokens 0-3 and 2-5 of a Doc: the span (2, 3) is in both windows
    arrays = [np.asarray(values) for values in ([0, 0], [0, 2], [4, 6], [0, 2])]
    windows = Windows(*arrays)
    gold = make_gold(windows, [(0, 1), (2, 3), (4, 5), (6, 7), (7, 8)], [(3, 2, 0)])
    sampled = sample(gold, windows, negative_pairs=None, negative_spans=0)
    new = [[0, 1], [1, 0], [3, 2], [2, 3], [2, 4], [3, 4], [4, 2], [4, 3]]
    assert sampled.pairs.tolist() == new


def test_memory_does_not_depend_on_the_number_of_pairs():
    windows = make_windows([4000])
    starts = np.arange(2000) * 2
    gold = make_gold(windows, np.stack([starts, starts + 1], 1), [(0, 1, 0)])
    tracemalloc.start()
    sampled = sample(gold, windows, negative_pairs=10, negative_spans=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(sampled.pairs) == 11
    assert peak < 4_000_000  # the pairs would be 4 million rows


def test_negatives_are_drawn_uniformly():
    windows = make_windows([4])
    gold = make_gold(windows, [(0, 1)])
    counts = {}
    for seed in range(600):
        sampled = sample(gold, windows, seed=seed, max_span_width=2, negative_spans=1)
        key = tuple(sampled.spans[1].tolist())
        counts[key] = counts.get(key, 0) + 1
    assert len(counts) == 6  # 4 + 3 spans, one of them gold
    assert min(counts.values()) > 60  # expected 100, six deviations below is 45
