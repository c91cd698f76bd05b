"""Conversion: input and output formats, splits, sentences and counts of losses."""

import gzip
import json
import re
import shutil
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin, Span

from spacy_jre.cli.convert import Settings, check_losses, convert_path
from spacy_jre.corpora.formats import FORMATS, guess_format
from spacy_jre.corpora.formats.brat import read_brat

from ..conftest import write_json
from ..corpora.story import FOLDER, STORY, assert_is_the_story, content
from .helpers import assert_plain_error, output_of, run

FILES = sorted(path.name for path in FOLDER.iterdir())
LINES = ["doccano.jsonl", "dygie.jsonl", "prodigy.jsonl", "spo.jsonl"]
DIVIDED = ("train", "dev", "test")
XX = {"lang": "xx"}  # fast, with the same tokens as English for the story


def read(path):
    return list(DocBin().from_disk(path).get_docs(spacy.blank("xx").vocab))


def texts(path):
    # spaCy adds a space after the last word
    return [doc.text.removesuffix(" ") for doc in read(path)]


def triples(path):
    return [relation.as_triple() for doc in read(path) for relation in doc._.relations]


def convert(source, target, *, also=(), **settings):
    return convert_path(source, target, Settings(**{**XX, **settings}), also)


def write_lines(path, lines):
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf8")
    return path


def write_sentences(path, n, per_document=0):
    """Write SpERT's JSON with n sentences, `per_document` in each document."""
    sentences = []
    for number in range(n):
        sentence = {
            "tokens": ["Ada", "sings", f"song{number}"],
            "entities": [{"type": "PER", "start": 0, "end": 1}],
            "relations": [{"type": "self", "head": 0, "tail": 0}],
        }
        if per_document:
            sentence["document"] = f"book {number // per_document}"
        sentences.append(sentence)
    return write_json(path, sentences)


# input formats


@pytest.mark.parametrize("name", FILES)
def test_every_format_is_converted_to_the_story(tmp_path, name):
    if name == "inception":
        pytest.importorskip("cassis", reason="needs the extra inception")
    target = tmp_path / "x.spacy"
    (conversion,) = convert(FOLDER / name, target)
    assert texts(target) == [record.text for record in STORY]
    relations = [
        {(r.head.start_char, r.tail.start_char, r.label) for r in doc._.relations}
        for doc in read(target)
    ]
    assert relations == [
        {
            (record.entities[r.head].start, record.entities[r.tail].start, r.label)
            for r in record.relations
        }
        for record in STORY
    ]
    assert conversion.lost == []
    check_losses([conversion], 0.0)


def test_spacy_file_can_be_converted(tmp_path):
    first, second = tmp_path / "first.spacy", tmp_path / "second.spacy"
    convert(FOLDER / "spert.json", first)
    (conversion,) = convert(first, second)
    assert (conversion.records, conversion.report.docs) == (4, 4)
    assert triples(second) == triples(first) != []


# output formats


@pytest.mark.parametrize("source", ["inline.txt", "spert.json", "brat", "dygie.jsonl"])
@pytest.mark.parametrize(
    ("to", "name"),
    [("spert", "x.json"), ("prodigy", "x.jsonl"), ("brat", "x"), ("inline", "x.txt")],
)
def test_written_file_is_read_back_as_the_story(tmp_path, source, to, name):
    target = tmp_path / "new" / name
    (conversion,) = convert(FOLDER / source, target, to=to)
    format = guess_format(target)
    assert format.name == to
    assert_is_the_story(format.read(target))
    report = conversion.report
    assert (report.docs, report.entities, report.relations) == (4, 10, 6)


@pytest.mark.parametrize(
    ("to", "name"),
    [("spert", "x.json"), ("prodigy", "x.jsonl"), ("brat", "x"), ("inline", "x.txt")],
)
def test_spacy_file_can_be_converted_to_other_formats(tmp_path, to, name):
    convert(FOLDER / "prodigy.jsonl", tmp_path / "x.spacy")
    convert(tmp_path / "x.spacy", tmp_path / name, to=to)
    assert_is_the_story(FORMATS[to].read(tmp_path / name))


@pytest.mark.parametrize("source", ["inline.txt", "spert.json", "brat", "dygie.jsonl"])
def test_written_predictions_are_read_back_as_the_story(tmp_path, source):
    target = tmp_path / "new" / "x.json"
    convert(FOLDER / source, target, to="label-studio")
    assert_is_the_story(guess_format(target).read(target, predictions=True))


def test_scores_of_a_spacy_file_are_written_for_label_studio(tmp_path):
    nlp = spacy.blank("xx")
    doc = nlp.make_doc("Ada met Bo")
    ada, bo = Span(doc, 0, 1, "PER"), Span(doc, 2, 3, "PER")
    doc._.relations = [(ada, bo, "met", 0.75)]
    DocBin(docs=[doc], store_user_data=True).to_disk(tmp_path / "x.spacy")
    convert(tmp_path / "x.spacy", tmp_path / "x.json", to="label-studio")
    (task,) = json.loads((tmp_path / "x.json").read_text())
    scores = [result["score"] for result in task["predictions"][0]["result"]]
    assert scores == [1.0, 1.0, 0.75]


def test_scores_of_predictions_are_kept_in_spacy_files(tmp_path):
    value = {"start": 0, "end": 3, "labels": ["PER"]}
    results = [{"id": "a", "type": "labels", "value": value, "score": 0.25}]
    results += [{"type": "relation", "from_id": "a", "to_id": "a", "score": 0.75}]
    tasks = [{"data": {"text": "Mia and Bo"}, "predictions": [{"result": results}]}]
    source = write_json(tmp_path / "x.json", tasks)
    convert(source, tmp_path / "x.spacy", predictions=True)
    convert(tmp_path / "x.spacy", tmp_path / "y.spacy")
    for name in ("x.spacy", "y.spacy"):
        (doc,) = DocBin().from_disk(tmp_path / name).get_docs(spacy.blank("xx").vocab)
        assert doc.spans["jre"].attrs["scores"] == [0.25]
        assert [relation.score for relation in doc._.relations] == [0.75]


