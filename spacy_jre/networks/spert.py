"""SpERT: Eberts and Ulges, "Span-based Joint Entity and Relation Extraction with
Transformer Pre-training" (ECAI 2020)."""

from typing import Literal

from torch import Tensor

from ..layers.losses import binary_cross_entropy, cross_entropy
from ..layers.span_pair_heads import HeadInputs, SpanPairHeads, span_windows
from .base import (
    JointNetwork,
    JointOutputs,
    Layout,
    Loss,
    Targets,
    add_boundaries,
    make_pooler,
)
from .inputs import Recurrent, TaskInputs


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
    inputs of the heads differs. ``recurrent``, ``relation_hidden`` and ``start_end``
    are not from the paper.
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
        views: int = 1,
        recurrent: Recurrent | None = None,
        relation_hidden: int = 0,
        start_end: bool = False,
    ):
        """
        width (int): D, the width of the units.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate before both classifiers, before the LSTM of ``recurrent``
            and after the hidden layer of ``relation_hidden``.
        pooling (str | None): "max" pools the wordpieces of each token first. None
            uses wordpieces, as in the paper.
        views (int): Number of views of the encoder. See ``TaskInputs``.
        recurrent (str | None): A residual BiLSTM over the tokens, "shared" by the tasks
            or one "per_task". Their wordpieces are pooled first. See ``TaskInputs``.
        relation_hidden (int): Size of a hidden layer with GELU in the pair classifier.
            0: none.
        start_end (bool): Whether the vectors of spans and arguments include the first
            and the last unit.
        RAISES (ValueError): J202 or J203 for invalid settings.
        """
        super().__init__()
        self.inputs = TaskInputs(
            width, views=views, pooling=pooling, recurrent=recurrent, dropout=dropout
        )
        self.start_end = start_end
        self.heads = SpanPairHeads(
            width,
            n_entity_labels=n_entity_labels,
            n_relation_labels=n_relation_labels,
            width_embedding=width_embedding,
            dropout=dropout,
            relation_sentence=False,
            span=3 * width if start_end else width,
            relation_hidden=relation_hidden,
        )

    def forward(self, units: Tensor, sentence: Tensor, layout: Layout) -> JointOutputs:
        """
        units (Tensor): Shape: (U, D).
        sentence (Tensor): Shape: (W, D).
        layout (Layout): Windows, tokens, spans and pairs.
        RETURNS (JointOutputs): The logits.
        """
        tasks, layout = self.inputs(units, sentence, layout)
        # without task-specific units, both heads and the context use the same rows
        entity = between = relation = make_pooler("max", tasks.entity, layout)
        if tasks.relation is not tasks.entity:
            between = relation = make_pooler("max", tasks.relation, layout)
        if self.start_end:
            entity = add_boundaries(entity, tasks.entity, layout)
            relation = add_boundaries(relation, tasks.relation, layout)
        inputs = HeadInputs(
            entity=entity,
            relation=relation,
            between=between,
            entity_sentence=tasks.entity_sentence,
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
