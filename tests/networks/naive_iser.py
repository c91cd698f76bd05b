"""Reference implementation of ISER (section 3 of the paper), span by span."""

import math

import torch
from torch import Tensor

from .helpers import WIDTH, Batch
from .naive import Naive, Rows, Span, gru_step, lstm_step, run_both_directions

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
# not from the paper
ISER_EXTRAS = [
    {"recurrent": "shared", "relation_hidden": 5},
    {"views": 2, "recurrent": "per_task", "start_end": True},
    {"views": 2, "fusion": False, "local_context": "raw", "start_end": True},
    {"views": 2, "local_context": "cls", "global_context": "cls"},
]


class NaiveISER(Naive):
    def __init__(self, network, batch: Batch, settings: dict):
        defaults = {
            "fusion": True,
            "global_context": "sea",
            "local_context": "max",
            "n_heads": 8,
        }
        super().__init__(network, batch, {**defaults, **settings})
        self.views = [
            self.compute_views({"entity": entity.units, "relation": relation.units})
            for entity, relation in zip(
                self.windows, self.relation_windows, strict=True
            )
        ]

    def compute_views(self, units: dict[str, Tensor]) -> tuple[Rows, Rows]:
        """Equations 1-5: the rows for spans and the rows for pairs."""
        entity, relation = (
            [self.feed_forward(f"{task}_view", unit) for unit in units[task]]
            for task in ("entity", "relation")
        )
        if not self.settings["fusion"]:
            return entity, relation
        fused = [
            torch.cat([mix(r, entity, entity), mix(e, relation, relation)])
            for e, r in zip(entity, relation, strict=True)
        ]
        rows = run_both_directions(self.weights, "fusion.lstm", fused, lstm_step)
        return rows, rows

    def feed_forward(self, name: str, row: Tensor) -> Tensor:
        hidden = self.linear(f"{name}.0", row).clamp(min=0)
        return self.linear(f"{name}.2", hidden)

    def inside(self, number: int, span: Span) -> set[int]:
        tokens = self.windows[number].tokens[slice(*span)]
        return {unit for token in tokens for unit in token}

    def maximum(self, rows: Rows, index: set[int]) -> Tensor:
        if not index:
            return torch.zeros(WIDTH, dtype=torch.float64)
        return torch.stack([rows[i] for i in index]).max(0).values

    def context(self, number: int, span: Span) -> Tensor:
        """Equations 7-9: the context of a span, with the span masked."""
        kind = self.settings["global_context"]
        if kind == "cls":
            return self.windows[number].sentence
        masked = self.inside(number, span)
        rows = [
            torch.zeros_like(row) if i in masked else row
            for i, row in enumerate(self.views[number][0])
        ]
        if not rows:
            return torch.zeros(WIDTH, dtype=torch.float64)
        if kind == "sea":
            keys = [i for i in range(len(rows)) if i not in masked]
            rows = self.attend("context.attention", rows, keys)
        outputs = run_both_directions(self.weights, "context.gru", rows, gru_step)
        half = WIDTH // 2
        return torch.cat([outputs[-1][:half], outputs[0][half:]])

    def attend(self, name: str, rows: Rows, keys: list[int]) -> Rows:
        """Equations 7 and 8, one query and one head at a time, and the residual."""
        n_heads = self.settings["n_heads"]
        size = WIDTH // n_heads
        query, key, value = (
            [self.weights[f"{name}.{part}.weight"] @ row for row in rows]
            for part in ("query", "key", "value")
        )
        result = []
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
            result.append(row + torch.cat(heads))
        return result

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.locate(span)
        # in the order of our columns: [s; w; c], as in equation 10
        parts = [
            self.maximum(self.views[number][0], self.inside(number, span)),
            *self.ends(number, self.views[number][0], span),
            self.width(span),
            self.context(number, span),
        ]
        return self.linear("heads.entity", torch.cat(parts))

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.locate(head), self.locate(tail)
        rows = self.views[number][1]
        left, right = sorted([head, tail], key=lambda span: span[1])
        gap = self.inside(number, (left[1], max(left[0], right[0])))
        # in the order of our columns, which differs from equation 12
        parts = [
            self.between(number, rows, gap),
            self.maximum(rows, self.inside(number, head)),
            *self.ends(number, rows, head),
            self.maximum(rows, self.inside(number, tail)),
            *self.ends(number, rows, tail),
            self.width(head),
            self.width(tail),
        ]
        return self.relation_head(torch.cat(parts))

    def between(self, number: int, rows: Rows, gap: set[int]) -> Tensor:
        window = self.relation_windows[number]
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
                rows = self.attend("between", alone, list(range(len(alone))))
                return self.maximum(rows, set(range(len(rows))))


def mix(query: Tensor, keys: Rows, values: Rows) -> Tensor:
    """Scaled dot-product attention of one query; zeros without keys."""
    if not keys:
        return torch.zeros_like(query)
    scores = [float(query @ key) / math.sqrt(len(query)) for key in keys]
    total = sum(math.exp(score) for score in scores)
    return sum(
        math.exp(score) / total * value
        for score, value in zip(scores, values, strict=True)
    )
