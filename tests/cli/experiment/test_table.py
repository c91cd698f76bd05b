"""Tables show mean and deviation of each row."""

import pytest

from spacy_jre.cli.experiment.plan import plan_runs, read_experiment
from spacy_jre.cli.experiment.scores import PER_TYPE, SCORES
from spacy_jre.cli.experiment.table import (
    insert_table,
    make_table,
    mean_and_deviation,
    summarize_groups,
)

from ..helpers import assert_plain_error, run


def test_mean_and_deviation_equal_values_computed_by_hand():
    # mean 65; squares 2 * 15 ** 2 = 450 over n - 1 = 1
    assert mean_and_deviation([50, 80]) == "65.0 ± 21.2"
    assert mean_and_deviation([50]) == "50.0"
    assert mean_and_deviation([]) == "-"


def part(value):
    labels = {"PER": dict.fromkeys("prf", value)}
    per_type = dict.fromkeys(PER_TYPE, labels)
    return {**dict.fromkeys(SCORES, value), **per_type}


def result(value, best, fold=0):
    return {"last": part(value), "best": part(best), "cpu_seconds": 90, "fold": fold}


def results_of_runs(values, write, results_of):
    path = write(values)
    experiment = read_experiment(path)
    runs = plan_runs(path, experiment)
    results = {
        planned.fingerprint: found
        for planned in runs
        if (found := results_of(planned)) is not None
    }
    return experiment, runs, results


def table_lines(values, write, results_of):
    text = make_table(*results_of_runs(values, write, results_of))
    return [line for line in text.splitlines() if line.startswith("| ")]


def cells(line):
    return line.strip("|").split("|")


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


# averages


def test_table_of_a_dataset_with_macro_scores_shows_macro_f1(values, write):
    def score(planned):
        found = result(0.5, 0.5)
        found["last"]["rel_macro_f"] = 0.25
        return found

    values["datasets"]["tiny"]["average"] = "macro"
    experiment, runs, results = results_of_runs(values, write, score)
    text = make_table(experiment, runs, results)
    assert "tiny, scored on test, macro F1:" in text
    assert "| spert | low | 50.0 ± 0.0 | 25.0 ± 0.0 | 50.0 ± 0.0 |" in text


def test_results_without_macro_scores_have_an_empty_cell(values, write):
    def score(planned):
        found = result(0.5, 0.5)
        if planned.seed == 1:
            del found["last"]["rel_macro_f"], found["last"]["rel_strict_macro_f"]
        return found

    values["datasets"]["tiny"]["average"] = "macro"
    values["best_of"] = 1
    row = cells(table_lines(values, write, score)[-1])
    assert row[2:7] == [" 50.0 ± 0.0 ", " - ", " - ", " 50.0 ± 0.0 ", " - "]


def test_groups_are_summarized_for_each_label(values, write):
    found = results_of_runs(
        values,
        write,
        lambda run: result(run.seed / 10, 0.4) if run.row == "low" else None,
    )
    (summary,) = summarize_groups(*found[1:])
    names = {"model": "spert", "row": "low", "dataset": "tiny", "sample": None}
    assert {name: summary[name] for name in names} == names
    label = summary["last"]["rel_strict_per_type"]["PER"]
    assert label["mean"]["f"] == pytest.approx(0.15)
    assert label["deviation"]["f"] == pytest.approx(0.005**0.5)
    assert summary["best"]["mean"]["rel_macro_f"] == pytest.approx(0.4)


# best of several runs


def test_best_runs_are_chosen_per_fold_by_strict_f1(values, write):
    # by seed: the run with the best strict F1 has the worst entities
    strict = {(0, 1): 0.2, (0, 2): 0.6, (1, 1): 0.8, (1, 2): 0.4}

    def score(planned):
        found = result(strict[planned.fold, planned.seed], 0.0, planned.fold)
        found["last"]["ents_f"] = 1 - strict[planned.fold, planned.seed]
        return found

    values["datasets"]["tiny"]["folds"] = [0, 1]
    values["best_of"] = 1
    header, _, line, _ = table_lines(values, write, score)
    assert cells(header)[6].strip() == "Best 1 of 2 seeds"
    assert cells(line)[6].strip() == "30.0 / 70.0 / 70.0"
    # in addition to the mean of all runs
    assert cells(line)[4].strip() == "50.0 ± 25.8"


def test_best_runs_are_only_shown_if_all_runs_have_finished(values, write):
    values["best_of"] = 1
    lines = table_lines(
        values, write, lambda run: result(0.5, 0.5) if run.seed == 1 else None
    )
    assert cells(lines[-1])[6:8] == [" - ", " 1 of 2 "]


# scores of the paper


def test_scores_of_the_paper_are_beside_ours_with_their_source(values, write):
    note = "table 4, SciERC dev, SciBERT"
    values["rows"]["low"]["paper"] = {"rel_strict_f": 73.1, "note": note}
    header, _, first, second = table_lines(values, write, lambda run: None)
    assert [cell.strip() for cell in cells(header)[-2:]] == ["Paper", "Source"]
    assert [cell.strip() for cell in cells(first)[-2:]] == ["", ""]
    assert [cell.strip() for cell in cells(second)[-2:]] == ["- / - / 73.1", note]


def test_scores_of_the_paper_are_selected_by_dataset(values, write):
    values["datasets"]["other"] = {**values["datasets"]["tiny"]}
    values["rows"] = {
        "a": {
            "paper": [
                {"ents_f": 1, "note": "table 1", "datasets": ["tiny"]},
                {"ents_f": 2, "note": "table 1", "datasets": ["other"]},
            ]
        }
    }
    _, _, tiny, _, _, other = table_lines(values, write, lambda run: None)
    assert "| 1 / - / - |" in tiny
    assert "| 2 / - / - |" in other


def test_table_without_scores_of_a_paper_has_no_column_for_them(values, write):
    experiment, runs, results = results_of_runs(values, write, lambda run: None)
    assert "Paper" not in make_table(experiment, runs, results)


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
