"""Describe the hardware of a measurement."""

import platform
import re
from itertools import takewhile
from pathlib import Path

CPU_INFO = Path("/proc/cpuinfo")


def describe_cpu() -> str:
    """RETURNS (str): A text that contains the vendor and the model of an x86 CPU."""
    if CPU_INFO.is_file():
        with CPU_INFO.open(encoding="utf8", errors="replace") as lines:
            # the first CPU, up to an empty line; a server has hundreds
            return "".join(takewhile(str.strip, lines))
    return platform.processor()


def cpu_name() -> str:
    """RETURNS (str): The model of the CPU, or its architecture if that is unknown."""
    model = re.search(r"^model name\s*:\s*(.+)$", describe_cpu(), re.M)
    return model[1] if model else platform.processor() or platform.machine()
