"""Half precision: the data type in which a device is faster than in float32."""

import platform
from functools import cache
from typing import Literal

import torch
from spacy.util import logger

from ..errors import Warnings

HalfPrecision = Literal["never", "training", "always"]
HALF_PRECISION = ("never", "training", "always")


@cache
def half_dtype(device: str) -> torch.dtype | None:
    """Choose the data type of half precision for a type of device.

    Hardware without support is not an error, because the same pipeline runs on
    different machines. The first call logs it.

    device (str): "cpu" or "cuda".
    RETURNS (dtype | None): float16 needs gradient scaling in training, bfloat16 does
        not. None: the device has no instructions for half precision.
    """
    if device == "cuda":
        # older GPUs only emulate bfloat16
        native = torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if native else torch.float16
    if device == "cpu" and cpu_has_bfloat16():
        return torch.bfloat16
    logger.warning(Warnings.J911.format(device=device))
    return None


def cpu_has_bfloat16() -> bool:
    """Check whether the CPU has instructions for bfloat16, and torch uses them.

    On x86, torch computes in bfloat16 on every CPU, but without these instructions it
    is slower than float32.
    """
    if not torch.backends.mkldnn.is_available():
        return False
    if platform.machine().lower() in ("x86_64", "amd64"):
        return cpu_supports("avx512_bf16") or cpu_supports("amx_tile")
    # on ARM, this checks the instructions
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def cpu_supports(instructions: str) -> bool:
    """Check whether an x86 CPU supports "avx512_bf16" or "amx_tile"."""
    # torch has no public function for all supported versions
    check = getattr(torch.cpu, f"_is_{instructions}_supported", None)
    return check is not None and bool(check())
