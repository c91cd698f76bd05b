"""Thresholds, compared with a search over all scores."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.scoring.scorer import score_joint
from spacy_jre.scoring.thresholds import (
    LabelScores,
    Thresholds,
    choose_thresholds,
    collect_scores,
    count_all,
)

LOWEST = 0.001
CURRENT = Thresholds(0.4, {})


def choose(table, current=CURRENT, min_support=1):
    return choose_thresholds(table, current, min_support=min_support, lowest=LOWEST)


def test_threshold_is_the_middle_of_the_best_interval():
    # with the first two: precision 1, recall 1; the interval is 0.4 to 0.8
    entry = LabelScores([0.8, 0.9, 0.4], [True, True, False], 2)
    assert entry.best_threshold(LOWEST) == pytest.approx(0.6)


def test_widest_of_equally_good_intervals_is_chosen():
    # F1 of the first one: 2/4; of all four: 4/8
    scores, correct = [0.9, 0.85, 0.8, 0.7], [True, False, False, False]
    entry = LabelScores([*scores, 0.6], [*correct, True], 3)
    first, all_ = entry.count(0.88), entry.count(0.3)
    assert first.fscore == pytest.approx(all_.fscore)
    assert entry.best_threshold(LOWEST) == pytest.approx(0.3)  # 0.001 to 0.6


def test_equal_scores_are_not_separated():
    entry = LabelScores([0.5, 0.5, 0.5], [True, False, False], 1)
    assert entry.best_threshold(LOWEST) == pytest.approx(0.25)


def test_neighboring_single_precision_scores_are_separated():
    high = float(np.float32(0.7))
    low = float(np.nextafter(np.float32(high), np.float32(0)))
    entry = LabelScores([high, low], [True, False], 1)
    assert entry.count(entry.best_threshold(LOWEST)).fscore == pytest.approx(1.0)


def test_label_without_a_correct_relation_has_no_best_threshold():
    assert LabelScores([0.9], [False], 3).best_threshold(LOWEST) is None
    assert LabelScores([], [], 3).best_threshold(LOWEST) is None


@given(
    rows=st.lists(
        st.tuples(st.integers(1, 20).map(lambda n: n / 20), st.booleans()), min_size=1
    ),
    missed=st.integers(0, 5),
)
def test_no_other_threshold_has_a_higher_f1(rows, missed):
    scores, correct = map(list, zip(*rows, strict=True))
    entry = LabelScores(scores, correct, sum(correct) + missed)
    best = entry.best_threshold(LOWEST)
    highest = max(entry.count(threshold).fscore for threshold in [*scores, 1.0])
    if best is None:
        assert highest == 0.0
    else:
        assert entry.count(best).fscore == pytest.approx(highest)
        assert LOWEST < best <= 1.0


def test_label_with_few_relations_gets_the_common_threshold():
    table = {
        "many": LabelScores([0.9] * 9 + [0.2], [True] * 9 + [False], 9),
        "few": LabelScores([0.3, 0.8], [True, False], 1),
    }
    chosen = choose(table, min_support=5)
    assert chosen.labels.keys() == {"many"}
    assert chosen.of("few") == chosen.threshold == chosen.of("other")
    assert choose(table).labels.keys() == {"few", "many"}


def test_current_thresholds_are_kept_if_no_relation_is_correct():
    table = {"in": LabelScores([0.9], [False], 3)}
    assert choose(table) == CURRENT


def test_current_thresholds_are_kept_if_no_others_are_better():
    table = {"a": LabelScores([0.9, 0.8, 0.1], [True, True, False], 2)}
    assert choose(table, CURRENT) == CURRENT
    assert choose(table, Thresholds(0.95, {})) != Thresholds(0.95, {})


@given(st.integers(0, 2**16))
def test_micro_f1_does_not_decrease(seed):
    rng = np.random.default_rng(seed)
    table = {}
    for label in "ab":
        correct = rng.random(12) < 0.4
        scores = np.round(rng.random(12), 1).tolist()
        table[label] = LabelScores(scores, correct.tolist(), int(correct.sum()) + 2)
    current = Thresholds(0.5, {"b": 0.3})
    after = count_all(table, choose(table, current)).fscore
    assert after >= count_all(table, current).fscore


def example_of(nlp, predicted, gold):
    """Relations as (head, tail, label, score) with the token of a one-token entity."""
    docs = []
    for rows in (predicted, gold):
        doc = Doc(nlp.vocab, words=["Ada", "saw", "Mia", "in", "Oslo"])
        spans = [doc.char_span(t.idx, t.idx + len(t), label="X") for t in doc]
        doc.spans["jre"] = spans
        doc._.relations = [(spans[h], spans[t], *rest) for h, t, *rest in rows]
        docs.append(doc)
    return Example(*docs)


def test_counts_equal_those_of_the_scorer(nlp):
    predicted = [(0, 2, "met", 0.9), (2, 0, "met", 0.7), (0, 4, "in", 0.3)]
    examples = [
        example_of(nlp, predicted, [(2, 0, "met"), (0, 4, "in"), (2, 4, "in")]),
        example_of(nlp, [(4, 2, "in", 0.6)], [(0, 2, "met")]),
    ]
    for symmetric in ((), ("met",)):
        table = collect_scores(examples, symmetric=symmetric)
        scores = score_joint(examples, symmetric=symmetric)
        total = count_all(table, Thresholds(0.0, {}))
        assert total.to_dict() == {
            k: scores[f"rel_strict_{k}"] for k in ("p", "r", "f")
        }
        for label, entry in table.items():
            assert entry.count(0.0).to_dict() == scores["rel_strict_per_type"][label]


def test_symmetric_relation_in_both_orders_has_the_higher_score(nlp):
    rows = [(2, 0, "met", 0.7), (0, 2, "met", 0.9)]
    table = collect_scores([example_of(nlp, rows, [(0, 2, "met")])], symmetric=["met"])
    assert table == {"met": LabelScores([0.9], [True], 1)}


def test_doc_without_relation_annotation_is_ignored(nlp):
    example = example_of(nlp, [(0, 2, "met", 0.9)], [])
    example.reference.user_data.clear()
    assert collect_scores([example]) == {}


def test_threshold_equal_to_a_score_keeps_the_relation():
    score = float(np.float32(0.7))  # lower than 0.7 in double precision
    assert LabelScores([score], [True], 1).count(0.7).tp == 1
