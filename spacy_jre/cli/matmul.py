"""The library that multiplies matrices in single precision in a training process."""

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import torch
from spacy.util import logger

from ..architectures.half_precision import cpu_supports

CPU_INFO = Path("/proc/cpuinfo")


@contextmanager
def fast_matmul(gpu_id: int) -> Iterator[None]:
    """Multiply float32 matrices with the faster library in this context.

    torch uses MKL, which is slow on CPUs of AMD. With the precision "medium", it uses
    oneDNN. On CPUs without AMX, oneDNN computes in float32 and returns the same
    numbers, except for rounding. On CPUs with AMX, it would compute in bfloat16. A
    precision that was set before, and the precision on a GPU, are not changed.

    gpu_id (int): The GPU ID. Below 0: the CPU.
    """
    before = torch.get_float32_matmul_precision()
    change = gpu_id < 0 and before == "highest" and prefers_onednn()
    if change:
        logger.info("float32 matrices are multiplied by oneDNN instead of MKL")
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        if change:
            torch.set_float32_matmul_precision(before)


def prefers_onednn() -> bool:
    """Check whether this is an x86 CPU of AMD without AMX."""
    return (
        torch.backends.mkldnn.is_available()
        and "AuthenticAMD" in describe_cpu()
        and not cpu_supports("amx_tile")
    )


def describe_cpu() -> str:
    """RETURNS (str): A text that contains the vendor and the model of an x86 CPU."""
    if CPU_INFO.is_file():
        with CPU_INFO.open(encoding="utf8", errors="replace") as lines:
            # the first CPU, up to an empty line; a server has hundreds
            return "".join(takewhile(str.strip, lines))
    return platform.processor()