def test_help_lists_all_formats():
    words = re.findall(
        r"[\w-]+", output_of(run("convert", "--help")).partition("Arg")[0]
    )
    assert FORMATS.keys() <= {*words}


def test_table_of_formats_in_the_docs_is_complete():
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf8")
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    named = re.findall(r"`([\w-]+)`", " ".join(cells))
    assert FORMATS.keys() <= {*named}


def test_options_of_label_studio_reach_the_reader(tmp_path):
    value = {"start": 0, "end": 3, "labels": ["PER"]}
    results = [
        {"id": "a", "type": "labels", "value": value},
        {"type": "relation", "from_id": "a", "to_id": "a", "direction": "right"},
    ]
    data = {"text": "Mia and Bo", "body": "Ada and Bo"}
    tasks = [{"data": data, "predictions": [{"result": results}]}]
    source, target = write_json(tmp_path / "x.json", tasks), tmp_path / "x.spacy"
    options = ("--predictions", "--text-field", "body", "--relation-label", "same")
    result = run("convert", source, target, "--lang", "xx", *options)
    assert result.exit_code == 0
    assert triples(target) == [("Ada", "same", "Ada")]
    assert "gets 'same' (--relation-label)" in output_of(result)


def test_corrected_inline_markup_is_converted_back(tmp_path):
    convert(FOLDER / "spert.json", tmp_path / "x.spacy")
    convert(tmp_path / "x.spacy", tmp_path / "x.txt", to="inline")
    markup = (tmp_path / "x.txt").read_text(encoding="utf8")
    assert markup.count("> ") == len(triples(tmp_path / "x.spacy"))
    convert(tmp_path / "x.txt", tmp_path / "y.spacy", tokenized=True)
    assert triples(tmp_path / "y.spacy") == triples(tmp_path / "x.spacy")


def test_annotation_that_inline_markup_does_not_support_is_lost(tmp_path):
    annotations = ("T1\tPER 0 5\tAda s", "T2\tPER 4 8\tsang", "R1\tr Arg1:T1 Arg2:T2")
    source = write_brat_document(tmp_path / "in", "Ada sang.", *annotations)
    (conversion,) = convert(source, tmp_path / "x.txt", to="inline")
    assert (tmp_path / "x.txt").read_text() == "[Ada s|PER]ang.\n"
    assert conversion.losses()["entities"][0] == 1
    assert conversion.losses()["relations"][0] == 1
    assert "J646" in conversion.lost[0]


def test_repeated_triple_is_a_duplicate(tmp_path):
    source = write_spo(tmp_path / "x.jsonl", [("Ada", "Oslo"), ("Ada", "Oslo")])
    (conversion,) = convert(source, tmp_path / "x.spacy")
    assert len(triples(tmp_path / "x.spacy")) == 1
    assert "1 relations (0 lost, 1 duplicates)" in conversion.summary()


def test_tokens_of_prodigy_tasks_are_those_of_the_language(tmp_path):
    spans = [
        {"start": 0, "end": 5, "label": "VERB"},
        {"start": 6, "end": 9, "label": "PER"},
    ]
    link = {"head": 0, "child": 1, "label": "by"}
    task = {"text": "Don't Ada", "spans": spans, "relations": [link]}
    source = write_lines(tmp_path / "x.jsonl", [json.dumps(task)])
    convert(source, tmp_path / "x.spacy", lang="xx")
    assert triples(tmp_path / "x.spacy") == [("Don't", "by", "Ada")]


def test_format_without_a_writer_fails(tmp_path):
    arguments = (FOLDER / "inline.txt", tmp_path / "x", "--to", "doccano")
    result = run("convert", *arguments)
    known = "spacy, spert, prodigy, brat, label-studio, inline"
    assert_plain_error(result, "J701", "'doccano'", known)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("to", "names"),
    [
        ("spacy", {"train.spacy", "dev.spacy", "test.spacy"}),
        ("spert", {"train.json", "dev.json", "test.json"}),
        ("prodigy", {"train.jsonl", "dev.jsonl", "test.jsonl"}),
        ("brat", {"train", "dev", "test"}),
        ("label-studio", {"train.json", "dev.json", "test.json"}),
        ("inline", {"train.txt", "dev.txt", "test.txt"}),
    ],
)
def test_splits_have_the_file_extension_of_the_format(tmp_path, to, names):
    target = tmp_path / "out"
    convert(FOLDER / "inline.txt", target, to=to, split="2/1/1", lang="en")
    assert {path.name for path in target.iterdir()} == names


def test_document_is_split_into_spert_sentences(tmp_path):
    source = write_brat_document(tmp_path / "in")
    (conversion,) = convert(source, tmp_path / "x.json", to="spert", sentences="line")
    written = json.loads((tmp_path / "x.json").read_text())
    assert [sentence["tokens"] for sentence in written] == [
        ["Ada", "sang", "."],
        ["Bo", "left", "."],
    ]
    # one relation is across sentences
    assert conversion.losses()["relations"][0] == 1
    assert any("across sentences" in line for line in conversion.lost)


# folders


def test_brat_folders_are_splits(tmp_path):
    for split in DIVIDED:
        shutil.copytree(FOLDER / "brat", tmp_path / "in" / split)
    for path in (tmp_path / "in" / "dev").glob("[34]-*"):
        path.unlink()
    conversions = convert(tmp_path / "in", tmp_path / "out")
    assert [c.target.name for c in conversions] == [f"{s}.spacy" for s in DIVIDED]
    assert [c.report.docs for c in conversions] == [4, 2, 4]
    assert texts(tmp_path / "out" / "dev.spacy") == [r.text for r in STORY[:2]]


