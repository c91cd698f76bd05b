import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, RelationRecord, split_sentences
from spacy_jre.corpora.formats.docred import read_docred
from spacy_jre.corpora.rows import (
    BROKEN_ROW,
    LOST_ARGUMENT,
    OUTSIDE,
    UNKNOWN_ARGUMENT,
)

from ..counts import Counts, read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story


def mention(name, sentence, start, end, label):
    return {"name": name, "sent_id": sentence, "pos": [start, end], "type": label}


DOCUMENT = {
    "title": "Ada Quint",
    "sents": [
        ["Ada", "Quint", "owns", "Hotel", "Lima", "."],
        ["Quint", "lives", "in", "Oslo", "."],
        ["Oslo", "likes", "Quint", "and", "Ada", "."],
    ],
    "vertexSet": [
        [
            mention("Ada Quint", 0, 0, 2, "PER"),
            mention("Quint", 1, 0, 1, "PER"),
            mention("Quint", 2, 2, 3, "PER"),
            mention("Ada", 2, 4, 5, "PER"),
        ],
        [mention("Hotel Lima", 0, 3, 5, "ORG")],
        [mention("Oslo", 1, 3, 4, "LOC"), mention("Oslo", 2, 0, 1, "LOC")],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P1830", "evidence": [0]}],
    "pubmed": 3,
}
PER_SENTENCE_PAIRS = {"h": 0, "t": 2, "r": "P551", "evidence": [1]}
ACROSS = {"h": 1, "t": 2, "r": "P131", "evidence": [0, 1]}


def read_all(tmp_path, *documents, **kwargs):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(documents), encoding="utf8")
    return list(read_docred(path, **kwargs))


