import json
import pickle

import numpy as np
import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.pipeline import merge_entities
from spacy.tokens import Doc, DocBin

from spacy_jre import Relation, entity_group, register_extension
from spacy_jre.annotations import (
    StoredEntity,
    StoredRelation,
    stored_relations,
    write_annotations,
)
from spacy_jre.annotations.relations import storage_key, stored_entities

ROW = StoredRelation(0, 9, "PER", 20, 30, "ORG", "works_for", 0.75)


@pytest.fixture
def doc(nlp):
    doc = nlp.make_doc("Ada Quint cooks for Hotel Lima")
    entities = [StoredEntity(0, 9, "PER", 0.9), StoredEntity(20, 30, "ORG", 0.8)]
    write_annotations(doc, entities, [ROW])
    return doc


def test_relation_has_spans_label_and_score(doc):
    (relation,) = doc._.relations
    assert (relation.head.text, relation.head.label_) == ("Ada Quint", "PER")
    assert (relation.tail.text, relation.tail.label_) == ("Hotel Lima", "ORG")
    assert (relation.label, relation.score) == ("works_for", 0.75)
    assert relation.as_triple() == ("Ada Quint", "works_for", "Hotel Lima")
    assert "works_for" in repr(relation)


def test_doc_without_annotation_has_no_relations(nlp):
    assert nlp.make_doc("Nothing here")._.relations == ()


def _bytes(doc):
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def _docbin(doc):
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return next(DocBin().from_bytes(data).get_docs(doc.vocab))


def _json(doc):
    text = json.dumps(doc.to_json(underscore=["relations"]))
    return Doc(doc.vocab).from_json(json.loads(text))


def _pickle(doc):
    return pickle.loads(pickle.dumps(doc))


@pytest.mark.parametrize(
    "road", [_bytes, _docbin, _json, _pickle, Doc.copy], ids=lambda f: f.__name__
)
def test_relations_survive_serialization(doc, road):
    copy = road(doc)
    assert copy._.relations == doc._.relations
    assert copy._.relations[0].head.text == "Ada Quint"


@pytest.mark.parametrize("road", [_bytes, _docbin, _pickle], ids=lambda f: f.__name__)
def test_scores_of_the_span_group_survive_serialization(doc, road):
    copy = road(doc)
    assert copy.spans["jre"].attrs["scores"] == [0.9, 0.8]


def test_relations_have_the_same_text_after_merging_entities(doc):
    doc.ents = list(doc.spans["jre"])
    doc = merge_entities(doc)
    assert [t.text for t in doc] == ["Ada Quint", "cooks", "for", "Hotel Lima"]
    assert doc._.relations[0].tail.text == "Hotel Lima"


