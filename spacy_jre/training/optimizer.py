"""AdamW for spaCy's training loop, as in the published code.

Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019),
algorithm 2. SpERT and SINET used it without bias correction, with eps 1e-6, weight
decay on matrices only, and clipping by the global norm. thinc's Adam has none of
these. thinc passes tensors one by one. Inside ``AdamW.collected`` they are updated
together, with one call of torch's fused kernel per group of tensors that have the same
learning rate, weight decay and norm.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from thinc.api import Optimizer, xp2torch
from thinc.types import FloatsXd, Generator
from torch.nn.utils import get_total_norm
from torch.optim.adamw import adamw

from ..errors import Errors, JREError

# With this step count, all powers of beta are zero in float32. Each update adds 1, up
# to 2 ** 24, the largest whole number to which float32 can count.
_NO_CORRECTION = 1e7


@dataclass(frozen=True)
class _Update:
    """A tensor to update.

    first, second, step (Tensor): The two moments and the number of updates.
    lr (float): The learning rate of this update.
    decay (float): The weight decay.
    stage (int): Tensors with the same number are clipped by their common norm.
    """

    parameter: torch.Tensor
    gradient: torch.Tensor
    first: torch.Tensor
    second: torch.Tensor
    step: torch.Tensor
    lr: float
    decay: float
    stage: int


class AdamW(Optimizer):
    """A thinc optimizer, because spaCy's config schema requires one.

    Weight decay applies to tensors of two or more dimensions, not to biases and
    LayerNorm. Inside ``collected``, the gradient is clipped by the norm over all
    parameters of a component, otherwise by the norm of each tensor.
    """

    __slots__ = ["_collected", "_saved", "_stages", "bias_correction", "rates", "state"]

    def __init__(
        self,
        learn_rate: Any,
        *,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        grad_clip: float,
        bias_correction: bool,
        rates: Mapping[str, float],
    ):
        super().__init__(
            learn_rate,
            L2=weight_decay,
            beta1=beta1,
            beta2=beta2,
            eps=eps,
            grad_clip=grad_clip,
            use_averages=False,
            L2_is_weight_decay=True,
        )
        self.bias_correction = bias_correction
        self.rates: list[tuple[re.Pattern[str], float]] = []
        for pattern, factor in rates.items():
            try:
                self.rates.append((re.compile(pattern), float(factor)))
            except re.error as error:
                raise JREError(
                    Errors.J402.format(pattern=pattern, error=error)
                ) from error
        # by key: first and second moment, step count, factor of the learning rate
        self.state: dict[Any, tuple[Any, Any, Any, float]] = {}
        # moments and step count of an earlier process, until the parameter is updated
        self._saved: dict[Any, list[torch.Tensor]] = {}
        # inside `collected`: the updates so far, and the gradients to set to zero
        self._collected: tuple[list[_Update], list[torch.Tensor]] | None = None
        self._stages: dict[int, int] = {}  # stage by the id of a parameter

    def tables(self) -> dict[str, dict[Any, torch.Tensor]]:
        """RETURNS (dict): The moments and step counts, by the key of a parameter."""
        rows = {**self._saved, **{key: row[:3] for key, row in self.state.items()}}
        return {
            name: {key: row[number] for key, row in rows.items()}
            for number, name in enumerate(("first", "second", "step"))
        }

    def set_tables(self, tables: Mapping[str, Mapping[Any, torch.Tensor]]) -> None:
        """Set the moments and step counts, as returned by ``tables``."""
        self.state.clear()
        self._saved = {
            key: [first, tables["second"][key], tables["step"][key]]
            for key, first in tables["first"].items()
        }

    @contextmanager
    def collected(
        self, stages: Sequence[Sequence[torch.nn.Parameter]] = ()
    ) -> Iterator[None]:
        """Collect the tensors of a model and update them at the end of this context.

        The gradients are clipped by the norm over all collected tensors. Source:
        Pascanu et al., "On the difficulty of training recurrent neural networks"
        (2013), algorithm 1. If an error is raised inside the context, nothing is
        updated.

        stages (Sequence): Groups of parameters that are clipped by their own norm.
        """
        self._stages = {
            id(parameter): number
            for number, stage in enumerate(stages, start=1)
            for parameter in stage
        }
        updates: list[_Update] = []
        arrays: list[torch.Tensor] = []
        self._collected = updates, arrays
        try:
            yield
            self._apply(updates)
            for array in arrays:
                array.zero_()
        finally:
            self._collected = None
            self._stages = {}

    def __call__(
        self,
        key: Any,
        weights: FloatsXd,
        gradient: FloatsXd,
        *,
        lr_scale: float = 1.0,
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update one tensor in place and set its gradient to zero.

        Inside ``collected``, this happens at the end of the context.
        """
        if gradient.size == 0:
            return weights, gradient
        slope = xp2torch(gradient)
        update = self._prepare(key, xp2torch(weights), slope, lr_scale)
        if self._collected is None:
            self._apply([update])
            slope.zero_()
        else:
            updates, arrays = self._collected
            updates.append(update)
            arrays.append(slope)
        # both are updated in place: the tensors share memory with the arrays
        return weights, gradient

    def update_parameter(self, key: Any, parameter: torch.nn.Parameter) -> None:
        """Update a torch parameter in place and delete its gradient.

        Inside ``collected``, the parameter is updated at the end of the context.
        """
        gradient, parameter.grad = parameter.grad, None
        if gradient is None or not gradient.numel():
            return
        update = self._prepare(key, parameter, gradient)
        if self._collected is None:
            self._apply([update])
        else:
            self._collected[0].append(update)

    def _prepare(
        self,
        key: Any,
        parameter: torch.Tensor,
        gradient: torch.Tensor,
        lr_scale: float = 1.0,
    ) -> _Update:
        if key not in self.state:
            count = 0.0 if self.bias_correction else _NO_CORRECTION
            self.state[key] = (
                torch.zeros_like(parameter, requires_grad=False),
                torch.zeros_like(parameter, requires_grad=False),
                torch.tensor(count, device=parameter.device),
                self._factor(key),
            )
            # copied, because the fused kernel requires the layout of the parameter
            for tensor, saved in zip(self.state[key], self._saved.pop(key, ())):
                tensor.copy_(saved)
        first, second, step, factor = self.state[key]
        return _Update(
            parameter,
            gradient,
            first,
            second,
            step,
            lr=self.learn_rate * lr_scale * factor,
            decay=self.L2 if parameter.ndim > 1 else 0.0,
            stage=self._stages.get(id(parameter), 0),
        )

    @torch.no_grad()
    def _apply(self, updates: Iterable[_Update]) -> None:
        """Call the fused kernel once for each group."""
        stages: dict[int, dict[tuple[float, float], list[_Update]]] = {}
        for update in updates:
            groups = stages.setdefault(update.stage, {})
            groups.setdefault((update.lr, update.decay), []).append(update)
        for groups in stages.values():
            divisor = self._divisor([u.gradient for g in groups.values() for u in g])
            for (lr, decay), group in groups.items():
                adamw(
                    [u.parameter for u in group],
                    [u.gradient for u in group],
                    [u.first for u in group],
                    [u.second for u in group],
                    [],
                    [u.step for u in group],
                    fused=True,
                    grad_scale=divisor,
                    amsgrad=False,
                    beta1=self.b1,
                    beta2=self.b2,
                    lr=lr,
                    weight_decay=decay,
                    eps=self.eps,
                    maximize=False,
                )

    def _divisor(self, gradients: list[torch.Tensor]) -> torch.Tensor | None:
        """The number by which the kernel divides the gradients, to clip them."""
        if not self.grad_clip:
            return None
        norm = get_total_norm(gradients)
        return ((norm.float() + 1e-6) / self.grad_clip).clamp(min=1.0)

    def _factor(self, key: Any) -> float:
        name = str(key[1]) if isinstance(key, tuple) else str(key)
        for pattern, factor in self.rates:
            if pattern.search(name):
                return factor
        return 1.0


