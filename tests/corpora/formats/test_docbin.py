import zlib

import numpy as np
import pytest
import spacy
import srsly
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin, Span, SpanGroup
from spacy.vocab import Vocab

from spacy_jre.annotations import (
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
    register_extension,
)
from spacy_jre.annotations.records import word_offsets
from spacy_jre.corpora.formats import docbin
from spacy_jre.corpora.formats.docbin import (
    RelationDocBin,
    read_docbin_records,
    write_docbin,
)
from spacy_jre.corpora.packing import bytes_header
from spacy_jre.corpora.reader import load_docbin

from ..story import STORY, assert_is_the_story

NLP = spacy.blank("en")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.spacy"


def read(path):
    return list(read_docbin_records(path))


def roundtrip(path, *records):
    write_docbin(records, path, NLP)
    return read(path)


def test_story_is_read(path):
    assert_is_the_story(roundtrip(path, *STORY))


def test_source_is_file_and_number(path):
    _, second, *_ = roundtrip(path, *STORY)
    assert second.source == f"{path}, Doc 1"


def test_written_relations_can_be_read_by_spacy(path):
    write_docbin(STORY, path, NLP)
    docs = list(DocBin().from_disk(path).get_docs(NLP.vocab))
    assert [r.as_triple() for r in docs[0]._.relations] == [
        ("Severe hives", "Adverse-Effect", "clavoxil")
    ]


def test_extension_is_registered_for_writing(path):
    Doc.remove_extension("relations")
    write_docbin(STORY, path, NLP)
    assert Doc.has_extension("relations")


def test_record_without_text_round_trips(path):
    assert roundtrip(path, Record("", words=()), Record("")) == [
        Record("", words=()),
        Record(""),
    ]


def test_manually_annotated_file_is_read(path):
    doc = NLP.make_doc("Ada left  Oslo.")
    doc.ents = [doc.char_span(0, 3, "PER"), doc.char_span(10, 14, "LOC")]
    doc._.relations = [(doc.ents[0], doc.ents[1], "leave")]
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    assert read(path) == [
        Record(
            "Ada left  Oslo.",
            (EntityRecord(0, 3, "PER"), EntityRecord(10, 14, "LOC")),
            (RelationRecord(0, 1, "leave"),),
        )
    ]


def test_file_with_only_entities_is_read(path):
    doc = NLP.make_doc("Ada left")
    doc.ents = [doc.char_span(0, 3, "PER")]
    DocBin(docs=[doc]).to_disk(path)
    assert read(path) == [Record("Ada left", (EntityRecord(0, 3, "PER"),))]


def test_doc_with_an_argument_without_label_is_skipped(path):
    bad, good = NLP.make_doc("Ada left"), NLP.make_doc("Mia left")
    bad._.relations = [(bad[0:1], bad[1:2], "r")]
    DocBin(docs=[bad, good], store_user_data=True).to_disk(path)
    left_out = []
    (record,) = read_docbin_records(path, skip=left_out.append)
    assert record.text == "Mia left"
    (entry,) = left_out
    assert entry.broken
    assert entry.reason.startswith(f"[J109] {path}, Doc 0: ")


def test_missing_file_raises(path):
    with pytest.raises(ValueError, match=r"J601.*story\.spacy"):
        read(path)


def test_file_that_is_not_a_docbin_raises(path):
    path.write_bytes(b"no docs")
    with pytest.raises(ValueError, match=r"J609.*story\.spacy"):
        read(path)


def test_file_without_docs_raises(path):
    DocBin().to_disk(path)
    with pytest.raises(ValueError, match=r"J602.*story\.spacy"):
        read(path)


# any record

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
WORDS = TEXTS.filter(bool)
LABELS = st.sampled_from(["PER", "ORG", "地名", 'a "b"'])
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner),
    max_leaves=6,
)


@st.composite
def annotations(draw, offsets):
    """Entities and relations of words, with duplicates."""
    numbers = st.integers(0, len(offsets) - 1)
    spans = st.tuples(numbers, numbers, LABELS).map(
        lambda s: (min(s[:2]), max(s[:2]), s[2])
    )
    entities = draw(st.lists(spans, max_size=5)) if offsets else []
    entities += draw(
        st.lists(st.sampled_from(entities), max_size=2) if entities else st.just([])
    )
    relations = []
    if entities:
        positions = st.integers(0, len(entities) - 1)
        relations = draw(st.lists(st.tuples(positions, positions, LABELS), max_size=4))
        if relations:
            relations += draw(st.lists(st.sampled_from(relations), max_size=2))
    return {
        "entities": tuple(
            EntityRecord(offsets[first][0], offsets[last][1], label)
            for first, last, label in entities
        ),
        "relations": tuple(RelationRecord(*relation) for relation in relations),
    }


@st.composite
def records_with_words(draw):
    words = tuple(draw(st.lists(WORDS, max_size=8)))
    offsets = word_offsets(words)
    sentences = None
    if len(words) > 1:
        cuts = sorted(draw(st.sets(st.integers(1, len(words) - 1), max_size=3)))
        bounds = zip([0, *cuts], [*cuts, len(words)], strict=True)
        if cuts:
            sentences = tuple((offsets[a][0], offsets[b - 1][1]) for a, b in bounds)
    return Record(
        text=" ".join(words),
        words=words,
        sentences=sentences,
        document=draw(st.none() | TEXTS),
        meta=draw(st.dictionaries(TEXTS, JSON, max_size=3)),
        **draw(annotations(offsets)),
    )


