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
    """Classify max-pooled spans, then pairs of entities with their context.

    Source: section 3. Sections and the code that implements them::

        3.1  span classifier: layers/span_pair_heads.py
             max pooling: layers/ranges.py, ``MaxPooler``
             width embedding: layers/width_embedding.py
        3.2  span filtering: layers/pairs.py
        3.3  pair classifier: layers/span_pair_heads.py
             context between two spans: layers/ranges.py, ``between_ranges``
        3.4  loss: ``SpERT.loss``
             negative sampling: training/sampling.py

    The results equal those of the published code. Only the order of the parts in the
    inputs of the heads differs.
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
        pooling (str | None): "max" pools the wordpieces of each token first. None
            uses wordpieces, as in the paper.
        RAISES (ValueError): J202 for an unknown pooling.
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
        layout (Layout): Windows, tokens, spans and pairs.
        RETURNS (JointOutputs): The logits.
        """
        if self.pooling == "max":
            units, layout = pool_units_to_tokens(units, layout)
        # both heads and the context use the same rows
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
        """``L = L_s + L_r`` (section 3.4): cross-entropy of spans, binary
        cross-entropy of relations."""
        spans = cross_entropy(outputs.entity_logits, targets.entities)
        relations = binary_cross_entropy(outputs.relation_logits, targets.relations)
        return Loss(spans + relations)
