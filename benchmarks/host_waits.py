"""Count the operations for which the host waits for a GPU.

Such an operation needs a value of the GPU on the host: a number, the size of a result,
or a copy. On the CPU, these operations run without a wait. So they can be counted on a
machine without a GPU. Operations of CuPy are not counted.

All tensors count as tensors of the GPU, except copies to the host, the results of
`torch.tensor` and `torch.arange` without a device, and what depends on these only.
"""

import os
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import spacy_jre

PACKAGE = os.path.dirname(spacy_jre.__file__)
aten = torch.ops.aten
# operations whose result has a size or value that only the GPU knows
OPERATORS = {
    aten._local_scalar_dense: "item",
    aten.nonzero: "nonzero",
    aten.bincount: "bincount",
    aten.masked_select: "masked_select",
    aten._unique2: "unique",
    aten.unique_dim: "unique",
    aten.unique_consecutive: "unique",
    aten.equal: "equal",
}
# copies to the host. They are no operators on the CPU
COPIES = {torch.Tensor.tolist: "tolist", torch.Tensor.cpu: "cpu"}


class HostWaits:
    """
    waits (Counter): Number of waits, by the operation and its line in spacy_jre.
    copies (Counter): Number of copies from the host to the GPU, by line. The host
        waits for them, too, if the memory is not pinned.
    """

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()
        self.copies: Counter[str] = Counter()
        # The memory of the tensors on the host. It is kept, so that no other tensor
        # gets the same address.
        self._host: dict[int, torch.UntypedStorage] = {}

    def put_on_host(self, value: Any) -> None:
        """Mark the tensors of a result as tensors of the host."""
        for tensor in _tensors(value):
            storage = tensor.untyped_storage()
            self._host[storage.data_ptr()] = storage

    def is_on_host(self, tensor: torch.Tensor) -> bool:
        address = tensor.untyped_storage().data_ptr()
        # tensors without elements have no address
        return address != 0 and address in self._host


def _tensors(value: Any) -> list[torch.Tensor]:
    return [leaf for leaf in tree_leaves(value) if isinstance(leaf, torch.Tensor)]


@contextmanager
def count_host_waits() -> Iterator[HostWaits]:
    """Count the host waits of this thread in the context."""
    result = HostWaits()
    with _Operators(result), _Copies(result):
        yield result


class _Operators(TorchDispatchMode):
    def __init__(self, result: HostWaits):
        super().__init__()
        self._result = result

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # in inference mode, operators that consist of others arrive here as a whole
        with self:
            result = func.decompose(*args, **kwargs)
        if result is not NotImplemented:
            return result
        inputs = _tensors((args, kwargs))
        if inputs and all(map(self._result.is_on_host, inputs)):
            result = func(*args, **kwargs)
            self._result.put_on_host(result)
            return result
        kind = OPERATORS.get(func.overloadpacket)
        if func is aten.repeat_interleave.Tensor and kwargs.get("output_size") is None:
            kind = "repeat_interleave"
        if _is_boolean_index(func.overloadpacket, args):
            kind = "boolean index"
        if kind:
            self._result.waits[f"{kind}, {calling_line()}"] += 1
        result = func(*args, **kwargs)
        if func.overloadpacket is aten._pack_padded_sequence:
            # the batch sizes
            self._result.put_on_host(result[1])
        return result


class _Copies(TorchFunctionMode):
    def __init__(self, result: HostWaits):
        super().__init__()
        self._result = result

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        # other packages call `to` for tensors that are on the device already, and thinc
        # calls `cpu` for tensors on the CPU only
        if not sys._getframe(1).f_code.co_filename.startswith(PACKAGE):
            return func(*args, **kwargs)
        if kind := COPIES.get(func):
            if not self._result.is_on_host(args[0]):
                self._result.waits[f"{kind}, {calling_line()}"] += 1
        elif _copies_to_device(func, args, kwargs):
            self._result.copies[calling_line()] += 1
        result = func(*args, **kwargs)
        if func is torch.Tensor.cpu:
            # on the CPU, this is the same tensor
            result = result.clone()
            self._result.put_on_host(result)
        elif func in (torch.tensor, torch.arange) and "device" not in kwargs:
            self._result.put_on_host(result)
        return result


def _is_boolean_index(operator: Any, args: Any) -> bool:
    if operator not in (aten.index, aten.index_put, aten.index_put_):
        return False
    if not any(index is not None and index.dtype == torch.bool for index in args[1]):
        return False
    # writing one value at the positions of a mask is masked_fill_, without a wait
    return operator is aten.index or args[2].numel() != 1


def _copies_to_device(func: Any, args: Any, kwargs: Any) -> bool:
    if func is torch.Tensor.to:
        values = (*args, *kwargs.values())
        return any(isinstance(value, torch.device) for value in values)
    return func in (torch.tensor, torch.as_tensor) and "device" in kwargs


def calling_line() -> str:
    """RETURNS (str): The innermost line of spacy_jre in the stack, or its caller."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith(PACKAGE):
            return f"{os.path.relpath(name, PACKAGE)}:{frame.f_lineno}"
        frame = frame.f_back
    return "outside of spacy_jre"
