import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.evaluation.curves import calibrate, precision_recall
from spacy_jre.scoring.thresholds import LabelScores

ROWS = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), max_size=30
)


def test_curve_is_counted_by_hand():
    entry = LabelScores([0.75, 0.5, 0.25], [True, False, True], 4)
    curve = precision_recall(entry)
    points = [(one.threshold, one.p, one.r, one.f) for one in curve.points]
    assert points == [
        pytest.approx((0.75, 1, 1 / 4, 2 / 5)),
        pytest.approx((0.25, 2 / 3, 2 / 4, 4 / 7)),
    ]
    assert curve.average_precision == pytest.approx(1 / 4 * 1 + 1 / 4 * 2 / 3)


def test_equal_scores_are_one_point():
    curve = precision_recall(LabelScores([0.5, 0.5, 0.5], [False, True, True], 2))
    assert [(one.p, one.r) for one in curve.points] == [pytest.approx((2 / 3, 1))]


def test_curve_without_a_correct_relation_has_no_points():
    assert precision_recall(LabelScores([0.5], [False], 3)).points == []
    assert precision_recall(LabelScores([], [], 3)).average_precision == 0.0


@settings(max_examples=50, deadline=None, derandomize=True)
@given(ROWS, st.integers(0, 5))
def test_points_are_the_counts_at_their_threshold(rows, missed):
    scores, correct = [row[0] for row in rows], [row[1] for row in rows]
    entry = LabelScores(scores, correct, sum(correct) + missed)
    curve = precision_recall(entry)
    for point in curve.points:
        counts = entry.count(point.threshold).to_dict()
        assert counts == pytest.approx({"p": point.p, "r": point.r, "f": point.f})
    recalls = [point.r for point in curve.points]
    assert recalls == sorted(set(recalls))
    if curve.points:
        # the best F1 is at a point
        best = max(entry.count(score).fscore for score in scores)
        assert max(point.f for point in curve.points) == pytest.approx(best)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(ROWS.filter(lambda rows: any(correct for _, correct in rows)))
def test_average_precision_equals_scikit_learn(rows):
    metrics = pytest.importorskip("sklearn.metrics")
    scores, correct = map(list, zip(*rows, strict=True))
    curve = precision_recall(LabelScores(scores, correct, sum(correct)))
    expected = metrics.average_precision_score(correct, scores)
    assert curve.average_precision == pytest.approx(expected)


def test_calibration_is_counted_by_hand():
    calibration = calibrate([0.95, 0.91, 0.45, 0.1], [True, False, True, False])
    filled = {bin.low: bin for bin in calibration.bins if bin.count}
    assert {low: bin.count for low, bin in filled.items()} == {0.9: 2, 0.4: 1, 0.0: 1}
    assert filled[0.9].score == pytest.approx(0.93)
    assert filled[0.9].correct == pytest.approx(0.5)
    expected = 2 / 4 * 0.43 + 1 / 4 * 0.55 + 1 / 4 * 0.1
    assert calibration.error == pytest.approx(expected)


def test_scores_at_the_limits_have_a_bin():
    calibration = calibrate([0.0, 1.0], [False, True])
    assert [bin.count for bin in calibration.bins] == [1, *[0] * 8, 1]
    assert calibration.error == pytest.approx(0.0)


def test_calibration_without_predictions_has_no_error():
    calibration = calibrate([], [])
    assert calibration.error is None
    assert {bin.score for bin in calibration.bins} == {None}


@settings(max_examples=50, deadline=None, derandomize=True)
@given(ROWS)
def test_bins_contain_all_predictions(rows):
    scores, correct = [row[0] for row in rows], [row[1] for row in rows]
    bins = calibrate(scores, correct).bins
    assert sum(bin.count for bin in bins) == len(rows)
    assert sum(bin.count * (bin.correct or 0) for bin in bins) == pytest.approx(
        sum(correct)
    )
    for bin in bins:
        if bin.count:
            assert bin.low - 1e-9 <= bin.score <= bin.high + 1e-9


def test_score_of_a_well_calibrated_model_has_a_small_error():
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    correct = rng.random(20_000) < scores
    assert calibrate(scores.tolist(), correct.tolist()).error < 0.02
