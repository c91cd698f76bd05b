"""Folds and seeds are trained once, scored and averaged."""

import json
import shutil

import pytest
import srsly

from spacy_jre.cli.cross_validate import parse_numbers
from spacy_jre.cli.experiment import runs as module
from spacy_jre.cli.experiment.runs import Outcome
from spacy_jre.cli.experiment.scores import PER_TYPE, SCORES

from ..conftest import ROOT, STORY, write_json
from ..corpora.story import FOLDER as STORIES
from .helpers import assert_plain_error, output_of, run

CONFIG = ROOT / "configs" / "test" / "spert.cfg"
ABOUT = {
    "lang": "xx",
    "files": {"train": ["all.json"], "test": ["fold_{fold}.json"]},
    "folds": 2,
    "train_minus_test": True,
    "keep": "last",
}


def copies(suffix, first):
    """Copy the story of the tests with other names."""
    return [
        {
            "tokens": [w + suffix if w[0].isupper() else w for w in sentence["words"]],
            "entities": [
                {"start": start, "end": end, "type": label}
                for start, end, label in sentence["entities"]
            ],
            "relations": [
                {"head": head, "tail": tail, "type": label}
                for head, tail, label in sentence["relations"]
            ],
            "orig_id": number,
        }
        for number, sentence in enumerate(STORY, first)
    ]


def write_dataset(folder):
    """Write three copies of the story. The first or second one is test."""
    folder.mkdir()
    parts = [copies("", 0), copies("by", 5), copies("sen", 10)]
    write_json(folder / "all.json", [s for part in parts for s in part])
    for fold in (0, 1):
        write_json(folder / f"fold_{fold}.json", parts[fold])
    write_json(folder / "dataset.json", ABOUT)
    return folder


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "tiny")


@pytest.fixture
def output(tmp_path):
    return tmp_path / "runs"


@pytest.fixture
def started(monkeypatch):
    """Replace the processes. The specs of the runs are added to a list."""
    specs = []

    def execute(self, planned, spec):
        specs.append(spec)
        # fold 0: 0.1 for seed 0, 0.2 for seed 1; fold 1: 0.6, 0.7
        value = 0.1 + planned.fold / 2 + planned.seed / 10
        labels = {"PER": dict.fromkeys("prf", value)}
        if planned.fold == 0:
            labels["LOC"] = dict.fromkeys("prf", 0.5)
        scores = {**dict.fromkeys(SCORES, value), **dict.fromkeys(PER_TYPE, labels)}
        result = {"seconds": 1.0, "cpu_seconds": 1.0, "last": None, "best": scores}
        return Outcome(planned, {**module._describe(planned), **result}, "log.txt")

    monkeypatch.setattr(module._Processes, "execute", execute)
    return specs


def cross_validate(source, output, *options, config=CONFIG):
    return run("cross-validate", config, source, "--output", output, *options)


def succeed(*arguments, **settings):
    result = cross_validate(*arguments, **settings)
    assert result.exit_code == 0, result.output
    return result


def folds_and_seeds(specs):
    return [(spec["train"].split("/")[-2], spec["seed"]) for spec in specs]


# numbers


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("0", [0]),
        ("3-3", [3]),
        ("0-4,7", [0, 1, 2, 3, 4, 7]),
        (" 2 , 0-1 ", [2, 0, 1]),
        ("1,0-2,1", [1, 0, 2]),
    ],
)
def test_numbers_are_parsed_in_order_without_duplicates(text, numbers):
    assert parse_numbers(text) == numbers


@pytest.mark.parametrize(
    "text", ["", ",", "1,", "a", "-1", "1-", "3-1", "1.5", "1 2", "²", "1-2-3"]
)
def test_invalid_list_of_numbers_fails(text):
    with pytest.raises(ValueError, match=r"\[J709\]") as caught:
        parse_numbers(text)
    assert repr(text) in str(caught.value)


# runs


def test_every_fold_is_trained_with_every_seed(dataset, output, started):
    succeed(dataset, output, "--seeds", "3,1")
    assert folds_and_seeds(started) == [("0", 3), ("0", 1), ("1", 3), ("1", 1)]


def test_only_selected_folds_are_trained(dataset, output, started):
    succeed(dataset, output, "--folds", "1")
    assert folds_and_seeds(started) == [("1", 0)]


