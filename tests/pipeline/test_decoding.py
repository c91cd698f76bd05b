"""Decoding, compared with predictions by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spacy_jre.pipeline.decoding import choose_entities, decode
from spacy_jre.types import JointScores, Windows

BIG = 10.0


def make_scores(spans, entities, pairs, relations, windows=None) -> JointScores:
    """Scores. entities: column of each span; relations: logits of each pair."""
    values = np.asarray(relations, dtype="float32").reshape(-1, 2)
    logits = np.zeros((len(spans), 3), dtype="float32")
    logits[np.arange(len(spans)), entities] = BIG
    if windows is None:
        windows = Windows(np.asarray([0]), np.asarray([0]), np.asarray([8]))
    return JointScores(
        windows=windows,
        spans=np.asarray(spans, dtype=np.int64).reshape(-1, 2),
        entity_logits=logits,
        pairs=np.asarray(pairs, dtype=np.int64).reshape(-1, 2),
        relation_scores=1 / (1 + np.exp(-values)),
    )


def decode_with(scores, n_docs=1, **settings):
    options = {
        "entity_labels": ["LOC", "PER"],
        "relation_labels": ["in", "near"],
        "threshold": 0.5,
        "label_thresholds": {},
        "symmetric": frozenset(),
    }
    return decode(scores, n_docs, **{**options, **settings})


def relations_of(prediction):
    return [relation[:3] for relation in prediction.relations]


def test_entities_are_sorted_by_offset_and_none_is_not_predicted():
    scores = make_scores([[4, 6], [0, 2], [1, 3]], [1, 2, 0], [], [])
    (prediction,) = decode_with(scores)
    assert [e[:3] for e in prediction.entities] == [(0, 2, "PER"), (4, 6, "LOC")]
    # softmax of (0, 0, 10)
    assert prediction.entities[0][3] == pytest.approx(
        1 / (1 + 2 * np.exp(-BIG)), rel=1e-5
    )


def test_pair_gets_every_label_that_reaches_the_threshold():
    scores = make_scores([[4, 6], [0, 2]], [1, 2], [[0, 1], [1, 0]], [[0, 1], [-1, 2]])
    (prediction,) = decode_with(scores)
    # span 1 is first in the text, so it is entity 0
    assert relations_of(prediction) == [(0, 1, "near"), (1, 0, "in"), (1, 0, "near")]
    assert prediction.relations[1][3] == pytest.approx(0.5)


def test_threshold_of_a_label_overrides_the_threshold():
    scores = make_scores([[0, 1], [2, 3]], [1, 1], [[0, 1]], [[0.2, 0.2]])
    (prediction,) = decode_with(scores, threshold=0.9, label_thresholds={"near": 0.5})
    assert relations_of(prediction) == [(0, 1, "near")]


def test_label_with_score_zero_is_below_a_small_threshold():
    # LAI-Net has a score of 0 for all labels except one
    scores = make_scores([[0, 1], [2, 3]], [1, 1], [[0, 1]], [[-np.inf, -2.0]])
    assert scores.relation_scores[0, 0] == 0.0
    (prediction,) = decode_with(scores, threshold=0.01)
    assert relations_of(prediction) == [(0, 1, "near")]


def test_symmetric_relation_keeps_the_higher_score_of_both_orders():
    scores = make_scores([[4, 6], [0, 2]], [1, 2], [[0, 1], [1, 0]], [[-9, 3], [-9, 1]])
    (prediction,) = decode_with(scores, symmetric=frozenset({"near"}))
    assert relations_of(prediction) == [(0, 1, "near")]
    assert prediction.relations[0][3] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-5)


def test_token_offsets_are_relative_to_each_doc():
    # Doc 0: tokens 0..3 and 3..5; Doc 1 has none; Doc 2: tokens 0..4
    windows = Windows(
        np.asarray([0, 0, 2]), np.asarray([0, 3, 0]), np.asarray([3, 5, 4])
    )
    scores = make_scores(
        [[3, 5], [6, 7], [8, 9]], [1, 1, 2], [[1, 2]], [[5, -5]], windows
    )
    first, empty, last = decode_with(scores, 3)
    assert [e[:3] for e in first.entities] == [(3, 5, "LOC")]
    assert empty.entities == empty.relations == []
    assert [e[:3] for e in last.entities] == [(1, 2, "LOC"), (3, 4, "PER")]
    assert relations_of(last) == [(0, 1, "in")]


def test_pair_with_a_span_that_is_not_an_entity_is_ignored():
    windows = Windows(np.asarray([0, 1]), np.asarray([0, 0]), np.asarray([2, 2]))
    scores = make_scores(
        [[0, 1], [2, 3], [3, 4]], [1, 0, 1], [[1, 2]], [[9, 9]], windows
    )
    assert [p.relations for p in decode_with(scores, 2)] == [[], []]


def test_empty_scores_give_empty_predictions():
    none = np.zeros(0, dtype=np.int64)
    scores = make_scores([], none, [], [], Windows(none, none, none))
    assert [p.entities for p in decode_with(scores, 2)] == [[], []]


def test_best_score_is_kept_if_entities_overlap():
    wide, narrow, other = (0, 3, "A", 0.6), (1, 2, "B", 0.9), (3, 4, "C", 0.1)
    assert choose_entities([wide, narrow, other]) == [1, 2]
    assert choose_entities([(0, 3, "A", 0.95), narrow]) == [0]


def test_first_and_then_shorter_entity_is_kept_if_scores_are_equal():
    assert choose_entities([(1, 3, "A", 0.5), (2, 4, "A", 0.5)]) == [0]
    assert choose_entities([(1, 2, "A", 0.5), (1, 3, "A", 0.5)]) == [0]


@pytest.mark.parametrize("scores", [(0.9, 0.5), (0.5, 0.9)])
@pytest.mark.parametrize(
    ("one", "other"),
    [((0, 5), (2, 4)), ((0, 5), (0, 2)), ((0, 5), (3, 5)), ((0, 3), (2, 5))],
    ids=["inside", "same start", "same end", "crossing"],
)
def test_entities_overlap_if_their_labels_can(one, other, scores):
    entities = [(*one, "A", scores[0]), (*other, "B", scores[1])]
    better = scores.index(0.9)
    assert choose_entities(entities, [("A", "B")]) == [0, 1]
    for pairs in ([("B", "A")], [("A", "A"), ("B", "B")], []):
        assert choose_entities(entities, pairs) == [better]


def test_entity_has_to_fit_all_chosen_entities():
    # C is in A and in B, and only A and C can overlap
    outer, middle, inner = (0, 9, "A", 0.9), (1, 5, "B", 0.8), (2, 3, "C", 0.7)
    assert choose_entities([outer, middle, inner], [("A", "B"), ("A", "C")]) == [0, 1]
    every = [("A", "B"), ("A", "C"), ("B", "C")]
    assert choose_entities([outer, middle, inner], every) == [0, 1, 2]


# overlaps and constraints -------------------------------------------------------------


def nested_scores() -> JointScores:
    """Hotel Lima (LOC, uncertain), in it Lima (PER, certain), and another LOC."""
    scores = make_scores(
        [[0, 2], [1, 2], [4, 5]], [1, 2, 1], [[0, 2], [1, 2]], [[5, -5], [-5, 5]]
    )
    scores.entity_logits[0] *= 0.2
    return scores


def test_relation_of_a_removed_entity_is_not_decoded():
    (prediction,) = decode_with(nested_scores(), overlapping=[])
    assert [e[:3] for e in prediction.entities] == [(1, 2, "PER"), (4, 5, "LOC")]
    assert relations_of(prediction) == [(0, 1, "near")]


def test_overlapping_entities_and_their_relations_are_kept_by_default():
    (prediction,) = decode_with(nested_scores())
    assert [e[:2] for e in prediction.entities] == [(0, 2), (1, 2), (4, 5)]
    assert relations_of(prediction) == [(0, 2, "in"), (1, 2, "near")]


def test_overlapping_entities_with_given_labels_are_kept():
    for pairs, count in (([["LOC", "PER"]], 3), ([["PER", "LOC"]], 2)):
        (prediction,) = decode_with(nested_scores(), overlapping=pairs)
        assert len(prediction.entities) == count


def test_entities_of_different_docs_and_windows_do_not_overlap():
    # the same token offsets in two Docs, and two windows of the first one
    windows = Windows(
        np.asarray([0, 0, 1]), np.asarray([0, 2, 0]), np.asarray([2, 4, 2])
    )
    scores = make_scores(
        [[0, 2], [2, 4], [4, 6], [5, 6]], [1, 1, 1, 2], [], [], windows
    )
    scores.entity_logits[3] *= 0.5
    first, second = decode_with(scores, 2, overlapping=[])
    assert [e[:2] for e in first.entities] == [(0, 2), (2, 4)]
    assert [e[:2] for e in second.entities] == [(0, 2)]


def test_relation_that_is_not_in_the_table_is_not_predicted():
    scores = make_scores([[0, 1], [2, 3]], [1, 2], [[0, 1], [1, 0]], [[5, 5], [5, 5]])
    (prediction,) = decode_with(scores, table=[["LOC", "near", "PER"]])
    assert relations_of(prediction) == [(0, 1, "near")]


def test_empty_table_allows_no_relation():
    scores = make_scores([[0, 1], [2, 3]], [1, 2], [[0, 1]], [[5, 5]])
    (prediction,) = decode_with(scores, table=[])
    assert prediction.relations == []


@pytest.mark.parametrize("row", [["LOC", "near", "PER"], ["PER", "near", "LOC"]])
def test_symmetric_relation_in_the_table_is_allowed_in_both_orders(row):
    scores = make_scores([[4, 6], [0, 2]], [1, 2], [[0, 1], [1, 0]], [[-9, 3], [-9, 1]])
    (prediction,) = decode_with(scores, symmetric=frozenset({"near"}), table=[row])
    assert relations_of(prediction) == [(0, 1, "near")]
    # the score is the higher one of both orders
    assert prediction.relations[0][3] == pytest.approx(1 / (1 + np.exp(-3)), rel=1e-5)


LABELS = ("LOC", "PER")
RELATIONS = ("in", "near")
ALL_ROWS = [[h, r, t] for h in LABELS for r in RELATIONS for t in LABELS]


@st.composite
def score_arrays(draw):
    """Scores of all spans of two or three windows, the last one of a second Doc."""
    counts = draw(st.lists(st.integers(1, 4), min_size=2, max_size=3))
    starts = [0, counts[0], 0] if len(counts) == 3 else [0, 0]
    docs = [0, 0, 1] if len(counts) == 3 else [0, 1]
    windows = Windows(
        np.asarray(docs),
        np.asarray(starts),
        np.asarray([s + n for s, n in zip(starts, counts, strict=True)]),
    )
    spans, pairs = [], []
    for offset, count in zip(windows.first_token.tolist(), counts, strict=True):
        here = [
            [offset + start, offset + end]
            for start in range(count)
            for end in range(start + 1, count + 1)
        ]
        indices = range(len(spans), len(spans) + len(here))
        spans += here
        pairs += [[i, j] for i in indices for j in indices if i != j]
    seed = draw(st.integers(0, 2**16))
    rng = np.random.default_rng(seed)
    # few values, so that some scores are equal
    return JointScores(
        windows=windows,
        spans=np.asarray(spans, dtype=np.int64),
        entity_logits=rng.integers(-1, 3, (len(spans), 3)).astype("float32"),
        pairs=np.asarray(pairs, dtype=np.int64).reshape(-1, 2),
        relation_scores=rng.integers(0, 5, (len(pairs), 2)).astype("float32") / 4,
    )


def triples_of(prediction):
    """Relations with the values of their entities instead of the indices."""
    return {
        (prediction.entities[head], prediction.entities[tail], label, score)
        for head, tail, label, score in prediction.relations
    }


@given(scores=score_arrays(), symmetric=st.sampled_from([(), ("near",), RELATIONS]))
def test_entities_without_overlaps_are_the_best_and_keep_their_relations(
    scores, symmetric
):
    symmetric = frozenset(symmetric)
    kept = decode_with(scores, 2, symmetric=symmetric)
    best = decode_with(scores, 2, symmetric=symmetric, overlapping=[])
    for all_, one in zip(kept, best, strict=True):
        chosen = [all_.entities[i] for i in choose_entities(all_.entities)]
        assert one.entities == chosen
        tokens = [i for start, end, *_ in chosen for i in range(start, end)]
        assert len(tokens) == len(set(tokens))
        assert triples_of(one) == {
            row for row in triples_of(all_) if row[0] in chosen and row[1] in chosen
        }


@given(
    scores=score_arrays(),
    table=st.lists(st.sampled_from(ALL_ROWS)),
    symmetric=st.sampled_from([(), ("near",), RELATIONS]),
)
def test_every_relation_is_in_the_table_and_no_other_is_removed(
    scores, table, symmetric
):
    rows = {tuple(row) for row in table}
    rows |= {(t, label, h) for h, label, t in rows if label in symmetric}
    symmetric = frozenset(symmetric)
    free = decode_with(scores, 2, symmetric=symmetric)
    constrained = decode_with(scores, 2, symmetric=symmetric, table=table)
    for all_, one in zip(free, constrained, strict=True):
        assert one.entities == all_.entities
        assert triples_of(one) == {
            row for row in triples_of(all_) if (row[0][2], row[2], row[1][2]) in rows
        }


@given(scores=score_arrays())
def test_table_of_all_combinations_changes_nothing(scores):
    assert decode_with(scores, 2, table=ALL_ROWS) == decode_with(scores, 2)
