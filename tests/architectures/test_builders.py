"""Every setting of a config block reaches the network that it is a setting of."""

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

# of the tiny BERT, too
WIDTH = 32
LABELS = Labels(
    ("A", "B", "C"), ("r", "s"), tags=tuple(f"tag {n}" for n in range(N_TAGS))
)
CLASSES = {**NETWORKS, "lainet": LAINet}
# none of them the default
SETTINGS = {
    "SpERT": {"width_embedding": 7, "dropout": 0.3, "pooling": "max"},
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
    },
    "STSN": {
        "width_embedding": 7,
        "dropout": 0.3,
        "attention_dropout": 0.4,
        "n_heads": 2,
        "n_layers": 1,
        "interaction": "ner_to_re",
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
# of the encoder, or of what it is fed: test_lainet.py, test_bridge.py
NOT_THE_NETWORKS = {
    "tok2vec",
    "mixed_precision",
    "annotations",
    "max_length",
    "max_candidates",
    "shared_encoder",
}
EACH = [(name, key) for name, settings in SETTINGS.items() for key in settings]


def describe(network: torch.nn.Module) -> dict:
    """All that a network is but the values of its weights."""
    found = {name: tensor.shape for name, tensor in network.state_dict().items()}
    # tables that follow from the settings
    found |= {(name, "is"): rows.tolist() for name, rows in network.named_buffers()}
    for path, part in network.named_modules():
        found[path, "class"] = type(part)
        for name, value in vars(part).items():
            # the header of the saved weights is the bridge's
            if not name.startswith("_") and name not in ("dims", "metadata"):
                found[path, name] = value
    return found


def configured(name: str, bert: str, **settings) -> dict:
    """The network that a config block makes, described."""
    encoder = TOK2VEC
    if name == "LAINet":
        encoder = {"@architectures": "spacy-jre.TransformerEncoder.v1", "name": bert}
    block = {"@architectures": f"spacy-jre.{name}.v1", "tok2vec": encoder, **settings}
    model = registry.resolve({"model": block})["model"]
    model.initialize(X=[spacy.blank("en").make_doc("Oslo")], Y=LABELS)
    module = get_module(model.get_ref("network"))
    return describe(module.network if name == "LAINet" else module)


def direct(name: str, **settings) -> dict:
    """The network that its class makes, described."""
    sizes = (WIDTH, len(LABELS.entities), len(LABELS.relations))
    return describe(CLASSES[name.lower()](*sizes, **settings))


def defaults_of(name: str) -> dict:
    """The architecture's, which need not be those of the class."""
    builder = getattr(builders, f"build_{name.lower()}_v1")
    parameters = inspect.signature(builder).parameters
    return {
        key: parameter.default
        for key, parameter in parameters.items()
        if key not in NOT_THE_NETWORKS
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_table_has_every_setting_and_another_value_for_it(name):
    defaults = defaults_of(name)
    assert defaults.keys() == SETTINGS[name].keys()
    assert not [key for key in defaults if SETTINGS[name][key] == defaults[key]]


@pytest.mark.parametrize(("name", "key"), EACH)
def test_setting_of_the_config_reaches_the_network(name, key, tiny_bert):
    changed = {key: SETTINGS[name][key]}
    found = configured(name, tiny_bert, **changed)
    assert found == direct(name, **{**defaults_of(name), **changed})
    assert found != direct(name, **defaults_of(name))
