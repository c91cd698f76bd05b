import json

import pytest

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.spo import read_spo

from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

SPO = {
    "predicate": "causes",
    "subject": "clavoxil",
    "subject_type": "Drug",
    "object": {"@value": "hives"},
    "object_type": {"@value": "Effect"},
}
LINE = {"text": "clavoxil brought hives", "spo_list": [SPO]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.jsonl"


def write(path, *lines):
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf8")
    return path


def read_one(path, repeats="nearest", **changes):
    (record,) = read_spo(write(path, {**LINE, **changes}), repeats=repeats)
    return record


def read_spos(path, *changes, text=LINE["text"]):
    return read_one(path, text=text, spo_list=[{**SPO, **c} for c in changes])


def skipped(path, *lines):
    """The records of a file, and what is left out."""
    left_out = []
    return list(read_spo(write(path, *lines), skip=left_out.append)), left_out


def triples(record):
    def surface(position):
        entity = record.entities[position]
        return record.text[entity.start : entity.end], entity.label

    return [(surface(r.head), r.label, surface(r.tail)) for r in record.relations]


def test_story_is_read():
    assert_is_the_story(read_spo(FOLDER / "spo.jsonl"))


def test_line_is_read(path):
    assert read_one(path) == Record(
        text="clavoxil brought hives",
        entities=(EntityRecord(0, 8, "Drug"), EntityRecord(17, 22, "Effect")),
        relations=(RelationRecord(0, 1, "causes"),),
    )


def test_source_is_the_line(path):
    _, second = read_spo(write(path, LINE, LINE))
    assert second.source == f"{path}, line 2"


def test_list_is_read(path):
    path.write_text(json.dumps([LINE, LINE]), encoding="utf8")
    assert len(list(read_spo(path))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"object": "hives", "object_type": "Effect"},
        {"object": "hives", "object_type": {"@value": "Effect"}},
        {"object": {"@value": "hives"}, "object_type": "Effect"},
        {"object": {"@value": " hives "}, "subject": "clavoxil "},
    ],
)
def test_objects_can_be_strings_with_spaces(path, changes):
    assert read_spos(path, changes) == read_one(path)


def test_other_keys_of_an_object_become_relations(path):
    record = read_spos(
        path,
        {
            "predicate": "plays",
            "object": {"@value": "hives", "inWork": "Lima", "period": "1990"},
            "object_type": {"@value": "Role", "inWork": "Work", "period": "Date"},
        },
        text="clavoxil plays hives in Lima 1990",
    )
    drug = ("clavoxil", "Drug")
    assert triples(record) == [
        (drug, "plays", ("hives", "Role")),
        (drug, "plays_inWork", ("Lima", "Work")),
        (drug, "plays_period", ("1990", "Date")),
    ]


def test_single_type_applies_to_all_keys(path):
    record = read_spos(
        path,
        {"object": {"@value": "hives", "by": "brought"}, "object_type": "Any"},
    )
    assert [tail for _, _, tail in triples(record)] == [
        ("hives", "Any"),
        ("brought", "Any"),
    ]


@pytest.mark.parametrize("empty", ["", "  "])
def test_keys_with_empty_values_are_ignored(path, empty):
    # they need no type
    changes = {"object": {"@value": "hives", "inWork": empty}}
    assert read_spos(path, changes) == read_one(path)


def test_several_relations_of_a_line_share_their_entities(path):
    record = read_spos(path, {}, {"predicate": "brings"}, {"subject": "brought"})
    assert len(record.entities) == 3
    assert [r.label for r in record.relations] == ["causes", "brings", "causes"]


def test_line_without_relations_is_a_record(path):
    record = read_one(path, spo_list=[])
    assert (record.entities, record.relations, record.left_out) == ((), (), ())


def test_line_without_the_list_is_skipped_without_an_error(path):
    records, [left_out] = skipped(path, {"text": "Not annotated"}, LINE)
    assert len(records) == 1
    assert (left_out.kind, left_out.broken) == ("record", False)
    assert left_out.reason.startswith(f"{path}, line 1: ")
    assert len(list(read_spo(path))) == 1


def test_entity_list_adds_entities_without_a_relation(path):
    record = read_one(path, entity_list=[{"entity": "brought", "type": "Verb"}])
    assert [e.label for e in record.entities] == ["Drug", "Verb", "Effect"]
    assert len(record.relations) == 1


