"""Outcomes of single Docs, and what holds for all of them."""

from collections import Counter

import pytest
from hypothesis import given, settings
from spacy.tokens import Doc

from spacy_jre.annotations import Record, build_doc
from spacy_jre.evaluation.outcomes import (
    FALSE_ENTITY_CAUSES,
    FALSE_RELATION_CAUSES,
    MISSED_ENTITY_CAUSES,
    MISSED_RELATION_CAUSES,
    SpanRef,
    compare_docs,
)
from spacy_jre.scoring.scorer import score_joint

from ..scoring.helpers import ADA, HOTEL, LIMA, OSLO, WORDS, annotate, make_example
from .helpers import CORPORA, SYMMETRIC, compare_all, examples_of, outcomes_of_all

FIRST = (4, 5, "ORG")


def compare_lists(gold, predicted, **settings):
    example = make_example(gold, predicted)
    return compare_docs(example.reference, example.predicted, **settings)


def entity_causes(gold, predicted):
    outcomes = compare_lists((gold,), (predicted,)).entities
    return [(outcome.kind, outcome.cause) for outcome in outcomes]


def relation_causes(gold, predicted, entities=(ADA, HOTEL, OSLO), **settings):
    """Compare relations between the entities, all of which are predicted."""
    pair = ((entities, gold), (entities, predicted))
    outcomes = compare_lists(*pair, **settings).relations
    return sorted((outcome.kind, outcome.cause) for outcome in outcomes)


# entities


def test_equal_entity_is_a_hit():
    (outcome,) = compare_lists(([ADA],), ([ADA],)).entities
    assert (outcome.kind, outcome.cause) == ("hit", "")
    assert outcome.gold == outcome.predicted == SpanRef(0, 9, "PER")


def test_entity_without_overlap_has_no_other_side():
    missed, false = compare_lists(([ADA],), ([OSLO],)).entities
    assert (missed.cause, missed.predicted) == ("missed", None)
    assert (false.cause, false.gold) == ("false", None)
    assert (missed.gold.label, false.predicted.label) == ("PER", "LOC")


@pytest.mark.parametrize(
    ("predicted", "cause"),
    [
        ((4, 6, "LOC"), "type"),
        (FIRST, "boundary"),
        ((4, 5, "LOC"), "boundary and type"),
    ],
)
def test_overlapping_entity_explains_both_errors(predicted, cause):
    missed_and_false = [("false", cause), ("missed", cause)]
    assert sorted(entity_causes([HOTEL], [predicted])) == missed_and_false


def test_correct_nested_entity_explains_nothing():
    causes = entity_causes([HOTEL, LIMA], [LIMA])
    assert causes == [("missed", "missed"), ("hit", "")]


def test_same_boundaries_explain_more_than_the_same_label():
    gold = [(4, 6, "ORG")]
    outcomes = compare_lists((gold,), ([(4, 5, "ORG"), (4, 6, "LOC")],)).entities
    (missed,) = (outcome for outcome in outcomes if outcome.kind == "missed")
    assert (missed.cause, missed.predicted.label) == ("type", "LOC")


def test_larger_overlap_explains_more():
    gold = [(0, 3, "PER")]
    outcomes = compare_lists((gold,), ([(2, 4, "PER"), (0, 2, "PER")],)).entities
    (missed,) = (outcome for outcome in outcomes if outcome.kind == "missed")
    assert missed.predicted == SpanRef(0, 9, "PER")


# relations


def test_relation_with_a_missed_entity():
    gold = ([ADA, HOTEL], [(ADA, HOTEL, "works_for")])
    (relation,) = compare_lists(gold, ([ADA],)).relations
    assert (relation.kind, relation.cause) == ("missed", "entity missed")
    assert relation.score is None


def test_relation_with_a_false_entity():
    predicted = ([ADA, HOTEL], [(ADA, HOTEL, "works_for", 0.75)])
    (relation,) = compare_lists(([ADA],), predicted).relations
    assert (relation.kind, relation.cause) == ("false", "entity false")
    assert relation.score == 0.75