def test_runs_are_scored_on_test(dataset, output, started):
    succeed(dataset, output)
    assert all(spec["scored"].endswith("test.spacy") for spec in started)


def test_folder_without_folds_is_one_run(tmp_path, output, started):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", copies(split, 0))
    succeed(tmp_path, output)
    assert folds_and_seeds(started) == [("0", 0)]


def test_settings_are_passed_to_every_run(dataset, output, started):
    options = ("--epochs", 2, "--batch-size", 3, "--threads", 2, "--discard-models")
    options += ("--learn-rate", 3e-4, "--components.jre.threshold", 0.625)
    succeed(dataset, output, *options, "--keep-predictions")
    assert len(started) == 2
    for spec in started:
        assert spec["overrides"] == {
            "recipe.epochs": 2,
            "recipe.batch_size": 3,
            "training.optimizer.learn_rate.initial_rate": 3e-4,
            "components.jre.threshold": 0.625,
        }
        assert spec["threads"] == 2
        assert spec["keep_models"] is False
        assert spec["keep_predictions"] is True


def test_pipelines_are_kept_by_default(dataset, output, started):
    succeed(dataset, output, "--folds", 0)
    assert started[0]["keep_models"] is True
    assert started[0]["keep_predictions"] is False


def test_second_command_skips_finished_runs(dataset, output, started):
    succeed(dataset, output)
    result = succeed(dataset, output, "--seeds", "0-1")
    assert "4 runs, 2 finished before" in output_of(result)
    assert folds_and_seeds(started[2:]) == [("0", 1), ("1", 1)]


def test_changed_file_repeats_the_folds_that_use_it(dataset, output, started):
    succeed(dataset, output)
    write_json(dataset / "fold_1.json", copies("by", 5)[:4])
    succeed(dataset, output)
    assert folds_and_seeds(started[2:]) == [("1", 0)]


def test_splits_can_be_folders(tmp_path, output, started):
    for split in ("train", "dev", "test"):
        shutil.copytree(STORIES / "brat", tmp_path / "brat" / split)
    succeed(tmp_path / "brat", output)
    assert len(started) == 1


# averages


def test_summary_has_the_averages_over_folds_and_seeds(dataset, output, started):
    succeed(dataset, output, "--seeds", "0-1")
    summary = json.loads((output / "summary.json").read_text())
    assert summary["n"] == 4
    # mean of 0.1, 0.2, 0.6 and 0.7
    assert summary["mean"] == pytest.approx(dict.fromkeys(SCORES, 0.4))
    # squares 0.09 + 0.04 + 0.04 + 0.09 = 0.26 over n - 1 = 3
    assert summary["deviation"]["rel_macro_f"] == pytest.approx((0.26 / 3) ** 0.5)
    assert [(r["fold"], r["seed"]) for r in summary["runs"]] == [
        (0, 0),
        (0, 1),
        (1, 0),
        (1, 1),
    ]


def test_summary_has_the_averages_of_each_label(dataset, output, started):
    succeed(dataset, output, "--seeds", "0-1")
    labels = json.loads((output / "summary.json").read_text())["rel_per_type"]
    assert labels["PER"]["mean"] == pytest.approx(dict.fromkeys("prf", 0.4))
    # only in fold 0
    assert labels["LOC"]["n"] == 2
    assert labels["LOC"]["mean"] == dict.fromkeys("prf", 0.5)


def test_single_run_has_no_deviation(dataset, output, started):
    succeed(dataset, output, "--folds", 0)
    summary = json.loads((output / "summary.json").read_text())
    assert summary["deviation"] == dict.fromkeys(SCORES)


def test_command_prints_scores_and_averages(dataset, output, started):
    text = output_of(succeed(dataset, output))
    assert "fold 1, seed 0: ents_f 60.00, rel_f 60.00, rel_strict_f 60.00" in text
    assert "mean of 2" in text
    assert "rel_strict_macro_f 35.00 35.36" in text
    assert str(output / "summary.json") in text


def test_results_without_macro_scores_are_averaged_without_them(
    dataset, output, started
):
    succeed(dataset, output)
    lines = list(srsly.read_jsonl(output / module.RESULTS))
    for line in lines:
        line["best"] = {n: v for n, v in line["best"].items() if "macro" not in n}
    srsly.write_jsonl(output / module.RESULTS, lines)
    text = output_of(succeed(dataset, output))
    assert "rel_strict_f 35.00 35.36" in text
    assert "rel_strict_macro_f" not in text


