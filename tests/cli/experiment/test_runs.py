"""Runs are trained in their own processes, once, and failures are reported."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import spacy
import srsly

from spacy_jre.annotations import has_relations
from spacy_jre.cli.experiment import runs as module
from spacy_jre.cli.experiment.plan import (
    check_runs,
    plan_runs,
    read_experiment,
    resolve_run,
)
from spacy_jre.cli.experiment.progress import describe_time
from spacy_jre.cli.experiment.runs import (
    RESULTS,
    Outcome,
    Results,
    best_epoch,
    convert_data,
    execute_run,
    read_epochs,
    time_left,
    train_file,
)
from spacy_jre.cli.experiment.scores import PER_TYPE, SCORES
from spacy_jre.corpora.reader import read_docbin

from ..helpers import assert_plain_error, output_of, run
from ..test_cross_validate import write_dataset

SCORE = {**dict.fromkeys(SCORES, 0.5), **{name: {} for name in PER_TYPE}}


@pytest.fixture
def output(tmp_path):
    return tmp_path / "out"


@pytest.fixture
def started(monkeypatch):
    """Replace the processes. The specs of the runs are added to a list."""
    specs = []

    def execute(self, run, spec):
        specs.append(spec)
        result = {"seconds": 90.0, "cpu_seconds": 6.0, "last": SCORE, "best": SCORE}
        return Outcome(run, {**module._describe(run), **result}, "log.txt")

    monkeypatch.setattr(module._Processes, "execute", execute)
    return specs


def experiment(path, output, *options):
    return run("experiment", path, "--output", output, *options)


# results


def test_results_are_read_back(tmp_path):
    path = tmp_path / "new" / RESULTS
    Results(path).add({"fingerprint": "a", "x": "é"})
    Results(path).add({"fingerprint": "b"})
    assert Results(path).by_fingerprint.keys() == {"a", "b"}
    assert Results(path).incomplete == 0


def test_interrupted_line_is_ignored_and_does_not_damage_the_next_one(tmp_path):
    path = tmp_path / RESULTS
    path.write_text('{"fingerprint": "a"}\n{"fingerprint": "b", "la')
    results = Results(path)
    assert (results.by_fingerprint.keys(), results.incomplete) == ({"a"}, 1)
    results.add({"fingerprint": "c"})
    results.add({"fingerprint": "d"})
    again = Results(path)
    assert (again.by_fingerprint.keys(), again.incomplete) == ({"a", "c", "d"}, 1)


def test_line_that_was_cut_inside_a_character_is_ignored(tmp_path):
    path = tmp_path / RESULTS
    path.write_bytes('{"fingerprint": "a"}\n{"row": "é'.encode()[:-1])
    results = Results(path)
    assert (results.by_fingerprint.keys(), results.incomplete) == ({"a"}, 1)


@pytest.mark.parametrize("mark", ["\u2028", "\x85"])
def test_names_can_contain_line_breaks_of_unicode(tmp_path, mark):
    path = tmp_path / RESULTS
    Results(path).add({"fingerprint": "a", "row": f"x{mark}y"})
    results = Results(path)
    assert results.by_fingerprint["a"]["row"] == f"x{mark}y"
    assert results.incomplete == 0


def test_interrupted_line_is_reported(values, write, output, started):
    output.mkdir()
    (output / RESULTS).write_text('{"fingerprint": "b"')
    result = experiment(write(values), output)
    assert "1 incomplete line(s) were ignored" in output_of(result)


# command


def test_finished_runs_are_skipped(values, write, output, started):
    path = write(values)
    first = experiment(path, output)
    assert first.exit_code == 0, first.output
    assert len(started) == 4
    assert experiment(path, output).exit_code == 0
    assert len(started) == 4
    values["seeds"] = [1, 2, 3]
    result = experiment(write(values), output)
    assert "6 runs, 4 finished before" in output_of(result)
    assert len(started) == 6


def test_equal_rows_are_trained_once(values, write, output, started):
    values["rows"]["same as low"] = values["rows"]["low"]
    assert experiment(write(values), output).exit_code == 0
    assert len(started) == 4
    table = run("experiment", write(values), "--output", output, "--table").output
    assert "| spert | same as low | 50.0 ± 0.0 |" in table


def test_settings_are_passed_to_the_process(values, write, output, started):
    values |= {"encoder": "tok2vec", "batch_size": 7, "threads": 3}
    values["models"]["spert"]["config"] = str(
        module.Path(__file__).parents[3] / "configs" / "spert.cfg"
    )
    assert experiment(write(values), output, "--keep-models").exit_code == 0
    spec = started[1]
    assert spec["overrides"] == {
        "recipe.epochs": 1,
        "recipe.batch_size": 7,
        "components.jre.threshold": 0.2,
    }
    assert spec["encoder"] == "tok2vec"
    assert (spec["seed"], spec["threads"], spec["gpu_id"]) == (1, 3, -1)
    assert spec["keep_models"] is True
    assert spec["scored"].endswith("test.spacy")


def test_invalid_row_fails_before_the_first_training(values, write, output, started):
    values["rows"]["low"]["overrides"] = {"components.jre.threshold": "low"}
    assert_plain_error(experiment(write(values), output), "J751", "'low'")
    assert started == []


def test_failed_run_is_reported_and_the_others_go_on(
    values, write, output, started, monkeypatch
):
    execute = module._Processes.execute

    def fail_once(self, run, spec):
        outcome = execute(self, run, spec)
        return outcome._replace(result=None) if len(started) == 2 else outcome

    monkeypatch.setattr(module._Processes, "execute", fail_once)
    result = experiment(write(values), output)
    assert_plain_error(result, "J754", "1 of 4 run(s) failed", "seed 1: see log.txt")
    assert len(Results(output / RESULTS).by_fingerprint) == 3
    # repeated by the next call
    assert experiment(write(values), output).exit_code == 0
    assert len(started) == 5


def test_command_shows_finished_runs_and_the_time_left(values, write, output, started):
    text = output_of(experiment(write(values), output))
    # four runs of 90 seconds
    assert "1 of 4, about 4 min left" in text
    assert "4 of 4, about 0 s left" in text


def test_summary_has_the_averages_of_each_row(values, write, output, started):
    assert experiment(write(values), output).exit_code == 0
    summary = json.loads((output / "summary.json").read_text())
    assert [group["row"] for group in summary] == ["as configured", "low"]
    assert summary[0]["last"]["n"] == 2
    assert summary[0]["last"]["mean"]["rel_macro_f"] == 0.5


def test_only_the_selected_datasets_are_run(values, write, output, started):
    missing = {"path": "missing", "score": "test"}
    values["datasets"]["missing"] = missing
    values["rows"]["low"]["datasets"] = ["missing"]
    path = write(values)
    assert_plain_error(experiment(path, output), "J601", "missing")
    assert experiment(path, output, "--dataset", "tiny").exit_code == 0
    assert len(started) == 2


def add_dataset(values, tmp_path):
    """Add a dataset with two folds."""
    write_dataset(tmp_path / "other")
    entry = {"path": str(tmp_path / "other"), "score": "test"}
    values["datasets"] = {"other": entry, "tiny": values["datasets"]["tiny"]}


def summary_of(output):
    groups = json.loads((output / "summary.json").read_text())
    return {(group["dataset"], group["row"], group["last"]["n"]) for group in groups}


EVERYTHING = {
    ("other", "as configured", 4),
    ("other", "low", 4),
    ("tiny", "as configured", 2),
    ("tiny", "low", 2),
}


def test_summary_has_the_datasets_that_are_not_selected(
    values, write, output, started, tmp_path
):
    add_dataset(values, tmp_path)
    path = write(values)
    assert experiment(path, output).exit_code == 0
    assert summary_of(output) == EVERYTHING
    assert experiment(path, output, "--dataset", "tiny").exit_code == 0
    assert summary_of(output) == EVERYTHING


def test_table_has_the_datasets_that_are_not_selected(
    values, write, output, started, tmp_path
):
    add_dataset(values, tmp_path)
    table = experiment(write(values), output, "--table", "--dataset", "tiny").output
    assert "other, scored on test" in table


@pytest.mark.parametrize("absent", ["folder", "file"])
def test_results_of_absent_data_are_in_the_summary_and_the_table(
    values, write, output, started, tmp_path, absent
):
    add_dataset(values, tmp_path)
    # trained once
    values["rows"]["same as low"] = values["rows"]["low"]
    path = write(values)
    assert experiment(path, output).exit_code == 0
    before = len(started)
    if absent == "folder":
        shutil.rmtree(tmp_path / "other")
    else:
        (tmp_path / "other" / "all.json").unlink()
    assert experiment(path, output, "--dataset", "tiny").exit_code == 0
    same = {("other", "same as low", 4), ("tiny", "same as low", 2)}
    assert summary_of(output) == EVERYTHING | same
    table = experiment(path, output, "--table").output
    lines = table[table.index("other, scored") : table.index("tiny, scored")]
    assert lines.count("| 50.0 ± 0.0 | 4 |") == 3
    assert len(started) == before


def test_results_of_absent_data_with_other_settings_are_not_used(
    values, write, output, started, tmp_path
):
    assert experiment(write(values), output).exit_code == 0
    shutil.rmtree(tmp_path / "tiny")
    values["rows"]["as configured"] = {"encoder": "nowhere"}
    values["rows"]["low"]["overrides"] = {"components.jre.threshold": 0.3}
    table = experiment(write(values), output, "--table").output
    assert table.count("| 0 of 2 |") == 2


def test_results_of_older_versions_are_found_without_the_data(
    values, write, output, started, tmp_path
):
    assert experiment(write(values), output).exit_code == 0
    lines = list(srsly.read_jsonl(output / RESULTS))
    for line in lines:
        del line["settings_fingerprint"]
    srsly.write_jsonl(output / RESULTS, lines)
    shutil.rmtree(tmp_path / "tiny")
    table = experiment(write(values), output, "--table").output
    assert "| spert | low | 50.0 ± 0.0 |" in table


def test_finished_runs_without_the_files_to_keep_are_counted(
    values, write, output, started
):
    path = write(values)
    assert experiment(path, output).exit_code == 0
    kept = planned_runs(values, write)[0].fingerprint[:8]
    (output / "runs" / f"renamed-{kept}" / "model-last").mkdir(parents=True)
    result = experiment(path, output, "--keep-models", "--keep-predictions")
    text = output_of(result)
    assert "3 finished run(s) have no pipelines" in text
    assert "4 finished run(s) have no predictions" in text
    assert "use another output folder or delete" in text
    assert "finished run(s) have no" not in output_of(experiment(path, output))


def test_unknown_dataset_fails(values, write, output, started):
    result = experiment(write(values), output, "--dataset", "huge")
    assert_plain_error(result, "J790", "'huge'", "Its datasets: tiny")


# folders


def test_datasets_with_similar_names_have_their_own_folders(values, write, output):
    entry = values["datasets"]["tiny"]
    long = "長" * 200
    names = ["news", "news+", "news!", long, f"{long}b", "..", "+"]
    values["datasets"] = {name: dict(entry) for name in names}
    runs = planned_runs(values, write)
    folders = {run.dataset: module.corpus_folder(run, output) for run in runs}
    assert len(set(folders.values())) == len(names)
    assert folders["news"] == output / "corpus" / "news" / "0"
    for folder in folders.values():
        folder.mkdir(parents=True)


def test_folder_of_a_run_with_a_long_name_can_be_created(values, write, output):
    values["rows"] = {"長" * 200: {}}
    planned = planned_runs(values, write)[0]
    module.run_folder(planned, output).mkdir(parents=True)


def test_run_is_trained_with_the_config_of_its_fingerprint(
    values, write, output, tmp_path
):
    config = tmp_path / "own.cfg"
    text = Path(values["models"]["spert"]["config"]).read_text()
    config.write_text(text)
    values["models"]["spert"]["config"] = str(config)
    planned = planned_runs(values, write)[0]
    config.write_text(text.replace("dropout = 0.1", "dropout = 0.4"))
    assert resolve_run(planned)["training"]["dropout"] == 0.1
    spec = module._specify(planned, output)
    module.prepare_folder(planned, spec)
    assert Path(spec["config"]).read_text() == text
    assert Path(spec["config"]).parent == Path(spec["output"])


# time left


def planned_runs(values, write):
    path = write(values)
    return plan_runs(path, read_experiment(path))


def test_time_left_is_that_of_similar_runs(values, write):
    values["models"]["slow"] = values["models"]["spert"]
    pending = planned_runs(values, write)
    finished = [
        {"model": "spert", "dataset": "tiny", "sample": None, "seconds": 10.0},
        {"model": "slow", "dataset": "tiny", "sample": None, "seconds": 100.0},
    ]
    assert time_left(pending, finished, 1) == 4 * 10 + 4 * 100
    assert time_left(pending, finished, 2) == 220
    # of a model without finished runs: the mean of all runs
    assert time_left(pending, finished[:1], 1) == 80


def finished_run(seconds, **other):
    names = {"model": "spert", "dataset": "tiny", "sample": None, "row": "low"}
    return {**names, "seconds": seconds, **other}


def test_time_left_is_that_of_the_same_row(values, write):
    pending = planned_runs(values, write)
    finished = [finished_run(10.0), finished_run(100.0, row="as configured")]
    del pending[0]
    assert time_left(pending, finished, 1) == 2 * 10 + 100


def test_time_left_is_that_of_the_whole_process(values, write):
    finished = [finished_run(10.0, wall_seconds=30.0)]
    assert time_left(planned_runs(values, write), finished, 1) == 4 * 30


def test_time_left_is_without_the_time_of_running_processes(values, write):
    pending = planned_runs(values, write)
    first, second = (run.fingerprint for run in pending[:2])
    spent = {first: 4.0, second: 25.0}
    # the second one takes longer than the finished run
    assert time_left(pending, [finished_run(10.0)], 1, spent=spent) == 6 + 0 + 10 + 10


def test_time_left_is_that_of_the_same_machine(values, write):
    pending = planned_runs(values, write)
    here, there = {"cpu": "a", "cores": 2, "gpu": None}, {"cpu": "b"}
    finished = [finished_run(10.0, machine=here), finished_run(100.0, machine=there)]
    assert time_left(pending, finished, 1, machine=here) == 40
    assert time_left(pending, finished, 1, machine=there) == 400
    # the only result of this machine is of another row
    finished[0]["row"] = "as configured"
    assert time_left(pending, finished, 1, machine=here) == 40


def test_time_left_without_finished_runs_is_unknown(values, write):
    assert time_left(planned_runs(values, write), [], 1) is None
    assert describe_time(None) == "time left unknown"


def test_more_processes_than_runs_do_not_reduce_the_time_left(values, write):
    finished = [{"model": "spert", "dataset": "tiny", "sample": None, "seconds": 10.0}]
    assert time_left(planned_runs(values, write)[:2], finished, 8) == 10
    assert time_left([], finished, 8) == 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(59, "59 s"), (60, "1 min"), (3599, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_time_left_is_described(seconds, text):
    assert describe_time(seconds) == f"about {text} left"


# samples


def sampled(values, write, output, size):
    values["datasets"]["tiny"]["samples"] = size
    path = write(values)
    runs = plan_runs(path, read_experiment(path))
    convert_data(path, runs, output, 0.0)
    nlp = spacy.blank("xx")
    return {
        (run.sample, run.seed): [
            doc.text for doc in read_docbin(train_file(run, output), nlp)
        ]
        for run in runs
    }


def test_sample_is_a_part_of_the_training_data_in_its_order(values, write, output):
    texts = sampled(values, write, output, [3, 6, None])
    everything = texts[None, 1]
    assert len(everything) == 10
    for size in (3, 6):
        for seed in (1, 2):
            sample = texts[size, seed]
            assert len(sample) == size
            assert sample == [text for text in everything if text in sample]


def test_small_sample_is_a_part_of_a_larger_one(values, write, output):
    texts = sampled(values, write, output, [3, 6])
    assert set(texts[3, 1]) < set(texts[6, 1])


def test_each_seed_draws_another_sample(values, write, output):
    texts = sampled(values, write, output, [5])
    assert texts[5, 1] != texts[5, 2]
    assert texts == sampled(values, write, output, [5])


def test_sample_larger_than_the_data_fails(values, write, output, started):
    values["datasets"]["tiny"]["samples"] = [11]
    parts = ("'tiny' has 10 training Doc(s)", "11")
    assert_plain_error(experiment(write(values), output), "J752", *parts)
    assert started == []


# epochs


def write_log(path, scores, per_epoch=1):
    rows = [
        {
            "epoch": n // per_epoch,
            "step": 7 * n,
            "scores": {"rel_f": 100 * s},
            "score": s,
        }
        for n, s in enumerate(scores)
    ]
    srsly.write_jsonl(path, rows)
    return read_epochs(path)


def test_epochs_are_those_of_the_log(tmp_path):
    epochs = write_log(tmp_path / "x.jsonl", [0.0, 0.25, 0.5])
    assert [row["epoch"] for row in epochs] == [0, 1, 2]
    assert [row["rel_f"] for row in epochs] == [0.0, 0.25, 0.5]


def test_epoch_can_have_several_evaluations(tmp_path):
    epochs = write_log(tmp_path / "x.jsonl", [0.0, 0.25, 0.5, 0.25], per_epoch=2)
    assert [row["epoch"] for row in epochs] == [0, 0, 1, 1]
    assert best_epoch(epochs) == 1


def test_best_epoch_is_the_last_one_with_the_best_score(tmp_path):
    # spaCy replaces model-best if the score is equal
    assert best_epoch(write_log(tmp_path / "x.jsonl", [0.0, 0.5, 0.5, 0.25])) == 2


# processes


def spec_of(values, write, output):
    path = write(values)
    planned = plan_runs(path, read_experiment(path))[0]
    convert_data(path, [planned], output, 0.0)
    settings = {"gpu_id": -1, "threads": 1, "keep_models": False}
    spec = {**module._specify(planned, output), **settings, "keep_predictions": True}
    module.prepare_folder(planned, spec)
    return spec


def test_run_writes_scores_of_the_last_and_the_best_epoch(values, write, output):
    values["epochs"] = 2
    spec = spec_of(values, write, output)
    execute_run(spec)
    folder = module.Path(spec["output"])
    result = json.loads((folder / "result.json").read_text())
    for part in ("last", "best"):
        assert all(0 <= result[part][name] <= 1 for name in SCORES)
        assert result[part]["ents_per_type"].keys() >= {"PER", "LOC", "ORG"}
    assert [row["epoch"] for row in result["epochs"]] == [0, 1, 2]
    # keep: last
    assert result["best_epoch"] == 2
    assert result["best"] == result["last"]
    assert result["seconds"] > 0
    assert result["cpu_seconds"] > 0
    assert result["versions"]["spacy_jre"]
    assert result["machine"]["cores"] == os.cpu_count()
    assert not (folder / "model-last").exists()
    # the predictions of both epochs are kept
    nlp = spacy.blank("xx")
    gold = [doc.text for doc in read_docbin(Path(spec["scored"]), nlp)]
    for name in ("model-last", "model-best"):
        predicted = list(read_docbin(folder / f"{name}.spacy", nlp))
        assert [doc.text for doc in predicted] == gold
        assert all(has_relations(doc) for doc in predicted)


CHAIN = """[training.logger]
@loggers = "spacy.ChainLogger.v1"

