import math

import numpy as np
import pytest
import torch
from spacy.util import registry
from thinc.api import Linear, Model, Optimizer
from torch.optim.adamw import adamw

from spacy_jre.architectures.torch_node import torch_node
from spacy_jre.training import optimizer as optimizer_module
from spacy_jre.training.optimizer import create_adamw_v1

MATRIX = [[0.5, -1.0, 2.0], [0.1, 0.0, -0.3]]


def reference_step(weights, gradient, state, *, lr, decay, correct, clip=None):
    """Reference implementation of AdamW, as in the published code."""
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    flat = [g for row in gradient for g in row]
    if clip:
        norm = math.sqrt(sum(g * g for g in flat))
        scale = min(1.0, clip / (norm + 1e-6))
        gradient = [[g * scale for g in row] for row in gradient]
    state["t"] = state.get("t", 0) + 1
    for i, row in enumerate(gradient):
        for j, slope in enumerate(row):
            m = beta1 * state.get(("m", i, j), 0.0) + (1 - beta1) * slope
            v = beta2 * state.get(("v", i, j), 0.0) + (1 - beta2) * slope * slope
            state[("m", i, j)], state[("v", i, j)] = m, v
            if correct:
                m /= 1 - beta1 ** state["t"]
                v /= 1 - beta2 ** state["t"]
            weights[i][j] -= lr * decay * weights[i][j]
            weights[i][j] -= lr * m / (math.sqrt(v) + eps)
    return weights


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_steps_equal_the_reference_implementation(correct, clip):
    optimizer = create_adamw_v1(
        0.01, weight_decay=0.1, bias_correction=correct, grad_clip=clip
    )
    weights = np.asarray(MATRIX, dtype="float32")
    expected, state = [list(row) for row in MATRIX], {}
    rng = np.random.default_rng(0)
    for _ in range(5):
        gradient = rng.normal(size=(2, 3)).astype("float32")
        expected = reference_step(
            expected,
            gradient.tolist(),
            state,
            lr=0.01,
            decay=0.1,
            correct=correct,
            clip=clip,
        )
        weights, _ = optimizer((1, "W"), weights, gradient)
    np.testing.assert_allclose(weights, expected, rtol=1e-5)


def test_first_step_without_correction_is_about_three_times_larger():
    steps = []
    for correct in (False, True):
        optimizer = create_adamw_v1(0.01, weight_decay=0.0, bias_correction=correct)
        weights = np.zeros((1, 1), dtype="float32")
        optimizer((1, "W"), weights, np.full((1, 1), 0.1, dtype="float32"))
        steps.append(abs(float(weights[0, 0])))
    # (1 - beta1) / sqrt(1 - beta2) = 3.16
    assert steps[0] / steps[1] == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-2)


def test_corrected_steps_equal_torch_with_two_parameter_groups():
    torch.manual_seed(0)
    module = torch.nn.Linear(3, 2)
    reference = torch.nn.Linear(3, 2)
    reference.load_state_dict(module.state_dict())
    groups = [
        {"params": [reference.weight], "weight_decay": 0.1},
        {"params": [reference.bias], "weight_decay": 0.0},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.01, eps=1e-6)
    ours = create_adamw_v1(0.01, weight_decay=0.1, bias_correction=True, grad_clip=0.0)
    for _ in range(4):
        gradients = {n: torch.randn(p.shape) for n, p in reference.named_parameters()}
        for name, parameter in reference.named_parameters():
            parameter.grad = gradients[name].clone()
        theirs.step()
        for name, parameter in module.named_parameters():
            ours((1, name), parameter.data.numpy(), gradients[name].numpy().copy())
    for name, parameter in module.named_parameters():
        torch.testing.assert_close(parameter, dict(reference.named_parameters())[name])


def test_only_matrices_decay():
    optimizer = create_adamw_v1(0.1, weight_decay=0.5)
    for shape, shrinks in (((2, 2), True), ((4,), False)):
        weights = np.ones(shape, dtype="float32")
        optimizer((1, str(shape)), weights, np.zeros(shape, dtype="float32"))
        assert (weights < 1).all() == shrinks
        assert (weights == 1).all() != shrinks


def test_gradient_is_set_to_zero_in_place():
    optimizer = create_adamw_v1(0.1)
    gradient = np.ones((2, 2), dtype="float32")
    optimizer((1, "W"), np.ones((2, 2), dtype="float32"), gradient)
    assert not gradient.any()


