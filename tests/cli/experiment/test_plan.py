"""Experiment files are checked, and define the runs."""

import math
from datetime import date

import pytest
import srsly
from thinc.api import Config

from spacy_jre.cli.experiment.plan import (
    check_runs,
    plan_runs,
    read_experiment,
    resolve_run,
)
from spacy_jre.cli.fingerprints import encoder_fingerprint

from ...conftest import ROOT
from ..test_cross_validate import CONFIG, copies, write_json


@pytest.fixture
def plan(write):
    def plan(values):
        path = write(values)
        return plan_runs(path, read_experiment(path))

    return plan


def names(runs):
    return [(run.model, run.row, run.fold, run.sample, run.seed) for run in runs]


# fields


WRONG = [
    (["titel"], "x", "'titel' is unknown"),
    (["title"], None, "'title' is required"),
    (["title"], 3, "'title' is invalid"),
    (["seeds"], [], "'seeds' is invalid"),
    (["seeds"], ["one"], "'seeds.0' is invalid"),
    (["seeds"], [1, 2, 1], "'seeds' contains 1 more than once"),
    (
        ["datasets", "tiny", "samples"],
        [3, None, None],
        "'datasets.tiny.samples' contains null more than once",
    ),
    (
        ["datasets", "tiny", "folds"],
        [0, 0],
        "'datasets.tiny.folds' contains 0 more than once",
    ),
    (["threads"], -1, "'threads' is invalid"),
    (["best_of"], 3, "'best_of' is 3, but there are 2 seeds"),
    (["datasets", "tiny", "average"], "mean", "'datasets.tiny.average' is invalid"),
    (["rows", "low", "paper"], {"rel_f": 50}, "'rows.low.paper.0.note' is required"),
    (
        ["rows", "low", "paper"],
        [{"rel_f": 101, "note": "x"}],
        "'rows.low.paper.0.rel_f' is invalid",
    ),
    (
        ["rows", "low", "paper"],
        {"note": "x", "datasets": ["y"]},
        "'rows.low.paper.datasets' has unknown name 'y'",
    ),
    (["models", "spert", "config"], None, "'models.spert.config' is required"),
    (["models", "spert", "confg"], "x", "'models.spert.confg' is unknown"),
    (["datasets", "tiny", "score"], "train", "'datasets.tiny.score' is invalid"),
    (["datasets", "tiny", "samples"], [0], "'datasets.tiny.samples.0' is invalid"),
    (["rows", "low", "epoch"], 3, "'rows.low.epoch' is unknown"),
    (["rows", "low", "models"], ["x"], "'rows.low.models' has unknown name 'x'"),
    (["rows", "low", "datasets"], ["x"], "'rows.low.datasets' has unknown name 'x'"),
    (
        ["overrides"],
        {"system.seed": 3},
        "'overrides' can't contain system.seed. Use 'seeds'",
    ),
    (
        ["overrides"],
        {"training.logger.progress_bar": None},
        "'overrides' can't contain training.logger.progress_bar. Use epochs.jsonl",
    ),
    (
        ["rows", "low", "overrides"],
        {"a.b": [date(2024, 1, 1)]},
        "'rows.low.overrides' can't contain the value datetime.date(2024, 1, 1): a.b.",
    ),
    (
        ["overrides"],
        {"a.b": {"x": {1: 2}}},
        "'overrides' can't contain the key 1: a.b.",
    ),
    (["overrides"], {"a.b": {1, 2}}, "'overrides' can't contain the value {1"),
    (["overrides"], {"a.b": math.nan}, "'overrides' can't contain the number nan: a.b"),
    (["overrides"], {"a.b": 2**63}, f"'overrides' can't contain the number {2**63}"),
    (["overrides"], {"a.b": 10**400}, "'overrides' can't contain the number 1000"),
    (["overrides"], {"threshold": 3}, "'overrides' must contain full names"),
    (["rows"], {}, "'rows' is invalid"),
]


