"""SpERT: Eberts and Ulges, "Span-based Joint Entity and Relation Extraction with
Transformer Pre-training" (ECAI 2020)."""

from typing import Literal

from torch import Tensor

from ..layers.checks import check_choice
from ..layers.losses import binary_cross_entropy, cross_entropy
from ..layers.span_pair_heads import HeadInputs, SpanPairHeads, span_windows
from .base import (
    JointNetwork,
    JointOutputs,
    Layout,
    Loss,
    Targets,
    make_pooler,
    pool_units_to_tokens,
)


class SpERT(JointNetwork):
    """Classify max-pooled spans, then pairs of entities with what lies between.

    Source: section 3.1 (spans: ``[maxpool(span); width; cls]``), section 3.3 (pairs:
    ``[maxpool(between); head; tail]``, each argument with its width). Departs from
    the published code in: nothing that changes a number; the order of the parts is
    ours.
    """

    def __init__(
        self,
        width: int,
        n_entity_labels: int,
        n_relation_labels: int,
        *,
        width_embedding: int = 25,
        dropout: float = 0.1,
        pooling: Literal["max"] | None = None,
    ):
        """
        width (int): D, the width of the units.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate before both classifiers.
        pooling (str | None): "max" pools the wordpieces of a token first; None reads
            wordpieces, as published.
        """
        super().__init__()
        check_choice("pooling", pooling, ("max", None))
        self.pooling = pooling
        self.heads = SpanPairHeads(
            width,
            n_entity_labels=n_entity_labels,
            n_relation_labels=n_relation_labels,
            width_embedding=width_embedding,
            dropout=dropout,
            relation_sentence=False,
        )

    def forward(self, units: Tensor, sentence: Tensor, layout: Layout) -> JointOutputs:
        """
        units (Tensor): Shape: (U, D).
        sentence (Tensor): Shape: (W, D).
        layout (Layout): Where windows, tokens, spans and pairs lie.
        RETURNS (JointOutputs): The logits.
        """
        if self.pooling == "max":
            units, layout = pool_units_to_tokens(units, layout)
        # both heads and the context pool the same rows
        spans = make_pooler("max", units, layout)
        inputs = HeadInputs(
            entity=spans,
            relation=spans,
            between=spans,
            entity_sentence=sentence,
            relation_sentence=None,
            spans=layout.spans,
            span_windows=span_windows(
                layout.spans, layout.token_counts, layout.n_tokens
            ),
        )
        return self.heads(inputs, layout)

    def loss(self, outputs: JointOutputs, targets: Targets) -> Loss:
        """``L = L_s + L_r`` (section 3.4): spans by class, relations by label."""
        spans = cross_entropy(outputs.entity_logits, targets.entities)
        relations = binary_cross_entropy(outputs.relation_logits, targets.relations)
        return Loss(spans + relations)
