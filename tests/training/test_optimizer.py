import math

import numpy as np
import pytest
import torch
from spacy.util import registry
from thinc.api import Linear, Model, Optimizer

from spacy_jre.architectures.torch_node import torch_node
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
    metadata = {}

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(2, 2))


def test_global_norm_includes_torch_and_thinc_parameters():
    module = Module()
    node = torch_node(
        module,
        convert_inputs=None,
        convert_outputs=None,
        plan=lambda *_: lambda: module,
    )
    linear = Linear(nO=2, nI=2).initialize()
    model = Model("both", forward=lambda *_: None, layers=[node, linear])
    module.weight.grad = torch.full((2, 2), 3.0)  # norm 6
    linear.inc_grad("W", np.full((2, 2), 4.0, dtype="float32"))  # norm 8
    linear.inc_grad("b", np.zeros(2, dtype="float32"))
    optimizer = create_adamw_v1(0.1, grad_clip=1.0)
    gradients = {}

    def spy(key, weights, gradient, **kwargs):
        gradients[key[1]] = np.array(gradient)
        return weights, gradient

    with optimizer.clipped(model):
        model.finish_update(spy)
    np.testing.assert_allclose(gradients["weight"], 0.3, rtol=1e-5)  # 3 / 10
    np.testing.assert_allclose(gradients["W"], 0.4, rtol=1e-5)  # 4 / 10


def test_small_gradient_is_not_scaled_up():
    linear = Linear(nO=1, nI=1).initialize()
    linear.inc_grad("W", np.full((1, 1), 0.5, dtype="float32"))
    with create_adamw_v1(grad_clip=1.0).clipped(linear):
        assert float(linear.get_grad("W")[0, 0]) == 0.5


def test_tensors_of_other_components_are_clipped_one_by_one():
    optimizer = create_adamw_v1(
        0.1, grad_clip=1.0, weight_decay=0.0, bias_correction=True
    )
    # the first step does not depend on the scale of the gradient, the moment does
    optimizer((9, "W"), np.zeros((1, 2), "float32"), np.full((1, 2), 30.0, "float32"))
    moment = optimizer.state[(9, "W")][0]
    assert float(moment.norm()) == pytest.approx(0.1, rel=1e-4)
