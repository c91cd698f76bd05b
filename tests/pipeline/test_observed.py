"""The structure of the training data, which `overlaps` and `constraints` use."""

import pytest

from spacy_jre.annotations import Gold
from spacy_jre.pipeline.observed import Observed, observe
from spacy_jre.types import Labels

LABELS = Labels(("LOC", "ORG", "PER"), ("in", "near"))


def observed_of(entities, relations=()):
    observed = Observed()
    observed.add(
        Gold(
            dict.fromkeys(entities),
            {(entities[h], entities[t], label): 1.0 for h, t, label in relations},
            True,
            True,
        )
    )
    return observed


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([], []),
        ([(0, 3, "PER"), (3, 5, "LOC")], []),
        ([(0, 9, "ORG"), (2, 4, "LOC"), (10, 12, "PER")], [["ORG", "LOC"]]),
        ([(0, 2, "LOC"), (0, 9, "ORG")], [["ORG", "LOC"]]),
        ([(3, 9, "ORG"), (0, 5, "LOC")], [["LOC", "ORG"]]),
        # not in text order, and with an entity between the two
        (
            [(8, 9, "LOC"), (2, 3, "PER"), (0, 10, "ORG")],
            [["ORG", "LOC"], ["ORG", "PER"]],
        ),
    ],
    ids=["none", "adjacent", "nested", "same start", "crossing", "unordered"],
)
def test_labels_of_overlapping_entities_are_found(entities, expected):
    assert observed_of(entities).overlap_table(LABELS) == expected


def test_overlap_with_an_unknown_label_is_left_out():
    observed = observed_of([(0, 9, "CAT"), (2, 4, "LOC"), (3, 4, "PER")])
    assert observed.overlap_table(LABELS) == [["LOC", "PER"]]


def test_two_labels_of_a_span_are_not_an_overlap():
    assert not observed_of([(0, 3, "PER"), (0, 3, "ORG")]).overlapping


def test_entities_of_two_docs_do_not_overlap():
    observed = observed_of([(0, 9, "ORG")])
    observed.add(Gold({(2, 4, "LOC"): None}, {}, True, True))
    assert not observed.overlapping


def test_table_has_the_labels_of_each_relation_once(examples):
    observed = observe(examples, "relations")
    assert observed.overlapping == {("ORG", "LOC")}
    labels = Labels(
        ("LOC", "ORG", "PER"), ("based_in", "lives_in", "spouse", "works_for")
    )
    assert observed.table(labels) == [
        ["ORG", "based_in", "LOC"],
        ["PER", "lives_in", "LOC"],
        ["PER", "spouse", "PER"],
        ["PER", "works_for", "ORG"],
    ]


def test_all_labels_of_an_argument_are_in_the_table():
    # training uses only one of the labels
    entities = [(0, 3, "PER"), (0, 3, "ORG"), (5, 6, "LOC")]
    table = observed_of(entities, [(0, 2, "in")]).table(LABELS)
    assert table == [["ORG", "in", "LOC"], ["PER", "in", "LOC"]]


def test_symmetric_relation_is_in_the_table_in_one_order():
    entities = [(0, 3, "PER"), (5, 6, "LOC")]
    observed = observed_of(entities, [(0, 1, "near"), (1, 0, "near"), (0, 1, "in")])
    labels = Labels(LABELS.entities, LABELS.relations, frozenset({"near"}))
    assert observed.table(labels) == [["LOC", "near", "PER"], ["PER", "in", "LOC"]]


def test_relations_with_other_labels_are_not_in_the_table():
    observed = observed_of([(0, 3, "PER"), (5, 6, "LOC")], [(0, 1, "in")])
    assert observed.table(Labels(("PER",), ("in",))) == []
    assert observed.table(Labels(("PER", "LOC"), ("near",))) == []
