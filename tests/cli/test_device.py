"""A GPU that cannot be used is reported before the first step."""

from types import SimpleNamespace

import pytest
import torch

from spacy_jre.cli import device
from spacy_jre.cli.device import check_gpu

from ..conftest import ROOT
from .helpers import assert_plain_error, run

CONFIG = ROOT / "configs" / "test" / "spert.cfg"


@pytest.fixture
def machine(monkeypatch):
    """Set the devices that PyTorch and CuPy detect. By default, both detect a GPU."""

    def describe(*, cuda="13.0", mps=False, torch_gpu=True, cupy=True, cupy_gpu=True):
        compat = SimpleNamespace(
            has_torch_mps_gpu=mps,
            has_torch_cuda_gpu=torch_gpu,
            has_cupy=cupy,
            has_cupy_gpu=cupy_gpu,
        )
        monkeypatch.setattr(device, "compat", compat)
        monkeypatch.setattr(torch.version, "cuda", cuda)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda i: f"Card {i}")

    return describe


def test_check_gpu_returns_the_name(machine):
    machine()
    assert check_gpu(1) == "Card 1"


@pytest.mark.parametrize(
    ("detected", "problem"),
    [
        ({"cuda": None}, "was built without CUDA"),
        ({"torch_gpu": False}, "PyTorch detects no CUDA device"),
        ({"cupy": False}, "CuPy is not installed"),
        ({"cupy_gpu": False}, "CuPy detects no CUDA device"),
    ],
)
def test_error_names_the_problem_and_the_extra(machine, detected, problem):
    machine(**detected)
    with pytest.raises(
        ValueError, match=r"J730.*GPU 0: .*spacy-jre\[cuda12x\]"
    ) as info:
        check_gpu(0)
    assert problem in str(info.value)


def test_error_names_all_problems(machine):
    machine(torch_gpu=False, cupy=False)
    with pytest.raises(ValueError, match=r"no CUDA device, CuPy is not installed\."):
        check_gpu(0)


def test_gpu_id_above_the_last_one_fails(machine):
    machine()
    with pytest.raises(ValueError, match=r"J730.*GPU 2: .*number of GPUs is 2"):
        check_gpu(2)


def test_apple_gpu_fails(machine):
    machine(mps=True, cupy=False)
    with pytest.raises(ValueError, match=r"J508.*MPS.*float64"):
        check_gpu(0)


TRAIN = ("train", CONFIG, "--train", "missing.spacy", "--dev", "missing.spacy")
CROSS_VALIDATE = ("cross-validate", CONFIG, "missing")


@pytest.mark.parametrize("command", [TRAIN, CROSS_VALIDATE], ids=lambda c: c[0])
def test_commands_check_the_gpu_first(machine, tmp_path, command):
    machine(cupy=False)
    result = run(*command, "--output", tmp_path / "out", "--gpu-id", 0)
    assert_plain_error(result, "J730", "CuPy is not installed", "--gpu-id -1")
    assert not (tmp_path / "out").exists()


def test_name_of_the_gpu_is_shown(machine, tmp_path):
    machine()
    result = run(*TRAIN, "--output", tmp_path / "out", "--gpu-id", 1)
    assert "GPU 1: Card 1" in result.output


@pytest.mark.parametrize("command", [TRAIN, CROSS_VALIDATE], ids=lambda c: c[0])
def test_gpu_id_below_minus_one_fails(tmp_path, command):
    result = run(*command, "--output", tmp_path / "out", "--gpu-id", -2)
    assert_plain_error(result, "J736", "--gpu-id", "-1 (the CPU)", "not -2")
