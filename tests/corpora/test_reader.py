import gzip
from collections import Counter
from pathlib import Path

import pytest
import spacy
from spacy.tokens import Doc, DocBin, Span

from spacy_jre import concat_docs
from spacy_jre.annotations import (
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
    has_relations,
)
from spacy_jre.corpora.checked_docbin import CheckedDocBin
from spacy_jre.corpora.reader import Corpus, create_corpus_v1

from ..conftest import STORY, make_record

# two sentences of ten tokens together, one relation inside each, one across
ACROSS = Record(
    "Ada cooks in Oslo. Mia sings in Lima.",
    (
        EntityRecord(0, 3, "PER"),
        EntityRecord(13, 17, "LOC"),
        EntityRecord(19, 22, "PER"),
        EntityRecord(32, 36, "LOC"),
    ),
    (
        RelationRecord(0, 1, "lives_in"),
        RelationRecord(2, 3, "lives_in"),
        RelationRecord(0, 2, "spouse"),
    ),
    sentences=((0, 18), (19, 37)),
)


@pytest.fixture
def docs(nlp):
    return [build_doc(make_record(sentence), nlp) for sentence in STORY]


@pytest.fixture
def path(tmp_path, docs):
    return write(tmp_path / "story.spacy", docs)


def write(path, docs, *, store_user_data=True):
    DocBin(docs=docs, store_user_data=store_user_data).to_disk(path)
    return path


def read(path, nlp, **settings):
    return list(Corpus(path, **settings)(nlp))


def triples(doc):
    return [r.as_triple() for r in doc._.relations]


def texts(examples):
    return [example.reference.text for example in examples]


def test_examples_have_relations(path, docs):
    # another vocab than the one that wrote them
    examples = read(path, spacy.blank("en"))
    assert [triples(e.reference) for e in examples] == [triples(d) for d in docs]


def test_examples_have_nested_entities(path, docs):
    example, *_ = read(path, spacy.blank("en"))
    spans = [(s.text, s.label_) for s in example.reference.spans["jre"]]
    assert spans == [(s.text, s.label_) for s in docs[0].spans["jre"]]
    assert ("Lima", "LOC") in spans


def test_registered_function_creates_the_same_corpus(path, nlp):
    reader = create_corpus_v1(path, limit=2)
    assert texts(reader(nlp)) == texts(read(path, nlp, limit=2))


# the predicted Doc


def test_predicted_has_the_tokens_of_the_reference(path, nlp):
    for example in read(path, nlp):
        assert example.predicted.text == example.reference.text
        assert [t.text for t in example.predicted] == [
            t.text for t in example.reference
        ]


def test_predicted_has_no_entities_and_no_relations(path, nlp):
    for example in read(path, nlp):
        assert not example.predicted.has_annotation("ENT_IOB")
        assert not example.predicted.spans
        assert not has_relations(example.predicted)


def test_predicted_has_the_sentence_starts(tmp_path, nlp, docs):
    path = write(tmp_path / "joined.spacy", [concat_docs(docs)])
    (example,) = read(path, nlp)
    sentences = [s.text for s in example.predicted.sents]
    assert sentences == [" ".join(s["words"]) for s in STORY]


@pytest.mark.parametrize("gold_tokens", [True, False])
def test_missing_sentence_starts_stay_unset(tmp_path, nlp, gold_tokens):
    doc = nlp.make_doc("Ada cooks. Mia sings.")
    doc._.relations = []
    path = write(tmp_path / "plain.spacy", [doc])
    (example,) = read(path, nlp, gold_tokens=gold_tokens)
    assert not example.predicted.has_annotation("SENT_START")


def test_predicted_keeps_unknown_spaces(path, nlp):
    example, *_ = read(path, nlp)
    assert example.predicted.has_unknown_spaces


def test_predicted_keeps_known_spaces(tmp_path, nlp):
    path = write(tmp_path / "text.spacy", [build_doc(ACROSS, nlp)])
    (example,) = read(path, nlp)
    assert not example.predicted.has_unknown_spaces
    assert example.predicted.text == ACROSS.text


@pytest.fixture
def cant(tmp_path, nlp):
    words = ("Ada", "can't", "cook", ".", "Mia", "can't", "sing", ".")
    text = " ".join(words)
    record = Record(text, words=words, sentences=((0, 16), (17, len(text))))
    return write(tmp_path / "cant.spacy", [build_doc(record, nlp)])


