"""Reference implementation of STSN (section 3 of the paper), span by span."""

import math

import torch
from torch import Tensor

from .helpers import WIDTH, Batch
from .naive import Naive, Span, Weights

INTERACTIONS = ["full", "ner_to_re", "re_to_ner", "none"]
STSN_SETTINGS = [
    {},
    {"n_layers": 0},
    {"n_layers": 1},
    {"n_layers": 6, "n_heads": 2},
    {"n_heads": 1},
    {"interaction": "ner_to_re"},
    {"interaction": "re_to_ner"},
    {"interaction": "none"},
]
# not from the paper
STSN_EXTRAS = [
    {"views": 2, "recurrent": "per_task", "relation_hidden": 5},
    {"views": 2, "n_layers": 0},
    {"recurrent": "shared"},
]


class NaiveSTSN(Naive):
    """A token without wordpieces has no row. Its boundary vector is zeros."""

    def __init__(self, network, batch: Batch, settings: dict):
        super().__init__(network, batch, {**settings, "pooling": "max"})
        self.rows = [
            window_rows(
                self.weights, list(entity.units), list(relation.units), settings
            )
            for entity, relation in zip(
                self.windows, self.relation_windows, strict=True
            )
        ]

    def token(self, task: str, number: int, token: int) -> Tensor:
        units = self.windows[number].tokens[token]
        rows = self.rows[number][task]
        return rows[units[0]] if units else torch.zeros(WIDTH, dtype=torch.float64)

    def boundary(self, task: str, number: int, span: Span) -> Tensor:
        first, last = span[0], span[1] - 1
        rows = [self.token(task, number, token) for token in (first, last)]
        return torch.cat(rows)

    def entity_logits(self, span: Span) -> Tensor:
        number, span = self.locate(span)
        # in the order of our columns: [h_start; h_end; width], as in equation 11
        row = torch.cat([self.boundary("entity", number, span), self.width(span)])
        return self.linear("heads.entity", row)

    def relation_logits(self, head: Span, tail: Span) -> Tensor:
        (number, head), (_, tail) = self.locate(head), self.locate(tail)
        left, right = sorted([head, tail], key=lambda span: span[1])
        between = torch.zeros(WIDTH, dtype=torch.float64)
        context = [
            self.token("relation", number, token)
            for token in range(left[1], max(left[0], right[0]))
            if self.windows[number].tokens[token]
        ]
        if context:
            between = torch.stack(context).max(0).values
        # in the order of our columns; equation 15 has [head; tail; between]
        parts = [
            between,
            self.boundary("relation", number, head),
            self.boundary("relation", number, tail),
            self.width(head),
            self.width(tail),
        ]
        return self.relation_head(torch.cat(parts))

    def tag_logits(self) -> list[Tensor]:
        if not self.settings.get("n_layers", 3):
            return []
        return [
            self.linear("tags", self.token("label", number, token))
            for number, window in enumerate(self.windows)
            for token in range(len(window.tokens))
        ]


def window_rows(
    weights: Weights,
    entity_units: list[Tensor],
    relation_units: list[Tensor],
    settings: dict,
) -> dict[str, list[Tensor]]:
    """H_L, H_E and H_R of the last layer, one row per token with wordpieces."""

    def view(task: str, rows: list[Tensor]) -> list[Tensor]:
        weight, bias = weights[f"{task}_view.weight"], weights[f"{task}_view.bias"]
        return [weight @ row + bias for row in rows]

    entity, relation = view("entity", entity_units), view("relation", relation_units)
    n_layers = settings.get("n_layers", 3)
    if n_layers == 0:
        return {"entity": entity, "relation": relation}
    label, n_heads = view("label", entity_units), settings.get("n_heads", 8)
    for layer in range(n_layers):
        prefix = f"attention.{layer}"
        match settings.get("interaction", "full"):
            case "full":  # equation 3
                merge = weights[f"{prefix}.merge.weight"]
                bias = weights[f"{prefix}.merge.bias"]
                keys = [
                    merge @ torch.cat([e, r]) + bias
                    for e, r in zip(entity, relation, strict=True)
                ]
            case "ner_to_re":
                keys = entity
            case "re_to_ner":
                keys = relation
            case "none":
                keys = label
        # equation 4: entities and relations attend to the new label rows
        label = attend(weights, f"{prefix}.label", label, keys, n_heads)
        entity = attend(weights, f"{prefix}.entity", entity, label, n_heads)
        relation = attend(weights, f"{prefix}.relation", relation, label, n_heads)
    return {"label": label, "entity": entity, "relation": relation}


def attend(
    weights: Weights, prefix: str, queries: list[Tensor], keys: list[Tensor], heads: int
) -> list[Tensor]:
    """Equations 5-7, one query and one head at a time."""
    size = WIDTH // heads

    def weight(name: str) -> Tensor:
        return weights[f"{prefix}.{name}.weight"]

    def bias(name: str) -> Tensor:
        return weights[f"{prefix}.{name}.bias"]

    def norm(name: str, row: Tensor) -> Tensor:
        row = (row - row.mean()) / torch.sqrt(row.var(unbiased=False) + 1e-5)
        return row * weight(name) + bias(name)

    result = []
    for own in queries:
        mixed = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            query = weight("query")[part] @ own
            scores = [
                float(query @ (weight("key")[part] @ key)) / math.sqrt(size)
                for key in keys
            ]
            total = sum(math.exp(score) for score in scores)
            values = [weight("value")[part] @ key for key in keys]
            mixed.append(
                sum(
                    math.exp(s) / total * v for s, v in zip(scores, values, strict=True)
                )
            )
        row = norm("attention_norm", own + weight("project") @ torch.cat(mixed))
        inner = torch.clamp(weight("inner") @ row + bias("inner"), min=0)
        result.append(norm("norm", row + weight("outer") @ inner + bias("outer")))
    return result