def read_faulty(tmp_path, document):
    """Read a document, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, document, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def with_labels(*labels):
    return {**DOCUMENT, "labels": list(labels)}


def relations_of(record):
    """The relations with the sentences and texts of their arguments."""
    text = [record.text[e.start : e.end] for e in record.entities]
    return [(text[r.head], r.label, text[r.tail]) for r in record.relations]


def test_story_is_read():
    assert_is_the_story(read_docred(FOLDER / "docred.json"))


def test_document_is_read(tmp_path):
    (record,) = read_all(tmp_path, DOCUMENT)
    assert record.text == (
        "Ada Quint owns Hotel Lima . Quint lives in Oslo . Oslo likes Quint and Ada ."
    )
    assert record.words == tuple(record.text.split())
    assert record.sentences == ((0, 27), (28, 49), (50, 76))
    assert record.document == "Ada Quint"
    # the mentions of the first entity come first
    assert record.entities[:5] == (
        EntityRecord(0, 9, "PER"),
        EntityRecord(28, 33, "PER"),
        EntityRecord(61, 66, "PER"),
        EntityRecord(71, 74, "PER"),
        EntityRecord(15, 25, "ORG"),
    )
    assert record.relations == (RelationRecord(0, 4, "P1830"),)
    assert record.meta == {
        "labels": DOCUMENT["labels"],
        "vertexSet": [[0, 1, 2, 3], [4], [5, 6]],
        "pubmed": 3,
    }


def test_all_mentions_in_the_same_sentence_are_related(tmp_path):
    (record,) = read_all(tmp_path, with_labels(PER_SENTENCE_PAIRS))
    assert [(r.head, r.tail) for r in record.relations] == [(1, 5), (2, 6), (3, 6)]


def test_without_a_common_sentence_the_nearest_mentions_are_related(tmp_path):
    document = with_labels(ACROSS)
    document["vertexSet"] = [*DOCUMENT["vertexSet"][:2], DOCUMENT["vertexSet"][2][::-1]]
    (record,) = read_all(tmp_path, document)
    assert record.entities[6].start == 43  # the mention in the second sentence
    assert [(r.head, r.tail) for r in record.relations] == [(4, 6)]


def test_mention_is_only_related_to_itself_if_there_is_no_other(tmp_path):
    labels = [{"h": n, "t": n, "r": "P1382", "evidence": []} for n in (1, 2)]
    (record,) = read_all(tmp_path, with_labels(*labels))
    assert [(r.head, r.tail) for r in record.relations] == [(4, 4), (5, 6)]


def test_relation_across_sentences_is_reported_per_sentence(tmp_path):
    (record,) = read_all(tmp_path, with_labels(PER_SENTENCE_PAIRS, ACROSS))
    sentences = list(split_sentences(record))
    assert [relations_of(sentence) for sentence in sentences] == [
        [],
        [("Quint", "P551", "Oslo")],
        [("Quint", "P551", "Oslo"), ("Ada", "P551", "Oslo")],
    ]
    (left_out,) = [left for sentence in sentences for left in sentence.left_out]
    assert left_out.kind == "relation"
    assert "across sentences" in left_out.reason


def test_repeated_mention_is_related_once(tmp_path):
    document = with_labels(PER_SENTENCE_PAIRS)
    document["vertexSet"] = [[*row, row[0]] for row in document["vertexSet"]]
    (record,) = read_all(tmp_path, document)
    assert len(record.entities) == 7 + 3
    assert relations_of(record) == relations_of(
        read_all(tmp_path, with_labels(PER_SENTENCE_PAIRS))[0]
    )


def test_entities_with_the_same_mention_are_related_by_other_mentions(tmp_path):
    document = with_labels({"h": 0, "t": 1, "r": "P3373", "evidence": []})
    document["vertexSet"] = [
        [mention("Quint", 2, 2, 3, "PER"), mention("Ada", 2, 4, 5, "PER")],
        [mention("Quint", 2, 2, 3, "PER")],
    ]
    (record,) = read_all(tmp_path, document)
    assert [(r.head, r.tail) for r in record.relations] == [(1, 2)]


def test_names_of_relations_are_read_from_rel_info(tmp_path):
    path = tmp_path / "rel_info.json"
    path.write_text(json.dumps({"P1830": "owner of"}), encoding="utf8")
    unknown = {"h": 0, "t": 1, "r": "P99", "evidence": []}
    (record,) = read_all(tmp_path, with_labels(*DOCUMENT["labels"], unknown))
    assert [r.label for r in record.relations] == ["owner of", "P99"]


@pytest.mark.parametrize("text", ["{", "[]", '{"P17": null}'])
def test_invalid_rel_info_raises_with_the_fix(tmp_path, text):
    (tmp_path / "rel_info.json").write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"\[J655\].*rel_info.json.*remove it"):
        read_all(tmp_path, DOCUMENT)


def test_rel_info_outside_the_folder_is_not_read(tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text(json.dumps({"P1830": "owner of"}), encoding="utf8")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "rel_info.json").symlink_to(outside)
    skipped = []
    (record,) = read_all(folder, DOCUMENT, skip=skipped.append)
    assert [r.label for r in record.relations] == ["P1830"]
    assert "[J617]" in skipped[0].reason


def test_document_without_labels_is_not_annotated(tmp_path):
    skipped = []
    unlabeled = changed(DOCUMENT, ["labels"], ABSENT)
    records = read_all(tmp_path, unlabeled, with_labels(), skip=skipped.append)
    assert [record.relations for record in records] == [()]
    assert [(left.kind, left.broken) for left in skipped] == [("record", False)]
    assert "not annotated" in skipped[0].reason


def test_empty_sentence_has_no_boundaries(tmp_path):
    document = {**DOCUMENT, "sents": [*DOCUMENT["sents"], []]}
    assert len(read_all(tmp_path, document)[0].sentences) == 3


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["title"], "\ud800", "record 0", "title"),
        (["sents"], ABSENT, "record 0", "sents"),
        (["sents", 0], None, "record 0", "sents"),
        (["vertexSet"], {}, "record 0", "vertexSet"),
        (["vertexSet", 1], "x", "record 0, entity 1", "vertexSet"),
        (["vertexSet", 1, 0], 5, "record 0, entity 1, mention 0", "sent_id"),
        (["vertexSet", 1, 0, "sent_id"], 3, "entity 1, mention 0", "sent_id"),
        (["vertexSet", 1, 0, "pos"], [3], "entity 1, mention 0", "pos"),
        (["vertexSet", 1, 0, "pos"], [3, "5a"], "entity 1, mention 0", "pos"),
        (["vertexSet", 1, 0, "type"], ABSENT, "entity 1, mention 0", "type"),
        (["labels"], {}, "record 0", "labels"),
        (["labels", 0, "h"], 3, "record 0, label 0", "h"),
        (["labels", 0, "t"], None, "record 0, label 0", "t"),
        (["labels", 0, "r"], ABSENT, "record 0, label 0", "r"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, changed(DOCUMENT, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("pos", [5, 7], OUTSIDE),
        ("pos", [3, 3], OUTSIDE),
        ("sent_id", 9, BROKEN_ROW),
    ],
)
def test_broken_mention_costs_only_its_row(tmp_path, field, value, cause):
    document = with_labels(*DOCUMENT["labels"], PER_SENTENCE_PAIRS)
    document = changed(document, ["vertexSet", 1, 0, field], value)
    record, left_out = read_faulty(tmp_path, document)
    assert left_out == [("entity", cause), ("relation", LOST_ARGUMENT)]
    assert (len(record.entities), len(record.relations)) == (6, 3)


def test_relation_to_an_unknown_entity_costs_only_its_row(tmp_path):
    document = with_labels({**ACROSS, "t": 3}, *DOCUMENT["labels"])
    record, left_out = read_faulty(tmp_path, document)
    assert left_out == [("relation", UNKNOWN_ARGUMENT)]
    assert len(record.relations) == 1


def change_mention(**fields):
    def fault(rng, document):
        entity = rng.choice(document["vertexSet"])
        if entity and isinstance(row := rng.choice(entity), dict):
            row.update(fields)

    return fault


def add_label(row):
    return lambda rng, document: document["labels"].append(row)


FAULTS = {
    "outside": change_mention(pos=[4, 9]),
    "no sentence": change_mention(sent_id=-1),
    "null type": change_mention(type=None),
    "null mention": lambda rng, d: d["vertexSet"][0].append(None),
    "repeated mention": lambda rng, d: d["vertexSet"][0].append(d["vertexSet"][0][0]),
    "no mentions": lambda rng, d: d["vertexSet"][1].clear(),
    "dangling": add_label({"h": 0, "t": 8, "r": "P17"}),
    "null head": add_label({"h": None, "t": 1, "r": "P17"}),
    "null label": add_label(None),
    "null word": lambda rng, d: d["sents"][0].append(None),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    # each of these labels is one relation
    documents = [with_labels(ACROSS, *DOCUMENT["labels"])] * 2
    rng = random.Random(seed)
    documents = with_faults(rng, documents, FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("docred") / "train.json"
    path.write_text(json.dumps(documents), encoding="utf8")
    assert read_and_reported(read_docred, path) == Counts(
        2,
        sum(len(mentions) for d in documents for mentions in d["vertexSet"]),
        sum(len(d["labels"]) for d in documents),
    )
