"""CPU settings of the processes in which a command trains or predicts."""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from spacy.util import logger

from ..architectures.half_precision import cpu_supports
from ..profiling.machine import describe_cpu

# parameters of mallopt, and the largest value of an int
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_MIB = 2**20
_KEEP = {_TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * _MIB, _MMAP_THRESHOLD: 1024 * _MIB}
# glibc adapts its thresholds to a program, up to these values
_GLIBC = {_TRIM_THRESHOLD: 64 * _MIB, _TOP_PAD: 128 * 1024, _MMAP_THRESHOLD: 32 * _MIB}


@contextmanager
def fast_cpu(gpu_id: int) -> Iterator[None]:
    """Use both CPU settings in this context, ``keep_freed_memory`` and ``fast_matmul``.

    gpu_id (int): The GPU ID. Below 0: the CPU.
    """
    with keep_freed_memory(), fast_matmul(gpu_id):
        yield


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Use freed memory again in this context, instead of returning it to the system.

    glibc gets a block of more than 32 MiB, such as the gradient of the embeddings of a
    transformer, from the system in every update, with a page fault for each page of it.
    The maximum memory stays the same, but the process does not shrink. Does nothing
    without glibc.
    """
    change = platform.system() == "Linux" and platform.libc_ver()[0] == "glibc"
    if change:
        _set_malloc(_KEEP)
    try:
        yield
    finally:
        if change:
            _set_malloc(_GLIBC)


def _set_malloc(values: dict[int, int]) -> None:
    mallopt = ctypes.CDLL(None).mallopt
    for parameter, value in values.items():
        mallopt(parameter, value)


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
