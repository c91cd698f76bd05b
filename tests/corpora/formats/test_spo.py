import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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
    left_out, entity = record.left_out
    assert left_out.kind == "relation"
    assert left_out.reason.startswith(f"{path}, line 1: causes: 'mirtolol' ")
    assert entity.kind == "entity"
    assert entity.reason.startswith(f"{path}, line 1: Drug 'mirtolol' ")


def test_other_fields_of_a_line_become_meta(path):
    record = read_one(path, entity_list=[], id=7, postag=[["x", "n"]])
    assert record.meta == {"id": 7, "postag": [["x", "n"]]}


@pytest.mark.parametrize(
    "spo",
    [
        ["clavoxil", "causes", "hives"],
        {"subject": "clavoxil", "predicate": "causes", "object": "hives"},
    ],
)
def test_triple_without_types_has_untyped_entities(path, spo):
    (record,), left_out = skipped(path, {**LINE, "spo_list": [spo]})
    assert left_out == []
    assert [entity.label for entity in record.entities] == ["Entity", "Entity"]
    assert [relation.label for relation in record.relations] == ["causes"]
    (note,) = record.left_out
    assert (note.kind, note.broken) == ("type", False)
    assert note.reason.startswith(f"{path}, line 1: 2 argument(s) of this text have no")


def test_triple_without_types_beside_others_is_broken(path):
    (record,), _ = skipped(path, {**LINE, "spo_list": [SPO, ["Ada", "left", "Lima"]]})
    assert len(record.relations) == 1
    assert record.left_out[0].broken


@pytest.mark.parametrize(
    ("key", "value", "where", "field"),
    [
        ("text", ABSENT, "line 2", "text"),
        ("text", None, "line 2", "text"),
        ("spo_list", {}, "line 2", "spo_list"),
        ("spo_list", 3, "line 2", "spo_list"),
        ("entity_list", 3, "line 2", "entity_list"),
        ("entity_list", {"a": 1}, "line 2", "entity_list"),
        ("id", 2**70, "line 2", "id"),
    ],
)
def test_broken_field_of_a_line_is_reported(path, key, value, where, field):
    assert_reported(path, changed(LINE, [key], value), where, field)


def assert_reported(path, broken, where, field):
    records, [left_out] = skipped(path, LINE, broken, LINE)
    assert len(records) == 2
    assert left_out.broken
    assert left_out.reason.startswith(f"[J605] {path}, {where}: field '{field}' ")
    with pytest.raises(ValueError, match="J605"):
        list(read_spo(path))


def test_annotations_of_a_broken_line_are_counted(path):
    spo = {**SPO, "object": {"@value": "hives", "by": "Ada", "at": ""}}
    _, [left_out] = skipped(path, changed({**LINE, "spo_list": [spo]}, ["text"], 3))
    assert (left_out.entities, left_out.relations) == (2, 2)


@pytest.mark.parametrize(
    ("key", "value", "field"),
    [
        ("predicate", ABSENT, "predicate"),
        ("predicate", None, "predicate"),
        ("predicate", "", "predicate"),
        ("subject", ABSENT, "subject"),
        ("subject", {"@value": "clavoxil"}, "subject"),
        ("subject_type", ABSENT, "subject_type"),
        ("subject_type", 3, "subject_type"),
        ("subject_type", "", "subject_type"),
        ("object", ABSENT, "object"),
        ("object", ["hives"], "object"),
        ("object", {}, "@value"),
        ("object", {"@value": None}, "@value"),
        ("object", {"inWork": "hives"}, "@value"),
        ("object_type", ABSENT, "object_type"),
        ("object_type", None, "object_type"),
        ("object_type", {}, "@value"),
        ("object_type", {"@value": 3}, "@value"),
        ("object_type", "", "@value"),
    ],
)
def test_broken_relation_costs_only_its_row(path, key, value, field):
    good = {**SPO, "subject": "brought", "object": {"@value": "hives"}}
    line = {**LINE, "spo_list": [changed(SPO, [key], value), good, "x"]}
    (record,), left_out = skipped(path, line)
    assert left_out == []
    assert [triple[0][0] for triple in triples(record)] == ["brought"]
    broken = [entry.reason for entry in record.left_out if entry.broken]
    assert [reason.split(" ")[0] for reason in broken] == ["[J605]", "[J605]"]
    assert f"{path}, line 1, spo 0: field '{field}' " in broken[0]
    assert f"{path}, line 1, spo 2: field 'predicate' " in broken[1]
    with pytest.raises(ValueError, match="J605"):
        list(read_spo(path))


@pytest.mark.parametrize(("value", "kind"), [(3, "Work"), ("brought", None)])
def test_broken_key_of_an_object_costs_only_that_key(path, value, kind):
    spo = {
        **SPO,
        "object": {"@value": "hives", "inWork": value},
        "object_type": {"@value": "Effect", "inWork": kind},
    }
    (record,), _ = skipped(path, {**LINE, "spo_list": [spo]})
    assert len(record.relations) == 1
    assert [entry.kind for entry in record.left_out] == ["relation"]


@pytest.mark.parametrize(
    ("entity", "field"),
    [
        ("clavoxil", "entity"),
        ({"entity": "hives"}, "type"),
        ({"entity": "hives", "type": ""}, "type"),
        ({"entity": 3, "type": "x"}, "entity"),
        (None, "entity"),
    ],
)
def test_broken_entity_costs_only_its_row(path, entity, field):
    good = {"entity": "brought", "type": "Verb"}
    (record,), _ = skipped(path, {**LINE, "entity_list": [entity, good]})
    assert len(record.entities) == 3
    (left_out,) = record.left_out
    assert (left_out.kind, left_out.broken) == ("entity", True)
    assert f"line 1, entity 0: field '{field}' " in left_out.reason


# faulty files

FORMS = ["clavoxil", "Hives", "brought", "fever", "", None, 3]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["causes", "brings", "", None]),
            st.sampled_from(FORMS),
            st.sampled_from(FORMS),
            st.sampled_from([SPO["object_type"], "Effect", None]),
        )
        | st.none(),
        max_size=5,
    )
)
def test_every_relation_of_a_faulty_file_is_read_or_reported(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("spo") / "story.jsonl"
    spos = [
        row
        if row is None
        else {
            "predicate": row[0],
            "subject": row[1],
            "subject_type": "Drug",
            "object": {"@value": row[2]},
            "object_type": row[3],
        }
        for row in rows
    ]
    (record,), left_out = skipped(path, {**LINE, "spo_list": spos})
    assert left_out == []
    kinds = [entry.kind for entry in record.left_out]
    assert len(record.relations) + kinds.count("relation") == len(rows)
    # forms in the text in any case, and forms that are lost
    forms = {("Drug", row[1]) for row in rows if row and row[1] in FORMS[:4]} | {
        ("Effect", row[2]) for row in rows if row and row[3] and row[2] in FORMS[:4]
    }
    assert len(record.entities) + kinds.count("entity") == len(forms)
