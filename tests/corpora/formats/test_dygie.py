import json
from functools import cache
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord, split_sentences
from spacy_jre.corpora.formats.dygie import read_dygie
from spacy_jre.corpora.formats.spert_json import read_spert_json
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT

from ...conftest import SHARED
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

# Ada Quint cooks . She likes Hotel Lima .
DOCUMENT = {
    "doc_key": "D1",
    "sentences": [["Ada", "Quint", "cooks", "."], ["She", "likes", "Lima", "."]],
    "ner": [[[0, 1, "PER"]], [[4, 4, "PER"], [6, 6, "LOC"]]],
    "relations": [[], [[4, 4, 6, 6, "likes"]]],
    "clusters": [[[0, 1], [4, 4]]],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.jsonl"


def write(path, *documents):
    path.write_text("\n".join(map(json.dumps, documents)), encoding="utf8")
    return path


def read_one(path, **changes):
    (record,) = read_dygie(write(path, {**DOCUMENT, **changes}))
    return record


def skipped(path, *documents):
    """The records of a file, and what is left out."""
    left_out = []
    records = list(read_dygie(write(path, *documents), skip=left_out.append))
    return records, left_out


def test_story_is_read():
    assert_is_the_story(read_dygie(FOLDER / "dygie.jsonl"))


def test_document_is_read(path):
    assert read_one(path) == Record(
        text="Ada Quint cooks . She likes Lima .",
        entities=(
            EntityRecord(0, 9, "PER"),
            EntityRecord(18, 21, "PER"),
            EntityRecord(28, 32, "LOC"),
        ),
        relations=(RelationRecord(1, 2, "likes"),),
        words=("Ada", "Quint", "cooks", ".", "She", "likes", "Lima", "."),
        sentences=((0, 17), (18, 34)),
        document="D1",
        meta={"doc_key": "D1", "clusters": [[[0, 1], [4, 4]]]},
    )


def test_offsets_are_relative_to_the_document_and_end_inclusive(path):
    *_, second = split_sentences(read_one(path))
    assert second.text == "She likes Lima ."
    assert [second.text[e.start : e.end] for e in second.entities] == ["She", "Lima"]


def test_source_is_the_line(path):
    first, second = read_dygie(write(path, DOCUMENT, DOCUMENT))
    assert (first.source, second.source) == (f"{path}, line 1", f"{path}, line 2")


def test_document_of_one_sentence_has_no_sentence_offsets(path):
    record = read_one(
        path, sentences=[["Ada", "cooks"]], ner=[[[0, 0, "PER"]]], relations=[[]]
    )
    assert record.sentences is None
    assert record.words == ("Ada", "cooks")


def test_empty_sentences_are_dropped(path):
    record = read_one(
        path,
        sentences=[[], ["Ada", "cooks"], [], ["Lima"], []],
        ner=[[], [[0, 0, "PER"]], [], [[2, 2, "LOC"]], []],
        relations=[[], [], [], [], []],
    )
    assert record.sentences == ((0, 9), (10, 14))
    assert [e.start for e in record.entities] == [0, 10]


def test_document_without_words_is_an_empty_record(path):
    record = read_one(path, sentences=[], ner=[], relations=[])
    assert (record.text, record.words, record.sentences) == ("", (), None)


def test_relation_across_sentences_is_read(path):
    record = read_one(path, relations=[[[0, 1, 6, 6, "likes"]], []])
    assert record.relations == (RelationRecord(0, 2, "likes"),)


def test_relation_gets_the_first_entity_of_its_span(path):
    record = read_one(
        path,
        ner=[[], [[4, 4, "PER"], [6, 6, "ORG"], [6, 6, "LOC"]]],
        relations=[[], [[4, 4, 6, 6, "likes"]]],
    )
    assert len(record.entities) == 3
    assert record.relations == (RelationRecord(0, 1, "likes"),)


@pytest.mark.parametrize("row", [[4, 5, 6, 6, "likes"], [4, 4, 3, 3, "likes"]])
def test_relation_to_a_span_without_entity_is_reported(path, row):
    record = read_one(path, relations=[[], [row]])
    assert record.relations == ()
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("relation", False)
    assert left_out.reason.startswith(f"{path}, line 1, sentence 1, relations 0: [4,")


def test_events_are_reported(path):
    events = [[], [[[5, "Like"], [4, 4, "Agent"]], [[6, "Be"]]]]
    record = read_one(path, events=events)
    (left_out,) = record.left_out
    assert left_out.kind == "event"
    assert left_out.reason == f"{path}, line 1: 2 event(s) of sentence 1"
    assert record.meta["events"] == events


@pytest.mark.parametrize("events", [None, [], [[], []]])
def test_empty_events_are_not_reported(path, events):
    assert read_one(path, events=events).left_out == ()


def test_scores_after_a_label_are_ignored(path):
    predicted = read_one(
        path,
        ner=[[[0, 1, "PER", 7.5, 0.9]], [[4, 4, "PER", 1], [6, 6, "LOC", None]]],
        relations=[[], [[4, 4, 6, 6, "likes", 3.25, 0.99]]],
    )
    assert predicted == read_one(path)


@pytest.mark.parametrize(
    ("key", "document"), [("D1", "D1"), (0, "0"), (None, None), ("", "")]
)
def test_doc_key_is_the_document(path, key, document):
    assert read_one(path, doc_key=key).document == document


def test_unannotated_document_is_skipped_without_an_error(path):
    plain = {"doc_key": "D0", "sentences": [["Ada", "cooks"]]}
    records, [left_out] = skipped(path, plain, DOCUMENT)
    assert [r.document for r in records] == ["D1"]
    assert (left_out.kind, left_out.broken) == ("record", False)
    assert left_out.reason.startswith(f"{path}, line 1: ")
    assert len(list(read_dygie(path))) == 1


@pytest.mark.parametrize(
    ("changes", "where", "field"),
    [
        ({"sentences": None}, "line 2", "sentences"),
        ({"sentences": [["Ada"], "cooks"]}, "line 2", "sentences"),
        ({"sentences": [["Ada", 3], []]}, "line 2", "sentences"),
        ({"sentences": [["Ada", ""], []]}, "line 2", "sentences"),
        ({"ner": {}}, "line 2", "ner"),
        ({"ner": [[]]}, "line 2", "ner"),
        ({"ner": [[], [], []]}, "line 2", "ner"),
        ({"relations": [[]]}, "line 2", "relations"),
        ({"events": 3}, "line 2", "events"),
        ({"clusters": [2**70]}, "line 2", "clusters"),
    ],
)
def test_broken_field_is_reported_with_file_and_line(path, changes, where, field):
    records, [left_out] = skipped(path, DOCUMENT, {**DOCUMENT, **changes}, DOCUMENT)
    assert len(records) == 2
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, {where}: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_dygie(path))


