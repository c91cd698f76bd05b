"""Alignment of gold annotation with predicted tokens, skipped annotation, targets."""

import numpy as np
import pytest
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations
from spacy_jre.architectures.windows import sentence_windows
from spacy_jre.training.targets import (
    UnknownLabel,
    align_gold,
    entity_targets,
    relation_targets,
)
from spacy_jre.types import Candidates, Labels

from ..conftest import STORY, make_example

LABELS = Labels(
    entities=("LOC", "ORG", "PER"),
    relations=("based_in", "lives_in", "spouse", "works_for"),
)


def align(examples, labels=LABELS):
    docs = [example.predicted for example in examples]
    has_units = np.asarray([not token.is_space for doc in docs for token in doc])
    return align_gold(examples, sentence_windows(docs), has_units, labels, "relations")


def make(nlp, predicted: list[str], gold: list[str]) -> Example:
    """`Hotel Lima` in `Oslo`: two entities and a relation, in two tokenizations."""
    reference = Doc(nlp.vocab, words=gold)
    text = reference.text
    hotel, oslo = text.index("Hotel"), text.index("Oslo")
    end = text.index("Lima") + 4
    write_annotations(
        reference,
        [
            StoredEntity(hotel, end, "ORG", 1.0),
            StoredEntity(oslo, oslo + 4, "LOC", 1.0),
        ],
        [StoredRelation(hotel, end, "ORG", oslo, oslo + 4, "LOC", "based_in", 1.0)],
    )
    return Example(Doc(nlp.vocab, words=predicted), reference)


@pytest.mark.parametrize(
    ("predicted", "spans"),
    [
        (["Hotel", "Lima", "in", "Oslo"], [(0, 2), (3, 4)]),
        (["Hotel Lima", "in", "Oslo"], [(0, 1), (2, 3)]),
        (["Hotel", "Lima in", "Oslo"], [(2, 3)]),
        (["Hotel Lima in", "Oslo"], [(1, 2)]),
        (["Hotel Lima in Oslo"], []),
    ],
)
def test_longer_predicted_tokens_are_aligned_or_counted(nlp, predicted, spans):
    example = make(nlp, predicted, ["Hotel", "Lima", "in", "Oslo"])
    gold = align([example])
    assert [tuple(span) for span in gold.spans] == spans
    assert gold.skipped.entities == 2 - len(spans)
    assert gold.skipped.relations == (0 if len(spans) == 2 else 1)
    assert len(gold.relations) == (1 if len(spans) == 2 else 0)


def test_shorter_predicted_tokens_are_aligned(nlp):
    reference = make(nlp, ["x"], ["Hotel-Lima", "in", "Oslo"]).reference
    words = ["Hotel", "-", "Lima", "in", "Oslo"]
    spaces = [False, False, True, True, True]
    gold = align([Example(Doc(nlp.vocab, words=words, spaces=spaces), reference)])
    assert [tuple(span) for span in gold.spans] == [(0, 3), (4, 5)]


def test_text_with_other_whitespace_is_aligned_by_tokens(nlp):
    example = make(nlp, ["x"], ["Hotel", "Lima", "in", "Oslo"])
    words = ["Hotel", "Lima", " ", "in", "Oslo"]
    other = Example(Doc(nlp.vocab, words=words), example.reference)
    assert other.predicted.text != other.reference.text
    gold = align([other])
    assert [tuple(span) for span in gold.spans] == [(0, 2), (4, 5)]
    assert len(gold.relations) == 1


def test_token_offsets_are_over_the_batch(nlp):
    gold = align([make_example(nlp, STORY[2]), make_example(nlp, STORY[4])])
    first = len(STORY[2]["words"])
    assert gold.spans.tolist() == [
        [3, 4],
        [first, first + 1],
        [first + 4, first + 5],
        [first + 6, first + 7],
    ]
    assert gold.windows.tolist() == [0, 1, 1, 1]
    assert gold.labels.tolist() == [1, 2, 1, 1]
    assert gold.relations.tolist() == [[1, 2, 0]]


def test_entity_across_windows_and_its_relations_are_counted(nlp):
    example = make_example(nlp, STORY[0])
    example.predicted[1].is_sent_start = True  # Ada | Quint
    gold = align([example])
    assert (gold.skipped.entities, gold.skipped.relations) == (1, 1)
    assert len(gold.spans) == 3


def test_arguments_of_symmetric_relations_are_in_text_order(nlp):
    backward = {**STORY[3], "relations": [(1, 0, "spouse")]}
    labels = Labels(LABELS.entities, LABELS.relations, frozenset({"spouse"}))
    gold = align([make_example(nlp, backward)], labels)
    assert gold.relations.tolist() == [[0, 1, 2]]


def test_first_label_of_a_span_is_used(nlp):
    twice = {**STORY[2], "entities": [(3, 4, "PER"), (3, 4, "LOC")]}
    gold = align([make_example(nlp, twice)])
    assert gold.labels.tolist() == [1]
    assert gold.skipped.two_labels == 1