def test_without_gold_tokens_the_text_is_tokenized(cant, nlp):
    (example,) = read(cant, nlp, gold_tokens=False)
    assert [t.text for t in example.predicted] == [
        *("Ada", "ca", "n't", "cook", "."),
        *("Mia", "ca", "n't", "sing", "."),
    ]


def test_without_gold_tokens_sentence_starts_are_copied(cant, nlp):
    (example,) = read(cant, nlp, gold_tokens=False)
    assert [s.text for s in example.predicted.sents] == [
        "Ada can't cook .",
        "Mia can't sing .",
    ]
    assert all(t.is_sent_start is not None for t in example.predicted)


# splitting


@pytest.fixture
def joined(tmp_path, docs):
    return write(tmp_path / "joined.spacy", [concat_docs(docs)])


def test_long_docs_are_split_into_sentences(joined, nlp):
    examples = read(joined, nlp, max_length=12)
    assert [e.reference.text.strip() for e in examples] == [
        " ".join(s["words"]) for s in STORY
    ]


def test_relations_of_a_split_doc_have_relative_offsets(joined, nlp, docs):
    examples = read(joined, nlp, max_length=12)
    assert [triples(e.reference) for e in examples] == [triples(d) for d in docs]


def test_parts_of_a_split_doc_have_one_sentence(joined, nlp):
    for example in read(joined, nlp, max_length=12):
        assert len(list(example.predicted.sents)) == 1
        assert len(list(example.reference.sents)) == 1


@pytest.mark.parametrize("max_length", [0, 10, 99])
def test_short_docs_are_not_split(tmp_path, nlp, max_length):
    doc = build_doc(ACROSS, nlp)
    path = write(tmp_path / "across.spacy", [doc])
    (example,) = read(path, nlp, max_length=max_length)
    assert triples(example.reference) == triples(doc)


def test_long_doc_without_sentences_is_not_split(tmp_path, nlp):
    doc = nlp.make_doc("Ada cooks for Mia")
    doc._.relations = [(doc[0:1], doc[3:4], "works_for")]
    (example,) = read(write(tmp_path / "plain.spacy", [doc]), nlp, max_length=2)
    assert triples(example.reference) == [("Ada", "works_for", "Mia")]


@pytest.mark.parametrize("copies", [1, 3])
def test_relations_lost_by_splitting_are_counted_in_one_warning(tmp_path, nlp, copies):
    path = write(tmp_path / "across.spacy", [build_doc(ACROSS, nlp)] * copies)
    with pytest.warns(UserWarning, match="J907") as warned:
        examples = read(path, nlp, max_length=5)
    assert len(warned) == 1
    assert f"across.spacy: {copies} relation(s)" in str(warned[0].message)
    assert [triples(e.reference) for e in examples] == [
        [("Ada", "lives_in", "Oslo")],
        [("Mia", "lives_in", "Lima")],
    ] * copies


@pytest.mark.parametrize("tail", [1, 0], ids=["one argument", "both arguments"])
def test_relation_of_an_entity_across_sentences_is_counted_as_lost(tmp_path, nlp, tail):
    record = Record(
        "Hotel Yes. Lima called Ada.",
        (EntityRecord(0, 15, "ORG"), EntityRecord(23, 26, "PER")),
        (RelationRecord(0, tail, "calls"),),
        sentences=((0, 10), (11, 27)),
    )
    path = write(tmp_path / "across.spacy", [build_doc(record, nlp)])
    with pytest.warns(UserWarning, match=r"J907.*1 relation"):
        read(path, nlp, max_length=5)


# limit, order, folders


@pytest.mark.parametrize(("limit", "count"), [(0, 5), (1, 1), (3, 3), (99, 5)])
def test_limit_is_the_maximum_number_of_docs(path, nlp, docs, limit, count):
    assert texts(read(path, nlp, limit=limit)) == [d.text for d in docs[:count]]


def test_limit_counts_sentences_of_split_docs(joined, nlp):
    assert len(read(joined, nlp, max_length=12, limit=2)) == 2


def test_warning_is_shown_if_limit_stops_reading(tmp_path, nlp):
    path = write(tmp_path / "across.spacy", [build_doc(ACROSS, nlp)] * 2)
    with pytest.warns(UserWarning, match="J907"):
        read(path, nlp, max_length=5, limit=2)