def test_entity_list_can_repeat_the_entities_of_relations(path):
    record = read_one(
        path,
        text="clavoxil, then clavoxil brought hives",
        entity_list=[{"entity": "clavoxil", "type": "Drug"}],
    )
    assert [e.start for e in record.entities] == [15, 32]


@pytest.mark.parametrize("value", [None, []])
def test_entity_list_can_be_empty(path, value):
    assert read_one(path, entity_list=value) == read_one(path)


def test_title_of_the_text_is_the_document(path):
    record = read_one(path, text="clavoxil@clavoxil brought hives")
    assert record.document == "clavoxil"
    assert [e.start for e in record.entities] == [0, 26]


@pytest.mark.parametrize(
    "text",
    ["clavoxil brought hives", "clavoxil brought hives @ noon", "@clavoxil hives"],
)
def test_text_without_a_title_has_no_document(path, text):
    assert read_one(path, text=text).document is None


def test_setting_repeats_selects_mentions(path):
    text = "clavoxil, then clavoxil brought hives"
    assert read_one(path, text=text).entities[0].start == 15
    assert read_one(path, "first", text=text).entities[0].start == 0
    assert len(read_one(path, "all", text=text).relations) == 2


def test_unknown_rule_raises_before_reading(path):
    with pytest.raises(ValueError, match=r"J202.*'last'"):
        read_spo(path, repeats="last")


def test_missing_form_is_reported(path):
    record = read_spos(path, {"subject": "mirtolol"}, {})
    assert len(record.relations) == 1
    (left_out,) = record.left_out
    assert left_out.kind == "relation"
    assert left_out.reason.startswith(f"{path}, line 1: causes: 'mirtolol' ")


def test_other_fields_of_a_line_become_meta(path):
    record = read_one(path, entity_list=[], id=7, postag=[["x", "n"]])
    assert record.meta == {"id": 7, "postag": [["x", "n"]]}


@pytest.mark.parametrize(
    ("key", "value", "where", "field"),
    [
        ("text", ABSENT, "line 2", "text"),
        ("text", None, "line 2", "text"),
        ("spo_list", {}, "line 2", "spo_list"),
        ("spo_list", None, "line 2", "spo_list"),
        ("spo_list", [SPO, "x"], "line 2, spo 1", "predicate"),
        ("entity_list", 3, "line 2", "entity_list"),
        ("entity_list", {"a": 1}, "line 2", "entity_list"),
        ("entity_list", ["clavoxil"], "line 2, entity 0", "entity"),
        ("entity_list", [{"entity": "hives"}], "line 2, entity 0", "type"),
        ("entity_list", [{"entity": 3, "type": "x"}], "line 2, entity 0", "entity"),
        ("id", 2**70, "line 2", "id"),
    ],
)
def test_broken_field_of_a_line_is_reported(path, key, value, where, field):
    assert_reported(path, changed(LINE, [key], value), where, field)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("predicate", ABSENT, "predicate"),
        ("predicate", None, "predicate"),
        ("subject", ABSENT, "subject"),
        ("subject", {"@value": "clavoxil"}, "subject"),
        ("subject_type", ABSENT, "subject_type"),
        ("subject_type", 3, "subject_type"),
        ("object", ABSENT, "object"),
        ("object", ["hives"], "object"),
        ("object", {}, "@value"),
        ("object", {"@value": None}, "@value"),
        ("object", {"inWork": "hives"}, "@value"),
        ("object", {"@value": "hives", "inWork": 3}, "inWork"),
        ("object", {"@value": "hives", "inWork": "clavoxil"}, "inWork"),
        ("object_type", ABSENT, "object_type"),
        ("object_type", None, "object_type"),
        ("object_type", {}, "@value"),
        ("object_type", {"@value": 3}, "@value"),
    ],
)
def test_broken_field_of_a_relation_is_reported(path, key, value, field):
    broken = changed(SPO, [key], value)
    assert_reported(path, {**LINE, "spo_list": [broken]}, "line 2, spo 0", field)


def assert_reported(path, broken, where, field):
    records, [left_out] = skipped(path, LINE, broken, LINE)
    assert len(records) == 2
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, {where}: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_spo(path))


@pytest.mark.parametrize("key", ["predicate", "subject_type", "object_type"])
def test_empty_label_raises(path, key):
    with pytest.raises(ValueError, match=r"J109.*line 1"):
        read_spos(path, {"object": "hives", "object_type": "Effect", key: ""})
