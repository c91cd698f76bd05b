import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.doccano import read_doccano

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


def test_offsets_are_characters_not_utf16_units(path):
    entity = {"id": 1, "label": "PER", "start_offset": 2, "end_offset": 5}
    (record,) = read(path, {"text": "😀 Ada", "entities": [entity], "relations": []})
    assert record.text[2:5] == "Ada"
    assert record.entities == (EntityRecord(2, 5, "PER"),)


@pytest.mark.parametrize("field", ["label", "labels"])
def test_sequence_labeling_export_raises_with_the_fix(path, field):
    with pytest.raises(ValueError, match=r"J612.*line 1: .*JSONL\(relation\)"):
        read(path, {"id": 3, "text": "Oslo", field: [[0, 4, "LOC"]]})


def test_sequence_labeling_export_under_data_raises(path):
    with pytest.raises(ValueError, match="J612"):
        read(path, {"data": "Oslo", "label": [[0, 4, "LOC"]]})


def test_key_label_is_meta_if_there_are_entities(path):
    (record,) = read(path, {**TEXT, "label": "news"})
    assert record.meta["label"] == "news"


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["text"], ABSENT, "line 1", "text"),
        (["text"], 5, "line 1", "text"),
        (["entities"], ABSENT, "line 1", "entities"),
        (["entities", 1], "x", "line 1, entity 1", "id"),
        (["entities", 1, "id"], None, "line 1, entity 1", "id"),
        (["entities", 1, "id"], 21, "line 1, entity 1", "id"),
        (["entities", 1, "label"], ABSENT, "line 1, entity 1", "label"),
        (["entities", 1, "start_offset"], "19", "line 1, entity 1", "start_offset"),
        (["entities", 1, "end_offset"], True, "line 1, entity 1", "end_offset"),
        (["relations"], ABSENT, "line 1", "relations"),
        (["relations", 0], [], "line 1, relation 0", "from_id"),
        (["relations", 0, "from_id"], 22, "line 1, relation 0", "from_id"),
        (["relations", 0, "to_id"], [20], "line 1, relation 0", "to_id"),
        (["relations", 0, "type"], None, "line 1, relation 0", "type"),
    ],
)
def test_broken_field_is_reported_with_file_and_line(path, keys, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(path, changed(TEXT, keys, value))
    assert f"{path}, {where}: field '{field}'" in str(error.value)


def test_offsets_outside_the_text_raise(path):
    with pytest.raises(ValueError, match=r"J107.*line 1: entity 1"):
        read(path, changed(TEXT, ["entities", 1, "end_offset"], 25))


def test_empty_label_raises(path):
    with pytest.raises(ValueError, match=r"J109.*line 1: entity 0"):
        read(path, changed(TEXT, ["entities", 0, "label"], ""))


def test_broken_text_is_skipped(path):
    skipped = []
    texts = put(path, TEXT, changed(TEXT, ["relations", 0, "to_id"], 1), TEXT)
    assert len(list(read_doccano(texts, skip=skipped.append))) == 2
    assert [left.broken for left in skipped] == [True]


# any file

ODD = [None, True, -1, 3, 21, 1.5, 10**30, "", "x", "\ud800", [], {}, [[]], {"id": 3}]


def assert_every_record_is_read_or_reported(path, count):
    skipped = []
    records = list(read_doccano(path, skip=skipped.append))
    assert len(records) + len(skipped) == count
    for left in skipped:
        assert left.broken
        assert left.reason.startswith("[J")
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
