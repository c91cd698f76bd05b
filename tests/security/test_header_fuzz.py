"""Random changes of headers raise a JREError or do not change the pipeline."""

import copy
import random
import resource
from functools import partial

import numpy as np
import pytest
import torch
from spacy.tokens import Doc
from spacy.util import registry

from spacy_jre.architectures.hf_encoder import TransformerSettings
from spacy_jre.architectures.torch_node import (
    LoadModule,
    NotBuilt,
    get_module,
    save_module,
)
from spacy_jre.architectures.transformer import plan_encoder
from spacy_jre.errors import JREError

from ..conftest import STORY, transformer_config
from .helpers import reseal

CPU = torch.device("cpu")
SETTINGS = TransformerSettings("", {}, {}, 2048, False)
VALUES = [
    *(None, True, False, 0, -1, 1, 7, 10**13, 2**63, -(10**13), 0.5, 1e300),
    *("", "x", "gelu", "../x", "/tmp/x", [], [1], ["x"], {}, {"a": 1}, {"@": []}),
]


@pytest.fixture(scope="module")
def encoder(tiny_bert):
    block = transformer_config(tiny_bert)["model"]["tok2vec"]
    model = registry.resolve({"encoder": block})["encoder"]
    model.initialize()
    return model


def value_paths(value, path=()):
    """The paths of all values of a JSON object."""
    items = enumerate(value) if isinstance(value, list) else ()
    if isinstance(value, dict):
        items = value.items()
    for key, item in items:
        yield (*path, key)
        yield from value_paths(item, (*path, key))


def mutate(fields, rng):
    """Change the key, type or size of a random value."""
    fields = copy.deepcopy(fields)
    # keep 1% of the paths in the vocabulary, so that other paths are chosen, too
    paths = [p for p in value_paths(fields) if "vocab" not in p or rng.random() < 0.01]
    *path, last = rng.choice(paths)
    part = fields
    for key in path:
        part = part[key]
    kind = rng.choice(["value", "value", "drop", "rename", "add", "scale"])
    if kind == "drop":
        del part[last]
    elif kind == "rename" and isinstance(part, dict):
        part[rng.choice([f"{last}x", "auto_map", "files", ""])] = part.pop(last)
    elif kind == "add" and isinstance(part, dict):
        part[rng.choice(["x", "_x", "num_layers", "to_dict"])] = rng.choice(VALUES)
    elif kind == "scale" and type(part[last]) in (int, float):
        part[last] *= rng.choice([-1, 2, 1000, 10**9])
    else:
        part[last] = copy.deepcopy(rng.choice(VALUES))
    return fields


def flip(data, rng):
    """Change some bytes of the header."""
    data = bytearray(data)
    size = int.from_bytes(data[:8], "little")
    for _ in range(rng.randint(1, 4)):
        data[rng.randrange(8 + size)] = rng.randrange(256)
    return bytes(data)


def cut(data, rng):
    return data[: rng.randrange(len(data))]


def load(data):
    try:
        return LoadModule(partial(plan_encoder, SETTINGS))(NotBuilt(), data, CPU)
    except JREError:
        return None


def fuzz(encoder, nlp, n, seed):
    """RETURNS (dict): Number of headers that were refused, equal or resealed."""
    rng = random.Random(seed)
    module = get_module(encoder.layers[0])
    data = save_module(module)
    docs = [Doc(nlp.vocab, words=s["words"]) for s in STORY]
    wanted = encoder.predict(docs).units
    counts = {"refused": 0, "equal": 0, "resealed": 0}
    for _ in range(n):
        kind = rng.choice(["fields", "resealed", "bytes", "cut"])
        if kind == "bytes":
            changed = flip(data, rng)
        elif kind == "cut":
            changed = cut(data, rng)
        else:
            change = partial(mutate, rng=rng)
            changed = reseal(data, change, seal=kind == "resealed")
        loaded = load(changed)
        if loaded is None:
            counts["refused"] += 1
        elif kind == "resealed":
            # a different pipeline with the same tensors is valid and has to work
            ids = torch.tensor([[*loaded.prefix, 5, 6, *loaded.suffix]])
            assert loaded(ids, torch.ones_like(ids)).shape[2] == wanted.shape[1]
            counts["resealed"] += 1
        else:
            copied = encoder.copy()
            copied.layers[0].shims[0]._model = loaded
            np.testing.assert_array_equal(copied.predict(docs).units, wanted)
            counts["equal"] += 1
    return counts


def test_changed_header_raises_error_or_does_not_change_pipeline(encoder, nlp):
    counts = fuzz(encoder, nlp, 150, seed=1)
    assert counts["refused"] > 90


@pytest.mark.slow
def test_memory_of_many_headers_is_below_one_gigabyte(encoder, nlp):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    counts = fuzz(encoder, nlp, 2000, seed=2)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert sum(counts.values()) == 2000
    assert grown < 1 << 20  # in KB
