"""STSN: Ji et al., "Span-based Joint Entity and Relation Extraction Augmented with
Sequence Tagging Mechanism" (Science China Information Sciences 2024)."""

from typing import Literal, NamedTuple

from torch import Tensor, nn

from ..layers.boundaries import BoundaryPooler, token_rows
from ..layers.checks import check_choice, check_range
from ..layers.label_attention import LabelAttention
from ..layers.linear import linear
from ..layers.losses import binary_cross_entropy, cross_entropy
from ..layers.padding import WindowPadding
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

# Table 5: STSN, w/o Bi-Interaction (dagger), (double dagger), w/o Interaction
Interaction = Literal["full", "ner_to_re", "re_to_ner", "none"]
INTERACTIONS = ("full", "ner_to_re", "re_to_ner", "none")


class STSN(JointNetwork):
    """Entities and relations that read, layer by layer, what a tagger learns.

    Source: section 3. The max-pooled pieces of a token (equation 2) are mapped to
    label, entity and relation rows, one linear layer each; attention layers
    (equations 3-7) let the three read each other; linear classifiers read tags
    (equation 8), spans ``[h_start; h_end; width]`` (11, 12) and pairs ``[E_head;
    E_tail; max between]`` (15, 16), widths included, from one width table. Tags
    teach the label rows in learning; prediction computes none. The tags' set is
    ``training/tags.py``.
    """

    def __init__(
        self,
        width: int,
        n_entity_labels: int,
        n_relation_labels: int,
        n_tags: int = 0,
        *,
        width_embedding: int = 150,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        n_heads: int = 8,
        n_layers: int = 3,
        interaction: Interaction = "full",
    ):
        """
        width (int): D, the width of the units.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        n_tags (int): Token tags, "O" among them; not read without layers.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate before the span and the pair classifier.
        attention_dropout (float): Rate inside the attention layers: on the weights
            and on both sub-layers (paper silent).
        n_heads (int): Heads of every attention unit; they divide D.
        n_layers (int): Attention layers (table 4), each with its own weights. 0 is
            table 5's "w/o Label": no tags either, the classifiers read the linear
            maps.
        interaction (str): What the label rows read: both tasks; "ner_to_re" the
            entity rows alone, "re_to_ner" the relation rows alone, "none" themselves
            (table 5).
        RAISES (ValueError): J201, J202 or J203 for settings that do not fit.
        """
        super().__init__()
        check_choice("interaction", interaction, INTERACTIONS)
        check_range("n_layers", n_layers, n_layers >= 0, "at least 0")
        for name, rate in (
            ("dropout", dropout),
            ("attention_dropout", attention_dropout),
        ):
            check_range(name, rate, 0.0 <= rate < 1.0, "at least 0 and below 1")
        check_range(
            "width_embedding", width_embedding, width_embedding >= 1, "at least 1"
        )
        self.entity_view = linear(width, width)
        self.relation_view = linear(width, width)
        self.label_view = linear(width, width) if n_layers else None
        self.attention = nn.ModuleList(
            LabelAttention(
                width,
                n_heads=n_heads,
                dropout=attention_dropout,
                interaction=interaction,
            )
            for _ in range(n_layers)
        )
        self.tags = linear(width, n_tags) if n_layers else None
        self.heads = SpanPairHeads(
            width,
            n_entity_labels=n_entity_labels,
            n_relation_labels=n_relation_labels,
            width_embedding=width_embedding,
            dropout=dropout,
            entity_sentence=False,
            relation_sentence=False,
            span=2 * width,
        )

    def forward(self, units: Tensor, sentence: Tensor, layout: Layout) -> JointOutputs:
        """
        units (Tensor): Shape: (U, D).
        sentence (Tensor): Not read. Shape: (W, D).
        layout (Layout): Where windows, tokens, spans and pairs lie.
        RETURNS (JointOutputs): The logits; those of the tags where pairs are given,
            that is, in learning.
        """
        units, layout = pool_units_to_tokens(units, layout)
        rows = self.read(units, layout)
        relation = token_rows(rows.relation, layout.token_units)
        inputs = HeadInputs(
            entity=BoundaryPooler(token_rows(rows.entity, layout.token_units)),
            relation=BoundaryPooler(relation),
            between=make_pooler("max", rows.relation, layout),
            entity_sentence=None,
            relation_sentence=None,
            spans=layout.spans,
            span_windows=span_windows(
                layout.spans, layout.token_counts, layout.n_tokens
            ),
        )
        outputs = self.heads(inputs, layout)
        if layout.pairs is None or self.tags is None or rows.label is None:
            return outputs
        tags = self.tags(token_rows(rows.label, layout.token_units))
        return outputs._replace(tag_logits=tags)

    def loss(self, outputs: JointOutputs, targets: Targets) -> Loss:
        """Equation 18: the sum of the three tasks' losses.

        Each is a mean, over tokens, spans or pairs (paper: sums).
        """
        # equations 13 and 17
        entities = cross_entropy(outputs.entity_logits, targets.entities)
        relations = binary_cross_entropy(outputs.relation_logits, targets.relations)
        if outputs.tag_logits is None:
            return Loss(entities + relations)
        # equation 9
        tags = cross_entropy(outputs.tag_logits, targets.tags)
        return Loss(entities + relations + tags)

    def read(self, units: Tensor, layout: Layout) -> "TaskRows":
        """Map the tokens and run the attention layers (equations 3-7).

        units (Tensor): One per token with wordpieces. Shape: (U, D).
        layout (Layout): Over these units.
        """
        entity, relation = self.entity_view(units), self.relation_view(units)
        if self.label_view is None:
            return TaskRows(None, entity, relation)
        label = self.label_view(units)
        padding = WindowPadding(
            layout.unit_counts, layout.longest_units, units.shape[0]
        )
        for layer in self.attention:
            label, entity, relation = layer(label, entity, relation, padding)
        return TaskRows(label, entity, relation)


class TaskRows(NamedTuple):
    """
    label (Tensor | None): H_L of the last layer; None without layers. Shape: (U, D).
    entity, relation (Tensor): H_E and H_R of the last layer. Shape of each: (U, D).
    """

    label: Tensor | None
    entity: Tensor
    relation: Tensor