def test_first_matching_rate_is_used():
    optimizer = create_adamw_v1(
        0.01, weight_decay=0.0, rates={r"^encoder\.layer": 0.1, r"^encoder\.": 0.5}
    )
    steps = {}
    for name in ("encoder.layer.0.weight", "encoder.embeddings", "heads.bias"):
        weights = np.zeros((1, 1), dtype="float32")
        optimizer((1, name), weights, np.ones((1, 1), dtype="float32"))
        steps[name] = abs(float(weights[0, 0]))
    base = steps["heads.bias"]
    assert steps["encoder.layer.0.weight"] == pytest.approx(0.1 * base, rel=1e-4)
    assert steps["encoder.embeddings"] == pytest.approx(0.5 * base, rel=1e-4)


def test_error_names_an_invalid_pattern_of_a_rate():
    with pytest.raises(ValueError, match=r"J402.*\(encoder"):
        create_adamw_v1(rates={"(encoder": 1.0})


def test_averages_are_refused():
    with pytest.raises(ValueError, match="J401"):
        create_adamw_v1(use_averages=True)


def test_schedule_changes_the_rate():
    optimizer = create_adamw_v1(iter([1.0, 0.5, 0.25]), weight_decay=0.0)
    assert optimizer.learn_rate == 1.0
    optimizer.step_schedules()
    assert optimizer.learn_rate == 0.5


def test_config_creates_an_optimizer_of_thinc():
    optimizer = registry.resolve(
        {"optimizer": {"@optimizers": "spacy-jre.AdamW.v1", "grad_clip": 0.25}}
    )["optimizer"]
    assert isinstance(optimizer, Optimizer)
    assert optimizer.grad_clip == 0.25


class Module(torch.nn.Module):
    """Matrices of two rates, and a bias."""

    metadata = {}

    def __init__(self):
        super().__init__()
        for name, shape in (("encoder", (2, 3)), ("head", (2, 3)), ("bias", (3,))):
            weight = torch.linspace(-1.0, 1.0, math.prod(shape)).reshape(shape)
            self.register_parameter(name, torch.nn.Parameter(weight))

    def set_gradients(self, step: int) -> None:
        generator = torch.Generator().manual_seed(step)
        for parameter in self.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)


def make_model() -> tuple[Model, Module, Model]:
    """A model with a torch module and a thinc layer."""
    module = Module()
    node = torch_node(
        module,
        convert_inputs=None,
        convert_outputs=None,
        plan=lambda *_: lambda: module,
    )
    linear = Linear(nO=2, nI=2).initialize()
    model = Model("both", forward=lambda *_: None, layers=[node, linear])
    return model, module, linear


def moment(optimizer: Optimizer, name: str) -> np.ndarray:
    """The first moment of a tensor after one update, divided by 1 - beta1."""
    (state,) = (v for key, v in optimizer.state.items() if key[1] == name)
    return state[0].numpy() / 0.1


@pytest.mark.parametrize("correct", [False, True])
@pytest.mark.parametrize("clip", [0.0, 0.5])
def test_collected_steps_equal_torch_with_clipping_and_rates(correct, clip):
    model, module, _ = make_model()
    reference = Module()
    groups = [
        {"params": [reference.encoder], "weight_decay": 0.1, "lr": 0.001},
        {"params": [reference.head], "weight_decay": 0.1},
        {"params": [reference.bias], "weight_decay": 0.0},
    ]
    theirs = torch.optim.AdamW(groups, lr=0.01, eps=1e-6)
    ours = create_adamw_v1(
        0.01,
        weight_decay=0.1,
        bias_correction=correct,
        grad_clip=clip,
        rates={"^encoder": 0.1},
    )
    for step in range(5):
        module.set_gradients(step)
        with ours.collected():
            model.finish_update(ours)
        reference.set_gradients(step)
        if clip:
            torch.nn.utils.clip_grad_norm_(reference.parameters(), clip)
        if not correct:
            for parameter in reference.parameters():
                if parameter in theirs.state:
                    theirs.state[parameter]["step"].fill_(1e7)
                else:
                    theirs.state[parameter] = {
                        "step": torch.tensor(1e7),
                        "exp_avg": torch.zeros_like(parameter),
                        "exp_avg_sq": torch.zeros_like(parameter),
                    }
        theirs.step()
    for name, parameter in module.named_parameters():
        wanted = reference.get_parameter(name)
        torch.testing.assert_close(parameter, wanted, rtol=1e-6, atol=1e-7)


