"""Wrap torch modules as thinc nodes that save their weights as safetensors."""

from collections.abc import Callable
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from thinc.api import (
    ArgsKwargs,
    Model,
    Optimizer,
    PyTorchGradScaler,
    PyTorchWrapper_v3,
    torch2xp,
    xp2torch,
)
from thinc.shims import PyTorchShim
from thinc.types import FloatsXd
from thinc.util import convert_recursive, get_torch_default_device
from torch import nn

from ..errors import Errors, JREError, NotFinite
from ..training.optimizer import AdamW
from .half_precision import HalfPrecision, half_dtype
from .header import SavedTensors, blame, compute_digest, read_header, write_header

# Validates the fields of a header with the tensors of its file. Returns a function that
# creates the module, with any weights, on the device of the context.
Plan = Callable[[dict[str, Any], SavedTensors], Callable[[], nn.Module]]


class NotBuilt(nn.Module):
    """Placeholder until the labels and widths are known and the module is created."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        raise JREError(Errors.J301)


class TorchShim(PyTorchShim):
    """A shim that keeps the module in eval mode after a prediction.

    The shim of thinc sets train mode after every prediction. If two threads share a
    pipeline, one of them can then predict with dropout.

    half_precision (str): Whether to run in half precision: "never", "training" or
        "always". Mixed precision, a setting of the architectures, is "always" with
        float16 on CUDA and bfloat16 on the CPU. Only float16 needs gradient scaling.
    """

    half_precision: HalfPrecision = "never"
    _scaled = False  # whether a backward pass since the last update was scaled

    def predict(self, inputs: ArgsKwargs) -> Any:
        # always set, because another thread can be in the middle of setting the mode
        self._model.eval()
        with torch.inference_mode(), self._autocast(self._half_dtype(False)):
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        self._model.train()
        dtype = self._half_dtype(True)
        with self._autocast(dtype):
            outputs = self._model(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> ArgsKwargs:
            # a loss without targets has no gradient
            if not any(tensor.requires_grad for tensor in grads.args[0]):
                pass
            elif dtype is torch.float16:
                self._backward_scaled(inputs, grads)
            else:
                torch.autograd.backward(*grads.args, **grads.kwargs)
            return convert_recursive(
                lambda value: isinstance(value, torch.Tensor),
                lambda value: value.grad,
                inputs,
            )

        return outputs, backprop

    def _backward_scaled(self, inputs: ArgsKwargs, grads: ArgsKwargs) -> None:
        """Run the backward pass with scaled gradients, and unscale the result.

        An update can have several backward passes (sub-batches, accumulated gradients).
        The gradients of earlier passes must not be unscaled again, so they are added
        afterwards.
        """
        self._scaled = True
        self._grad_scaler.to_(self.device)
        parameters = list(self._model.parameters())
        earlier = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        # the scale has a dimension, the gradient of a loss has none
        views = [gradient.unsqueeze(0) for gradient in grads.kwargs["grad_tensors"]]
        self._grad_scaler.scale(views, inplace=True)
        torch.autograd.backward(*grads.args, **grads.kwargs)
        tensors = [t for t in inputs.args if isinstance(t, torch.Tensor)]
        gradients = [t.grad for t in [*parameters, *tensors] if t.grad is not None]
        if self._grad_scaler.unscale(gradients):
            for gradient in gradients:
                gradient.zero_()
        for parameter, gradient in zip(parameters, earlier, strict=True):
            if gradient is not None:
                new = parameter.grad
                parameter.grad = gradient if new is None else gradient + new

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update every parameter that has a gradient, and delete the gradient.

        The shim of thinc fills the gradients with zeros instead, which takes additional
        time here and in the next backward pass. AdamW takes the parameters themselves.
        It may update them later, together with those of other nodes.
        """
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if self._grad_scaler.found_inf:
                parameter.grad = None
            elif isinstance(optimizer, AdamW):
                optimizer.update_parameter((self.id, name), parameter)
            else:
                updated, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(parameter.data)),
                    cast(FloatsXd, torch2xp(parameter.grad)),
                )
                new = xp2torch(updated, device=parameter.device)
                # The memory is kept if possible, because cuDNN needs the weights of a
                # recurrent network in one block.
                if new.data_ptr() != parameter.data_ptr():
                    parameter.data = new
                parameter.grad = None
        if self._scaled:
            self._grad_scaler.update()
            self._scaled = False

    def _half_dtype(self, is_train: bool) -> torch.dtype | None:
        """RETURNS (dtype | None): The data type of autocast. None for float32."""
        kind = self.device.type
        if self._mixed_precision:
            return torch.float16 if kind == "cuda" else torch.bfloat16
        if self.half_precision == "always":
            return half_dtype(kind)
        return half_dtype(kind) if is_train and self.half_precision != "never" else None

    def _autocast(self, dtype: torch.dtype | None) -> torch.autocast:
        return torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None)


