import copy
import gzip
import json
import random
from contextlib import suppress
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.bioc import (
    MANY_ARGUMENTS,
    NO_LOCATION,
    RELATION_ARGUMENT,
    read_bioc,
)
from spacy_jre.corpora.formats.biomedical import (
    DISCONTINUOUS,
    UNKNOWN_CONCEPT,
)
from spacy_jre.corpora.rows import (
    BLANK,
    BROKEN_ROW,
    LOST_ARGUMENT,
    OTHER_TEXT,
    OUTSIDE,
    REPEATED_ID,
    UNKNOWN_ARGUMENT,
)

from ...conftest import write_json
from ..counts import (
    Counts,
    assert_corrupted_file_is_read_or_coded,
    read_and_reported,
    with_faults,
)
from ..mutations import ABSENT, changed, put_unexpected_value
from ..story import FOLDER, assert_is_the_story


def annotation(key, text, offset, label, **infons):
    return {
        "id": key,
        "infons": {"type": label, **infons},
        "text": text,
        "locations": [{"offset": offset, "length": len(text)}],
    }


def relation(key, label, *nodes, **infons):
    return {
        "id": key,
        "infons": {"type": label, **infons},
        "nodes": [{"refid": name, "role": role} for name, role in nodes],
    }


TITLE, ABSTRACT = "Clavoxil and hives.", "Hives are rare. Clavoxil caused tremor."
DOCUMENT = {
    "id": "7",
    "infons": {"year": "2020"},
    "passages": [
        {
            "offset": 0,
            "infons": {"section": "title"},
            "text": TITLE,
            "annotations": [
                annotation("T1", "Clavoxil", 0, "Drug", MESH="D1"),
                annotation("T2", "hives", 13, "Effect", MESH="E1"),
            ],
            "relations": [relation("R1", "causes", ("T1", "Arg1"), ("T2", "Arg2"))],
        },
        {
            "offset": 20,
            "text": ABSTRACT,
            "annotations": [
                annotation("T3", "Clavoxil", 36, "Drug", MESH="D1"),
                annotation("T4", "tremor", 52, "Effect", MESH="E2"),
            ],
            "relations": [relation("R2", "causes", ("T3", "Arg1"), ("T4", "Arg2"))],
        },
    ],
    "relations": [relation("R3", "causes", ("T1", "Arg1"), ("T4", "Arg2"))],
}
FIRST = ["passages", 0, "annotations", 0]
THIRD = ["passages", 1, "annotations", 0]
FOURTH = ["passages", 1, "annotations", 1]


def to_xml(value, tag="document"):
    """The XML of a document in its JSON form."""
    attributes, children = "", ""
    for name, item in value.items():
        if name == "infons":
            children += "".join(
                f"<infon key={quoteattr(key)}>{escape(text)}</infon>"
                for key, text in item.items()
            )
        elif isinstance(item, list):
            children += "".join(to_xml(child, name[:-1]) for child in item)
        elif tag in ("location", "node") or (name == "id" and tag != "document"):
            attributes += f" {name}={quoteattr(str(item))}"
        else:
            children += f"<{name}>{escape(str(item))}</{name}>"
    return f"<{tag}{attributes}>{children}</{tag}>"


def put_xml(path, *documents, declaration='<!DOCTYPE collection SYSTEM "BioC.dtd">'):
    body = "\n".join(map(to_xml, documents))
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?>{declaration}<collection>'
        f"<source>menu</source><date/><key/>{body}</collection>",
        encoding="utf8",
    )
    return path


def put_json(path, *documents):
    return write_json(path, {"source": "menu", "documents": list(documents)})


def read(tmp_path, *documents, **options):
    return list(read_bioc(put_json(tmp_path / "menu.json", *documents), **options))


def read_faulty(tmp_path, document, **options):
    (record,) = read(tmp_path, document, skip=lambda left_out: None, **options)
    return record, [(left.kind, left.cause) for left in record.left_out]


