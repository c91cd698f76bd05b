import gzip
import json
import random
import shutil

import pytest
import spacy

from spacy_jre.annotations import LeftOut, Record
from spacy_jre.corpora.formats import FORMATS, guess_format
from spacy_jre.corpora.formats.docbin import write_docbin

from ...conftest import SHARED
from ..story import FOLDER, STORY, assert_is_the_story, content

STORIES = {
    "ade.rel": "ade",
    "bioc.xml": "bioc",
    "brat": "brat",
    "doccano.jsonl": "doccano",
    "docred.json": "docred",
    "dygie.jsonl": "dygie",
    "gliner.jsonl": "gliner",
    "inception": "inception",
    "inline.txt": "inline",
    "label_studio.json": "label-studio",
    "multihead.txt": "multihead",
    "prodigy.jsonl": "prodigy",
    "pubannotation.json": "pubannotation",
    "pubtator.txt": "pubtator",
    "spert.json": "spert",
    "spo.jsonl": "spo",
    "story.conllu": "conllu",
    "story.corp": "conll04",
    "tacred.json": "tacred",
    "triples.json": "triples",
    "webanno": "webanno",
    "ubiai.json": "ubiai",
    "uie.jsonl": "uie",
    "uie_prompts.jsonl": "uie-prompts",
}


def test_all_files_of_the_story_are_tested():
    assert set(STORIES) == {path.name for path in FOLDER.iterdir()}


@pytest.mark.parametrize(("name", "format"), STORIES.items())
def test_format_is_guessed_from_the_content(name, format, tmp_path):
    if (FOLDER / name).is_dir():
        assert guess_format(FOLDER / name).name == format
        return
    # the suffix must not matter
    path = shutil.copy(FOLDER / name, tmp_path / "export.data")
    assert guess_format(path).name == format


@pytest.mark.parametrize(("name", "format"), STORIES.items())
def test_guessed_reader_reads_the_story(name, format):
    if format == "inception":
        pytest.importorskip("cassis", reason="needs the extra inception")
    labels = format != "triples"
    read = guess_format(FOLDER / name).read(FOLDER / name)
    assert [content(r, labels) for r in read] == [content(r, labels) for r in STORY]


FILES = {n: f for n, f in STORIES.items() if (FOLDER / n).is_file()}


@pytest.mark.parametrize(("name", "format"), FILES.items())
def test_gzip_file_is_guessed_and_read(name, format, tmp_path):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress((FOLDER / name).read_bytes()))
    records = guess_format(path).read(path)
    assert guess_format(path).name == format
    assert list(records) == list(FORMATS[format].read(FOLDER / name))


def test_gzip_files_of_a_cas_are_read(tmp_path):
    pytest.importorskip("cassis", reason="needs the extra inception")
    for path in (FOLDER / "inception").iterdir():
        packed = tmp_path / f"{path.name}.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
    assert guess_format(tmp_path).name == "inception"
    assert_is_the_story(FORMATS["inception"].read(tmp_path))
    (record,) = FORMATS["inception"].read(tmp_path / "story1.xmi.gz")
    assert content(record) == content(STORY[1])


def test_gzip_file_of_docs_is_read(tmp_path):
    path = tmp_path / "story.spacy"
    write_docbin(STORY, path, spacy.blank("en"))
    packed = tmp_path / "story.spacy.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert guess_format(packed).name == "spacy"
    assert_is_the_story(FORMATS["spacy"].read(packed))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le"])
def test_guessing_the_format_of_utf16_raises_with_the_remedy(tmp_path, encoding):
    path = tmp_path / "export.jsonl"
    path.write_bytes((FOLDER / "doccano.jsonl").read_text("utf8").encode(encoding))
    with pytest.raises(ValueError, match=r"\[J667\].*export\.jsonl.*iconv -f UTF-16"):
        guess_format(path)


