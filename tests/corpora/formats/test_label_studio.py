import copy
import json
import random
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.label_studio import (
    labeling_setup,
    read_label_studio,
    write_label_studio,
)

from ..mutations import ABSENT, changed, put_unexpected_value
from ..story import FOLDER, STORY, assert_is_the_story

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


def read_all(path, *tasks):
    """Read the tasks without an error for broken rows."""
    return list(read_label_studio(put(path, *tasks), skip=lambda left_out: None))


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


def with_data(*results, **data):
    return {**task(*results), "data": data}


def test_text_is_the_field_that_the_regions_cover(path):
    other = "Ada Pohl cooks in Oslo."
    record = read_one(path, with_data(ADA, OSLO, text=other, body=TEXT, key="A-17"))
    assert record.text == TEXT
    assert record.meta["data"] == {"text": other, "key": "A-17"}


def test_regions_that_several_fields_fit_are_in_the_field_text(path):
    record = read_one(path, with_data(ADA, copy=f"{TEXT} Yes.", text=TEXT))
    assert record.text == TEXT


def test_regions_that_several_fields_fit_are_in_the_field_with_the_name(path):
    result = {**ADA, "to_name": "body"}
    record = read_one(path, with_data(result, copy=f"{TEXT} Yes.", body=TEXT))
    assert record.text == TEXT


@pytest.mark.parametrize(
    "names",
    [{"source": "$body"}, {"to_name": "body"}, {"to_name": "body", "source": 3}],
)
def test_text_is_the_field_that_a_region_without_text_names(path, names):
    bare = {**region("a", 0, 9, "PER"), **names}
    record = read_one(path, with_data(bare, key="A-17, B-2, C-3", body=TEXT))
    assert record.text == TEXT


def test_text_of_a_task_without_regions_is_the_field_of_the_others(path):
    empty = with_data(body="Nobody.", key="A-16")
    first, _ = read(path, empty, with_data(ADA, body=TEXT, key="A-17"))
    assert first.text == "Nobody."


def test_text_field_is_an_option(path):
    tasks = put(path, with_data(ADA, text=TEXT, copy=f"{TEXT} Yes."))
    (record,) = read_label_studio(tasks, text_field="copy")
    assert record.text == f"{TEXT} Yes."


def test_task_with_a_dialogue_raises(path):
    tasks = put(path, {**task(ADA), "data": {"talk": [{"author": "A", "text": "Hi"}]}})
    with pytest.raises(ValueError, match=r"J605.*record 0: field 'data'.*in 'talk'"):
        list(read_label_studio(tasks))


def test_text_field_that_a_task_does_not_have_raises(path):
    tasks = put(path, with_data(ADA, text=TEXT))
    with pytest.raises(ValueError, match=r"J605.*record 0, data: field 'body' is miss"):
        list(read_label_studio(tasks, text_field="body"))


@pytest.mark.parametrize("address", ["https://a.org/1.txt", "/data/upload/3/1-a.txt"])
def test_address_instead_of_a_text_raises_with_the_fix(path, address):
    with pytest.raises(ValueError, match=r"J642.*record 0: .*'text'.*Import the texts"):
        read(path, with_data(ADA, text=address))


def test_region_of_another_field_is_left_out(path):
    other = {**region("c", 0, 2, "PER", text="Bo"), "to_name": "reply"}
    asked = relation("a", "c", "asked")
    record = read_one(path, with_data(ADA, OSLO, other, asked, text=TEXT, reply="Bo?"))
    assert len(record.entities) == 2
    assert kinds(record) == [("entity", False), ("relation", False)]
    assert "--text-field: 'reply'" in record.left_out[0].reason


def test_region_of_another_field_with_the_same_text_is_left_out(path):
    german = "Ada Quint kocht in Oslo."
    data = {"en": TEXT, "de": german}
    results = [{**ADA, "to_name": "en"}, {**OSLO, "to_name": "en"}, LIVES]
    other = {**region("c", 0, 9, "PER", text="Ada Quint"), "to_name": "de"}
    again = relation("c", "b", "lives_in")
    record = read_one(path, {**task(*results, other, again), "data": data})
    assert record.text == TEXT
    assert len(record.entities) == 2
    assert kinds(record) == [("entity", False), ("relation", False)]


