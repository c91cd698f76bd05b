import logging
import platform

import pytest
import torch

from spacy_jre.architectures import half_precision
from spacy_jre.architectures.half_precision import cpu_has_bfloat16, half_dtype


@pytest.fixture(autouse=True)
def _no_cache():
    half_dtype.cache_clear()
    yield
    half_dtype.cache_clear()


@pytest.mark.parametrize(
    ("native", "dtype"), [(True, torch.bfloat16), (False, torch.float16)]
)
def test_gpu_uses_bfloat16_if_it_is_not_emulated(monkeypatch, native, dtype):
    def is_supported(including_emulation=True):
        return including_emulation or native

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", is_supported)
    assert half_dtype("cuda") is dtype


def test_cpu_without_bfloat16_is_logged_once(monkeypatch, caplog):
    monkeypatch.setattr(half_precision, "cpu_has_bfloat16", lambda: False)
    monkeypatch.setattr(logging.getLogger("spacy"), "propagate", True)
    for _ in range(3):
        assert half_dtype("cpu") is None
    (record,) = caplog.records
    assert "J911" in record.message
    assert "cpu" in record.message


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_tile"])
def test_x86_needs_one_of_two_instruction_sets(monkeypatch, instructions):
    monkeypatch.setattr(platform, "machine", lambda: "AMD64")
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    supported = set()
    for name in ("avx512_bf16", "amx_tile"):
        check = f"_is_{name}_supported"
        monkeypatch.setattr(torch.cpu, check, lambda n=name: n in supported)
    assert not cpu_has_bfloat16()
    supported.add(instructions)
    assert cpu_has_bfloat16()


def test_torch_without_these_checks_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    for name in ("avx512_bf16", "amx_tile"):
        monkeypatch.delattr(torch.cpu, f"_is_{name}_supported")
    assert not cpu_has_bfloat16()


def test_torch_without_onednn_has_no_bfloat16(monkeypatch):
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not cpu_has_bfloat16()