def forms(record):
    return [record.text[entity.start : entity.end] for entity in record.entities]


def triples(record):
    texts = forms(record)
    return [(texts[r.head], r.label, texts[r.tail]) for r in record.relations]


def one(*annotations, relations=(), text=f"{TITLE} {ABSTRACT}", offset=0):
    """A document with one passage."""
    passage = {"offset": offset, "text": text, "annotations": list(annotations)}
    return {"id": "8", "passages": [{**passage, "relations": list(relations)}]}


def test_story_is_read():
    assert_is_the_story(read_bioc(FOLDER / "bioc.xml"))


@pytest.mark.parametrize("put", [put_xml, put_json])
def test_document_is_read(tmp_path, put):
    annotations = [row for p in DOCUMENT["passages"] for row in p["annotations"]]
    assert list(read_bioc(put(tmp_path / "menu", DOCUMENT))) == [
        Record(
            text=f"{TITLE}\n{ABSTRACT}",
            entities=(
                EntityRecord(0, 8, "Drug"),
                EntityRecord(13, 18, "Effect"),
                EntityRecord(36, 44, "Drug"),
                EntityRecord(52, 58, "Effect"),
            ),
            # those of the document come first
            relations=(
                RelationRecord(0, 3, "causes"),
                RelationRecord(0, 1, "causes"),
                RelationRecord(2, 3, "causes"),
            ),
            document="7",
            meta={
                "bioc": {
                    "infons": {"year": "2020"},
                    "passages": [{"section": "title"}],
                    "annotations": [
                        {"id": row["id"], "infons": row["infons"]}
                        for row in annotations
                    ],
                    "relations": [
                        {"id": name, "infons": {"type": "causes"}}
                        for name in ("R3", "R1", "R2")
                    ],
                }
            },
        )
    ]


@pytest.mark.parametrize(
    "pack",
    [
        pytest.param(lambda a, b: json.dumps({"documents": [a, b]}), id="collection"),
        pytest.param(
            lambda a, b: json.dumps({"documents": [a, b]}, indent=1), id="indented"
        ),
        pytest.param(lambda a, b: json.dumps([{"documents": [a, b]}]), id="list"),
        pytest.param(lambda a, b: json.dumps({"PubTator3": [a, b]}), id="PubTator3"),
        pytest.param(lambda a, b: f"{json.dumps(a)}\n{json.dumps(b)}\n", id="lines"),
    ],
)
def test_layouts_of_json_are_read(tmp_path, pack):
    path = tmp_path / "menu.json"
    path.write_text(pack(DOCUMENT, {**DOCUMENT, "id": 8}), encoding="utf8")
    assert guess_format(path).name == "bioc"
    assert [record.document for record in read_bioc(path)] == ["7", "8"]


@pytest.mark.parametrize("put", [put_xml, put_json])
def test_files_of_a_folder_are_read(tmp_path, put):
    for name in ("1", "2"):
        suffix = "xml" if put is put_xml else "json"
        put(tmp_path / f"{name}.{suffix}", {**DOCUMENT, "id": name})
    (tmp_path / "BioC.dtd").touch()
    assert guess_format(tmp_path).name == "bioc"
    assert [record.document for record in read_bioc(tmp_path)] == ["1", "2"]


def test_gzip_file_is_read(tmp_path):
    path = tmp_path / "menu.xml.gz"
    path.write_bytes(
        gzip.compress(put_xml(tmp_path / "menu.xml", DOCUMENT).read_bytes())
    )
    assert guess_format(path).name == "bioc"
    assert list(read_bioc(path)) == list(read_bioc(tmp_path / "menu.xml"))


def test_format_of_xml_on_one_line_is_guessed(tmp_path):
    path = put_xml(tmp_path / "menu", DOCUMENT, declaration="")
    assert guess_format(path).name == "bioc"


