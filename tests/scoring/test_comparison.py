from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.scoring.comparison import compare

from .helpers import ADA, HOTEL, OSLO, WORDS, make_example


def test_counts_are_correct_false_and_missed_by_label():
    comparison = compare(make_example(([ADA, OSLO],), ([ADA, HOTEL],)))
    expected = {"PER": (1, 0, 0), "ORG": (0, 1, 0), "LOC": (0, 0, 1)}
    assert comparison.count("ents") == expected


def test_reference_without_annotation_has_no_counts():
    example = make_example(([],), ([ADA], [(ADA, OSLO, "in")]))
    reference = Doc(example.reference.vocab, words=WORDS)
    comparison = compare(Example(example.predicted, reference))
    kinds = ("ents", "rel", "rel_strict")
    assert [comparison.count(kind) for kind in kinds] == [None] * 3


def test_relation_in_both_orders_has_the_higher_score():
    relations = [(ADA, OSLO, "near", 0.3), (OSLO, ADA, "near", 0.8)]
    example = make_example(([],), ([], relations))
    once = compare(example, symmetric=frozenset(["near"]))
    assert list(once.predicted_relations.values()) == [0.8]
    twice = compare(example, symmetric=frozenset(["near"]), symmetric_twice=True)
    assert list(twice.predicted_relations.values()) == [0.8, 0.8]
