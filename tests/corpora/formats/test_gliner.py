import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.gliner import read_gliner
from spacy_jre.corpora.rows import LOST_ARGUMENT, OUTSIDE, UNKNOWN_ARGUMENT

from ..counts import Counts, read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

SENTENCE = {
    "tokenized_text": ["Ada", "Quint", "cooks", "in", "Hotel", "Lima", ",", "Oslo"],
    "ner": [[0, 1, "person"], [4, 5, "company"], [7, 7, "place"]],
    "relations": [[0, 1, "works for"], [1, 2, "based in"]],
    "split": "train",
}
ENTITIES = (
    EntityRecord(0, 9, "person"),
    EntityRecord(19, 29, "company"),
    EntityRecord(32, 36, "place"),
)
RELATIONS = (RelationRecord(0, 1, "works for"), RelationRecord(1, 2, "based in"))


def argument(mention, first, last, label):
    return {"mention": mention, "position": [first, last], "type": label}


ADA = argument("Ada Quint", 0, 1, "person")
LIMA = argument("Hotel Lima", 4, 5, "company")
OSLO = argument("Oslo", 7, 7, "place")
# in the form of GLiREL
GLIREL = {
    **SENTENCE,
    "ner": [
        [0, 1, "person", "Ada Quint"],
        [4, 5, "company", "Hotel Lima"],
        [7, 7, "place", "Oslo"],
    ],
    "relations": [
        {"head": ADA, "tail": LIMA, "relation_text": "works for"},
        {"head": LIMA, "tail": OSLO, "relation_text": "based in"},
    ],
}


def read_all(tmp_path, *sentences, **kwargs):
    path = tmp_path / "train.json"
    path.write_text(json.dumps(sentences), encoding="utf8")
    return list(read_gliner(path, **kwargs))