def test_missing_sentences_are_reported(path):
    document = {key: value for key, value in DOCUMENT.items() if key != "sentences"}
    with pytest.raises(ValueError, match=r"J605.*line 1: field 'sentences' is missing"):
        list(read_dygie(write(path, document)))


@pytest.mark.parametrize("relations", [None, [[], None], ABSENT])
def test_document_without_relations_has_its_entities(path, relations):
    document = changed(DOCUMENT, ["relations"], relations)
    (record,), left_out = skipped(path, document)
    assert left_out == []
    assert record.left_out == ()
    assert len(record.entities) == sum(map(len, DOCUMENT["ner"]))
    assert record.relations == ()


@pytest.mark.parametrize(
    ("changes", "where", "field"),
    [
        ({"ner": [[], 3]}, "sentence 1", "ner"),
        ({"ner": [[], ["PER"]]}, "sentence 1, ner 0", "ner"),
        ({"ner": [[], [None]]}, "sentence 1, ner 0", "ner"),
        ({"ner": [[[0, 1]], []]}, "sentence 0, ner 0", "ner"),
        ({"ner": [[[0, "1a", "P"]], []]}, "sentence 0, ner 0", "ner"),
        ({"ner": [[[True, 1, "P"]], []]}, "sentence 0, ner 0", "ner"),
        ({"ner": [[[0, 1, 2]], []]}, "sentence 0, ner 0", "ner"),
        ({"ner": [[[0, 1, "P"], [1, 0, "P"]], []]}, "sentence 0, ner 1", "start/end"),
        ({"ner": [[[-1, 0, "P"]], []]}, "sentence 0, ner 0", "start/end"),
        ({"ner": [[[7, 8, "P"]], []]}, "sentence 0, ner 0", "start/end"),
        ({"ner": [[[0, 1, ""]], []]}, "sentence 0, ner 0", "label"),
        ({"relations": [[], "likes"]}, "sentence 1", "relations"),
        (
            {"relations": [[], [[4, 4, 6, "likes"]]]},
            "sentence 1, relations 0",
            "relations",
        ),
        (
            {"relations": [[], [[4, 4, 6, None, "likes"]]]},
            "sentence 1, relations 0",
            "relations",
        ),
        (
            {"relations": [[], [[4, 4, 6, 8, "likes"]]]},
            "sentence 1, relations 0",
            "start/end",
        ),
        ({"relations": [[], [[4, 4, 6, 6, ""]]]}, "sentence 1, relations 0", "label"),
        ({"events": [3]}, "line 1", "events"),
    ],
)
def test_broken_row_costs_only_that_row(path, changes, where, field):
    (record,), left_out = skipped(path, {**DOCUMENT, **changes})
    assert left_out == []
    first, *_ = record.left_out
    assert first.broken
    assert first.reason.startswith(f"[J605] {path}, line 1")
    assert f"{where}: field '{field}' " in first.reason
    with pytest.raises(ValueError, match="J605"):
        list(read_dygie(path))


