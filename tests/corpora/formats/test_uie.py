import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.uie import DISCONTINUOUS, read_uie
from spacy_jre.corpora.rows import (
    LOST_ARGUMENT,
    OTHER_TEXT,
    OUTSIDE,
    UNKNOWN_ARGUMENT,
)

from ..counts import Counts, read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story


def argument(label, offset, text):
    return {"type": label, "offset": offset, "text": text}


ADA = argument("person", [0, 1], "Ada Quint")
LIMA = argument("company", [4, 5], "Hotel Lima")
OSLO = argument("place", [7], "Oslo")
SENTENCE = {
    "text": "Ada Quint cooks in Hotel Lima , Oslo",
    "tokens": ["Ada", "Quint", "cooks", "in", "Hotel", "Lima", ",", "Oslo"],
    "entity": [ADA, LIMA, OSLO],
    "relation": [
        {"type": "work for", "args": [{**ADA}, {**LIMA}]},
        {"type": "based in", "args": [{**LIMA}, {**OSLO}]},
    ],
    "event": [],
    "spot": ["person"],
}
# the tokens are not separated by spaces
CHINESE = {
    "text": "王芳在海风公司工作",
    "tokens": list("王芳在海风公司工作"),
    "entity": [
        argument("人物", [0, 1], "王芳"),
        argument("公司", [3, 4, 5, 6], "海风公司"),
    ],
    "relation": [
        {
            "type": "雇主",
            "args": [
                argument("人物", [0, 1], "王芳"),
                argument("公司", [3, 4, 5, 6], "海风公司"),
            ],
        }
    ],
}


def read_all(tmp_path, *sentences, **kwargs):
    path = tmp_path / "train.json"
    lines = [json.dumps(sentence) + "\n" for sentence in sentences]
    path.write_text("".join(lines), encoding="utf8")
    return list(read_uie(path, **kwargs))


