"""Tables that the command does not print for the data of its tests."""

import pytest

from spacy_jre.cli.evaluate_print import print_evaluation
from spacy_jre.evaluation.report import GivenEntities, Predicted, make_report
from spacy_jre.scoring.scorer import score_joint
from spacy_jre.scoring.thresholds import Thresholds, collect_scores

from ..scoring.helpers import ADA, HOTEL, OSLO, make_example, unannotated


def report_of(examples, *, n_skipped=0, symmetric=()):
    scores = score_joint(examples, symmetric=symmetric)
    given = GivenEntities(scores, n_skipped)
    table = collect_scores(examples, symmetric=symmetric)
    predicted = Predicted(
        "model", examples, scores, "relations", table, 0.001, Thresholds(0.4, {}), given
    )
    return make_report(predicted, data="data", symmetric=symmetric)[0]


@pytest.fixture
def printed(capsys):
    def print_report(*args, **kwargs):
        print_evaluation(report_of(*args, **kwargs))
        return " ".join(capsys.readouterr().out.split())

    return print_report


def test_many_labels_are_shown_as_a_list_of_confusions(printed):
    gold = [(i, i + 1, f"G{i}") for i in range(8)]
    predicted = [(i, i + 1, f"P{i}") for i in range(8)]
    output = printed([make_example((gold,), (predicted,))])
    assert "Gold Predicted Count" in output
    assert "G3 P3 1" in output
    assert "none" not in output


def test_label_called_none_is_in_the_list_of_confusions(printed):
    gold = [(i, i + 1, f"L{i}") for i in range(10)]
    rows = ([*gold, (0, 2, "none")],), (gold,)
    output = printed([make_example(*rows, ["word"] * 10)])
    assert "Gold Predicted Count" in output
    # in the gold annotation, and not predicted
    assert "none none 1" in output


def test_confusions_beyond_the_limit_are_counted(printed):
    words = ["word"] * 25
    gold = [(i, i + 1, f"G{i:02}") for i in range(25)]
    output = printed([make_example((gold,), ([],), words)])
    assert "G19 none 1" in output
    assert "G20 none 1" not in output
    assert "5 more combinations are in the JSON output" in output


def test_symmetric_labels_have_a_table_of_both_orders(printed):
    rows = ([], [(ADA, HOTEL, "near"), (ADA, OSLO, "in")])
    output = printed([make_example(rows, ([], rows[1][:1]))], symmetric=["near"])
    assert "Symmetric relations counted twice" in output
    # recall 2 of 3
    assert "rel_strict 100.00 66.67 80.00" in output
    assert "Symmetric" not in printed([make_example(rows, rows)])


def test_skipped_gold_entities_are_reported(printed):
    pair = ([], [(ADA, HOTEL, "in")])
    output = printed([make_example(pair, pair)], n_skipped=3)
    assert "3 gold entities do not match the tokens" in output


def test_data_without_annotation_is_reported(printed):
    output = printed([unannotated(make_example(([],), ([ADA],)))])
    assert "Entities: the data has no annotation" in output
    assert "Relations: the data has no annotation" in output
    assert "Confusion" not in output


def test_labels_with_control_characters_are_escaped(printed):
    output = printed([make_example(([(*ADA[:2], "P\x1b[2J")],), ([],))])
    assert "\x1b[2J" not in output
    assert "P\\x1b[2J 0.00" in output  # in a table
    assert "(P\\x1b[2J)" in output  # in an example
