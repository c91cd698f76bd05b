import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats.ubiai import read_ubiai
from spacy_jre.corpora.rows import (
    BLANK,
    BROKEN_ROW,
    LOST_ARGUMENT,
    OTHER_TEXT,
    OUTSIDE,
    UNKNOWN_ARGUMENT,
)

from ...conftest import write_json
from ..counts import Counts, read_and_reported, with_faults
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story


def entity(text, start, first, last, label):
    return {
        "text": text,
        "start": start,
        "end": start + len(text),
        "token_start": first,
        "token_end": last,
        "entityLabel": label,
    }


def relation(head, child, label):
    return {"head": head, "child": child, "relationLabel": label}


DOCUMENT = {
    "documentName": "menu.txt",
    "document": "Ada Quint cooks in Hotel Lima , Oslo .",
    "tokens": [
        entity("Ada Quint", 0, 0, 1, "PER"),
        entity("Hotel Lima", 19, 4, 5, "ORG"),
        entity("Oslo", 32, 7, 7, "LOC"),
    ],
    "relations": [relation(0, 4, "works_for"), relation(4, 7, "based_in")],
    "user": 3,
}


def read_all(tmp_path, *documents, **kwargs):
    path = write_json(tmp_path / "export.json", documents)
    return list(read_ubiai(path, **kwargs))


def read_faulty(tmp_path, document):
    """Read a document, and get the kinds and causes of what is left out."""
    (record,) = read_all(tmp_path, document, skip=lambda left_out: None)
    return record, [(left.kind, left.cause) for left in record.left_out]


def test_story_is_read():
    assert_is_the_story(read_ubiai(FOLDER / "ubiai.json"))


def test_document_is_read(tmp_path):
    assert read_all(tmp_path, DOCUMENT) == [
        Record(
            text="Ada Quint cooks in Hotel Lima , Oslo .",
            entities=(
                EntityRecord(0, 9, "PER"),
                EntityRecord(19, 29, "ORG"),
                EntityRecord(32, 36, "LOC"),
            ),
            relations=(
                RelationRecord(0, 1, "works_for"),
                RelationRecord(1, 2, "based_in"),
            ),
            document="menu.txt",
            meta={"user": 3},
        )
    ]


def test_arguments_can_be_the_last_tokens(tmp_path):
    rows = [relation(1, 5, "works_for"), relation(5, 7, "based_in")]
    (record,) = read_all(tmp_path, {**DOCUMENT, "relations": rows})
    assert [(r.head, r.tail) for r in record.relations] == [(0, 1), (1, 2)]


def test_arguments_are_indices_if_entities_have_no_token_offsets(tmp_path):
    rows = [
        {key: value for key, value in row.items() if not key.startswith("token_")}
        for row in DOCUMENT["tokens"]
    ]
    document = {**DOCUMENT, "tokens": rows, "relations": [relation(2, 0, "home_of")]}
    (record,) = read_all(tmp_path, document)
    assert record.relations == (RelationRecord(2, 0, "home_of"),)


def test_token_that_is_also_an_index_is_a_token(tmp_path):
    document = {**DOCUMENT, "relations": [relation(0, 2, "x"), relation(4, 1, "y")]}
    record, left_out = read_faulty(tmp_path, document)
    assert record.relations == ()
    assert left_out == [("relation", UNKNOWN_ARGUMENT)] * 2


def test_offsets_in_utf16_units_are_recognized_by_the_texts(tmp_path):
    document = {
        "document": "\U0001f35e Ada cooks in \U0001f35e Oslo",
        "tokens": [entity("Ada", 3, 1, 1, "PER"), entity("Oslo", 19, 5, 5, "LOC")],
        "relations": [relation(1, 5, "lives_in")],
    }
    (record,) = read_all(tmp_path, document)
    covered = [record.text[e.start : e.end] for e in record.entities]
    assert covered == ["Ada", "Oslo"]


def test_document_without_annotation_is_a_record(tmp_path):
    document = {"document": "Rain .", "tokens": [], "relations": None}
    assert read_all(tmp_path, DOCUMENT, document)[1] == Record(text="Rain .")


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["document"], ABSENT, "record 0", "document"),
        (["documentName"], "\ud800", "record 0", "documentName"),
        (["tokens"], {}, "record 0", "tokens"),
        (["relations"], "x", "record 0", "relations"),
        (["tokens", 1], None, "record 0, entity 1", "start"),
        (["tokens", 1, "end"], "29a", "record 0, entity 1", "end"),
        (["tokens", 1, "entityLabel"], None, "record 0, entity 1", "entityLabel"),
        (["relations", 0, "head"], None, "record 0, relation 0", "head"),
        (["relations", 0, "child"], 3, "record 0, relation 0", "tail"),
        (["relations", 0, "relationLabel"], "", "record 0, relation 0", "label"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match=r"J605") as error:
        read_all(tmp_path, changed(DOCUMENT, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        ("end", 300, OUTSIDE),
        ("start", 20, OTHER_TEXT),
        ("entityLabel", None, BROKEN_ROW),
    ],
)
def test_broken_entity_costs_only_its_row_and_its_relations(
    tmp_path, field, value, cause
):
    document = changed(DOCUMENT, ["tokens", 2, field], value)
    record, left_out = read_faulty(tmp_path, document)
    assert left_out == [("entity", cause), ("relation", LOST_ARGUMENT)]
    assert record.relations == (RelationRecord(0, 1, "works_for"),)


def test_whitespace_at_the_edges_is_no_part_of_an_entity(tmp_path):
    document = changed(DOCUMENT, ["tokens", 2], entity(" Oslo ", 31, 7, 7, "LOC"))
    (record,) = read_all(tmp_path, document)
    assert record.entities[2] == EntityRecord(32, 36, "LOC")
    assert record.trimmed == 1


def test_entity_of_whitespace_is_left_out(tmp_path):
    document = changed(DOCUMENT, ["tokens", 2], entity(" ", 31, 7, 7, "LOC"))
    assert read_faulty(tmp_path, document)[1][0] == ("entity", BLANK)


def change(rows, **fields):
    def fault(rng, document):
        if document[rows] and isinstance(row := rng.choice(document[rows]), dict):
            row.update(fields)

    return fault


def add(rows, row):
    return lambda rng, document: document[rows].append(row)


def repeat(rows):
    def fault(rng, document):
        if document[rows]:
            document[rows].append(rng.choice(document[rows]))

    return fault


FAULTS = {
    "edge": add("tokens", entity(" Oslo", 31, 7, 7, "LOC")),
    "blank": change("tokens", start=9, end=10),
    "outside": change("tokens", end=99),
    "negative": change("tokens", start=-4),
    "null label": change("tokens", entityLabel=None),
    "null entity": add("tokens", None),
    "repeated entity": repeat("tokens"),
    "dangling": change("relations", head=33),
    "null head": change("relations", head=None),
    "null relation": add("relations", None),
    "repeated relation": repeat("relations"),
    "null text": lambda rng, document: document.update(document=None),
}


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    documents = with_faults(rng, [DOCUMENT] * 3, FAULTS, rng.randint(0, 6))
    path = tmp_path_factory.mktemp("ubiai") / "export.json"
    path.write_text(json.dumps(documents), encoding="utf8")
    assert read_and_reported(read_ubiai, path) == Counts(
        3,
        sum(len(document["tokens"]) for document in documents),
        sum(len(document["relations"]) for document in documents),
    )
