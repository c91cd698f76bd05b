"""The peak of the memory."""

import sys
from pathlib import Path

import torch

STATUS = Path("/proc/self/status")
RESET = Path("/proc/self/clear_refs")


class PeakMemory:
    """The peak memory since ``reset``.

    kind (str): What is measured: "gpu" (tensors of torch on the GPU), "process" (the
        resident memory of this process) or "process since its start" (where the
        operating system does not reset the peak).
    """

    def __init__(self, device: torch.device):
        """device (device): The device of the model."""
        self._device = device
        self.kind = "gpu"
        if device.type != "cuda":
            can_reset = STATUS.is_file() and _write_reset()
            self.kind = "process" if can_reset else "process since its start"

    def reset(self) -> None:
        if self.kind == "gpu":
            torch.cuda.reset_peak_memory_stats(self._device)
        elif self.kind == "process":
            _write_reset()

    def read(self) -> int | None:
        """RETURNS (int | None): Bytes. None if the system does not tell."""
        if self.kind == "gpu":
            return torch.cuda.max_memory_allocated(self._device)
        if self.kind == "process":
            for line in STATUS.read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return 1024 * int(line.split()[1])
        try:
            import resource
        except ImportError:  # Windows
            return None
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak


def _write_reset() -> bool:
    """Reset the peak of the resident memory (Linux).

    RETURNS (bool): Whether the system allows it.
    """
    try:
        RESET.write_text("5")
    except OSError:
        return False
    return True
