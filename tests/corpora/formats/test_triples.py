import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.triples import read_triples

from ...conftest import write_json
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

TEXT = {"text": "Ada left Lima", "triple_list": [["Ada", "leave", "Lima"]]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.json"


def read_one(path, *triples, text=TEXT["text"], **kwargs):
    story = [{"text": text, "triple_list": triples}]
    (record,) = read_triples(write_json(path, story), **kwargs)
    return record


def test_story_is_read_without_entity_labels():
    assert_is_the_story(read_triples(FOLDER / "triples.json"), labels=False)


def test_text_is_read(path):
    assert read_one(path, *TEXT["triple_list"]) == Record(
        text="Ada left Lima",
        entities=(EntityRecord(0, 3, "Entity"), EntityRecord(9, 13, "Entity")),
        relations=(RelationRecord(0, 1, "leave"),),
    )


def test_source_is_line_and_number(path):
    _, second = read_triples(write_json(path, [TEXT, TEXT]))
    assert second.source == f"{path}, line 1, record 1"


def test_entity_label_can_be_set(path):
    record = read_one(path, *TEXT["triple_list"], label="Thing")
    assert [e.label for e in record.entities] == ["Thing", "Thing"]


def test_form_related_to_itself_has_one_mention(path):
    record = read_one(path, ["Ada", "same", "Ada"], text="Ada met Ada")
    assert record.entities == (EntityRecord(0, 3, "Entity"),)
    assert record.relations == (RelationRecord(0, 0, "same"),)


def test_pair_can_have_several_relations(path):
    rows = ["Ada", "leave", "Lima"], ["Ada", "love", "Lima"], ["Lima", "love", "Ada"]
    record = read_one(path, *rows)
    assert len(record.entities) == 2
    assert record.relations == (
        RelationRecord(0, 1, "leave"),
        RelationRecord(0, 1, "love"),
        RelationRecord(1, 0, "love"),
    )


def test_text_without_triples_is_a_record(path):
    record = read_one(path)
    assert (record.text, record.entities, record.left_out) == ("Ada left Lima", (), ())


@pytest.mark.parametrize(
    ("repeats", "pairs"),
    [("nearest", [(8, 17)]), ("first", [(0, 17)]), ("all", [(0, 17), (8, 17)])],
)
def test_setting_repeats_selects_mentions(path, repeats, pairs):
    text = "Ada and Ada left Lima"
    record = read_one(path, ["Ada", "leave", "Lima"], text=text, repeats=repeats)
    assert [
        (record.entities[r.head].start, record.entities[r.tail].start)
        for r in record.relations
    ] == pairs


def test_unknown_rule_raises_before_reading(path):
    with pytest.raises(ValueError, match=r"J202.*'last'"):
        read_triples(path, repeats="last")


def test_missing_form_is_reported(path):
    record = read_one(path, ["Mia", "leave", "Lima"], ["Ada", "leave", "Lima"])
    assert len(record.relations) == 1
    left_out, entity = record.left_out
    assert (entity.kind, entity.cause) == ("entity", "a form is not in the text")
    assert left_out.kind == "relation"
    assert left_out.reason.startswith(f"{path}, line 1, record 0: leave: 'Mia' ")


def test_other_fields_of_a_text_become_meta(path):
    (record,) = read_triples(write_json(path, [{**TEXT, "id": "train_1"}]))
    assert record.meta == {"id": "train_1"}


@pytest.mark.parametrize(
    ("key", "value", "where", "field"),
    [
        ("text", ABSENT, "record 1", "text"),
        ("text", 3, "record 1", "text"),
        ("triple_list", ABSENT, "record 1", "triple_list"),
        ("triple_list", {}, "record 1", "triple_list"),
        ("id", 2**70, "record 1", "id"),
    ],
)
def test_broken_field_is_reported_with_file_and_record(path, key, value, where, field):
    broken = changed(TEXT, [key], value)
    left_out = []
    write_json(path, [TEXT, broken, TEXT])
    assert len(list(read_triples(path, skip=left_out.append))) == 2
    (entry,) = left_out
    assert entry.broken
    expected = f"[J605] {path}, line 1, {where}: field '{field}' "
    assert entry.reason.startswith(expected)
    with pytest.raises(ValueError, match="J605"):
        list(read_triples(path))


@pytest.mark.parametrize(
    ("triple", "field", "lost"),
    [
        ("x", "triple_list", []),
        (None, "triple_list", []),
        (["Ada", "leave"], "triple_list", []),
        (["Ada", "r", "Mia", "c"], "triple_list", []),
        (["Ada", None, "Mia"], "triple_list", ["Entity 'Mia' is in no other triple"]),
        (["Ada", "", "Bo"], "relation", ["Entity 'Bo' is not in the text"]),
        ([1, "r", "Ada"], "triple_list", []),
    ],
)
def test_broken_triple_costs_only_its_row(path, triple, field, lost):
    text = "Ada and Mia left Lima"
    story = [{"text": text, "triple_list": [triple, ["Ada", "leave", "Lima"]]}]
    skipped = []
    (record,) = read_triples(write_json(path, story), skip=skipped.append)
    assert skipped == []
    assert [r.label for r in record.relations] == ["leave"]
    assert len(record.entities) == 2
    left_out, *entities = record.left_out
    assert (left_out.kind, left_out.broken) == ("relation", True)
    here = f"{path}, line 1, record 0"
    assert left_out.reason.startswith(f"[J605] {here}, triple 0: field '{field}' ")
    assert [entry.reason for entry in entities] == [f"{here}: {x}" for x in lost]
    with pytest.raises(ValueError, match="J605"):
        list(read_triples(path))


def test_annotations_of_a_broken_text_are_counted(path):
    triples = [["Ada", "leave", "Lima"], ["Ada", "love", "Lima"], None]
    skipped = []
    story = [{"text": None, "triple_list": triples}]
    assert not [*read_triples(write_json(path, story), skip=skipped.append)]
    assert [(x.entities, x.relations) for x in skipped] == [(2, 3)]


def test_repeated_triple_is_a_repeated_relation(path):
    record = read_one(path, ["Ada", "leave", "Lima"], ["Ada", "leave", "Lima"])
    assert record.relations == (RelationRecord(0, 1, "leave"),) * 2


def test_whitespace_around_forms_is_not_part_of_the_entities(path):
    record = read_one(path, ["Ada ", "leave", " Lima"], text="Ada left  Lima")
    assert [(e.start, e.end) for e in record.entities] == [(0, 3), (10, 14)]


def test_empty_entity_label_raises(path):
    with pytest.raises(ValueError, match=r"J109.*line 1"):
        read_one(path, ["Ada", "leave", "Lima"], label="")


# faulty files

FORMS = ["Ada", "lima", "Málaga", "Mia"]
CELLS = st.sampled_from([*FORMS, "", None, 3])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(CELLS, st.sampled_from(["leave", "love", "", None]), CELLS)
        | st.none()
        | st.just([]),
        max_size=5,
    )
)
def test_every_triple_of_a_faulty_file_is_read_or_reported(tmp_path_factory, triples):
    path = tmp_path_factory.mktemp("triples") / "story.json"
    record = read_one(
        path, *triples, text="Ada left Lima and Malaga", skip=lambda left_out: None
    )
    kinds = [entry.kind for entry in record.left_out]
    assert len(record.relations) + kinds.count("relation") == len(triples)
    forms = {form for row in triples if row for form in row[::2] if form in FORMS}
    assert len(record.entities) + kinds.count("entity") == len(forms)
