import shutil

import pytest

from ..conftest import ROOT
from .helpers import assert_plain_error, run, said

NEWSWIRE = ROOT / "assets" / "newswire"


@pytest.fixture
def folder(tmp_path):
    """The shipped corpus, to be broken."""
    return shutil.copytree(NEWSWIRE, tmp_path / "newswire")


def test_shipped_corpus_passes():
    result = run("validate", NEWSWIRE)
    assert result.exit_code == 0
    assert f"{NEWSWIRE} passes every check" in said(result)


def test_figures_are_shown():
    text = said(run("validate", NEWSWIRE))
    for name in ("distinct sentences: ", "entities: {", "without a relation: 0."):
        assert name in text


def test_problem_is_shown_and_counted(folder):
    with (folder / "test.txt").open("a", encoding="utf8") as file:
        file.write("\nThe clouds over the [harbour|Sky] hung low all week.\n")
    result = run("validate", folder)
    assert "unknown entity label 'Sky'" in said(result)
    assert_plain_error(result, "J703", f"{folder} fails 1 check")


def test_broken_split_fails_with_its_line(folder):
    (folder / "dev.txt").write_text("Rain\n\n[Ada sang\n", encoding="utf8")
    result = run("validate", folder)
    assert_plain_error(result, "J606", f"{folder / 'dev.txt'}, line 3")


@pytest.mark.parametrize("name", ["train.txt", "dev.txt", "test.txt", "labels.json"])
def test_missing_file_fails(folder, name):
    (folder / name).unlink()
    result = run("validate", folder)
    assert_plain_error(result, "J601", str(folder / name))


def test_missing_folder_fails(tmp_path):
    result = run("validate", tmp_path / "gone")
    assert_plain_error(result, "J601", str(tmp_path / "gone"))
