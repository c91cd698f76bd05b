import json
from pathlib import Path

import pytest
import spacy
from spacy.tokens import DocBin
from weasel.util import get_checksum

from spacy_jre.cli.convert import Settings, convert_path
from spacy_jre.corpora.formats import FORMATS

from .helpers import assert_plain_error, output_of, run

INLINE = "[Ada Quint|Peop 1] cooks in [Oslo|Loc 2].\n> 1 Live_In 2\n\nRain fell.\n"
SPERT = [
    {
        "tokens": ["Nils", "owns", "Fjordline"],
        "entities": [
            {"type": "Peop", "start": 0, "end": 1},
            {"type": "Org", "start": 2, "end": 3},
        ],
        "relations": [{"type": "Work_For", "head": 0, "tail": 1}] * 2,
    }
]
# three entities; one ends inside a token, so its relation is lost, too
MISALIGNED = "[Ada|Peop 1] sings for M[ia|Peop 2] and [Ola|Peop 3]\n> 1 r 2\n> 1 r 3\n"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "story.txt"
    path.write_text(INLINE, encoding="utf8")
    return path


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "assets"
    folder.mkdir()
    (folder / "train.txt").write_text(INLINE, encoding="utf8")
    (folder / "dev.json").write_text(json.dumps(SPERT), encoding="utf8")
    (folder / "test.txt").write_text("[Rain|Other] fell.\n", encoding="utf8")
    (folder / "notes.json").write_text("{}", encoding="utf8")
    return folder


@pytest.fixture
def misaligned(tmp_path):
    path = tmp_path / "misaligned.txt"
    path.write_text(MISALIGNED, encoding="utf8")
    return path


def project_of(source, checksum):
    """Write a project.yml with the checksum of the source."""
    path = source.parent / "project.yml"
    asset = {"dest": source.name, "checksum": checksum}
    other = {"dest": "other.txt", "url": "https://example.com"}
    path.write_text(json.dumps({"assets": [other, asset]}), encoding="utf8")
    return path


def read(path):
    docs = DocBin().from_disk(path).get_docs(spacy.blank("en").vocab)
    return [[r.as_triple() for r in doc._.relations] for doc in docs]


# function


def test_inline_file_becomes_docs_with_relations(tmp_path, source):
    target = tmp_path / "story.spacy"
    convert_path(source, target, Settings())
    assert read(target) == [[("Ada Quint", "Live_In", "Oslo")], []]


def test_spert_file_becomes_docs_with_its_own_tokens(tmp_path, folder):
    target = tmp_path / "dev.spacy"
    convert_path(folder / "dev.json", target, Settings())
    (doc,) = DocBin().from_disk(target).get_docs(spacy.blank("en").vocab)
    assert [token.text for token in doc] == SPERT[0]["tokens"]
    assert read(target) == [[("Nils", "Work_For", "Fjordline")]]


def test_report_has_counts(tmp_path, folder):
    (conversion,) = convert_path(
        folder / "dev.json", tmp_path / "dev.spacy", Settings()
    )
    report = conversion.report
    assert (report.docs, report.entities, report.relations) == (1, 2, 2)
    assert (report.duplicates, report.not_in_ents) == (1, 0)
    assert conversion.lost == []


def test_report_lists_lost_annotations(tmp_path, misaligned):
    (conversion,) = convert_path(misaligned, tmp_path / "x.spacy", Settings())
    entity, relation = conversion.lost
    assert (
        entity
        == f"{misaligned}, line 1: Peop 'ia' at 15..17 does not align with tokens"
    )
    assert relation.startswith(f"{misaligned}, line 1: r between entities 0 and 1")
    assert (conversion.report.entities, conversion.report.relations) == (3, 2)


def test_report_counts_nested_entities(tmp_path, source):
    source.write_text("[Hotel [Lima|Loc]|Org] sang\n", encoding="utf8")
    (conversion,) = convert_path(source, tmp_path / "x.spacy", Settings())
    assert conversion.report.not_in_ents == 1


