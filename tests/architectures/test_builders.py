"""Every setting of a config block is passed to its network."""

import inspect

import pytest
import spacy
import torch
from spacy.util import registry

from spacy_jre.architectures import builders
from spacy_jre.architectures.torch_node import get_module
from spacy_jre.networks.lainet import LAINet
from spacy_jre.types import Labels

from ..networks.helpers import N_TAGS, NETWORKS
from ..pipeline.helpers import TOK2VEC

# hidden size of TOK2VEC and of tiny BERT
WIDTH = 32
LABELS = Labels(
    ("A", "B", "C"), ("r", "s"), tags=tuple(f"tag {n}" for n in range(N_TAGS))
)
CLASSES = {**NETWORKS, "lainet": LAINet}
# every value differs from the default
SETTINGS = {
    "SpERT": {
        "width_embedding": 7,
        "dropout": 0.3,
        "pooling": "max",
        "recurrent": "shared",
        "relation_hidden": 9,
        "start_end": True,
    },
    "SINET": {
        "width_embedding": 7,
        "dropout": 0.3,
        "attention_dropout": 0.4,
        "n_heads": 2,
        "n_layers": 2,
        "norm": False,
        "agent": "max",
        "span_pooling": "sum",
        "context_pooling": "mean",
        "interaction": "tap",
        "pooling": "max",
        "recurrent": "shared",
        "relation_hidden": 9,
        "start_end": True,
    },
    "STSN": {
        "width_embedding": 7,
        "dropout": 0.3,
        "attention_dropout": 0.4,
        "n_heads": 2,
        "n_layers": 1,
        "interaction": "ner_to_re",
        "relation_loss": "sum",
        "recurrent": "shared",
        "relation_hidden": 9,
    },
    "ISER": {
        "width_embedding": 7,
        "dropout": 0.3,
        "n_heads": 2,
        "fusion": False,
        "global_context": "gru",
        "local_context": "global",
        "span_memory": 3,
        "pooling": "max",
        "recurrent": "shared",
        "relation_hidden": 9,
        "start_end": True,
        "max_context": 16,
    },
    "LAINet": {
        "cold_start": 7,
        "annotate": False,
        "mask": "visible",
        "text_sees_markers": False,
        "markers_see": "pair",
        "filter": False,
        "filter_threshold": 0.3,
        "filter_weight": 3.0,
        "entity_layers": 1,
        "entity_heads": 2,
        "relation_layers": 3,
        "relation_heads": 4,
        "dropout": 0.3,
        "graph_dropout": 0.4,
        "agreement": "mean",
    },
}
# settings of the encoder and its input: lainet/test_model.py, test_bridge.py
ENCODER_SETTINGS = {
    "tok2vec",
    "mixed_precision",
    "annotations",
    "max_length",
    "max_candidates",
    "shared_encoder",
}
EACH = [(name, key) for name, settings in SETTINGS.items() for key in settings]


def describe(network: torch.nn.Module) -> dict:
    """All attributes of a network, except the values of its weights."""
    attributes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    # buffers depend on the settings
    attributes |= {
        (name, "is"): rows.tolist() for name, rows in network.named_buffers()
    }
    for path, part in network.named_modules():
        attributes[path, "class"] = type(part)
        for name, value in vars(part).items():
            # the bridge sets the fields of the header of the saved weights
            if not name.startswith("_") and name != "dims":
                attributes[path, name] = value
    return attributes


def configured(name: str, bert: str, **settings) -> dict:
    """Describe the network that a config block creates."""
    encoder = TOK2VEC
    if name == "LAINet":
        encoder = {"@architectures": "spacy-jre.TransformerEncoder.v1", "name": bert}
    block = {"@architectures": f"spacy-jre.{name}.v1", "tok2vec": encoder, **settings}
    model = registry.resolve({"model": block})["model"]
    model.initialize(X=[spacy.blank("en").make_doc("Oslo")], Y=LABELS)
    module = get_module(model.get_ref("network"))
    return describe(module.network if name == "LAINet" else module)


def direct(name: str, **settings) -> dict:
    """Describe the network that its class creates."""
    sizes = (WIDTH, len(LABELS.entities), len(LABELS.relations))
    return describe(CLASSES[name.lower()](*sizes, **settings))


def defaults_of(name: str) -> dict:
    """Defaults of the architecture, which may differ from those of the class."""
    builder = getattr(builders, f"build_{name.lower()}_v1")
    parameters = inspect.signature(builder).parameters
    return {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in ENCODER_SETTINGS
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_table_has_another_value_for_every_setting(name):
    defaults = defaults_of(name)
    assert defaults.keys() == SETTINGS[name].keys()
    assert not [key for key in defaults if SETTINGS[name][key] == defaults[key]]


@pytest.mark.parametrize(("name", "key"), EACH)
def test_setting_of_config_is_passed_to_network(name, key, tiny_bert):
    changed = {key: SETTINGS[name][key]}
    attributes = configured(name, tiny_bert, **changed)
    assert attributes == direct(name, **{**defaults_of(name), **changed})
    assert attributes != direct(name, **defaults_of(name))
