import pytest
from hypothesis import given, settings

from spacy_jre.evaluation.buckets import make_buckets, range_names
from spacy_jre.evaluation.outcomes import compare_docs

from ..scoring.helpers import ADA, HOTEL, LIMA, OSLO, make_example
from .helpers import CORPORA, examples_of, outcomes_of_all


def buckets_of(*pairs):
    examples = [make_example(*pair) for pair in pairs]
    return make_buckets(
        [(eg.reference, compare_docs(eg.reference, eg.predicted)) for eg in examples]
    )


def counts(bucket):
    return bucket.gold, bucket.predicted, bucket.correct


def named(buckets, name):
    return {bucket.name: counts(bucket) for bucket in buckets[name]}


def test_names_show_the_first_and_last_value():
    assert range_names((0, 1, 3, 21)) == ["0", "1-2", "3-20", ">20"]


def test_entities_are_divided_by_their_tokens():
    three = (0, 3, "PER")
    buckets = buckets_of((([ADA, HOTEL, OSLO],), ([three, HOTEL],)))
    found = named(buckets, "ents_length")
    assert found["1-2"] == (3, 1, 1)
    assert found["3-4"] == (0, 1, 0)
    first = buckets["ents_length"][0]
    assert (first.p, first.r, first.f) == pytest.approx((1, 1 / 3, 1 / 2))


def test_text_length_is_that_of_the_doc():
    buckets = buckets_of((([ADA], [(ADA, OSLO, "in")]), ([ADA], [])))
    # 8 tokens; the argument of a relation is an entity
    assert named(buckets, "ents_text_length")["0-19"] == (2, 1, 1)
    assert named(buckets, "rel_strict_text_length")["0-19"] == (1, 0, 0)


def test_distance_is_the_number_of_tokens_between_the_arguments():
    relations = [(ADA, HOTEL, "r"), (OSLO, ADA, "s"), (HOTEL, LIMA, "t")]
    buckets = buckets_of((([], relations), ([], relations[:1])))
    # "cooks for": 2, "cooks for Hotel Lima in": 5, nested: 0
    assert named(buckets, "rel_strict_distance") == {
        "0-2": (2, 1, 1),
        "3-5": (1, 0, 0),
        "6-10": (0, 0, 0),
        "11-20": (0, 0, 0),
        ">20": (0, 0, 0),
    }


def test_nested_entities_have_only_recall():
    gold = [ADA, HOTEL, LIMA]
    relations = [(ADA, HOTEL, "r"), (ADA, OSLO, "s")]
    buckets = buckets_of(((gold, relations), ([ADA, LIMA, (6, 7, "X")], [])))
    assert named(buckets, "ents_nested") == {
        "flat": (2, None, 1),
        "nested": (2, None, 1),
    }
    assert named(buckets, "rel_strict_nested") == {
        "flat": (1, None, 0),
        "nested": (1, None, 0),
    }
    nested = buckets["ents_nested"][1]
    assert (nested.p, nested.r, nested.f) == (None, 0.5, None)


def test_figures_of_an_empty_bucket_are_none():
    last = buckets_of((([ADA],), ([ADA],)))["ents_length"][-1]
    assert (last.name, last.p, last.r, last.f) == (">10", None, None, None)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CORPORA)
def test_buckets_contain_every_outcome_once(corpus):
    references = [example.reference for example in examples_of(corpus)]
    outcomes = outcomes_of_all(corpus)
    buckets = make_buckets(list(zip(references, outcomes, strict=True)))
    for name, rows in buckets.items():
        field = "entities" if name.startswith("ents") else "relations"
        kinds = [one.kind for doc in outcomes for one in getattr(doc, field)]
        correct = kinds.count("hit")
        assert sum(row.correct for row in rows) == correct
        assert sum(row.gold for row in rows) == correct + kinds.count("missed")
        if not name.endswith("nested"):
            total = correct + kinds.count("false")
            assert sum(row.predicted for row in rows) == total
