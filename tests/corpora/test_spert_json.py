import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.annotations.records import word_offsets
from spacy_jre.corpora.spert_json import read_spert_json

from ..conftest import SHARED, write_json

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
ABSENT = object()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "story.json"


def read(path):
    return list(read_spert_json(path))


def test_first_sentence_is_read_as_written(path):
    first, _ = read(write_json(path, SENTENCES))
    assert first == Record(
        text="Ada Quint cooks in Oslo .",
        entities=(EntityRecord(0, 9, "PER"), EntityRecord(19, 23, "LOC")),
        relations=(RelationRecord(0, 1, "lives_in"),),
        words=("Ada", "Quint", "cooks", "in", "Oslo", "."),
        source=f"{path}, sentence 0",
        meta={"orig_id": 7},
    )


def test_sentences_keep_their_order(path):
    records = read(write_json(path, SENTENCES))
    assert [r.text for r in records] == [" ".join(s["tokens"]) for s in SENTENCES]


def test_meta_keeps_whatever_else_the_sentence_holds(path):
    _, second = read(write_json(path, [SENTENCES[0], {**SENTENCES[1], "page": "A1"}]))
    assert second.meta == {"page": "A1"}


def test_sentence_without_tokens_is_an_empty_record(path):
    nothing = {"tokens": [], "entities": [], "relations": []}
    (record,) = read(write_json(path, [nothing]))
    assert (record.text, record.words, record.entities) == ("", (), ())


def test_missing_file_is_named(path):
    with pytest.raises(ValueError, match=r"J601.*story\.json"):
        read(path)


def test_broken_json_is_named_with_its_line(path):
    path.write_text('[\n{"tokens": []},\n{"tokens": oops}\n]', encoding="utf8")
    with pytest.raises(ValueError, match=r"J604.*story\.json, line 3"):
        read(path)


def test_file_that_is_not_utf8_is_refused(path):
    path.write_bytes('[{"tokens": ["Tromsø"]}]'.encode("latin1"))
    with pytest.raises(ValueError, match=r"J604.*story\.json, line 1"):
        read(path)


def test_byte_that_is_not_utf8_is_named_with_its_line(path):
    path.write_bytes('[\n{"tokens":\n["Tromsø"]}]'.encode("latin1"))
    with pytest.raises(ValueError, match=r"J604.*story\.json, line 3"):
        read(path)


def test_empty_list_is_refused(path):
    with pytest.raises(ValueError, match=r"J602.*story\.json"):
        read(write_json(path, []))


@pytest.mark.parametrize("value", [{}, "text", 3, None])
def test_top_level_must_be_a_list(path, value):
    with pytest.raises(ValueError, match=r"J605.*story\.json, top level"):
        read(write_json(path, value))


@pytest.mark.parametrize("value", [[], "text", 3, None])
def test_sentence_must_be_an_object(path, value):
    with pytest.raises(ValueError, match=r"J605.*story\.json, sentence 1:"):
        read(write_json(path, [SENTENCES[0], value]))


def broken(place, value):
    """The sentences, with the value put (or a key dropped) in the second one."""
    sentences = copy.deepcopy(SENTENCES)
    target = sentences[1]
    for key in place[:-1]:
        target = target[key]
    if value is ABSENT:
        del target[place[-1]]
    else:
        target[place[-1]] = value
    return sentences


@pytest.mark.parametrize(
    ("place", "value", "where", "field"),
    [
        (["tokens"], ABSENT, "sentence 1", "tokens"),
        (["tokens"], "Nils", "sentence 1", "tokens"),
        (["tokens", 1], 3, "sentence 1", "tokens"),
        (["tokens", 1], None, "sentence 1", "tokens"),
        (["tokens", 1], "", "sentence 1", "tokens"),
        (["entities"], ABSENT, "sentence 1", "entities"),
        (["entities"], {}, "sentence 1", "entities"),
        (["entities", 1], [2, 3], "sentence 1, entity 1", "start"),
        (["entities", 1, "start"], ABSENT, "sentence 1, entity 1", "start"),
        (["entities", 1, "start"], -1, "sentence 1, entity 1", "start/end"),
        (["entities", 1, "start"], 3, "sentence 1, entity 1", "start/end"),
        (["entities", 1, "start"], False, "sentence 1, entity 1", "start"),
        (["entities", 1, "start"], 2.0, "sentence 1, entity 1", "start"),
        (["entities", 1, "start"], "2", "sentence 1, entity 1", "start"),
        (["entities", 1, "end"], ABSENT, "sentence 1, entity 1", "end"),
        (["entities", 1, "end"], 1, "sentence 1, entity 1", "start/end"),
        (["entities", 1, "end"], 4, "sentence 1, entity 1", "start/end"),
        (["entities", 1, "end"], True, "sentence 1, entity 1", "end"),
        (["entities", 1, "type"], ABSENT, "sentence 1, entity 1", "type"),
        (["entities", 1, "type"], 5, "sentence 1, entity 1", "type"),
        (["relations"], ABSENT, "sentence 1", "relations"),
        (["relations", 0], "Nils", "sentence 1, relation 0", "head"),
        (["relations", 0, "head"], ABSENT, "sentence 1, relation 0", "head"),
        (["relations", 0, "head"], True, "sentence 1, relation 0", "head"),
        (["relations", 0, "tail"], "1", "sentence 1, relation 0", "tail"),
        (["relations", 0, "type"], ABSENT, "sentence 1, relation 0", "type"),
        (["relations", 0, "type"], None, "sentence 1, relation 0", "type"),
    ],
)
def test_broken_field_is_named_with_file_and_sentence(path, place, value, where, field):
    with pytest.raises(ValueError, match="J605") as error:
        read(write_json(path, broken(place, value)))
    assert f"{path}, {where}: field '{field}'" in str(error.value)


@pytest.mark.parametrize("role", ["head", "tail"])
@pytest.mark.parametrize("number", [2, -1])
def test_relation_to_an_entity_that_is_not_there_is_refused(path, role, number):
    with pytest.raises(ValueError, match="J108") as error:
        read(write_json(path, broken(["relations", 0, role], number)))
    assert f"{path}, sentence 1: relation 0" in str(error.value)
    assert f"{role} entity {number}" in str(error.value)


@pytest.mark.parametrize("kind", ["entities", "relations"])
def test_empty_label_is_refused(path, kind):
    with pytest.raises(ValueError, match="J109") as error:
        read(write_json(path, broken([kind, 0, "type"], "")))
    assert f"{path}, sentence 1" in str(error.value)


def test_sentences_before_a_broken_one_are_given(path):
    records = read_spert_json(write_json(path, broken(["tokens"], ABSENT)))
    assert next(records).meta == {"orig_id": 7}
    with pytest.raises(ValueError, match="J605"):
        next(records)


# what the tests write: records by tokens

WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)
LABELS = st.sampled_from(["PER", "ORG", "地名", 'a "b"'])


@st.composite
def tokenised_sentences(draw):
    """A sentence as its JSON object."""
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


@settings(max_examples=50, deadline=None, derandomize=True)
@given(st.lists(tokenised_sentences(), min_size=1, max_size=3), st.booleans())
def test_any_record_reads_back_equal(tmp_path_factory, sentences, ascii_only):
    path = tmp_path_factory.mktemp("spert") / "any.json"
    path.write_text(json.dumps(sentences, ensure_ascii=ascii_only), encoding="utf8")
    assert read(path) == [
        record_of(sentence, f"{path}, sentence {number}")
        for number, sentence in enumerate(sentences)
    ]


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