@pytest.mark.parametrize(
    ("wrong", "cause"),
    [
        (FIRST, "entity boundary"),
        ((4, 5, "LOC"), "entity boundary"),
        ((4, 6, "LOC"), "entity type"),
    ],
)
def test_relation_with_a_wrong_entity(wrong, cause):
    gold = ([ADA, HOTEL], [(ADA, HOTEL, "works_for")])
    relations = compare_lists(
        gold, ([ADA, wrong], [(ADA, wrong, "works_for")])
    ).relations
    causes = sorted((one.kind, one.cause) for one in relations)
    assert causes == [("false", cause), ("missed", cause)]


def test_missed_entity_precedes_a_wrong_label_of_the_other_one():
    gold = ([ADA, HOTEL], [(ADA, HOTEL, "works_for")])
    (relation,) = compare_lists(gold, ([(4, 6, "LOC")],)).relations
    assert relation.cause == "entity missed"


@pytest.mark.parametrize(
    ("gold", "predicted", "causes"),
    [
        ([(ADA, HOTEL, "r")], [], [("missed", "relation missed")]),
        ([], [(ADA, HOTEL, "r")], [("false", "unrelated pair")]),
        (
            [(ADA, HOTEL, "r")],
            [(ADA, HOTEL, "s")],
            [("false", "wrong label"), ("missed", "wrong label")],
        ),
        (
            [(ADA, HOTEL, "r")],
            [(HOTEL, ADA, "r")],
            [("false", "wrong direction"), ("missed", "wrong direction")],
        ),
        (
            [(ADA, HOTEL, "r")],
            [(HOTEL, ADA, "s")],
            [("false", "wrong label"), ("missed", "wrong label")],
        ),
        # a correct prediction explains no missed relation
        (
            [(ADA, HOTEL, "r"), (ADA, HOTEL, "s")],
            [(ADA, HOTEL, "s")],
            [("hit", ""), ("missed", "relation missed")],
        ),
        # but a false one between related entities has a wrong label or direction
        (
            [(ADA, HOTEL, "r")],
            [(ADA, HOTEL, "r"), (HOTEL, ADA, "r"), (ADA, HOTEL, "s")],
            [("false", "wrong direction"), ("false", "wrong label"), ("hit", "")],
        ),
    ],
)
def test_relation_between_correct_entities(gold, predicted, causes):
    assert relation_causes(gold, predicted) == causes


def test_symmetric_relation_is_a_hit_in_any_order():
    causes = relation_causes(
        [(ADA, HOTEL, "r")], [(HOTEL, ADA, "r")], symmetric=frozenset("r")
    )
    assert causes == [("hit", "")]


# Docs


def test_document_of_the_record_is_the_id(nlp):
    gold = build_doc(Record("Ada", (), (), document="news/7"), nlp)
    predicted = annotate(Doc(nlp.vocab, words=["Ada"]), [])
    assert compare_docs(gold, predicted).doc_id == "news/7"
    assert compare_docs(predicted, predicted).doc_id == ""


def test_docs_without_annotation_have_no_outcomes(nlp):
    gold = Doc(nlp.vocab, words=WORDS)
    predicted = annotate(Doc(nlp.vocab, words=WORDS), [ADA], [(ADA, OSLO, "in")])
    outcome = compare_docs(gold, predicted)
    assert outcome.text == gold.text
    assert outcome.entities == outcome.relations == []


def test_unknown_entities_are_not_false(nlp):
    gold = Doc(nlp.vocab, words=WORDS)
    gold._.relations = []
    predicted = annotate(Doc(nlp.vocab, words=WORDS), [ADA], [(ADA, OSLO, "in")])
    outcome = compare_docs(gold, predicted)
    assert outcome.entities == []
    assert [one.cause for one in outcome.relations] == ["unrelated pair"]


