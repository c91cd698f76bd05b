import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.annotations.records import word_offsets
from spacy_jre.corpora.formats.spert_json import (
    read_spert_json,
    write_spert_json,
)
from spacy_jre.corpora.rows import BROKEN_ROW, LOST_ARGUMENT

from ...conftest import SHARED, write_json
from ..mutations import ABSENT, changed
from ..story import FOLDER, assert_is_the_story

SENTENCES = [
    {
        "tokens": ["Ada", "Quint", "cooks", "in", "Oslo", "."],
        "entities": [
            {"type": "PER", "start": 0, "end": 2},
            {"type": "LOC", "start": 4, "end": 5},
        ],
        "relations": [{"type": "lives_in", "head": 0, "tail": 1}],
        "orig_id": 7,
    },
    {
        "tokens": ["Nils", "owns", "Fjordline"],
        "entities": [
            {"type": "PER", "start": 0, "end": 1},
            {"type": "ORG", "start": 2, "end": 3},
        ],
        "relations": [{"type": "works_for", "head": 0, "tail": 1}],
    },
]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.json"


def read(path):
    return list(read_spert_json(path))


def test_story_is_read():
    assert_is_the_story(read(FOLDER / "spert.json"))


def test_first_sentence_is_read(path):
    first, _ = read(write_json(path, SENTENCES))
    assert first == Record(
        text="Ada Quint cooks in Oslo .",
        entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
        relations=(RelationRecord(0, 1, "lives_in"),),
        words=("Ada", "Quint", "cooks", "in", "Oslo", "."),
        source=f"{path}, line 1, record 0",
        meta={"orig_id": 7},
    )


def test_sentences_keep_their_order(path):
    records = read(write_json(path, SENTENCES))
    assert [r.text for r in records] == [" ".join(s["tokens"]) for s in SENTENCES]


def test_other_fields_of_a_sentence_become_meta(path):
    _, second = read(write_json(path, [SENTENCES[0], {**SENTENCES[1], "page": "A1"}]))
    assert second.meta == {"page": "A1"}


def test_one_sentence_per_line_is_read(path):
    path.write_text("\n".join(map(json.dumps, SENTENCES)), encoding="utf8")
    first, second = read(path)
    assert [first, second] == read(write_json(path.with_name("list"), SENTENCES))
    assert second.source == f"{path}, line 2"


@pytest.mark.parametrize("document", ["D1", "", None])
def test_document_is_not_in_meta(path, document):
    (record,) = read(write_json(path, [{**SENTENCES[0], "document": document}]))
    assert (record.document, record.meta) == (document, {"orig_id": 7})


def test_sentence_without_tokens_is_an_empty_record(path):
    nothing = {"tokens": [], "entities": [], "relations": []}
    (record,) = read(write_json(path, [nothing]))
    assert (record.text, record.words, record.entities) == ("", (), ())


def test_missing_file_raises(path):
    with pytest.raises(ValueError, match=r"J601.*story\.json"):
        read(path)


def test_broken_json_raises_with_its_line(path):
    good = '{"tokens": [], "entities": [], "relations": []}'
    path.write_text(f'[\n{good},\n{{"tokens": oops}}\n]', encoding="utf8")
    with pytest.raises(ValueError, match=r"J604.*story\.json, line 3"):
        read(path)


def test_file_that_is_not_utf8_raises(path):
    path.write_bytes('[{"tokens": ["Tromsø"]}]'.encode("latin1"))
    with pytest.raises(ValueError, match=r"J668.*story\.json, line 1"):
        read(path)


def test_byte_that_is_not_utf8_raises_with_its_line(path):
    path.write_bytes('[\n{"tokens":\n["Tromsø"]}]'.encode("latin1"))
    with pytest.raises(ValueError, match=r"J668.*story\.json, line 3"):
        read(path)


def test_empty_list_raises(path):
    with pytest.raises(ValueError, match=r"J602.*story\.json"):
        read(write_json(path, []))


