from itertools import combinations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.layers.pairs import propose_pairs

NONE, ENTITY = 0, 2


def make_logits(labels, scores=None):
    """Logits with the given labels as the best ones; scores (list): their logits."""
    scores = [1.0] * len(labels) if scores is None else scores
    logits = torch.zeros((len(labels), 3))
    for row, (label, score) in enumerate(zip(labels, scores, strict=True)):
        logits[row, label] = score
    return logits


def propose(logits, windows, limits):
    proposed = propose_pairs(
        logits, torch.tensor(windows, dtype=torch.long), torch.tensor(limits)
    )
    first = proposed.entities[proposed.first].tolist()
    second = proposed.entities[proposed.second].tolist()
    pairs = list(zip(first, second, strict=True))
    return pairs, int(proposed.n_truncated)


def test_all_entities_of_a_window_are_paired_once():
    pairs, _ = propose(make_logits([ENTITY] * 4), [0] * 4, [9])
    assert pairs == [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]


@pytest.mark.parametrize("windows", [[0, 0, 1, 1], [0, 1, 0, 1], [1, 0, 0, 1]])
def test_pairs_never_cross_windows(windows):
    pairs, _ = propose(make_logits([ENTITY] * 4), windows, [9, 9])
    assert len(pairs) == 2
    assert all(windows[first] == windows[second] for first, second in pairs)


def test_spans_without_label_are_not_paired():
    logits = make_logits([ENTITY, NONE, 1, NONE, ENTITY])
    pairs, _ = propose(logits, [0] * 5, [9])
    assert pairs == [(0, 2), (0, 4), (2, 4)]


def test_limit_keeps_the_entities_with_the_best_scores():
    logits = make_logits([ENTITY, 1, ENTITY, 1], [1.0, 4.0, 2.0, 3.0])
    pairs, _ = propose(logits, [0] * 4, [2])
    assert pairs == [(1, 3)]


def test_spans_without_label_do_not_count_towards_the_limit():
    logits = make_logits([ENTITY, NONE, ENTITY], [1.0, 9.0, 2.0])
    pairs, n_truncated = propose(logits, [0] * 3, [2])
    assert pairs == [(0, 2)]
    assert n_truncated == 0


def test_each_window_has_its_own_limit():
    logits = make_logits([ENTITY] * 6, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    pairs, _ = propose(logits, [0, 0, 0, 1, 1, 1], [3, 2])
    assert pairs == [(0, 1), (0, 2), (1, 2), (4, 5)]


@pytest.mark.parametrize("limit", [0, 1])
def test_limit_below_two_gives_no_pairs(limit):
    pairs, n_truncated = propose(make_logits([ENTITY] * 3), [0] * 3, [limit])
    assert pairs == []
    assert n_truncated == 1


@pytest.mark.parametrize(
    ("limits", "expected"), [([3, 3], 0), ([2, 3], 1), ([2, 2], 2)]
)
def test_n_truncated_counts_windows_with_more_entities_than_the_limit(limits, expected):
    _, n_truncated = propose(make_logits([ENTITY] * 6), [0, 0, 0, 1, 1, 1], limits)
    assert n_truncated == expected


@pytest.mark.parametrize("labels", [[], [NONE, NONE], [NONE, ENTITY]])
def test_fewer_than_two_entities_give_no_pairs(labels):
    pairs, n_truncated = propose(make_logits(labels), [0] * len(labels), [9])
    assert pairs == []
    assert n_truncated == 0


def test_one_entity_per_window_gives_no_pairs():
    assert propose(make_logits([ENTITY] * 3), [2, 0, 1], [9] * 3) == ([], 0)


def test_window_without_spans_gives_no_pairs():
    pairs, _ = propose(make_logits([ENTITY] * 4), [0, 0, 2, 2], [9] * 3)
    assert pairs == [(0, 1), (2, 3)]


def test_no_windows_give_no_pairs():
    none = torch.zeros(0, dtype=torch.long)
    proposed = propose_pairs(torch.zeros((0, 3)), none, none)
    assert (proposed.first.shape, proposed.second.shape) == ((0,), (0,))
    assert int(proposed.n_truncated) == 0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    windows=st.lists(st.integers(0, 3), max_size=14),
    limits=st.lists(st.integers(0, 5), min_size=4, max_size=4),
    seed=st.integers(0, 2**16),
)
def test_pairs_equal_those_of_itertools(windows, limits, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(len(windows), 3, generator=generator)
    scores = logits.softmax(-1)
    expected, expected_truncated = [], 0
    for window, limit in enumerate(limits):
        entities = [
            span
            for span in range(len(windows))
            if windows[span] == window and int(logits[span].argmax()) != NONE
        ]
        expected_truncated += len(entities) > limit
        kept = sorted(entities, key=lambda span: -float(scores[span].max()))[:limit]
        expected += combinations(sorted(kept), 2)
    pairs, n_truncated = propose(logits, windows, limits)
    assert sorted(pairs) == sorted(expected)
    assert n_truncated == expected_truncated
