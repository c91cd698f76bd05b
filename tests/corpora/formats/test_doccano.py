import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.doccano import read_doccano
from spacy_jre.corpora.rows import OUTSIDE

from ..mutations import ABSENT, changed, put_unexpected_value
from ..story import FOLDER, assert_is_the_story

TEXT = {
    "id": 3,
    "text": "Ada Quint cooks in Oslo.",
    "entities": [
        {"id": 21, "label": "PER", "start_offset": 0, "end_offset": 9},
        {"id": 20, "label": "LOC", "start_offset": 19, "end_offset": 23},
    ],
    "relations": [{"id": 5, "from_id": 21, "to_id": 20, "type": "lives_in"}],
    "Comments": ["sure?"],
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "all.jsonl"


def put(path, *texts):
    lines = [json.dumps(text) for text in texts]
    path.write_text("\n".join(lines) + "\n", encoding="utf8")
    return path


def read(path, *texts):
    return list(read_doccano(put(path, *texts)))


def read_all(path, *texts):
    """Read the texts without an error for broken rows."""
    return list(read_doccano(put(path, *texts), skip=lambda left_out: None))


def test_story_is_read():
    assert_is_the_story(read_doccano(FOLDER / "doccano.jsonl"))


def test_text_is_read(path):
    assert read(path, TEXT) == [
        Record(
            text="Ada Quint cooks in Oslo.",
            entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
            relations=(RelationRecord(0, 1, "lives_in"),),
            meta={"id": 3, "Comments": ["sure?"]},
        )
    ]


def test_source_is_the_line(path):
    assert [r.source for r in read(path, TEXT, TEXT)] == [
        f"{path}, line 1",
        f"{path}, line 2",
    ]


def test_list_of_texts_is_read(path):
    path.write_text(json.dumps([TEXT, TEXT]), encoding="utf8")
    assert len(list(read_doccano(path))) == 2


# the unit of the offsets

EMOJI = "😀 Ada met Élise in Ørsta 😀."
ENTITIES = [("Ada", "PER"), ("Élise", "PER"), ("Ørsta", "LOC")]


def in_unit(convert, text=EMOJI, forms=ENTITIES, moved=0):
    """A text with offsets that `convert` creates from the text before a position."""
    entities = []
    for key, (form, label) in enumerate(forms):
        start = text.index(form) + moved
        ends = {
            "start_offset": convert(text[:start]),
            "end_offset": convert(text[: start + len(form)]),
        }
        entities.append({"id": key, "label": label, **ends})
    return {"id": 1, "text": text, "entities": entities, "relations": []}


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


def utf8(text):
    return len(text.encode("utf8"))


def forms_of(record):
    return [record.text[e.start : e.end] for e in record.entities]


def test_offsets_are_characters(path):
    (record,) = read(path, in_unit(len))
    assert forms_of(record) == ["Ada", "Élise", "Ørsta"]
    assert record.left_out == ()


@pytest.mark.parametrize(
    ("convert", "unit"), [(utf16, "UTF-16 code units"), (utf8, "UTF-8 bytes")]
)
def test_offsets_in_another_unit_are_converted_and_reported(path, convert, unit):
    (record,) = read(path, in_unit(convert))
    assert forms_of(record) == ["Ada", "Élise", "Ørsta"]
    (note,) = record.left_out
    assert (note.kind, note.broken) == ("offsets", False)
    assert note.reason == (
        f"{path}, line 1: the offsets are {unit} and were converted to characters"
    )


def test_single_entity_can_show_the_unit(path):
    (record,) = read(path, in_unit(utf16, "😀 Ada met Bo", [("Ada", "PER")]))
    assert forms_of(record) == ["Ada"]


def test_unit_of_the_file_holds_for_texts_that_do_not_show_it(path):
    unclear = in_unit(utf16, "😀 a Bo", [("Bo", "PER")])
    first, second = read(path, unclear, in_unit(utf16))
    assert forms_of(first) == ["Bo"]
    assert forms_of(second) == ["Ada", "Élise", "Ørsta"]


def test_text_with_the_same_offsets_in_both_units_is_not_reported(path):
    first, second = read(path, TEXT, in_unit(utf16))
    assert first.left_out == ()
    assert len(second.left_out) == 1


@pytest.mark.parametrize("moved", [0, 2])
def test_entities_inside_words_do_not_show_another_unit(path, moved):
    text = "Wärmepumpenheizung und Kältemittelkreislauf für Bürogebäude"
    forms = [("pumpen", "X"), ("mittel", "X"), ("gebäu", "X")]
    (record,) = read(path, in_unit(len, text, forms, moved))
    assert [e.start for e in record.entities] == [
        text.index(form) + moved for form, _ in forms
    ]
    assert record.left_out == ()


def test_chinese_offsets_in_characters_are_kept(path):
    forms = [("欧亚", "X"), ("山路", "X")]
    (record,) = read(path, in_unit(len, "欧亚大山路很长", forms))
    assert forms_of(record) == ["欧亚", "山路"]


def test_outside_offset_of_a_text_that_is_not_ascii_names_the_units(path):
    text = in_unit(len)
    text["entities"].append(
        {"id": 9, "label": "X", "start_offset": 4, "end_offset": 99}
    )
    (record,) = read_all(path, text)
    lost, note = record.left_out
    assert (lost.kind, lost.broken, lost.cause) == ("entity", True, OUTSIDE)
    assert (note.kind, note.broken) == ("offsets", False)
    assert "UTF-16 code units or UTF-8 bytes" in note.reason


def test_outside_offset_in_another_unit_is_left_out(path):
    text = in_unit(utf16)
    text["entities"].append({"id": 9, "label": "X", "start_offset": 1, "end_offset": 4})
    record, *_ = read_all(path, text, *[in_unit(utf16)] * 9)
    assert forms_of(record) == ["Ada", "Élise", "Ørsta"]
    assert "is 1..4, outside the text in UTF-16 code units" in record.left_out[0].reason


# other exports

NO_RELATIONS = [
    {"id": 3, "text": "Oslo", "label": [[0, 4, "LOC"]]},
    {"id": 3, "text": "Oslo", "labels": [[0, 4, "LOC"]]},
    {"data": "Oslo", "label": [[0, 4, "LOC"]]},
    {"id": 3, "text": "Oslo", "label": ["city"]},
    {"id": 3, "text": "Oslo", "label": [], "Comments": []},
    {"id": 3, "data": "Oslo", "label": ["entities", "relations"], "Comments": []},
    {"id": 3, "text": "Oslo", "annotations": [{**TEXT["entities"][0], "user": 1}]},
]


@pytest.mark.parametrize("several", [False, True])
def test_old_export_has_the_annotation_under_label(path, several):
    label = {key: TEXT[key] for key in ("entities", "relations")}
    old = {"id": 7, "data": TEXT["text"], "label": [label] if several else label}
    put(path, old)
    (record,) = guess_format(path).read(path)
    expected = read(path, TEXT)[0]
    assert (record.text, record.entities) == (expected.text, expected.entities)
    assert record.relations == expected.relations
    assert record.meta == {"id": 7}


def test_other_users_of_an_old_export_are_reported(path):
    label = {key: TEXT[key] for key in ("entities", "relations")}
    (record,) = read(path, {"text": TEXT["text"], "label": [label, label, label]})
    assert len(record.entities) == len(TEXT["entities"])
    (left,) = record.left_out
    assert (left.kind, left.broken) == ("annotation", False)
    assert "line 1: 2 additional user(s)" in left.reason


@pytest.mark.parametrize("value", [ABSENT, None])
def test_entity_without_an_id_is_kept(path, value):
    text = changed(TEXT, ["entities", 1, "id"], value)
    (record,) = read(path, {**text, "relations": []})
    assert len(record.entities) == len(TEXT["entities"])
    assert record.left_out == ()


@pytest.mark.parametrize("text", NO_RELATIONS)
def test_export_without_relations_raises_with_the_fix(path, text):
    with pytest.raises(ValueError, match=r"J612.*line 1: .*JSONL\(relation\)"):
        list(guess_format(put(path, text)).read(path))


def test_file_in_utf16_raises_with_the_fix(path):
    path.write_text(json.dumps(TEXT), encoding="utf16")
    for read_file in (guess_format, lambda path: list(read_doccano(path))):
        with pytest.raises(ValueError, match=r"J667.*all\.jsonl.*UTF-16.*UTF-8"):
            read_file(path)


def test_key_label_is_meta_if_there_are_entities(path):
    (record,) = read(path, {**TEXT, "label": "news"})
    assert record.meta["label"] == "news"


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["text"], ABSENT, "line 1", "text"),
        (["text"], 5, "line 1", "text"),
        (["entities"], ABSENT, "line 1", "entities"),
        (["entities", 1], "x", "line 1, entity 1", "start_offset"),
        (["entities", 1, "id"], [], "line 1, entity 1", "id"),
        (["entities", 1, "id"], 21, "line 1, entity 1", "id"),
        (["entities", 1, "label"], ABSENT, "line 1, entity 1", "label"),
        (["entities", 1, "start_offset"], "19a", "line 1, entity 1", "start_offset"),
        (["entities", 1, "end_offset"], True, "line 1, entity 1", "end_offset"),
        (["relations"], {}, "line 1", "relations"),
        (["relations", 0], [], "line 1, relation 0", "from_id"),
        (["entities", 0, "label"], "", "line 1, entity 0", "label"),
        (["entities", 1, "end_offset"], 25, "line 1, entity 1", "start/end"),
        (["relations", 0, "from_id"], 22, "line 1, relation 0", "head"),
        (["relations", 0, "to_id"], [20], "line 1, relation 0", "to_id"),
        (["relations", 0, "type"], None, "line 1, relation 0", "type"),
    ],
)
def test_broken_field_is_reported_with_file_and_line(path, keys, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(path, changed(TEXT, keys, value))
    assert f"{path}, {where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "value", "lost"),
    [
        (["entities", 1, "end_offset"], 25, ["entity", "relation"]),
        (["entities", 0, "label"], "", ["entity", "relation"]),
        (["entities", 1, "id"], 21, ["entity", "relation"]),
        (["relations", 0, "to_id"], 1, ["relation"]),
        (["relations", 0], None, ["relation"]),
    ],
)
def test_broken_row_costs_only_that_row_and_its_relations(path, keys, value, lost):
    broken = changed(TEXT, keys, value)
    good, record, last = read_all(path, TEXT, broken, TEXT)
    assert [left.kind for left in record.left_out] == lost
    assert len(record.entities) == 2 - lost.count("entity")
    assert good.left_out == last.left_out == ()


