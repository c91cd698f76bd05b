"""The stages of a prediction, and what they contain."""

import time

import pytest

from spacy_jre.profiling.stages import run_stages

from ..pipeline.helpers import (
    MODELS,
    make_nlp,
    model_config,
    prediction_of,
    story_examples,
)
from ..pipeline.test_listeners import make_shared


def docs_of(nlp):
    return [example.predicted for example in story_examples(nlp)]


class Steps:
    """A meter that counts its readings."""

    def __init__(self):
        self.count = 0

    def __call__(self) -> float:
        self.count += 1
        return float(self.count)


@pytest.mark.parametrize("name", MODELS)
def test_predictions_in_stages_are_those_of_the_pipeline(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert), threshold=0.0)
    docs = docs_of(nlp)
    run_stages(nlp, nlp.get_pipe("jre"), docs, 2, time.perf_counter)
    expected = [prediction_of(doc) for doc in nlp.pipe(docs_of(nlp), batch_size=2)]
    assert [prediction_of(doc) for doc in docs] == expected


@pytest.mark.parametrize("name", MODELS)
def test_stages_add_up_to_the_total(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    meter = Steps()
    stages = run_stages(nlp, nlp.get_pipe("jre"), docs_of(nlp), 5, meter)
    # from the first reading to the last one
    assert sum(stages.values()) == meter.count - 1


@pytest.mark.parametrize("name", ["SINET", "LAINet"])
def test_encoder_is_the_transformer_only(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    transformer_calls = []
    for module in nlp.get_pipe("jre").model.walk():
        for shim in module.shims:
            inner = shim._model.encoder if hasattr(shim._model, "encoder") else None
            parts = [] if inner is None else getattr(inner, "children", list)()
            for part in [inner] if name == "SINET" and inner is not None else parts:
                if part not in transformer_calls:
                    transformer_calls.append(part)
    counts = []
    for part in transformer_calls:
        part.register_forward_hook(lambda *_: counts.append(1))
    stages = run_stages(nlp, nlp.get_pipe("jre"), docs_of(nlp), 5, Steps())
    # a reading before and one after each call
    assert stages["encoder"] == len(counts) > 0


def test_encoder_without_transformer_is_what_comes_before_the_network():
    nlp, _ = make_nlp()
    stages = run_stages(nlp, nlp.get_pipe("jre"), docs_of(nlp), 5, Steps())
    assert stages["encoder"] == 1
    assert stages["wordpieces and batches"] == 0


def test_components_before_the_component_are_stages(tiny_bert):
    nlp, _ = make_shared("tok2vec", tiny_bert)
    stages = run_stages(nlp, nlp.get_pipe("jre"), docs_of(nlp), 5, Steps())
    assert list(stages)[:2] == ["tokenizer", "tok2vec"]
    assert stages["tok2vec"] == 1


def test_hooks_are_removed(tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config("SpERT", tiny_bert, wide_bert))
    meter = Steps()
    run_stages(nlp, nlp.get_pipe("jre"), docs_of(nlp), 5, meter)
    before = meter.count
    list(nlp.pipe(docs_of(nlp)))
    assert meter.count == before
