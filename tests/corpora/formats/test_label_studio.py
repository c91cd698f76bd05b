import copy
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.label_studio import read_label_studio

from ..mutations import put_unexpected_value
from ..story import FOLDER, assert_is_the_story

TEXT = "Ada Quint cooks in Oslo."


def region(key, start, end, *labels, text=None):
    value = {"start": start, "end": end, "labels": list(labels)}
    if text is not None:
        value["text"] = text
    names = {"from_name": "label", "to_name": "text"}
    return {"id": key, "type": "labels", "value": value, **names}


def relation(head, tail, *labels, **others):
    result = {"type": "relation", "from_id": head, "to_id": tail, "direction": "right"}
    return {**result, "labels": list(labels), **others}


ADA = region("a", 0, 9, "PER", text="Ada Quint")
OSLO = region("b", 19, 23, "LOC", text="Oslo")
LIVES = relation("a", "b", "lives_in")


def annotation(*results, **others):
    return {"id": 1, "result": list(results), "was_cancelled": False, **others}


def task(*results, text=TEXT, **others):
    annotations = [annotation(*results)]
    return {"id": 5, "data": {"text": text}, "annotations": annotations, **others}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "export.json"


def put(path, *tasks):
    path.write_text(json.dumps(tasks), encoding="utf8")
    return path


def read(path, *tasks):
    return list(read_label_studio(put(path, *tasks)))


def read_one(path, *tasks):
    (record,) = read(path, *tasks)
    return record


def pairs(record):
    return [(r.head, r.tail, r.label) for r in record.relations]


def kinds(record):
    return [(left.kind, left.broken) for left in record.left_out]


def test_story_is_read():
    assert_is_the_story(read_label_studio(FOLDER / "label_studio.json"))


def test_task_is_read(path):
    assert read(path, task(ADA, OSLO, LIVES)) == [
        Record(
            text=TEXT,
            entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
            relations=(RelationRecord(0, 1, "lives_in"),),
            meta={"id": 5},
        )
    ]


def test_source_is_line_and_task(path):
    (_, second) = read(path, task(), task())
    assert second.source == f"{path}, line 1, record 1"


def test_completions_of_older_versions_are_read(path):
    old = {"id": 5, "data": {"text": TEXT}, "completions": [annotation(ADA)]}
    assert read_one(path, old).entities == (EntityRecord(0, 9, "PER"),)


def test_relation_can_precede_its_regions(path):
    assert pairs(read_one(path, task(LIVES, ADA, OSLO))) == [(0, 1, "lives_in")]


def test_other_data_and_keys_become_meta(path):
    result = task(ADA, predictions=[{"result": []}], project=2)
    result["data"]["url"] = "http://a"
    assert read_one(path, result).meta == {
        "id": 5,
        "project": 2,
        "data": {"url": "http://a"},
    }


# the text


def test_text_is_the_only_string_in_data(path):
    result = task(ADA)
    result["data"] = {"review": TEXT, "stars": 3}
    record = read_one(path, result)
    assert (record.text, record.meta["data"]) == (TEXT, {"stars": 3})


@pytest.mark.parametrize("data", [{}, {"a": "x", "b": "y"}, {"text": 3}])
def test_data_with_ambiguous_text_raises_with_its_keys(path, data):
    with pytest.raises(ValueError, match="J605") as error:
        read(path, {**task(ADA), "data": data})
    assert f"{path}, line 1, record 0: field 'data'" in str(error.value)
    assert str(list(data)) in str(error.value)


@pytest.mark.parametrize(
    "result",
    [
        {"id": 5, "text": TEXT, "label": [{"start": 0, "end": 9, "labels": ["PER"]}]},
        {"id": 5, "text": TEXT, "annotator": 1, "annotation_id": 7},
    ],
)
def test_json_min_raises_with_the_fix(path, result):
    with pytest.raises(ValueError, match=r"J612.*JSON-MIN.*Export the project as JSON"):
        read(path, result)


# several annotations


def several(*annotations):
    return {"data": {"text": TEXT}, "annotations": list(annotations)}


def test_first_annotation_is_read_and_others_are_counted(path):
    record = read_one(path, several(annotation(ADA), annotation(OSLO), annotation()))
    assert record.entities == (EntityRecord(0, 9, "PER"),)
    (left,) = record.left_out
    assert (left.kind, left.broken) == ("annotation", False)
    assert (
        left.reason
        == f"{path}, line 1, record 0: 2 additional annotation(s) of the task"
    )


def test_ground_truth_takes_precedence_over_the_first_annotation(path):
    truth = annotation(OSLO, ground_truth=True)
    record = read_one(path, several(annotation(ADA), truth))
    assert record.entities == (EntityRecord(19, 23, "LOC"),)


def test_cancelled_annotation_is_not_read(path):
    cancelled = annotation(ADA, ground_truth=True) | {"was_cancelled": True}
    record = read_one(path, several(cancelled, annotation(OSLO)))
    assert record.entities == (EntityRecord(19, 23, "LOC"),)
    assert record.left_out == ()


