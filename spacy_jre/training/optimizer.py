"""AdamW for spaCy's training loop, as in the published code.

Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019),
algorithm 2. SpERT and SINET used it without bias correction, with eps 1e-6, weight
decay on matrices only, and clipping by the global norm. thinc's Adam has none of
these. The update is computed by torch's fused kernel, one tensor at a time.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from thinc.api import Model, Optimizer, xp2torch
from thinc.types import FloatsXd, Generator
from torch.optim.adamw import adamw

from ..errors import Errors, JREError

# with this step count, all powers of beta are zero in float32
_NO_CORRECTION = 1e7


class AdamW(Optimizer):
    """A thinc optimizer, because spaCy's config schema requires one.

    Weight decay applies to tensors of two or more dimensions, not to biases and
    LayerNorm. Inside ``clipped``, the gradient is clipped by the norm over all
    parameters of a component, otherwise by the norm of each tensor.
    """

    __slots__ = ["_clip_now", "bias_correction", "rates", "state"]

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
        self._clip_now = True

    @contextmanager
    def clipped(
        self,
        model: Model[Any, Any],
        stages: Sequence[Sequence[torch.nn.Parameter]] = (),
    ) -> Iterator[None]:
        """Clip the gradients of a model by the global norm. Update it in this context.

        Source: Pascanu et al., "On the difficulty of training recurrent neural
        networks" (2013), algorithm 1.

        model (Model): The norm includes its thinc parameters and torch modules.
        stages (Sequence): Groups of parameters that are clipped by their own norm.
        """
        if not self.grad_clip:
            yield
            return
        separate = {id(parameter) for stage in stages for parameter in stage}
        shared = [
            parameter
            for node in model.walk()
            for shim in node.shims
            if isinstance(getattr(shim, "_model", None), torch.nn.Module)
            for parameter in shim._model.parameters()
            if id(parameter) not in separate
        ]
        gradients = [
            xp2torch(node.get_grad(name))
            for node in model.walk()
            for name in node.param_names
            if node.has_grad(name)
        ]
        self._clip([*gradients, *gradients_of(shared)])
        for stage in stages:
            self._clip(gradients_of(stage))
        self._clip_now = False
        try:
            yield
        finally:
            self._clip_now = True

    def _clip(self, gradients: list[torch.Tensor]) -> None:
        norm = torch.nn.utils.get_total_norm(gradients)
        factor = (self.grad_clip / (norm + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.to(gradient.device))

    def __call__(
        self,
        key: Any,
        weights: FloatsXd,
        gradient: FloatsXd,
        *,
        lr_scale: float = 1.0,
    ) -> tuple[FloatsXd, FloatsXd]:
        """Update one tensor in place and set its gradient to zero."""
        if gradient.size == 0:
            return weights, gradient
        parameter, slope = xp2torch(weights), xp2torch(gradient)
        if key not in self.state:
            count = 0.0 if self.bias_correction else _NO_CORRECTION
            self.state[key] = (
                torch.zeros_like(parameter),
                torch.zeros_like(parameter),
                torch.tensor(count, device=parameter.device),
                self._factor(key),
            )
        first, second, step, factor = self.state[key]
        if not self.bias_correction:
            step.fill_(_NO_CORRECTION)
        if self.grad_clip and self._clip_now:
            norm = slope.norm()
            slope.mul_((self.grad_clip / (norm + 1e-6)).clamp(max=1.0))
        with torch.no_grad():
            adamw(
                [parameter],
                [slope],
                [first],
                [second],
                [],
                [step],
                fused=True,
                amsgrad=False,
                beta1=self.b1,
                beta2=self.b2,
                lr=self.learn_rate * lr_scale * factor,
                weight_decay=self.L2 if parameter.ndim > 1 else 0.0,
                eps=self.eps,
                maximize=False,
            )
            slope.zero_()
        # both were updated in place: the tensors share memory with the arrays
        return weights, gradient

    def _factor(self, key: Any) -> float:
        name = str(key[1]) if isinstance(key, tuple) else str(key)
        for pattern, factor in self.rates:
            if pattern.search(name):
                return factor
        return 1.0


def gradients_of(parameters: Iterable[torch.nn.Parameter]) -> list[torch.Tensor]:
    """RETURNS (list[Tensor]): The gradients, without missing ones."""
    return [p.grad for p in parameters if p.grad is not None]


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