def test_relation_of_a_broken_entity_is_lost(path):
    ner = [[], [[4, 4, None], [6, 6, "LOC"]]]
    (record,), _ = skipped(path, {**DOCUMENT, "ner": ner})
    assert [(x.kind, x.cause) for x in record.left_out] == [
        ("entity", BROKEN_ROW),
        ("relation", LOST_ARGUMENT),
    ]


def test_annotations_of_a_broken_document_are_counted(path):
    _, [left_out] = skipped(path, {**DOCUMENT, "sentences": [None]})
    assert (left_out.entities, left_out.relations) == (3, 1)


NUMBERS = st.sampled_from([0, 1, 4, 6, 6, 7, 8, -1, None, "4"])
ROW_LABELS = st.sampled_from(["PER", "LOC", "", None])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(NUMBERS, NUMBERS, ROW_LABELS) | st.none(), max_size=6),
    st.lists(
        st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, ROW_LABELS) | st.none(),
        max_size=4,
    ),
)
def test_every_row_of_a_faulty_file_is_read_or_reported(tmp_path_factory, ner, rows):
    path = tmp_path_factory.mktemp("dygie") / "story.jsonl"
    document = {**DOCUMENT, "ner": [[], ner], "relations": [rows, []]}
    (record,), left_out = skipped(path, document)
    assert left_out == []
    kinds = [entry.kind for entry in record.left_out]
    assert len(record.entities) + kinds.count("entity") == len(ner)
    assert len(record.relations) + kinds.count("relation") == len(rows)


# the public corpus


@cache
def documents_of(folder, split):
    return list(read_dygie(SHARED / "scierc" / folder / f"{split}.json"))


def sentences_of(records):
    return [sentence for record in records for sentence in split_sentences(record)]


def counts(records):
    return (
        len(records),
        sum(len(record.entities) for record in records),
        sum(len(record.relations) for record in records),
    )


@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "documents", "published"),
    [
        ("train", 350, (1861, 5598, 3219)),
        ("dev", 50, (275, 811, 455)),
        ("test", 100, (551, 1685, 974)),
    ],
)
def test_scierc_has_the_published_counts(split, documents, published):
    records = documents_of("dygie", split)
    assert len({record.document for record in records}) == documents == len(records)
    assert counts(sentences_of(records)) == published
    assert not any(record.left_out for record in records)


@pytest.mark.data
def test_scierc_has_the_clusters():
    records = [r for s in ("train", "dev", "test") for r in documents_of("dygie", s)]
    clusters = [cluster for r in records for cluster in r.meta["clusters"]]
    assert (len(clusters), sum(map(len, clusters))) == (1015, 2686)
    assert sum(record.sentences is None for record in records) == 3


@pytest.mark.data
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_scierc_is_the_same_in_both_formats(split):
    ours = sentences_of(documents_of("dygie", split))
    theirs = read_spert_json(SHARED / "scierc" / "spert" / f"scierc_{split}.json")
    for mine, other in zip(ours, theirs, strict=True):
        assert token_annotation(mine) == token_annotation(other)


def token_annotation(record):
    """Spans in tokens, because brackets differ, and lowercase relation labels."""
    count = record.text.count
    entities = [
        (count(" ", 0, e.start), count(" ", 0, e.end) + 1, e.label)
        for e in record.entities
    ]
    relations = sorted(
        (entities[r.head], entities[r.tail], r.label.lower()) for r in record.relations
    )
    return len(record.words), sorted(entities), relations


@pytest.mark.data
def test_scierc_has_four_duplicate_relations_in_train():
    result = {
        split: sum(
            len(record.relations) - len(set(record.relations))
            for record in documents_of("dygie", split)
        )
        for split in ("train", "dev", "test")
    }
    assert result == {"train": 4, "dev": 0, "test": 0}


@pytest.mark.data
def test_scierc_has_88_overlapping_pairs_all_nested():
    pairs = [
        (a, b)
        for split in ("train", "dev", "test")
        for record in documents_of("dygie", split)
        for a, b in combinations(record.entities, 2)
        if a.start < b.end and b.start < a.end
    ]
    assert len(pairs) == 88
    for a, b in pairs:
        # one of them has the same start and end
        borders = min(a.start, b.start), max(a.end, b.end)
        assert borders in ((a.start, a.end), (b.start, b.end))


@pytest.mark.data
@pytest.mark.parametrize("split", ["train", "dev", "test"])
def test_scierc_sample_is_read(split):
    records = documents_of("dygie_sample", split)
    raw = (SHARED / "scierc" / "dygie_sample" / f"{split}.json").read_text("utf8")
    lines = [json.loads(line) for line in raw.splitlines()]
    assert len(records) == len(lines) == 10
    assert counts(sentences_of(records)) == (
        sum(len(line["sentences"]) for line in lines),
        sum(len(rows) for line in lines for rows in line["ner"]),
        sum(len(rows) for line in lines for rows in line["relations"]),
    )
