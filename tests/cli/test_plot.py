"""`spacy jre plot` draws reports of `spacy jre evaluate`."""

import pytest

from ..conftest import needs_matplotlib, write_json
from ..display.test_curves import make_report
from .helpers import assert_plain_error, output_of, run

pytestmark = needs_matplotlib


def test_pictures_of_reports_are_written(tmp_path):
    reports = [write_json(tmp_path / f"{i}.json", make_report()) for i in range(2)]
    result = run("plot", *reports, tmp_path / "plots", "--format", "png")
    assert result.exit_code == 0, result.output
    assert "precision_recall.png" in output_of(result)
    assert len(list((tmp_path / "plots").glob("*.png"))) == 9


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
