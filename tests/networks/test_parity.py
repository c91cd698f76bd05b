"""The networks against their equations, written a second time in plain loops."""

import math
from itertools import permutations, product
from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.testing import assert_close

from spacy_jre.networks.base import JointOutputs

from .helpers import (
    Batch,
    build,
    by_pair,
    learning_batch,
    predicting_batch,
    random_sizes,
)

# windows of one token, without units at the start or the end, crowded ones
SEEDS = [5, 8]
ABLATIONS = [
    {},
    {"span_pooling": "sum"},
    {"span_pooling": "mean"},
    {"context_pooling": "sum"},
    {"context_pooling": "mean"},
    {"agent": "max"},
    {"agent": "mean"},
    {"norm": False},
    {"n_heads": 1},
    {"n_heads": 2},
    {"n_layers": 2},
    {"n_layers": 3},
    {"interaction": "none"},
    {"interaction": "tap"},
    {"interaction": "ctam_ner"},
    {"interaction": "ctam_re"},
    {"pooling": "max"},
    {"pooling": "max", "span_pooling": "sum", "context_pooling": "mean"},
    {"pooling": "max", "agent": "max", "n_layers": 2, "interaction": "ctam_ner"},
    {"pooling": "max", "agent": "mean", "norm": False, "interaction": "ctam_re"},
    {"agent": "mean", "interaction": "tap"},
]
SETTINGS = [
    ("spert", {}),
    ("spert", {"pooling": "max"}),
    *(("sinet", ablation) for ablation in ABLATIONS),
]

Weights = dict[str, Tensor]
Span = tuple[int, int]


class Window(NamedTuple):
    """One window: its units (n, D), the unit numbers of each token, [CLS]."""

    units: Tensor
    tokens: list[list[int]]
    sentence: Tensor


class View(NamedTuple):
    """What the heads read of one window. The units of all three are the window's."""

    entity: Tensor
    relation: Tensor
    between: Tensor
    entity_sentence: Tensor
    relation_sentence: Tensor | None


class Naive:
    """Logits of spans and pairs by concatenation and one matrix product each.

    Numbers are float64, read off the weights of the network by name.
    """

    def __init__(self, name: str, network, batch: Batch, settings: dict):
        self.weights = {k: v.double() for k, v in network.state_dict().items()}
        self.span_pooling = settings.get("span_pooling", "max")
        self.context_pooling = settings.get("context_pooling", "max")
        limits = batch.layout.pair_limits
        limits = batch.layout.token_counts if limits is None else limits
        self.limits = limits.tolist()
        self.windows = split_windows(batch)
        if settings.get("pooling") == "max":
            self.windows = [pool_tokens(window) for window in self.windows]
        read = read_spert if name == "spert" else read_sinet
        self.views = [read(self.weights, w, settings) for w in self.windows]

    def place(self, span: Span) -> tuple[int, Span]:
        """The window of a span, and the span counted from the window's start."""
        start, end = span
        for number, window in enumerate(self.windows):
            if start < len(window.tokens):
                return number, (start, end)
            start, end = start - len(window.tokens), end - len(window.tokens)
        raise AssertionError("a span outside of all windows")

    def pool(self, kind: str, units: Tensor, number: int, span: Span) -> Tensor:
        """Pool the units of some tokens under an explicit mask."""
        inside = torch.zeros(len(units), dtype=torch.bool)
        for token in self.windows[number].tokens[slice(*span)]:
            inside[token] = True
        return pool_masked(kind, units, inside)

    def width(self, span: Span) -> Tensor:
        table = self.weights["heads.width_embedding.table.weight"]
        return table[min(span[1] - span[0], 99)]

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.place(span)
        view = self.views[number]
        pooled = self.pool(self.span_pooling, view.entity, number, span)
        row = torch.cat([pooled, self.width(span), view.entity_sentence])
        return self.linear("heads.entity", row)

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.place(head), self.place(tail)
        view = self.views[number]
        left, right = sorted([head, tail], key=lambda span: span[1])
        # empty where the two touch or overlap
        between = (left[1], max(left[0], right[0]))
        parts = [
            self.pool(self.context_pooling, view.between, number, between),
            self.pool(self.span_pooling, view.relation, number, head),
            self.pool(self.span_pooling, view.relation, number, tail),
            self.width(head),
            self.width(tail),
        ]
        if view.relation_sentence is not None:
            parts.append(view.relation_sentence)
        return self.linear("heads.relation", torch.cat(parts))

    def linear(self, name: str, row: Tensor) -> Tensor:
        return self.weights[f"{name}.weight"] @ row + self.weights[f"{name}.bias"]

    def pairs_of_entities(self, spans: list[Span]) -> set[tuple[int, ...]]:
        """All ordered pairs of the best-scored entities of each window."""
        entities: list[list[tuple[float, Span]]] = [[] for _ in self.windows]
        for span in spans:
            scores = self.entity_logits(span).softmax(0)
            if scores.argmax() != 0:
                entities[self.place(span)[0]].append((-float(scores.max()), span))
        pairs: set[tuple[int, ...]] = set()
        for found, limit in zip(entities, self.limits, strict=True):
            kept = [span for _, span in sorted(found)[:limit]]
            pairs |= {(*head, *tail) for head, tail in permutations(kept, 2)}
        return pairs


