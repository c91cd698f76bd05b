"""The peak memory is that since the reset."""

import numpy as np
import pytest
import torch

from spacy_jre.profiling import memory
from spacy_jre.profiling.memory import PeakMemory

SIZE = 64 * 2**20


@pytest.fixture
def peak():
    peak = PeakMemory(torch.device("cpu"))
    if peak.kind != "process":
        pytest.skip("this system does not reset the peak of the resident memory")
    return peak


def test_memory_that_was_freed_is_in_the_peak(peak):
    peak.reset()
    before = peak.read()
    np.ones(SIZE, dtype=np.uint8)
    assert peak.read() - before > 0.9 * SIZE


def test_peak_before_the_reset_does_not_count(peak):
    np.ones(SIZE, dtype=np.uint8)
    before = peak.read()
    peak.reset()
    assert before - peak.read() > 0.9 * SIZE


def test_peak_since_the_start_is_used_if_it_cannot_be_reset(monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "RESET", tmp_path)
    peak = PeakMemory(torch.device("cpu"))
    assert peak.kind == "process since its start"
    peak.reset()
    assert peak.read() > 2**20
