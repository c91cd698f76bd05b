"""Decoding, compared with predictions by hand."""

import numpy as np
import pytest

from spacy_jre.pipeline.decoding import decode, without_overlaps
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
    assert without_overlaps([wide, narrow, other]) == [1, 2]
    assert without_overlaps([(0, 3, "A", 0.95), narrow]) == [0]
