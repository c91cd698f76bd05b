"""ISER against MODELS.md, section 5: window by window, span by span."""

import math

import torch
from torch import Tensor

from .helpers import WIDTH, Batch
from .naive import Naive, Span, Weights

LOCAL = ["attention", "raw", "cls", "global", "global_raw"]
ISER_SETTINGS = [
    {},
    {"n_heads": 2},
    {"fusion": False},
    {"global_context": "gru"},
    {"global_context": "cls"},
    *({"local_context": kind} for kind in LOCAL),
    {"fusion": False, "global_context": "gru", "local_context": "attention"},
    {"fusion": False, "local_context": "global"},
    {"pooling": "max"},
    {"pooling": "max", "local_context": "attention", "n_heads": 4},
    {"pooling": "max", "local_context": "global_raw", "global_context": "cls"},
]
Rows = list[Tensor]


class NaiveISER(Naive):
    def __init__(self, network, batch: Batch, settings: dict):
        defaults = {
            "fusion": True,
            "global_context": "sea",
            "local_context": "max",
            "n_heads": 8,
        }
        super().__init__(network, batch, {**defaults, **settings})
        self.views = [self.read(list(window.units)) for window in self.windows]

    def read(self, units: Rows) -> tuple[Rows, Rows]:
        """Equations 1-5: what spans and what pairs read."""
        entity, relation = (
            [self.feed_forward(f"{task}_view", unit) for unit in units]
            for task in ("entity", "relation")
        )
        if not self.settings["fusion"]:
            return entity, relation
        fused = [
            torch.cat([mix(r, entity, entity), mix(e, relation, relation)])
            for e, r in zip(entity, relation, strict=True)
        ]
        rows = both_ways(self.weights, "fusion.lstm", fused, lstm_step)
        return rows, rows

    def feed_forward(self, name: str, row: Tensor) -> Tensor:
        hidden = self.linear(f"{name}.0", row).clamp(min=0)
        return self.linear(f"{name}.2", hidden)

    def inside(self, number: int, span: Span) -> set[int]:
        tokens = self.windows[number].tokens[slice(*span)]
        return {unit for token in tokens for unit in token}

    def maximum(self, rows: Rows, places: set[int]) -> Tensor:
        if not places:
            return torch.zeros(WIDTH, dtype=torch.float64)
        return torch.stack([rows[i] for i in places]).max(0).values

    def context(self, number: int, span: Span) -> Tensor:
        """Equations 7-9: the window with the span masked out."""
        kind = self.settings["global_context"]
        if kind == "cls":
            return self.windows[number].sentence
        hidden = self.inside(number, span)
        rows = [
            torch.zeros_like(row) if i in hidden else row
            for i, row in enumerate(self.views[number][0])
        ]
        if not rows:
            return torch.zeros(WIDTH, dtype=torch.float64)
        if kind == "sea":
            keys = [i for i in range(len(rows)) if i not in hidden]
            rows = self.attend("context.attention", rows, keys)
        outputs = both_ways(self.weights, "context.gru", rows, gru_step)
        half = WIDTH // 2
        return torch.cat([outputs[-1][:half], outputs[0][half:]])

    def attend(self, name: str, rows: Rows, keys: list[int]) -> Rows:
        """Equations 7 and 8, one query and one head at a time, plus the input."""
        n_heads = self.settings["n_heads"]
        size = WIDTH // n_heads
        query, key, value = (
            [self.weights[f"{name}.{part}.weight"] @ row for row in rows]
            for part in ("query", "key", "value")
        )
        found = []
        for number, row in enumerate(rows):
            heads = []
            for head in range(n_heads):
                part = slice(head * size, (head + 1) * size)
                heads.append(
                    mix(
                        query[number][part],
                        [key[i][part] for i in keys],
                        [value[i][part] for i in keys],
                    )
                )
            found.append(row + torch.cat(heads))
        return found

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.place(span)
        # the columns of the package: [s; w; c], as equation 10
        parts = [
            self.maximum(self.views[number][0], self.inside(number, span)),
            self.width(span),
            self.context(number, span),
        ]
        return self.linear("heads.entity", torch.cat(parts))

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.place(head), self.place(tail)
        rows = self.views[number][1]
        left, right = sorted([head, tail], key=lambda span: span[1])
        gap = self.inside(number, (left[1], max(left[0], right[0])))
        # the columns of the package; equation 12 orders them otherwise
        parts = [
            self.between(number, rows, gap),
            self.maximum(rows, self.inside(number, head)),
            self.maximum(rows, self.inside(number, tail)),
            self.width(head),
            self.width(tail),
        ]
        return self.linear("heads.relation", torch.cat(parts))

    def between(self, number: int, rows: Rows, gap: set[int]) -> Tensor:
        window = self.windows[number]
        raw, everything = list(window.units), set(range(len(window.units)))
        match self.settings["local_context"]:
            case "max":
                return self.maximum(rows, gap)
            case "raw":
                return self.maximum(raw, gap)
            case "cls":
                return window.sentence
            case "global":
                return self.maximum(rows, everything)
            case "global_raw":
                return self.maximum(raw, everything)
            case "attention":
                alone = [rows[i] for i in sorted(gap)]
                read = self.attend("between", alone, list(range(len(alone))))
                return self.maximum(read, set(range(len(read))))


def mix(query: Tensor, keys: Rows, values: Rows) -> Tensor:
    """One query of scaled dot-product attention; zeros if there is no key."""
    if not keys:
        return torch.zeros_like(query)
    scores = [float(query @ key) / math.sqrt(len(query)) for key in keys]
    total = sum(math.exp(score) for score in scores)
    return sum(
        math.exp(score) / total * value
        for score, value in zip(scores, values, strict=True)
    )


def both_ways(weights: Weights, name: str, rows: Rows, step) -> Rows:
    """Step a recurrent cell through the rows, and back again."""
    found = []
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
        found.append(outputs[::order])
    return [torch.cat(pair) for pair in zip(*found, strict=True)]


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
    keep_in, forget, new, out = gates.chunk(4)
    cell = torch.sigmoid(forget) * cell + torch.sigmoid(keep_in) * torch.tanh(new)
    return torch.sigmoid(out) * torch.tanh(cell), cell
