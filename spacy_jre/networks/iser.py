"""ISER: Feng et al., "The Joint Entity-Relation Extraction Model Based on Span and
Interactive Fusion Representation for Chinese Medical Texts with Complex Semantics"."""

import warnings
from typing import Literal, NamedTuple

from torch import Tensor, nn

from ..errors import Warnings
from ..layers.attention_map import TokenAxis
from ..layers.checks import check_choice, check_range
from ..layers.interactive_fusion import InteractiveFusion
from ..layers.linear import linear
from ..layers.losses import binary_cross_entropy, cross_entropy
from ..layers.masked_attention import MaskedSelfAttention
from ..layers.padding import window_ids
from ..layers.pair_context import AttendedRanges, WindowVectors
from ..layers.ranges import RangePooler, between_ranges, unit_ranges
from ..layers.span_context import SpanContext
from ..layers.span_pair_heads import HeadInputs, SpanPairHeads, span_windows
from .base import (
    AttentionMap,
    JointNetwork,
    JointOutputs,
    Layout,
    Loss,
    Targets,
    add_boundaries,
    make_pooler,
    max_per_window,
)
from .inputs import Recurrent, TaskInputs, TaskUnits

# Tables 3 to 6: ISER, ISER_GRU, "SEA -> CLS"
GlobalContext = Literal["sea", "gru", "cls"]
GLOBAL_CONTEXTS = ("sea", "gru", "cls")
# Tables 5 and 6: ISER and "LC ->" LC_att, LC_BERT, CLS, GC, GC_BERT
LocalContext = Literal["max", "attention", "raw", "cls", "global", "global_raw"]
LOCAL_CONTEXTS = ("max", "attention", "raw", "cls", "global", "global_raw")