@pytest.mark.parametrize("annotations", [None, ABSENT])
def test_task_without_annotations_is_not_annotated(path, annotations):
    skipped = []
    tasks = put(path, task(ADA), changed(task(), ["annotations"], annotations))
    assert len(list(read_label_studio(tasks, skip=skipped.append))) == 1
    assert [(left.kind, left.broken) for left in skipped] == [("record", False)]
    assert "record 1: the task is not annotated" in skipped[0].reason


def test_label_can_be_a_string(path):
    name = {**ADA, "value": {**ADA["value"], "labels": "PER"}}
    assert [entity.label for entity in read_one(path, task(name)).entities] == ["PER"]


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


# predictions


def predicted(*results, **others):
    prediction = {"model_version": "m1", "score": 0.8, "result": list(results)}
    return {"data": {"text": TEXT}, "predictions": [prediction], **others}


@pytest.mark.parametrize("others", [{}, {"annotations": []}])
def test_task_with_only_predictions_is_skipped_with_the_option(path, others):
    skipped = []
    tasks = put(path, predicted(ADA, **others))
    assert guess_format(tasks).name == "label-studio"
    assert list(read_label_studio(tasks, skip=skipped.append)) == []
    (left,) = skipped
    assert not left.broken
    assert "only predictions. Use --predictions" in left.reason


def test_predictions_are_an_option(path):
    scored = {**ADA, "score": 0.75}
    tasks = put(path, predicted(scored, OSLO, {**LIVES, "score": 0.5}))
    (record,) = read_label_studio(tasks, predictions=True)
    assert [entity.score for entity in record.entities] == [0.75, 1.0]
    assert [relation.score for relation in record.relations] == [0.5]


def test_annotation_takes_precedence_over_predictions(path):
    both = {**task(OSLO), "predictions": predicted(ADA)["predictions"]}
    (record,) = read_label_studio(put(path, both), predictions=True)
    assert record.entities == (EntityRecord(19, 23, "LOC"),)


def test_predicted_regions_can_have_no_id(path):
    bare = [changed(result, ["id"], ABSENT) for result in (ADA, OSLO)]
    results = [*bare, region(1, 10, 15, "ACT"), relation(1, 1, "self")]
    (record,) = read_label_studio(put(path, predicted(*results)), predictions=True)
    assert len(record.entities) == 3
    assert pairs(record) == [(2, 2, "self")]


def test_additional_predictions_are_counted(path):
    result = predicted(ADA)
    result["predictions"] *= 2
    (record,) = read_label_studio(put(path, result), predictions=True)
    assert "1 additional prediction(s)" in record.left_out[0].reason


# target storages


def stored(number, *results, indent=None, key=5, **others):
    whole = annotation(*results, **others)
    return json.dumps(
        {**whole, "id": number, "task": {"id": key, "data": {"text": TEXT}}},
        indent=indent,
    )


@pytest.mark.parametrize("indent", [None, 2])
def test_annotation_of_a_target_storage_is_read(path, indent):
    path.write_text(stored(1, ADA, OSLO, LIVES, indent=indent), encoding="utf8")
    assert guess_format(path).name == "label-studio"
    (record,) = read_label_studio(path)
    assert (record.text, record.meta) == (TEXT, {"id": 5})
    assert pairs(record) == [(0, 1, "lives_in")]


@pytest.mark.parametrize("suffix", ["", ".json"])
def test_folder_of_a_target_storage_is_read(tmp_path, suffix):
    for number in (1, 2):
        text = stored(number, ADA, indent=1, key=number)
        (tmp_path / f"{number}{suffix}").write_text(text, encoding="utf8")
    (tmp_path / ".DS_Store").write_bytes(b"\0")
    assert guess_format(tmp_path).name == "label-studio"
    records = list(read_label_studio(tmp_path))
    assert [record.meta["id"] for record in records] == [1, 2]
    assert records[1].source == f"{tmp_path / f'2{suffix}'}, line 1, record 0"


