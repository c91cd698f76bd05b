from hypothesis import given, settings
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.evaluation.confusion import confuse_entities, confuse_relations
from spacy_jre.scoring.comparison import compare

from ..scoring.helpers import ADA, HOTEL, LIMA, OSLO, WORDS, make_example
from .helpers import CORPORA, SYMMETRIC, compare_all


def confuse(function, gold, predicted):
    confusion = function([compare(make_example(gold, predicted))])
    return confusion.labels, confusion.counts


def test_labels_of_the_same_span_are_confused():
    gold = [ADA, HOTEL, OSLO]
    predicted = [ADA, (4, 6, "LOC"), LIMA]
    labels, counts = confuse(confuse_entities, (gold,), (predicted,))
    assert labels == ["LOC", "ORG", "PER"]
    assert counts == [
        [0, 0, 0, 1],  # Oslo
        [1, 0, 0, 0],  # Hotel Lima
        [0, 0, 1, 0],  # Ada
        [1, 0, 0, 0],  # Lima
    ]


def test_labels_of_the_same_pair_are_confused():
    gold = [(ADA, HOTEL, "r"), (ADA, OSLO, "r")]
    # the entity label is ignored, the direction is not
    predicted = [(ADA, (4, 6, "LOC"), "s"), (OSLO, ADA, "r")]
    labels, counts = confuse(confuse_relations, ([], gold), ([], predicted))
    assert labels == ["r", "s"]
    assert counts == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_several_labels_of_a_span_are_paired_once():
    gold = [(0, 2, label) for label in "ABC"]
    predicted = [(0, 2, label) for label in "CD"]
    labels, counts = confuse(confuse_entities, (gold,), (predicted,))
    assert labels == list("ABCD")
    assert counts[0] == [0, 0, 0, 1, 0]
    assert counts[1] == [0, 0, 0, 0, 1]
    assert counts[2] == [0, 0, 1, 0, 0]


def test_label_none_is_a_label_of_its_own():
    labels, counts = confuse(confuse_entities, ([(0, 1, "none")],), ([(1, 2, "none")],))
    assert labels == ["none"]
    assert counts == [[0, 1], [1, 0]]


def test_references_without_annotation_have_no_table():
    predicted = make_example(([],), ([ADA],)).predicted
    example = Example(predicted, Doc(predicted.vocab, words=WORDS))
    assert confuse_entities([compare(example)]) is None


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_rows_are_gold_and_columns_are_predicted(corpus, symmetric):
    comparisons = compare_all(corpus, symmetric)
    for kind, function in (("ents", confuse_entities), ("rel", confuse_relations)):
        confusion = function(comparisons)
        rows = [one.rows(kind) for one in comparisons]
        for index, label in enumerate(confusion.labels):
            predicted, gold = (
                sum(row[-1] == label for pair in rows for row in pair[side])
                for side in (0, 1)
            )
            assert sum(confusion.counts[index]) == gold
            assert sum(row[index] for row in confusion.counts) == predicted
        hits = sum(len(predicted & gold) for predicted, gold in rows)
        diagonal = [confusion.counts[i][i] for i in range(len(confusion.labels))]
        assert sum(diagonal) == hits