def test_xml_with_sentences_is_not_guessed_as_ddi(tmp_path):
    sentence = {"offset": 0, "text": "Rain."}
    document = {"id": "1", "passages": [{"offset": 0, "sentences": [sentence]}]}
    path = tmp_path / "menu.xml"
    put_xml(path, document)
    path.write_text(path.read_text("utf8").replace("><", ">\n<"), encoding="utf8")
    assert guess_format(path).name == "bioc"


# text and offsets


def test_text_of_sentences_is_read_with_their_boundaries(tmp_path):
    sentences = [
        {
            "offset": 0,
            "text": "Ada sings.",
            "annotations": [annotation("a", "Ada", 0, "P")],
        },
        {
            "offset": 11,
            "text": "Bo cooks.",
            "annotations": [annotation("b", "Bo", 11, "P")],
        },
    ]
    more = {"offset": 21, "sentences": [{"offset": 21, "text": "Rain."}]}
    rows = [relation("R", "knows", ("a", ""), ("b", ""))]
    passages = [{"offset": 0, "sentences": sentences}, more]
    (record,) = read(tmp_path, {"id": 1, "passages": passages, "relations": rows})
    assert record.text == "Ada sings. Bo cooks.\nRain."
    assert record.sentences == ((0, 10), (11, 20), (21, 26))
    assert triples(record) == [("Ada", "knows", "Bo")]


