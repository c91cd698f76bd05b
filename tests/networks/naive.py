"""Reference implementation of the parts that the networks share, in plain loops.

The equations of the networks are in naive_spans.py (SpERT, SINET), naive_stsn.py and
naive_iser.py. All numbers are float64. The weights are looked up by name.
"""

import math
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from .helpers import Batch

Weights = dict[str, Tensor]
Span = tuple[int, int]


class Window(NamedTuple):
    """One window: its units (n, D), the unit indices of each token, [CLS]."""

    units: Tensor
    tokens: list[list[int]]
    sentence: Tensor


class Naive:
    """The windows of a batch, and heads that classify one row at a time."""

    def __init__(self, network, batch: Batch, settings: dict):
        self.weights = {k: v.double() for k, v in network.state_dict().items()}
        self.settings = settings
        limits = batch.layout.pair_limits
        limits = batch.layout.token_counts if limits is None else limits
        self.limits = limits.tolist()
        self.windows = split_windows(batch)
        if settings.get("pooling") == "max":
            self.windows = [pool_tokens(window) for window in self.windows]

    def entity_logits(self, span: Span) -> Tensor:
        raise NotImplementedError

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        raise NotImplementedError

    def tag_logits(self) -> list[Tensor]:
        """RETURNS (list): Empty if the network predicts no tags."""
        return []

    def locate(self, span: Span) -> tuple[int, Span]:
        """The window of a span, and the span relative to the start of the window."""
        start, end = span
        for number, window in enumerate(self.windows):
            if start < len(window.tokens):
                return number, (start, end)
            start, end = start - len(window.tokens), end - len(window.tokens)
        raise AssertionError("the span is outside of all windows")

    def width(self, span: Span) -> Tensor:
        table = self.weights["heads.width_embedding.table.weight"]
        return table[min(span[1] - span[0], 99)]

    def linear(self, name: str, row: Tensor) -> Tensor:
        return self.weights[f"{name}.weight"] @ row + self.weights[f"{name}.bias"]

    def pairs_of_entities(self, spans: list[Span]) -> set[tuple[int, ...]]:
        """All ordered pairs of the entities with the best scores in each window."""
        entities: list[list[tuple[float, Span]]] = [[] for _ in self.windows]
        for span in spans:
            scores = self.entity_logits(span).softmax(0)
            if scores.argmax() != 0:
                entities[self.locate(span)[0]].append((-float(scores.max()), span))
        pairs: set[tuple[int, ...]] = set()
        for scored, limit in zip(entities, self.limits, strict=True):
            kept = [span for _, span in sorted(scored)[:limit]]
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
    """One unit per token with wordpieces."""
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