def test_gzip_files_are_splits(tmp_path):
    (tmp_path / "in").mkdir()
    for split in DIVIDED:
        data = gzip.compress((FOLDER / "doccano.jsonl").read_bytes())
        (tmp_path / "in" / f"{split}.jsonl.gz").write_bytes(data)
    convert(tmp_path / "in", tmp_path / "out")
    for split in DIVIDED:
        path = tmp_path / "out" / f"{split}.spacy"
        assert texts(path) == [record.text for record in STORY]


@pytest.mark.parametrize("encoding", ["latin1", "utf-16"])
@pytest.mark.parametrize("indent", [None, 1])
def test_file_in_another_encoding_has_one_error_with_the_remedy(
    tmp_path, encoding, indent
):
    text = "Bodø, Tromsø"
    entities = [{"id": 1, "label": "LOC", "start_offset": 0, "end_offset": 4}]
    row = {"text": text, "entities": entities, "relations": []}
    lines = [json.dumps(row, ensure_ascii=False, indent=indent)] * 8
    source = tmp_path / "export.jsonl"
    source.write_bytes("\n".join(lines).encode(encoding))
    result = run("convert", source, tmp_path / "x.spacy")
    code = "J668" if indent and encoding == "latin1" else "J667"
    assert_plain_error(result, code, str(source), "iconv")
    assert output_of(result).count("iconv") == 1


def test_single_brat_folder_is_one_source(tmp_path):
    (conversion,) = convert(FOLDER / "brat", tmp_path / "x.spacy")
    assert conversion.report.docs == 4


def divided(folder, n=4):
    """Write a folder with train, dev and test files."""
    folder.mkdir()
    for number, split in enumerate(DIVIDED):
        write_sentences(folder / f"{split}.json", n + number)
    return folder


@pytest.mark.parametrize(
    "extra", [("--split", "80/20"), ("--also", FOLDER / "inline.txt")]
)
def test_folder_with_splits_cannot_be_split_again(tmp_path, extra):
    source = divided(tmp_path / "in")
    result = run("convert", source, tmp_path / "out", *extra)
    assert_plain_error(result, "J707", str(source))
    assert not (tmp_path / "out").exists()


# splits


@pytest.fixture
def twenty(tmp_path):
    return write_sentences(tmp_path / "twenty.json", 20)


@pytest.fixture
def books(tmp_path):
    """Ten books with two sentences each."""
    return write_sentences(tmp_path / "books.json", 20, per_document=2)


def parts(folder, splits=DIVIDED):
    return {split: texts(folder / f"{split}.spacy") for split in splits}


@pytest.mark.parametrize(
    ("split", "sizes"),
    [("80/10/10", [16, 2, 2]), ("2/1/1", [10, 5, 5]), ("0.75/0.25", [15, 5])],
)
def test_each_split_has_its_share(tmp_path, twenty, split, sizes):
    conversions = convert(twenty, tmp_path / "out", split=split)
    assert [c.report.docs for c in conversions] == sizes
    assert [len(texts(c.target)) for c in conversions] == sizes
    names = [c.target.name for c in conversions]
    assert names == [f"{name}.spacy" for name in DIVIDED[: len(sizes)]]


def test_two_shares_write_no_test_file(tmp_path, twenty):
    convert(twenty, tmp_path / "out", split="80/20")
    assert not (tmp_path / "out" / "test.spacy").exists()


def test_split_contains_every_record_once(tmp_path, twenty):
    convert(twenty, tmp_path / "out", split="60/20/20")
    written = [text for part in parts(tmp_path / "out").values() for text in part]
    assert sorted(written) == sorted(f"Ada sings song{n}" for n in range(20))


def test_reports_of_the_splits_add_up(tmp_path, twenty):
    conversions = convert(twenty, tmp_path / "out", split="60/20/20")
    for count in ("docs", "entities", "relations"):
        assert sum(getattr(c.report, count) for c in conversions) == 20
    assert sum(c.records for c in conversions) == 20


def test_split_prints_a_line_per_target(tmp_path, twenty):
    target = tmp_path / "out"
    result = run("convert", twenty, target, "--split", "80/10/10", "--lang", "xx")
    assert result.exit_code == 0
    for split, docs in (("train", 16), ("dev", 2), ("test", 2)):
        line = f"{twenty} -> {target / split}.spacy: {docs} records read (0 skipped)"
        assert line in output_of(result)


def test_language_of_a_split_corpus_is_written_for_the_training(tmp_path, twenty):
    out = tmp_path / "out"
    convert(twenty, out, split="80/20", lang="en")
    assert not (out / "dataset.json").exists()
    convert(twenty, out, split="80/20", lang="xx")
    assert json.loads((out / "dataset.json").read_text()) == {"lang": "xx"}
    # the fields that the user has added are kept
    (out / "dataset.json").write_text('{"title": "Songs", "lang": "xx"}')
    convert(twenty, out, split="80/20", lang="en")
    facts = json.loads((out / "dataset.json").read_text())
    assert facts == {"title": "Songs", "lang": "en"}


