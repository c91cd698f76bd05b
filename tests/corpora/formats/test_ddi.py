import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spacy_jre.annotations import EntityRecord, Record, RelationRecord
from spacy_jre.corpora.formats import guess_format
from spacy_jre.corpora.formats.ddi import read_ddi

SENTENCE = """<sentence id="d1.s0"
 text="Clavoxil slows calprine and iron or zinc salts">
 <entity id="d1.s0.e0" charOffset="0-7" type="brand" text="Clavoxil"/>
 <entity id="d1.s0.e1" charOffset="15-22" type="drug" text="calprine"/>
 <entity id="d1.s0.e2" charOffset="28-31;41-45" type="group" text="iron salts"/>
 <pair id="d1.s0.p0" e1="d1.s0.e0" e2="d1.s0.e1" ddi="true" type="mechanism"/>
 <pair id="d1.s0.p1" e1="d1.s0.e0" e2="d1.s0.e2" ddi="true" type="effect"/>
 <pair id="d1.s0.p2" e1="d1.s0.e1" e2="d1.s0.e2" ddi="false"/>
</sentence>"""


@pytest.fixture
def write(tmp_path):
    def write(*sentences, name="d1.xml"):
        path = tmp_path / name
        body = "".join(sentences)
        head = '<?xml version="1.0" encoding="UTF-8"?>'
        path.write_text(f'{head}<document id="d1">{body}</document>', encoding="utf8")
        return path

    return write


def read(path, **options):
    return list(read_ddi(path, **options))


def test_sentence_is_read_with_inclusive_ends(write):
    (record,) = read(write(SENTENCE))
    assert record.text[0:8] == "Clavoxil"
    assert record.entities == (
        EntityRecord(0, 8, "brand"),
        EntityRecord(15, 23, "drug"),
    )
    assert record.relations == (RelationRecord(0, 1, "mechanism"),)
    assert (record.document, record.meta) == ("d1", {"orig_id": "d1.s0"})


def test_discontinuous_entity_and_its_relation_are_reported(write):
    (record,) = read(write(SENTENCE))
    assert [left.kind for left in record.left_out] == ["entity", "relation"]
    assert "'iron salts' has gaps: 28-31;41-45" in record.left_out[0].reason
    assert "pair d1.s0.p1" in record.left_out[1].reason


def test_discontinuous_entity_can_be_covered(write):
    (record,) = read(write(SENTENCE), discontinuous="cover")
    entity = record.entities[2]
    assert record.text[entity.start : entity.end] == "iron or zinc salts"
    assert RelationRecord(0, 2, "effect") in record.relations
    assert record.left_out == ()


def test_positive_pair_without_a_type_is_reported(write):
    (record,) = read(write(SENTENCE.replace(' type="mechanism"', "")))
    assert record.relations == ()
    assert "pair d1.s0.p0: has no type" in record.left_out[-2].reason


def test_folder_is_read_at_any_depth(write, tmp_path):
    (tmp_path / "Train").mkdir()
    write(SENTENCE, name="Train/a.xml")
    write(SENTENCE, SENTENCE, name="b.xml")
    assert len(read(tmp_path)) == 3


def test_format_of_folder_and_file_is_guessed(write, tmp_path):
    path = write(SENTENCE)
    assert guess_format(path).name == guess_format(tmp_path).name == "ddi"


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('text="Clavoxil slows', 'words="Clavoxil slows', "text"),
        ('charOffset="0-7"', 'charOffset="0-"', "charOffset"),
        ('charOffset="0-7"', "", "charOffset"),
        ('type="brand"', "", "type"),
        ('e1="d1.s0.e0" e2="d1.s0.e1"', 'e1="d1.s0.e9" e2="d1.s0.e1"', "head"),
        ('ddi="true" type="mechanism"', 'type="mechanism"', "ddi"),
    ],
)
def test_invalid_field_is_reported_with_file_and_sentence(write, old, new, field):
    assert old in SENTENCE
    path = write(SENTENCE.replace(old, new, 1))
    with pytest.raises(ValueError, match=r"\[J605\]") as error:
        read(path)
    assert f"{path}, sentence d1.s0" in str(error.value)
    assert f"field '{field}'" in str(error.value)