@st.composite
def records_without_words(draw):
    text = draw(st.text(st.sampled_from("ab.,'-  \n\té北🙂1"), max_size=20))
    offsets = [(token.idx, token.idx + len(token)) for token in NLP.make_doc(text)]
    return Record(
        text=text, document=draw(st.none() | TEXTS), **draw(annotations(offsets))
    )


RECORDS = records_with_words() | records_without_words()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(RECORDS, min_size=1, max_size=3))
def test_any_record_round_trips(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("docbin") / "any.spacy"
    assert roundtrip(path, *records) == records


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.lists(RECORDS, min_size=1, max_size=2))
def test_any_record_round_trips_through_bytes(tmp_path_factory, records):
    register_extension()
    path = tmp_path_factory.mktemp("docbin") / "any.spacy"
    docs = [
        Doc(NLP.vocab).from_bytes(build_doc(record, NLP).to_bytes())
        for record in records
    ]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    assert read(path) == records


# the file is the same as that of DocBin


def annotated_docs():
    nlp = spacy.blank("en")
    docs = [build_doc(record, nlp) for record in STORY]
    doc = nlp("Ada sings in Oslo")
    doc.cats = {"music": 1.0}
    doc[1].set_morph("Tense=Pres|VerbForm=Fin")
    doc[1].lemma_, doc[1].tag_, doc[1].dep_, doc[1].pos_ = "sing", "VBZ", "ROOT", "VERB"
    doc.set_ents([Span(doc, 3, 4, "LOC", kb_id="Q585", span_id="place")])
    doc.spans["a"] = [Span(doc, 0, 1, "PER", kb_id="Q1", span_id="x"), doc[2:3]]
    doc.spans["b"] = doc.spans["a"].copy()
    doc.spans["empty"] = []
    doc.user_data["array"] = np.arange(3)
    return [*docs, doc, nlp(""), nlp("  "), Doc(nlp.vocab, words=["A", "b"])]


def unpacked(data):
    return srsly.msgpack_loads(zlib.decompress(data))


@pytest.mark.parametrize("chunk", [1, 1 << 20])
def test_content_is_that_of_docbin(monkeypatch, chunk):
    monkeypatch.setattr(docbin, "CHUNK", chunk)
    ours, theirs = RelationDocBin(), DocBin(store_user_data=True)
    for doc in annotated_docs():
        ours.add(doc)
        theirs.add(doc)
    assert zlib.decompress(ours.to_bytes()) == zlib.decompress(theirs.to_bytes())
    assert len(ours) == len(theirs)


@pytest.mark.parametrize("size", [0, 255, 256, 65535, 65536])
def test_header_of_bytes_is_that_of_msgpack(size):
    assert bytes_header(size) + bytes(size) == srsly.msgpack_dumps(bytes(size))


def test_more_bytes_than_a_file_can_store_raise(path, monkeypatch):
    monkeypatch.setattr(docbin, "LIMIT", 100)
    docs = RelationDocBin()
    docs.add(annotated_docs()[0])
    with pytest.raises(ValueError, match=r"J116.*tokens of the Docs have \d+ bytes"):
        docs.to_disk(path)


def test_docs_are_read_like_those_of_docbin(path):
    docs = RelationDocBin()
    for doc in annotated_docs():
        docs.add(doc)
    docs.to_disk(path)
    ours = list(load_docbin(path).get_docs(Vocab()))
    theirs = list(DocBin().from_disk(path).get_docs(Vocab()))
    for our, their in zip(ours, theirs, strict=True):
        assert our.to_json() == their.to_json()
        assert our.spans.to_bytes() == their.spans.to_bytes()
        assert str(our.user_data) == str(their.user_data)
        assert our.cats == their.cats


def test_span_group_of_a_retokenized_doc_keeps_its_characters(path):
    doc = spacy.blank("en")("Ada sings in Oslo")
    doc.spans["jre"] = [doc[2:3]]
    with doc.retokenize() as retokenizer:
        retokenizer.merge(doc[0:2])
    docs = RelationDocBin()
    docs.add(doc)
    docs.to_disk(path)
    (read,) = load_docbin(path).get_docs(Vocab())
    (span,) = read.spans["jre"]
    assert (span.start_char, span.end_char) == (10, 12)
    assert read.spans.to_bytes() == doc.spans.to_bytes()


@pytest.mark.parametrize("form", ["list", "empty"])
def test_span_groups_of_older_versions_are_read(path, form):
    doc = spacy.blank("en")("Ada sings")
    group = SpanGroup(doc, name="old", spans=[doc[0:1]])
    old = {"list": srsly.msgpack_dumps([group.to_bytes()]), "empty": b""}[form]
    theirs = DocBin(docs=[doc])
    theirs.span_groups = [old]
    theirs.to_disk(path)
    (read,) = load_docbin(path).get_docs(Vocab())
    assert list(read.spans) == (["old"] if form == "list" else [])


def test_packages_are_not_searched_for_each_doc(path, monkeypatch):
    docs = annotated_docs()
    searches: list[int] = []
    for registry in (srsly.msgpack.msgpack_encoders, srsly.msgpack.msgpack_decoders):
        search = registry.get_all
        monkeypatch.setattr(
            registry, "get_all", lambda s=search: searches.append(1) or s()
        )
    counts = []
    for number in (1, 20):
        ours = RelationDocBin()
        for doc in docs[:2] * number:
            ours.add(doc)
        ours.to_disk(path)
        before = len(searches)
        list(load_docbin(path).get_docs(Vocab()))
        counts.append(len(searches) - before)
    assert counts == [1, 1]  # srsly unpacks the file as a whole
    assert len(searches) <= 4
