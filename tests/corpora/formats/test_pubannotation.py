import copy
import json
import random
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.biomedical import DISCONTINUOUS
from spacy_jre.corpora.formats.pubannotation import read_pubannotation
from spacy_jre.corpora.rows import (
    BLANK,
    BROKEN_ROW,
    LOST_ARGUMENT,
    OUTSIDE,
    REPEATED_ID,
    UNKNOWN_ARGUMENT,
)

from ...conftest import write_json
from ..counts import Counts, read_and_reported, with_faults
from ..mutations import ABSENT, changed, put_unexpected_value
from ..story import FOLDER, assert_is_the_story


def denotation(key, begin, end, label):
    return {"id": key, "span": {"begin": begin, "end": end}, "obj": label}


DOCUMENT = {
    "text": "Ada Quint cooks at Hotel Lima in Oslo.",
    "denotations": [
        denotation("T1", 0, 9, "PER"),
        denotation("T2", 19, 29, "ORG"),
        denotation("T3", 33, 37, "LOC"),
    ],
    "relations": [
        {"id": "R1", "subj": "T1", "pred": "works_for", "obj": "T2"},
        {"id": "R2", "subj": "T2", "pred": "based_in", "obj": "T3"},
    ],
}


def read(tmp_path, *documents, **options):
    path = write_json(tmp_path / "menu.json", list(documents))
    return list(read_pubannotation(path, **options))


def read_faulty(tmp_path, document, **options):
    (record,) = read(tmp_path, document, skip=lambda left_out: None, **options)
    return record, [(left.kind, left.cause) for left in record.left_out]


def test_story_is_read():
    assert_is_the_story(read_pubannotation(FOLDER / "pubannotation.json"))


def test_document_is_read(tmp_path):
    document = {**DOCUMENT, "sourcedb": "PubMed", "sourceid": "7", "project": "menu"}
    assert read(tmp_path, document) == [
        Record(
            text="Ada Quint cooks at Hotel Lima in Oslo.",
            entities=(
                EntityRecord(0, 9, "PER"),
                EntityRecord(19, 29, "ORG"),
                EntityRecord(33, 37, "LOC"),
            ),
            relations=(
                RelationRecord(0, 1, "works_for"),
                RelationRecord(1, 2, "based_in"),
            ),
            document="PubMed:7",
            meta={"sourcedb": "PubMed", "sourceid": "7", "project": "menu"},
        )
    ]


@pytest.mark.parametrize("indent", [None, 1])
def test_single_object_is_read(tmp_path, indent):
    path = tmp_path / "menu.json"
    path.write_text(json.dumps(DOCUMENT, indent=indent), encoding="utf8")
    assert len(list(read_pubannotation(path))) == 1


def test_files_of_a_folder_are_read_in_their_order(tmp_path):
    stories = json.loads((FOLDER / "pubannotation.json").read_text("utf8"))
    for number, document in enumerate(stories):
        write_json(tmp_path / f"story-{number}.json", document)
    assert guess_format(tmp_path).name == "pubannotation"
    assert_is_the_story(read_pubannotation(tmp_path))


def test_broken_file_of_a_folder_is_skipped(tmp_path):
    write_json(tmp_path / "1.json", DOCUMENT)
    (tmp_path / "2.json").write_text("[oops", encoding="utf8")
    skipped = []
    assert len(list(read_pubannotation(tmp_path, skip=skipped.append))) == 1
    assert [left.reason.startswith("[J604]") for left in skipped] == [True]


def test_folder_without_json_raises(tmp_path):
    with pytest.raises(ValueError, match="J602"):
        list(read_pubannotation(tmp_path))


def test_names_of_old_files_are_read(tmp_path):
    old = {
        "text": DOCUMENT["text"],
        "catanns": [
            {"id": d["id"], "span": d["span"], "category": d["obj"]}
            for d in DOCUMENT["denotations"]
        ],
        "relanns": [
            {"id": r["id"], "type": r["pred"], "subject": r["subj"], "object": r["obj"]}
            for r in DOCUMENT["relations"]
        ],
    }
    assert read(tmp_path, old) == read(tmp_path, DOCUMENT)