def test_broken_text_is_skipped_with_its_counts(path):
    skipped = []
    texts = put(path, TEXT, changed(TEXT, ["text"], None), TEXT)
    assert len(list(read_doccano(texts, skip=skipped.append))) == 2
    (left,) = skipped
    assert (left.broken, left.entities, left.relations) == (True, 2, 1)


def test_whitespace_at_the_edges_is_removed_and_counted(path):
    record = read(path, changed(TEXT, ["entities", 0, "end_offset"], 10))[0]
    assert record.entities[0] == EntityRecord(0, 9, "PER")
    assert record.trimmed == 1


# any file

ODD = [None, True, -1, 3, 21, 1.5, 10**30, "", "x", "\ud800", [], {}, [[]], {"id": 3}]


def assert_every_record_is_read_or_reported(path, count):
    skipped = []
    records = list(read_doccano(path, skip=skipped.append))
    assert len(records) + len(skipped) == count
    for left in [*skipped, *(left for record in records for left in record.left_out)]:
        assert left.broken or left.cause
        assert left.reason.startswith("[J") or not left.broken
        assert f"{path}, line " in left.reason


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_gives_a_record_or_a_coded_error(tmp_path_factory, seed):
    rng = random.Random(seed)
    texts = copy.deepcopy([TEXT, TEXT])
    put_unexpected_value(rng, texts, ODD)
    path = put(tmp_path_factory.mktemp("doccano") / "all.jsonl", *texts)
    assert_every_record_is_read_or_reported(path, 2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    rng = random.Random(seed)
    data = bytearray((FOLDER / "doccano.jsonl").read_bytes())
    # if the first byte were [, the file would be a list
    for _ in range(5):
        data[rng.randrange(1, len(data))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("doccano") / "all.jsonl"
    path.write_bytes(data)
    count = len([line for line in data.split(b"\n") if line.strip()])
    assert_every_record_is_read_or_reported(path, count)


# faulty rows


def add_faults(rng, text):
    """Apply faults to a text in place."""
    entities, relations, length = text["entities"], text["relations"], len(text["text"])
    fault = rng.randrange(8)
    row = rng.choice(entities)
    if fault == 0 and row["start_offset"] and row["end_offset"]:
        row["start_offset"] -= 1
        row["end_offset"] += 1
    elif fault == 1:
        row["end_offset"] = length + rng.randint(1, 9)
    elif fault == 2:
        row[rng.choice(list(row))] = None
    elif fault == 3:
        entities.append(copy.deepcopy(row))
    elif fault == 4:
        entities.append({**row, "id": 90 + len(entities), "label": "OTHER"})
    elif fault == 5:
        relations.append({"id": 9, "from_id": row["id"], "to_id": 99, "type": "x"})
    elif fault == 6:
        relations.insert(0, None)
    else:
        relations.append({**(relations[-1] or {}), "from_id": None})


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.integers(1, 6))
def test_read_and_lost_rows_are_those_of_the_file(tmp_path_factory, seed, count):
    rng = random.Random(seed)
    texts = [copy.deepcopy(TEXT), in_unit(len), copy.deepcopy(TEXT)]
    texts[1]["relations"] = [{"id": 1, "from_id": 0, "to_id": 2, "type": "in"}]
    for _ in range(count):
        add_faults(rng, rng.choice(texts))
    texts.insert(1, changed(TEXT, ["text"], 5))
    records, skipped = [], []
    path = put(tmp_path_factory.mktemp("doccano") / "all.jsonl", *texts)
    for record in read_doccano(path, skip=skipped.append):
        records.append(record)
    assert len(records) + len(skipped) == 4
    for kind, field in (("entity", "entities"), ("relation", "relations")):
        kept = sum(len(getattr(record, field)) for record in records)
        lost = [x for record in records for x in record.left_out if x.kind == kind]
        whole = sum(getattr(left, field) for left in skipped)
        assert kept + len(lost) + whole == sum(len(text[field]) for text in texts)
        assert all(left.cause for left in lost)
    for record in records:
        assert all(form == form.strip() != "" for form in forms_of(record))