@pytest.mark.parametrize(("at", "value", "problem"), WRONG, ids=lambda x: str(x)[:40])
def test_invalid_field_is_named(values, write, at, value, problem):
    *path, last = at
    part = values
    for key in path:
        part = part[key]
    part.pop(last, None)
    if value is not None:
        part[last] = value
    path = write(values)
    with pytest.raises(ValueError, match=r"\[J750\]") as caught:
        read_experiment(path)
    assert str(path) in str(caught.value)
    assert problem in str(caught.value)


@pytest.mark.parametrize("text", ["a: [", "- 1", "1: 2", ""])
def test_file_that_is_not_a_mapping_with_names_fails(tmp_path, text):
    path = tmp_path / "broken.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"\[J750\]"):
        read_experiment(path)


def test_missing_file_fails(tmp_path):
    with pytest.raises(ValueError, match=r"\[J601\].*nowhere"):
        read_experiment(tmp_path / "nowhere.yml")


@pytest.mark.parametrize("kind", ["models", "datasets"])
def test_missing_config_or_dataset_fails(values, plan, kind):
    for entry in values[kind].values():
        entry["config" if kind == "models" else "path"] = "nowhere"
    with pytest.raises(ValueError, match=r"\[J601\].*nowhere"):
        plan(values)


def test_dataset_without_dev_data_cannot_be_scored_on_dev(values, plan):
    values["datasets"]["tiny"]["score"] = "dev"
    with pytest.raises(ValueError, match=r"\[J750\].*datasets\.tiny\.score.*no dev"):
        plan(values)


def test_fold_that_does_not_exist_fails(values, plan):
    values["datasets"]["tiny"]["folds"] = [2]
    with pytest.raises(ValueError, match=r"\[J634\]"):
        plan(values)


# runs


def test_runs_are_all_combinations_seed_by_seed(values, plan):
    values["datasets"]["tiny"] |= {"folds": [0, 1], "samples": [5, None]}
    values["seeds"] = [3, 1]
    assert names(plan(values)) == [
        ("spert", row, fold, sample, seed)
        for seed in (3, 1)
        for fold in (0, 1)
        for sample in (5, None)
        for row in ("as configured", "low")
    ]


def test_folds_of_a_dataset_are_all_by_default(values, plan):
    del values["datasets"]["tiny"]["folds"]
    assert {run.fold for run in plan(values)} == {0, 1}


def test_row_is_run_with_the_models_and_datasets_it_names(values, plan, tmp_path):
    values["seeds"] = [0]
    values["models"]["other"] = dict(values["models"]["spert"])
    values["datasets"]["again"] = dict(values["datasets"]["tiny"])
    values["rows"]["low"] |= {"models": ["other"], "datasets": ["again"]}
    found = [(run.model, run.row, run.dataset) for run in plan(values)]
    assert found == [
        ("spert", "as configured", "tiny"),
        ("other", "as configured", "tiny"),
        ("spert", "as configured", "again"),
        ("other", "as configured", "again"),
        ("other", "low", "again"),
    ]


def test_later_level_replaces_settings_of_an_earlier_one(values, plan):
    values["seeds"] = [0]
    del values["rows"]["as configured"]
    levels = [
        values,
        values["datasets"]["tiny"],
        values["models"]["spert"],
        values["rows"]["low"],
    ]
    for number, level in enumerate(levels, 1):
        level["overrides"] = {f"a.{n}": number for n in range(number, 5)}
        level["encoder"] = f"encoder-{number}" if number < 4 else ""
        level["epochs"] = 0
    (run,) = plan(values)
    assert run.overrides == {f"a.{n}": n for n in range(1, 5)}
    assert run.encoder == "encoder-3"