def test_annotations_of_a_task_in_several_files_are_one_record(tmp_path):
    (tmp_path / "1").write_text(stored(1, ADA), encoding="utf8")
    (tmp_path / "2").write_text(stored(2, OSLO, ground_truth=True), encoding="utf8")
    (record,) = read_label_studio(tmp_path)
    assert record.entities == (EntityRecord(19, 23, "LOC"),)
    assert kinds(record) == [("annotation", False)]


def test_broken_file_of_a_target_storage_is_skipped(tmp_path):
    (tmp_path / "1").write_text(stored(1, ADA), encoding="utf8")
    (tmp_path / "2").write_text("{\n", encoding="utf8")
    (tmp_path / "3").write_text("", encoding="utf8")
    skipped = []
    assert len(list(read_label_studio(tmp_path, skip=skipped.append))) == 1
    assert [left.broken for left in skipped] == [True, True]
    with pytest.raises(ValueError, match="J604"):
        list(read_label_studio(tmp_path))


def test_stored_annotation_without_its_task_raises_with_the_fix(path):
    whole = {**annotation(ADA, OSLO, LIVES), "task": 5}
    path.write_text(json.dumps(whole), encoding="utf8")
    with pytest.raises(ValueError, match=r"J641.*FUTURE_SAVE_TASK_TO_STORAGE=1"):
        list(guess_format(path).read(path))


# regions


def test_region_can_have_the_labels_of_two_controls(path):
    second = {**region("a", 0, 9, "COOK"), "from_name": "job"}
    record = read_one(path, task(ADA, second, OSLO, LIVES))
    assert [e.label for e in record.entities] == ["PER", "COOK", "LOC"]
    assert pairs(record) == [(0, 2, "lives_in")]


def test_region_with_several_labels_becomes_several_entities(path):
    record = read_one(path, task(region("a", 0, 9, "PER", "COOK"), OSLO, LIVES))
    assert record.entities == (
        EntityRecord(0, 9, "PER"),
        EntityRecord(0, 9, "COOK"),
        EntityRecord(19, 23, "LOC"),
    )
    assert pairs(record) == [(0, 2, "lives_in")]


@pytest.mark.parametrize("kind", ["choices", "textarea", "paragraphlabels"])
def test_region_of_another_type_is_left_out(path, kind):
    record = read_one(path, task({**ADA, "type": kind}, OSLO))
    assert kinds(record) == [("region", False)]
    assert repr(kind) in record.left_out[0].reason


def test_relation_to_a_left_out_region_is_left_out(path):
    record = read_one(path, task({**ADA, "type": "choices"}, OSLO, LIVES))
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


def test_units_are_mixed_if_the_texts_of_the_regions_show_it(path):
    results = [
        region("a", 2, 5, "PER", text="Ada"),
        region("b", 11, 13, "PER", text="Bo"),
        region("c", 14, 18, "LOC", text="Oslo"),
    ]
    record = read_one(path, task(*results, text="😀 Ada met Bo, Oslo"))
    covered = [record.text[e.start : e.end] for e in record.entities]
    assert covered == ["Ada", "Bo", "Oslo"]


@pytest.mark.parametrize(("start", "end"), [(8, 11), (9, 12), (7, 10)])
def test_line_break_of_windows_can_be_one_character(path, start, end):
    # characters, UTF-16 code units, and characters in a browser
    results = [
        region("a", 2, 4, "PER", text="Bo"),
        region("b", start, end, "X", text="Ada"),
    ]
    record = read_one(path, task(*results, text="😀 Bo.\r\n\nAda met"))
    assert [record.text[e.start : e.end] for e in record.entities] == ["Bo", "Ada"]


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
    (record,) = read_all(path, task(region("a", 0, 8, "PER", text="Ada Quint"), OSLO))
    assert record.entities == (EntityRecord(19, 23, "LOC"),)
    assert kinds(record) == [("entity", True)]
    assert "'Ada Quin'" in record.left_out[0].reason
    assert "'Ada Quint'" in record.left_out[0].reason