@pytest.mark.parametrize("annotations", [[], [annotation(ADA) | {"was_cancelled": 1}]])
def test_unannotated_task_is_skipped(path, annotations):
    skipped = []
    tasks = put(path, task(ADA), several(*annotations))
    assert len(list(read_label_studio(tasks, skip=skipped.append))) == 1
    (left,) = skipped
    assert (left.kind, left.broken) == ("record", False)
    assert f"{path}, line 1, record 1" in left.reason


# regions


def test_region_with_several_labels_becomes_several_entities(path):
    record = read_one(path, task(region("a", 0, 9, "PER", "COOK"), OSLO, LIVES))
    assert record.entities == (
        EntityRecord(0, 9, "PER"),
        EntityRecord(0, 9, "COOK"),
        EntityRecord(19, 23, "LOC"),
    )
    assert pairs(record) == [(0, 2, "lives_in")]


@pytest.mark.parametrize("kind", ["hypertextlabels", "choices", "textarea"])
def test_region_of_another_type_is_left_out(path, kind):
    record = read_one(path, task({**ADA, "type": kind}, OSLO))
    assert kinds(record) == [("region", False)]
    assert repr(kind) in record.left_out[0].reason


def test_relation_to_a_left_out_region_is_left_out(path):
    record = read_one(path, task({**ADA, "type": "hypertextlabels"}, OSLO, LIVES))
    assert record.relations == ()
    assert kinds(record) == [("region", False), ("relation", False)]


def test_choice_for_a_region_does_not_replace_the_region(path):
    choice = {"id": "a", "type": "choices", "value": {"choices": ["sure"]}}
    for results in [(ADA, choice), (choice, ADA)]:
        record = read_one(path, task(*results, OSLO, LIVES))
        assert pairs(record) == [(0, 1, "lives_in")]


@pytest.mark.parametrize("labels", [[], None])
def test_region_without_label_is_left_out(path, labels):
    unlabeled = copy.deepcopy(ADA)
    unlabeled["value"]["labels"] = labels
    assert kinds(read_one(path, task(unlabeled))) == [("entity", False)]


# offsets


def test_covered_text_shows_utf16_offsets(path):
    result = task(region("a", 3, 6, "PER", text="Ada"), text="😀 Ada")
    assert read_one(path, result).entities == (EntityRecord(2, 5, "PER"),)


def test_covered_text_shows_character_offsets(path):
    result = task(region("a", 2, 5, "PER", text="Ada"), text="😀 Ada")
    assert read_one(path, result).entities == (EntityRecord(2, 5, "PER"),)


@pytest.mark.parametrize(
    ("ada", "expected"), [((6, 9), [(6, 9), (3, 5)]), ((7, 10), [(6, 9), (2, 4)])]
)
def test_all_regions_of_a_task_have_the_same_unit(path, ada, expected):
    # the second region alone covers "aa" in both units
    results = [region("a", *ada, "X", text="Ada"), region("b", 3, 5, "X", text="aa")]
    record = read_one(path, task(*results, text="😀aaaa Ada"))
    assert [(e.start, e.end) for e in record.entities] == expected


def test_region_without_text_has_the_unit_of_the_others(path):
    results = [region("a", 3, 6, "PER", text="Ada"), region("b", 0, 2, "SIGN")]
    record = read_one(path, task(*results, text="😀 Ada"))
    assert record.entities == (EntityRecord(2, 5, "PER"), EntityRecord(0, 1, "SIGN"))


def test_offsets_without_any_text_are_characters(path):
    result = task(region("a", 2, 5, "PER"), text="😀 Ada.")
    assert read_one(path, result).entities == (EntityRecord(2, 5, "PER"),)


def test_offset_past_the_end_shows_utf16_offsets(path):
    result = task(region("a", 3, 6, "PER"), text="😀 Ada")
    assert read_one(path, result).entities == (EntityRecord(2, 5, "PER"),)


def test_region_that_covers_another_text_is_left_out_as_broken(path):
    record = read_one(path, task(region("a", 0, 8, "PER", text="Ada Quint"), OSLO))
    assert record.entities == (EntityRecord(19, 23, "LOC"),)
    assert kinds(record) == [("entity", True)]
    assert "'Ada Quin'" in record.left_out[0].reason
    assert "'Ada Quint'" in record.left_out[0].reason


@pytest.mark.parametrize("exported", ["Ada Quint", "Ada\\nQuint", "Ada\nQuint "])
def test_whitespace_of_the_covered_text_is_ignored(path, exported):
    result = task(region("a", 0, 9, "PER", text=exported), text="Ada\nQuint cooks")
    assert len(read_one(path, result).entities) == 1


# relations


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ("right", [(0, 1, "at")]),
        ("left", [(1, 0, "at")]),
        ("bi", [(0, 1, "at"), (1, 0, "at")]),
        (None, [(0, 1, "at")]),
    ],
)
def test_direction_determines_head_and_tail(path, direction, expected):
    at = relation("a", "b", "at", direction=direction)
    assert pairs(read_one(path, task(ADA, OSLO, at))) == expected