def test_predicted_spans_refer_to_the_text_of_the_gold_doc(nlp):
    gold = annotate(Doc(nlp.vocab, words=["Ada", " ", "saw", "Mia"]), [])
    words = [" ", "Ada", "saw", " ", "Mia"]
    predicted = annotate(Doc(nlp.vocab, words=words), [(2, 5, "X"), (1, 2, "X")])
    first, second = (one.predicted for one in compare_docs(gold, predicted).entities)
    assert gold.text[first.start : first.end] == "Ada"
    assert gold.text[second.start : second.end] == "saw Mia"


def test_predicted_whitespace_is_an_empty_span(nlp):
    gold = annotate(Doc(nlp.vocab, words=["Ada", "saw"]), [])
    words = ["Ada", " ", "saw", " "]
    predicted = annotate(Doc(nlp.vocab, words=words), [(1, 2, "X"), (3, 4, "X")])
    spans = [one.predicted for one in compare_docs(gold, predicted).entities]
    assert [(span.start, span.end) for span in spans] == [(4, 4), (8, 8)]


def test_span_that_cannot_be_aligned_is_empty(nlp):
    gold = annotate(Doc(nlp.vocab, words=["Ada", "Ola"]), [])
    words = ["ada", " ", "ola"]  # in lower case, only tokens are aligned
    predicted = annotate(Doc(nlp.vocab, words=words), [(1, 2, "X"), (2, 3, "X")])
    spans = [one.predicted for one in compare_docs(gold, predicted).entities]
    assert spans == [SpanRef(0, 0, "X"), SpanRef(4, 7, "X")]


# all Docs


@settings(max_examples=100, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_hits_and_missed_are_gold_and_hits_and_false_are_predicted(corpus, symmetric):
    comparisons = compare_all(corpus, symmetric)
    outcomes = outcomes_of_all(corpus, symmetric)
    for comparison, outcome in zip(comparisons, outcomes, strict=True):
        for found, gold, predicted in (
            (
                outcome.entities,
                comparison.gold_entities,
                comparison.predicted_entities,
            ),
            (
                outcome.relations,
                comparison.gold_relations,
                comparison.predicted_relations,
            ),
        ):
            counts = Counter(one.kind for one in found)
            assert counts["hit"] + counts["missed"] == len(gold)
            assert counts["hit"] + counts["false"] == len(predicted)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_counts_of_outcomes_give_the_scores_of_the_scorer(corpus, symmetric):
    scores = score_joint(examples_of(corpus), symmetric=symmetric)
    outcomes = outcomes_of_all(corpus, symmetric)
    for name, field in (("ents", "entities"), ("rel_strict", "relations")):
        counts = Counter(one.kind for doc in outcomes for one in getattr(doc, field))
        hits, wrong = counts["hit"], counts["missed"] + counts["false"]
        f1 = 2 * hits / (2 * hits + wrong) if hits + wrong else 0.0
        assert scores[f"{name}_f"] == pytest.approx(f1, abs=1e-9)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(CORPORA, SYMMETRIC)
def test_every_error_has_a_known_cause(corpus, symmetric):
    entity = {"missed": MISSED_ENTITY_CAUSES, "false": FALSE_ENTITY_CAUSES}
    relation = {"missed": MISSED_RELATION_CAUSES, "false": FALSE_RELATION_CAUSES}
    for outcome in outcomes_of_all(corpus, symmetric):
        for rows, causes in ((outcome.entities, entity), (outcome.relations, relation)):
            for one in rows:
                assert one.cause in causes.get(one.kind, ("",))


@settings(max_examples=50, deadline=None, derandomize=True)
@given(CORPORA)
def test_swapping_gold_and_prediction_swaps_missed_and_false(corpus):
    def kinds(corpus):
        return [
            Counter(one.kind for one in [*outcome.entities, *outcome.relations])
            for outcome in outcomes_of_all(corpus)
        ]

    swapped = kinds([(predicted, gold) for gold, predicted in corpus])
    for one, other in zip(kinds(corpus), swapped, strict=True):
        assert one["hit"] == other["hit"]
        assert one["missed"] == other["false"]