def torch_node(
    module: nn.Module,
    *,
    convert_inputs: Callable[..., Any],
    convert_outputs: Callable[..., Any],
    plan: Plan,
    mixed_precision: bool = False,
) -> Model[Any, Any]:
    """Wrap a torch module as a thinc node that saves safetensors, never a pickle.

    module (nn.Module): The module, or NotBuilt. Its ``metadata`` attribute, a dict of
        JSON values, is saved in the header and passed to ``plan`` on loading.
    convert_inputs, convert_outputs (Callable): The converters of the thinc wrapper.
        Module-level functions.
    plan (Callable): Validates the metadata of a saved module and returns a function
        that creates the module. A module-level function or a partial, because spawned
        processes unpickle it.
    mixed_precision (bool): Whether to run in half precision.
    RETURNS (Model): A PyTorchWrapper with our shim.
    """
    node: Model[Any, Any] = PyTorchWrapper_v3(
        module, convert_inputs=convert_inputs, convert_outputs=convert_outputs
    )
    node.shims[0] = TorchShim(
        module,
        mixed_precision=mixed_precision,
        # used for float16 only. Data type and device may change after construction
        grad_scaler=PyTorchGradScaler(enabled=True),
        serialize_model=save_module,
        deserialize_model=LoadModule(plan),
    )
    return node


def set_half_precision(model: Model[Any, Any], mode: HalfPrecision) -> None:
    """Set when the torch modules of a model run in half precision.

    mode (str): "never", "training" or "always".
    """
    for node in model.walk():
        for shim in node.shims:
            if isinstance(shim, TorchShim):
                shim.half_precision = mode


def set_module(node: Model[Any, Any], module: nn.Module) -> None:
    """Replace NotBuilt by the module."""
    shim = node.shims[0]
    shim._model = module.to(get_torch_default_device())


def get_module(node: Model[Any, Any]) -> nn.Module:
    """RETURNS (nn.Module): The torch module of a node."""
    return node.shims[0]._model


def device_of(node: Model[Any, Any]) -> torch.device:
    """RETURNS (torch.device): The device of the module's parameters."""
    return cast(PyTorchShim, node.shims[0]).device


def to_tensor(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """RETURNS (Tensor): A copy of the array on a device, or on the CPU, the array."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor.to(device, non_blocking=True)


def is_built(node: Model[Any, Any]) -> bool:
    return not isinstance(get_module(node), NotBuilt)


def save_module(module: nn.Module) -> bytes:
    """RETURNS (bytes): A safetensors file. Empty if the module is not built yet."""
    if isinstance(module, NotBuilt):
        return b""
    # safetensors does not accept views or tensors that share memory
    state, seen = {}, set()
    for name, tensor in module.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.data_ptr() in seen:
            tensor = tensor.clone()
        seen.add(tensor.data_ptr())
        state[name] = tensor
    fields = cast(dict[str, Any], module.metadata)
    return safetensors.torch.save(state, metadata=write_header(fields, state))


class LoadModule:
    """Create a module from the header of a safetensors file and load the weights.

    The module is created twice: first without memory, to compare its tensors with those
    of the file. This is a class instead of a closure, so that spawned processes can
    unpickle it.
    """

    def __init__(self, plan: Plan):
        self._plan = plan

    def __call__(
        self, module: nn.Module, data: bytes, device: torch.device
    ) -> nn.Module:
        """
        RAISES (JREError): J309 or J317 if the header is invalid, J308 if it does not
            match the tensors of the file, J321 if the file is damaged, J431 if a
            weight is not finite.
        """
        if not data:
            return module
        header = read_header(data)
        make = self._plan(header.fields, header.tensors)
        with header.tensors.limit_modules(), blame("module"):
            header.tensors.check_module(make())
        with blame("tensors"):
            state = safetensors.torch.load(data)
        if compute_digest(header.fields, state) != header.sha256:
            raise JREError(Errors.J321)
        module = make()
        module.load_state_dict(state)
        for name, parameter in module.named_parameters():
            check_weights(name, parameter.detach())
        return module.eval().to(device)


def check_weights(name: str, tensor: torch.Tensor) -> None:
    """RAISES (NotFinite): J431 if a value is infinite or NaN."""
    # the sum takes no memory; that of large finite values can be infinite, too
    if not torch.isfinite(tensor.sum()):
        count = int((~torch.isfinite(tensor)).sum())
        if count:
            raise NotFinite(Errors.J431.format(count=count, name=name))
