import pytest
from spacy.tokens import Doc, Span

from spacy_jre import concat_docs, entity_group, span_as_doc
from spacy_jre.annotations import (
    StoredEntity,
    build_doc,
    has_relations,
    read_gold,
    write_annotations,
)

from ..conftest import STORY, make_record


@pytest.fixture
def docs(nlp):
    return [build_doc(make_record(sentence), nlp) for sentence in STORY]


def triples(doc):
    return [(*r.as_triple(), r.head.label_) for r in doc._.relations]


def test_concatenated_doc_has_the_relations_of_all_docs(docs):
    joined = concat_docs(docs)
    assert triples(joined) == [t for doc in docs for t in triples(doc)]


def test_concatenated_doc_has_the_scored_span_group(docs):
    joined = concat_docs(docs)
    assert [s.text for s in joined.spans["jre"]] == [
        s.text for doc in docs for s in doc.spans["jre"]
    ]
    assert len(joined.spans["jre"].attrs["scores"]) == len(joined.spans["jre"])


def test_empty_docs_do_not_shift_offsets(docs, nlp):
    joined = concat_docs([Doc(nlp.vocab), docs[0], Doc(nlp.vocab), docs[1]])
    assert triples(joined) == triples(docs[0]) + triples(docs[1])


def test_docs_from_text_and_from_words_can_be_concatenated(docs, nlp):
    text = nlp.make_doc("Ada Quint left Oslo.")
    text._.relations = [(text[0:2], text[3:4], "left")]
    joined = concat_docs([text, docs[0], text])
    assert triples(joined)[0] == triples(joined)[-1]
    assert joined._.relations[-1].tail.text == "Oslo"


@pytest.fixture
def by_hand(nlp):
    """Annotated as in the README: entities in doc.ents, one of them in no relation."""
    doc = nlp.make_doc("Ada left Oslo. Kim stayed.")
    doc.ents = [
        doc.char_span(0, 3, label="PER"),
        doc.char_span(9, 13, label="LOC"),
        doc.char_span(15, 18, label="PER"),
    ]
    for token in doc:
        token.is_sent_start = token.i in (0, 4)
    doc._.relations = [(doc.ents[0], doc.ents[1], "left")]
    return doc


def entities_of(doc):
    return [doc.text[start:end] for start, end, _ in read_gold(doc).entities]


def test_concatenated_doc_keeps_entities_of_doc_ents(by_hand):
    assert entities_of(concat_docs([by_hand, by_hand])) == ["Ada", "Oslo", "Kim"] * 2


def test_span_as_doc_keeps_entities_of_doc_ents(by_hand):
    parts = [span_as_doc(sentence).doc for sentence in by_hand.sents]
    assert [entities_of(part) for part in parts] == [["Ada", "Oslo"], ["Kim"]]


def test_entity_group_has_the_entities_of_doc_ents(by_hand):
    assert [span.text for span in entity_group(by_hand)] == ["Ada", "Oslo", "Kim"]


def test_span_group_of_a_doc_without_relation_data_is_kept(by_hand, nlp):
    doc = nlp.make_doc("Ada left Oslo")
    doc.spans["jre"] = [doc.char_span(9, 13, label="LOC")]
    joined = concat_docs([doc, doc])
    assert [span.text for span in joined.spans["jre"]] == ["Oslo", "Oslo"]
    assert not has_relations(joined)
    part = span_as_doc(doc[1:]).doc
    assert [span.text for span in part.spans["jre"]] == ["Oslo"]
    assert not has_relations(part)


def test_concatenating_no_docs_returns_none():
    assert concat_docs([]) is None


def test_concatenating_docs_without_relations_adds_no_relations(nlp):
    joined = concat_docs([nlp.make_doc("One two"), nlp.make_doc("three")])
    assert joined.text == "One two three"
    assert joined._.relations == ()


def test_span_as_doc_of_each_sentence_restores_the_docs(docs):
    joined = concat_docs(docs)
    parts = [span_as_doc(sentence) for sentence in joined.sents]
    assert [triples(p.doc) for p in parts] == [triples(doc) for doc in docs]
    assert [p.lost_relations for p in parts] == [0] * len(docs)


def test_relation_with_one_argument_in_the_span_is_counted(docs):
    part = span_as_doc(docs[0][0:3])  # Ada Quint cooks | for Hotel Lima
    assert part.doc._.relations == ()
    assert part.lost_relations == 1


def test_span_as_doc_of_an_unannotated_doc_equals_spacy(nlp):
    part = span_as_doc(nlp.make_doc("One two three")[1:])
    assert part.doc.text == "two three"
    assert part.lost_relations == 0


def test_span_group_of_another_component_keeps_its_name(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "met", "Kim", "."])
    ada = StoredEntity(0, 3, "X", 1.0)
    write_annotations(doc, [ada], [], "triples", spans_key="b")
    part = span_as_doc(doc[0:2], attr="triples", spans_key="b").doc
    assert set(part.spans) == {"b"}
    joined = concat_docs([part, part], attr="triples", spans_key="b")
    assert [span.text for span in joined.spans["b"]] == ["Ada", "Ada"]
    assert "jre" not in joined.spans


def test_entities_of_another_span_group_are_not_replaced_by_those_of_the_doc(nlp):
    doc = Doc(nlp.vocab, words=["Ada", "met", "Kim", "."])
    doc.spans["b"] = [doc[0:1]]
    doc.set_ents([Span(doc, 2, 3, "X")])
    part = span_as_doc(doc[0:3], spans_key="b").doc
    joined = concat_docs([doc, doc], spans_key="b")
    assert [span.text for span in part.spans["b"]] == ["Ada"]
    assert [span.text for span in joined.spans["b"]] == ["Ada", "Ada"]
    assert [span.text for span in entity_group(doc, spans_key="b")] == ["Ada"]