def test_gap_between_passages_is_one_line_break(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    document["passages"][1]["offset"] = 10**9
    for row in document["passages"][1]["annotations"]:
        row["locations"][0]["offset"] += 10**9 - 20
    (record,) = read(tmp_path, document)
    assert record == read(tmp_path, DOCUMENT)[0]


def test_passages_without_a_gap_are_on_separate_lines(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    document["passages"][1]["offset"] = 19
    for row in document["passages"][1]["annotations"]:
        row["locations"][0]["offset"] -= 1
    (record,) = read(tmp_path, document)
    assert record == read(tmp_path, DOCUMENT)[0]


def test_line_break_in_a_passage_is_kept(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    document["passages"][0]["text"] += "\n"
    assert read(tmp_path, document) == read(tmp_path, DOCUMENT)


@pytest.mark.parametrize(
    ("encoding", "unit"), [("utf-32-le", 4), ("utf8", 1), ("utf-16-le", 2)]
)
@pytest.mark.parametrize("relative", [False, True])
def test_unit_of_the_offsets_is_found_by_the_texts(tmp_path, encoding, unit, relative):
    first, second = "A \U0001f35e in the caf\xe9.", "Caf\xe9: Ada met \U0001f35e Bo."

    def size(text):
        return len(text.encode(encoding)) // unit

    passages, start = [], 0
    for text, form in ((first, "in"), (second, "Bo")):
        offset = size(text[: text.index(form)]) + start * (not relative)
        row = annotation(form, form, offset, "X")
        passages.append({"offset": start, "text": text, "annotations": [row]})
        start += size(text) + 1
    (record,) = read(tmp_path, {"id": 1, "passages": passages})
    assert forms(record) == ["in", "Bo"]


def test_annotation_of_the_document_is_found_in_its_passage(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    document["annotations"] = document["passages"][1].pop("annotations")
    (record,) = read(tmp_path, document)
    assert sorted(forms(record)) == ["Clavoxil", "Clavoxil", "hives", "tremor"]
    assert record.left_out == ()


def test_annotation_can_be_across_passages(tmp_path):
    row = {**annotation("T", "hives. Hives", 13, "X"), "text": "hives.Hives"}
    (record,) = read(tmp_path, {**DOCUMENT, "annotations": [row]})
    assert "hives.\nHives" in forms(record)


@pytest.mark.parametrize("text", ["CLAVOXIL", " Clavoxil\n", "", None])
def test_text_with_other_case_or_whitespace_is_accepted(tmp_path, text):
    row = {**annotation("T", "Clavoxil", 0, "X"), "text": text}
    (record,) = read(tmp_path, one(row))
    assert forms(record) == ["Clavoxil"]


# discontinuous entities

SPLIT = {
    **annotation("T", "", 0, "Effect"),
    "text": "Clavoxil ... tremor",
    "locations": [{"offset": 0, "length": 8}, {"offset": 52, "length": 6}],
}


def test_discontinuous_entity_is_left_out_with_its_relations(tmp_path):
    rows = [relation("R", "x", ("T", ""), ("U", ""))]
    document = one(SPLIT, annotation("U", "hives", 13, "X"), relations=rows)
    record, left_out = read_faulty(tmp_path, document)
    assert forms(record) == ["hives"]
    assert left_out == [("entity", DISCONTINUOUS), ("relation", LOST_ARGUMENT)]


def test_discontinuous_entity_can_be_covered(tmp_path):
    (record,) = read(tmp_path, one(SPLIT), discontinuous="cover")
    assert record.entities == (EntityRecord(0, 58, "Effect"),)


# labels


@pytest.mark.parametrize(
    ("infons", "label"),
    [
        ({"type": "Drug", "MESH": "D1"}, "Drug"),
        ({"Type": "Drug"}, "Drug"),
        ({"entity_type": "Drug", "note": "x"}, "Drug"),
        ({"class": "Drug", "note": "x"}, "Drug"),
        ({"anything": "Drug"}, "Drug"),
    ],
)
def test_label_of_an_entity(tmp_path, infons, label):
    row = {**annotation("T", "Clavoxil", 0, ""), "infons": infons}
    (record,) = read(tmp_path, one(row))
    assert [entity.label for entity in record.entities] == [label]


@pytest.mark.parametrize(
    ("infons", "label"),
    [
        ({"type": "treats"}, "treats"),
        ({"relation type": "treats", "type": "Relation"}, "treats"),
        ({"relation": "treats", "note": "x"}, "treats"),
        ({"PTM_type": "treats"}, "treats"),
    ],
)
def test_label_of_a_relation(tmp_path, infons, label):
    row = {**relation("R", "", ("T1", ""), ("T2", "")), "infons": infons}
    rows = DOCUMENT["passages"][0]["annotations"]
    (record,) = read(tmp_path, one(*rows, relations=[row]))
    assert triples(record) == [("Clavoxil", label, "hives")]


# relations


@pytest.mark.parametrize(
    ("first", "second", "swapped"),
    [
        ("Arg1", "Arg2", False),
        ("Arg2", "Arg1", True),
        ("subject", "object", False),
        ("Object", "Subject", True),
        ("target", "source", True),
        ("Disease", "Chemical", True),
        ("Theme", "Cause", True),
        ("Disease", "Gene", True),
        ("Gene", "Chemical", True),
        ("left", "right", False),
        ("", "", False),
        ("Chemical", "Chemical", False),
    ],
)
def test_roles_define_head_and_tail(tmp_path, first, second, swapped):
    rows = DOCUMENT["passages"][0]["annotations"]
    link = relation("R", "x", ("T1", first), ("T2", second))
    (record,) = read(tmp_path, one(*rows, relations=[link]))
    assert record.relations == (RelationRecord(int(swapped), int(not swapped), "x"),)


def test_ids_that_occur_in_several_passages_refer_to_the_same_passage(tmp_path):
    document = copy.deepcopy(DOCUMENT)
    del document["relations"]
    for passage in document["passages"]:
        for number, row in enumerate(passage["annotations"]):
            row["id"] = str(number)
        passage["relations"] = [relation("R", "causes", ("0", ""), ("1", ""))]
    (record,) = read(tmp_path, document)
    assert record.relations == (
        RelationRecord(0, 1, "causes"),
        RelationRecord(2, 3, "causes"),
    )


@pytest.mark.parametrize(
    ("link", "cause"),
    [
        (relation("R9", "x", ("T1", ""), ("T3", ""), ("T4", "")), MANY_ARGUMENTS),
        (relation("R9", "x", ("T1", "")), MANY_ARGUMENTS),
        (relation("R9", "x"), MANY_ARGUMENTS),
        (relation("R9", "x", ("T1", ""), ("R1", "")), RELATION_ARGUMENT),
    ],
)
def test_relation_that_records_do_not_support_is_reported(tmp_path, link, cause):
    document = {**DOCUMENT, "relations": [link]}
    (record,) = read(tmp_path, document)
    assert len(record.relations) == 2
    assert [(x.kind, x.cause, x.broken) for x in record.left_out] == [
        ("relation", cause, False)
    ]


def test_annotation_without_a_location_is_reported_with_its_relations(tmp_path):
    topic = {"id": "T9", "infons": {"type": "Topic"}, "text": "", "locations": []}
    document = {
        **DOCUMENT,
        "annotations": [topic],
        "relations": [relation("R", "about", ("T1", ""), ("T9", ""))],
    }
    (record,) = read(tmp_path, document)
    assert [(left.kind, left.cause) for left in record.left_out] == [
        ("annotation", NO_LOCATION),
        ("relation", LOST_ARGUMENT),
    ]


# relations between concepts


@pytest.mark.parametrize(
    "link",
    [
        pytest.param(
            {"infons": {"relation": "causes", "Chemical": "D1", "Disease": "E2"}},
            id="BC5CDR",
        ),
        pytest.param(
            {"infons": {"Disease": "E2", "Chemical": "D1", "relation": "causes"}},
            id="tail first",
        ),
        pytest.param(
            {
                "infons": {
                    "entity1": "D1",
                    "entity2": "E2",
                    "type": "causes",
                    "novel": "No",
                }
            },
            id="BioRED",
        ),
        pytest.param(
            {
                "infons": {
                    "role1": "Drug|MESH:D1",
                    "role2": "Effect|MESH:E2",
                    "type": "causes",
                },
                "nodes": [{"refid": "0", "role": "0,1"}, {"refid": "1", "role": "2,1"}],
            },
            id="PubTator XML",
        ),
        pytest.param(
            {
                "infons": {
                    "role1": {"type": "Drug", "identifier": "MESH:D1"},
                    "role2": {"type": "Effect", "identifier": "MESH:E2"},
                    "type": "causes",
                },
                "nodes": [{"refid": "0", "role": "0,1"}],
            },
            id="PubTator JSON",
        ),
        pytest.param(
            {"infons": {"type": "causes", "a": "D1", "b": "E2"}}, id="any name"
        ),
    ],
)
def test_relation_between_concepts_is_between_the_nearest_mentions(tmp_path, link):
    (record,) = read(tmp_path, {**DOCUMENT, "relations": [{"id": "R9", **link}]})
    assert record.relations[0] == RelationRecord(2, 3, "causes")
    assert record.left_out == ()


def test_relation_between_concepts_can_be_between_all_mentions(tmp_path):
    link = {"id": "R9", "infons": {"type": "x", "entity1": "D1", "entity2": "E2"}}
    (record,) = read(tmp_path, {**DOCUMENT, "relations": [link]}, repeats="all")
    assert record.relations[:2] == (
        RelationRecord(0, 3, "x"),
        RelationRecord(2, 3, "x"),
    )
    assert [row["id"] for row in record.meta["bioc"]["relations"]][:2] == ["R9", "R9"]


def test_relation_to_a_concept_without_a_mention_is_reported(tmp_path):
    link = {"id": "R9", "infons": {"type": "x", "entity1": "D1", "entity2": "E7"}}
    (record,) = read(tmp_path, {**DOCUMENT, "relations": [link]})
    assert [(left.cause, left.broken) for left in record.left_out] == [
        (UNKNOWN_CONCEPT, False)
    ]


# broken rows


@pytest.mark.parametrize(
    ("keys", "value", "where", "field"),
    [
        (["passages"], ABSENT, "", "passages"),
        (["passages"], {}, "", "passages"),
        (["passages", 0], None, ", passage 0", "offset"),
        (["passages", 0, "offset"], ABSENT, ", passage 0", "offset"),
        (["passages", 0, "offset"], "x", ", passage 0", "offset"),
        (["passages", 0, "text"], 5, ", passage 0", "text"),
        (["passages", 0, "sentences"], 5, ", passage 0", "sentences"),
        (["passages", 0, "sentences"], [5], ", passage 0, sentence 0", "sentence"),
        (["passages", 0, "annotations"], "x", ", passage 0", "annotations"),
        (["passages", 0, "annotations", 0], 5, ", passage 0, annotation 0", "infons"),
        ([*FIRST, "infons"], {}, ", passage 0, annotation 0", "infons"),
        ([*FIRST, "locations"], 5, ", passage 0, annotation 0", "locations"),
        ([*FIRST, "locations", 0], 5, ", passage 0, annotation 0", "offset"),
        (["relations", 0, "nodes"], 5, ", relation 0", "nodes"),
        (["relations", 0, "nodes", 1], 5, ", relation 0, node 1", "refid"),
        (["relations", 0, "infons"], ABSENT, ", relation 0", "infons"),
    ],
)
def test_broken_field_is_reported_with_location(tmp_path, keys, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(tmp_path, changed(DOCUMENT, keys, value))
    assert f"line 1{where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize(
    ("keys", "value", "causes"),
    [
        ([*THIRD, "locations", 0, "length"], 99, [OUTSIDE, LOST_ARGUMENT]),
        ([*THIRD, "locations", 0, "offset"], 990, [OUTSIDE, LOST_ARGUMENT]),
        ([*THIRD, "locations", 0, "length"], 0, [OUTSIDE, LOST_ARGUMENT]),
        ([*THIRD, "locations", 0, "offset"], 37, [OTHER_TEXT, LOST_ARGUMENT]),
        ([*THIRD, "infons", "type"], "", [BROKEN_ROW, LOST_ARGUMENT]),
        ([*THIRD, "id"], "T4", [REPEATED_ID, UNKNOWN_ARGUMENT]),
        (["passages", 1, "relations", 0, "infons", "type"], None, [BROKEN_ROW]),
        (["passages", 1, "relations", 0, "nodes", 0, "refid"], "x", [UNKNOWN_ARGUMENT]),
    ],
)
def test_broken_row_costs_only_itself_and_its_relations(tmp_path, keys, value, causes):
    record, left_out = read_faulty(tmp_path, changed(DOCUMENT, keys, value))
    assert len(record.relations) == 2
    assert sorted(cause for _, cause in left_out) == sorted(causes)


def test_entity_of_whitespace_is_left_out(tmp_path):
    row = {**annotation("T", " ", 8, "X"), "text": ""}
    _, left_out = read_faulty(tmp_path, one(row))
    assert left_out == [("entity", BLANK)]


def test_broken_document_reports_its_annotation(tmp_path):
    skipped = []
    broken = changed(DOCUMENT, ["passages", 0, "text"], 5)
    assert len(read(tmp_path, DOCUMENT, broken, skip=skipped.append)) == 1
    assert [(left.entities, left.relations) for left in skipped] == [(4, 3)]


def test_documents_before_invalid_xml_are_read(tmp_path):
    path = put_xml(tmp_path / "menu.xml", DOCUMENT, DOCUMENT)
    path.write_text(path.read_text("utf8")[:-60], encoding="utf8")
    skipped = []
    assert len(list(read_bioc(path, skip=skipped.append))) == 1
    (left_out,) = skipped
    assert left_out.reason.startswith(f"[J675] {path}, line 2: ")


def test_xml_without_documents_raises(tmp_path):
    with pytest.raises(ValueError, match="J602"):
        list(read_bioc(put_xml(tmp_path / "menu.xml")))


@pytest.mark.parametrize(("name", "code"), [("", "J602"), ("none.xml", "J601")])
def test_folder_without_files_and_missing_file_raise(tmp_path, name, code):
    with pytest.raises(ValueError, match=code):
        list(read_bioc(tmp_path / name))


def test_documents_before_the_end_of_a_cut_gzip_file_are_read(tmp_path):
    path = put_xml(tmp_path / "menu.xml", *[DOCUMENT] * 200)
    path.write_bytes(gzip.compress(path.read_bytes(), 0)[:-20_000])
    skipped = []
    records = list(read_bioc(path, skip=skipped.append))
    assert 100 < len(records) < 200
    assert [left.reason[:6] for left in skipped] == ["[J665]"]


# any file


def _rows(rng, document, name):
    return rng.choice(document["passages"])[name]


FAULTS = {
    "outside": lambda rng, d: rng.choice(_rows(rng, d, "annotations"))["locations"][
        0
    ].update(length=99),
    "moved": lambda rng, d: rng.choice(_rows(rng, d, "annotations"))["locations"][
        0
    ].update(offset=1),
    "no label": lambda rng, d: rng.choice(_rows(rng, d, "annotations")).update(
        infons={}
    ),
    "no row": lambda rng, d: _rows(rng, d, "annotations").append(None),
    "again": lambda rng, d: _rows(rng, d, "annotations").append(
        copy.deepcopy(d["passages"][0]["annotations"][0])
    ),
    "gaps": lambda rng, d: rng.choice(_rows(rng, d, "annotations"))["locations"].append(
        {"offset": 20, "length": 5}
    ),
    "dangling": lambda rng, d: _rows(rng, d, "relations")[0]["nodes"][0].update(
        refid="x"
    ),
    "null": lambda rng, d: _rows(rng, d, "relations")[0].update(nodes=None),
    "many": lambda rng, d: _rows(rng, d, "relations")[0]["nodes"].append(None),
    "no relation": lambda rng, d: _rows(rng, d, "relations").append([]),
    "concepts": lambda rng, d: _rows(rng, d, "relations").append(
        {"infons": {"type": "x", "entity1": "D1", "entity2": rng.choice(["E1", "E9"])}}
    ),
    "no text": lambda rng, d: d["passages"][0].update(text=5),
}


def apply_if_possible(fault):
    def run(rng, document):
        # an earlier fault can have removed what this one changes
        with suppress(AttributeError, TypeError, KeyError, IndexError):
            fault(rng, document)

    return run


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_annotation_is_read_or_reported(tmp_path_factory, seed):
    rng = random.Random(seed)
    faults = {name: apply_if_possible(fault) for name, fault in FAULTS.items()}
    documents = with_faults(rng, [DOCUMENT] * 3, faults, rng.randint(0, 6))
    path = put_json(tmp_path_factory.mktemp("bioc") / "menu.json", *documents)
    passages = [passage for d in documents for passage in d["passages"]]
    assert read_and_reported(read_bioc, path) == Counts(
        3,
        sum(len(passage["annotations"]) for passage in passages),
        sum(len(passage["relations"]) for passage in passages) + 3,
    )


ODD = [None, True, -1, 3, 1.5, 10**30, "", "T1", "\ud800", [], {}, [[]], {"id": 3}]


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_unexpected_value_gives_a_record_or_a_coded_error(tmp_path_factory, seed):
    rng = random.Random(seed)
    documents = copy.deepcopy([DOCUMENT, DOCUMENT])
    put_unexpected_value(rng, documents, ODD)
    path = put_json(tmp_path_factory.mktemp("bioc") / "menu.json", *documents)
    skipped = []
    records = list(read_bioc(path, skip=skipped.append))
    assert len(records) + len(skipped) == 2
    assert all(left.reason.startswith("[J") for left in skipped)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(0, 10**9))
def test_corrupted_bytes_give_records_or_coded_errors(tmp_path_factory, seed):
    path = tmp_path_factory.mktemp("bioc") / "menu.xml"
    data = (FOLDER / "bioc.xml").read_bytes()
    assert_corrupted_file_is_read_or_coded(
        read_bioc, path, data, seed, changes=1, code="J6"
    )
