"""Reference implementations of SpERT (section 3) and SINET (section 3.2)."""

import math
from typing import NamedTuple

import torch
from torch import Tensor

from .naive import Naive, Span, Weights, Window, pool_masked

SINET_SETTINGS = [
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
# not from the paper
SINET_EXTRAS = [
    {"relation_hidden": 5},
    {"start_end": True, "span_pooling": "mean"},
    {"recurrent": "shared", "context_pooling": "sum"},
    {"views": 2, "agent": "max"},
    {"views": 2, "recurrent": "per_task", "relation_hidden": 5, "start_end": True},
]
SPERT_SETTINGS: list[dict] = [{}, {"pooling": "max"}]
SPERT_EXTRAS = [
    {"relation_hidden": 5},
    {"start_end": True},
    {"recurrent": "shared"},
    {"recurrent": "per_task"},
    {"views": 2},
    {"views": 2, "recurrent": "shared"},
    {"views": 2, "recurrent": "per_task", "relation_hidden": 5, "start_end": True},
]


class View(NamedTuple):
    """The inputs of the heads for one window. entity, relation, between: units."""

    entity: Tensor
    relation: Tensor
    between: Tensor
    entity_sentence: Tensor
    relation_sentence: Tensor | None


class NaiveSpans(Naive):
    """Logits of spans and pairs, from the view of each window."""

    def __init__(self, network, batch, settings: dict):
        super().__init__(network, batch, settings)
        self.span_pooling = settings.get("span_pooling", "max")
        self.context_pooling = settings.get("context_pooling", "max")
        self.views = [
            self.make_view(entity, relation)
            for entity, relation in zip(
                self.windows, self.relation_windows, strict=True
            )
        ]

    def make_view(self, entity: Window, relation: Window) -> View:
        raise NotImplementedError

    def pool(self, kind: str, units: Tensor, number: int, span: Span) -> Tensor:
        """Pool the units of a token range with an explicit mask."""
        inside = torch.zeros(len(units), dtype=torch.bool)
        for token in self.windows[number].tokens[slice(*span)]:
            inside[token] = True
        return pool_masked(kind, units, inside)

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.locate(span)
        view = self.views[number]
        pooled = self.pool(self.span_pooling, view.entity, number, span)
        ends = self.ends(number, view.entity, span)
        row = torch.cat([pooled, *ends, self.width(span), view.entity_sentence])
        return self.linear("heads.entity", row)

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.locate(head), self.locate(tail)
        view = self.views[number]
        left, right = sorted([head, tail], key=lambda span: span[1])
        # empty for adjacent or overlapping spans
        between = (left[1], max(left[0], right[0]))
        parts = [
            self.pool(self.context_pooling, view.between, number, between),
            self.pool(self.span_pooling, view.relation, number, head),
            *self.ends(number, view.relation, head),
            self.pool(self.span_pooling, view.relation, number, tail),
            *self.ends(number, view.relation, tail),
            self.width(head),
            self.width(tail),
        ]
        if view.relation_sentence is not None:
            parts.append(view.relation_sentence)
        return self.relation_head(torch.cat(parts))


class NaiveSpERT(NaiveSpans):
    def make_view(self, entity: Window, relation: Window) -> View:
        units = relation.units
        return View(entity.units, units, units, entity.sentence, None)


class NaiveSINET(NaiveSpans):
    def make_view(self, entity: Window, relation: Window) -> View:
        return sinet_view(self.weights, entity, relation, self.settings)


def sinet_view(
    weights: Weights,
    entity_window: Window,
    relation_window: Window,
    settings: dict,
) -> View:
    interaction = settings.get("interaction", "full")
    entity, relation = entity_window.units, relation_window.units
    entity_sentence = entity_window.sentence
    relation_sentence = relation_window.sentence
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
    return View(
        entity, relation, relation_window.units, entity_sentence, relation_sentence
    )


def attend(
    weights: Weights, layer: int, own: Tensor, other: Tensor, settings: dict
) -> Tensor:
    """Equations 2-4, with two rows of padding and an explicit mask."""
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