def test_single_track_is_read(tmp_path):
    rows = {name: DOCUMENT[name] for name in ("denotations", "relations")}
    tracks = {"text": DOCUMENT["text"], "tracks": [{"project": "menu", **rows}]}
    (record,) = read(tmp_path, tracks)
    assert record.relations == read(tmp_path, DOCUMENT)[0].relations
    assert record.meta == {"project": "menu"}


def test_several_tracks_raise_with_their_projects(tmp_path):
    tracks = [{"project": "menu"}, {"project": "staff"}]
    with pytest.raises(ValueError, match=r"J669.*record 0.*menu, staff"):
        read(tmp_path, {"text": "Oslo", "tracks": tracks})


def test_denotations_without_id_are_read(tmp_path):
    document = {"text": "Oslo", "denotations": [denotation("", 0, 4, "LOC")] * 1}
    del document["denotations"][0]["id"]
    (record,) = read(tmp_path, document)
    assert record.entities == (EntityRecord(0, 4, "LOC"),)


@pytest.mark.parametrize("name", ["modifications", "attributes"])
def test_other_annotations_are_reported_and_kept_as_meta(tmp_path, name):
    others = [{"id": "A1", "pred": "Negation", "subj": "R1", "obj": "R1"}]
    record, left_out = read_faulty(tmp_path, {**DOCUMENT, name: others})
    assert left_out == [(name[:-1], f"records have no {name}")]
    assert record.meta == {name: others}


# discontinuous entities


SPLIT = changed(
    DOCUMENT,
    ["denotations", 1, "span"],
    [{"begin": 19, "end": 24}, {"begin": 33, "end": 37}],
)


def test_discontinuous_entity_is_left_out_with_its_relations(tmp_path):
    record, left_out = read_faulty(tmp_path, SPLIT)
    assert len(record.entities) == 2
    assert left_out == [
        ("entity", DISCONTINUOUS),
        *[("relation", LOST_ARGUMENT)] * 2,
    ]


def test_discontinuous_entity_can_be_covered(tmp_path):
    record, left_out = read_faulty(tmp_path, SPLIT, discontinuous="cover")
    assert record.entities[1] == EntityRecord(19, 37, "ORG")
    assert left_out == []


def test_pieces_with_only_whitespace_between_them_are_one_span(tmp_path):
    pieces = [{"begin": 25, "end": 29}, {"begin": 19, "end": 24}]
    (record,) = read(tmp_path, changed(SPLIT, ["denotations", 1, "span"], pieces))
    assert record.entities[1] == EntityRecord(19, 29, "ORG")


# broken rows


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["text"], ABSENT, "record 0", "text"),
        (["denotations"], {"a": 1}, "record 0", "denotations"),
        (["denotations", 1], None, "record 0, denotation 1", "obj"),
        (["denotations", 1, "span"], ABSENT, "record 0, denotation 1", "span"),
        (["denotations", 1, "span"], [], "record 0, denotation 1", "span"),
        (["denotations", 1, "span", "end"], "9a", "record 0, denotation 1", "end"),
        (["denotations", 1, "obj"], "", "record 0, denotation 1", "label"),
        (["relations"], "x", "record 0", "relations"),
        (["relations", 0, "pred"], None, "record 0, relation 0", "pred"),
        (["relations", 0, "subj"], [1], "record 0, relation 0", "subj"),
        (["relations", 0, "obj"], "T9", "record 0, relation 0", "tail"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(tmp_path, changed(DOCUMENT, keys, value))
    assert f"{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "value", "causes"),
    [
        (["denotations", 2, "span", "end"], 99, [OUTSIDE, LOST_ARGUMENT]),
        (["denotations", 2, "span", "begin"], -1, [OUTSIDE, LOST_ARGUMENT]),
        (["denotations", 2, "span"], {"begin": 9, "end": 10}, [BLANK, LOST_ARGUMENT]),
        (["denotations", 2, "id"], "T2", [REPEATED_ID, UNKNOWN_ARGUMENT]),
        (["denotations", 2, "obj"], None, [BROKEN_ROW, LOST_ARGUMENT]),
        (["relations", 1, "obj"], None, [BROKEN_ROW]),
        (["relations", 1, "obj"], "R1", [UNKNOWN_ARGUMENT]),
    ],
)
def test_broken_row_costs_only_itself_and_its_relations(tmp_path, keys, value, causes):
    record, left_out = read_faulty(tmp_path, changed(DOCUMENT, keys, value))
    assert record.relations == (RelationRecord(0, 1, "works_for"),)
    assert [cause for _, cause in left_out] == causes