def test_format_of_xml_in_utf16_is_guessed(tmp_path):
    path = tmp_path / "a.xml"
    xml = '<?xml version="1.0" encoding="UTF-16"?>\n<document>\n<sentence text="a"/>'
    path.write_bytes(xml.encode("utf-16"))
    assert guess_format(path).name == "ddi"


@pytest.mark.parametrize(
    ("text", "format"),
    [
        ("10030778 NEG Nothing happened .\n", "ade-neg"),
        ("1|He took 5 mg of x .|5 mg|8|12|x|16|17\n", "ade-dose"),
        ('[{"text": "a", "annotation_id": 3, "label": []}]', "label-studio"),
        ('{"id": 1, "text": "a b", "label": [[0, 1, "X"]]}\n', "doccano"),
        ('{"%TYPES": {}, "%FEATURE_STRUCTURES": []}', "inception"),
        ('<?xml version="1.0"?>\n<xmi:XMI xmlns:xmi="x"/>', "inception"),
        ('{\n  "sentences": [["a"]],\n  "ner": [[]], "relations": [[]]\n}', "dygie"),
        ('{"text": "a"}\n{"text": "b", "spo_list": []}\n', "spo"),
        ("Ada sang.\n\n[Ada|PER] sang.\n", "inline"),
        ('[{"document": "a", "tokens": [{"entityLabel": "X"}]}]', "ubiai"),
        ('[{"tokenized_text": ["a"], "ner": []}]', "gliner"),
        ('[{"title": "a", "sents": [["a"]], "vertexSet": []}]', "docred"),
        ('[{"token": ["a"], "subj_start": 0, "obj_start": 0}]', "tacred"),
        ('{"text": "a", "tokens": ["a"], "entity": [], "relation": []}\n', "uie"),
        ('{"content": "a", "prompt": "X", "result_list": []}\n', "uie-prompts"),
        ("[tacos|Main Dish 1]\n", "inline"),
        (r"[a\]b|PER] sang." + "\n", "inline"),
        ('{"text": "a", "spans": [{"start": 0, "end": 1, "label": "X"}]}', "prodigy"),
        (
            '{"text": "a", "relations": [{"head": 0, "child": 0, "label": "r"}]}',
            "prodigy",
        ),
        ("\ufeff#doc 1\n0\ta\tO\t['N']\t[0]\n", "multihead"),
    ],
)
def test_minimal_samples_are_recognized(tmp_path, text, format):
    path = tmp_path / "export"
    path.write_text(text, encoding="utf8")
    assert guess_format(path).name == format


def test_file_after_a_long_first_record_is_guessed(tmp_path):
    sentence = {"tokens": ["a"] * 50_000, "entities": [], "relations": []}
    path = tmp_path / "long.json"
    path.write_text(json.dumps([sentence]), encoding="utf8")
    assert guess_format(path).name == "spert"


@pytest.mark.parametrize(
    "text",
    [
        "Just a text without marks.\n",
        "[1, 2]",
        '{"entities": {"PER": {"short": "P"}}, "relations": {}}',
        "[entities]\nProtein\n\n[relations]\n",
        "490:    Ada   said   so .\n",
        "a\tb\tc\n",
        "Ada] sang | loud].\n",
        "[Ada] sang.\n",
        "\0\1\2",
    ],
)
def test_unknown_format_raises_with_known_formats(tmp_path, text):
    path = tmp_path / "what.json"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"\[J610\].*what\.json.*spert.*doccano"):
        guess_format(path)


@pytest.mark.parametrize("text", ["", "\n \n", "\ufeff", "[]", "[\n]\n", "{}"])
def test_empty_file_raises(tmp_path, text):
    path = tmp_path / "what.json"
    path.write_text(text, encoding="utf8")
    with pytest.raises(ValueError, match=r"\[J602\].*what\.json"):
        guess_format(path)


def test_ambiguous_format_raises_with_candidates(tmp_path):
    both = {"text": "a", "spo_list": [], "triple_list": []}
    path = tmp_path / "both.json"
    path.write_text(json.dumps([both]), encoding="utf8")
    with pytest.raises(ValueError, match=r"\[J611\].*both\.json.*spo, triples"):
        guess_format(path)