def test_alignment_expand_keeps_all_entities(tmp_path, misaligned):
    target = tmp_path / "x.spacy"
    (conversion,) = convert_path(misaligned, target, Settings(alignment="expand"))
    assert conversion.lost == []
    assert read(target) == [[("Ada", "r", "Mia"), ("Ada", "r", "Ola")]]


def test_folder_is_converted_to_a_file_per_split(tmp_path, folder):
    target = tmp_path / "new" / "corpus"
    conversions = convert_path(folder, target, Settings())
    assert [c.target for c in conversions] == [
        target / "train.spacy",
        target / "dev.spacy",
        target / "test.spacy",
    ]
    assert [c.report.docs for c in conversions] == [2, 1, 1]
    assert [len(read(c.target)) for c in conversions] == [2, 1, 1]


def test_format_option_overrides_the_file_extension(tmp_path, source):
    path = source.rename(tmp_path / "story.json")
    (conversion,) = convert_path(path, tmp_path / "x.spacy", Settings(format="inline"))
    assert conversion.report.docs == 2


def test_file_with_the_right_checksum_is_converted(tmp_path, source):
    project = project_of(source, get_checksum(source))
    (conversion,) = convert_path(
        source, tmp_path / "x.spacy", Settings(checksums=project)
    )
    assert conversion.report.docs == 2


def test_checksum_applies_to_a_relative_path(tmp_path, source, monkeypatch):
    project_of(source, "0" * 32)
    monkeypatch.chdir(tmp_path)
    path, project = Path(source.name), Path("project.yml")
    with pytest.raises(ValueError, match=r"J607.*story\.txt"):
        convert_path(path, Path("x.spacy"), Settings(checksums=project))


def test_file_without_a_checksum_is_converted(tmp_path, source, misaligned):
    project = project_of(misaligned, "0" * 32)
    (conversion,) = convert_path(
        source, tmp_path / "x.spacy", Settings(checksums=project)
    )
    assert conversion.report.docs == 2


def test_language_sets_the_tokenizer(tmp_path, source):
    source.write_text("[Ada|Peop] can't cook\n", encoding="utf8")
    target = tmp_path / "x.spacy"
    lengths = []
    for lang in ("en", "xx"):
        convert_path(source, target, Settings(lang=lang))
        (doc,) = DocBin().from_disk(target).get_docs(spacy.blank("en").vocab)
        lengths.append(len(doc))
    assert lengths == [4, 3]


# command