@pytest.mark.parametrize("value", [{}, "text", 3, None])
def test_file_with_another_value_raises(path, value):
    with pytest.raises(ValueError, match=r"J605.*story\.json, line 1: field 'tokens'"):
        read(write_json(path, value))


@pytest.mark.parametrize("value", [[], "text", 3, None])
def test_sentence_must_be_an_object(path, value):
    with pytest.raises(ValueError, match=r"J605.*story\.json, line 1, record 1:"):
        read(write_json(path, [SENTENCES[0], value]))


def broken(offsets, value):
    """The sentences, with another value (or a missing key) in the second one."""
    return changed(SENTENCES, (1, *offsets), value)


@pytest.mark.parametrize(
    ("offsets", "value", "where", "field"),
    [
        (["tokens"], ABSENT, "line 1, record 1", "tokens"),
        (["tokens"], "Nils", "line 1, record 1", "tokens"),
        (["tokens", 1], 3, "line 1, record 1", "tokens"),
        (["tokens", 1], None, "line 1, record 1", "tokens"),
        (["tokens", 1], "", "line 1, record 1", "tokens"),
        (["entities"], ABSENT, "line 1, record 1", "entities"),
        (["entities"], {}, "line 1, record 1", "entities"),
        (["entities", 1], [2, 3], "line 1, record 1, entity 1", "start"),
        (["entities", 1, "start"], ABSENT, "line 1, record 1, entity 1", "start"),
        (["entities", 1, "start"], -1, "line 1, record 1, entity 1", "start/end"),
        (["entities", 1, "start"], 3, "line 1, record 1, entity 1", "start/end"),
        (["entities", 1, "start"], False, "line 1, record 1, entity 1", "start"),
        (["entities", 1, "start"], 2.5, "line 1, record 1, entity 1", "start"),
        (["entities", 1, "start"], "2a", "line 1, record 1, entity 1", "start"),
        (["entities", 1, "end"], ABSENT, "line 1, record 1, entity 1", "end"),
        (["entities", 1, "end"], 1, "line 1, record 1, entity 1", "start/end"),
        (["entities", 1, "end"], 4, "line 1, record 1, entity 1", "start/end"),
        (["entities", 1, "end"], True, "line 1, record 1, entity 1", "end"),
        (["entities", 1, "type"], ABSENT, "line 1, record 1, entity 1", "type"),
        (["entities", 1, "type"], 5, "line 1, record 1, entity 1", "type"),
        (["relations"], "x", "line 1, record 1", "relations"),
        (["relations", 0], "Nils", "line 1, record 1, relation 0", "head"),
        (["relations", 0, "head"], ABSENT, "line 1, record 1, relation 0", "head"),
        (["relations", 0, "head"], True, "line 1, record 1, relation 0", "head"),
        (["relations", 0, "tail"], "1a", "line 1, record 1, relation 0", "tail"),
        (["relations", 0, "type"], ABSENT, "line 1, record 1, relation 0", "type"),
        (["relations", 0, "type"], None, "line 1, record 1, relation 0", "type"),
        (["document"], 3, "line 1, record 1", "document"),
        (["orig_id"], 2**70, "line 1, record 1", "orig_id"),
    ],
)
def test_broken_field_raises_with_file_and_sentence(path, offsets, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(write_json(path, broken(offsets, value)))
    assert f"{path}, {where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize("role", ["head", "tail"])
@pytest.mark.parametrize("number", [2, -1])
def test_relation_to_a_missing_entity_raises(path, role, number):
    with pytest.raises(ValueError, match="J605") as error:
        read(write_json(path, broken(["relations", 0, role], number)))
    where = f"{path}, line 1, record 1, relation 0: field '{role}' is {number},"
    assert where in str(error.value)


@pytest.mark.parametrize("kind", ["entities", "relations"])
def test_empty_label_raises(path, kind):
    with pytest.raises(ValueError, match=r"J605.*record 1, .* 0: field 'label' is emp"):
        read(write_json(path, broken([kind, 0, "type"], "")))


def read_faulty(path, sentences):
    """The records, and the skipped records."""
    skipped = []
    path.write_text(json.dumps(sentences), encoding="utf8")
    return list(read_spert_json(path, skip=skipped.append)), skipped


def test_broken_entity_costs_its_row_and_its_relations(path):
    sentence = {
        **SENTENCES[0],
        "entities": [None, *SENTENCES[0]["entities"]],
        "relations": [
            {"type": "is", "head": 0, "tail": 1},
            {"type": "lives_in", "head": 1, "tail": 2},
        ],
    }
    (record,), skipped = read_faulty(path, [sentence])
    assert skipped == []
    assert record.entities == (EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC"))
    assert record.relations == (RelationRecord(0, 1, "lives_in"),)
    assert [(x.kind, x.cause) for x in record.left_out] == [
        ("entity", BROKEN_ROW),
        ("relation", LOST_ARGUMENT),
    ]


def test_annotations_of_a_broken_sentence_are_counted(path):
    _, skipped = read_faulty(path, broken(["tokens", 0], None))
    assert [(x.entities, x.relations) for x in skipped] == [(2, 1)]


def test_sentences_before_a_broken_one_are_yielded(path):
    records = read_spert_json(write_json(path, broken(["tokens"], ABSENT)))
    assert next(records).meta == {"orig_id": 7}
    with pytest.raises(ValueError, match="J605"):
        next(records)


# random tokenized records

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
LABELS = st.sampled_from(["PER", "ORG", "地名", 'a "b"'])


@st.composite
def tokenized_sentences(draw):
    """JSON objects of sentences."""
    words = draw(st.lists(WORDS, min_size=1, max_size=8))
    ends = st.tuples(st.integers(0, len(words) - 1), st.integers(1, len(words)))
    spans = draw(st.lists(ends.filter(lambda e: e[0] < e[1]), max_size=5))
    entities = [{"type": draw(LABELS), "start": s, "end": e} for s, e in spans]
    relations = []
    if entities:
        numbers = st.integers(0, len(entities) - 1)
        pairs = draw(st.lists(st.tuples(numbers, numbers), max_size=4))
        relations = [{"type": draw(LABELS), "head": h, "tail": t} for h, t in pairs]
    return {"tokens": words, "entities": entities, "relations": relations}


def record_of(sentence, source):
    words = tuple(sentence["tokens"])
    offsets = word_offsets(words)
    return Record(
        text=" ".join(words),
        entities=tuple(
            EntityRecord(offsets[e["start"]][0], offsets[e["end"] - 1][1], e["type"])
            for e in sentence["entities"]
        ),
        relations=tuple(
            RelationRecord(r["head"], r["tail"], r["type"])
            for r in sentence["relations"]
        ),
        words=words,
        source=source,
    )


FAULTS = st.sampled_from([None, "x", [], -1, 99, 1.5, True, "", {}])


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.lists(tokenized_sentences(), min_size=1, max_size=2), st.data())
def test_every_row_of_a_faulty_file_is_read_or_reported(
    tmp_path_factory, sentences, data
):
    rows = [row for s in sentences for row in [*s["entities"], *s["relations"]]]
    for row in rows:
        if data.draw(st.booleans()):
            row[data.draw(st.sampled_from(sorted(row)))] = data.draw(FAULTS)
    for sentence in sentences:
        for kind in ("entities", "relations"):
            if sentence[kind] and data.draw(st.booleans()):
                sentence[kind].append(sentence[kind][0])
                sentence[kind].append(data.draw(FAULTS))
    path = tmp_path_factory.mktemp("spert") / "any.json"
    records, skipped = read_faulty(path, sentences)
    assert len(records) + len(skipped) == len(sentences)
    lost = [x.kind for record in records for x in record.left_out]
    for kind, name in (("entity", "entities"), ("relation", "relations")):
        in_file = sum(len(sentence[name]) for sentence in sentences)
        in_records = sum(len(getattr(record, name)) for record in records)
        assert in_records + lost.count(kind) == in_file
    assert all(f"{path}, line" in x.reason for r in records for x in r.left_out)


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(tokenized_sentences(), min_size=1, max_size=3), st.booleans())
def test_any_record_round_trips(tmp_path_factory, sentences, ascii_only):
    path = tmp_path_factory.mktemp("spert") / "any.json"
    path.write_text(json.dumps(sentences, ensure_ascii=ascii_only), encoding="utf8")
    assert read(path) == [
        record_of(sentence, f"{path}, line 1, record {number}")
        for number, sentence in enumerate(sentences)
    ]


