import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_jre.annotations import (
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
    read_record,
    register_extension,
)

from ..conftest import STORY, make_record

TWICE = Record(
    "Ada met Mia",
    (
        EntityRecord(0, 3, "PER"),
        EntityRecord(8, 11, "PER"),
        EntityRecord(0, 3, "PER"),
    ),
    (
        RelationRecord(0, 1, "meet"),
        RelationRecord(2, 1, "meet"),
        RelationRecord(0, 1, "meet"),
    ),
    words=("Ada", "met", "Mia"),
)


def through_bytes(doc):
    return Doc(spacy.blank("en").vocab).from_bytes(doc.to_bytes())


def through_docbin(doc):
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    (copy,) = DocBin().from_bytes(data).get_docs(spacy.blank("en").vocab)
    return copy


def same(doc):
    return doc


@pytest.fixture(params=[same, Doc.copy, through_bytes, through_docbin])
def send(request):
    """Serialization of a Doc before it is read."""
    return request.param


@pytest.mark.parametrize("number", range(len(STORY)))
def test_record_with_words_round_trips(nlp, send, number):
    record = make_record(STORY[number], document="D1", meta={"orig_id": 7})
    assert read_record(send(build_doc(record, nlp))) == record


def test_record_without_words_round_trips(nlp, send):
    record = Record(
        "Ada  met\nMia, twice.",
        (EntityRecord(0, 3, "PER"), EntityRecord(9, 12, "PER")),
        (RelationRecord(1, 0, "meet"),),
    )
    assert read_record(send(build_doc(record, nlp))) == record


def test_duplicates_round_trip(nlp, send):
    assert read_record(send(build_doc(TWICE, nlp))) == TWICE


def test_file_order_is_kept(nlp, send):
    record = Record("a b", (EntityRecord(2, 3, "Y"), EntityRecord(0, 1, "X")))
    assert read_record(send(build_doc(record, nlp))) == record


def test_lists_in_meta_stay_lists(nlp, send):
    meta = {"clusters": [[[0, 1], [4, 4]], []], "page": {"no": [1], "of": None}}
    doc = send(build_doc(Record("a", meta=meta), nlp))
    assert read_record(doc).meta == meta


def test_sentences_round_trip(nlp, send):
    record = Record(
        "Ada cooks . Mia sings .",
        words=("Ada", "cooks", ".", "Mia", "sings", "."),
        sentences=((0, 11), (12, 23)),
    )
    assert read_record(send(build_doc(record, nlp))) == record


def test_source_is_the_argument(nlp):
    doc = nlp.make_doc("Ada")
    assert read_record(doc).source == "Doc"
    assert read_record(doc, source="Doc 3").source == "Doc 3"


def test_read_record_does_not_change_the_doc(nlp):
    doc = build_doc(TWICE, nlp)
    before = doc.to_bytes()
    read_record(doc)
    read_record(doc, words=True)
    assert doc.to_bytes() == before


def test_scores_are_read(nlp, send):
    doc = build_doc(TWICE, nlp)
    ada, mia = doc[0:1], doc[2:3]
    ada.label_ = mia.label_ = "PER"
    doc._.relations = [(mia, ada, "greet", 0.75), (ada, mia, "greet")]
    group = doc.spans["jre"]
    group.attrs["scores"] = [0.5, 0.25]
    doc.user_data["jre:relations"]["entities"] = None
    record = read_record(send(doc))
    assert [entity.score for entity in record.entities] == [0.5, 0.25]
    assert [relation.score for relation in record.relations] == [0.75, 1.0]


# annotation that changes after the Doc was built


def test_relations_set_later_replace_the_stored_rows(nlp, send):
    doc = build_doc(TWICE, nlp)
    ada, mia = doc[0:1], doc[2:3]
    ada.label_ = mia.label_ = "PER"
    doc._.relations = [(mia, ada, "greet")]
    record = read_record(send(doc))
    assert record.entities == (EntityRecord(0, 3, "PER"), EntityRecord(8, 11, "PER"))
    assert record.relations == (RelationRecord(1, 0, "greet"),)


def test_removed_relations_are_not_restored(nlp, send):
    doc = build_doc(TWICE, nlp)
    doc._.relations = []
    assert read_record(send(doc)).relations == ()


def test_new_relation_argument_becomes_an_entity(nlp, send):
    doc = build_doc(TWICE, nlp)
    met = doc[1:2]
    met.label_ = "VERB"
    doc._.relations = [*doc._.relations, (met, met, "self")]
    record = read_record(send(doc))
    assert record.entities[-1] == EntityRecord(4, 7, "VERB")
    assert record.relations[-1] == RelationRecord(2, 2, "self")


def test_document_and_meta_are_kept_if_the_annotation_changes(nlp, send):
    doc = build_doc(make_record(STORY[0], document="D1", meta={"a": 1}), nlp)
    doc._.relations = []
    record = read_record(send(doc))
    assert (record.document, record.meta) == ("D1", {"a": 1})


