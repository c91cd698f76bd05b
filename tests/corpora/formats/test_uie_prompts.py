import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.uie_prompts import read_uie_prompts
from spacy_jre.corpora.rows import (
    BLANK,
    BROKEN_ROW,
    LOST_ARGUMENT,
    OUTSIDE,
    UNKNOWN_ARGUMENT,
)

from ..counts import read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

TEXT = "Ada Quint cooks in Hotel Lima of Oslo"


def result(text, start, end=None):
    return {"text": text, "start": start, "end": end or start + len(text)}


def row(prompt, *results, content=TEXT, **fields):
    return {
        "content": content,
        "result_list": [{**result} for result in results],
        "prompt": prompt,
        **fields,
    }


ADA, LIMA, OSLO = result("Ada Quint", 0), result("Hotel Lima", 19), result("Oslo", 33)
ROWS = [
    row("person", ADA, number=7),
    row("company", LIMA),
    row("place", OSLO),
    row("employer of Ada Quint", LIMA),
    row("Hotel Lima的home town", OSLO),
    row("home town of Ada Quint"),
    row("date of birth"),
]
# the same texts as two mentions
TWICE = "王芳和李雷：王芳在海风公司，李雷在大山公司"


def read_all(tmp_path, *rows, **kwargs):
    path = tmp_path / "train.txt"
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf8")
    return list(read_uie_prompts(path, **kwargs))


