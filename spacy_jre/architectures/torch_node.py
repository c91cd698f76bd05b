"""One way to put a torch module into a thinc model: wrapper, shim, safetensors."""

from collections.abc import Callable
from typing import Any, cast

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

from ..errors import Errors, JREError
from .header import SavedTensors, blame, compute_digest, read_header, write_header

# Checks the fields of a header against the tensors of its file; what it returns makes
# the module, with any weights, on the device of the context.
Plan = Callable[[dict[str, Any], SavedTensors], Callable[[], nn.Module]]


class NotBuilt(nn.Module):
    """Stands where a module will stand once labels and widths are known."""

    def forward(self, *args: Any, **kwargs: Any) -> None:
        raise JREError(Errors.J301)


class TorchShim(PyTorchShim):
    """A shim that leaves the module in eval mode while it predicts.

    thinc's own sets train mode again after every prediction, so that of two threads
    that share a pipeline one predicts with dropout. Mixed precision here is
    float16 on CUDA and bfloat16 on the CPU (which needs no gradient scaling).
    """

    def predict(self, inputs: ArgsKwargs) -> Any:
        # each thread for itself: another one may be halfway through the modules
        self._model.eval()
        with torch.inference_mode(), self._autocast():
            return self._model(*inputs.args, **inputs.kwargs)

    def begin_update(
        self, inputs: ArgsKwargs
    ) -> tuple[Any, Callable[[ArgsKwargs], ArgsKwargs]]:
        self._model.train()
        with self._autocast():
            outputs = self._model(*inputs.args, **inputs.kwargs)

        def backprop(grads: ArgsKwargs) -> ArgsKwargs:
            # a loss of nothing has no gradient
            if not any(tensor.requires_grad for tensor in grads.args[0]):
                pass
            elif self._scales:
                self._backward_scaled(inputs, grads)
            else:
                torch.autograd.backward(*grads.args, **grads.kwargs)
            return convert_recursive(
                lambda value: isinstance(value, torch.Tensor),
                lambda value: value.grad,
                inputs,
            )

        return outputs, backprop

    @property
    def _scales(self) -> bool:
        """Only float16 needs scaled gradients, and only CUDA runs it."""
        return self._mixed_precision and self.device.type == "cuda"

    def _backward_scaled(self, inputs: ArgsKwargs, grads: ArgsKwargs) -> None:
        """Backward with scaled gradients, unscaled before they join earlier ones.

        An update may come in several backward passes (sub-batches, accumulated
        gradients): what they left must not be unscaled again.
        """
        parameters = list(self._model.parameters())
        earlier = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        grads.kwargs["grad_tensors"] = self._grad_scaler.scale(
            grads.kwargs["grad_tensors"], inplace=True
        )
        torch.autograd.backward(*grads.args, **grads.kwargs)
        given = [t for t in inputs.args if isinstance(t, torch.Tensor)]
        gradients = [t.grad for t in [*parameters, *given] if t.grad is not None]
        if self._grad_scaler.unscale(gradients):
            for gradient in gradients:
                gradient.zero_()
        for parameter, gradient in zip(parameters, earlier, strict=True):
            if gradient is not None:
                new = parameter.grad
                parameter.grad = gradient if new is None else gradient + new

    def finish_update(self, optimizer: Optimizer) -> None:
        """Update every parameter that got a gradient, and let the gradient go.

        thinc's own fills the gradients with zeros instead, which costs a pass over
        memory that the next backward need not have.
        """
        for name, parameter in self._model.named_parameters():
            if parameter.grad is None:
                continue
            if not self._grad_scaler.found_inf:
                updated, _ = optimizer(
                    (self.id, name),
                    cast(FloatsXd, torch2xp(parameter.data)),
                    cast(FloatsXd, torch2xp(parameter.grad)),
                )
                new = xp2torch(updated, device=parameter.device)
                # ours changes the memory in place, another optimizer may not; and the
                # weights of a recurrent network lie in one block that cuDNN wants
                if new.data_ptr() != parameter.data_ptr():
                    parameter.data = new
            parameter.grad = None
        self._grad_scaler.update()

    def _autocast(self) -> torch.autocast:
        kind = self.device.type
        dtype = torch.float16 if kind == "cuda" else torch.bfloat16
        return torch.autocast(kind, dtype=dtype, enabled=self._mixed_precision)


def torch_node(
    module: nn.Module,
    *,
    convert_inputs: Callable[..., Any],
    convert_outputs: Callable[..., Any],
    plan: Plan,
    mixed_precision: bool = False,
) -> Model[Any, Any]:
    """Wrap a torch module as a thinc node that saves safetensors, never a pickle.

    module (nn.Module): The module, or NotBuilt. Its ``metadata`` attribute, a dict
        of JSON values, is written into the header and given to `plan` on loading.
    convert_inputs, convert_outputs (Callable): thinc's converters, module level.
    plan (Callable): Checks the metadata of a saved module and returns what makes it;
        module level or a partial, because spawned processes unpickle it.
    mixed_precision (bool): Whether to run in half precision.
    RETURNS (Model): A PyTorchWrapper with our shim.
    """
    node: Model[Any, Any] = PyTorchWrapper_v3(
        module, convert_inputs=convert_inputs, convert_outputs=convert_outputs
    )
    # gradient scaling is for float16 alone, which only CUDA runs
    scales = mixed_precision and get_torch_default_device().type == "cuda"
    node.shims[0] = TorchShim(
        module,
        mixed_precision=mixed_precision,
        grad_scaler=PyTorchGradScaler(enabled=scales),
        serialize_model=save_module,
        deserialize_model=LoadModule(plan),
    )
    return node


def set_module(node: Model[Any, Any], module: nn.Module) -> None:
    """Put the built module where NotBuilt stood."""
    shim = node.shims[0]
    shim._model = module.to(get_torch_default_device())


def get_module(node: Model[Any, Any]) -> nn.Module:
    """RETURNS (nn.Module): The torch module of a node."""
    return node.shims[0]._model


def device_of(node: Model[Any, Any]) -> torch.device:
    """RETURNS (torch.device): Where the module's parameters are."""
    return cast(PyTorchShim, node.shims[0]).device


def is_built(node: Model[Any, Any]) -> bool:
    return not isinstance(get_module(node), NotBuilt)


def save_module(module: nn.Module) -> bytes:
    """RETURNS (bytes): safetensors; empty for a module that is not built yet."""
    if isinstance(module, NotBuilt):
        return b""
    # safetensors refuses views and tensors that share memory
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
    """Make a module from the header of its safetensors, then load the weights.

    The module is made twice: first without memory, to compare its tensors with those
    of the file. A class and no closure, so that spawned processes can unpickle it.
    """

    def __init__(self, plan: Plan):
        self._plan = plan

    def __call__(
        self, module: nn.Module, data: bytes, device: torch.device
    ) -> nn.Module:
        """
        RAISES (JREError): J309, J317 for a header that is refused, J308 where it does
            not describe the tensors of the file, J321 for damage.
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
        return module.eval().to(device)