# writing


def test_file_round_trips(path, tmp_path):
    sentences = [SENTENCES[0], {**SENTENCES[1], "document": "D1", "page": ["A", 1]}]
    copy = tmp_path / "copy.json"
    write_spert_json(read(write_json(path, sentences)), copy)
    assert json.loads(copy.read_bytes()) == sentences


def test_non_ascii_characters_are_not_escaped(path):
    write_spert_json([Record("Tromsø 北", words=("Tromsø", "北"))], path)
    assert "Tromsø" in path.read_text(encoding="utf8")


@pytest.mark.parametrize("key", ["tokens", "entities", "relations"])
def test_meta_does_not_overwrite_fields(path, key):
    record = Record("Ada", words=("Ada",), document="D1", meta={key: "x", "id": 3})
    write_spert_json([record], path)
    (sentence,) = json.loads(path.read_bytes())
    assert sentence == {
        "tokens": ["Ada"],
        "entities": [],
        "relations": [],
        "document": "D1",
        "id": 3,
    }


@pytest.mark.parametrize(
    "record",
    [
        pytest.param(Record("Ada sang.", source="line 3"), id="no words"),
        pytest.param(
            Record(
                "Ada Mia",
                words=("Ada", "Mia"),
                sentences=((0, 3), (4, 7)),
                source="line 3",
            ),
            id="two sentences",
        ),
    ],
)
def test_record_that_is_not_a_tokenized_sentence_raises(path, record):
    with pytest.raises(ValueError, match=r"J613.*line 3.*spert"):
        write_spert_json([record], path)


