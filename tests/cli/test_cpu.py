import platform
import subprocess
import sys

import pytest
import torch

from spacy_jre.cli import cpu as cpu_module
from spacy_jre.cli.cpu import fast_cpu, fast_matmul, keep_freed_memory
from spacy_jre.profiling import machine

AMD, INTEL = "vendor_id\t: AuthenticAMD\n", "vendor_id\t: GenuineIntel\n"


@pytest.fixture(autouse=True)
def _precision():
    torch.set_float32_matmul_precision("highest")
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """A function that sets the vendor of the CPU, and whether it has AMX."""

    def set_cpu(vendor: str, *, amx: bool = False, onednn: bool = True) -> None:
        info = tmp_path / "cpuinfo"
        info.write_text(f"processor\t: 0\n{vendor}model\t: 2\n", encoding="utf8")
        monkeypatch.setattr(machine, "CPU_INFO", info)
        monkeypatch.setattr(cpu_module, "cpu_supports", lambda name: amx)
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)

    return set_cpu


def precision_of_training(gpu_id: int = -1) -> str:
    with fast_matmul(gpu_id):
        return torch.get_float32_matmul_precision()


def test_amd_uses_onednn_and_the_precision_is_restored(cpu):
    cpu(AMD)
    assert precision_of_training() == "medium"
    assert torch.get_float32_matmul_precision() == "highest"


@pytest.mark.parametrize(
    ("vendor", "settings"),
    [(INTEL, {}), (AMD, {"amx": True}), (AMD, {"onednn": False}), ("", {})],
)
def test_other_cpus_are_left_as_they_are(cpu, vendor, settings):
    cpu(vendor, **settings)
    assert precision_of_training() == "highest"


def test_training_on_a_gpu_is_left_as_it_is(cpu):
    cpu(AMD)
    assert precision_of_training(gpu_id=0) == "highest"


def test_precision_that_was_set_before_is_left_as_it_is(cpu):
    cpu(AMD)
    torch.set_float32_matmul_precision("high")
    assert precision_of_training() == "high"
    assert torch.get_float32_matmul_precision() == "high"


def test_product_is_in_single_precision(cpu):
    # with bfloat16, the error would be about 0.1
    cpu(AMD)
    torch.manual_seed(0)
    left, right = torch.randn(64, 512), torch.randn(512, 64)
    exact = left.double() @ right.double()
    with fast_matmul(-1):
        product = left @ right
    if not torch.cpu._is_amx_tile_supported():
        torch.testing.assert_close(product.double(), exact, rtol=0, atol=1e-3)


# in a process of its own: the memory of other tests is in pieces of all sizes
PAGE_FAULTS = """
import resource
import torch
from spacy_jre.cli.cpu import keep_freed_memory

def page_faults(n_blocks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(n_blocks):
        torch.ones(2**24)  # 64 MiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

numbers = [page_faults(4)]
with keep_freed_memory():
    page_faults(4)
    numbers.append(page_faults(4))
print(*numbers)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="without glibc")
def test_freed_memory_is_used_again():
    command = [sys.executable, "-c", PAGE_FAULTS]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    before, inside = map(int, output.split())
    assert inside <= before / 4


def test_system_without_glibc_is_left_as_it_is(monkeypatch):
    def fail(name):
        raise AssertionError("a library is loaded")

    monkeypatch.setattr(cpu_module.ctypes, "CDLL", fail)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    with keep_freed_memory():
        pass


def test_command_on_the_cpu_uses_both_settings(cpu, monkeypatch):
    cpu(AMD)
    values = []
    monkeypatch.setattr(cpu_module, "_set_malloc", values.append)
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    with fast_cpu(-1):
        assert torch.get_float32_matmul_precision() == "medium"
        assert values == [cpu_module._KEEP]
    # page faults do not show this: glibc uses free memory of its heap first
    assert values == [cpu_module._KEEP, cpu_module._GLIBC]