@pytest.mark.parametrize("lost", [(RelationRecord(0, 1, "r"),), ()])
def test_misaligned_entity_is_not_restored(nlp, send, lost):
    record = Record(
        "A wellknown cook",
        (EntityRecord(2, 6, "X"), EntityRecord(12, 16, "Y")),
        (*lost, RelationRecord(1, 1, "s")),
    )
    result = read_record(send(build_doc(record, nlp)))
    assert result.entities == (EntityRecord(12, 16, "Y"),)
    assert result.relations == (RelationRecord(0, 0, "s"),)


# Docs created by a user


@pytest.fixture
def by_hand(nlp):
    doc = nlp.make_doc("\n Ada  left\tOslo. Kim stayed.")
    doc.ents = [
        doc.char_span(2, 5, label="PER"),
        doc.char_span(12, 16, label="LOC"),
        doc.char_span(18, 21, label="PER"),
    ]
    doc._.relations = [(doc.ents[0], doc.ents[1], "left")]
    return doc


def test_manually_created_doc_is_read(by_hand, send):
    assert read_record(send(by_hand)) == Record(
        "\n Ada  left\tOslo. Kim stayed.",
        (
            EntityRecord(2, 5, "PER"),
            EntityRecord(12, 16, "LOC"),
            EntityRecord(18, 21, "PER"),
        ),
        (RelationRecord(0, 1, "left"),),
    )


def test_whitespace_tokens_are_not_words(by_hand, send):
    assert read_record(send(by_hand), words=True) == Record(
        "Ada left Oslo . Kim stayed .",
        (
            EntityRecord(0, 3, "PER"),
            EntityRecord(9, 13, "LOC"),
            EntityRecord(16, 19, "PER"),
        ),
        (RelationRecord(0, 1, "left"),),
        words=("Ada", "left", "Oslo", ".", "Kim", "stayed", "."),
    )


def test_sentences_of_words_have_no_surrounding_whitespace(by_hand):
    for token in by_hand:
        token.is_sent_start = token.i == 0 or token.text == "Kim"
    assert read_record(by_hand, words=True).sentences == ((0, 15), (16, 28))


def test_whitespace_sentence_is_dropped(nlp):
    doc = nlp.make_doc("Ada left.\n\nKim stayed.")
    for token in doc:
        token.is_sent_start = token.i == 0 or token.text in ("\n\n", "Kim")
    assert read_record(doc, words=True).sentences == ((0, 10), (11, 23))


def test_whitespace_doc_has_no_words(nlp):
    assert read_record(nlp.make_doc(" \n "), words=True) == Record("", words=())


def test_whitespace_at_entity_boundaries_is_removed(nlp):
    doc = nlp.make_doc("Ada \n Quint left")
    head, tail = Span(doc, 0, 2, "X"), Span(doc, 0, 3, "Y")
    assert "\n" in head.text
    doc.spans["jre"] = [head, tail]
    doc._.relations = [(head, tail, "r")]
    record = read_record(doc, words=True)
    assert record.entities == (EntityRecord(0, 3, "X"), EntityRecord(0, 9, "Y"))


def test_whitespace_words_of_a_record_are_kept(nlp):
    record = Record(
        "Ada \n left", (EntityRecord(4, 5, "X"),), words=("Ada", "\n", "left")
    )
    doc = build_doc(record, nlp)
    assert read_record(doc, words=True) == read_record(doc) == record


def test_span_group_takes_precedence_over_doc_ents(by_hand):
    by_hand.spans["jre"] = [by_hand.char_span(7, 16, label="X")]
    by_hand._.relations = []
    assert read_record(by_hand).entities == (EntityRecord(7, 16, "X"),)


def test_relation_gets_the_first_of_equal_entities(nlp):
    doc = nlp.make_doc("Ada left")
    ada = Span(doc, 0, 1, "PER")
    doc.spans["jre"] = [ada, ada]
    doc._.relations = [(ada, ada, "same")]
    record = read_record(doc)
    assert len(record.entities) == 2
    assert record.relations == (RelationRecord(0, 0, "same"),)


def test_doc_without_annotation_becomes_plain_text(nlp):
    assert read_record(nlp.make_doc("Ada left.")) == Record("Ada left.")


def test_doc_without_tokens_becomes_an_empty_record(nlp):
    assert read_record(Doc(nlp.vocab)) == Record("")


def test_attr_selects_the_extension(nlp):
    register_extension("triples")
    doc = build_doc(make_record(STORY[0]), nlp, attr="triples")
    assert read_record(doc).relations == ()
    assert read_record(doc, attr="triples") == make_record(STORY[0])


def test_argument_without_label_raises(nlp):
    doc = nlp.make_doc("Ada left")
    doc._.relations = [(doc[0:1], doc[1:2], "r")]
    with pytest.raises(ValueError, match=r"J109.*Doc 3: entity 0"):
        read_record(doc, source="Doc 3")