def test_shuffling_is_a_permutation(path, nlp, docs):
    shuffled = texts(read(path, nlp, shuffle=True))
    assert Counter(shuffled) == Counter(d.text for d in docs)
    assert shuffled != [d.text for d in docs]


def test_same_seed_gives_the_same_order(path, nlp):
    one, two = (Corpus(path, shuffle=True, seed=3) for _ in range(2))
    assert [texts(one(nlp)) for _ in range(3)] == [texts(two(nlp)) for _ in range(3)]


def test_another_seed_gives_another_order(path, nlp):
    orders = {tuple(texts(read(path, nlp, shuffle=True, seed=s))) for s in range(3)}
    assert len(orders) == 3


def test_each_pass_has_another_order(path, nlp):
    corpus = Corpus(path, shuffle=True)
    assert texts(corpus(nlp)) != texts(corpus(nlp))


def test_unshuffled_passes_are_equal(path, nlp):
    corpus = Corpus(path)
    assert texts(corpus(nlp)) == texts(corpus(nlp))


def test_folder_is_read_sorted_by_file_name(tmp_path, nlp, docs):
    (tmp_path / "more").mkdir()
    write(tmp_path / "b.spacy", docs[:2])
    write(tmp_path / "a.spacy", docs[2:3])
    write(tmp_path / "more" / "c.spacy", docs[3:])
    (tmp_path / "notes.txt").write_text("no DocBin")
    result = texts(read(tmp_path, nlp))
    assert result == [docs[i].text for i in (2, 0, 1, 3, 4)]


def test_folder_is_read_with_compressed_files(tmp_path, nlp, docs):
    file = write(tmp_path / "a.spacy", docs)
    (tmp_path / "a.spacy.gz").write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    assert texts(read(tmp_path, nlp)) == [doc.text for doc in docs]


# errors


def test_missing_file_raises(tmp_path, nlp):
    with pytest.raises(ValueError, match=r"J601.*gone\.spacy"):
        read(tmp_path / "gone.spacy", nlp)


def test_folder_without_docbins_raises(tmp_path, nlp):
    with pytest.raises(ValueError, match="J601") as error:
        read(tmp_path, nlp)
    assert str(tmp_path) in str(error.value)


def test_file_without_docs_raises(tmp_path, nlp):
    with pytest.raises(ValueError, match=r"J602.*empty\.spacy"):
        read(write(tmp_path / "empty.spacy", []), nlp)


def test_file_without_relation_data_raises(tmp_path, nlp):
    path = write(tmp_path / "plain.spacy", [nlp.make_doc("Ada cooks")])
    with pytest.raises(ValueError, match=r"J603.*plain\.spacy"):
        read(path, nlp)


def test_file_without_user_data_raises(tmp_path, nlp, docs):
    path = write(tmp_path / "no_user_data.spacy", docs, store_user_data=False)
    with pytest.raises(ValueError, match=r"J603.*no_user_data\.spacy"):
        read(path, nlp)


def count_docs(monkeypatch) -> list[int]:
    """Record the numbers of the Docs that are created."""
    created = []
    get_doc = CheckedDocBin.get_doc

    def record(self, number, vocab):
        created.append(number)
        return get_doc(self, number, vocab)

    monkeypatch.setattr(CheckedDocBin, "get_doc", record)
    return created


def test_docs_are_created_when_they_are_required(path, nlp, docs, monkeypatch):
    created = count_docs(monkeypatch)
    examples = Corpus(path)(nlp)
    assert created == []
    next(examples)
    next(examples)
    assert created == [0, 1]
    assert len(list(examples)) == len(docs) - 2
    assert created == list(range(len(docs)))


def test_file_without_the_name_of_the_extension_raises_before_the_first_doc(
    tmp_path, nlp, docs, monkeypatch
):
    path = write(tmp_path / "no_user_data.spacy", docs, store_user_data=False)
    created = count_docs(monkeypatch)
    with pytest.raises(ValueError, match="J603"):
        next(Corpus(path)(nlp))
    assert created == []


def test_relation_data_of_another_extension_raises(path, nlp):
    try:
        with pytest.raises(ValueError, match=r"J603.*'links'"):
            read(path, nlp, attr="links")
    finally:
        Doc.remove_extension("links")


def test_docs_annotated_without_relations_are_read(tmp_path, nlp, docs):
    path = write(tmp_path / "none.spacy", [docs[2]])
    (example,) = read(path, nlp)
    assert has_relations(example.reference)
    assert triples(example.reference) == []