def test_missing_file_raises(tmp_path):
    with pytest.raises(ValueError, match=r"\[J601\].*gone"):
        guess_format(tmp_path / "gone")


LINES = {
    name: format
    for name, format in STORIES.items()
    if format not in ("brat", "inception", "webanno")
}


@pytest.mark.parametrize(("name", "format"), LINES.items())
def test_corrupted_bytes_give_records_or_errors_with_location(name, format, tmp_path):
    # 1000 lines (or 10 lists) with one or two changed bytes
    whole = (FOLDER / name).read_bytes()
    by_line = name.endswith((".jsonl", ".rel"))
    pieces = whole.splitlines(keepends=True) if by_line else [whole]
    draw = random.Random(0)
    path = tmp_path / name
    broken = 0
    for _ in range(1000 if by_line else 10):
        damaged = bytearray(draw.choice(pieces))
        for _ in range(draw.randint(1, 2)):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(bytes(damaged))
        skipped = []
        try:
            for record in FORMATS[format].read(path, skip=skipped.append):
                assert isinstance(record, Record)
        except ValueError as error:  # the rest of the file cannot be read
            skipped.append(LeftOut("record", str(error), broken=True))
        for left_out in skipped:
            assert str(path) in left_out.reason
            assert "line " in left_out.reason
            assert left_out.reason.startswith("[J") or not left_out.broken
        broken += len(skipped)
    assert broken


# the public corpora

STAGED = {
    "ade/raw/ADE-NEG.txt": "ade-neg",
    "ade/raw/DRUG-AE.rel": "ade",
    "ade/raw/DRUG-DOSE.rel": "ade-dose",
    "conll04/corp/conll04.corp": "conll04",
    **{f"conll04/multihead/{s}.txt": "multihead" for s in ("train", "dev", "test")},
    **{
        f"conll04/spert/conll04_{s}.json": "spert"
        for s in ("train", "dev", "test", "train_dev")
    },
    **{
        f"scierc/{folder}/{s}.json": "dygie"
        for folder in ("dygie", "dygie_sample")
        for s in ("train", "dev", "test")
    },
    **{
        f"scierc/spert/scierc_{s}.json": "spert"
        for s in ("train", "dev", "test", "train_dev")
    },
    "ade/spert/ade_full.json": "spert",
    "ade/spert/ade_split_0_train.json": "spert",
    **{f"ade/spert/ade_split_{n}_test.json": "spert" for n in range(10)},
    "brat/BioNLP-ST_2011_REL": "brat",
    "brat/tutorials_bio": "brat",
    "brat/tutorials_news": "brat",
}


@pytest.mark.data
@pytest.mark.parametrize(("name", "format"), STAGED.items())
def test_format_of_public_file_is_guessed(name, format):
    assert guess_format(SHARED / name).name == format


@pytest.mark.data
def test_other_public_files_raise():
    corpora = {SHARED / name for name in STAGED}
    others = [
        path
        for path in SHARED.rglob("*")
        if path.is_file() and path not in corpora and path.parent.parent.name != "brat"
    ]
    assert len(others) > 5
    for path in others:
        with pytest.raises(ValueError, match=r"\[J610\]"):
            guess_format(path)


@pytest.mark.parametrize("name", ["paper.xml", "paper.zip", "paper.xmi", "x.spacy"])
@pytest.mark.parametrize("suffix", [".ann", ".a1"])
def test_annotation_beside_a_text_decides_the_format(tmp_path, name, suffix):
    for file in ("a.txt", f"a{suffix}", name):
        (tmp_path / file).write_text("", encoding="utf8")
    assert guess_format(tmp_path).name == "brat"


def test_folder_of_xml_with_a_text_is_not_brat(tmp_path):
    for file in ("readme.txt", "a.xml"):
        (tmp_path / file).write_text("", encoding="utf8")
    assert guess_format(tmp_path).name == "ddi"
