import platform

import pytest

from spacy_jre.profiling import machine
from spacy_jre.profiling.machine import cpu_name, describe_cpu

AMD = "AMD64 Family 25 Model 33 Stepping 2, AuthenticAMD"


@pytest.fixture
def cpu_info(monkeypatch, tmp_path):
    path = tmp_path / "cpuinfo"
    monkeypatch.setattr(machine, "CPU_INFO", path)
    return path


def test_processor_is_used_without_proc(cpu_info, monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: AMD)
    assert describe_cpu() == AMD
    assert cpu_name() == AMD


def test_name_is_the_model_of_the_first_cpu(cpu_info):
    first = "processor\t: 0\nmodel\t: 2\nmodel name\t: EPYC 9B14\n\n"
    cpu_info.write_text(first + first.replace("9B14", "7"), encoding="utf8")
    assert cpu_name() == "EPYC 9B14"


def test_name_is_the_architecture_if_the_model_is_unknown(cpu_info, monkeypatch):
    # as on ARM
    cpu_info.write_text("processor\t: 0\nCPU architecture: 8\n", encoding="utf8")
    monkeypatch.setattr(platform, "processor", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert cpu_name() == "aarch64"