def test_some_docs_can_lack_relation_data(tmp_path, nlp, docs):
    path = write(tmp_path / "some.spacy", [nlp.make_doc("Ada cooks"), docs[0]])
    known = [has_relations(example.reference) for example in read(path, nlp)]
    assert known == [False, True]


@pytest.mark.parametrize("name", ["limit", "max_length"])
def test_negative_setting_raises(name):
    with pytest.raises(ValueError, match=rf"J608.*x\.spacy.*{name}.*-1"):
        Corpus(Path("x.spacy"), **{name: -1})


@pytest.mark.parametrize("content", [b"", b"no DocBin", b"\x00\xff" * 20])
def test_file_that_is_not_a_docbin_raises(tmp_path, nlp, content):
    path = tmp_path / "notes.spacy"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"J609.*notes\.spacy"):
        read(path, nlp)


# gold entities on the predicted Docs --------------------------------------------------


def write_story(tmp_path, nlp):
    docs = [build_doc(make_record(sentence), nlp) for sentence in STORY]
    path = tmp_path / "story.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    return path


def test_gold_entities_are_set_as_span_group(nlp, tmp_path):
    path = write_story(tmp_path, nlp)
    for example in Corpus(path, gold_entities="spans:gold")(nlp):
        expected = [(s.text, s.label_) for s in example.reference.spans["jre"]]
        found = [(s.text, s.label_) for s in example.predicted.spans["gold"]]
        assert sorted(found) == sorted(expected)
        assert not example.predicted.ents


def test_gold_entities_are_set_as_ents(nlp, tmp_path):
    record = make_record(STORY[4])
    path = tmp_path / "one.spacy"
    DocBin(docs=[build_doc(record, nlp)], store_user_data=True).to_disk(path)
    (example,) = Corpus(path, gold_entities="doc.ents")(nlp)
    found = [(e.text, e.label_) for e in example.predicted.ents]
    assert found == [("Fjordline", "ORG"), ("Bergen", "LOC"), ("Narvik", "LOC")]


def test_gold_entities_that_overlap_cannot_be_ents(nlp, tmp_path):
    path = write_story(tmp_path, nlp)
    with pytest.raises(ValueError, match=r"J535.*story.spacy.*spans:gold"):
        list(Corpus(path, gold_entities="doc.ents")(nlp))


def test_gold_entities_that_do_not_align_are_counted(nlp, tmp_path):
    reference = Doc(nlp.vocab, words=["Hotel", "Lima", "Oslo", "Airport"])
    reference.ents = [Span(reference, 0, 2, "ORG"), Span(reference, 2, 3, "LOC")]
    reference._.relations = []
    path = tmp_path / "merged.spacy"
    DocBin(docs=[reference], store_user_data=True).to_disk(path)

    def merged(text):
        return Doc(nlp.vocab, words=["Hotel", "Lima", "Oslo Airport"])

    nlp.tokenizer = merged
    corpus = Corpus(path, gold_tokens=False, gold_entities="spans:gold")
    with pytest.warns(UserWarning, match=r"J907.*1 gold entities.*align"):
        (example,) = corpus(nlp)
    assert [s.text for s in example.predicted.spans["gold"]] == ["Hotel Lima"]


def test_unannotated_docs_get_no_gold_entities(nlp, tmp_path):
    docs = [nlp.make_doc("Oslo ."), build_doc(make_record(STORY[4]), nlp)]
    path = tmp_path / "some.spacy"
    DocBin(docs=docs, store_user_data=True).to_disk(path)
    first, second = Corpus(path, gold_entities="spans:gold")(nlp)
    assert "gold" not in first.predicted.spans
    assert "gold" in second.predicted.spans


def test_other_place_for_gold_entities_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"J608.*gold_entities.*spans:<key>"):
        Corpus(tmp_path, gold_entities="spans")


def test_doc_that_is_too_long_for_the_tokenizer_is_skipped(path, docs):
    nlp = spacy.blank("en")
    nlp.max_length = max(len(doc.text) for doc in docs) - 1
    kept = [doc.text for doc in docs if len(doc.text) <= nlp.max_length]
    message = rf"J907.*{len(docs) - len(kept)} Doc\(s\) were lost.*{nlp.max_length}"
    with pytest.warns(UserWarning, match=message):
        examples = read(path, nlp, gold_tokens=False)
    assert texts(examples) == kept
    # the gold tokens are not tokenized again
    assert len(read(path, nlp)) == len(docs)
