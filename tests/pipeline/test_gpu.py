"""Training and prediction on a GPU, compared with the CPU. Run with --gpu."""

from contextlib import contextmanager

import numpy as np
import pytest
import spacy
import torch
from thinc.api import require_cpu, require_gpu

from spacy_jre.architectures.torch_node import get_module
from spacy_jre.training.optimizer import create_adamw_v1

from ..conftest import needs_spacy_transformers
from .helpers import (
    MODELS,
    NO_DROPOUT,
    RECIPE,
    RECIPES,
    learn,
    logits,
    make_nlp,
    model_config,
    predictions_of,
    story_examples,
    tok2vec_config,
)

pytestmark = [
    pytest.mark.gpu,
    # the warnings of CuPy and CUDA depend on the machine
    pytest.mark.filterwarnings("default"),
]
# without dropout, both devices compute the same
BERT_WITHOUT_DROPOUT = {
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
TOLERANCE = 1e-3


@pytest.fixture(autouse=True)
def _device():
    """Compute in float32, also in cuDNN, and go back to the CPU after the test."""
    allowed = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = allowed
    require_cpu()


@pytest.fixture(scope="module", params=[*MODELS, *RECIPES])
def name(request):
    return request.param


@pytest.fixture
def config(name, tiny_bert, wide_bert):
    config = model_config(name, tiny_bert, wide_bert)
    config["model"].update(NO_DROPOUT[name.removesuffix(RECIPE)])
    config["model"]["tok2vec"]["transformer_config"] = BERT_WITHOUT_DROPOUT
    # compared with the CPU in float32. Tests of half precision set it themselves
    return config | {"half_precision": "never"}


@contextmanager
def on(device):
    """Create and run models on a device."""
    if device == "cuda":
        require_gpu()
    else:
        require_cpu()
    try:
        yield
    finally:
        require_cpu()


def load(config, data, device):
    """Load a pipeline on a device, and check that its weights are there."""
    nlp = spacy.blank("en").from_config(config).from_bytes(data)
    for module in modules_of(nlp):
        assert {p.device.type for p in module.parameters()} == {device}
    return nlp


def modules_of(nlp):
    """The torch modules of all components."""
    return [
        get_module(node)
        for _, component in nlp.pipeline
        for node in component.model.walk()
        if node.shims and hasattr(node.shims[0], "_model")
    ]


def on_both(nlp, compute):
    """Load a pipeline on both devices. RETURNS (list): What `compute` returns."""
    data, results = nlp.to_bytes(), []
    for device in ("cpu", "cuda"):
        with on(device):
            results.append(compute(load(nlp.config, data, device)))
    return results


def to_numpy(arrays):
    return [a.get() if hasattr(a, "get") else np.asarray(a) for a in arrays]


def assert_near(first, second):
    assert first.keys() == second.keys()
    for name, value in first.items():
        difference = (value - second[name]).norm()
        assert difference <= TOLERANCE * (1 + value.norm()), name


def gradients_of(nlp):
    """One update without an optimizer: the loss and the gradients."""
    losses = nlp.update(story_examples(nlp), losses={}, sgd=False)
    gradients = {
        f"{number}.{name}": parameter.grad.cpu()
        for number, module in enumerate(modules_of(nlp))
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }
    assert gradients
    return {"loss": torch.tensor(losses["jre"]), **gradients}


def changes_of_updates(nlp):
    """The changes of the weights in three updates."""
    before = weights_of(nlp)
    optimizer = create_adamw_v1(0.001, bias_correction=True)
    examples = story_examples(nlp)
    for _ in range(3):
        nlp.update(examples, sgd=optimizer)
    return {name: value - before[name] for name, value in weights_of(nlp).items()}


def weights_of(nlp):
    return {
        f"{number}.{name}": parameter.detach().cpu().clone()
        for number, module in enumerate(modules_of(nlp))
        for name, parameter in module.named_parameters()
    }


def test_loss_and_gradients_equal_those_of_the_cpu(config):
    nlp, _ = make_nlp(config)
    assert_near(*on_both(nlp, gradients_of))


def test_updates_change_the_weights_as_on_the_cpu(config):
    nlp, _ = make_nlp(config)
    expected, actual = on_both(nlp, changes_of_updates)
    for name, change in expected.items():
        # the update of a weight with a gradient of almost 0 is mostly rounding
        difference = (change - actual[name]).norm()
        assert difference <= 0.1 * change.norm() + TOLERANCE, name


def test_scores_equal_those_of_the_cpu(config):
    nlp, _ = make_nlp(config)
    expected, actual = on_both(nlp, lambda nlp: to_numpy(logits(nlp)))
    for first, second in zip(expected, actual, strict=True):
        np.testing.assert_allclose(second, first, atol=TOLERANCE)


def test_pipeline_of_the_gpu_is_loaded_on_the_cpu(config):
    with on("cuda"):
        nlp, examples = make_nlp(config)
        learn(nlp, examples, 20)
        expected, data = to_numpy(logits(nlp)), nlp.to_bytes()
    loaded = load(nlp.config, data, "cpu")
    for first, second in zip(expected, logits(loaded), strict=True):
        np.testing.assert_allclose(second, first, atol=TOLERANCE)
    predictions_of(loaded)  # raises no error


def test_pipeline_learns_on_the_gpu(config):
    with on("cuda"):
        nlp, examples = make_nlp(config)
        first = learn(nlp, examples, 1)
        assert learn(nlp, examples, 60) < 0.5 * first


def test_pipeline_learns_in_half_precision_on_the_gpu(config):
    with on("cuda"):
        nlp, examples = make_nlp(config, half_precision="always")
        first = learn(nlp, examples, 1)
        assert learn(nlp, examples, 60) < 0.5 * first
        predictions_of(nlp)  # raises no error


def test_scores_in_half_precision_are_near_those_in_float32(config):
    nlp, _ = make_nlp(config)
    with on("cuda"):
        single = load(nlp.config, nlp.to_bytes(), "cuda")
        half_config = nlp.config.copy()
        half_config["components"]["jre"]["half_precision"] = "always"
        half = load(half_config, nlp.to_bytes(), "cuda")
        expected, actual = to_numpy(logits(single)), to_numpy(logits(half))
    assert not np.array_equal(expected[0], actual[0])
    scale = np.abs(expected[0]).max()
    np.testing.assert_allclose(actual[0], expected[0], atol=0.1 * scale)


@pytest.mark.parametrize("architecture", ["SpERT", "SINET", "STSN", "ISER"])
def test_tok2vec_learns_on_the_gpu(architecture):
    with on("cuda"):
        nlp, examples = make_nlp(tok2vec_config(architecture))
        first = learn(nlp, examples, 1)
        assert learn(nlp, examples, 60) < 0.8 * first
        predictions_of(nlp)  # raises no error


def make_shared(upstream, factory_config, listener):
    nlp = spacy.blank("en")
    nlp.add_pipe(upstream, config=factory_config)
    nlp.add_pipe(
        "jre",
        config={"model": {"@architectures": "spacy-jre.SpERT.v1", "tok2vec": listener}},
    )
    examples = story_examples(nlp)
    nlp.initialize(lambda: examples)
    return nlp, examples


def test_shared_tok2vec_learns_on_the_gpu():
    listener = {
        "@architectures": "spacy.Tok2VecListener.v1",
        "width": 96,
        "upstream": "tok2vec",
    }
    with on("cuda"):
        nlp, examples = make_shared("tok2vec", {}, listener)
        first = learn(nlp, examples, 1)
        assert learn(nlp, examples, 60) < 0.8 * first
        predictions_of(nlp)  # raises no error


@needs_spacy_transformers
def test_shared_transformer_learns_on_the_gpu(tiny_bert):
    listener = {
        "@architectures": "spacy-transformers.TransformerListener.v1",
        "pooling": {"@layers": "reduce_mean.v1"},
    }
    shared = {
        "model": {
            "@architectures": "spacy-transformers.TransformerModel.v3",
            "name": tiny_bert,
            "get_spans": {"@span_getters": "spacy-transformers.doc_spans.v1"},
            "tokenizer_config": {"use_fast": True},
        }
    }
    with on("cuda"):
        nlp, examples = make_shared("transformer", shared, listener)
        first = learn(nlp, examples, 1)
        assert learn(nlp, examples, 60) < 0.8 * first
        predictions_of(nlp)  # raises no error