def test_number_of_fused_calls_is_the_number_of_groups(monkeypatch):
    calls = []

    def count(parameters, *args, **kwargs):
        calls.append(len(parameters))
        return adamw(parameters, *args, **kwargs)

    monkeypatch.setattr(optimizer_module, "adamw", count)
    model, module, linear = make_model()
    optimizer = create_adamw_v1(0.01, rates={"^encoder": 0.1})
    for step in range(2):
        module.set_gradients(step)
        for name in ("W", "b"):
            linear.inc_grad(name, np.ones_like(linear.get_param(name)))
        with optimizer.collected():
            model.finish_update(optimizer)
    # encoder; head and W; bias and b
    assert calls == [1, 2, 2, 1, 2, 2]


def test_global_norm_includes_torch_and_thinc_parameters():
    model, module, linear = make_model()
    module.head.grad = torch.full((2, 3), 3.0)  # square of the norm: 54
    linear.inc_grad("W", np.full((2, 2), 4.0, dtype="float32"))  # 64
    optimizer = create_adamw_v1(0.1, grad_clip=1.0)
    with optimizer.collected():
        model.finish_update(optimizer)
    norm = math.sqrt(54 + 64)
    np.testing.assert_allclose(moment(optimizer, "head"), 3 / norm, rtol=1e-5)
    np.testing.assert_allclose(moment(optimizer, "W"), 4 / norm, rtol=1e-5)


def test_each_stage_is_clipped_by_its_own_norm():
    model, module, _ = make_model()
    for parameter in module.parameters():
        parameter.grad = torch.full(parameter.shape, 2.0)
    optimizer = create_adamw_v1(0.1, grad_clip=1.0)
    with optimizer.collected([[module.encoder], [module.head, module.bias]]):
        model.finish_update(optimizer)
    np.testing.assert_allclose(moment(optimizer, "encoder"), 6**-0.5, rtol=1e-5)
    np.testing.assert_allclose(moment(optimizer, "head"), 9**-0.5, rtol=1e-5)
    np.testing.assert_allclose(moment(optimizer, "bias"), 9**-0.5, rtol=1e-5)


def test_small_gradient_is_not_scaled_up():
    model, _, linear = make_model()
    linear.inc_grad("W", np.full((2, 2), 0.1, dtype="float32"))
    optimizer = create_adamw_v1(grad_clip=1.0)
    with optimizer.collected():
        model.finish_update(optimizer)
    np.testing.assert_allclose(moment(optimizer, "W"), 0.1, rtol=1e-5)


def test_collected_tensors_are_updated_at_the_end():
    model, module, linear = make_model()
    before = module.head.detach().clone(), linear.get_param("W").copy()
    optimizer = create_adamw_v1(0.1)
    module.set_gradients(0)
    linear.inc_grad("W", np.ones((2, 2), dtype="float32"))
    with optimizer.collected():
        model.finish_update(optimizer)
        assert torch.equal(module.head, before[0])
        assert np.array_equal(linear.get_param("W"), before[1])
    assert not torch.equal(module.head, before[0])
    assert not np.array_equal(linear.get_param("W"), before[1])
    assert module.head.grad is None
    assert not linear.get_grad("W").any()


def test_nothing_is_updated_after_an_error():
    model, module, _ = make_model()
    optimizer = create_adamw_v1(0.1)
    module.set_gradients(0)

    def fail():
        model.finish_update(optimizer)
        raise KeyError

    with pytest.raises(KeyError), optimizer.collected():
        fail()
    assert torch.equal(module.head, Module().head)
    with optimizer.collected():
        pass
    assert torch.equal(module.head, Module().head)


def test_torch_parameters_are_updated_outside_of_the_context_too():
    model, module, _ = make_model()
    module.set_gradients(0)
    model.finish_update(create_adamw_v1(0.1))
    for name, parameter in Module().named_parameters():
        assert not torch.equal(module.get_parameter(name), parameter)
    assert module.head.grad is None


def test_tensors_of_other_components_are_clipped_one_by_one():
    optimizer = create_adamw_v1(
        0.1, grad_clip=1.0, weight_decay=0.0, bias_correction=True
    )
    # the first step does not depend on the scale of the gradient, the moment does
    optimizer((9, "W"), np.zeros((1, 2), "float32"), np.full((1, 2), 30.0, "float32"))
    moment = optimizer.state[(9, "W")][0]
    assert float(moment.norm()) == pytest.approx(0.1, rel=1e-4)