@pytest.mark.parametrize("exported", ["Ada Quint", "Ada\\nQuint", "Ada\nQuint "])
def test_whitespace_of_the_covered_text_is_ignored(path, exported):
    result = task(region("a", 0, 9, "PER", text=exported), text="Ada\nQuint cooks")
    assert len(read_one(path, result).entities) == 1


# HTML

PAGE = "<html><head><title>News</title></head>\n<body>\n  <h1>Ada  Quint</h1>\n"
PAGE += "  <p>She <b>cooks</b> in 😀 Oslo.<br>Yes.</p></body></html>\n"


def in_html(key, start, end, text, *labels, control="hypertextlabels", **others):
    """A region with offsets in the text nodes of the body."""
    value = {
        "start": "/h1[1]/text()[1]",
        "end": "/h1[1]/text()[1]",
        "startOffset": 0,
        "endOffset": 1,
        "globalOffsets": {"start": start, "end": end},
        "text": text,
        control: list(labels),
        **others,
    }
    return {"id": key, "type": control, "value": value, "to_name": "t"}


def offsets_in_html(form, units=len):
    # the text nodes of the body
    body = "\n  Ada  Quint\n  She cooks in 😀 Oslo.\nYes.\n"
    start = body.index(form)
    return units(body[:start]), units(body[: start + len(form)])


def utf16(text):
    return len(text.encode("utf-16-le")) // 2


HEAD = in_html("a", *offsets_in_html("Ada  Quint"), "Ada Quint", "PER")
HTML_OSLO = in_html("b", *offsets_in_html("Oslo"), "Oslo", "LOC")


def forms(record):
    return [record.text[e.start : e.end] for e in record.entities]


def test_regions_of_html_are_in_the_visible_text(path):
    record = read_one(path, with_data(HEAD, HTML_OSLO, LIVES, html=PAGE))
    assert record.text == "Ada Quint\nShe cooks in 😀 Oslo.\nYes.\n"
    assert forms(record) == ["Ada Quint", "Oslo"]
    assert pairs(record) == [(0, 1, "lives_in")]
    assert record.trimmed == 0


def test_html_can_have_offsets_in_utf16(path):
    oslo = in_html("b", *offsets_in_html("Oslo", utf16), "Oslo", "LOC")
    record = read_one(path, with_data(HEAD, oslo, html=PAGE))
    assert forms(record) == ["Ada Quint", "Oslo"]


def test_html_can_be_labeled_with_the_control_for_text(path):
    result = {**HTML_OSLO, "type": "labels"}
    result["value"] = {**result["value"], "labels": ["LOC"]}
    del result["value"]["hypertextlabels"]
    assert forms(read_one(path, with_data(result, html=PAGE))) == ["Oslo"]


@pytest.mark.parametrize("shift", [0, 2])
def test_whitespace_before_the_first_element_can_be_counted_or_not(path, shift):
    result = in_html("b", 3 + shift, 7 + shift, "Oslo", "LOC")
    record = read_one(path, with_data(result, html="\n <p>In Oslo</p>"))
    assert forms(record) == ["Oslo"]


@pytest.mark.parametrize("offsets", [{"start": 0, "end": 4}, ABSENT])
def test_region_of_html_is_found_by_its_text_if_the_offsets_do_not_fit(path, offsets):
    result = changed(HTML_OSLO, ["value", "globalOffsets"], offsets)
    assert forms(read_one(path, with_data(HEAD, result, html=PAGE)))[1] == "Oslo"


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ({"text": "Bo"}, "text"),
        ({"text": "o", "globalOffsets": {"start": 0, "end": 3}}, "text"),
        ({"globalOffsets": {"start": 0, "end": 99}, "text": None}, "start/end"),
        ({"globalOffsets": {"start": 0}}, "end"),
        ({"globalOffsets": None}, "globalOffsets"),
    ],
)
def test_region_of_html_that_does_not_fit_is_broken(path, value, field):
    result = copy.deepcopy(HTML_OSLO)
    result["value"] |= value
    with pytest.raises(ValueError, match=f"J605.*result 1: field '{field}'"):
        read(path, with_data(HEAD, result, html=PAGE))


