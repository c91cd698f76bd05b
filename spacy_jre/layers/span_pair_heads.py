"""The span classifier and the pair classifier, shared by the networks."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from .checks import check_range
from .layout import JointOutputs, Layout
from .linear import PartsLinear, linear
from .padding import window_ids
from .pairs import propose_pairs
from .ranges import RangePooler, SpanPooler, between_ranges
from .width_embedding import WidthEmbedding


@dataclass(frozen=True)
class HeadInputs:
    """The inputs of the heads. All token ranges are over one flat batch of windows.

    entity, relation (SpanPooler): Pool the spans for the entity head and the
        arguments for the relation head.
    between (RangePooler): Pools the tokens between two spans.
    entity_sentence (Tensor | None): Sentence vectors for the entity head. Shape:
        (W, D).
    relation_sentence (Tensor | None): Sentence vectors for the relation head. Shape:
        (W, D).
    spans (Tensor): Spans to classify. Shape: (S, 2).
    span_windows (Tensor): Window of each span. Shape: (S,).
    span_context (Tensor | None): One vector per span for the entity head, instead of
        the sentence vector. Shape: (S, D).
    """

    entity: SpanPooler
    relation: SpanPooler
    between: RangePooler
    entity_sentence: Tensor | None
    relation_sentence: Tensor | None
    spans: Tensor
    span_windows: Tensor
    span_context: Tensor | None = None


class SpanPairHeads(nn.Module):
    """Two linear heads that share one width embedding.

    The relation head can have a hidden layer, which is not from the papers.

    The entity head classifies ``[span; width(; sentence)]``, the relation head
    ``[between; head; tail; width(head); width(tail)(; sentence)]``. The softmax or
    sigmoid is in the loss or in the decoding. The order of the parts is ours::

        paper  entity head               relation head
        SpERT  section 3.1               section 3.3, without sentence
        SINET  equations 5-7             equations 8-10
        STSN   equations 11 and 12,      equations 15 and 16,
               without sentence          without sentence
        ISER   equations 6, 10 and 11,   equations 12-14,
               span context as sentence  without sentence
    """

    def __init__(
        self,
        width: int,
        *,
        n_entity_labels: int,
        n_relation_labels: int,
        width_embedding: int,
        dropout: float,
        relation_sentence: bool,
        entity_sentence: bool = True,
        span: int | None = None,
        relation_hidden: int = 0,
    ):
        """
        width (int): D, the width of units and sentence vectors.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate on the inputs of the heads.
        relation_sentence, entity_sentence (bool): Whether the input of the head
            includes a sentence vector.
        span (int | None): Width of a pooled span. None: D.
        relation_hidden (int): Size of a hidden layer with GELU and dropout in the
            relation head. 0: the head is linear, as in the papers.
        RAISES (ValueError): J203 for a negative size.
        """
        super().__init__()
        check_range(
            "relation_hidden", relation_hidden, relation_hidden >= 0, "at least 0"
        )
        self.span = width if span is None else span
        self.width_embedding = WidthEmbedding(width_embedding)
        parts = {"span": self.span, "width": width_embedding}
        if entity_sentence:
            parts["sentence"] = width
        self.entity = PartsLinear(parts, n_entity_labels + 1, dropout)
        parts = {
            "between": width,
            "head": self.span,
            "tail": self.span,
            "head_width": width_embedding,
            "tail_width": width_embedding,
        }
        if relation_sentence:
            parts["sentence"] = width
        self.relation = PartsLinear(
            parts, relation_hidden or n_relation_labels, dropout
        )
        self.relation_output: nn.Module = nn.Identity()
        if relation_hidden:
            self.relation_output = nn.Sequential(
                nn.GELU(),
                nn.Dropout(dropout),
                linear(relation_hidden, n_relation_labels),
            )

    def forward(self, inputs: HeadInputs, layout: Layout) -> JointOutputs:
        """
        inputs (HeadInputs): The inputs.
        layout (Layout): If it has no pairs, the heads propose them.
        RETURNS (JointOutputs): The logits.
        """
        if layout.pairs is not None:
            entity_logits, relation_logits = self.score_given(inputs, layout)
            n_truncated = layout.spans.new_zeros(())
            return JointOutputs(
                entity_logits, layout.pairs, relation_logits, n_truncated
            )
        return JointOutputs(*self.score_all(inputs, layout))

    def score_given(self, inputs: HeadInputs, layout: Layout) -> tuple[Tensor, Tensor]:
        """Classify the given spans and pairs, as in training.

        The parts are gathered, then projected, so that each span and pair gets its
        own dropout mask. Pairs are scored in chunks, because a Doc can have many given
        entities.

        layout (Layout): With pairs and pair_chunk.
        RETURNS (tuple[Tensor, Tensor]): Entity logits, shape: (S, E + 1), and
            relation logits, shape: (P, R).
        """
        spans, windows = inputs.spans, inputs.span_windows
        widths = self.width_embedding(spans[:, 1] - spans[:, 0])
        rows = {"span": inputs.entity.ranges(spans), "width": widths}
        if inputs.entity_sentence is not None:
            rows["sentence"] = inputs.entity_sentence[windows]
        if inputs.span_context is not None:
            rows["sentence"] = inputs.span_context
        entity_logits = self.entity(rows)
        assert layout.pairs is not None
        relation_logits = [
            self._score_pairs(inputs, widths, pairs)
            for pairs in layout.pairs.split(layout.pair_chunk)
        ]
        return entity_logits, torch.cat(relation_logits)

    def _score_pairs(self, inputs: HeadInputs, widths: Tensor, pairs: Tensor) -> Tensor:
        """
        widths (Tensor): Width embeddings of the spans. Shape: (S, W).
        pairs (Tensor): Indices of head and tail in the spans. Shape: (P, 2).
        RETURNS (Tensor): Relation logits. Shape: (P, R).
        """
        spans, windows = inputs.spans, inputs.span_windows
        head, tail = pairs[:, 0], pairs[:, 1]
        rows = {
            "between": inputs.between.ranges(between_ranges(spans[head], spans[tail])),
            "head": inputs.relation.ranges(spans[head]),
            "tail": inputs.relation.ranges(spans[tail]),
            "head_width": widths[head],
            "tail_width": widths[tail],
        }
        if inputs.relation_sentence is not None:
            rows["sentence"] = inputs.relation_sentence[windows[head]]
        logits: Tensor = self.relation_output(self.relation(rows))
        return logits

    def score_all(
        self, inputs: HeadInputs, layout: Layout
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Classify all spans, propose pairs of entities, and classify the pairs.

        The parts are projected, then gathered, so that no tensor of shape (P, 3D)
        is built. Pairs are scored in chunks, because an untrained classifier
        predicts that most spans are entities.

        layout (Layout): With width_counts, pair_limits and pair_chunk.
        RETURNS (tuple): Entity logits (S, E + 1), pairs (P, 2) in both orders,
            relation logits (P, R), and the number of windows with more entities
            than the limit, a scalar.
        """
        spans, windows = inputs.spans, inputs.span_windows
        entity, relation = self.entity, self.relation
        limits, chunk = layout.pair_limits, layout.pair_chunk
        if limits is None:
            limits = layout.token_counts
        # an empty part, so that torch.cat works without any spans
        by_span = [entity.project("span", entity.weight.new_zeros((0, self.span)))]
        start = 0
        for count, rows in zip(
            layout.width_counts,
            inputs.entity.widths(len(layout.width_counts)),
            strict=True,
        ):
            first_tokens = spans[start : start + count, 0]
            start += count
            by_span.append(entity.project("span", rows[first_tokens]))
        table = self.width_embedding.rows()
        width_index = self.width_embedding.index(spans)
        entity_logits = (
            torch.cat(by_span)
            + entity.project("width", table)[width_index]
            + entity.bias
        )
        if inputs.entity_sentence is not None:
            sentence = entity.project("sentence", inputs.entity_sentence)
            entity_logits = entity_logits + sentence[windows]
        if inputs.span_context is not None:
            context = entity.project("sentence", inputs.span_context)
            entity_logits = entity_logits + context

        proposed = propose_pairs(entity_logits, windows, limits)
        entities = proposed.entities
        arguments, width_index = spans[entities], width_index[entities]
        argument_rows = inputs.relation.ranges(arguments)
        as_head, as_tail = (
            relation.project(role, argument_rows)
            + relation.project(f"{role}_width", table)[width_index]
            for role in ("head", "tail")
        )
        shared = relation.bias.expand(limits.shape[0], -1)
        if inputs.relation_sentence is not None:
            shared = shared + relation.project("sentence", inputs.relation_sentence)
        shared = shared[windows[entities]]
        forward, backward = [], []
        for left, right in zip(
            proposed.first.split(chunk), proposed.second.split(chunk), strict=True
        ):
            # the context between the spans is the same for both orders
            ranges = between_ranges(arguments[left], arguments[right])
            between = inputs.between.ranges(ranges)
            context = relation.project("between", between) + shared[left]
            forward.append(
                self.relation_output(context + as_head[left] + as_tail[right])
            )
            backward.append(
                self.relation_output(context + as_head[right] + as_tail[left])
            )
        first, second = entities[proposed.first], entities[proposed.second]
        pairs = torch.stack(
            [torch.cat([first, second]), torch.cat([second, first])], dim=1
        )
        relation_logits = torch.cat(forward + backward)
        return entity_logits, pairs, relation_logits, proposed.n_truncated


def span_windows(spans: Tensor, token_counts: Tensor, n_tokens: int) -> Tensor:
    """Return the window of each span.

    spans (Tensor): Shape: (S, 2).
    token_counts (Tensor): Tokens per window. Shape: (W,).
    n_tokens (int): The sum of the counts.
    RETURNS (Tensor): Shape: (S,).
    """
    return window_ids(token_counts, n_tokens)[spans[:, 0]]