def read_faulty(tmp_path, sentence):
    """Read a sentence, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, sentence, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def test_story_is_read():
    assert_is_the_story(read_uie(FOLDER / "uie.jsonl"))


def test_sentence_is_read(tmp_path):
    assert read_all(tmp_path, SENTENCE) == [
        Record(
            text="Ada Quint cooks in Hotel Lima , Oslo",
            entities=(
                EntityRecord(0, 9, "person"),
                EntityRecord(19, 29, "company"),
                EntityRecord(32, 36, "place"),
            ),
            relations=(
                RelationRecord(0, 1, "work for"),
                RelationRecord(1, 2, "based in"),
            ),
            words=tuple(SENTENCE["tokens"]),
            meta={"event": [], "spot": ["person"]},
        )
    ]


def test_text_without_spaces_between_tokens_is_kept(tmp_path):
    (record,) = read_all(tmp_path, CHINESE)
    assert (record.text, record.words) == (CHINESE["text"], None)
    assert record.entities == (EntityRecord(0, 2, "人物"), EntityRecord(3, 7, "公司"))


def test_tokens_that_are_not_in_the_text_raise(tmp_path):
    with pytest.raises(ValueError, match=r"J605.*field 'tokens' has 'Quint'"):
        read_all(tmp_path, changed(SENTENCE, ["text"], "Ada cooks"))


def test_entity_of_another_type_is_another_entity(tmp_path):
    person = {**LIMA, "type": "person"}
    sentence = changed(SENTENCE, ["entity", 0], person)
    sentence["relation"] = [{"type": "based in", "args": [LIMA, OSLO]}]
    assert read_all(tmp_path, sentence)[0].relations == (
        RelationRecord(1, 2, "based in"),
    )


def test_discontinuous_entity_is_left_out_or_covered(tmp_path):
    sentence = changed(SENTENCE, ["entity", 2, "offset"], [5, 7])
    sentence = changed(sentence, ["relation", 1, "args", 1, "offset"], [5, 7])
    record, left_out = read_faulty(tmp_path, sentence)
    assert left_out == [("entity", DISCONTINUOUS), ("relation", LOST_ARGUMENT)]
    assert len(record.relations) == 1
    (record,) = read_all(tmp_path, sentence, discontinuous="cover")
    assert record.entities[2] == EntityRecord(25, 36, "place")
    assert len(record.relations) == 2


def test_unknown_value_of_discontinuous_raises(tmp_path):
    with pytest.raises(ValueError, match=r"J608.*discontinuous.*'join'"):
        read_all(tmp_path, SENTENCE, discontinuous="join")


def test_events_are_kept_and_reported(tmp_path):
    (record,) = read_all(tmp_path, {**SENTENCE, "event": [{"type": "meal"}]})
    assert record.meta["event"] == [{"type": "meal"}]
    assert [(left.kind, left.broken) for left in record.left_out] == [("event", False)]


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["text"], ABSENT, "line 1", "text"),
        (["tokens", 0], None, "line 1", "tokens"),
        (["entity"], ABSENT, "line 1", "entity"),
        (["entity", 1], "x", "line 1, entity 1", "offset"),
        (["entity", 1, "offset"], [], "line 1, entity 1", "offset"),
        (["entity", 1, "offset"], ["4a"], "line 1, entity 1", "offset"),
        (["entity", 1, "type"], None, "line 1, entity 1", "type"),
        (["relation", 0, "type"], ABSENT, "line 1, relation 0", "type"),
        (["relation", 0, "args"], [ADA], "line 1, relation 0", "args"),
        (["relation", 0, "args", 1], None, "relation 0, argument 1", "offset"),
        (["relation", 0, "args", 0, "type"], "x", "line 1, relation 0", "head"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, changed(SENTENCE, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


def test_tokens_outside_the_text_cost_only_the_row_and_its_relations(tmp_path):
    sentence = changed(SENTENCE, ["entity", 2, "offset"], [7, 8])
    sentence = changed(sentence, ["relation", 1, "args", 1, "offset"], [7, 8])
    record, left_out = read_faulty(tmp_path, sentence)
    assert left_out == [("entity", OUTSIDE), ("relation", LOST_ARGUMENT)]
    assert (len(record.entities), len(record.relations)) == (2, 1)


def test_entity_with_another_text_is_left_out(tmp_path):
    _, left_out = read_faulty(tmp_path, changed(CHINESE, ["entity", 0, "text"], "王"))
    assert left_out == [("entity", OTHER_TEXT), ("relation", LOST_ARGUMENT)]


def test_argument_that_is_no_entity_costs_only_the_relation(tmp_path):
    sentence = changed(SENTENCE, ["relation", 0, "args", 0, "offset"], [2])
    record, left_out = read_faulty(tmp_path, sentence)
    assert left_out == [("relation", UNKNOWN_ARGUMENT)]
    assert (len(record.entities), len(record.relations)) == (3, 1)


def add(rows, row):
    return lambda rng, sentence: sentence[rows].append(row)


def repeat(rows):
    def fault(rng, sentence):
        sentence[rows].append(rng.choice(sentence[rows]))

    return fault


FAULTS = {
    "outside": add("entity", argument("place", [88], "")),
    "negative": add("entity", argument("place", [-1, 0], "")),
    "discontinuous": add("entity", argument("place", [0, 2], "")),
    "no tokens": add("entity", argument("place", [], "")),
    "empty label": add("entity", argument("", [2], "")),
    "null entity": add("entity", None),
    "repeated entity": repeat("entity"),
    "dangling": add("relation", {"type": "x", "args": [ADA, {**ADA, "type": "y"}]}),
    "three arguments": add("relation", {"type": "x", "args": [ADA, ADA, ADA]}),
    "null relation": add("relation", None),
    "repeated relation": repeat("relation"),
    "other text": lambda rng, sentence: sentence.update(text="?"),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    sentences = with_faults(rng, [SENTENCE, CHINESE], FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("uie") / "train.json"
    path.write_text(json.dumps(sentences), encoding="utf8")
    assert read_and_reported(read_uie, path) == Counts(
        2,
        sum(len(sentence["entity"]) for sentence in sentences),
        sum(len(sentence["relation"]) for sentence in sentences),
    )
