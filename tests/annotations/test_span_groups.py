"""The span group of the entities stays valid when tokens are merged or split."""

import pickle

import pytest
from spacy.pipeline import merge_entities
from spacy.tokens import Doc, DocBin

from spacy_jre.annotations import StoredEntity, StoredRelation, write_annotations
from spacy_jre.annotations.span_groups import EntityGroup

NESTED = [
    StoredEntity(0, 9, "PER", 0.9),
    StoredEntity(20, 30, "ORG", 0.8),
    StoredEntity(26, 30, "LOC", 0.7),
]
ROW = StoredRelation(0, 9, "PER", 20, 30, "ORG", "works_for", 0.75)


@pytest.fixture
def doc(nlp):
    doc = nlp.make_doc("Ada Quint cooks for Hotel Lima")
    write_annotations(doc, NESTED, [ROW])
    doc.set_ents(list(doc.spans["jre"])[:2])
    return doc


def tokens_of(group):
    return [(span.start, span.end, span.label_) for span in group]


def _bytes(doc):
    return Doc(doc.vocab).from_bytes(doc.to_bytes())


def _docbin(doc):
    data = DocBin(docs=[doc], store_user_data=True).to_bytes()
    return next(DocBin().from_bytes(data).get_docs(doc.vocab))


def _pickle(doc):
    return pickle.loads(pickle.dumps(doc))


WAYS = [_bytes, _docbin, _pickle, Doc.copy]


def test_spans_cover_the_merged_tokens(doc):
    group = merge_entities(doc).spans["jre"]
    assert tokens_of(group) == [(0, 1, "PER"), (3, 4, "ORG"), (3, 4, "LOC")]
    assert group[-1].text == "Hotel Lima"
    assert group.has_overlap
    assert group.attrs["scores"] == [0.9, 0.8, 0.7]


def test_spans_follow_their_characters_after_a_token_is_split(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[0], ["A", "da"], heads=[doc[0], doc[0]])
    group = doc.spans["jre"]
    assert tokens_of(group) == [(0, 3, "PER"), (5, 7, "ORG"), (6, 7, "LOC")]


def test_spans_follow_their_characters_if_the_number_of_tokens_is_the_same(doc):
    with doc.retokenize() as retokenizer:
        retokenizer.split(doc[0], ["A", "da"], heads=[doc[0], doc[0]])
        retokenizer.merge(doc[4:6])
    assert len(doc) == 6
    assert tokens_of(doc.spans["jre"]) == [(0, 3, "PER"), (5, 6, "ORG"), (5, 6, "LOC")]


@pytest.mark.parametrize("save", WAYS)
def test_doc_is_saved_after_merging_entities(doc, save):
    saved = save(merge_entities(doc))
    assert tokens_of(saved.spans["jre"]) == tokens_of(doc.spans["jre"])
    assert [r.as_triple() for r in saved._.relations] == [
        ("Ada Quint", "works_for", "Hotel Lima")
    ]


def test_copy_stays_valid_when_its_tokens_are_merged(doc):
    other = merge_entities(doc.copy())
    assert tokens_of(other.spans["jre"])[1:] == [(3, 4, "ORG"), (3, 4, "LOC")]
    assert tokens_of(doc.spans["jre"])[1:] == [(4, 6, "ORG"), (5, 6, "LOC")]


def test_reading_one_span_compares_only_this_span(doc, monkeypatch):
    compared = []
    monkeypatch.setattr(
        EntityGroup, "_is_valid", lambda self, span: compared.append(span.text) or True
    )
    assert doc.spans["jre"][1].text == "Hotel Lima"
    assert compared == ["Hotel Lima"]


def test_span_that_does_not_exist_raises_an_index_error(doc):
    with pytest.raises(IndexError, match="E856"):
        doc.spans["jre"][3]