def test_offset_outside_the_text_raises(write):
    path = write(SENTENCE.replace('"0-7"', '"0-99"'))
    with pytest.raises(ValueError, match=r"\[J605\].*entity d1\.s0\.e0.*0\.\.100"):
        read(path)


def test_broken_sentence_is_skipped(write):
    skipped = []
    broken = SENTENCE.replace(' text="Clavoxil slows', ' words="Clavoxil slows')
    records = read(write(broken, SENTENCE), skip=skipped.append)
    assert (len(records), len(skipped)) == (1, 1)
    assert skipped[0].broken
    assert (skipped[0].entities, skipped[0].relations) == (3, 2)


def test_whitespace_at_the_edges_is_trimmed_and_counted(write):
    (record,) = read(write(SENTENCE.replace('"0-7"', '"0-8"')))
    assert record.entities[0] == EntityRecord(0, 8, "brand")
    assert record.trimmed == 1


# what is changed in the sentence, and the entities and relations that this loses
FAULTS = [
    ('"0-7"', '"0-8"', 0, 0),
    ('"15-22"', '"14-23"', 0, 0),
    ('"0-7"', '"0-99"', 1, 2),
    ('"0-7"', '"8-8"', 1, 2),
    ('"0-7"', '"null"', 1, 2),
    (' id="d1.s0.e0"', "", 1, 2),
    (' id="d1.s0.e1"', ' id="d1.s0.e0"', 1, 1),
    ('e2="d1.s0.e1" ddi="true"', 'e2="d1.s0.e7" ddi="true"', 0, 1),
    ('e2="d1.s0.e1" ddi="true"', 'ddi="true"', 0, 1),
    (' type="mechanism"', "", 0, 1),
]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(FAULTS), max_size=3))
def test_read_and_lost_annotation_add_up(tmp_path_factory, faults):
    path = tmp_path_factory.mktemp("ddi") / "d1.xml"
    sentence = SENTENCE
    for old, new, _, _ in faults:
        sentence = sentence.replace(old, new, 1)
    path.write_text(f'<document id="d1">{sentence}{SENTENCE}</document>', "utf8")
    skipped = []
    records = list(read_ddi(path, skip=skipped.append, discontinuous="cover"))
    assert (len(records), skipped) == (2, [])
    kinds = [left.kind for left in records[0].left_out]
    assert len(records[0].entities) + kinds.count("entity") == 3
    assert len(records[0].relations) + kinds.count("relation") == 2
    if len(faults) == 1:
        counts = kinds.count("entity"), kinds.count("relation")
        assert counts == faults[0][2:]
    assert records[1].left_out == ()


def test_invalid_xml_is_reported_with_its_line(write):
    path = write(SENTENCE, "\n<oops>")
    with pytest.raises(ValueError, match=r"\[J675\].*d1\.xml, line 10"):
        read(path)


@pytest.mark.parametrize("declared", ["", '<?xml version="1.0" encoding="utf-8"?>'])
def test_xml_in_another_encoding_than_declared_raises_with_the_fix(write, declared):
    path = write(SENTENCE)
    path.write_bytes(f"{declared}<document>Os\xe9o</document>".encode("latin1"))
    with pytest.raises(ValueError, match=r"\[J675\].*d1\.xml.*Latin-1.*iconv -f ISO"):
        read(path)


def test_xml_that_is_declared_as_utf8_but_is_utf16_raises_with_the_fix(write):
    path = write(SENTENCE)
    text = '<?xml version="1.0" encoding="utf-8"?><document id="d"></document>'
    path.write_bytes(text.encode("utf16"))
    with pytest.raises(ValueError, match=r"\[J675\].*d1\.xml.*iconv -f UTF-16"):
        read(path)


@pytest.mark.parametrize("name", ["gone.xml", "."])
def test_path_without_files_raises(tmp_path, name):
    with pytest.raises(ValueError, match=r"\[J60[12]\]"):
        read(tmp_path / name)


def test_corrupted_bytes_give_records_or_errors_with_location(write):
    path = write(SENTENCE)
    whole, draw = path.read_bytes(), random.Random(0)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(2):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(bytes(damaged))
        skipped = []
        for record in read_ddi(path, skip=skipped.append):
            assert isinstance(record, Record)
        assert all(str(path) in left.reason for left in skipped)
