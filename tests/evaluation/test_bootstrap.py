"""Intervals and tests, compared with simple loops and with known distributions."""

import numpy as np
import pytest

from spacy_jre.evaluation import bootstrap
from spacy_jre.evaluation.bootstrap import (
    bootstrap_intervals,
    compare_tables,
    resample_totals,
)
from spacy_jre.evaluation.counts import CountTable


def table_of(rng, n_documents=40, labels=("a", "b"), correct=3, wrong=2):
    shape = (n_documents, len(labels))
    high = [correct, wrong, wrong]
    counts = np.stack([rng.integers(0, size, shape) for size in high], -1)
    return CountTable(labels, counts.astype(float))


def test_totals_are_sums_of_drawn_documents(rng):
    counts = rng.integers(0, 5, (7, 2, 3))
    totals = resample_totals(counts, seed=3, resamples=20)
    drawn = np.random.default_rng(3).integers(0, 7, (20, 7))
    expected = [counts[rows].sum(0) for rows in drawn]
    assert np.array_equal(totals, expected)


def test_parts_of_the_draws_do_not_change_the_totals(rng, monkeypatch):
    counts = rng.integers(0, 5, (7, 2, 3))
    totals = resample_totals(counts, seed=0, resamples=25)
    monkeypatch.setattr(bootstrap, "MAX_DRAWS", 30)
    assert np.array_equal(resample_totals(counts, seed=0, resamples=25), totals)


def test_interval_of_the_recall_is_that_of_a_proportion():
    # each document has one gold relation, 60 of 100 are found
    found = np.arange(100) < 60
    counts = np.stack([found, np.zeros(100), ~found], -1)[:, None].astype(float)
    low, high = bootstrap_intervals(CountTable(("a",), counts)).summary["r"]
    # 1.96 standard deviations of a binomial share: 0.096
    assert low == pytest.approx(0.504, abs=0.015)
    assert high == pytest.approx(0.696, abs=0.015)


def test_equal_documents_have_an_interval_without_width():
    table = CountTable(("a",), np.asarray([[[1.0, 1, 0]]] * 5))
    intervals = bootstrap_intervals(table)
    assert intervals.summary["p"] == (0.5, 0.5)
    assert intervals.per_type["a"]["p"] == (0.5, 0.5)


def test_interval_of_a_label_ignores_resamples_without_it():
    counts = np.zeros((50, 2, 3))
    counts[:, 0, 0] = 1
    counts[0, 1, 0] = 1
    intervals = bootstrap_intervals(CountTable(("often", "once"), counts))
    assert intervals.per_type["once"]["f"] == (1.0, 1.0)


def test_intervals_depend_on_the_seed_only(rng):
    table = table_of(rng)
    first = bootstrap_intervals(table, seed=1)
    assert bootstrap_intervals(table, seed=1) == first
    assert bootstrap_intervals(table, seed=2) != first


def test_annotation_without_a_label_has_intervals_of_zero():
    intervals = bootstrap_intervals(CountTable((), np.zeros((3, 0, 3))))
    assert set(intervals.summary.values()) == {(0.0, 0.0)}


# comparison


def test_equal_predictions_have_p_1(rng):
    table = table_of(rng)
    summary, per_type = compare_tables(table, table)
    for difference in [*summary.values(), *per_type.values()]:
        assert difference.p == 1.0
        assert difference.difference == 0.0
        assert difference.interval == (0.0, 0.0)


def test_p_is_the_share_of_resamples_as_far_from_the_difference(rng):
    one, other = table_of(rng), table_of(rng)
    summary, _ = compare_tables(one, other, seed=5, resamples=99)
    drawn = np.random.default_rng(5).integers(0, 40, (99, 40))

    def f1(counts, rows):
        correct, false, missed = counts[rows].sum((0, 1))
        return 2 * correct / (2 * correct + false + missed)

    def difference(rows):
        return f1(one.counts, rows) - f1(other.counts, rows)

    observed = difference(np.arange(40))
    extreme = sum(abs(difference(rows) - observed) >= abs(observed) for rows in drawn)
    assert summary["f"].difference == pytest.approx(observed)
    assert summary["f"].p == pytest.approx((extreme + 1) / 100)


def test_clear_difference_has_the_smallest_p(rng):
    good = table_of(rng, correct=9, wrong=2)
    bad = table_of(rng, correct=2, wrong=9)
    summary, _ = compare_tables(good, bad)
    assert summary["f"].p == pytest.approx(1 / 1001)
    assert summary["f"].interval[0] > 0


def test_swapped_predictions_have_the_opposite_difference(rng):
    one, other = table_of(rng), table_of(rng)
    first, _ = compare_tables(one, other)
    second, _ = compare_tables(other, one)
    assert first["f"].p == second["f"].p
    assert first["f"].difference == -second["f"].difference
    low, high = first["f"].interval
    assert second["f"].interval == pytest.approx((-high, -low))


def test_p_is_uniform_without_a_true_difference(rng):
    # the two predictions differ by chance
    values = []
    for _ in range(100):
        one, other = table_of(rng, correct=5), table_of(rng, correct=5)
        summary, _ = compare_tables(one, other, resamples=200)
        values.append(summary["f"].p)
    assert np.mean(values) == pytest.approx(0.5, abs=0.1)
    assert np.mean(np.asarray(values) <= 0.05) <= 0.15


def test_label_of_one_prediction_is_compared(rng):
    one = table_of(rng, labels=("a", "b"))
    other = CountTable(("a",), one.counts[:, :1])
    _, per_type = compare_tables(one, other)
    assert per_type["a"].p == 1.0
    assert per_type["b"].other_f == 0.0
    assert per_type["b"].difference > 0
