"""Helpers to build LAI-Net models, gold annotations and training steps."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from spacy.util import registry

from spacy_jre.architectures.torch_node import get_module
from spacy_jre.training.sampling import sample_candidates
from spacy_jre.training.targets import GoldBatch, SkippedGold, make_targets
from spacy_jre.types import Candidates, Labels, LossValue

from ...conftest import STORY

LABELS = Labels(
    ("LOC", "ORG", "PER"),
    ("based_in", "lives_in", "spouse", "works_for"),
    frozenset({"spouse"}),
)
# maximum width of a span
WIDTH = 8
# settings without dropout: of the transformer, and of the network
EXACT = {
    "transformer_config": {
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
}
NO_DROPOUT = {"dropout": 0.0, "graph_dropout": 0.0}
# only the two markers of a pair attend to each other
LEVITATED = {"text_sees_markers": False, "markers_see": "pair"}


def make_model(name, *, tok2vec=None, encoder=None, **settings):
    block = {
        "@architectures": "spacy-jre.TransformerEncoder.v1",
        "name": name,
        **(encoder or {}),
    }
    config = {
        "@architectures": "spacy-jre.LAINet.v1",
        "tok2vec": tok2vec or block,
        "max_length": 150,
        **settings,
    }
    return registry.resolve({"model": config})["model"]


def build_model(name, labels=LABELS, **settings):
    """Initialize a model with weights that are large enough to affect the scores."""
    torch.manual_seed(0)
    model = make_model(name, **settings)
    model.initialize(X=[], Y=labels)
    generator = torch.Generator().manual_seed(1)
    for parameter in inside(model).network.parameters():
        parameter.data.normal_(0, 0.2, generator=generator)
    return model


def inside(model):
    return get_module(model.get_ref("network"))


# scores -------------------------------------------------------------------------------


def all_scores(model, docs, width=WIDTH):
    scores = model.predict((docs, width))
    return scores.entity_logits, scores.pairs, scores.relation_scores


def scores_by_tokens(docs, scores):
    """Entity logits and relation scores of a JointScores by Doc and tokens."""
    windows = scores.windows
    offset = (windows.start - windows.first_token)[
        windows.token_window[scores.spans[:, 0]]
    ]
    number = windows.doc[windows.token_window[scores.spans[:, 0]]]
    keys = [
        (int(d), int(s + o), int(e + o))
        for d, o, (s, e) in zip(number, offset, scores.spans)
    ]
    entities = dict(zip(keys, scores.entity_logits))
    relations = {
        (keys[i], keys[j]): row
        for (i, j), row in zip(scores.pairs, scores.relation_scores)
    }
    return entities, relations


# training -----------------------------------------------------------------------------


def make_gold(spans, labels, relations=(), windows=None, **changes) -> GoldBatch:
    """Create the gold of a batch; by default, of one annotated window."""
    gold = GoldBatch(
        spans=np.asarray(spans, dtype=np.int64).reshape(-1, 2),
        labels=np.asarray(labels, dtype=np.int64),
        windows=np.zeros(len(labels), dtype=np.int64),
        relations=np.asarray(relations, dtype=np.int64).reshape(-1, 3),
        knows_entities=np.array([True]),
        knows_relations=np.array([True]),
        skipped=SkippedGold(),
    )
    if windows is not None:
        gold = replace(gold, windows=np.asarray(windows, dtype=np.int64))
    return replace(gold, **changes)


def story_gold(unknown_entities=(), unknown_relations=()) -> GoldBatch:
    """The gold annotation of the story, one window per sentence."""
    spans, labels, windows, relations, first = [], [], [], [], 0
    for number, sentence in enumerate(STORY):
        offset = len(spans)
        if number not in unknown_entities:
            for start, end, label in sentence["entities"]:
                spans.append((first + start, first + end))
                labels.append(LABELS.entity_columns[label])
                windows.append(number)
            for head, tail, label in sentence["relations"]:
                column = LABELS.relation_columns[label]
                relations.append((offset + head, offset + tail, column))
        first += len(sentence["words"])
    numbers = np.arange(len(STORY))
    knows = ~np.isin(numbers, unknown_entities)
    return make_gold(
        spans,
        labels,
        relations,
        windows,
        knows_entities=knows,
        knows_relations=knows & ~np.isin(numbers, unknown_relations),
    )


class Step(NamedTuple):
    """The candidates of a training step, and the loss."""

    candidates: Candidates
    loss: LossValue


def learn(
    model,
    docs,
    gold,
    *,
    width=WIDTH,
    spans=None,
    pairs=None,
    arrange=None,
    gradient=1.0,
) -> Step:
    """Run one forward and backward pass, as the component does.

    spans, pairs (int | None): Negatives per window; None: all, as in the paper.
    arrange (Callable | None): Changes the sampled Candidates.
    gradient (float): Gradient of the loss.
    """
    read, backprop_encoder = model.get_ref("encoder").begin_update(docs)
    candidates = sample_candidates(
        gold,
        read.windows,
        np.random.default_rng(0),
        max_span_width=width,
        negative_spans=spans,
        negative_pairs=pairs,
    )
    if arrange:
        candidates = arrange(candidates)
    targets, _ = make_targets(gold, candidates, read.windows, LABELS)
    network = model.get_ref("network")
    loss, backprop_network = network.begin_update((read, candidates, targets))
    backprop_encoder(backprop_network(gradient))
    return Step(candidates, loss)


def gradients(model) -> dict[str, torch.Tensor]:
    """Gradients by name, of the parameters that have one."""
    parameters = inside(model).named_parameters()
    return {n: p.grad.clone() for n, p in parameters if p.grad is not None}


# transformers -------------------------------------------------------------------------


def save_family(family, folder, vocabulary, **settings) -> str:
    """Save a random transformer of a family with the vocabulary of tiny BERT."""
    from transformers import AutoConfig, AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(vocabulary)
    tokenizer.save_pretrained(folder)
    positions = 160 if family in ("bert", "electra", "distilbert") else 163
    sizes = {
        "hidden_size": 16,
        "embedding_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
    }
    if family == "distilbert":
        sizes = {"dim": 16, "n_layers": 1, "n_heads": 2, "hidden_dim": 16}
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        family,
        vocab_size=len(tokenizer),
        max_position_embeddings=positions,
        pad_token_id=tokenizer.pad_token_id,
        **sizes,
        **settings,
    )
    transformer = AutoModel.from_config(config)
    for parameter in transformer.parameters():
        if parameter.ndim > 1:
            parameter.data.normal_(0, 0.3)
    transformer.save_pretrained(folder)
    return str(folder)
