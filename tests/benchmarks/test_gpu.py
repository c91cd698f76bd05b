import json
import math
import subprocess

import pytest

from ..conftest import ROOT
from .helpers import load

N_SENTENCES = 15


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpu")
    for name in ("train", "dev", "test"):
        text = (ROOT / "assets" / "newswire" / f"{name}.txt").read_text()
        sentences = text.split("\n\n")[2 : 2 + N_SENTENCES]
        (folder / f"{name}.txt").write_text("\n\n".join(sentences))
    path = folder / "results.json"
    arguments = ["--quick", "--device", "cpu", "--data", folder, "--output", path]
    load("gpu").main(list(map(str, arguments)))
    return json.loads(path.read_text())


@pytest.mark.parametrize("precision", ["float32", "half precision"])
def test_script_trains_on_the_cpu_without_a_gpu(results, precision):
    training = results[f"train, {precision}"]
    assert training["updates"] > 0
    assert training["last"] < training["first"]


def test_script_compares_the_predictions_with_those_of_the_cpu(results):
    comparison = results["compare with the CPU, float32"]
    assert comparison == {"largest": 0.0, "equal": N_SENTENCES, "docs": N_SENTENCES}


def test_script_measures_prediction_and_the_bare_encoder(results):
    speed = results["speed, float32"]
    for name in ("bare encoder", "nlp.pipe"):
        assert all(0 < r < math.inf for r in speed["sentences_per_second"][name])
    assert all(ratio > 0 for ratio in speed["ratio"])


@pytest.mark.parametrize("step", ["update", "prediction"])
def test_script_lists_host_waits_and_operators(results, step):
    assert sum(results[f"host waits, {step}, float32"].values()) > 0
    assert results[f"profile, {step}, float32"]["top"]


def test_tests_on_the_gpu_are_skipped_without_a_gpu(results):
    assert results["tests"] is None


def test_steps_beyond_the_time_limit_are_skipped(monkeypatch):
    module = load("gpu")
    run = module.Run(on_gpu=False, budget=0, quick=True)
    actions = {"update": None, "prediction": None}
    monkeypatch.setattr(module, "steps", lambda *args: actions)
    module.compare_with_cpu(run, "x", None, [])
    module.measure_speed(run, "x", None, [])
    module.count_waits(run, "x", None, [], [])
    module.profile_operators(run, "x", None, [], [])
    assert len(run.results) == 6
    assert set(run.results.values()) == {None}


@pytest.mark.parametrize(("code", "passed"), [(0, True), (1, False)])
def test_exit_status_of_pytest_is_the_result_of_the_tests(monkeypatch, code, passed):
    module = load("gpu")
    done = subprocess.CompletedProcess([], code, "1 test", "")
    monkeypatch.setattr(module.subprocess, "run", lambda *args, **kwargs: done)
    run = module.Run(on_gpu=True, budget=60, quick=True)
    assert module.run_tests(run) is passed


def test_failing_tests_end_the_script_with_an_error(monkeypatch):
    module = load("gpu")
    monkeypatch.setattr(module, "run_tests", lambda run: False)
    with pytest.raises(SystemExit, match="marker `gpu` failed"):
        module.main(["--quick", "--device", "cpu", "--budget", "0"])


def test_gpu_that_does_not_exist_is_an_error(capsys):
    with pytest.raises(SystemExit):
        load("gpu").main(["--device", "gpu"])
    assert "PyTorch detects no GPU" in capsys.readouterr().err
