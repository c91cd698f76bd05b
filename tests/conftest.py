"""Shared fixtures: a few annotated sentences, a tiny transformer, markers."""

import json
import os
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
# for subprocesses of tests
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
import spacy
import torch
from spacy.tokens import Doc
from spacy.training import Example

from spacy_jre.annotations import (
    EntityRecord,
    Record,
    RelationRecord,
    build_doc,
    register_extension,
)

ROOT = Path(__file__).parent.parent
SHARED = ROOT.parent / "shared" / "data"

# the tensors of the tests are too small for several threads, and each worker of
# pytest-xdist uses one core
torch.set_num_threads(1)

needs_spacy_transformers = pytest.mark.skipif(
    find_spec("spacy_transformers") is None,
    reason='needs spacy-transformers: pip install "spacy-jre[shared]"',
)
needs_matplotlib = pytest.mark.skipif(
    find_spec("matplotlib") is None,
    reason='needs matplotlib: pip install "spacy-jre[plots]"',
)

# Five sentences, with nested entities, entities in several relations and no relations.
STORY = [
    {
        "words": ["Ada", "Quint", "cooks", "for", "Hotel", "Lima", "in", "Oslo", "."],
        "entities": [(0, 2, "PER"), (4, 6, "ORG"), (7, 8, "LOC"), (5, 6, "LOC")],
        "relations": [(0, 1, "works_for"), (1, 2, "based_in")],
    },
    {
        "words": [
            "In",
            "Bergen",
            ",",
            "Nils",
            "Dahl",
            "owns",
            "the",
            "ferry",
            "firm",
            "Fjordline",
            ".",
        ],
        "entities": [(1, 2, "LOC"), (3, 5, "PER"), (9, 10, "ORG")],
        "relations": [(1, 2, "works_for"), (1, 0, "lives_in")],
    },
    {
        "words": ["Rain", "fell", "on", "Oslo", "all", "week", "."],
        "entities": [(3, 4, "LOC")],
        "relations": [],
    },
    {
        "words": [
            "Mia",
            "Roe",
            "and",
            "Ola",
            "Lie",
            ",",
            "both",
            "of",
            "Tromso",
            ",",
            "married",
            ".",
        ],
        "entities": [(0, 2, "PER"), (3, 5, "PER"), (8, 9, "LOC")],
        "relations": [(0, 2, "lives_in"), (1, 2, "lives_in"), (0, 1, "spouse")],
    },
    {
        "words": ["Fjordline", "is", "moving", "from", "Bergen", "to", "Narvik", "."],
        "entities": [(0, 1, "ORG"), (4, 5, "LOC"), (6, 7, "LOC")],
        "relations": [(0, 1, "based_in")],
    },
]


def make_record(sentence, **kwargs) -> Record:
    """Make a record from a sentence of the story."""
    words = sentence["words"]
    starts = np.cumsum([0] + [len(w) + 1 for w in words])
    entities = tuple(
        EntityRecord(int(starts[s]), int(starts[e] - 1), label)
        for s, e, label in sentence["entities"]
    )
    relations = tuple(RelationRecord(*r) for r in sentence["relations"])
    return Record(
        text=" ".join(words),
        entities=entities,
        relations=relations,
        words=tuple(words),
        **kwargs,
    )


def make_example(nlp, sentence) -> Example:
    """Make an example from a sentence of the story."""
    reference = build_doc(make_record(sentence), nlp)
    predicted = Doc(nlp.vocab, words=sentence["words"])
    for token in predicted:
        token.is_sent_start = token.i == 0
    return Example(predicted, reference)


def pytest_addoption(parser):
    for marker in ("slow", "gpu", "browser"):
        parser.addoption(f"--{marker}", action="store_true", help=f"run {marker} tests")


def pytest_collection_modifyitems(config, items):
    for item in items:
        for marker in ("slow", "gpu", "browser"):
            if marker in item.keywords and not config.getoption(f"--{marker}"):
                item.add_marker(pytest.mark.skip(reason=f"opt in with --{marker}"))
        if "data" in item.keywords and not SHARED.is_dir():
            reason = f"needs the public corpora in {SHARED}"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(autouse=True)
def _extension():
    """Register the extension before each test and remove it afterwards."""
    register_extension()
    yield
    for name in ("relations", "triples"):
        if Doc.has_extension(name):
            Doc.remove_extension(name)


@pytest.fixture
def nlp():
    return spacy.blank("en")


@pytest.fixture
def examples(nlp):
    return [make_example(nlp, sentence) for sentence in STORY]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def save_tiny_bert(
    folder: Path, *, dropout: float = 0.1, positions: int = 64, width: int = 32
) -> Path:
    """Save a very small BERT with random weights and its own vocabulary."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = sorted({w.lower() for s in STORY for w in s["words"]})
    # some words, and letters for the rest: tokens have one or several wordpieces
    vocab = [*PIECES, *letters, *(f"##{x}" for x in letters), *".,;:!?'\"()-"]
    vocab += [w for i, w in enumerate(words) if len(w) > 1 and i % 2]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocab), encoding="utf8")
    tokenizer = BertTokenizerFast(
        str(folder / "vocab.txt"), do_lower_case=True, model_max_length=positions
    )
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocab),
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=64,
        max_position_embeddings=positions,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
    )
    model = BertModel(config)
    for parameter in model.parameters():
        if parameter.ndim > 1:
            # with BERT's initialization, all outputs are nearly equal
            parameter.data.normal_(0, 0.1)
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory) -> str:
    return str(save_tiny_bert(tmp_path_factory.mktemp("bert") / "tiny"))


@pytest.fixture(scope="session")
def wide_bert(tmp_path_factory) -> str:
    """A tiny BERT with enough positions for a sentence and its label annotations."""
    folder = tmp_path_factory.mktemp("bert") / "wide"
    return str(save_tiny_bert(folder, positions=160))


def transformer_config(name: str, architecture: str = "SpERT", **network) -> dict:
    """Get the config of a component with an inline transformer."""
    return {
        "model": {
            "@architectures": f"spacy-jre.{architecture}.v1",
            **network,
            "tok2vec": {
                "@architectures": "spacy-jre.TransformerEncoder.v1",
                "name": name,
            },
        }
    }


def write_json(path: Path, value) -> Path:
    path.write_text(json.dumps(value), encoding="utf8")
    return path