def test_region_of_html_with_neither_offsets_nor_a_single_text_is_broken(path):
    result = changed(HTML_OSLO, ["value", "globalOffsets"], ABSENT)
    result["value"]["text"] = "o"
    with pytest.raises(
        ValueError, match=r"J605.*'globalOffsets' is missing, and the te"
    ):
        read(path, with_data(HEAD, result, html=PAGE))


def test_task_without_regions_is_html_if_the_others_are(path):
    first, _ = read(path, with_data(html="<p>No</p>"), with_data(HEAD, html=PAGE))
    assert first.text == "No\n"


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


@pytest.mark.parametrize("labels", [[], None, ABSENT])
def test_relation_without_label_gets_a_label_and_is_reported(path, labels):
    unlabeled = changed(LIVES, ["labels"], labels)
    record = read_one(path, task(ADA, OSLO, unlabeled))
    assert pairs(record) == [(0, 1, "related")]
    (note,) = record.left_out
    assert (note.kind, note.broken) == ("label", False)
    assert note.reason == (
        f"{path}, line 1, record 0, annotation 0, result 2: the relation has no label "
        "and gets 'related' (--relation-label)"
    )


def test_label_of_unlabeled_relations_is_an_option(path):
    tasks = put(path, task(ADA, OSLO, relation("a", "b")))
    (record,) = read_label_studio(tasks, relation_label="link")
    assert pairs(record) == [(0, 1, "link")]
    assert "'link'" in record.left_out[0].reason


def test_without_relation_label_unlabeled_relations_are_lost(path):
    tasks = put(path, task(ADA, OSLO, relation("a", "b"), LIVES))
    (record,) = read_label_studio(tasks, relation_label="")
    assert pairs(record) == [(0, 1, "lives_in")]
    assert kinds(record) == [("relation", False)]