def test_error_has_the_unknown_label(nlp):
    other = {**STORY[2], "entities": [(3, 4, "GOD")]}
    with pytest.raises(UnknownLabel) as caught:
        align([make_example(nlp, other)])
    assert caught.value.args == ("entity", "GOD")


def test_relations_of_a_doc_with_entity_annotation_only_are_unknown(nlp):
    doc = nlp.make_doc("Oslo is wet")
    doc.ents = [doc.char_span(0, 4, label="LOC")]
    gold = align([Example(nlp.make_doc(doc.text), doc)])
    assert gold.knows_entities.tolist() == [True]
    assert gold.knows_relations.tolist() == [False]
    assert gold.spans.tolist() == [[0, 1]]


def test_ents_and_relations_set_on_a_doc_are_aligned(nlp):
    doc = nlp.make_doc("Ada left Oslo")
    doc.ents = [doc.char_span(0, 3, label="PER"), doc.char_span(9, 13, label="LOC")]
    doc._.relations = [(doc.ents[0], doc.ents[1], "lives_in")]
    gold = align([Example(nlp.make_doc(doc.text), doc)])
    assert gold.spans.tolist() == [[0, 1], [2, 3]]
    assert gold.relations.tolist() == [[0, 1, 1]]


def test_argument_without_label_has_the_label_of_the_entity(nlp):
    doc = nlp.make_doc("Ada left Oslo")
    doc.ents = [doc.char_span(0, 3, label="PER"), doc.char_span(9, 13, label="LOC")]
    doc._.relations = [(doc[0:1], doc[2:3], "lives_in")]
    gold = align([Example(nlp.make_doc(doc.text), doc)])
    assert gold.labels.tolist() == [3, 1]
    assert len(gold.relations) == 1


def test_error_names_an_argument_without_label_and_entity(nlp):
    doc = nlp.make_doc("Ada left Oslo")
    doc.ents = [doc.char_span(0, 3, label="PER")]
    doc._.relations = [(doc.ents[0], doc[2:3], "lives_in")]
    with pytest.raises(ValueError, match=r"J403.*'Oslo' \(9\.\.13\)"):
        align([Example(nlp.make_doc(doc.text), doc)])


def test_targets_of_spans_and_pairs_equal_the_annotation(nlp):
    gold = align([make_example(nlp, STORY[3])])
    spans = np.asarray([[0, 2], [1, 2], [3, 5], [8, 9]])
    assert entity_targets(gold, spans).tolist() == [3, 0, 3, 1]
    pairs = np.asarray([[0, 3], [3, 0], [0, 2], [1, 3]])
    targets = relation_targets(gold, Candidates(spans, pairs), 4)
    assert targets.tolist() == [
        [0, 1, 0, 0],
        [0, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 0],
    ]


def test_target_of_a_pair_with_two_labels_has_both(nlp):
    both = {**STORY[3], "relations": [(0, 1, "spouse"), (0, 1, "works_for")]}
    gold = align([make_example(nlp, both)])
    targets = relation_targets(gold, Candidates(gold.spans, np.asarray([[0, 1]])), 4)
    assert targets.tolist() == [[0, 0, 1, 1]]


@pytest.mark.parametrize("space", ["\n", "\t", "\u00a0"])
def test_other_whitespace_inside_an_entity_is_aligned(nlp, space):
    example = make(nlp, ["x"], ["Hotel", "Lima", "in", "Oslo"])
    predicted = nlp.make_doc(f"Hotel{space}Lima in Oslo")
    gold = align([Example(predicted, example.reference)])
    assert len(gold.spans) == 2
    start, end = gold.spans[0]
    assert predicted[start:end].text.split() == ["Hotel", "Lima"]


@pytest.mark.parametrize(
    ("words", "span", "aligned"),
    [
        (["\n", "Hotel", "Lima", " "], (0, 4), [[1, 3]]),
        (["Hotel", "\n", "Lima", "x"], (0, 3), [[0, 3]]),
        (["Hotel", " ", "\n", "x"], (1, 3), []),
    ],
)
def test_entity_does_not_start_or_end_with_tokens_without_units(
    nlp, words, span, aligned
):
    sentence = {"words": words, "entities": [(*span, "ORG")], "relations": []}
    gold = align([make_example(nlp, sentence)])
    assert gold.spans.tolist() == aligned
    assert gold.skipped.entities == 1 - len(aligned)


def test_entities_that_differ_in_whitespace_only_are_one_span(nlp):
    entities = [(0, 2, "ORG"), (0, 3, "LOC")]
    words = ["Hotel", "Lima", "\n", "x"]
    gold = align(
        [make_example(nlp, {"words": words, "entities": entities, "relations": []})]
    )
    assert gold.spans.tolist() == [[0, 2]]
    assert gold.skipped.two_labels == 1
