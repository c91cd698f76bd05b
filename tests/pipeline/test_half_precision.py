"""The setting half_precision of the component, with all models."""

from contextlib import contextmanager

import numpy as np
import pytest
import spacy
import torch

from spacy_jre.architectures import half_precision, torch_node
from spacy_jre.architectures.half_precision import half_dtype
from spacy_jre.architectures.torch_node import TorchShim
from spacy_jre.training.optimizer import create_adamw_v1

from .helpers import MODELS, RECIPES, logits, make_nlp, model_config, tok2vec_config

HALF, FULL = {torch.bfloat16}, {torch.float32}


@pytest.fixture
def hardware(monkeypatch):
    """A CPU with bfloat16. Set `hardware["bfloat16"]` to False to change it."""
    supported = {"bfloat16": True}
    monkeypatch.setattr(
        half_precision, "cpu_has_bfloat16", lambda: supported["bfloat16"]
    )
    half_dtype.cache_clear()
    yield supported
    half_dtype.cache_clear()


def shims_of(pipe) -> list[TorchShim]:
    nodes = pipe.model.walk()
    return [shim for n in nodes for shim in n.shims if isinstance(shim, TorchShim)]


@contextmanager
def recorded(pipe):
    """Record the data types of autocast in which the torch modules run."""
    seen: list[set] = []
    hooks = []
    for shim in {id(shim): shim for shim in shims_of(pipe)}.values():
        dtypes: set = set()
        seen.append(dtypes)

        def record(module, inputs, dtypes=dtypes):
            enabled = torch.is_autocast_enabled("cpu")
            dtypes.add(torch.get_autocast_dtype("cpu") if enabled else torch.float32)

        hooks.append(shim._model.register_forward_pre_hook(record))
    yield seen
    for hook in hooks:
        hook.remove()


def dtypes_of_update(nlp, examples, sgd=False) -> list[set]:
    with recorded(nlp.get_pipe("jre")) as seen:
        losses = nlp.get_pipe("jre").update(examples, sgd=sgd)
    assert np.isfinite(losses["jre"])
    return seen


def dtypes_of_prediction(nlp) -> list[set]:
    with recorded(nlp.get_pipe("jre")) as seen:
        scores = logits(nlp)
    assert all(array.dtype == np.float32 for array in scores)
    return seen


@pytest.mark.parametrize("name", MODELS + RECIPES)
def test_updates_run_in_half_precision_and_predictions_do_not(
    name, tiny_bert, wide_bert, hardware
):
    config = model_config(name, tiny_bert, wide_bert)
    nlp, examples = make_nlp(config, half_precision="training")
    pipe = nlp.get_pipe("jre")
    before = [p.detach().clone() for s in shims_of(pipe) for p in s._model.parameters()]
    seen = dtypes_of_update(nlp, examples, sgd=create_adamw_v1(0.001))
    assert len(seen) == (1 if name == "LAINet" else 2)
    assert all(dtypes == HALF for dtypes in seen)
    after = [p.detach() for s in shims_of(pipe) for p in s._model.parameters()]
    assert not all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert all(p.dtype == torch.float32 and p.isfinite().all() for p in after)
    assert all(dtypes == FULL for dtypes in dtypes_of_prediction(nlp))


@pytest.mark.parametrize(
    ("mode", "in_update", "in_prediction"),
    [("never", FULL, FULL), ("training", HALF, FULL), ("always", HALF, HALF)],
)
def test_mode_determines_the_precision(
    tiny_bert, hardware, mode, in_update, in_prediction
):
    nlp, examples = make_nlp(model_config("SpERT", tiny_bert, ""))
    # can be set at any time
    nlp.get_pipe("jre").half_precision = mode
    assert dtypes_of_update(nlp, examples) == [in_update, in_update]
    assert dtypes_of_prediction(nlp) == [in_prediction, in_prediction]


def test_hardware_without_half_precision_uses_single_precision(tiny_bert, hardware):
    hardware["bfloat16"] = False
    config = model_config("SpERT", tiny_bert, "")
    nlp, examples = make_nlp(config, half_precision="always")
    assert dtypes_of_update(nlp, examples) == [FULL, FULL]
    assert dtypes_of_prediction(nlp) == [FULL, FULL]


def test_mixed_precision_of_an_architecture_has_precedence(tiny_bert, hardware):
    hardware["bfloat16"] = False
    config = model_config("SpERT", tiny_bert, "")
    config["model"]["mixed_precision"] = True
    nlp, examples = make_nlp(config)
    seen = dtypes_of_update(nlp, examples)
    assert sorted(seen, key=str) == [HALF, FULL]
    assert sorted(dtypes_of_prediction(nlp), key=str) == [HALF, FULL]


def test_config_is_used_on_loading(tmp_path):
    nlp, _ = make_nlp(tok2vec_config(), half_precision="training")
    nlp.get_pipe("jre").half_precision = "never"  # not saved
    nlp.to_disk(tmp_path)
    assert spacy.load(tmp_path).get_pipe("jre").half_precision == "training"
    override = {"components": {"jre": {"half_precision": "always"}}}
    pipe = spacy.load(tmp_path, config=override).get_pipe("jre")
    assert pipe.half_precision == "always"
    assert {shim.half_precision for shim in shims_of(pipe)} == {"always"}


def test_pipeline_without_the_setting_uses_single_precision(tmp_path):
    nlp, _ = make_nlp(tok2vec_config())
    nlp.to_disk(tmp_path)
    config = tmp_path / "config.cfg"
    lines = config.read_text(encoding="utf8").splitlines()
    kept = [line for line in lines if not line.startswith("half_precision")]
    assert len(kept) == len(lines) - 1
    config.write_text("\n".join(kept), encoding="utf8")
    assert spacy.load(tmp_path).get_pipe("jre").half_precision == "never"


def test_other_value_is_refused(nlp):
    pipe = nlp.add_pipe("jre")
    message = r"J506.*half_precision.*never, training or always.*'bf16'"
    with pytest.raises(ValueError, match=message):
        pipe.half_precision = "bf16"
    assert pipe.half_precision == "never"


@pytest.mark.gpu
# the warnings of CuPy depend on its version
@pytest.mark.filterwarnings("default")
def test_float16_on_a_gpu_is_scaled_after_the_switch(tiny_bert, monkeypatch):
    monkeypatch.setattr(torch_node, "half_dtype", lambda device: torch.float16)
    spacy.require_gpu()
    try:
        nlp, examples = make_nlp(model_config("SpERT", tiny_bert, ""))
        pipe = nlp.get_pipe("jre")
        pipe.half_precision = "training"
        optimizer = create_adamw_v1(0.001)
        first = pipe.update(examples, sgd=optimizer)["jre"]
        for _ in range(30):
            last = pipe.update(examples, sgd=optimizer)["jre"]
        assert last < first / 2
        for shim in shims_of(pipe):
            # the scale of the first updates causes an overflow, or they are counted
            scaler = shim._grad_scaler
            tracked = int(scaler._growth_tracker), float(scaler._scale)
            assert tracked != (0, 2.0**16)
    finally:
        spacy.require_cpu()