def test_same_seed_gives_the_same_files(tmp_path, twenty):
    for name in ("a", "b"):
        convert(twenty, tmp_path / name, split="60/20/20", seed=3)
    for split in DIVIDED:
        first, second = (tmp_path / name / f"{split}.spacy" for name in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_different_seed_gives_a_different_split(tmp_path, twenty):
    for seed in (0, 1):
        convert(twenty, tmp_path / str(seed), split="60/20/20", seed=seed)
    first, second = (parts(tmp_path / str(seed)) for seed in (0, 1))
    assert first.keys() == second.keys()
    assert first["dev"] != second["dev"]


def books_of(texts):
    return {int(text.rpartition("song")[2]) // 2 for text in texts}


def test_split_by_document_keeps_documents_together(tmp_path, books):
    convert(books, tmp_path / "out", split="60/20/20")
    numbers = [books_of(part) for part in parts(tmp_path / "out").values()]
    assert sum(map(len, numbers)) == 10
    assert [len(part) for part in parts(tmp_path / "out").values()] == [12, 4, 4]


def test_split_by_record_divides_documents(tmp_path, books):
    convert(books, tmp_path / "out", split="60/20/20", by="record")
    numbers = [books_of(part) for part in parts(tmp_path / "out").values()]
    assert sum(map(len, numbers)) > 10


def test_command_has_the_options_of_the_split(tmp_path, books):
    convert(books, tmp_path / "a", split="60/20/20", by="record", seed=5)
    result = run(
        *("convert", books, tmp_path / "b", "--lang", "xx"),
        *("--split", "60/20/20", "--by", "record", "--seed", 5),
    )
    assert result.exit_code == 0
    assert parts(tmp_path / "b") == parts(tmp_path / "a")


@pytest.mark.parametrize(
    ("options", "code", "part"),
    [
        (("--split", "80"), "J630", "'80'"),
        (("--split", "a/b"), "J630", "'a/b'"),
        (("--split", "80/20/0"), "J630", "'80/20/0'"),
        (("--split", "80/20", "--by", "sentence"), "J202", "'sentence'"),
    ],
)
def test_invalid_split_fails(tmp_path, twenty, options, code, part):
    result = run("convert", twenty, tmp_path / "out", *options)
    assert_plain_error(result, code, part)


def test_fewer_documents_than_splits_fail(tmp_path):
    source = write_sentences(tmp_path / "book.json", 9, per_document=9)
    result = run("convert", source, tmp_path / "out", "--split", "80/10/10")
    assert_plain_error(result, "J631", "1 document(s)", "--by record")


def test_skipped_records_of_a_split_are_counted_once(tmp_path):
    lines = (FOLDER / "spo.jsonl").read_text(encoding="utf8").splitlines()
    source = write_lines(tmp_path / "x.jsonl", [*lines, "{broken"])
    conversions = convert(source, tmp_path / "out", split="50/50")
    assert sum(c.records for c in conversions) == 4
    assert sum(len(c.skipped) for c in conversions) == 1
    with pytest.raises(ValueError, match=r"J702.*1 of 5 records"):
        check_losses(conversions, 0.1)


# additional sources


def test_additional_sources_can_have_other_formats(tmp_path, twenty):
    also = [FOLDER / "inline.txt", FOLDER / "brat"]
    (conversion,) = convert(twenty, tmp_path / "x.spacy", also=also)
    assert conversion.sources == [twenty, *also]
    assert (conversion.records, conversion.report.docs) == (28, 28)
    assert texts(tmp_path / "x.spacy")[20:] == 2 * [record.text for record in STORY]


def test_command_accepts_several_additional_sources(tmp_path):
    result = run(
        *("convert", FOLDER / "inline.txt", tmp_path / "x.spacy", "--lang", "xx"),
        *("--also", FOLDER / "spert.json", "--also", FOLDER / "spo.jsonl"),
    )
    assert result.exit_code == 0
    assert "12 records read (0 skipped), 12 documents" in output_of(result)
    assert f"{FOLDER / 'inline.txt'}, {FOLDER / 'spert.json'}" in output_of(result)


def test_all_sources_are_split_together(tmp_path, twenty):
    more = write_sentences(tmp_path / "more.json", 40)
    conversions = convert(twenty, tmp_path / "out", also=[more], split="50/50")
    # twenty sentences are in both sources, and equal texts are kept together
    sentences = [set(texts(c.target)) for c in conversions]
    assert [c.report.docs for c in conversions] == [30, 30]
    assert not sentences[0] & sentences[1]


def test_missing_additional_source_fails(tmp_path):
    missing = tmp_path / "missing.txt"
    arguments = ("convert", FOLDER / "inline.txt", tmp_path / "x.spacy")
    assert_plain_error(run(*arguments, "--also", missing), "J601", str(missing))


def test_checksum_of_an_additional_source_is_checked(tmp_path, twenty):
    more = write_sentences(tmp_path / "more.json", 3)
    project = tmp_path / "project.yml"
    write_json(project, {"assets": [{"dest": "more.json", "checksum": "0" * 32}]})
    with pytest.raises(ValueError, match=r"J607.*more\.json"):
        convert(twenty, tmp_path / "x.spacy", also=[more], checksums=project)


# records by ID


@pytest.fixture
def ids(tmp_path):
    """Two sentences of the story, as in the index files of CoNLL04."""
    lines = ["101:   Two    days  after", "", "103 Both osterone"]
    return write_lines(tmp_path / "ids.txt", lines)


def test_records_are_selected_by_id(tmp_path, ids):
    target = tmp_path / "x.spacy"
    (conversion,) = convert(FOLDER / "story.corp", target, ids=ids)
    assert texts(target) == [STORY[1].text, STORY[3].text]
    assert conversion.report.docs == 2


def test_records_are_selected_by_document(tmp_path):
    ids = write_lines(tmp_path / "ids.txt", ["story-2"])
    convert(FOLDER / "dygie.jsonl", tmp_path / "x.spacy", ids=ids)
    assert texts(tmp_path / "x.spacy") == [STORY[2].text]


def test_command_accepts_ids(tmp_path, ids):
    target = tmp_path / "x.spacy"
    result = run("convert", FOLDER / "story.corp", target, "--ids", ids)
    assert result.exit_code == 0
    assert len(read(target)) == 2


def test_id_without_a_record_fails(tmp_path, ids):
    write_lines(ids, ["101: Two", "999: Nine", "888"])
    arguments = ("convert", FOLDER / "story.corp", tmp_path / "x.spacy")
    result = run(*arguments, "--ids", ids)
    assert_plain_error(result, "J632", str(ids), "2 id(s)", "888, 999")


def test_missing_ids_file_fails(tmp_path):
    missing = tmp_path / "ids.txt"
    arguments = ("convert", FOLDER / "story.corp", tmp_path / "x.spacy")
    assert_plain_error(run(*arguments, "--ids", missing), "J601", str(missing))


# sentences and tokens


def write_brat_document(folder, text="Ada sang.\nBo left.", *annotations):
    folder.mkdir()
    # write_text would convert line breaks on some systems
    (folder / "a.txt").write_bytes(text.encode())
    annotations = annotations or (
        "T1\tPER 0 3\tAda",
        "T2\tPER 10 12\tBo",
        "R1\tknows Arg1:T1 Arg2:T2",
    )
    write_lines(folder / "a.ann", annotations)
    return folder


THREE = "Ada sang. Bo left.\nMia fell"


@pytest.mark.parametrize(
    ("sentences", "starts"),
    [
        ("record", ["Ada"]),
        ("line", ["Ada", "Mia"]),
        ("rules", ["Ada", "Bo", "Mia"]),
    ],
)
def test_sentence_boundaries_depend_on_the_option(tmp_path, sentences, starts):
    source = write_brat_document(tmp_path / "in", THREE, "T1\tPER 0 3\tAda")
    convert(source, tmp_path / "x.spacy", lang="en", sentences=sentences)
    (doc,) = read(tmp_path / "x.spacy")
    assert [sent.text.split()[0] for sent in doc.sents] == starts


def test_sentences_of_the_format_take_precedence(tmp_path):
    line = {
        "doc_key": "a",
        "sentences": [["Ada", ".", "sang", "."], ["Bo", "left"]],
        "ner": [[[0, 0, "PER"]], []],
        "relations": [[], []],
    }
    source = write_lines(tmp_path / "x.jsonl", [json.dumps(line)])
    convert(source, tmp_path / "x.spacy", sentences="rules")
    (doc,) = read(tmp_path / "x.spacy")
    assert [sent.text for sent in doc.sents] == ["Ada . sang .", "Bo left"]


def test_unknown_sentences_option_fails(tmp_path):
    arguments = ("convert", FOLDER / "inline.txt", tmp_path / "x.spacy")
    result = run(*arguments, "--sentences", "paragraph")
    assert_plain_error(result, "J202", "'paragraph'", "record, line, rules")


def test_per_sentence_creates_a_doc_per_sentence(tmp_path):
    source = write_brat_document(tmp_path / "in")
    target = tmp_path / "x.spacy"
    (conversion,) = convert(source, target, sentences="line", per_sentence=True)
    assert texts(target) == ["Ada sang.", "Bo left."]
    assert [[e.text for e in doc.ents] for doc in read(target)] == [["Ada"], ["Bo"]]
    assert (conversion.records, conversion.report.docs) == (1, 2)


def test_relation_across_sentences_is_reported_and_counted(tmp_path):
    source = write_brat_document(tmp_path / "in")
    arguments = ("convert", source, tmp_path / "x.spacy", "--sentences", "line")
    result = run(*arguments, "--per-sentence")
    assert "relation 0 is across sentences" in output_of(result)
    assert_plain_error(result, "J702", "1 of 1 relations")


def test_relation_across_sentences_of_one_doc_is_kept(tmp_path):
    source = write_brat_document(tmp_path / "in")
    (conversion,) = convert(source, tmp_path / "x.spacy", sentences="line")
    assert triples(tmp_path / "x.spacy") == [("Ada", "knows", "Bo")]
    assert conversion.lost == []


def test_tokenized_splits_on_whitespace(tmp_path):
    source = tmp_path / "x.txt"
    source.write_text("[Ada|PER] can't  cook (much).\n", encoding="utf8")
    for tokenized in (True, False):
        convert(source, tmp_path / "x.spacy", lang="en", tokenized=tokenized)
        (doc,) = read(tmp_path / "x.spacy")
        words = [token.text for token in doc]
        assert (words == ["Ada", "can't", "cook", "(much)."]) == tokenized


def test_command_has_the_option_tokenized(tmp_path):
    source = tmp_path / "x.txt"
    source.write_text("[Ada|PER] can't cook.\n", encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy", "--tokenized")
    assert result.exit_code == 0
    assert [token.text for token in read(tmp_path / "x.spacy")[0]][-1] == "cook."


def test_entity_inside_a_token_is_lost_and_reported(tmp_path):
    source = tmp_path / "x.txt"
    source.write_text("[Ada|PER], sang\n", encoding="utf8")
    (conversion,) = convert(source, tmp_path / "x.spacy", tokenized=True)
    assert conversion.lost == [
        f"{source}, line 1: PER 'Ada' at 0..3 does not align with tokens"
    ]


# repeated forms, discontinuous entities


@pytest.mark.parametrize(
    ("repeats", "offsets"),
    [
        # the first Ada and Oslo are 12 characters apart, the second ones 7
        ("first", [(16, 0)]),
        ("nearest", [(22, 32)]),
        ("all", [(16, 0), (16, 32), (22, 0), (22, 32)]),
    ],
)
def test_mentions_of_repeated_forms_depend_on_the_option(tmp_path, repeats, offsets):
    text = "Oslo never lost Ada , Ada found Oslo"
    value = {"text": text, "triple_list": [["Ada", "in", "Oslo"]]}
    source = write_json(tmp_path / "x.json", [value])
    target = tmp_path / "x.spacy"
    result = run("convert", source, target, "--repeats", repeats, "--lang", "xx")
    assert result.exit_code == 0
    (doc,) = read(target)
    starts = [(r.head.start_char, r.tail.start_char) for r in doc._.relations]
    assert sorted(starts) == offsets


def test_unknown_repeats_option_fails(tmp_path):
    arguments = ("convert", FOLDER / "spo.jsonl", tmp_path / "x.spacy")
    result = run(*arguments, "--repeats", "last")
    assert_plain_error(result, "J202", "'last'", "nearest, first, all")


@pytest.fixture
def discontinuous(tmp_path):
    annotations = ("T1\tSign 0 6;11 15\tsevere rash", "T2\tDrug 20 24\tx123")
    text = "severe red rash and x123 ."
    return write_brat_document(tmp_path / "in", text, *annotations)


def test_discontinuous_entity_is_skipped_and_counted(tmp_path, discontinuous):
    result = run("convert", discontinuous, tmp_path / "x.spacy")
    assert "entity T1 is discontinuous: 'severe' + 'rash'" in output_of(result)
    assert_plain_error(result, "J702", "1 of 2 entities")


def test_discontinuous_entity_can_cover_all_text(tmp_path, discontinuous):
    target = tmp_path / "x.spacy"
    result = run("convert", discontinuous, target, "--discontinuous", "cover")
    assert result.exit_code == 0
    (doc,) = read(target)
    assert [e.text for e in doc.ents] == ["severe red rash", "x123"]


def test_unknown_discontinuous_option_fails(tmp_path, discontinuous):
    arguments = ("convert", discontinuous, tmp_path / "x.spacy")
    result = run(*arguments, "--discontinuous", "join")
    assert_plain_error(result, "J608", "'join'", "skip or cover")


def test_events_are_read_unless_the_option_leaves_them_out(tmp_path):
    annotations = ("T1\tPER 0 3\tAda", "T2\tSong 4 8\tsang", "E1\tSong:T2 Who:T1")
    source = write_brat_document(tmp_path / "in", "Ada sang .", *annotations)
    for option, count in (("--events", 1), ("--no-events", 0)):
        result = run("convert", source, tmp_path / "x.spacy", "--lang", "xx", option)
        assert result.exit_code == 0
        assert len(triples(tmp_path / "x.spacy")) == count


def test_feature_of_a_layer_can_be_chosen(tmp_path):
    lines = ["#FORMAT=WebAnno TSV 3.3", "#T_SP=custom.Singer|name|voice", "", ""]
    lines += [
        "#Text=Ada sang",
        "1-1\t0-3\tAda\tAda L.\talto\t",
        "1-2\t4-8\tsang\t_\t_\t",
    ]
    source = write_lines(tmp_path / "x.tsv", lines)
    target = tmp_path / "x.spacy"
    result = run("convert", source, target, "--feature", "name")
    assert [ent.label_ for ent in read(target)[0].ents] == ["Ada L."]
    result = run(
        "convert", source, target, "--feature", "name", "--feature", "Singer=voice"
    )
    assert result.exit_code == 0
    assert [ent.label_ for ent in read(target)[0].ents] == ["alto"]


# losses


def test_entities_without_relations_are_a_warning(tmp_path):
    source = tmp_path / "x.txt"
    source.write_text("[Ada|PER] sang\n", encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy")
    assert result.exit_code == 0
    assert f"{tmp_path / 'x.spacy'}: no relations in any record" in output_of(result)


@pytest.mark.parametrize("text", ["10030778 NEG Nothing happened .\n", None])
def test_other_sources_are_not_a_warning(tmp_path, text):
    source = FOLDER / "inline.txt"
    if text is not None:  # no entities and no relations
        source = tmp_path / "x.txt"
        source.write_text(text, encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy")
    assert result.exit_code == 0
    assert "no relations" not in output_of(result)


@pytest.fixture(params=LINES)
def damaged(request, tmp_path):
    """A file of the story with invalid second and fifth lines."""
    lines = (FOLDER / request.param).read_text(encoding="utf8").splitlines()
    lines = [lines[0], "{broken", *lines[1:3], '{"text": 3, "sentences": 3}', lines[3]]
    return write_lines(tmp_path / request.param, lines)


def test_read_and_skipped_records_add_up_to_the_file(tmp_path, damaged):
    (conversion,) = convert(damaged, tmp_path / "x.spacy")
    assert (conversion.records, len(conversion.skipped)) == (4, 2)
    assert conversion.report.docs == 4
    assert conversion.losses()["records"] == (2, 6)


def test_skipped_records_are_listed_with_their_line(tmp_path, damaged):
    result = run("convert", damaged, tmp_path / "x.spacy", "--max-loss", 0.5)
    assert result.exit_code == 0
    assert f"[J604] {damaged}, line 2: invalid JSON" in output_of(result)
    assert f"[J605] {damaged}, line 5: " in output_of(result)
    assert "4 records read (2 skipped), 4 documents" in output_of(result)


@pytest.mark.parametrize(("limit", "code"), [(0.33, 1), (0.34, 0)])
def test_broken_records_above_the_limit_fail(tmp_path, damaged, limit, code):
    result = run("convert", damaged, tmp_path / "x.spacy", "--max-loss", limit)
    assert result.exit_code == code
    assert ("[J702] 2 of 6 records were lost" in output_of(result)) == bool(code)


def test_rejected_tasks_are_reported_but_not_lost(tmp_path):
    lines = (FOLDER / "prodigy.jsonl").read_text(encoding="utf8").splitlines()
    tasks = [json.loads(line) for line in lines]
    tasks[1]["answer"], tasks[3]["answer"] = "reject", "ignore"
    source = write_lines(tmp_path / "x.jsonl", map(json.dumps, tasks))
    result = run("convert", source, tmp_path / "x.spacy", "--max-loss", 0)
    assert result.exit_code == 0
    assert f"{source}, line 2: the answer is 'reject'" in output_of(result)
    assert f"{source}, line 4: the answer is 'ignore'" in output_of(result)
    assert "2 records read (2 skipped), 2 documents" in output_of(result)


def write_spo(path, triples):
    values = [
        {
            "predicate": "in",
            "subject": head,
            "subject_type": "PER",
            "object": {"@value": tail},
            "object_type": {"@value": "LOC"},
        }
        for head, tail in triples
    ]
    line = {"text": "Ada lives in Oslo , Bo in Rome .", "spo_list": values}
    others = [("Lima", "LOC"), ("lives", "VERB"), ("in", "PREP")]
    line["entity_list"] = [{"entity": form, "type": kind} for form, kind in others]
    return write_lines(path, [json.dumps(line)])


@pytest.mark.parametrize(
    ("limit", "lost"), [(0.1, "2 of 8 entities"), (0.3, "1 of 3 relations")]
)
def test_annotations_skipped_by_the_reader_count_as_lost(tmp_path, limit, lost):
    triples = [("Ada", "Oslo"), ("Bo", "Rome"), ("Mia", "Rome")]
    source = write_spo(tmp_path / "x.jsonl", triples)
    result = run("convert", source, tmp_path / "x.spacy", "--max-loss", limit)
    assert "'Mia' is not in the text" in output_of(result)
    assert "LOC 'Lima' is not in the text" in output_of(result)
    assert_plain_error(result, "J702", lost)
    result = run("convert", source, tmp_path / "x.spacy", "--max-loss", 0.5)
    assert "8 entities (2 lost, including 0 misaligned;" in output_of(result)
    assert "3 relations (1 lost, 0 duplicates)" in output_of(result)


def test_loss_equal_to_the_limit_passes(tmp_path):
    triples = [("Ada", "Oslo"), ("Bo", "Rome"), ("Ada", "Rome"), ("Mia", "Rome")]
    source = write_spo(tmp_path / "x.jsonl", triples)
    result = run("convert", source, tmp_path / "x.spacy", "--max-loss", 0.25)
    # two of eight entities, one of four relations
    assert result.exit_code == 0


def test_broken_lines_of_a_document_count_as_records(tmp_path):
    annotations = ("T1\tPER 0 3\tAda", "nonsense")
    source = write_brat_document(tmp_path / "in", "Ada sang.", *annotations)
    (conversion,) = convert(source, tmp_path / "x.spacy")
    assert conversion.losses()["records"][0] == 1
    assert f"{source / 'a.ann'}, line 2" in conversion.lost[0]


# datasets


def add_dataset(folder, **values):
    write_json(folder / "dataset.json", values)
    return folder


@pytest.mark.parametrize(
    ("about", "lang", "tokens"),
    [
        ({"lang": "zh"}, "", list("Adacan't")),
        ({"lang": "xx"}, "", ["Ada", "can't"]),
        ({}, "", ["Ada", "ca", "n't"]),
        ({"lang": "zh"}, "xx", ["Ada", "can't"]),
    ],
)
def test_language_defaults_to_the_dataset(tmp_path, about, lang, tokens):
    source = tmp_path / "in"
    source.mkdir()
    for split in DIVIDED:
        (source / f"{split}.txt").write_text("[Ada|PER] can't\n", encoding="utf8")
    add_dataset(source, **about)
    convert(source, tmp_path / "out", lang=lang)
    (doc,) = read(tmp_path / "out" / "dev.spacy")
    assert [token.text for token in doc if not token.is_space] == tokens


def test_dataset_json_is_copied(tmp_path):
    source = add_dataset(divided(tmp_path / "in"), title="ours", lang="xx")
    convert(source, tmp_path / "out")
    copy = tmp_path / "out" / "dataset.json"
    assert json.loads(copy.read_text()) == {"title": "ours", "lang": "xx"}


def test_missing_dataset_json_is_not_written(tmp_path):
    convert(divided(tmp_path / "in"), tmp_path / "out", lang="en")
    assert not (tmp_path / "out" / "dataset.json").exists()


def test_dataset_can_set_per_sentence(tmp_path):
    source = tmp_path / "in"
    for split in ("train", "test"):
        shutil.copytree(FOLDER / "brat", source / split)
    line = {
        "doc_key": "a",
        "sentences": [["Ada", "sang"], ["Bo", "left"]],
        "ner": [[[0, 0, "PER"]], []],
        "relations": [[], []],
    }
    write_lines(source / "dev.jsonl", [json.dumps(line)])
    add_dataset(source, per_sentence=True)
    _, dev, _ = convert(source, tmp_path / "out")
    assert texts(dev.target) == ["Ada sang", "Bo left"]


@pytest.fixture
def folds(tmp_path):
    """Twelve sentences. Test of fold 0 is the first two, of fold 1 the last two."""
    folder = tmp_path / "in"
    folder.mkdir()
    sentences = json.loads(write_sentences(folder / "all.json", 12).read_text())
    sentences = [{**s, "orig_id": number} for number, s in enumerate(sentences)]
    write_json(folder / "all.json", sentences)
    write_json(folder / "test0.json", sentences[:2])
    write_json(folder / "test1.json", sentences[-2:])
    return add_dataset(
        folder,
        files={"train": ["all.json"], "test": ["test{fold}.json"]},
        folds=2,
        train_minus_test=True,
        keep="last",
    )


@pytest.mark.parametrize(("fold", "test"), [(0, range(0, 2)), (1, range(10, 12))])
def test_train_of_a_fold_is_everything_but_its_test(tmp_path, folds, fold, test):
    arguments = ("convert", folds, tmp_path / "out", "--lang", "xx", "--fold", fold)
    assert run(*arguments).exit_code == 0
    splits = parts(tmp_path / "out")
    assert splits["test"] == [f"Ada sings song{n}" for n in test]
    rest = [n for n in range(12) if n not in test]
    assert splits["train"] == [f"Ada sings song{n}" for n in rest]
    assert splits["dev"] == splits["test"]


def test_fold_that_does_not_exist_fails(tmp_path, folds):
    result = run("convert", folds, tmp_path / "out", "--fold", 2)
    assert_plain_error(result, "J634", str(folds), "2 fold(s)")


def test_missing_file_of_a_dataset_fails(tmp_path, folds):
    (folds / "test0.json").unlink()
    result = run("convert", folds, tmp_path / "out")
    assert_plain_error(result, "J717", str(folds / "test0.json"), "project assets")


def test_invalid_dataset_json_fails(tmp_path, folds):
    add_dataset(folds, folds="ten")
    result = run("convert", folds, tmp_path / "out")
    assert_plain_error(result, "J633", str(folds / "dataset.json"), "'folds'")


def test_share_of_train_becomes_dev(tmp_path, folds):
    files = {"train": ["all.json"], "test": ["test0.json"]}
    add_dataset(folds, files=files, train_minus_test=True, dev_share=0.2)
    conversions = convert(folds, tmp_path / "out")
    assert [c.report.docs for c in conversions] == [8, 2, 2]
    splits = parts(tmp_path / "out")
    assert not set(splits["train"]) & {*splits["dev"], *splits["test"]}


def test_texts_with_overlaps_are_reported_but_not_lost(tmp_path, folds):
    sentences = json.loads((folds / "test1.json").read_text())
    sentences[0]["entities"].append({"type": "ART", "start": 0, "end": 3})
    write_json(folds / "test1.json", sentences)
    files = {"train": ["all.json"], "test": ["test1.json"]}
    add_dataset(folds, files=files, without_overlaps=True, keep="last")
    arguments = ("convert", folds, tmp_path / "out", "--lang", "xx", "--max-loss", 0)
    result = run(*arguments)
    assert result.exit_code == 0
    assert "record 0: has overlapping entities" in output_of(result)
    assert len(read(tmp_path / "out" / "test.spacy")) == 1


def test_spacy_files_of_splits_can_be_converted(tmp_path):
    convert(divided(tmp_path / "in"), tmp_path / "out")
    conversions = convert(tmp_path / "out", tmp_path / "again", to="brat")
    assert [c.report.docs for c in conversions] == [4, 5, 6]
    records = list(read_brat(tmp_path / "again" / "dev"))
    assert [record.text for record in records] == texts(tmp_path / "out" / "dev.spacy")
    assert content(records[0])[1:] == ([(0, 3, "PER")], [(0, 0, "self")])


# invalid combinations


def test_target_equal_to_the_source_fails(tmp_path):
    source = divided(tmp_path / "in")
    with pytest.raises(ValueError, match=r"\[J708\]"):
        convert(source, source)


def test_converted_dataset_can_be_converted_again(tmp_path):
    files = {"train": ["dev.json"], "dev": ["dev.json"], "test": ["test.json"]}
    source = divided(tmp_path / "in")
    names = {path.stem: path.name for path in source.iterdir()}
    files = {split: [names[split]] for split in DIVIDED}
    add_dataset(source, files=files, lang="xx")
    convert(source, tmp_path / "once")
    convert(tmp_path / "once", tmp_path / "twice")
    for split in DIVIDED:
        assert (tmp_path / "twice" / f"{split}.spacy").is_file()


def test_file_with_only_rejected_tasks_fails(tmp_path):
    path = tmp_path / "rejected.jsonl"
    path.write_text(
        '{"text": "a b", "tokens": [], "spans": [], "answer": "reject"}\n',
        encoding="utf8",
    )
    result = run("convert", path, tmp_path / "x.spacy")
    assert_plain_error(result, "J711", str(path), "all 1 record(s)")


def test_unknown_language_fails(tmp_path):
    result = run("convert", FOLDER / "spert.json", tmp_path / "x", "--lang", "qq")
    assert_plain_error(result, "J712", "'qq'")


def test_fold_of_a_single_file_fails(tmp_path):
    result = run("convert", FOLDER / "spert.json", tmp_path / "x", "--fold", 2)
    assert_plain_error(result, "J634", "Fold 2")


def test_alignment_is_checked_for_every_target(tmp_path):
    arguments = ("--to", "brat", "--alignment", "loose")
    result = run("convert", FOLDER / "spert.json", tmp_path / "x", *arguments)
    assert_plain_error(result, "J110", "'loose'")


def test_ids_cannot_be_combined_with_splits(tmp_path):
    ids = tmp_path / "ids.txt"
    ids.write_text("1\n", encoding="utf8")
    source = divided(tmp_path / "in")
    result = run("convert", source, tmp_path / "out", "--ids", ids)
    assert_plain_error(result, "J707", str(source))


def test_folder_as_output_file_fails_without_a_traceback(tmp_path):
    result = run("convert", FOLDER / "spert.json", tmp_path)
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert str(tmp_path) in "".join(result.output.split())


def test_brat_documents_can_have_the_names_of_splits(tmp_path):
    folder = tmp_path / "brat"
    folder.mkdir()
    for name in ("train", "test"):
        (folder / f"{name}.txt").write_text("Ada", encoding="utf8")
        (folder / f"{name}.ann").write_text("T1\tPER 0 3\tAda\n", encoding="utf8")
    (conversion,) = convert(folder, tmp_path / "x.spacy")
    assert conversion.records == 2


def test_lines_of_a_tokenized_text_are_sentences(tmp_path):
    path = tmp_path / "two.jsonl"
    text = "Ada sang .\nOla slept ."
    path.write_text(json.dumps({"text": text, "spo_list": []}), encoding="utf8")
    target = tmp_path / "x.spacy"
    convert(path, target, sentences="line", tokenized=True)
    (doc,) = read(target)
    assert [[t.text for t in s] for s in doc.sents] == [
        ["Ada", "sang", "."],
        ["Ola", "slept", "."],
    ]