@pytest.mark.parametrize(
    ("model", "row", "epochs"),
    [
        ({"epochs": 2}, {"epochs": 3}, 3),
        ({"epochs": 2}, {}, 2),
        ({}, {}, 1),
        ({"epochs": 2}, {"overrides": {"recipe.epochs": 4}}, 4),
        ({"overrides": {"recipe.epochs": 4}}, {"epochs": 3}, 3),
    ],
)
def test_epochs_are_an_override_of_the_recipe(values, plan, model, row, epochs):
    values["models"]["spert"] |= model
    values["rows"] = {"a": row}
    run = plan(values)[0]
    assert run.overrides["recipe.epochs"] == epochs
    resolved = resolve_run(run)["training"]["optimizer"]["learn_rate"]
    assert resolved["total_steps"] == epochs * 63  # 1,000 sentences, 16 per batch


@pytest.mark.parametrize(
    ("earlier", "later", "size"),
    [
        ({"overrides": {"training.batcher.size": 4}}, {"batch_size": 10}, 10),
        (
            {"overrides": {"training.batcher.size": 4}},
            {"overrides": {"recipe.batch_size": 10}},
            10,
        ),
        ({"batch_size": 10}, {"overrides": {"training.batcher.size": 4}}, 4),
        ({"overrides": {"training.batcher.size": 4}}, {"epochs": 2}, 4),
    ],
)
def test_later_level_replaces_the_batch_size(values, plan, earlier, later, size):
    values |= earlier
    values["rows"] = {"a": later}
    training = resolve_run(plan(values)[0])["training"]
    assert training["batcher"]["size"] == size
    assert training["eval_frequency"] == 1000 / size


# fingerprints


def test_order_of_overrides_has_no_effect_on_the_fingerprint(values, plan):
    names = ["components.jre.threshold", "training.dropout"]
    values["rows"] = {
        "a": {"overrides": dict.fromkeys(names, 0.3)},
        "b": {"overrides": dict.fromkeys(reversed(names), 0.3)},
    }
    a, b, *_ = plan(values)
    assert a.fingerprint == b.fingerprint


def test_order_inside_a_mapping_changes_the_fingerprint(values, plan):
    name = "training.optimizer.rates"
    values["rows"] = {
        "a": {"overrides": {name: {"^encoder": 0.1, "^enc": 0.2}}},
        "b": {"overrides": {name: {"^enc": 0.2, "^encoder": 0.1}}},
    }
    a, b, *_ = plan(values)
    assert a.fingerprint != b.fingerprint


@pytest.mark.parametrize("place", ["encoder", "overrides", "config"])
def test_changed_weights_of_a_local_encoder_change_the_fingerprint(
    values, plan, tmp_path, place
):
    folder = tmp_path / "bert"
    folder.mkdir()
    (folder / "model.safetensors").write_text("1")
    block = {"@architectures": "spacy-jre.TransformerEncoder.v1", "name": str(folder)}
    if place == "encoder":
        values["encoder"] = str(folder)
    elif place == "overrides":
        values["overrides"] = {"components.jre.model.tok2vec": block}
    else:
        config = Config().from_disk(CONFIG, interpolate=False)
        config["components"]["jre"]["model"]["tok2vec"] = block
        config.to_disk(tmp_path / "own.cfg", interpolate=False)
        values["models"]["spert"]["config"] = str(tmp_path / "own.cfg")
    first = {run.fingerprint for run in plan(values)}
    (folder / "model.safetensors").write_text("2")
    encoder_fingerprint.cache_clear()
    assert first.isdisjoint(run.fingerprint for run in plan(values))


def test_config_that_is_not_utf8_fails(values, plan, tmp_path):
    config = tmp_path / "own.cfg"
    config.write_bytes("é".encode("latin-1"))
    values["models"]["spert"]["config"] = str(config)
    with pytest.raises(ValueError, match=r"\[J750\].*models\.spert\.config.*UTF-8"):
        plan(values)


