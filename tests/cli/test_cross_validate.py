"""Folds and seeds are trained once, scored and averaged."""

import json
import shutil

import pytest

from spacy_jre.cli import cross_validate as module
from spacy_jre.cli.cross_validate import (
    SCORES,
    Run,
    average,
    cross_validate,
    fingerprint,
    parse_numbers,
)

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


def fake_training(monkeypatch):
    """Replace the training. The settings of each call are added to a list."""
    calls = []

    def train(config, folder, train_path, dev_path, **settings):
        assert train_path.is_file()
        assert dev_path.is_file()
        for name in ("model-best", "model-last"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        calls.append({"folder": folder.name, **settings})

    monkeypatch.setattr(module, "run_training", train)
    # recall is None without gold
    scores = {**dict.fromkeys(SCORES, 0.5), "rel_r": None}
    monkeypatch.setattr(module, "evaluate", lambda *_, **__: scores)
    return calls


@pytest.fixture
def calls(monkeypatch):
    return fake_training(monkeypatch)


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


# command line


def test_overrides_are_passed_to_every_training(dataset, output, calls):
    arguments = ("--seeds", "1-2", "--components.jre.threshold", 0.625)
    result = run("cross-validate", CONFIG, dataset, "--output", output, *arguments)
    assert result.exit_code == 0, result.output
    assert [call["overrides"] for call in calls] == [
        {"components.jre.threshold": 0.625}
    ] * 4


@pytest.mark.parametrize("option", ["--epochs", "--batch-size", "--threads"])
def test_value_below_zero_fails(dataset, output, calls, option):
    result = run("cross-validate", CONFIG, dataset, "--output", output, option, -3)
    assert_plain_error(result, "J736", f"{option} must be at least 0, not -3")
    assert not calls


# averages


def test_average_equals_values_computed_by_hand():
    low, high = dict.fromkeys(SCORES, 0.5), dict.fromkeys(SCORES, 0.8)
    averages = average([Run(0, 0, low, True), Run(1, 0, high, True)])
    # mean 0.65; squares 2 * 0.15 ** 2 = 0.045 over n - 1 = 1
    assert averages.mean == pytest.approx(dict.fromkeys(SCORES, 0.65))
    assert averages.deviation == pytest.approx(dict.fromkeys(SCORES, 0.045**0.5))


def test_each_score_is_averaged_separately():
    one = {name: number / 10 for number, name in enumerate(SCORES)}
    averages = average([Run(0, 0, one, True), Run(0, 1, one, False)])
    assert averages.mean == pytest.approx(one)
    assert averages.deviation == pytest.approx(dict.fromkeys(SCORES, 0.0))


def test_single_run_has_no_deviation():
    averages = average([Run(0, 0, dict.fromkeys(SCORES, 0.5), True)])
    assert averages.mean == dict.fromkeys(SCORES, 0.5)
    assert averages.deviation == dict.fromkeys(SCORES)


def test_scores_cover_entities_relations_and_strict_relations():
    assert (
        *("ents_p", "ents_r", "ents_f"),
        *("rel_p", "rel_r", "rel_f"),
        *("rel_strict_p", "rel_strict_r", "rel_strict_f"),
    ) == SCORES


# a real run


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The output folder and the output of the command, trained for one epoch."""
    folder = tmp_path_factory.mktemp("folds")
    result = run(
        *("cross-validate", CONFIG, write_dataset(folder / "tiny")),
        *("--output", folder / "runs", "--epochs", 1),
    )
    assert result.exit_code == 0, result.output
    return folder / "runs", output_of(result)


def test_every_fold_has_scores(real):
    output, _ = real
    for fold in (0, 1):
        path = output / f"fold-{fold}-seed-0" / "metrics.json"
        metrics = json.loads(path.read_text())
        assert metrics["scores"].keys() == set(SCORES)
        assert all(0 <= score <= 1 for score in metrics["scores"].values())


def test_summary_contains_averages_and_runs(real):
    output, _ = real
    summary = json.loads((output / "summary.json").read_text())
    first, second = summary["runs"]
    assert [(r["fold"], r["seed"], r["repeated"]) for r in (first, second)] == [
        (0, 0, True),
        (1, 0, True),
    ]
    for name in SCORES:
        mean = (first["scores"][name] + second["scores"][name]) / 2
        assert summary["mean"][name] == pytest.approx(mean)
    assert summary["deviation"].keys() == set(SCORES)


def test_command_prints_scores_and_averages(real):
    output, text = real
    assert "fold 0, seed 0: ents_f" in text
    assert "fold 1, seed 0: ents_f" in text
    assert "mean of 2" in text
    assert str(output / "summary.json") in text


def test_pipelines_are_kept_by_default(real):
    output, _ = real
    assert (output / "fold-1-seed-0" / "model-best" / "config.cfg").is_file()


def test_train_and_test_of_a_fold_are_disjoint(real):
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    output, _ = real
    for fold in (0, 1):
        corpus = output / "corpus" / str(fold)
        train, test = (
            {
                d.text
                for d in DocBin().from_disk(corpus / f"{s}.spacy").get_docs(Vocab())
            }
            for s in ("train", "test")
        )
        assert (len(train), len(test)) == (10, 5)
        assert not train & test


def test_second_command_skips_finished_runs(real, monkeypatch):
    output, _ = real
    calls = fake_training(monkeypatch)
    source = output.parent / "tiny"
    result = run("cross-validate", CONFIG, source, "--output", output, "--epochs", 1)
    assert result.exit_code == 0
    assert calls == []
    assert output_of(result).count("(finished before)") == 2


# runs


def test_every_fold_is_trained_with_every_seed(dataset, output, calls):
    runs = list(cross_validate(CONFIG, dataset, output, seeds=[3, 1]))
    assert [(r.fold, r.seed) for r in runs] == [(0, 3), (0, 1), (1, 3), (1, 1)]
    assert [call["folder"] for call in calls] == [
        "fold-0-seed-3",
        "fold-0-seed-1",
        "fold-1-seed-3",
        "fold-1-seed-1",
    ]
    assert [call["seed"] for call in calls] == [3, 1, 3, 1]


def test_only_selected_folds_are_trained(dataset, output, calls):
    runs = list(cross_validate(CONFIG, dataset, output, folds=[1]))
    assert [run.fold for run in runs] == [1]
    assert len(calls) == 1


def test_settings_are_passed_to_the_training(dataset, output, calls):
    settings = {"encoder": "nowhere", "epochs": 2, "gpu_id": 7}
    list(cross_validate(CONFIG, dataset, output, folds=[0], **settings))
    # an interrupted run is repeated, so that its state is not saved
    given = {"folder": "fold-0-seed-0", "seed": 0, "resumable": False}
    assert calls == [{**given, **settings}]


def test_score_without_gold_is_zero(dataset, output, calls):
    (run, _) = cross_validate(CONFIG, dataset, output)
    assert run.scores == {**dict.fromkeys(SCORES, 0.5), "rel_r": 0.0}


def test_folder_without_folds_is_one_run(tmp_path, output, calls):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", copies(split, 0))
    runs = list(cross_validate(CONFIG, tmp_path, output))
    assert [(run.fold, run.seed) for run in runs] == [(0, 0)]


@pytest.mark.parametrize("folds", ["2", "0-2"])
def test_fold_that_does_not_exist_fails_before_training(dataset, output, calls, folds):
    arguments = ("--output", output, "--folds", folds)
    result = run("cross-validate", CONFIG, dataset, *arguments)
    assert_plain_error(result, "J634", str(dataset), "2 fold(s)", "Fold 2")
    assert calls == []


@pytest.mark.parametrize("name", ["all.json", "fold_1.json"])
def test_missing_file_of_a_fold_fails_before_training(dataset, output, calls, name):
    (dataset / name).unlink()
    result = run("cross-validate", CONFIG, dataset, "--output", output)
    assert_plain_error(result, "J717", str(dataset / name))
    assert calls == []


def test_missing_config_fails(dataset, output, calls):
    missing = dataset / "missing.cfg"
    result = run("cross-validate", missing, dataset, "--output", output)
    assert_plain_error(result, "J601", str(missing))


def test_source_without_splits_fails(tmp_path, output, calls):
    result = run("cross-validate", CONFIG, STORIES / "brat", "--output", output)
    assert_plain_error(result, "J716", str(STORIES / "brat"), "train.*, dev.* and")


def test_wrong_checksum_fails(dataset, output, calls):
    project = dataset.parent / "project.yml"
    asset = {"dest": "tiny/all.json", "checksum": "0" * 32}
    write_json(project, {"assets": [asset]})
    arguments = ("--output", output, "--checksums", project)
    result = run("cross-validate", CONFIG, dataset, *arguments)
    assert_plain_error(result, "J607", str(dataset / "all.json"))


def test_losses_above_the_limit_fail(dataset, output, calls):
    lines = [json.dumps(sentence) for sentence in copies("", 0)]
    (dataset / "fold_0.json").write_text("\n".join([*lines, "{broken"]))
    result = run("cross-validate", CONFIG, dataset, "--output", output)
    assert_plain_error(result, "J702", "records")
    assert calls == []


# repeated runs


def repeated(dataset, output, config=CONFIG, **settings):
    return [r.repeated for r in cross_validate(config, dataset, output, **settings)]


def test_second_call_returns_the_same_scores_without_training(dataset, output, calls):
    first = list(cross_validate(CONFIG, dataset, output, epochs=1))
    second = list(cross_validate(CONFIG, dataset, output, epochs=1))
    assert [run.repeated for run in first] == [True, True]
    assert [run.repeated for run in second] == [False, False]
    assert [run.scores for run in second] == [run.scores for run in first]
    assert len(calls) == 2


def test_interrupted_call_is_resumed(dataset, output, calls):
    next(cross_validate(CONFIG, dataset, output))
    assert repeated(dataset, output) == [False, True]


def test_another_seed_is_another_run(dataset, output, calls):
    repeated(dataset, output)
    assert repeated(dataset, output, seeds=[0, 1]) == [False, True, False, True]


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 2},
        {"epochs": 1, "batch_size": 3},
        {"epochs": 1, "encoder": "other"},
        {"epochs": 1, "symmetric": ["spouse"]},
        {"epochs": 1, "overrides": {"components.jre.threshold": 0.6}},
    ],
    ids=lambda settings: list(settings)[-1],
)
def test_changed_setting_repeats_runs(dataset, output, calls, settings):
    repeated(dataset, output, epochs=1)
    assert repeated(dataset, output, **settings) == [True, True]


def test_setting_changed_by_json_does_not_repeat_runs(dataset, output, calls):
    repeated(dataset, output, symmetric=("spouse",))
    assert repeated(dataset, output, symmetric=("spouse",)) == [False, False]


def test_changed_config_repeats_runs(dataset, output, calls):
    config = shutil.copy(CONFIG, dataset.parent / "own.cfg")
    repeated(dataset, output, config)
    with open(config, "a") as file:
        file.write("\n# a comment\n")
    assert repeated(dataset, output, config) == [True, True]


def test_changed_version_repeats_runs(dataset, output, calls, monkeypatch):
    repeated(dataset, output)
    monkeypatch.setattr(module, "__version__", "0.0.0")
    assert repeated(dataset, output) == [True, True]


def test_changed_file_repeats_the_folds_that_use_it(dataset, output, calls):
    repeated(dataset, output)
    write_json(dataset / "fold_1.json", copies("by", 5)[:4])
    assert repeated(dataset, output) == [False, True]


def test_changed_dataset_json_repeats_runs(dataset, output, calls):
    repeated(dataset, output)
    settings = {"components.jre.symmetric": ["spouse"]}
    write_json(dataset / "dataset.json", {**ABOUT, "settings": settings})
    assert repeated(dataset, output) == [True, True]


def test_changed_dataset_json_repeats_runs_without_folds(tmp_path, output, calls):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", copies(split, 0))
    assert repeated(tmp_path, output) == [True]
    write_json(tmp_path / "dataset.json", {"title": "ours"})
    assert repeated(tmp_path, output) == [True]
    assert repeated(tmp_path, output) == [False]


def test_deleted_dataset_json_has_no_effect(tmp_path, output, calls):
    for split in ("train", "dev", "test"):
        write_json(tmp_path / f"{split}.json", copies(split, 0))
    about = write_json(tmp_path / "dataset.json", {"lang": "xx"})
    repeated(tmp_path, output)
    about.unlink()
    repeated(tmp_path, output)
    assert not (output / "corpus" / "0" / "dataset.json").exists()


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda text: text[: len(text) // 2], id="truncated"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: "[]", id="not an object"),
        pytest.param(lambda text: text.replace('"rel_f"', '"f"'), id="missing score"),
    ],
)
def test_runs_with_damaged_metrics_are_repeated(dataset, output, calls, damage):
    repeated(dataset, output)
    path = output / "fold-1-seed-0" / "metrics.json"
    path.write_text(damage(path.read_text()))
    assert repeated(dataset, output) == [False, True]
    assert repeated(dataset, output) == [False, False]


def test_failed_repetition_deletes_old_scores(dataset, output, calls, monkeypatch):
    repeated(dataset, output, folds=[0])

    def fail(*_, **__):
        raise RuntimeError("no memory")

    monkeypatch.setattr(module, "run_training", fail)
    with pytest.raises(RuntimeError, match="no memory"):
        repeated(dataset, output, folds=[0], epochs=7)
    assert not (output / "fold-0-seed-0" / "metrics.json").exists()


def test_discard_models_keeps_only_the_scores(dataset, output, calls):
    arguments = ("--output", output, "--folds", "0", "--discard-models")
    result = run("cross-validate", CONFIG, dataset, *arguments)
    assert result.exit_code == 0
    left = [path.name for path in (output / "fold-0-seed-0").iterdir()]
    assert left == ["metrics.json"]


# splits that are folders


@pytest.fixture
def brat(tmp_path):
    """A dataset with splits that are folders."""
    for split in ("train", "dev", "test"):
        shutil.copytree(STORIES / "brat", tmp_path / "brat" / split)
    return tmp_path / "brat"


def test_splits_can_be_folders(brat, output, calls):
    assert repeated(brat, output) == [True]
    assert repeated(brat, output) == [False]


def test_changed_file_in_a_folder_repeats_runs(brat, output, calls):
    repeated(brat, output)
    with (brat / "dev" / "1-hives.ann").open("a") as file:
        file.write("#1\tAnnotatorNotes T1\tsure\n")
    assert repeated(brat, output) == [True]


def test_fingerprint_of_a_folder_depends_on_names_and_contents(tmp_path):
    folder = tmp_path / "a"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "x").write_text("1")
    first = fingerprint(folder)
    assert fingerprint(shutil.copytree(folder, tmp_path / "b")) == first
    (folder / "inner" / "x").write_text("2")
    second = fingerprint(folder)
    (folder / "inner" / "x").rename(folder / "y")
    assert len({first, second, fingerprint(folder)}) == 3
