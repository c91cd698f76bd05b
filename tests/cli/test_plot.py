"""`spacy jre plot` draws reports of `spacy jre evaluate`."""

from pathlib import Path

import pytest

from spacy_jre.cli.plot import plot, short_names

from ..conftest import needs_matplotlib, write_json
from ..display.test_curves import make_report, texts_of
from .helpers import assert_plain_error, output_of, run

pytestmark = needs_matplotlib


def test_pictures_of_reports_are_written(tmp_path):
    reports = [write_json(tmp_path / f"{i}.json", make_report()) for i in range(2)]
    result = run("plot", *reports, tmp_path / "plots", "--format", "png")
    assert result.exit_code == 0, result.output
    assert "precision_recall.png" in output_of(result)
    assert len(list((tmp_path / "plots").glob("*.png"))) == 9


def test_legends_have_the_folders_of_reports_with_the_same_name(tmp_path):
    paths = [tmp_path / folder / "scores.json" for folder in "ab"]
    for path in paths:
        path.parent.mkdir()
        write_json(path, make_report())
    plot(paths, tmp_path / "plots")
    texts = texts_of(tmp_path / "plots" / "ents_length.svg")
    assert {"a/scores", "b/scores"} <= set(texts)


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["runs/sinet.json"], ["sinet"]),
        (["runs/sinet.json", "iser.json"], ["sinet", "iser"]),
        (["a/x/s.json", "b/x/s.json", "t.json"], ["a/x/s", "b/x/s", "t"]),
        (["a/s.json", "x/a/s.json", "b/s.json"], [None, "x/a/s", "b/s"]),
        (["s.json", "s.v2.json", "s.txt"], ["s.json", "s.v2.json", "s.txt"]),
        (["s.json", "./s.json"], ["s", "s"]),
    ],
)
def test_name_of_a_report_is_the_shortest_that_differs(paths, names):
    found = short_names([Path(path) for path in paths])
    # this one also has the current folder
    cwd = Path.cwd().name
    assert found == [f"{cwd}/a/s" if name is None else name for name in names]


@pytest.mark.parametrize("content", [None, "{", "\ud800"])
def test_file_that_is_not_json_is_named(content, tmp_path):
    path = tmp_path / "report.json"
    if content is not None:
        path.write_text(content, encoding="utf8", errors="surrogatepass")
    result = run("plot", path, tmp_path / "plots")
    assert_plain_error(result, "J799", "report.json")


@pytest.mark.parametrize("content", [{}, [], {"buckets": 3}])
def test_other_json_is_refused(content, tmp_path):
    path = write_json(tmp_path / "other.json", content)
    assert_plain_error(run("plot", path, tmp_path / "plots"), "J798")


def test_other_formats_are_refused(tmp_path):
    path = write_json(tmp_path / "report.json", make_report())
    result = run("plot", path, tmp_path / "plots", "--format", "pdf")
    assert_plain_error(result, "J796")