def test_names_have_no_effect_on_the_fingerprint(values, plan):
    before = {run.fingerprint for run in plan(values)}
    values["title"] = "other"
    values["rows"] = {f"new {name}": row for name, row in values["rows"].items()}
    assert {run.fingerprint for run in plan(values)} == before


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda v: v.update(epochs=2), id="epochs"),
        pytest.param(lambda v: v.update(encoder="x"), id="encoder"),
        pytest.param(lambda v: v.update(batch_size=3), id="batch_size"),
        pytest.param(lambda v: v.update(seeds=[3, 4]), id="seeds"),
        pytest.param(lambda v: v.update(overrides={"a.b": 1}), id="overrides"),
        pytest.param(lambda v: v["datasets"]["tiny"].update(folds=[1]), id="folds"),
        pytest.param(lambda v: v["datasets"]["tiny"].update(samples=[3]), id="samples"),
    ],
)
def test_changed_setting_changes_every_fingerprint(values, plan, change):
    before = {run.fingerprint for run in plan(values)}
    change(values)
    assert before.isdisjoint(run.fingerprint for run in plan(values))


def test_changed_data_or_config_changes_every_fingerprint(values, plan, tmp_path):
    config = tmp_path / "own.cfg"
    config.write_text((ROOT / "configs" / "test" / "spert.cfg").read_text())
    values["models"]["spert"]["config"] = str(config)
    first = {run.fingerprint for run in plan(values)}
    config.write_text(config.read_text() + "\n# a comment\n")
    second = {run.fingerprint for run in plan(values)}
    write_json(tmp_path / "tiny" / "fold_0.json", copies("", 0)[:4])
    third = {run.fingerprint for run in plan(values)}
    assert len(first | second | third) == 3 * len(first)


# configs


def test_valid_rows_are_resolved(values, write, plan):
    check_runs(write(values), plan(values))


def test_overrides_epochs_and_batch_size_reach_the_schedule(values, plan):
    values["seeds"] = [0]
    values["rows"] = {
        "a": {"epochs": 4, "batch_size": 10},
        "b": {"overrides": {"recipe.batch_size": 20, "recipe.warmup": 0.5}},
    }
    a, b = (resolve_run(run)["training"] for run in plan(values))
    # resolved for 1,000 sentences
    assert a["optimizer"]["learn_rate"]["total_steps"] == 4 * 100
    assert b["optimizer"]["learn_rate"]["total_steps"] == 50
    assert b["optimizer"]["learn_rate"]["warmup_steps"] == 25


def test_new_section_can_be_set_as_a_mapping(values, plan):
    rates = {"^encoder": 0.1}
    values["overrides"] = {"training.optimizer.rates": rates}
    training = resolve_run(plan(values)[0])["training"]
    assert training["optimizer"]["rates"] == rates


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("components.jre.model.n_heads", 4, "n_heads"),
        ("components.jre.threshold", "low", "threshold"),
        ("components.nowhere.threshold", 0.5, "components -> nowhere -> threshold"),
        ("recipe.epoch", 3, "recipe.epoch"),
        ("recipe.epochs", -1, "epochs"),
        ("training.optimizer.learn_rate.initial_rate", "fast", "initial_rate"),
        ("training.batcher.@batchers", "nowhere.v1", "nowhere.v1"),
    ],
)
def test_row_that_does_not_resolve_is_named(values, write, plan, name, value, part):
    values["rows"]["low"]["overrides"] = {name: value}
    with pytest.raises(
        ValueError, match=r"(?s)\[J751\].*'low'.*'spert'.*'tiny'"
    ) as caught:
        check_runs(write(values), plan(values))
    assert part in str(caught.value)


def test_yaml_number_with_an_exponent_is_a_number(tmp_path):
    path = tmp_path / "x.yml"
    path.write_text("a: 1e-4\nb: 1.0e-4\n")
    assert srsly.read_yaml(path) == {"a": 1e-4, "b": 1e-4}