def split_windows(batch: Batch) -> list[Window]:
    layout = batch.layout
    windows, token, unit = [], 0, 0
    for number, n_tokens in enumerate(layout.token_counts.tolist()):
        n_units = int(layout.unit_counts[number])
        ranges = layout.token_units[token : token + n_tokens].tolist()
        windows.append(
            Window(
                units=batch.units[unit : unit + n_units].double(),
                tokens=[[u - unit for u in range(s, e)] for s, e in ranges],
                sentence=batch.sentence[number].double(),
            )
        )
        token, unit = token + n_tokens, unit + n_units
    return windows


def pool_tokens(window: Window) -> Window:
    """One unit per token, none for a token without wordpieces."""
    rows, tokens = [], []
    for token in window.tokens:
        tokens.append([len(rows)] if token else [])
        if token:
            rows.append(window.units[token].max(0).values)
    units = torch.stack(rows) if rows else window.units
    return Window(units, tokens, window.sentence)


def pool_masked(kind: str, units: Tensor, inside: Tensor) -> Tensor:
    if not inside.any():
        return torch.zeros(units.shape[1], dtype=units.dtype)
    if kind == "max":
        return units.masked_fill(~inside.unsqueeze(1), -math.inf).max(0).values
    total = (units * inside.unsqueeze(1)).sum(0)
    return total / inside.sum() if kind == "mean" else total


def read_spert(weights: Weights, window: Window, settings: dict) -> View:
    units = window.units
    return View(units, units, units, window.sentence, None)


def read_sinet(weights: Weights, window: Window, settings: dict) -> View:
    interaction = settings.get("interaction", "full")
    entity, relation = window.units, window.units
    entity_sentence, relation_sentence = window.sentence, window.sentence
    if interaction != "none":  # equation 1
        by_entity = weights["entity_view.weight"].T
        by_relation = weights["relation_view.weight"].T
        entity, relation = entity @ by_entity, relation @ by_relation
        entity_sentence = entity_sentence @ by_entity
        relation_sentence = relation_sentence @ by_relation
    agent = settings.get("agent", "cls")
    if agent != "cls":
        everything = torch.ones(len(entity), dtype=torch.bool)
        entity_sentence = pool_masked(agent, entity, everything)
        relation_sentence = pool_masked(agent, relation, everything)
    for layer in range(settings.get("n_layers", 1)):
        if interaction in ("none", "tap"):
            break
        new_entity = attend(weights, layer, entity_sentence, relation, settings)
        new_relation = attend(weights, layer, relation_sentence, entity, settings)
        if interaction != "ctam_re":
            entity_sentence = new_entity
        if interaction != "ctam_ner":
            relation_sentence = new_relation
    return View(entity, relation, window.units, entity_sentence, relation_sentence)