def read_faulty(tmp_path, *rows):
    """Read one content, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, *rows, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def triples(record):
    text = [record.text[e.start : e.end] for e in record.entities]
    return [(text[r.head], r.label, text[r.tail]) for r in record.relations]


def test_story_is_read():
    assert_is_the_story(read_uie_prompts(FOLDER / "uie_prompts.jsonl"))


def test_rows_of_a_content_are_one_record(tmp_path):
    assert read_all(tmp_path, *ROWS) == [
        Record(
            text=TEXT,
            entities=(
                EntityRecord(0, 9, "person"),
                EntityRecord(19, 29, "company"),
                EntityRecord(33, 37, "place"),
            ),
            relations=(
                RelationRecord(0, 1, "employer"),
                RelationRecord(1, 2, "home town"),
            ),
            meta={"number": 7},
        )
    ]


def test_rows_of_a_content_can_be_apart(tmp_path):
    other = row("person", content="Rain fell")
    first, second = read_all(tmp_path, ROWS[0], other, *ROWS[1:])
    assert len(first.relations) == 2
    assert second == Record(text="Rain fell")


def test_order_of_the_rows_does_not_matter(tmp_path):
    (record,) = read_all(tmp_path, *reversed(ROWS))
    assert sorted(triples(record)) == sorted(triples(read_all(tmp_path, *ROWS)[0]))
    assert record.entities == read_all(tmp_path, *ROWS)[0].entities


def test_prompt_whose_subject_is_no_entity_is_an_entity_type(tmp_path):
    text = "Ada Quint, birth in 1901"
    rows = [
        row("person", ADA, content=text),
        row("date of birth", result("1901", 20), content=text),
    ]
    (record,) = read_all(tmp_path, *rows)
    assert record.entities[1] == EntityRecord(20, 24, "date of birth")


def test_known_relation_of_a_subject_in_the_text_is_a_relation(tmp_path):
    other = "Bo Dahl is from Oslo"
    town = row("home town of Bo Dahl", result("Oslo", 16), content=other)
    _, record = read_all(tmp_path, *ROWS, town)
    assert triples(record) == [("Bo Dahl", "home town", "Oslo")]
    assert [e.label for e in record.entities] == ["Entity", "Entity"]


def test_known_relation_of_a_subject_that_is_not_in_the_text_is_left_out(tmp_path):
    row_of_bo = row("home town of Bo Dahl", OSLO)
    record, left_out = read_faulty(tmp_path, *ROWS, row_of_bo)
    assert left_out == [("relation", UNKNOWN_ARGUMENT)]
    assert record.entities == read_all(tmp_path, *ROWS)[0].entities
    assert "line 8, result 0: field 'prompt'" in record.left_out[0].reason


def test_nearest_mention_of_the_subject_is_the_head(tmp_path):
    rows = [
        row("人物", result("王芳", 0), result("王芳", 6), content=TWICE),
        row("公司", result("海风公司", 9), content=TWICE),
        row("王芳的雇主", result("海风公司", 9), content=TWICE),
    ]
    (record,) = read_all(tmp_path, *rows)
    (relation,) = record.relations
    assert record.entities[relation.head].start == 6


def test_longest_subject_is_chosen(tmp_path):
    text = "王芳的母亲的雇主是海风公司"
    rows = [
        row("人物", result("王芳", 0), result("王芳的母亲", 0), content=text),
        row("王芳的母亲的雇主", result("海风公司", 9), content=text),
    ]
    (record,) = read_all(tmp_path, *rows)
    assert triples(record) == [("王芳的母亲", "雇主", "海风公司")]


def test_entity_of_a_relation_without_a_type_gets_a_label_which_is_reported(tmp_path):
    (record,) = read_all(tmp_path, ROWS[0], ROWS[3])
    assert record.entities[1] == EntityRecord(19, 29, "Entity")
    assert triples(record) == [("Ada Quint", "employer", "Hotel Lima")]
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("type", False)
    assert "'Hotel Lima' at 19..29" in left_out.reason


def test_entity_of_two_types_is_two_entities_and_relations_get_the_first(tmp_path):
    (record,) = read_all(tmp_path, *ROWS, row("building", LIMA))
    assert [e.label for e in record.entities] == [
        "person",
        "building",
        "company",
        "place",
    ]
    assert record.relations[0] == RelationRecord(0, 2, "employer")


def test_repeated_result_is_one_entity_and_a_duplicate_relation(tmp_path):
    (record,) = read_all(tmp_path, *ROWS, *ROWS)
    assert len(record.entities) == 3
    assert len(triples(record)) == 2 * len({*triples(record)}) == 4


def test_classification_is_reported(tmp_path):
    mood = row("mood[good,bad]", {"text": "good", "start": -9, "end": -5})
    record, left_out = read_faulty(tmp_path, *ROWS, mood)
    assert [kind for kind, _ in left_out] == ["classification"]
    assert len(record.entities) == 3


@pytest.mark.parametrize(
    ("number", "keys", "value", "where", "field"),
    [
        (0, ["content"], ABSENT, "line 1", "content"),
        (0, ["prompt"], None, "line 1", "prompt"),
        (0, ["prompt"], "", "line 1, result 0", "prompt"),
        (0, ["result_list"], {}, "line 1", "result_list"),
        (0, ["result_list", 0], "x", "line 1, result 0", "start"),
        (0, ["result_list", 0, "end"], 99, "line 1, result 0", "start/end"),
        (0, ["result_list", 0, "text"], None, "line 1, result 0", "text"),
        (0, ["result_list", 0, "text"], "Bo", "line 1, result 0", "text"),
        (3, ["result_list", 0, "start"], None, "line 4, result 0", "start"),
    ],
)
def test_broken_field_is_reported_with_location(
    tmp_path, number, keys, value, where, field
):
    rows = changed(ROWS, [number, *keys], value)
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, *rows)
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("broken", "cause"),
    [
        (result("Ada Quint", 0, 77), OUTSIDE),
        (result("Ada Quint", -3), OUTSIDE),
        (result("Ada Quint", 9, 10), BLANK),
        ({"text": "Ada Quint"}, BROKEN_ROW),
    ],
)
def test_broken_result_costs_only_its_row_and_its_relations(tmp_path, broken, cause):
    rows = changed(ROWS, [0, "result_list", 0], broken)
    record, left_out = read_faulty(tmp_path, *rows)
    assert left_out == [("entity", cause), ("relation", LOST_ARGUMENT)]
    assert triples(record) == [("Hotel Lima", "home town", "Oslo")]


def test_result_of_a_lost_relation_is_no_entity(tmp_path):
    rows = changed([ROWS[0], ROWS[3]], [0, "result_list", 0, "end"], 99)
    record, left_out = read_faulty(tmp_path, *rows)
    assert left_out == [("entity", OUTSIDE), ("relation", LOST_ARGUMENT)]
    assert record.entities == ()


def test_whitespace_at_the_edges_is_no_part_of_an_entity(tmp_path):
    rows = changed(ROWS, [2, "result_list", 0], result(" Oslo", 32))
    (record,) = read_all(tmp_path, *rows)
    assert record.entities[2] == EntityRecord(33, 37, "place")
    assert record.trimmed == 1


def set_field(name, value):
    def fault(rng, row):
        if isinstance(row["result_list"], list) and row["result_list"]:
            row["result_list"][0] = {**row["result_list"][0], name: value}

    return fault


FAULTS = {
    "outside": set_field("end", 99),
    "negative": set_field("start", -2),
    "null offset": set_field("end", None),
    "other text": set_field("text", "?"),
    "null text": set_field("text", None),
    "null prompt": lambda rng, row: row.update(prompt=None),
    "null results": lambda rng, row: row.update(result_list=None),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_results_are_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    entities, relations = ROWS[:3], ROWS[3:5]
    entities = with_faults(rng, entities, FAULTS, rng.randint(0, 3))
    relations = with_faults(rng, relations, FAULTS, rng.randint(0, 3))
    path = tmp_path_factory.mktemp("uie") / "train.json"
    path.write_text(json.dumps([*entities, *relations]), encoding="utf8")
    counts = read_and_reported(read_uie_prompts, path)
    untyped = sum(
        entity.label == "Entity"
        for record in read_uie_prompts(path, skip=lambda left_out: None)
        for entity in record.entities
    )
    results = sum(len(row["result_list"] or ()) for row in (*entities, *relations))
    assert counts.entities - untyped + counts.relations == results
