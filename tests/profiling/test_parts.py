"""Parameters belong to the encoder or to the network."""

import pytest

from spacy_jre.profiling.parts import count_parameters, upstream_of

from ..conftest import needs_spacy_transformers
from ..pipeline.helpers import MODELS, make_nlp, model_config
from ..pipeline.test_listeners import make_shared


def size_of(module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def module_of(model, ref):
    for node in model.get_ref(ref).walk():
        for shim in node.shims:
            return shim._model
    return None


@pytest.mark.parametrize("name", ["SpERT", "SINET", "STSN", "ISER"])
def test_parameters_are_those_of_transformer_and_network(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    model = nlp.get_pipe("jre").model
    assert count_parameters(nlp, nlp.get_pipe("jre")) == {
        "encoder": size_of(module_of(model, "encoder")),
        "network": size_of(module_of(model, "network")),
    }


def test_transformers_of_lainet_are_its_encoder(wide_bert):
    nlp, _ = make_nlp(model_config("LAINet", "", wide_bert))
    module = module_of(nlp.get_pipe("jre").model, "network")
    assert count_parameters(nlp, nlp.get_pipe("jre")) == {
        "encoder": size_of(module.encoder),
        "network": size_of(module.network),
    }


@pytest.mark.parametrize("name", MODELS)
def test_parameters_add_up_to_the_saved_weights(name, tiny_bert, wide_bert):
    nlp, _ = make_nlp(model_config(name, tiny_bert, wide_bert))
    pipe = nlp.get_pipe("jre")
    modules = {id(s._model): s._model for n in pipe.model.walk() for s in n.shims}
    expected = sum(size_of(module) for module in modules.values())
    assert sum(count_parameters(nlp, pipe).values()) == expected


def test_parameters_of_thinc_layers_count():
    nlp, _ = make_nlp()
    pipe = nlp.get_pipe("jre")
    expected = sum(
        node.get_param(name).size
        for node in pipe.model.walk()
        for name in node.param_names
        if node.has_param(name)
    )
    assert count_parameters(nlp, pipe)["encoder"] == expected > 0


def test_parameters_of_an_upstream_tok2vec_are_those_of_the_encoder(tiny_bert):
    nlp, _ = make_shared("tok2vec", tiny_bert)
    pipe = nlp.get_pipe("jre")
    assert upstream_of(nlp, pipe) == ["tok2vec"]
    expected = sum(
        node.get_param(name).size
        for node in nlp.get_pipe("tok2vec").model.walk()
        for name in node.param_names
        if node.has_param(name)
    )
    assert count_parameters(nlp, pipe)["encoder"] == expected > 0


@needs_spacy_transformers
def test_parameters_of_a_shared_transformer_are_those_of_the_encoder(tiny_bert):
    nlp, _ = make_shared("shared", tiny_bert)
    pipe = nlp.get_pipe("jre")
    assert upstream_of(nlp, pipe) == ["transformer"]
    (shim,) = (s for n in nlp.get_pipe("transformer").model.walk() for s in n.shims)
    expected = size_of(shim._model)
    assert count_parameters(nlp, pipe)["encoder"] == expected
