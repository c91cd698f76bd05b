import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.tacred import read_tacred
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT, OUTSIDE

from ..counts import read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

WORDS = ["Ada", "Quint", "-LRB-", "cook", "-RRB-", "of", "Hotel", "Lima", ",", "Oslo"]
ADA = {"start": 0, "end": 1, "type": "PERSON"}
COOK = {"start": 3, "end": 3, "type": "TITLE"}
LIMA = {"start": 6, "end": 7, "type": "ORGANIZATION"}
OSLO = {"start": 9, "end": 9, "type": "CITY"}


def row(name, relation, subject, other, **fields):
    return {
        "id": name,
        "docid": "menu",
        "relation": relation,
        "token": WORDS,
        **{f"subj_{key}": value for key, value in subject.items()},
        **{f"obj_{key}": value for key, value in other.items()},
        **fields,
    }


WORKS = row("a", "per:employee_of", ADA, LIMA, stanford_pos=["NNP"])
TITLE = row("b", "per:title", ADA, COOK)
NOTHING = row("c", "no_relation", ADA, OSLO)
BASED = row("d", "org:city", LIMA, OSLO)


def read_all(tmp_path, *rows, **kwargs):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(rows), encoding="utf8")
    return list(read_tacred(path, **kwargs))


def read_faulty(tmp_path, *rows):
    """Read one sentence, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, *rows, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def triples(record):
    text = [record.text[e.start : e.end] for e in record.entities]
    return [(text[r.head], r.label, text[r.tail]) for r in record.relations]


def test_story_is_read():
    assert_is_the_story(read_tacred(FOLDER / "tacred.json"))


def test_rows_of_a_sentence_are_one_record(tmp_path):
    assert read_all(tmp_path, WORKS, TITLE, NOTHING, BASED) == [
        Record(
            text="Ada Quint -LRB- cook -RRB- of Hotel Lima , Oslo",
            entities=(
                EntityRecord(0, 9, "PERSON"),
                EntityRecord(16, 20, "TITLE"),
                EntityRecord(30, 40, "ORGANIZATION"),
                EntityRecord(43, 47, "CITY"),
            ),
            relations=(
                RelationRecord(0, 2, "per:employee_of"),
                RelationRecord(0, 1, "per:title"),
                RelationRecord(2, 3, "org:city"),
            ),
            words=tuple(WORDS),
            document="menu",
            meta={
                "ids": ["a", "b", "c", "d"],
                "no_relation": [[0, 3]],
                "stanford_pos": ["NNP"],
            },
        )
    ]


def test_rows_of_a_sentence_can_be_apart(tmp_path):
    other = row("x", "per:title", ADA, COOK, docid="other")
    first, second = read_all(tmp_path, WORKS, other, BASED)
    assert len(first.relations) == 2
    assert (second.document, triples(second)) == (
        "other",
        [("Ada Quint", "per:title", "cook")],
    )


def test_sentence_with_negative_rows_only_has_its_entities(tmp_path):
    (record,) = read_all(tmp_path, NOTHING)
    assert (len(record.entities), record.relations, record.left_out) == (2, (), ())


def test_repeated_row_is_a_duplicate(tmp_path):
    (record,) = read_all(tmp_path, WORKS, {**WORKS, "id": "again"})
    assert triples(record) == [("Ada Quint", "per:employee_of", "Hotel Lima")] * 2
    assert len(record.entities) == 2


def test_span_with_two_types_is_two_entities(tmp_path):
    (record,) = read_all(tmp_path, WORKS, row("b", "x", {**ADA, "type": "COOK"}, OSLO))
    assert [e.label for e in record.entities[:2]] == ["COOK", "PERSON"]
    assert [r.head for r in record.relations] == [1, 0]


def test_arguments_without_a_type_get_a_label_which_is_reported(tmp_path):
    untyped = changed(changed(WORKS, ["subj_type"], ABSENT), ["obj_type"], None)
    (record,) = read_all(tmp_path, untyped)
    assert [e.label for e in record.entities] == ["Entity", "Entity"]
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("type", False)
    assert "2 argument(s)" in left_out.reason


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["token"], ABSENT, "record 0", "token"),
        (["token", 0], 3, "record 0", "token"),
        (["docid"], {}, "record 0", "docid"),
        (["subj_start"], None, "record 0, subj", "subj_start"),
        (["obj_end"], ABSENT, "record 0, obj", "obj_end"),
        (["obj_end"], 10, "record 0, obj", "start/end"),
        (["obj_type"], "", "record 0, obj", "obj_type"),
        (["relation"], None, "record 0", "relation"),
        (["relation"], "", "record 0", "label"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, changed(WORKS, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [("obj_end", 10, OUTSIDE), ("obj_start", 8, OUTSIDE), ("obj_type", 5, BROKEN_ROW)],
)
def test_broken_argument_costs_only_its_row(tmp_path, field, value, cause):
    record, left_out = read_faulty(tmp_path, TITLE, changed(WORKS, [field], value))
    assert left_out == [("entity", cause), ("relation", LOST_ARGUMENT)]
    assert triples(record) == [("Ada Quint", "per:title", "cook")]


def test_row_that_is_no_object_is_skipped(tmp_path):
    skipped = []
    (record,) = read_all(tmp_path, None, WORKS, skip=skipped.append)
    assert [(s.kind, s.entities, s.relations) for s in skipped] == [("record", 2, 1)]
    assert len(record.relations) == 1


def test_sentence_whose_other_fields_cannot_be_stored_is_skipped(tmp_path):
    skipped = []
    rows = [{**TITLE, "seed": 10**30}, NOTHING]
    assert read_all(tmp_path, *rows, skip=skipped.append) == []
    assert [(s.kind, s.entities, s.relations) for s in skipped] == [("record", 4, 1)]


FAULTS = {
    "outside": lambda rng, row: row.update(subj_end=88),
    "negative": lambda rng, row: row.update(obj_start=-1),
    "null offset": lambda rng, row: row.update(obj_end=None),
    "empty type": lambda rng, row: row.update(subj_type=""),
    "null relation": lambda rng, row: row.update(relation=None),
    "null words": lambda rng, row: row.update(token=None),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_relations_are_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    rows = [WORKS, TITLE, BASED, BASED, {**WORKS, "docid": "other"}]
    rows = with_faults(rng, rows, FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("tacred") / "train.json"
    path.write_text(json.dumps(rows), encoding="utf8")
    assert read_and_reported(read_tacred, path).relations == len(rows)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_entities_are_read_or_reported(tmp_path_factory, seed):
    # each sentence has one row, so that no entity is repeated
    rng = random.Random(seed)
    rows = [{**row, "docid": str(n)} for n, row in enumerate([WORKS, TITLE, NOTHING])]
    rows = with_faults(rng, rows, FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("tacred") / "train.json"
    path.write_text(json.dumps(rows), encoding="utf8")
    counts = read_and_reported(read_tacred, path)
    assert (counts.records, counts.entities) == (3, 2 * len(rows))