@pytest.mark.parametrize("offsets", [(0, 2), (1, 3), (3, 8), (0, 4), (4, 5)])
def test_entity_that_does_not_align_with_words_raises(path, offsets):
    entities = EntityRecord(0, 3, "PER"), EntityRecord(*offsets, "PER")
    record = Record("Ada sang", entities, words=("Ada", "sang"), source="line 3")
    with pytest.raises(ValueError, match=r"J614.*line 3: entity 1"):
        write_spert_json([record], path)


def test_nothing_is_written_if_one_record_raises(path):
    with pytest.raises(ValueError, match="J613"):
        write_spert_json([Record("Ada", words=("Ada",)), Record("Ada")], path)
    assert not path.exists()


@settings(max_examples=50, deadline=None, derandomize=True)
@given(
    st.lists(tokenized_sentences(), min_size=1, max_size=3),
    st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    st.dictionaries(
        st.sampled_from(["orig_id", "page", "übrig"]),
        st.integers(0, 99) | st.lists(WORDS, max_size=2) | st.none(),
    ),
)
def test_any_written_record_round_trips(tmp_path_factory, sentences, document, meta):
    path = tmp_path_factory.mktemp("spert") / "any.json"
    written = [
        replace(record_of(sentence, "any"), document=document, meta=meta)
        for sentence in sentences
    ]
    write_spert_json(written, path)
    assert read(path) == written


@pytest.mark.data
@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", (922, 3377, 1283)),
        ("dev", (231, 893, 343)),
        ("test", (288, 1079, 422)),
    ],
)
def test_conll04_has_the_published_counts(split, counts):
    records = read(SHARED / "conll04" / "spert" / f"conll04_{split}.json")
    entities = sum(len(record.entities) for record in records)
    relations = sum(len(record.relations) for record in records)
    assert (len(records), entities, relations) == counts