def read_faulty(tmp_path, sentence):
    """Read a sentence, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, sentence, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def test_story_is_read():
    assert_is_the_story(read_gliner(FOLDER / "gliner.jsonl"))


def test_indices_of_gliner_are_read(tmp_path):
    assert read_all(tmp_path, SENTENCE) == [
        Record(
            text="Ada Quint cooks in Hotel Lima , Oslo",
            entities=ENTITIES,
            relations=RELATIONS,
            words=tuple(SENTENCE["tokenized_text"]),
            meta={"split": "train"},
        )
    ]


def test_objects_of_glirel_give_the_same_record(tmp_path):
    assert read_all(tmp_path, GLIREL) == read_all(tmp_path, SENTENCE)


@pytest.mark.parametrize("field", ["label", "type"])
def test_entities_and_relations_can_be_objects(tmp_path, field):
    sentence = {
        **SENTENCE,
        "ner": [{"start": a, "end": b, field: c} for a, b, c in SENTENCE["ner"]],
        "relations": [
            {"head": a, "tail": b, field: c} for a, b, c in SENTENCE["relations"]
        ],
    }
    assert read_all(tmp_path, sentence) == read_all(tmp_path, SENTENCE)


def test_exclusive_ends_are_recognized_by_the_texts(tmp_path):
    sentence = {
        **GLIREL,
        "ner": [[a, b + 1, label, text] for a, b, label, text in GLIREL["ner"]],
        "relations": [
            {
                "head": argument("Ada Quint", 0, 2, "person"),
                "tail": argument("Hotel Lima", 4, 6, "company"),
                "relation_text": "works for",
            },
        ],
    }
    (record,) = read_all(tmp_path, sentence)
    assert (record.entities, record.relations) == (ENTITIES, RELATIONS[:1])


def test_relation_gets_the_entity_of_its_type(tmp_path):
    sentence = changed(GLIREL, ["ner", 0], [4, 5, "hotel", "Hotel Lima"])
    sentence["relations"] = GLIREL["relations"][1:]
    (record,) = read_all(tmp_path, sentence)
    assert record.relations == (RelationRecord(1, 2, "based in"),)


def test_relation_of_another_type_gets_the_first_entity_of_its_span(tmp_path):
    lima = {**LIMA, "type": "thing"}
    sentence = changed(GLIREL, ["relations", 0, "tail"], lima)
    assert read_all(tmp_path, sentence)[0].relations == RELATIONS


def test_sentence_without_relations_is_read(tmp_path):
    (record,) = read_all(tmp_path, changed(SENTENCE, ["relations"], ABSENT))
    assert (record.entities, record.relations) == (ENTITIES, ())


@pytest.mark.parametrize(
    ("original", "keys", "value", "where", "field"),
    [
        (SENTENCE, ["tokenized_text"], "Ada", "record 0", "tokenized_text"),
        (SENTENCE, ["tokenized_text", 0], "", "record 0", "tokenized_text"),
        (SENTENCE, ["ner"], ABSENT, "record 0", "ner"),
        (SENTENCE, ["ner", 1], [4], "record 0, entity 1", "end"),
        (SENTENCE, ["ner", 1], [4, 5], "record 0, entity 1", "label"),
        (SENTENCE, ["ner", 1], "x", "record 0, entity 1", "start"),
        (SENTENCE, ["relations", 0], [0], "record 0, relation 0", "tail"),
        (SENTENCE, ["relations", 0], [0, 1], "record 0, relation 0", "label"),
        (SENTENCE, ["relations", 0, 0], True, "record 0, relation 0", "head"),
        (SENTENCE, ["relations", 0, 1], 3, "record 0, relation 0", "tail"),
        (GLIREL, ["relations", 0, "head"], {}, "record 0, relation 0", "position"),
        (
            GLIREL,
            ["relations", 0, "tail", "position"],
            [4],
            "record 0, relation 0",
            "position",
        ),
    ],
)
def test_broken_field_is_reported_with_location(
    tmp_path, original, keys, value, where, field
):
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, changed(original, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize("original", [SENTENCE, GLIREL])
@pytest.mark.parametrize(("index", "value"), [(0, -1), (1, 8)])
def test_tokens_outside_the_text_cost_only_the_row_and_its_relations(
    tmp_path, original, index, value
):
    sentence = changed(original, ["ner", 2, index], value)
    if original is GLIREL:
        sentence = changed(sentence, ["relations", 1, "tail", "position", index], value)
    record, left_out = read_faulty(tmp_path, sentence)
    assert (record.entities, record.relations) == (ENTITIES[:2], RELATIONS[:1])
    assert left_out == [("entity", OUTSIDE), ("relation", LOST_ARGUMENT)]


def test_position_that_is_no_entity_costs_only_the_relation(tmp_path):
    sentence = changed(GLIREL, ["relations", 0, "head", "position"], [2, 2])
    record, left_out = read_faulty(tmp_path, sentence)
    assert left_out == [("relation", UNKNOWN_ARGUMENT)]
    assert (record.entities, record.relations) == (ENTITIES, RELATIONS[1:])


def add(rows, row):
    return lambda rng, sentence: sentence[rows].append(row)


def repeat(rows):
    def fault(rng, sentence):
        sentence[rows].append(rng.choice(sentence[rows]))

    return fault


FAULTS = {
    "outside": add("ner", [6, 8, "place"]),
    "negative": add("ner", [-1, 1, "place"]),
    "reversed": add("ner", [3, 2, "place"]),
    "empty label": add("ner", [2, 2, ""]),
    "null entity": lambda rng, sentence: sentence["ner"].insert(0, None),
    "repeated entity": repeat("ner"),
    "dangling index": add("relations", [0, 77, "x"]),
    "dangling position": add(
        "relations", {"head": ADA, "tail": argument("", 2, 2, ""), "label": "x"}
    ),
    "null argument": add("relations", [0, None, "x"]),
    "null relation": add("relations", None),
    "repeated relation": repeat("relations"),
    "null word": lambda rng, s: s["tokenized_text"].__setitem__(0, None),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    sentences = with_faults(rng, [SENTENCE, GLIREL], FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("gliner") / "train.json"
    path.write_text(json.dumps(sentences), encoding="utf8")
    assert read_and_reported(read_gliner, path) == Counts(
        2,
        sum(len(sentence["ner"]) for sentence in sentences),
        sum(len(sentence["relations"]) for sentence in sentences),
    )