@pytest.mark.parametrize(
    ("result", "where", "field"),
    [
        ({**task(), "data": "x"}, "", "data"),
        ([], "", "data"),
        (several(3), ", annotation 0", "result"),
        (several({"result": {}}), ", annotation 0", "result"),
        (task(3), ", annotation 0, result 0", "type"),
        (task({"id": "a"}), ", annotation 0, result 0", "type"),
        (task({"type": "labels"}), ", annotation 0, result 0", "value"),
        (task({**ADA, "id": None}), ", annotation 0, result 0", "id"),
        (task({**ADA, "value": []}), ", annotation 0, result 0", "value"),
        (task(region("a", "0x", 9, "X")), ", annotation 0, result 0", "start"),
        (task(region("a", 0, None, "X")), ", annotation 0, result 0", "end"),
        (task(region("a", 0, 9, 5)), ", annotation 0, result 0", "labels"),
        (task(ADA, LIVES), ", annotation 0, result 1", "tail"),
        (task(region("a", 0, 25, "X")), ", annotation 0, result 0", "start/end"),
        (task(region("a", 0, 9, "")), ", annotation 0, result 0", "label"),
        (task(ADA, {**OSLO, "id": "a"}), ", annotation 0, result 1", "id"),
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


@pytest.mark.parametrize(
    ("results", "lost"),
    [
        ([ADA, OSLO, {**LIVES, "to_id": "x"}, LIVES], ["relation"]),
        ([ADA, OSLO, {**LIVES, "from_id": None}, LIVES], ["relation"]),
        ([region("a", 0, 25, "PER"), OSLO, LIVES], ["entity", "relation"]),
        (
            [region("a", 0, 25, "PER", "COOK"), OSLO, LIVES],
            ["entity"] * 2 + ["relation"],
        ),
        ([ADA, region("a", 0, 3, "COOK"), OSLO, LIVES], ["entity"]),
        ([ADA, OSLO, None, LIVES], ["entity"]),
    ],
)
def test_broken_row_costs_only_that_row_and_its_relations(path, results, lost):
    first, record = read_all(path, task(ADA), task(*results))
    assert [left.kind for left in record.left_out] == lost
    assert len(record.relations) == ("relation" not in lost or len(results) == 4)
    assert first.left_out == ()


def test_relation_to_an_id_that_a_broken_region_has_too_is_left_out(path):
    broken = region("b", 19, 25, "LOC")
    _, record = read_all(path, task(ADA), task(ADA, broken, OSLO, LIVES))
    assert [left.kind for left in record.left_out] == ["entity", "entity", "relation"]
    assert record.relations == ()


def test_broken_task_is_skipped_with_its_counts(path):
    skipped = []
    two = region("b", 19, 23, "LOC", "CITY")
    bi = relation("a", "b", "at", direction="bi")
    broken = changed(task(ADA, two, bi, LIVES), ["data"], {})
    tasks = put(path, task(ADA), broken, task(OSLO))
    assert len(list(read_label_studio(tasks, skip=skipped.append))) == 2
    (left,) = skipped
    assert (left.broken, left.entities, left.relations) == (True, 3, 3)


def test_whitespace_at_the_edges_is_removed_and_counted(path):
    record = read_one(path, task(region("a", 0, 10, "PER", text="Ada Quint ")))
    assert record.entities == (EntityRecord(0, 9, "PER"),)
    assert record.trimmed == 1


# writer


def write_and_read(path, *records):
    write_label_studio(records, path)
    assert guess_format(path).name == "label-studio"
    return list(read_label_studio(path, predictions=True))


RECORDS = [
    *STORY,
    Record(""),
    Record("Ada 😀", (EntityRecord(0, 3, "PER"), EntityRecord(0, 3, "COOK"))),
    Record(
        "Ada sang . Bo left .",
        (EntityRecord(0, 3, "PER"), EntityRecord(0, 3, "PER")),
        (RelationRecord(1, 0, "same"), RelationRecord(1, 0, "same")),
        words=("Ada", "sang", ".", "Bo", "left", "."),
        sentences=((0, 10), (11, 20)),
        document="news/1",
        meta={"id": 3, "data": {"url": "http://a"}},
    ),
    Record("Ada", meta={"data": {"text": 3}, "annotations": [1]}),
    Record("Ada", meta={"data": [3]}),
]


def test_written_records_are_read_back(path):
    assert write_and_read(path, *RECORDS) == RECORDS


def test_file_without_records_is_an_empty_list(path):
    write_label_studio([], path)
    assert json.loads(path.read_text("utf8")) == []


def test_export_is_written_as_it_was_read(path):
    other = {**task(ADA, OSLO, LIVES), "project": 3, "meta": {"a": 1}}
    other["data"]["url"] = "http://a"
    records = read(path, other)
    write_label_studio(records, path)
    (written,) = json.loads(path.read_text("utf8"))
    assert written["data"]["url"] == "http://a"
    assert list(read_label_studio(path, predictions=True)) == records


def test_task_has_what_label_studio_imports(path):
    entities = (EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC"))
    record = Record(TEXT, entities, (RelationRecord(0, 1, "lives_in"),))
    write_label_studio([record], path, model_version="m2")
    (written,) = json.loads(path.read_text("utf8"))
    assert written == {
        "data": {"text": TEXT},
        "predictions": [
            {
                "model_version": "m2",
                "result": [
                    {**ADA, "id": "entity-0"},
                    {**OSLO, "id": "entity-1"},
                    {**LIVES, "from_id": "entity-0", "to_id": "entity-1"},
                ],
            }
        ],
    }


def test_scores_are_written_and_read_back(path):
    entities = (EntityRecord(0, 9, "PER", 0.75), EntityRecord(19, 23, "LOC"))
    record = Record(TEXT, entities, (RelationRecord(0, 1, "lives_in", 0.5),))
    (again,) = write_and_read(path, record)
    assert [entity.score for entity in again.entities] == [0.75, 1.0]
    assert [relation.score for relation in again.relations] == [0.5]
    (written,) = json.loads(path.read_text("utf8"))
    assert written["predictions"][0]["score"] == 0.75


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("words", ["Ada"]),
        ("words", [3]),
        ("sentences", [[0]]),
        ("sentences", 3),
        ("document", 3),
        ("meta", []),
    ],
)
def test_changed_fields_of_the_writer_raise_with_their_location(path, field, value):
    with pytest.raises(ValueError, match=f"J605.*data, _jre: field '{field}'"):
        read(path, with_data(ADA, text=TEXT, _jre={field: value}))


def test_labeling_setup_has_all_labels():
    setup = labeling_setup(["PER", 'a "<b>"'], ["lives_in"])
    view = ElementTree.fromstring(setup)
    assert [child.tag for child in view] == ["Relations", "Labels", "Text"]
    assert [e.get("value") for e in view.iter("Relation")] == ["lives_in"]
    assert [e.get("value") for e in view.iter("Label")] == ["PER", 'a "<b>"']
    text = view.find("Text")
    # the names that the tasks refer to
    assert (view.find("Labels").get("name"), text.get("name")) == ("label", "text")
    assert view.find("Labels").get("toName") == "text"
    assert text.get("value") == "$text"


# faulty rows


def add_faults(rng, results):
    """Apply faults to the results of a task in place."""
    regions = [r for r in results if r and r.get("type") == "labels"]
    relations = [r for r in results if r and r.get("type") == "relation"]
    fault, row = rng.randrange(9), rng.choice(regions)
    value = row["value"]
    if fault == 0 and value.get("start") and value.get("end"):
        value["start"] -= 1
        value["end"] += 1
        value.pop("text", None)
    elif fault == 1:
        value["end"] = len(TEXT) + rng.randint(1, 9)
    elif fault == 2:
        value[rng.choice(list(value))] = None
    elif fault == 3:
        results.append(copy.deepcopy(row))
    elif fault == 4:
        results.append(copy.deepcopy(row) | {"id": f"new{len(results)}"})
    elif fault == 5:
        results.append(relation(row["id"], "gone", "x", "y", direction="bi"))
    elif fault == 6:
        results.insert(0, None)
    elif fault == 7:
        rng.choice(relations)[rng.choice(["from_id", "to_id", "labels"])] = None
    else:
        value["labels"] = [*(value["labels"] or []), "OTHER", ""]


def count_results(results):
    """The entities and relations, with one per label and direction."""
    entities = relations = 0
    for result in results:
        if result and result["type"] == "relation":
            both = 2 if result["direction"] == "bi" else 1
            relations += both * len(result["labels"] or ["related"])
        else:
            entities += max(
                len((result or {"value": {}})["value"].get("labels") or []), 1
            )
    return entities, relations


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9), st.integers(1, 6))
def test_read_and_lost_rows_are_those_of_the_file(tmp_path_factory, seed, count):
    rng = random.Random(seed)
    files = [copy.deepcopy([ADA, OSLO, LIVES]) for _ in range(3)]
    for _ in range(count):
        add_faults(rng, rng.choice(files))
    tasks = [task(*results) for results in files]
    tasks.insert(1, changed(task(ADA, OSLO, LIVES), ["data"], {}))
    tasks.append(several())
    path = put(tmp_path_factory.mktemp("label_studio") / "export.json", *tasks)
    records, skipped = [], []
    for record in read_label_studio(path, skip=skipped.append):
        records.append(record)
    assert len(records) + len(skipped) == 5
    totals = zip(*map(count_results, [*files, [ADA, OSLO, LIVES]]), strict=True)
    kinds = (("entity", "entities"), ("relation", "relations"))
    for (kind, field), total in zip(kinds, totals, strict=True):
        kept = sum(len(getattr(record, field)) for record in records)
        lost = [x for record in records for x in record.left_out if x.kind == kind]
        assert all(left.cause for left in lost)
        whole = sum(getattr(left, field) for left in skipped)
        assert kept + len(lost) + whole == sum(total)
    for record in records:
        assert all(form == form.strip() != "" for form in forms(record))


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


def test_score_that_is_not_a_finite_number_is_ignored(path):
    name = {**ADA, "score": float("nan")}
    tasks = put(path, predicted(name, {**OSLO, "score": 0.5}))
    (record,) = read_label_studio(tasks, predictions=True)
    assert [entity.score for entity in record.entities] == [1.0, 0.5]
