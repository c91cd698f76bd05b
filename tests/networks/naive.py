"""Reference implementation of the parts that the networks share, in plain loops.

The equations of the networks are in naive_spans.py (SpERT, SINET), naive_stsn.py and
naive_iser.py. All numbers are float64. The weights are looked up by name.
"""

import math
from itertools import permutations
from typing import NamedTuple

import torch
from torch import Tensor

from .helpers import WIDTH, Batch

Weights = dict[str, Tensor]
Rows = list[Tensor]
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
        # windows of the entity task and of the relation task
        self.windows, self.relation_windows = (
            self.make_windows(batch, task) for task in (0, 1)
        )

    def make_windows(self, batch: Batch, task: int) -> list["Window"]:
        """The windows of a task: its view, pooled to tokens, with its LSTM."""
        windows = split_windows(batch)
        if self.settings.get("views") == 2:
            columns = slice(task * WIDTH, (task + 1) * WIDTH)
            windows = [
                w._replace(units=w.units[:, columns], sentence=w.sentence[columns])
                for w in windows
            ]
        recurrent = self.settings.get("recurrent")
        if self.settings.get("pooling") == "max" or recurrent:
            windows = [pool_tokens(window) for window in windows]
        if not recurrent:
            return windows
        number = task if recurrent == "per_task" else 0
        return [
            w._replace(units=self.add_lstm(f"inputs.recurrent.{number}.lstm", w.units))
            for w in windows
        ]

    def add_lstm(self, name: str, units: Tensor) -> Tensor:
        if not len(units):
            return units
        rows = run_both_directions(self.weights, name, list(units), lstm_step)
        return units + torch.stack(rows)

    def relation_head(self, row: Tensor) -> Tensor:
        """The head, or its hidden layer, GELU and the second layer."""
        row = self.linear("heads.relation", row)
        if not self.settings.get("relation_hidden"):
            return row
        gelu = row * 0.5 * (1 + torch.erf(row / math.sqrt(2)))
        return self.linear("heads.relation_output.2", gelu)

    def ends(self, number: int, units: Rows | Tensor, span: Span) -> list[Tensor]:
        """The first unit of the first token and the last unit of the last token."""
        if not self.settings.get("start_end"):
            return []
        tokens = self.windows[number].tokens
        zeros = torch.zeros(WIDTH, dtype=torch.float64)
        first, last = tokens[span[0]], tokens[span[1] - 1]
        return [
            units[first[0]] if first else zeros,
            units[last[-1]] if last else zeros,
        ]

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


def run_both_directions(weights: Weights, name: str, rows: Rows, step) -> Rows:
    """Run a recurrent cell over the rows in both directions."""
    directions = []
    for suffix, order in (("", 1), ("_reverse", -1)):
        parts = [
            weights[f"{name}.{kind}_l0{suffix}"]
            for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        ]
        state = (torch.zeros(WIDTH // 2, dtype=torch.float64),) * 2
        outputs = []
        for row in rows[::order]:
            state = step(parts, row, *state)
            outputs.append(state[0])
        directions.append(outputs[::order])
    return [torch.cat(pair) for pair in zip(*directions, strict=True)]


def gru_step(parts: Rows, row: Tensor, state: Tensor, _) -> tuple[Tensor, Tensor]:
    by_row = (parts[0] @ row + parts[2]).chunk(3)
    by_state = (parts[1] @ state + parts[3]).chunk(3)
    reset = torch.sigmoid(by_row[0] + by_state[0])
    update = torch.sigmoid(by_row[1] + by_state[1])
    new = torch.tanh(by_row[2] + reset * by_state[2])
    state = (1 - update) * new + update * state
    return state, state


def lstm_step(
    parts: Rows, row: Tensor, state: Tensor, cell: Tensor
) -> tuple[Tensor, Tensor]:
    gates = parts[0] @ row + parts[2] + parts[1] @ state + parts[3]
    into, forget, new, out = gates.chunk(4)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell
