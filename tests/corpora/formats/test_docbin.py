import pytest
import spacy
from hypothesis import given, settings
from hypothesis import strategies as st
from spacy.tokens import Doc, DocBin

from spacy_jre.annotations import (
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
    register_extension,
)
from spacy_jre.annotations.records import word_offsets
from spacy_jre.corpora.formats.docbin import read_docbin_records, write_docbin

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
