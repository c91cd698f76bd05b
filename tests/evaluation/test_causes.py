from collections import Counter

from hypothesis import given, settings

from spacy_jre.evaluation.causes import describe, group_errors
from spacy_jre.evaluation.outcomes import compare_docs

from ..scoring.helpers import ADA, HOTEL, OSLO, make_example
from .helpers import CORPORA, SYMMETRIC, outcomes_of_all


def outcome_of(gold, predicted):
    example = make_example(gold, predicted)
    return compare_docs(example.reference, example.predicted)


def test_errors_have_at_most_three_examples():
    outcomes = [outcome_of(([ADA],), ([],)) for _ in range(5)]
    first, *others = group_errors(outcomes)["entities"]
    assert (first.kind, first.cause, first.count) == ("missed", "missed", 5)
    assert [example.doc for example in first.examples] == [0, 1, 2]
    assert {group.count for group in others} == {0}


def test_relation_is_described_by_its_arguments():
    outcome = outcome_of(([], [(ADA, HOTEL, "works_for")]), ([ADA, HOTEL],))
    (relation,) = outcome.relations
    text = describe(outcome.text, relation)
    assert text == "Ada Quint (PER) -works_for-> Hotel Lima (ORG)"


def test_overlapping_entities_are_both_described():
    outcome = outcome_of(([HOTEL],), ([(4, 5, "ORG")],))
    text = describe(outcome.text, outcome.entities[0])
    assert text == "gold Hotel Lima (ORG), predicted Hotel (ORG)"
    alone = outcome_of(([OSLO],), ([],))
    assert describe(alone.text, alone.entities[0]) == "Oslo (LOC)"


def test_long_entity_is_truncated():
    words = ["word"] * 30
    example = make_example(([(0, 30, "X")],), ([],), words)
    outcome = compare_docs(example.reference, example.predicted)
    text = describe(outcome.text, outcome.entities[0])
    assert text.endswith("... (X)")
    assert len(text) <= 64


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_sums_of_causes_are_the_errors(corpus, symmetric):
    outcomes = outcomes_of_all(corpus, symmetric)
    for name, groups in group_errors(outcomes).items():
        found = Counter(one.kind for doc in outcomes for one in getattr(doc, name))
        for kind in ("missed", "false"):
            assert sum(g.count for g in groups if g.kind == kind) == found[kind]
