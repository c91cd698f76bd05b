"""Random networks and random batches for them."""

from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from spacy_jre.networks.base import JointOutputs, Layout
from spacy_jre.networks.inputs import TaskUnits
from spacy_jre.networks.iser import ISER
from spacy_jre.networks.sinet import SINET
from spacy_jre.networks.spert import SpERT
from spacy_jre.networks.stsn import STSN

WIDTH = 8
N_ENTITY_LABELS = 3
N_RELATION_LABELS = 2
N_TAGS = 7

NETWORKS = {
    "spert": SpERT,
    "sinet": SINET,
    "stsn": partial(STSN, n_tags=N_TAGS),
    "iser": ISER,
}
# units are wordpieces or tokens; in the other networks, tokens only
CHOOSE_UNITS = {"spert", "sinet", "iser"}
# networks that use the sentence vector
USE_SENTENCE = {"spert", "sinet"}
NO_DROPOUT = {
    "spert": {"dropout": 0.0},
    "sinet": {"dropout": 0.0, "attention_dropout": 0.0},
    "stsn": {"dropout": 0.0, "attention_dropout": 0.0},
    "iser": {"dropout": 0.0},
}
# Number of units of each token in three windows, some tokens without units.
STORY = ((1, 3, 0, 2), (2, 1), (0, 1, 1, 1, 4, 1))

Sizes = tuple[tuple[int, ...], ...]


class Batch(NamedTuple):
    """The inputs of a network."""

    units: Tensor
    sentence: Tensor
    layout: Layout


def build(name: str, *, dtype: torch.dtype = torch.float32, **settings) -> nn.Module:
    """A network in eval mode with large random weights."""
    network = NETWORKS[name](
        WIDTH, N_ENTITY_LABELS, N_RELATION_LABELS, width_embedding=5, **settings
    )
    generator = torch.Generator().manual_seed(0)
    for key, parameter in network.named_parameters():
        parameter.data.normal_(0, 0.5, generator=generator)
        if key.endswith("norm.weight"):
            parameter.data += 1.0  # otherwise rows of a deep network are similar
    if name == "stsn":
        network.heads.entity.bias.data[0] -= 1.0  # otherwise there are no pairs
    return network.to(dtype).eval()


def training_batch(
    sizes: Sizes = STORY,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float32,
    views: int = 1,
) -> Batch:
    """Random units, four spans per window and their ordered pairs, shuffled."""
    rng = np.random.default_rng(seed)
    spans, pairs, first = [], [], 0
    for window in sizes:
        members = range(len(spans), len(spans) + 4)
        last = first + len(window)
        # the first and the last token, so that there is context between two spans
        spans += [(first, first + 1), (last - 1, last)]
        for width in (2, 5):
            start = int(rng.integers(first, last))
            spans.append((start, min(start + width, last)))
        pairs += rng.permutation(list(permutations(members, 2))).tolist()
        first = last
    layout = make_layout(sizes, spans=as_rows(spans), pairs=as_rows(pairs))
    return _random_batch(layout, rng, dtype, views)


def prediction_batch(
    sizes: Sizes = STORY,
    *,
    seed: int = 0,
    max_width: int = 3,
    dtype: torch.dtype = torch.float32,
    views: int = 1,
    **settings,
) -> Batch:
    """Random units and all spans up to a width, sorted by width."""
    spans, width_counts = [], []
    longest = max((len(window) for window in sizes), default=0)
    for width in range(1, min(max_width, longest) + 1):
        before, first = len(spans), 0
        for window in sizes:
            starts = range(first, first + len(window) - width + 1)
            spans += [(start, start + width) for start in starts]
            first += len(window)
        width_counts.append(len(spans) - before)
    layout = make_layout(
        sizes, spans=as_rows(spans), width_counts=tuple(width_counts), **settings
    )
    return _random_batch(layout, np.random.default_rng(seed), dtype, views)


def make_layout(sizes: Sizes, **settings) -> Layout:
    """A layout over windows. sizes: the number of units of each token."""
    counts = torch.tensor([sum(w) for w in sizes], dtype=torch.long)
    tokens = torch.tensor([n for w in sizes for n in w], dtype=torch.long)
    ends = tokens.cumsum(0)
    return Layout(
        unit_counts=counts,
        token_counts=torch.tensor([len(w) for w in sizes], dtype=torch.long),
        token_units=torch.stack([ends - tokens, ends], 1),
        longest_window=max((len(w) for w in sizes), default=0),
        longest_units=max((sum(w) for w in sizes), default=0),
        longest_token=max((n for w in sizes for n in w), default=0),
        **settings,
    )


def random_sizes(seed: int) -> Sizes:
    """One to three windows of one to six tokens of zero to three units."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, 7, size=rng.integers(1, 4))
    return tuple(tuple(rng.integers(0, 4, size=n).tolist()) for n in lengths)


def as_rows(pairs: list) -> Tensor:
    """Pairs of numbers as a tensor with two columns, also for an empty list."""
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 2)


def by_span(batch: Batch, outputs: JointOutputs, *, first: int = 0) -> dict:
    """The entity logits by span. first (int): offset of the token numbers."""
    spans = (batch.layout.spans + first).tolist()
    logits = outputs.entity_logits
    return {tuple(span): row for span, row in zip(spans, logits, strict=True)}


def by_pair(batch: Batch, outputs: JointOutputs, *, first: int = 0) -> dict:
    """The relation logits by ordered pair. first (int): see ``by_span``."""
    pairs = (batch.layout.spans[outputs.pairs] + first).flatten(1).tolist()
    logits = outputs.relation_logits
    return {tuple(pair): row for pair, row in zip(pairs, logits, strict=True)}


def with_layout(batch: Batch, **changes) -> Batch:
    """The same vectors under another layout."""
    return batch._replace(layout=replace(batch.layout, **changes))


def as_tasks(batch: Batch) -> TaskUnits:
    """The same units and sentence vectors for both tasks."""
    return TaskUnits(batch.units, batch.units, batch.sentence, batch.sentence)


def backpropagate(outputs: JointOutputs) -> None:
    """Compute the gradients of a scalar that depends on all logits."""
    sum(logits.pow(2).sum() for logits in logits_of(outputs)).backward()


def logits_of(outputs: JointOutputs) -> tuple[Tensor, ...]:
    """Entity and relation logits, and the tag logits if there are any."""
    logits = outputs.entity_logits, outputs.relation_logits, outputs.tag_logits
    return tuple(rows for rows in logits if rows is not None)


def settings_id(settings: dict) -> str:
    return "-".join(f"{name}={value}" for name, value in settings.items()) or "full"


def with_bias(*names: str) -> set[str]:
    """Names of the parameters of linear layers with bias."""
    return {f"{name}.{part}" for name in names for part in ("weight", "bias")}


def idle_parameters(network: nn.Module) -> list[str]:
    """Names of the parameters without gradient."""
    parameters = network.named_parameters()
    return [name for name, p in parameters if p.grad is None or not p.grad.any()]


def _random_batch(
    layout: Layout, rng: np.random.Generator, dtype: torch.dtype, views: int
) -> Batch:
    n_units = int(layout.unit_counts.sum())
    units = rng.standard_normal((n_units, views * WIDTH))
    sentence = rng.standard_normal((len(layout.unit_counts), views * WIDTH))
    return Batch(
        torch.from_numpy(units).to(dtype), torch.from_numpy(sentence).to(dtype), layout
    )