class ISER(JointNetwork):
    """Interactive fusion of two views, and the context of each span in its window.

    Source: section 3. Equations and the code that implements them::

        1, 2    views for entities and relations: ``_feed_forward``
        3-5     interactive fusion: layers/interactive_fusion.py
        6       max pooling of a span: layers/ranges.py, ``MaxPooler``
        7, 8    attention of SEA: layers/masked_attention.py
        9       BiGRU of SEA: layers/span_context.py
        10, 11  span classifier: layers/span_pair_heads.py
        12, 13  context between two spans: ``_context_between``
        12-14   pair classifier: layers/span_pair_heads.py
        15-17   losses: ``ISER.loss``

    The paper does not specify the number of heads of SEA (here 8) and dropout inside
    the network (here none). See ``MaskedSelfAttention`` for the departures from
    equations 7 and 8. SEA runs once per candidate span, with a memory budget. The
    "test" data of CoNLL04 in the paper is the dev split. ``recurrent``,
    ``relation_hidden``, ``start_end`` and ``max_context`` are not from the paper.
    """

    def __init__(
        self,
        width: int,
        n_entity_labels: int,
        n_relation_labels: int,
        *,
        width_embedding: int = 25,
        dropout: float = 0.1,
        n_heads: int = 8,
        fusion: bool = True,
        global_context: GlobalContext = "sea",
        local_context: LocalContext = "max",
        span_memory: int = 1024,
        pooling: Literal["max"] | None = None,
        views: int = 1,
        recurrent: Recurrent | None = None,
        relation_hidden: int = 0,
        start_end: bool = False,
        max_context: int = 128,
    ):
        """
        width (int): D, the width of the units. It must be even.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        width_embedding (int): Size of the width embedding.
        dropout (float): Rate before both classifiers, before the LSTM of ``recurrent``
            and after the hidden layer of ``relation_hidden``.
        n_heads (int): Heads of the attention of SEA. D must be divisible by it.
        fusion (bool): Whether to use interactive fusion. Without it, spans and SEA
            use the entity view, and pairs and the context between them use the
            relation view.
        global_context (str): Context of a span in the span classifier: "sea", "gru"
            for SEA without attention, or "cls" for the sentence vector of the
            encoder.
        local_context (str): Context of a pair in the pair classifier: "max" pooling
            between the spans; self-"attention" between the spans, then max pooling;
            "raw": max pooling between the spans over the units of the encoder;
            "cls": the sentence vector of the encoder; "global" or "global_raw": max
            pooling over all units of the window, fused or of the encoder.
        span_memory (int): Memory budget in MiB for the contexts of the spans, and
            the same again for the "attention" between spans.
        pooling (str | None): "max" pools the wordpieces of each token first. None
            uses wordpieces.
        views (int): Number of views of the encoder. See ``TaskInputs``.
        recurrent (str | None): A residual BiLSTM over the tokens before equations 1 and
            2, "shared" by the tasks or one "per_task". The wordpieces of the tokens are
            pooled first. See ``TaskInputs``.
        relation_hidden (int): Size of a hidden layer with GELU in the pair classifier.
            0: none.
        start_end (bool): Whether the vectors of spans and arguments include the first
            and the last unit.
        max_context (int): Maximum number of units that the context of a span is
            computed from ("sea" and "gru"). In a longer window, these are the units
            around the span, and J922 is shown once. 0: the whole window, as in the
            paper. The time of "sea" then grows with the third power of the length.
        RAISES (ValueError): J201, J202 or J203 for invalid settings.
        """
        super().__init__()
        check_choice("global_context", global_context, GLOBAL_CONTEXTS)
        check_choice("local_context", local_context, LOCAL_CONTEXTS)
        check_range("dropout", dropout, 0.0 <= dropout < 1.0, "at least 0 and below 1")
        check_range(
            "width_embedding", width_embedding, width_embedding >= 1, "at least 1"
        )
        check_range("span_memory", span_memory, span_memory >= 1, "at least 1 (MiB)")
        check_range(
            "max_context",
            max_context,
            max_context == 0 or max_context >= 8,
            "0 or at least 8",
        )
        check_range("the encoder's width", width, width % 2 == 0, "even")
        self.inputs = TaskInputs(
            width, views=views, pooling=pooling, recurrent=recurrent, dropout=dropout
        )
        self.start_end = start_end
        self.max_context = max_context
        self._has_warned = False
        self.global_context = global_context
        self.local_context = local_context
        self.memory = span_memory * 2**20
        self.entity_view = _feed_forward(width)
        self.relation_view = _feed_forward(width)
        # Equations 3 and 4 have no projection and no residual: with initial scores
        # near 0, all units are fused to the same mean. With equal views of the same
        # scale as the input, each unit initially attends most to itself. The paper
        # does not specify this.
        self.relation_view.load_state_dict(self.entity_view.state_dict())
        self.fusion = InteractiveFusion(width) if fusion else None
        self.context = None
        if global_context != "cls":
            heads = n_heads if global_context == "sea" else None
            self.context = SpanContext(
                width, n_heads=heads, memory=self.memory, max_units=max_context
            )
        self.between = None
        if local_context == "attention":
            self.between = MaskedSelfAttention(width, n_heads=n_heads)
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
        sentence (Tensor): Used by the two "cls" contexts only. Shape: (W, D).
        layout (Layout): Windows, tokens, spans and pairs.
        RETURNS (JointOutputs): The logits.
        """
        tasks, layout = self.inputs(units, sentence, layout)
        views = self.compute_views(tasks, layout)
        windows = span_windows(layout.spans, layout.token_counts, layout.n_tokens)
        context = None
        if self.context is not None:
            spans = unit_ranges(layout.spans, layout.token_units)
            counts = layout.host_counts
            if counts is None:
                counts = tuple(layout.unit_counts.tolist())
            self._warn_about_long_windows(counts)
            context = self.context(
                views.entity, layout.unit_counts, spans, windows, counts
            )
        entity = relation = make_pooler("max", views.entity, layout)
        if views.relation is not views.entity:
            relation = make_pooler("max", views.relation, layout)
        between = self._context_between(relation, views.relation, tasks, layout)
        if self.start_end:
            entity = add_boundaries(entity, views.entity, layout)
            relation = add_boundaries(relation, views.relation, layout)
        inputs = HeadInputs(
            entity=entity,
            relation=relation,
            between=between,
            entity_sentence=tasks.entity_sentence if context is None else None,
            relation_sentence=None,
            spans=layout.spans,
            span_windows=windows,
            span_context=context,
        )
        return self.heads(inputs, layout)

    def _warn_about_long_windows(self, counts: tuple[int, ...]) -> None:
        limit = self.max_context
        count = sum(limit < n_units for n_units in counts) if limit else 0
        if count and not self._has_warned:
            self._has_warned = True
            message = Warnings.J922.format(count=count, limit=limit)
            warnings.warn(message, stacklevel=2)

    def loss(self, outputs: JointOutputs, targets: Targets) -> Loss:
        """Equation 15: the sum of the losses of spans and pairs."""
        # equation 16
        entities = cross_entropy(outputs.entity_logits, targets.entities)
        # equation 17
        relations = binary_cross_entropy(outputs.relation_logits, targets.relations)
        return Loss(entities + relations)

    def attention_maps(
        self, units: Tensor, sentence: Tensor, layout: Layout
    ) -> dict[str, AttentionMap]:
        """See ``JointNetwork.attention_maps``.

        The maps of interactive fusion (figures 7 and 8), one row per entity for SEA,
        and one row per pair for the attention between spans.
        """
        tasks, layout = self.inputs(units, sentence, layout)
        views = self.compute_views(tasks, layout)
        n_units = len(views.entity)
        tokens = TokenAxis(layout.token_units, n_units)
        maps = {}
        if views.weights is not None:
            names = ("relation query to entity key", "entity query to relation key")
            for name, weights in zip(names, views.weights, strict=True):
                maps[name] = tokens.square(weights)
        spans = unit_ranges(layout.spans, layout.token_units)
        sizes = spans[:, 1] - spans[:, 0]
        # an entity of the whole window has no context
        rows = ((sizes > 0) & (sizes < n_units)).nonzero().flatten()
        if self.context is not None and len(rows):
            of_spans = self.context.weights(views.entity, spans[rows])
            if of_spans is not None:
                maps["context of each entity"] = AttentionMap(
                    tokens.keys(of_spans).float(),
                    tuple(
                        ((start, end),) for start, end in layout.spans[rows].tolist()
                    ),
                    tokens.labels,
                )
        none = layout.spans.new_zeros((0, 2))
        pairs = layout.spans[none if layout.pairs is None else layout.pairs]
        ranges = between_ranges(pairs[:, 0], pairs[:, 1])
        pooler = self._context_between(
            make_pooler("max", views.relation, layout), views.relation, tasks, layout
        )
        units_between = unit_ranges(ranges, layout.token_units)
        rows = (units_between[:, 1] > units_between[:, 0]).nonzero().flatten()
        if isinstance(pooler, AttendedRanges) and len(rows):
            maps["context between the arguments"] = AttentionMap(
                tokens.keys(pooler.weights(ranges[rows])).float(),
                tuple(
                    ((head[0], head[1]), (tail[0], tail[1]))
                    for head, tail in pairs[rows].tolist()
                ),
                tokens.labels,
            )
        return maps

    def compute_views(self, tasks: TaskUnits, layout: Layout) -> "Views":
        """Compute the two views and fuse them (equations 1-5).

        tasks (TaskUnits): The inputs of the tasks.
        layout (Layout): The layout over their units.
        RETURNS (Views): The views, with the attention weights of both directions
            (figures 7 and 8).
        """
        entity = self.entity_view(tasks.entity)
        relation = self.relation_view(tasks.relation)
        if self.fusion is None:
            return Views(entity, relation, None)
        fused = self.fusion(
            entity,
            relation,
            layout.unit_counts,
            layout.longest_units,
            layout.host_counts,
        )
        weights = fused.relation_to_entity, fused.entity_to_relation
        return Views(fused.rows, fused.rows, weights)

    def _context_between(
        self,
        pooler: RangePooler,
        rows: Tensor,
        tasks: TaskUnits,
        layout: Layout,
    ) -> RangePooler:
        """RETURNS (RangePooler): Pools ``c(s1, s2)`` (equations 12 and 13; tables 5
        and 6)."""
        kind = self.local_context
        if kind == "max":
            return pooler
        if kind == "raw":
            return make_pooler("max", tasks.relation, layout)
        token_windows = window_ids(layout.token_counts, layout.n_tokens)
        if self.between is not None:
            return AttendedRanges(
                self.between,
                rows,
                layout.token_units,
                layout.unit_counts,
                token_windows,
                memory=self.memory,
            )
        if kind == "cls":
            return WindowVectors(tasks.relation_sentence, token_windows)
        whole = rows if kind == "global" else tasks.relation
        return WindowVectors(max_per_window(whole, layout), token_windows)


class Views(NamedTuple):
    """
    entity, relation (Tensor): The inputs for spans and pairs: both H, or X_e and X_r
        without fusion. Shape of each: (U, D).
    weights (tuple | None): Attention weights, padded: from relation rows to entity
        rows (equation 3), and from entity rows to relation rows (equation 4). Shape
        of each: (W, queries, keys).
    """

    entity: Tensor
    relation: Tensor
    weights: tuple[Tensor, Tensor] | None


def _feed_forward(width: int) -> nn.Sequential:
    """RETURNS (Sequential): Equations 1 and 2, with the initialization of He et al."""
    first, second = linear(width, width), linear(width, width)
    for layer in (first, second):
        nn.init.normal_(layer.weight, std=(2 / width) ** 0.5)
    return nn.Sequential(first, nn.ReLU(), second)