# errors


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--threads"])
def test_value_below_zero_fails(dataset, output, started, option):
    result = cross_validate(dataset, output, option, -3)
    assert_plain_error(result, "J736", f"{option} must be at least 0, not -3")
    assert not started


@pytest.mark.parametrize("folds", ["2", "0-2"])
def test_fold_that_does_not_exist_fails_before_training(
    dataset, output, started, folds
):
    result = cross_validate(dataset, output, "--folds", folds)
    assert_plain_error(result, "J634", str(dataset), "2 fold(s)", "Fold 2")
    assert started == []


@pytest.mark.parametrize("name", ["all.json", "fold_1.json"])
def test_missing_file_of_a_fold_fails_before_training(dataset, output, started, name):
    (dataset / name).unlink()
    result = cross_validate(dataset, output)
    assert_plain_error(result, "J717", str(dataset / name))
    assert started == []


def test_missing_config_fails(dataset, output, started):
    missing = dataset / "missing.cfg"
    result = cross_validate(dataset, output, config=missing)
    assert_plain_error(result, "J601", str(missing))


def test_source_without_splits_fails(output, started):
    result = cross_validate(STORIES / "brat", output)
    assert_plain_error(result, "J716", str(STORIES / "brat"), "train.*, dev.* and")


def test_invalid_setting_fails_before_training(dataset, output, started):
    result = cross_validate(dataset, output, "--components.jre.threshold", "low")
    assert_plain_error(result, "J751", "'as configured'", "'tiny'", "threshold")
    assert started == []


def test_setting_of_the_command_fails(dataset, output, started):
    name = "training.logger.output_file"
    result = cross_validate(dataset, output, f"--{name}", "x")
    assert_plain_error(result, "J750", name, "epochs.jsonl")


def test_wrong_checksum_fails(dataset, output, started):
    project = dataset.parent / "project.yml"
    asset = {"dest": "tiny/all.json", "checksum": "0" * 32}
    write_json(project, {"assets": [asset]})
    result = cross_validate(dataset, output, "--checksums", project)
    assert_plain_error(result, "J607", str(dataset / "all.json"))


def test_losses_above_the_limit_fail(dataset, output, started):
    lines = [json.dumps(sentence) for sentence in copies("", 0)]
    (dataset / "fold_0.json").write_text("\n".join([*lines, "{broken"]))
    result = cross_validate(dataset, output)
    assert_plain_error(result, "J702", "records")
    assert started == []


def test_failed_run_has_no_summary(dataset, output, started, monkeypatch):
    def fail(self, planned, spec):
        return Outcome(planned, None, "log.txt")

    monkeypatch.setattr(module._Processes, "execute", fail)
    result = cross_validate(dataset, output)
    assert_plain_error(result, "J754", "2 of 2 run(s) failed", "see log.txt")
    assert not (output / "summary.json").exists()


# a real run


@pytest.mark.slow
def test_folds_are_trained_and_scored(dataset, output):
    succeed(dataset, output, "--epochs", 1, "--jobs", 2)
    summary = json.loads((output / "summary.json").read_text())
    assert len(summary["runs"]) == 2
    assert all(0 <= score <= 1 for score in summary["mean"].values())
    assert len(list(output.glob("runs/*/model-best/config.cfg"))) == 2


def test_train_and_test_of_a_fold_are_disjoint(dataset, output, started):
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    succeed(dataset, output)
    for fold in (0, 1):
        corpus = output / "corpus" / "tiny" / str(fold)
        train, test = (
            {
                d.text
                for d in DocBin().from_disk(corpus / f"{s}.spacy").get_docs(Vocab())
            }
            for s in ("train", "test")
        )
        assert (len(train), len(test)) == (10, 5)
        assert not train & test


def test_deleted_dataset_json_has_no_effect(tmp_path, output, started):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", copies(split, 0))
    about = write_json(tmp_path / "dataset.json", {"lang": "xx"})
    succeed(tmp_path, output)
    about.unlink()
    succeed(tmp_path, output)
    assert len(started) == 2
    assert not list(output.glob("corpus/*/0/dataset.json"))
