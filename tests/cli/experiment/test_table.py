"""Tables show mean and deviation of each row."""

import pytest

from spacy_jre.cli.cross_validate import SCORES
from spacy_jre.cli.experiment.plan import plan_runs, read_experiment
from spacy_jre.cli.experiment.table import (
    insert_table,
    make_table,
    mean_and_deviation,
)

from ..helpers import assert_plain_error, run


def test_mean_and_deviation_equal_values_computed_by_hand():
    # mean 65; squares 2 * 15 ** 2 = 450 over n - 1 = 1
    assert mean_and_deviation([50, 80]) == "65.0 ± 21.2"
    assert mean_and_deviation([50]) == "50.0"
    assert mean_and_deviation([]) == "-"


def result(value, best):
    return {
        "last": dict.fromkeys(SCORES, value),
        "best": dict.fromkeys(SCORES, best),
        "cpu_seconds": 90,
    }


def table_lines(values, write, results_of):
    path = write(values)
    experiment = read_experiment(path)
    runs = plan_runs(path, experiment)
    results = {
        planned.fingerprint: found
        for planned in runs
        if (found := results_of(planned)) is not None
    }
    text = make_table(experiment, runs, results)
    return [line for line in text.splitlines() if line.startswith("| ")]


def test_row_has_mean_deviation_count_and_time(values, write):
    lines = table_lines(
        values,
        write,
        lambda planned: (
            result(planned.seed / 10, 0.4) if planned.row == "low" else None
        ),
    )
    assert lines[-1] == (
        "| spert | low | 15.0 ± 7.1 | 15.0 ± 7.1 | 15.0 ± 7.1 | 40.0 ± 0.0 | 2 | 1.5 |"
    )
    assert lines[-2] == "| spert | as configured | - | - | - | - | 0 of 2 | - |"


def test_samples_have_rows_of_their_own(values, write):
    values["datasets"]["tiny"]["samples"] = [3, None]
    lines = table_lines(values, write, lambda planned: result(0.5, 0.5))
    assert [line.split(" | ")[2] for line in lines[2:]] == ["3", "3", "all", "all"]


def test_name_with_a_pipe_stays_in_its_cell(values, write):
    values["rows"] = {"a|b": {}}
    (line,) = table_lines(values, write, lambda planned: None)[2:]
    assert "| a\\|b |" in line


# files


def test_table_is_replaced_between_its_comments(tmp_path):
    path = tmp_path / "page.md"
    insert_table(path, "own", "first")
    path.write_text(f"before\n{path.read_text()}after\n")
    insert_table(path, "own", "second")
    text = path.read_text()
    assert text.startswith("before\n<!-- experiment own")
    assert text.endswith("-->\nafter\n")
    assert "second" in text
    assert "first" not in text


def test_file_without_the_comments_fails(values, write, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("text")
    arguments = ("--output", tmp_path / "out", "--table-into", page)
    failed = run("experiment", write(values), *arguments)
    assert_plain_error(failed, "J753", str(page), "<!-- experiment own")
    assert page.read_text() == "text"


@pytest.mark.parametrize("missing", ["start", "end"])
def test_file_with_one_comment_fails(tmp_path, missing):
    page = tmp_path / "page.md"
    insert_table(page, "own", "table")
    comments = [line for line in page.read_text().splitlines() if "<!--" in line]
    page.write_text(comments[missing == "start"])
    with pytest.raises(ValueError, match=r"\[J753\]"):
        insert_table(page, "own", "table")