def test_entity_group_has_the_same_text_after_merging_entities(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    group = entity_group(doc)
    assert [span.text for span in group] == ["Ada Quint", "Hotel Lima"]
    assert group.attrs["scores"] == [0.9, 0.8]
    assert doc.spans["jre"] is not None


def test_entities_with_the_same_start_are_distinct(nlp):
    doc = nlp.make_doc("Lima Hotel Lima")
    doc._.relations = [
        (doc.char_span(0, 4, label="LOC"), doc.char_span(11, 15, label="LOC"), "near"),
        (doc.char_span(0, 10, label="ORG"), doc.char_span(11, 15, label="LOC"), "near"),
    ]
    heads = [(r.head.text, r.head.label_) for r in doc._.relations]
    assert heads == [("Lima", "LOC"), ("Lima Hotel", "ORG")]


def test_setter_accepts_spans_dicts_and_relations(doc):
    given_relation = doc._.relations[0]
    as_tuple = (given_relation.head, given_relation.tail, "works_for", 0.75)
    for value in (given_relation, dict(given_relation), as_tuple):
        doc._.relations = [value]
        assert stored_relations(doc) == [ROW]


def test_setter_converts_numpy_numbers(doc):
    head = {"start": np.int64(0), "end": np.int64(3), "label": "PER"}
    doc._.relations = [
        {"head": head, "tail": head, "label": "same", "score": np.float32(0.5)}
    ]
    row = doc.user_data[storage_key()]["relations"][0]
    assert [type(value) for value in row] == [int, int, str, int, int, str, str, float]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("text", "J102"),
        ([{"head": 1}], "J102"),
        ([("a", "b")], "J102"),
        ([{"head": 1, "tail": 2, "label": "x"}], "J104"),
        ([{"head": {"start": 0, "end": 3}, "tail": {}, "label": "x"}], "J104"),
        ([{"head": {"start": 0, "end": 99}, "tail": {}, "label": "x"}], "J103"),
        ([{"head": {"start": 3, "end": 3}, "tail": {}, "label": "x"}], "J103"),
        ([{"head": {"start": -1, "end": 3}, "tail": {}, "label": "x"}], "J103"),
        ([{"head": {"start": True, "end": 3}, "tail": {}, "label": "x"}], "J104"),
        ([{"head": {}, "tail": {}, "label": ""}], "J104"),
        ([{"head": {}, "tail": {}, "label": "x", "score": float("nan")}], "J104"),
    ],
)
def test_setter_raises_for_invalid_relations_and_stores_nothing(doc, value, code):
    with pytest.raises(ValueError, match=code):
        doc._.relations = value
    assert stored_relations(doc) == [ROW]


def test_setter_raises_for_spans_of_another_doc(doc, nlp):
    other = nlp.make_doc("Ada Quint")
    with pytest.raises(ValueError, match="J105"):
        doc._.relations = [(other[0:1], doc[0:1], "x")]


def test_pickled_relation_has_no_spans(doc):
    relation = pickle.loads(pickle.dumps(doc._.relations[0]))
    assert isinstance(relation, Relation)
    assert relation == doc._.relations[0]
    assert "works_for" in repr(relation)
    with pytest.raises(ValueError, match="J106"):
        _ = relation.head


def test_extension_of_another_package_raises_and_is_unchanged():
    Doc.set_extension("triples", default=7)
    with pytest.raises(ValueError, match="J101"):
        register_extension("triples")
    assert Doc.get_extension("triples")[0] == 7


def test_registering_twice_has_no_effect(doc):
    register_extension()
    register_extension()
    assert len(doc._.relations) == 1


def test_two_extensions_have_separate_relations(doc):
    register_extension("triples")
    doc._.triples = []
    assert doc._.triples == ()
    assert len(doc._.relations) == 1


@pytest.fixture(scope="module")
def tokenizer():
    register_extension()
    return spacy.blank("en").tokenizer


@given(st.data())
@settings(deadline=None)
def test_spans_of_any_text_round_trip(tokenizer, data):
    alphabet = st.characters(exclude_categories=["Cs"])
    text = data.draw(st.text(alphabet, min_size=1, max_size=40))
    doc = tokenizer(text)
    start = data.draw(st.integers(0, len(doc) - 1))
    end = data.draw(st.integers(start + 1, len(doc)))
    span = doc[start:end]
    if not span.text:  # a Doc with only whitespace
        return
    doc._.relations = [(span, span, "same")]
    copy = Doc(doc.vocab).from_bytes(doc.to_bytes())
    assert copy._.relations[0].head.text == span.text


def test_relations_of_another_text_raise(doc):
    doc.user_data[storage_key()]["relations"] = []
    part = doc[4:6].as_doc(copy_user_data=True)
    with pytest.raises(ValueError, match=r"J120.*span_as_doc"):
        part._.relations  # noqa: B018


def test_relations_of_another_text_are_replaced_by_new_ones(doc):
    part = doc[4:6].as_doc(copy_user_data=True)
    part._.relations = [(part[0:1], part[1:2], "part_of")]
    assert [relation.label for relation in part._.relations] == ["part_of"]
    assert stored_entities(part) is None


def test_relations_without_a_checksum_are_read(doc):
    del doc.user_data[storage_key()]["text"]
    assert len(doc._.relations) == 1
