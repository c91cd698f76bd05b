import json
import shutil

import pytest

from ..conftest import ROOT
from .helpers import assert_plain_error, output_of, run

NEWSWIRE = ROOT / "assets" / "newswire"
DDI_ZH = ROOT / "assets" / "ddi_zh"


@pytest.fixture
def folder(tmp_path):
    """A copy of the included corpus, for changes."""
    return shutil.copytree(NEWSWIRE, tmp_path / "newswire")


@pytest.mark.parametrize("corpus", [NEWSWIRE, DDI_ZH], ids=lambda path: path.name)
def test_included_corpus_passes(corpus):
    result = run("validate", corpus)
    assert result.exit_code == 0
    assert f"{corpus} passes every check" in output_of(result)


def test_help_describes_checks_and_refers_to_debug_data():
    text = output_of(run("validate", "--help"))
    assert "Check a hand-written corpus against the limits in its dataset.json" in text
    assert "To check your own training data, use debug-data" in text


def test_statistics_are_shown():
    text = output_of(run("validate", NEWSWIRE))
    for name in ("distinct sentences: ", "entities: {", "without a relation: 0."):
        assert name in text


def test_problem_is_shown_and_counted(folder):
    with (folder / "test.txt").open("a", encoding="utf8") as file:
        file.write("\nThe clouds over the [harbour|Sky] hung low all week.\n")
    result = run("validate", folder)
    assert "unknown entity label 'Sky'" in output_of(result)
    assert_plain_error(result, "J703", f"{folder}: the corpus failed 1 check")


def test_invalid_split_file_fails_with_its_line(folder):
    # the valid first line is required to detect the format
    markup = "[Rain|Other] fell\n\n[Ada sang\n"
    (folder / "dev.txt").write_text(markup, encoding="utf8")
    result = run("validate", folder)
    assert_plain_error(result, "J606", f"{folder / 'dev.txt'}, line 3")


@pytest.mark.parametrize(
    ("name", "code", "part"),
    [
        ("train.txt", "J716", "has no train.*"),
        ("dev.txt", "J716", "has no dev.*"),
        ("test.txt", "J716", "has no test.*"),
        ("dataset.json", "J601", "dataset.json"),
    ],
)
def test_missing_file_fails(folder, name, code, part):
    (folder / name).unlink()
    assert_plain_error(run("validate", folder), code, str(folder), part)


def change(folder, **values):
    path = folder / "dataset.json"
    old = json.loads(path.read_text(encoding="utf8"))
    path.write_text(json.dumps({**old, **values}), encoding="utf8")


def test_limits_are_read_from_the_dataset(folder):
    change(folder, limits={"min_sentences": 701})
    result = run("validate", folder)
    assert_plain_error(result, "J703", "distinct sentences: 700, at least 701")


def test_language_is_read_from_the_dataset(folder):
    # tokens are characters, so the sentences are too long
    change(folder, lang="zh")
    result = run("validate", folder)
    assert "tokens, not 6 to 60" in output_of(result)


def test_missing_folder_fails(tmp_path):
    result = run("validate", tmp_path / "missing")
    assert_plain_error(result, "J601", str(tmp_path / "missing"))
