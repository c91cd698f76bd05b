"""Check the device of a command before its first step."""

import torch
from thinc import compat

from ..errors import Errors, JREError


def check_gpu(gpu_id: int) -> str:
    """Check that a GPU can be used.

    gpu_id (int): The GPU ID.
    RETURNS (str): The name of the GPU.
    RAISES (ValueError): J508 for an Apple GPU, J730 with everything that is missing,
        J736 for an ID below 0.
    """
    if gpu_id < 0:
        expected = "-1 (the CPU) or a GPU ID"
        raise JREError(
            Errors.J736.format(name="gpu-id", expected=expected, value=gpu_id)
        )
    if compat.has_torch_mps_gpu:
        raise JREError(Errors.J508)
    problems = []
    if torch.version.cuda is None:
        problems.append(f"PyTorch {torch.__version__} was built without CUDA")
    elif not compat.has_torch_cuda_gpu:
        problems.append("PyTorch detects no CUDA device")
    if not compat.has_cupy:
        problems.append("CuPy is not installed")
    elif not compat.has_cupy_gpu:
        problems.append("CuPy detects no CUDA device")
    if not problems and gpu_id >= torch.cuda.device_count():
        problems.append(f"the number of GPUs is {torch.cuda.device_count()}")
    if problems:
        raise JREError(Errors.J730.format(gpu_id=gpu_id, problems=", ".join(problems)))
    return torch.cuda.get_device_name(gpu_id)
