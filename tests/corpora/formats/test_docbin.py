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
from spacy_jre.corpora.rows import BLANK, LOST_ARGUMENT

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


def test_scores_are_kept(path):
    entities = EntityRecord(0, 3, "PER", 0.25), EntityRecord(8, 10, "PER", 0.5)
    relations = (RelationRecord(0, 1, "met", 0.75),)
    write_docbin([Record("Ada met Bo", entities, relations)], path, NLP)
    (record,) = read_docbin_records(path)
    assert [entity.score for entity in record.entities] == [0.25, 0.5]
    assert [relation.score for relation in record.relations] == [0.75]


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


def test_whitespace_at_the_edges_of_entities_is_removed_and_counted(path):
    doc = NLP.make_doc("Ada\n left Oslo ")
    doc.ents = [doc.char_span(0, 5, "PER"), doc.char_span(10, 14, "LOC")]
    doc._.relations = [(doc.ents[0], doc.ents[1], "leave")]
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    (record,) = read(path)
    assert record.entities == (EntityRecord(0, 3, "PER"), EntityRecord(10, 14, "LOC"))
    assert (len(record.relations), record.trimmed) == (1, 1)


def test_entity_without_text_costs_its_row_and_its_relations(path):
    doc = NLP.make_doc("Ada\n left")
    doc.ents = [doc.char_span(0, 3, "PER"), doc.char_span(3, 5, "PER")]
    doc._.relations = [(doc.ents[0], doc.ents[1], "is")]
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    (record,) = read_docbin_records(path, skip=[].append)
    assert record.entities == (EntityRecord(0, 3, "PER"),)
    assert [(x.kind, x.cause) for x in record.left_out] == [
        ("entity", BLANK),
        ("relation", LOST_ARGUMENT),
    ]


# doc._.rel of spaCy's tutorial on relation extraction

REL = ("._.", "rel", None, None)


def tutorial_doc(table, *, words=None, ents=((0, 2, "PER"), (3, 4, "LOC"))):
    doc = NLP.make_doc("Ada Quint left Oslo .")
    if words:
        doc = Doc(NLP.vocab, words=words)
    doc.ents = [Span(doc, *ent) for ent in ents]
    doc.user_data[REL] = table
    return doc


def read_tutorial(path, table, **kwargs):
    docs = [tutorial_doc(table, **kwargs)]
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    skipped = []
    (record,) = read_docbin_records(path, skip=skipped.append)
    assert skipped == []
    return record


@pytest.mark.parametrize("words", [None, ["Ada", "Quint", "left", "Oslo"]])
def test_relations_of_the_tutorial_are_read(path, words):
    table = {
        (0, 3): {"leave": 1.0, "like": 0.0},
        (3, 0): {"leave": 0, "home_of": 1},
        (0, 0): {},
        (3, 3): {"leave": 0.0},
    }
    record = read_tutorial(path, table, words=words)
    assert record.entities == (EntityRecord(0, 9, "PER"), EntityRecord(15, 19, "LOC"))
    assert record.relations == (
        RelationRecord(0, 1, "leave"),
        RelationRecord(1, 0, "home_of"),
    )
    assert record.left_out == ()


@pytest.mark.parametrize(
    ("probability", "count"), [(0.97, 1), (0.5, 1), (0.49, 0), (float("nan"), 0)]
)
def test_probability_of_half_or_more_is_a_relation(path, probability, count):
    record = read_tutorial(path, {(0, 3): {"leave": probability}})
    assert len(record.relations) == count


def test_relations_of_this_package_take_precedence(path):
    doc = tutorial_doc({(0, 3): {"leave": 1.0}})
    doc._.relations = [(doc.ents[1], doc.ents[0], "home_of")]
    DocBin(docs=[doc], store_user_data=True).to_disk(path)
    (record,) = read(path)
    assert [relation.label for relation in record.relations] == ["home_of"]


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({(0, 1): {"leave": 1.0}}, "field 'key' has 1, which is not the start of an"),
        ({(0,): {"leave": 1.0}}, "field 'key' is not a pair of tokens"),
        ({(0, 3, 3): {"leave": 1.0}}, "field 'key' is not a pair of tokens"),
        ({0: {"leave": 1.0}}, "field 'key' must be of type tuple"),
        ({(3, 0): {"leave": None}}, "field 'value' must be of type float"),
        ({(3, 0): {"": 1.0}}, "field 'label' is empty"),
        ({(3, 0): {7: 1.0}}, "field 'label' must be of type str"),
        ({(3, 0): ["leave"]}, "field 'value' must be of type float"),
    ],
)
def test_broken_relation_of_the_tutorial_costs_only_its_row(path, row, problem):
    record = read_tutorial(path, {**row, (0, 3): {"leave": 1.0}})
    assert record.relations == (RelationRecord(0, 1, "leave"),)
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("relation", True)
    assert left_out.reason.startswith(f"[J605] {path}, Doc 0, doc._.rel[")
    assert problem in left_out.reason
    with pytest.raises(ValueError, match="J605"):
        read(path)


def test_absent_relation_of_other_tokens_is_ignored(path):
    assert read_tutorial(path, {(0, 1): {"leave": 0.0}}).left_out == ()


def test_rel_can_be_none(path):
    record = read_tutorial(path, None)
    assert (len(record.entities), record.relations, record.left_out) == (2, (), ())


def test_other_value_of_rel_is_reported(path):
    record = read_tutorial(path, "none")
    assert [(x.kind, x.broken) for x in record.left_out] == [("relation", True)]


TOKENS = st.sampled_from([0, 1, 3, 9, -1])
ROWS = st.dictionaries(
    st.sampled_from(["leave", "like", "", 4]),
    st.sampled_from([1, 1.0, 0, 0.2, 0.8, None, "1"]),
    max_size=3,
)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.dictionaries(st.tuples(TOKENS, TOKENS), ROWS, max_size=5))
def test_every_row_of_a_faulty_table_is_read_or_reported(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("docbin") / "any.spacy"
    record = read_tutorial(path, table)
    absent = sum(
        value in (0, 0.2) and isinstance(label, str)
        for row in table.values()
        for label, value in row.items()
    )
    rows = sum(map(len, table.values()))
    assert len(record.relations) + len(record.left_out) == rows - absent


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
    # readers trim entities
    offsets = [(start, end) for start, end in offsets if not text[start:end].isspace()]
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