COMMANDS = [
    *("train", "convert", "cross-validate", "experiment", "evaluate", "validate"),
    *("show", "export", "apply", "debug-data", "tune-thresholds", "check-vars"),
    *("profile", "attention", "plot"),
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert f"Usage: jre {command}" in output_of(result)


def test_help_lists_every_command():
    result = run("--help")
    assert result.exit_code == 0
    for command in COMMANDS:
        assert f" {command} " in output_of(result)


def test_converting_a_file_prints_counts(tmp_path, source):
    target = tmp_path / "story.spacy"
    result = run("convert", source, target)
    assert result.exit_code == 0
    assert "2 records read (0 skipped), 2 documents, 2 entities" in output_of(result)
    assert "2 entities (0 lost, including 0 misaligned; 0 overlapping" in output_of(
        result
    )
    assert "1 relations (0 lost, 0 duplicates)" in output_of(result)
    assert target.is_file()


def test_converting_a_folder_prints_each_split(tmp_path, folder):
    result = run("convert", folder, tmp_path / "corpus")
    assert result.exit_code == 0
    for split in ("train", "dev", "test"):
        assert str(tmp_path / "corpus" / f"{split}.spacy") in output_of(result)


def test_losses_within_the_limit_are_warnings(tmp_path, misaligned):
    result = run("convert", misaligned, tmp_path / "x.spacy", "--max-loss", "0.5")
    assert result.exit_code == 0
    assert "'ia' at 15..17 does not align with tokens" in output_of(result)
    assert "3 entities (1 lost, including 1 misaligned" in output_of(result)
    assert "2 relations (1 lost" in output_of(result)


@pytest.mark.parametrize(
    ("limit", "lost"), [(0.01, "1 of 3 entities"), (0.4, "1 of 2 relations")]
)
def test_losses_above_the_limit_fail(tmp_path, misaligned, limit, lost):
    result = run("convert", misaligned, tmp_path / "x.spacy", "--max-loss", limit)
    assert_plain_error(result, "J702", lost, f"--max-loss {limit}")


def test_losses_are_summed_over_the_splits(tmp_path, folder, misaligned):
    misaligned.rename(folder / "test.txt")
    result = run("convert", folder, tmp_path / "corpus", "--max-loss", "0.1")
    # entities: 2 in train, 2 in dev, 3 in test
    assert_plain_error(result, "J702", "1 of 7 entities")


def test_missing_file_fails(tmp_path):
    path = tmp_path / "missing.txt"
    result = run("convert", path, tmp_path / "x.spacy")
    assert_plain_error(result, "J601", str(path))


def test_folder_without_a_split_fails(tmp_path, folder):
    (folder / "dev.json").unlink()
    result = run("convert", folder, tmp_path / "corpus")
    assert_plain_error(result, "J716", f"{folder} has no dev.*.", "--split 80/10/10")


def test_invalid_file_fails_with_its_line(tmp_path, source):
    # the valid first line is required to detect the format
    source.write_text("[Rain|Other]\n\n[Ada sang\n", encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy")
    assert isinstance(result.exception, SystemExit)
    assert result.exit_code == 1
    assert f"[J606] {source}, line 3: " in output_of(result)
    assert "[J702] 1 of 2 records were lost" in output_of(result)
    assert "Traceback" not in output_of(result)


def test_wrong_checksum_fails(tmp_path, source):
    expected = "0123456789abcdef" * 2
    project = project_of(source, expected)
    target = tmp_path / "x.spacy"
    result = run("convert", source, target, "--checksums", project)
    assert_plain_error(result, "J607", str(source), get_checksum(source), expected)
    assert not target.exists()


def test_missing_project_file_fails(tmp_path, source):
    missing = tmp_path / "project.yml"
    result = run("convert", source, tmp_path / "x.spacy", "--checksums", missing)
    assert_plain_error(result, "J601", str(missing))


def test_project_file_without_assets_has_no_checksums(tmp_path, source):
    project = tmp_path / "project.yml"
    project.write_text("assets:\n", encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy", "--checksums", project)
    assert result.exit_code == 0


def test_unknown_format_fails(tmp_path, source):
    result = run("convert", source, tmp_path / "x.spacy", "--format", "docx")
    assert_plain_error(result, "J701", "'docx'", ", ".join(FORMATS))


def test_unknown_content_fails(tmp_path, source):
    source.write_text("Ada;Quint\n1;2\n", encoding="utf8")
    result = run("convert", source, tmp_path / "x.spacy")
    assert_plain_error(result, "J610", str(source), *FORMATS)


def test_format_of_an_unknown_extension_is_detected_from_the_content(tmp_path, source):
    path = source.rename(tmp_path / "story.csv")
    (conversion,) = convert_path(path, tmp_path / "x.spacy", Settings())
    assert conversion.report.docs == 2


def test_unknown_alignment_fails(tmp_path, source):
    result = run("convert", source, tmp_path / "x.spacy", "--alignment", "loose")
    assert_plain_error(result, "J110", "'loose'", "strict, contract or expand")


def test_two_files_for_one_split_fail(tmp_path):
    for name in ("train.json", "train.txt"):
        (tmp_path / name).write_text("x")
    with pytest.raises(ValueError, match=r"J705.*train\.json.*train\.txt"):
        convert_path(tmp_path, tmp_path / "out", Settings())
