"""STSN: Ji et al., "Span-based Joint Entity and Relation Extraction Augmented with
Sequence Tagging Mechanism" (Science China Information Sciences 2024)."""

from typing import Literal, NamedTuple, cast

from torch import Tensor, nn

from ..layers.attention_map import TokenAxis
from ..layers.boundaries import BoundaryPooler, token_rows
from ..layers.checks import check_choice, check_range
from ..layers.label_attention import LabelAttention
from ..layers.linear import linear
from ..layers.losses import (
    REDUCTIONS,
    Reduction,
    binary_cross_entropy,
    cross_entropy,
)
from ..layers.padding import WindowPadding
from ..layers.span_pair_heads import HeadInputs, SpanPairHeads, span_windows
from .base import (
    AttentionMap,
    JointNetwork,
    JointOutputs,
    Layout,
    Loss,
    Targets,
    make_pooler,
)
from .inputs import Recurrent, TaskInputs, TaskUnits

# Table 5: STSN, w/o Bi-Interaction (dagger), (double dagger), w/o Interaction
Interaction = Literal["full", "ner_to_re", "re_to_ner", "none"]
INTERACTIONS = ("full", "ner_to_re", "re_to_ner", "none")
# the rows that the label rows attend to
ATTENDED = {
    "full": "entities and relations",
    "ner_to_re": "entities",
    "re_to_ner": "relations",
    "none": "labels",
}