def test_whitespace_at_the_edges_of_entities_is_removed(tmp_path):
    document = changed(DOCUMENT, ["denotations", 0, "span", "end"], 10)
    (record,) = read(tmp_path, document)
    assert (record.entities[0].end, record.trimmed) == (9, 1)


def test_broken_document_reports_its_annotation(tmp_path):
    skipped = []
    broken = changed(DOCUMENT, ["text"], None)
    assert len(read(tmp_path, DOCUMENT, broken, skip=skipped.append)) == 1
    assert [(left.entities, left.relations) for left in skipped] == [(3, 2)]


# any file

FAULTS = {
    "outside": lambda rng, d: rng.choice(d["denotations"])["span"].update(end=99),
    "blank": lambda rng, d: d["denotations"][0].update(span={"begin": 9, "end": 10}),
    "edge": lambda rng, d: d["denotations"][0].update(span={"begin": 0, "end": 10}),
    "null": lambda rng, d: rng.choice(d["denotations"]).update(obj=None),
    "same id": lambda rng, d: rng.choice(d["denotations"]).update(id="T1"),
    "no row": lambda rng, d: d["denotations"].append(None),
    "gaps": lambda rng, d: d["denotations"][1].update(
        span=[{"begin": 19, "end": 24}, {"begin": 33, "end": 37}]
    ),
    "again": lambda rng, d: d["denotations"].append(copy.deepcopy(d["denotations"][0])),
    "dangling": lambda rng, d: rng.choice(d["relations"]).update(obj="T9"),
    "null relation": lambda rng, d: rng.choice(d["relations"]).update(subj=None),
    "no relation": lambda rng, d: d["relations"].append([]),
    "no text": lambda rng, d: d.update(text=None),
}


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    documents = with_faults(rng, [DOCUMENT] * 3, _safe(FAULTS), rng.randint(0, 6))
    path = write_json(tmp_path_factory.mktemp("pub") / "menu.json", documents)
    assert read_and_reported(read_pubannotation, path) == Counts(
        3,
        sum(len(document["denotations"]) for document in documents),
        sum(len(document["relations"]) for document in documents),
    )


def _safe(faults):
    """Faults that are ignored if an earlier one has removed what they change."""

    def apply(fault):
        def run(rng, document):
            with suppress(AttributeError, TypeError):
                fault(rng, document)

        return run

    return {name: apply(fault) for name, fault in faults.items()}


ODD = [None, True, -1, 3, 1.5, 10**30, "", "T1", "\ud800", [], {}, [[]], {"id": 3}]


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_gives_a_record_or_a_coded_error(tmp_path_factory, seed):
    rng = random.Random(seed)
    documents = copy.deepcopy([DOCUMENT, DOCUMENT])
    put_unexpected_value(rng, documents, ODD)
    path = write_json(tmp_path_factory.mktemp("pub") / "menu.json", documents)
    skipped = []
    records = list(read_pubannotation(path, skip=skipped.append))
    assert len(records) + len(skipped) == 2
    assert all(left.reason.startswith("[J") for left in skipped)