def create_adamw_v1(
    learn_rate: float | list[float] | Generator = 5e-5,
    *,
    weight_decay: float = 0.01,
    bias_correction: bool = False,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-6,
    grad_clip: float = 1.0,
    rates: dict[str, float] = {},  # noqa: B006  (spaCy's schema requires a dict)
    use_averages: bool = False,
) -> Optimizer:
    """spacy-jre.AdamW.v1: AdamW with clipping by the global norm.

    learn_rate (float | schedule): The learning rate, or a schedule with a rate per
        step.
    weight_decay (float): Weight decay of tensors of two or more dimensions.
    bias_correction (bool): Whether to correct the bias of the moments, as torch
        does. The published code of SpERT and SINET does not, so its first steps are
        several times larger.
    beta1, beta2 (float): Decay rates of the running means of gradient and squared
        gradient.
    eps (float): Added to the denominator of the update.
    grad_clip (float): Maximum norm of the gradient over all parameters of the
        component. 0 for no clipping.
    rates (dict[str, float]): Factors of the learning rate, by regular expression. The
        first expression that matches in the name of a parameter is used. Names of
        the transformer's parameters start with "encoder.".
    use_averages (bool): Must be false: thinc does not average torch weights.
    RAISES (ValueError): J401 or J402 for invalid settings.
    """
    if use_averages:
        raise JREError(Errors.J401)
    return AdamW(
        learn_rate,
        beta1=beta1,
        beta2=beta2,
        eps=eps,
        weight_decay=weight_decay,
        grad_clip=grad_clip,
        bias_correction=bias_correction,
        rates=rates,
    )