[training.logger.logger1]
@loggers = "spacy.ConsoleLogger.v1"

[training.score_weights]
"""


def test_logger_of_the_config_is_replaced(values, write, output, tmp_path):
    config = tmp_path / "chain.cfg"
    text = Path(values["models"]["spert"]["config"]).read_text()
    before, _, rest = text.partition("[training.logger]")
    config.write_text(before + CHAIN + rest.partition("[training.score_weights]\n")[2])
    values["models"]["spert"]["config"] = str(config)
    check_runs(write(values), planned_runs(values, write))
    spec = spec_of(values, write, output)
    execute_run(spec)
    assert len(read_epochs(Path(spec["output"]) / "epochs.jsonl")) == 2


def test_process_that_cannot_be_started_is_a_failed_run(
    values, write, output, monkeypatch
):
    values["rows"] = {"low": {}}
    started = []

    def fail(command, **settings):
        started.append(command)
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(module.subprocess, "Popen", fail)
    result = experiment(write(values), output)
    assert len(started) == 2
    reason = "seed 2: [Errno 12] Cannot allocate memory. See"
    assert_plain_error(result, "J754", "2 of 2 run(s) failed", reason)
    log, _ = output.glob("runs/*/log.txt")
    assert "Cannot allocate memory" in log.read_text()


def test_process_records_its_start_and_its_time(values, write, output, monkeypatch):
    values["rows"], values["seeds"] = {"low": {}}, [1]
    (planned,) = planned_runs(values, write)

    class Process:
        """Write a result instead of training."""

        def __init__(self, command, **settings):
            result = module.run_folder(planned, output) / "result.json"
            srsly.write_json(result, {"seconds": 0.0})

        def __enter__(self):
            return self

        def __exit__(self, *error):
            pass

        def wait(self):
            time.sleep(0.2)
            return 0

    monkeypatch.setattr(module.subprocess, "Popen", Process)
    began, start = time.monotonic(), {}
    results = Results(output / RESULTS)
    (outcome,) = module.run_all([planned], output, results, started=start)
    assert began <= start[planned.fingerprint] <= time.monotonic() - 0.2
    assert outcome.result["wall_seconds"] >= 0.2


@pytest.mark.slow
def test_killed_command_is_resumed_and_leaves_no_process(values, write, output):
    values["seeds"] = [1]
    values["rows"]["broken"] = {"encoder": "nowhere"}
    values["models"]["spert"]["overrides"] = {
        "recipe.epochs": 4,
    }
    command = [sys.executable, "-m", "spacy", "jre", "experiment", write(values)]
    command += ["--output", output, "--jobs", "2"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while not list(output.glob("runs/*/epochs.jsonl")):
        assert first.poll() is None
        time.sleep(0.1)
    first.send_signal(signal.SIGKILL)
    first.wait()
    time.sleep(2)
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout
    assert str(output) not in left
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 1
    assert "broken" in again.stdout
    results = Results(output / RESULTS)
    assert {r["row"] for r in results.by_fingerprint.values()} == {
        "as configured",
        "low",
    }
    assert results.incomplete == 0