def test_relation_without_direction_goes_right(path):
    at = relation("a", "b", "at")
    del at["direction"]
    assert pairs(read_one(path, task(ADA, OSLO, at))) == [(0, 1, "at")]


def test_relation_with_several_labels_becomes_several_relations(path):
    record = read_one(path, task(ADA, OSLO, relation("a", "b", "at", "in")))
    assert pairs(record) == [(0, 1, "at"), (0, 1, "in")]


@pytest.mark.parametrize("labels", [[], None])
def test_relation_without_label_is_left_out(path, labels):
    record = read_one(path, task(ADA, OSLO, {**LIVES, "labels": labels}))
    assert record.relations == ()
    assert kinds(record) == [("relation", False)]


def test_relation_without_labels_field_is_left_out(path):
    at = relation("a", "b")
    del at["labels"]
    assert kinds(read_one(path, task(ADA, OSLO, at))) == [("relation", False)]


@pytest.mark.parametrize(
    ("result", "where", "field"),
    [
        ({"data": {"text": TEXT}}, "", "completions"),
        ({**task(), "data": "x"}, "", "data"),
        ([], "", "data"),
        (several(3), ", annotation 0", "result"),
        (several({"result": None}), ", annotation 0", "result"),
        (task(3), ", annotation 0, result 0", "result"),
        (task({"id": "a"}), ", annotation 0, result 0", "type"),
        (task({"type": "labels"}), ", annotation 0, result 0", "id"),
        (task({**ADA, "value": []}), ", annotation 0, result 0", "value"),
        (task(region("a", "0", 9, "X")), ", annotation 0, result 0", "start"),
        (task(region("a", 0, None, "X")), ", annotation 0, result 0", "end"),
        (task(region("a", 0, 9, 5)), ", annotation 0, result 0", "labels"),
        (task(ADA, LIVES), ", annotation 0, result 1", "to_id"),
        (task(ADA, relation([], "a", "at")), ", annotation 0, result 1", "from_id"),
        (
            task(ADA, relation("a", "a", "at", direction="up")),
            ", annotation 0, result 1",
            "direction",
        ),
    ],
)
def test_broken_field_is_reported_with_file_and_location(path, result, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(path, result)
    assert f"{path}, line 1, record 0{where}: field '{field}'" in str(error.value)


def test_offsets_outside_the_text_raise(path):
    with pytest.raises(ValueError, match=r"J107.*line 1, record 0: entity 0"):
        read(path, task(region("a", 0, 25, "X")))


def test_broken_task_is_skipped(path):
    skipped = []
    tasks = put(path, task(ADA), task(ADA, LIVES), task(OSLO))
    assert len(list(read_label_studio(tasks, skip=skipped.append))) == 2
    assert [left.broken for left in skipped] == [True]


# any file

ODD = [None, True, -1, 3, 1.5, 10**30, "", "a", "bi", "relation", "\ud800", [], {}]
ODD += [[[]], [3], {"start": 3}, {"labels": [3]}, {"text": "😀"}]


def assert_every_task_is_read_or_reported(path, count):
    skipped = []
    records = list(read_label_studio(path, skip=skipped.append))
    assert len(records) + len(skipped) == count
    for left in skipped:
        assert left.reason.startswith("[J") or not left.broken
        assert f"{path}, line " in left.reason


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_gives_a_record_or_a_coded_error(tmp_path_factory, seed):
    rng = random.Random(seed)
    tasks = copy.deepcopy([task(ADA, OSLO, LIVES), several(annotation(ADA))])
    put_unexpected_value(rng, tasks, ODD)
    path = put(tmp_path_factory.mktemp("label_studio") / "export.json", *tasks)
    assert_every_task_is_read_or_reported(path, 2)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    rng = random.Random(seed)
    tasks = json.loads((FOLDER / "label_studio.json").read_text("utf8"))
    data = bytearray("\n".join(json.dumps(result) for result in tasks).encode())
    # if the first byte were [, the file would be a list
    for _ in range(5):
        data[rng.randrange(1, len(data))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("label_studio") / "export.json"
    path.write_bytes(data)
    count = len([line for line in data.split(b"\n") if line.strip()])
    assert_every_task_is_read_or_reported(path, count)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_list_gives_records_or_a_coded_error(tmp_path_factory, seed):
    rng = random.Random(seed)
    data = bytearray((FOLDER / "label_studio.json").read_bytes())
    data[rng.randrange(len(data))] = rng.randrange(256)
    path = tmp_path_factory.mktemp("label_studio") / "export.json"
    path.write_bytes(data)
    error = None
    try:
        assert_every_task_is_read_or_reported(path, 4)
    except ValueError as raised:
        error = str(raised)
    assert error is None or error.startswith("[J6")
    assert error is None or str(path) in error
