"""Triples of Docs."""

from functools import partial

import pytest
from spacy.tokens import Doc, DocBin

from spacy_jre.annotations import EntityRecord, Record, RelationRecord, build_doc
from spacy_jre.errors import JREError
from spacy_jre.export import document_id, iter_triples

from .helpers import story_docs


def two_sentences(nlp) -> Doc:
    text = "Ada cooks. She left Oslo. Rain."
    doc = build_doc(
        Record(
            text,
            (EntityRecord(0, 3, "PER"), EntityRecord(20, 24, "LOC")),
            (RelationRecord(1, 0, "has"), RelationRecord(1, 1, "is")),
            sentences=((0, 10), (11, 25), (26, 31)),
            document="file.txt",
        ),
        nlp,
    )
    return doc


def test_triple_has_texts_labels_offsets_and_scores(nlp):
    doc = nlp("Ada Quint left Oslo.")
    ada, oslo = doc.char_span(0, 9, "PER"), doc.char_span(15, 19, "LOC")
    doc._.relations = [(ada, oslo, "left", 0.5)]
    (triple,) = iter_triples([doc])
    assert (triple.head.text, triple.head.label) == ("Ada Quint", "PER")
    assert (triple.tail.text, triple.tail.label) == ("Oslo", "LOC")
    assert (triple.tail.start, triple.tail.end) == (15, 19)
    assert (triple.relation, triple.score) == ("left", 0.5)
    assert triple.head.score is None  # there are no stored entities


def test_triple_has_the_scores_of_stored_entities(nlp):
    triple = next(iter_triples(story_docs(nlp)))
    assert (triple.head.score, triple.tail.score) == (1.0, 1.0)


def test_order_is_that_of_docs_and_relations(nlp):
    docs = story_docs(nlp)
    found = [(t.doc, t.head.text, t.relation, t.tail.text) for t in iter_triples(docs)]
    expected = [
        (number, *relation.as_triple())
        for number, doc in enumerate(docs)
        for relation in doc._.relations
    ]
    assert found == [(n, head, label, tail) for n, head, label, tail in expected]
    assert len(found) == 8


def test_docs_are_read_one_at_a_time(nlp):
    docs = iter(story_docs(nlp))
    next(iter_triples(docs))
    assert len(list(docs)) == 4


def test_sentence_is_that_of_both_arguments(nlp):
    both, one = iter_triples([two_sentences(nlp)])
    assert both.sentence == "Ada cooks. She left Oslo."
    assert (both.sentence_start, both.sentence_end) == (0, 25)
    assert one.sentence == "She left Oslo."
    assert (one.sentence_start, one.sentence_end) == (11, 25)


def test_doc_without_sentences_is_one_sentence(nlp):
    doc = nlp("Ada left. Oslo.")
    doc._.relations = [(doc[0:1], doc[0:1], "is")]
    (triple,) = iter_triples([doc])
    assert triple.sentence == doc.text


def test_id_is_that_of_the_converted_data(nlp):
    assert [t.document for t in iter_triples([two_sentences(nlp)])] == ["file.txt"] * 2


def test_id_in_user_data_has_precedence(nlp):
    doc = two_sentences(nlp)
    doc.user_data["doc_id"] = 7
    assert document_id(doc, 0) == "7"


def test_id_can_be_an_extension_attribute(nlp):
    doc = nlp("a")
    Doc.set_extension("article", getter=lambda doc: "from a getter", force=True)
    try:
        assert document_id(doc, 0, "article") == "from a getter"
    finally:
        Doc.remove_extension("article")


def test_id_of_an_extension_that_is_not_registered_is_read(nlp):
    doc = nlp("a")
    Doc.set_extension("article", default=None, force=True)
    doc._.article = "stored"
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    Doc.remove_extension("article")
    (doc,) = DocBin(store_user_data=True).from_bytes(data).get_docs(nlp.vocab)
    assert document_id(doc, 0, "article") == "stored"


def test_doc_without_id_is_numbered(nlp):
    numbers = [t.document for t in iter_triples(story_docs(nlp))]
    assert numbers == ["0", "0", "1", "1", "3", "3", "3", "4"]


@pytest.mark.parametrize("value", [1.5, True, ["a"]])
def test_id_of_another_type_raises(nlp, value):
    doc = nlp("a")
    doc.user_data["doc_id"] = value
    with pytest.raises(JREError, match=r"J770.*Doc 3"):
        document_id(doc, 3)


def test_other_attribute_can_be_chosen(nlp):
    from spacy_jre.annotations import register_extension

    register_extension("triples")
    doc = nlp("Ada left.")
    doc._.triples = [(doc[0:1], doc[1:2], "did")]
    read = partial(iter_triples, [doc])
    assert not list(read())
    assert [t.relation for t in read(attr="triples")] == ["did"]