class STSN(JointNetwork):
    """Attention between entity and relation rows and the label rows of a tagger.

    Source: section 3. Equations and the code that implements them::

        1       encoder: architectures/transformer.py
        2       max pooling of wordpieces: networks/inputs.py, ``TaskInputs``
        3, 4    layer of three attention units: layers/label_attention.py,
                ``LabelAttention``
        5-7     attention unit: layers/label_attention.py, ``AttentionUnit``
        8       tag classifier: ``STSN.forward``
        10      all spans: architectures/bridge.py, ``all_spans``
        11      span boundaries: layers/boundaries.py
        11, 12  span classifier: layers/span_pair_heads.py
        14      pairs of entities: layers/pairs.py
        15, 16  pair classifier: layers/span_pair_heads.py
        9, 13, 17, 18  losses: ``STSN.loss``

    Each of the three tasks has one linear map of the token vectors; the paper does
    not specify it. Both classifiers share one width embedding. The tags of section
    4.1.2 are in training/tags.py. They are a training signal for the label rows and
    are not computed in prediction, except by ``predict_tags`` of the component.
    ``recurrent`` and ``relation_hidden`` are not from
    the paper. Its spans are their boundaries already, so there is no ``start_end``.
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
        relation_loss: Reduction = "mean",
        views: int = 1,
        recurrent: Recurrent | None = None,
        relation_hidden: int = 0,
    ):
        """
        width (int): D, the width of the units.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        n_tags (int): Number of token tags, including "O". Ignored without layers.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate before the span and the pair classifier, before the LSTM
            of ``recurrent`` and after the hidden layer of ``relation_hidden``.
        attention_dropout (float): Rate inside the attention layers: on the weights
            and on both sub-layers. The paper does not specify it.
        n_heads (int): Heads of every attention unit. D must be divisible by it.
        n_layers (int): Attention layers (table 4), each with its own weights. 0 is
            "w/o Label" in table 5: without tags, and the classifiers use the linear
            maps of the tokens.
        interaction (str): Rows that the label rows attend to: those of both tasks
            ("full"), the entity rows ("ner_to_re"), the relation rows ("re_to_ner"),
            or the label rows themselves ("none") (table 5).
        relation_loss (str): The "sum" over the labels of a pair (equation 17), or the
            "mean", as in the other models.
        views (int): Number of views of the encoder. The label rows start from the
            entity view. See ``TaskInputs``.
        recurrent (str | None): A residual BiLSTM over the tokens, "shared" by the tasks
            or one "per_task". See ``TaskInputs``.
        relation_hidden (int): Size of a hidden layer with GELU in the pair classifier.
            0: none.
        RAISES (ValueError): J201, J202 or J203 for invalid settings.
        """
        super().__init__()
        check_choice("interaction", interaction, INTERACTIONS)
        check_choice("relation_loss", relation_loss, REDUCTIONS)
        check_range("n_layers", n_layers, n_layers >= 0, "at least 0")
        for name, rate in (
            ("dropout", dropout),
            ("attention_dropout", attention_dropout),
        ):
            check_range(name, rate, 0.0 <= rate < 1.0, "at least 0 and below 1")
        check_range(
            "width_embedding", width_embedding, width_embedding >= 1, "at least 1"
        )
        self.relation_loss = relation_loss
        self.inputs = TaskInputs(
            width, views=views, pooling="max", recurrent=recurrent, dropout=dropout
        )
        self.interaction = interaction
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
            relation_hidden=relation_hidden,
        )

    def forward(self, units: Tensor, sentence: Tensor, layout: Layout) -> JointOutputs:
        """
        units (Tensor): Shape: (U, D).
        sentence (Tensor): Not used. Shape: (W, D).
        layout (Layout): Windows, tokens, spans and pairs.
        RETURNS (JointOutputs): The logits. Those of the tags are computed only if
            pairs are given. Only the loss uses them.
        """
        # equation 2
        tasks, layout = self.inputs(units, sentence, layout)
        rows = self.compute_rows(tasks, layout)
        entity = token_rows(rows.entity, layout.token_units)
        relation = token_rows(rows.relation, layout.token_units)
        inputs = HeadInputs(
            entity=BoundaryPooler(entity, entity),
            relation=BoundaryPooler(relation, relation),
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
        # equation 8
        tags = self.tags(token_rows(rows.label, layout.token_units))
        return outputs._replace(tag_logits=tags)

    def loss(self, outputs: JointOutputs, targets: Targets) -> Loss:
        """Equation 18: the sum of the losses of the three tasks."""
        # equation 13
        entities = cross_entropy(outputs.entity_logits, targets.entities)
        # equation 17
        relations = binary_cross_entropy(
            outputs.relation_logits, targets.relations, self.relation_loss
        )
        if outputs.tag_logits is None:
            return Loss(entities + relations)
        # equation 9
        tags = cross_entropy(outputs.tag_logits, targets.tags)
        return Loss(entities + relations + tags)

    def attention_maps(
        self, units: Tensor, sentence: Tensor, layout: Layout
    ) -> dict[str, AttentionMap]:
        """See ``JointNetwork.attention_maps``. Each layer has a map for each unit."""
        tasks, layout = self.inputs(units, sentence, layout)
        if self.label_view is None:
            return {}
        padding = WindowPadding(
            layout.unit_counts, layout.longest_units, len(tasks.entity)
        )
        tokens = TokenAxis(layout.token_units, len(tasks.entity))
        names = (
            f"labels to {ATTENDED[self.interaction]}",
            "entities to labels",
            "relations to labels",
        )
        rows = (
            self.label_view(tasks.entity),
            self.entity_view(tasks.entity),
            self.relation_view(tasks.relation),
        )
        maps = {}
        for number, layer in enumerate(self.attention, 1):
            of_units = cast(LabelAttention, layer).weights(*rows, padding)
            for name, weights in zip(names, of_units, strict=True):
                maps[f"layer {number}: {name}"] = tokens.square(weights[0])
            rows = layer(*rows, padding)
        return maps

    def compute_rows(self, tasks: TaskUnits, layout: Layout) -> "TaskRows":
        """Map the tokens and run the attention layers (equations 3-7).

        tasks (TaskUnits): One row per token with wordpieces.
        layout (Layout): The layout over these units.
        RETURNS (TaskRows): The rows of each task.
        """
        entity = self.entity_view(tasks.entity)
        relation = self.relation_view(tasks.relation)
        if self.label_view is None:
            return TaskRows(None, entity, relation)
        label = self.label_view(tasks.entity)
        padding = WindowPadding(
            layout.unit_counts, layout.longest_units, entity.shape[0]
        )
        for layer in self.attention:
            label, entity, relation = layer(label, entity, relation, padding)
        return TaskRows(label, entity, relation)


class TaskRows(NamedTuple):
    """
    label (Tensor | None): H_L of the last layer. None without layers. Shape: (U, D).
    entity, relation (Tensor): H_E and H_R of the last layer. Shape of each: (U, D).
    """

    label: Tensor | None
    entity: Tensor
    relation: Tensor