def attend(
    weights: Weights, layer: int, own: Tensor, other: Tensor, settings: dict
) -> Tensor:
    """Equations 2-4, with two rows of padding behind an explicit mask."""
    prefix = f"attention.{layer}"
    n_heads = settings.get("n_heads", 4)
    size = len(own) // n_heads
    padding = torch.full((2, len(own)), 3.0, dtype=own.dtype)
    keys = torch.cat([other, own.unsqueeze(0), padding])
    mask = torch.zeros(len(keys), dtype=own.dtype)
    mask[-2:] = -math.inf
    query = weights[f"{prefix}.query.weight"] @ own
    mixed = []
    for head in range(n_heads):
        part = slice(head * size, (head + 1) * size)
        key = keys @ weights[f"{prefix}.key.weight"][part].T
        value = keys @ weights[f"{prefix}.value.weight"][part].T
        scores = key @ query[part] / math.sqrt(size) + mask
        mixed.append(scores.softmax(0) @ value)
    row = weights[f"{prefix}.project.weight"] @ torch.cat(mixed)
    row = row + weights[f"{prefix}.project.bias"] + own
    if not settings.get("norm", True):
        return row
    row = (row - row.mean()) / torch.sqrt(row.var(unbiased=False) + 1e-5)
    return row * weights[f"{prefix}.norm.weight"] + weights[f"{prefix}.norm.bias"]


class Case(NamedTuple):
    """A batch, what the network gives for it, and what the equations give."""

    batch: Batch
    outputs: JointOutputs
    naive: Naive

    @property
    def spans(self) -> list[Span]:
        return [tuple(span) for span in self.batch.layout.spans.tolist()]


def describe(param) -> str:
    (name, settings), seed = param
    parts = [name, *(f"{k}={v}" for k, v in settings.items()), f"seed={seed}"]
    return "-".join(parts)


# both fixtures stay for a module, so that a network is computed once
every_case = pytest.fixture(
    scope="module", params=list(product(SETTINGS, SEEDS)), ids=describe
)


def make_case(param, make_batch) -> Case:
    (name, settings), seed = param
    network, batch = build(name, **settings), make_batch(random_sizes(seed), seed=seed)
    with torch.no_grad():
        outputs = network(*batch)
    return Case(batch, outputs, Naive(name, network, batch, settings))


@every_case
def learning(request):
    return make_case(request.param, learning_batch)


@every_case
def predicting(request):
    return make_case(request.param, predicting_batch)


def assert_equal_logits(logits: Tensor, expected: list[Tensor]) -> None:
    assert_close(logits.double(), torch.stack(expected), rtol=1e-5, atol=1e-5)


def test_given_spans_get_the_logits_of_the_equations(learning):
    expected = [learning.naive.entity_logits(span) for span in learning.spans]
    assert_equal_logits(learning.outputs.entity_logits, expected)


def test_given_pairs_get_the_logits_of_the_equations(learning):
    pairs = learning.batch.layout.pairs.tolist()
    spans = [(learning.spans[head], learning.spans[tail]) for head, tail in pairs]
    expected = [learning.naive.relation_logits(*pair) for pair in spans]
    assert_equal_logits(learning.outputs.relation_logits, expected)


def test_all_spans_get_the_logits_of_the_equations(predicting):
    expected = [predicting.naive.entity_logits(span) for span in predicting.spans]
    assert_equal_logits(predicting.outputs.entity_logits, expected)


def test_proposed_pairs_are_the_ordered_pairs_of_entities(predicting):
    expected = predicting.naive.pairs_of_entities(predicting.spans)
    assert set(by_pair(predicting.batch, predicting.outputs)) == expected
    assert len(predicting.outputs.pairs) == len(expected)


def test_proposed_pairs_get_the_logits_of_the_equations(predicting):
    logits = by_pair(predicting.batch, predicting.outputs)
    expected = [predicting.naive.relation_logits(p[:2], p[2:]) for p in logits]
    assert_equal_logits(torch.stack(list(logits.values())), expected)


def generous_batch(sizes, *, seed):
    limits = torch.full((len(sizes),), 1000)
    return predicting_batch(sizes, seed=seed, pair_limits=limits)


@pytest.mark.parametrize("name", ["spert", "sinet"])
def test_generous_limits_pair_all_entities_of_a_window(name):
    case = make_case(((name, {}), SEEDS[0]), generous_batch)
    assert int(case.outputs.crowded) == 0
    expected = case.naive.pairs_of_entities(case.spans)
    assert set(by_pair(case.batch, case.outputs)) == expected
