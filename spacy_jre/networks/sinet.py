"""SINET: Luo et al., "Synergetic Interaction Network with Cross-task Attention for
Joint Relational Triple Extraction" (LREC-COLING 2024)."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..layers.attention_map import TokenAxis
from ..layers.checks import check_choice, check_range
from ..layers.cross_attention import CrossTaskAttention
from ..layers.linear import linear
from ..layers.losses import binary_cross_entropy, cross_entropy
from ..layers.padding import WindowPadding, window_means
from ..layers.span_pair_heads import HeadInputs, SpanPairHeads, span_windows
from .base import (
    POOLINGS,
    AttentionMap,
    JointNetwork,
    JointOutputs,
    Layout,
    Loss,
    Pooling,
    Targets,
    add_boundaries,
    make_pooler,
    max_per_window,
)
from .inputs import Recurrent, TaskInputs, TaskUnits

Agent = Literal["cls", "max", "mean"]
# Table 4: Base, +TAP, +CTAM_NER, +CTAM_RE, all
Interaction = Literal["none", "tap", "ctam_ner", "ctam_re", "full"]
INTERACTIONS = ("none", "tap", "ctam_ner", "ctam_re", "full")
AGENTS = ("cls", "max", "mean")


class SINET(JointNetwork):
    """Two task views of the units, and cross-task attention of the sentence vectors.

    Source: sections 3.2 and 3.3. Equations and the code that implements them::

        1     task-aware projection (TAP): ``entity_view`` and ``relation_view``
        2-4   cross-task attention (CTAM): layers/cross_attention.py
        5-7   span classifier: layers/span_pair_heads.py
        8-10  pair classifier: layers/span_pair_heads.py
        11    loss: ``SINET.loss``

    The max pooling of equations 5 and 8 is in layers/ranges.py. The second line of
    equation 9 is interpreted as the swapped pair. Padding and [SEP] are not keys of
    the attention (in the authors' code, they are). Both directions share the weights
    of a CTAM layer. ``recurrent``, ``relation_hidden`` and ``start_end`` are not from
    the paper.
    """

    def __init__(
        self,
        width: int,
        n_entity_labels: int,
        n_relation_labels: int,
        *,
        width_embedding: int = 100,
        dropout: float = 0.1,
        attention_dropout: float = 0.2,
        n_heads: int = 4,
        n_layers: int = 1,
        norm: bool = True,
        agent: Agent = "cls",
        span_pooling: Pooling = "max",
        context_pooling: Pooling = "max",
        interaction: Interaction = "full",
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
        attention_dropout (float): Rate inside the attention (authors' code: 0.2).
        n_heads (int): Attention heads (figure 3). D must be divisible by it.
        n_layers (int): Attention layers (figure 3), each with its own weights.
        norm (bool): Whether to apply a LayerNorm after the attention (table 3).
        agent (str): Query and residual of the attention: the sentence vector of the
            task ("cls"), or the "max" or "mean" of its units (table 3).
        span_pooling (str): Pooling of the spans of both tasks (table 3).
        context_pooling (str): Pooling between the spans (table 3).
        interaction (str): Rows of table 4: "none" has no task views ("Base"), "tap"
            adds the views, "ctam_ner" and "ctam_re" add the attention for one task,
            "full" is SINET.
        pooling (str | None): "max" pools the wordpieces of each token first. None
            uses wordpieces, as in the paper.
        views (int): Number of views of the encoder. See ``TaskInputs``.
        recurrent (str | None): A residual BiLSTM over the tokens before equation 1,
            "shared" by the tasks or one "per_task". The wordpieces of the tokens are
            pooled first. See ``TaskInputs``.
        relation_hidden (int): Size of a hidden layer with GELU in the pair classifier.
            0: none.
        start_end (bool): Whether the vectors of spans and arguments include the first
            and the last unit.
        RAISES (ValueError): J201, J202 or J203 for invalid settings.
        """
        super().__init__()
        check_choice("interaction", interaction, INTERACTIONS)
        check_choice("agent", agent, AGENTS)
        check_choice("span_pooling", span_pooling, POOLINGS)
        check_choice("context_pooling", context_pooling, POOLINGS)
        check_range("n_layers", n_layers, n_layers >= 1, "at least 1")
        self.inputs = TaskInputs(
            width, views=views, pooling=pooling, recurrent=recurrent, dropout=dropout
        )
        self.start_end = start_end
        self.agent = agent
        self.span_pooling = span_pooling
        self.context_pooling = context_pooling
        self.interaction = interaction
        self.entity_view: nn.Module = nn.Identity()
        self.relation_view: nn.Module = nn.Identity()
        if interaction != "none":
            # equation 1
            self.entity_view = linear(width, width, bias=False)
            self.relation_view = linear(width, width, bias=False)
        attends = interaction in ("ctam_ner", "ctam_re", "full")
        self.attention = nn.ModuleList(
            CrossTaskAttention(
                width, n_heads=n_heads, dropout=attention_dropout, norm=norm
            )
            for _ in range(n_layers if attends else 0)
        )
        self.heads = SpanPairHeads(
            width,
            n_entity_labels=n_entity_labels,
            n_relation_labels=n_relation_labels,
            width_embedding=width_embedding,
            dropout=dropout,
            relation_sentence=True,
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
        views = self.compute_views(tasks, layout)
        entity = make_pooler(self.span_pooling, views.entity_units, layout)
        relation = make_pooler(self.span_pooling, views.relation_units, layout)
        if self.start_end:
            entity = add_boundaries(entity, views.entity_units, layout)
            relation = add_boundaries(relation, views.relation_units, layout)
        inputs = HeadInputs(
            entity=entity,
            relation=relation,
            # equation 9: the context uses the units of the encoder, not of TAP
            between=make_pooler(self.context_pooling, tasks.relation, layout),
            entity_sentence=views.entity_sentence,
            relation_sentence=views.relation_sentence,
            spans=layout.spans,
            span_windows=span_windows(
                layout.spans, layout.token_counts, layout.n_tokens
            ),
        )
        return self.heads(inputs, layout)

    def loss(self, outputs: JointOutputs, targets: Targets) -> Loss:
        """Equation 11: cross-entropy of spans, binary cross-entropy of pairs."""
        entities = cross_entropy(outputs.entity_logits, targets.entities)
        relations = binary_cross_entropy(outputs.relation_logits, targets.relations)
        return Loss(entities + relations)

    def attention_maps(
        self, units: Tensor, sentence: Tensor, layout: Layout
    ) -> dict[str, AttentionMap]:
        """See ``JointNetwork.attention_maps``.

        Each layer has a row for each sentence vector that `interaction` updates (figure
        4).
        """
        tasks, layout = self.inputs(units, sentence, layout)
        tokens = TokenAxis(layout.token_units, len(tasks.entity))
        rows = {"ctam_ner": ("entity agent",), "ctam_re": ("relation agent",)}.get(
            self.interaction, ("entity agent", "relation agent")
        )
        maps = {}
        layers = self.compute_views(tasks, layout).weights
        for number, weights in enumerate(layers, 1):
            by_row = dict(zip(("entity agent", "relation agent"), weights, strict=True))
            # one window: (heads, rows, units + 1)
            chosen = torch.stack([by_row[row][0] for row in rows], 1).float()
            chosen = torch.cat([tokens.keys(chosen[..., :-1]), chosen[..., -1:]], -1)
            maps[f"layer {number}: agents to units of the other task"] = AttentionMap(
                chosen, rows, (*tokens.labels, "agent")
            )
        return maps

    def compute_views(self, tasks: TaskUnits, layout: Layout) -> "TaskViews":
        """Compute the two views and their sentence vectors (equations 1-4).

        RETURNS (TaskViews): The views, with the attention weights of every layer
            (figure 4).
        """
        entity_units = self.entity_view(tasks.entity)
        relation_units = self.relation_view(tasks.relation)
        entity = self._agent(
            entity_units, self.entity_view(tasks.entity_sentence), layout
        )
        relation = self._agent(
            relation_units, self.relation_view(tasks.relation_sentence), layout
        )
        weights: list[tuple[Tensor, Tensor]] = []
        if len(self.attention):
            padding = WindowPadding(
                layout.unit_counts, layout.longest_units, entity_units.shape[0]
            )
            entity_keys = padding.pad(entity_units)
            relation_keys = padding.pad(relation_units)
            new_entity, new_relation = entity, relation
            for layer in self.attention:
                # both inputs are from the layer below
                (new_entity, entity_weights), (new_relation, relation_weights) = (
                    layer(new_entity, relation_keys, padding.mask),
                    layer(new_relation, entity_keys, padding.mask),
                )
                weights.append((entity_weights, relation_weights))
            if self.interaction in ("ctam_ner", "full"):
                entity = new_entity
            if self.interaction in ("ctam_re", "full"):
                relation = new_relation
        return TaskViews(entity_units, relation_units, entity, relation, weights)

    def _agent(self, units: Tensor, sentence: Tensor, layout: Layout) -> Tensor:
        if self.agent == "cls":
            return sentence
        if self.agent == "mean":
            return window_means(units, layout.unit_counts)
        return max_per_window(units, layout)


class TaskViews(NamedTuple):
    """
    entity_units, relation_units (Tensor): The units of each task. Shape of each:
        (U, D).
    entity_sentence, relation_sentence (Tensor): The sentence vectors of each task.
        Shape of each: (W, D).
    weights (list): Per layer, the attention weights of the entity and of the relation
        agent over the padded units of the other task. The last weight is that of the
        agent itself. Shape of each: (W, heads, longest + 1).
    """

    entity_units: Tensor
    relation_units: Tensor
    entity_sentence: Tensor
    relation_sentence: Tensor
    weights: list[tuple[Tensor, Tensor]]
