"""Relations between given entities."""

import pytest
import spacy
from spacy.tokens import Doc

from spacy_jre.architectures import bridge
from spacy_jre.architectures.torch_node import get_module

from .helpers import (
    MODELS,
    RELATION_LABELS,
    make_nlp,
    model_config,
    no_span_is_none,
    story_examples,
)

ALL = {"threshold": 0.0, "max_span_width": 2}


def docs_of(nlp):
    return [example.predicted for example in story_examples(nlp)]


def scores_of(prediction):
    """The relations by the entities, without their labels."""
    entities = [entity[:2] for entity in prediction.entities]
    return {
        (entities[head], entities[tail], label): score
        for head, tail, label, score in prediction.relations
    }


def related_pairs(prediction):
    entities = [entity[:3] for entity in prediction.entities]
    return {(entities[head], entities[tail]) for head, tail, *_ in prediction.relations}


@pytest.fixture(scope="module")
def nlp():
    """Scores all pairs with all labels."""
    return make_nlp(**ALL)[0]


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_predicted_entities(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert), **ALL)
    pipe = nlp.get_pipe("jre")
    docs = docs_of(nlp)
    with no_span_is_none(get_module(pipe.model.get_ref("network"))):
        predicted = pipe.predict(docs)
    # all predicted entities that formed a pair
    given = [
        [one.entities[i][:3] for i in sorted({i for r in one.relations for i in r[:2]})]
        for one in predicted
    ]
    assert all(len(entities) > 2 for entities in given)
    found = pipe.predict_given(docs, given)
    for one, other in zip(found, predicted, strict=True):
        scores = scores_of(other)
        assert scores_of(one).keys() == scores.keys()
        assert scores_of(one) == pytest.approx(scores, abs=1e-4)


def test_given_entities_are_kept_with_their_labels(nlp):
    pipe = nlp.get_pipe("jre")
    docs = docs_of(nlp)
    given = [[(4, 6, "ORG"), (0, 2, "PER"), (5, 6, "UNKNOWN")], [], [], [], []]
    first, *others = pipe.predict_given(docs, given)
    assert first.entities == [
        (0, 2, "PER", 1.0),
        (4, 6, "ORG", 1.0),
        (5, 6, "UNKNOWN", 1.0),
    ]
    assert len(first.relations) == 6 * len(RELATION_LABELS)
    assert all(not one.entities and not one.relations for one in others)


def test_labels_do_not_change_the_scores(nlp):
    pipe = nlp.get_pipe("jre")
    docs = docs_of(nlp)[:1]
    one, other = (
        pipe.predict_given(docs, [[(0, 2, first), (4, 6, second)]])[0]
        for first, second in (("PER", "ORG"), ("LOC", "PER"))
    )
    assert scores_of(one) == scores_of(other)


def test_entities_of_two_sentences_are_not_paired(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "sang", "Mia", "ate"])
    for token in doc:
        token.is_sent_start = token.i in (0, 2)
    given = [(0, 1, "PER"), (2, 3, "PER"), (3, 4, "PER"), (1, 3, "X")]
    (prediction,) = nlp.get_pipe("jre").predict_given([doc], [given])
    assert len(prediction.entities) == 4
    mia, ate = given[1:3]
    assert related_pairs(prediction) == {(mia, ate), (ate, mia)}


def test_two_labels_of_a_span_have_the_same_relations(nlp):
    pipe = nlp.get_pipe("jre")
    per, org, loc = (0, 2, "PER"), (0, 2, "ORG"), (7, 8, "LOC")
    (prediction,) = pipe.predict_given(docs_of(nlp)[:1], [[per, org, loc]])
    pairs = {(per, loc), (loc, per), (org, loc), (loc, org)}
    assert related_pairs(prediction) == pairs


def test_entity_that_is_given_twice_is_one(nlp):
    given = [[(0, 2, "PER"), (0, 2, "PER")]]
    (prediction,) = nlp.get_pipe("jre").predict_given(docs_of(nlp)[:1], given)
    assert len(prediction.entities) == 1


def test_whitespace_at_the_end_of_an_entity_is_not_scored(tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config("SpERT", tiny_bert, wide_bert), **ALL)
    pipe = nlp.get_pipe("jre")
    doc = Doc(nlp.vocab, words=["Ada", "\n", "saw", "Mia"])
    mia, space = (3, 4, "PER"), (1, 2, "X")
    with_space, without = (
        pipe.predict_given([doc], [[(0, end, "PER"), mia, space]])[0] for end in (2, 1)
    )
    assert with_space.entities[0][:2] == (0, 2)
    pairs = related_pairs(with_space)
    assert pairs == {((0, 2, "PER"), mia), (mia, (0, 2, "PER"))}
    scores = [row[2:] for row in without.relations]
    assert [row[2:] for row in with_space.relations] == scores


def test_parts_of_a_batch_do_not_change_the_result(nlp, monkeypatch):
    pipe = nlp.get_pipe("jre")
    docs = docs_of(nlp)
    given = [[(0, 2, "PER"), (3, 5, "ORG"), (len(d) - 2, len(d), "X")] for d in docs]
    whole = pipe.predict_given(docs, given)
    monkeypatch.setattr(bridge, "TOKENS_PER_PASS", 10)
    parts = pipe.predict_given(docs, given)
    for one, other in zip(parts, whole, strict=True):
        assert one.entities == other.entities
        assert scores_of(one) == pytest.approx(scores_of(other), abs=1e-5)
        assert len(one.relations) > 0


def test_constraints_apply_to_the_given_labels():
    nlp, _ = make_nlp(constraints=[["PER", "works_for", "ORG"]], **ALL)
    given = [[(0, 2, "PER"), (4, 6, "ORG"), (7, 8, "NEW")]]
    (prediction,) = nlp.get_pipe("jre").predict_given(docs_of(nlp)[:1], given)
    assert [row[:3] for row in prediction.relations] == [(0, 1, "works_for")]


def test_docs_without_tokens_or_entities_have_empty_predictions(nlp):
    pipe = nlp.get_pipe("jre")
    empty, doc = Doc(nlp.vocab), docs_of(nlp)[0]
    for docs in ([empty], [empty, doc], [doc]):
        for prediction in pipe.predict_given(docs, [[] for _ in docs]):
            assert prediction.entities == prediction.relations == []


def test_uninitialized_component_is_refused():
    nlp = spacy.blank("en")
    pipe = nlp.add_pipe("jre")
    with pytest.raises(ValueError, match="J301"):
        pipe.predict_given([nlp.make_doc("Ada")], [[]])
