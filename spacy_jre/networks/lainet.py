"""LAI-Net: Lai et al., "LAI: Label Annotation Interaction based Representation
Enhancement for End to End Relation Extraction" (2025)."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from ..layers.checks import check_choice, check_range
from ..layers.gaussian_graph import GaussianGraph
from ..layers.linear import linear
from ..layers.losses import cross_entropy
from ..layers.padding import WindowPadding
from ..layers.partial_attention import MarkersSee, Mask, PartialAttention
from .base import JointNetwork, Loss, Targets

Agreement = Literal["both", "mean", "forward", "threshold"]
# edges of a view to compute at once, including padding; a tensor of four views takes
# 32 MB
MAX_EDGES = 2**21


class MarkedSpans(NamedTuple):
    """Vectors of the encoder for the marked spans of a batch of graphs.

    A graph belongs to a window in the first stage and to a subject in the second
    stage. Its spans can be split over several passes of the encoder with the same
    text.

    spans (Tensor): First and last piece, start and end marker. Shape: (C, 4, D).
    passes (Tensor): Pass of each span. Shape: (C,).
    pass_graphs (Tensor): Graph of each pass, in ascending order. Shape: (P,).
    n_graphs (int): G.
    annotations (Tensor): First and last piece of the annotation of each label. A is
        0 without annotations. Shape: (P, A, 2, D).
    subjects (Tensor): First and last piece and solid markers of the subject of each
        pass. Shape: (P, 4, D), and (P, 0, D) in the first stage.
    """

    spans: Tensor
    passes: Tensor
    pass_graphs: Tensor
    n_graphs: int
    annotations: Tensor
    subjects: Tensor

    @property
    def graphs(self) -> Tensor:
        """Graph of each span. Shape: (C,)."""
        return self.pass_graphs[self.passes]


class EntityOutputs(NamedTuple):
    """
    filter_logits (Tensor | None): Columns: no entity, entity. None without a filter.
        Shape: (C, 2).
    nodes (Tensor): Indices of the classified spans. Shape: (S,).
    entity_logits (Tensor): Logits of these spans; column 0 is "none". Shape: (S, E +
        1).
    """

    filter_logits: Tensor | None
    nodes: Tensor
    entity_logits: Tensor


class LAINetOutputs(NamedTuple):
    """
    entity_logits (Tensor): Column 0 is "none", with probability 1 for a span that was
        not classified. Shape: (S, E + 1).
    pairs (Tensor): Indices of subject and object in the spans. Shape: (P, 2).
    relation_logits (Tensor): For the columns, see ``RelationStage``. Shape: (P, K).
    n_truncated (Tensor): Number of windows with more entities than were paired.
        Scalar.
    subject_first (Tensor): Whether the subject precedes the object in the text.
        Shape: (P,).
    filter_logits (Tensor | None): Columns: no entity, entity. None without a filter.
        Shape: (C, 2).
    filtered (Tensor): Indices of the spans in the filter. Shape: (C,).
    classified (Tensor): Indices of the classified spans. Shape: (N,).
    """

    entity_logits: Tensor
    pairs: Tensor
    relation_logits: Tensor
    n_truncated: Tensor
    subject_first: Tensor
    filter_logits: Tensor | None
    filtered: Tensor
    classified: Tensor


class LAINet(JointNetwork):
    """Two stages over text that is encoded with span markers and label annotations.

    Source: section 3 and the appendices. The stage ``entity`` filters and classifies
    all spans of a window, the stage ``relation`` classifies the pairs of a subject
    with all other entities. Each stage has its own input of the encoder. Equations
    and the code that implements them::

        5          input of the encoder: architectures/lainet/input.py
                   attention mask (B.11): layers/partial_attention.py
        6-8        graph over spans and annotations: ``LabelGraph``
        6, 7       Gaussians of the nodes: layers/gaussian_graph.py
        A1-A5      graph convolution: layers/gaussian_graph.py
        9          annotations: ``LabelGraph``
        10         spans, filter and classifier (3.4): ``EntityStage``
        11, 12     losses: ``LAINet.loss``
        13         pairs and classifier (3.5): ``RelationStage``, ``LabelGraph``
                   both orders of a pair (B.9): ``LAINet.relation_scores``
                   cold start (B.8): ``LAINet.is_cold``

    Equations 1-4 describe other models. Departures: the loss of equation 12 is a
    mean over all spans that pass the filter, not only over gold spans; a pair is
    projected to the width of the annotations, so that both are nodes of one graph; by
    default, both orders of a pair agree by their best labels, not by a threshold (B.9).
    """

    updates: Tensor

    def __init__(
        self,
        width: int,
        n_entity_labels: int,
        n_relation_labels: int,
        *,
        symmetric: Sequence[int] = (),
        cold_start: int = 1000,
        annotate: bool = True,
        mask: Mask = "invisible",
        text_sees_markers: bool = True,
        markers_see: MarkersSee = "all",
        filter: bool = True,
        filter_threshold: float = 0.5,
        filter_weight: float = 1.0,
        entity_layers: int = 2,
        entity_heads: int = 4,
        relation_layers: int = 2,
        relation_heads: int = 2,
        dropout: float = 0.1,
        graph_dropout: float = 0.1,
        agreement: Agreement = "both",
    ):
        """
        width (int): D of the encoder.
        n_entity_labels (int): E, without "none".
        n_relation_labels (int): R.
        symmetric (Sequence[int]): Indices of the relation labels without a
            direction.
        cold_start (int): Number of updates in which only gold spans are classified
            (appendix B.8). The paper counts epochs, which a component does not know.
        annotate (bool): Whether the input has annotations. Without them, there is no
            graph either (table 4, "w/o 1st").
        mask, text_sees_markers, markers_see: See ``PartialAttention`` (table 5).
        filter (bool): Whether spans are filtered first (table 2).
        filter_threshold (float): Minimum probability of an entity to pass the filter.
        filter_weight (float): Weight of the loss of the filter. The paper has 1. The
            filter loss is a mean over all spans, the loss of the classifier a mean
            over about one in fifty, so a span has a fifty times smaller weight in the
            filter loss.
        entity_layers, relation_layers (int): Layers of the graph (table 2). 0 is
            "w/o 2nd" in table 4.
        entity_heads, relation_heads (int): Views of the graph (table 2). D must be
            divisible by each.
        dropout (float): Rate before the filter and the classifiers.
        graph_dropout (float): Rate in the graph.
        agreement (str): How relations are decoded from both orders of a pair: "both"
            orders have the same best label, the "mean" of their log probabilities,
            or the "forward" order alone. "threshold": as in B.9, the
            score is the lower probability of both orders, which has to reach the
            ``threshold`` of the component. Of several labels, the best one is used.
        RAISES (ValueError): J201, J202 or J203 for invalid settings.
        """
        super().__init__()
        check_choice("agreement", agreement, tuple(AGREEMENTS))
        good = 0.0 <= filter_threshold <= 1.0
        check_range("filter_threshold", filter_threshold, good, "within 0 and 1")
        check_range("filter_weight", filter_weight, filter_weight > 0.0, "above 0")
        check_range("cold_start", cold_start, cold_start >= 0, "at least 0")
        self.cold_start = cold_start
        # saved with the weights, so that a loaded pipeline continues the count
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))
        self.filter_weight = filter_weight
        self.agree = AGREEMENTS[agreement]
        self.attention = PartialAttention(
            mask=mask, text_sees_markers=text_sees_markers, markers_see=markers_see
        )
        self.entity = EntityStage(
            width,
            n_entity_labels,
            filter=filter,
            filter_threshold=filter_threshold,
            n_layers=entity_layers if annotate else 0,
            n_heads=entity_heads,
            dropout=dropout,
            graph_dropout=graph_dropout,
        )
        self.relation = RelationStage(
            width,
            n_relation_labels,
            symmetric,
            n_layers=relation_layers if annotate else 0,
            n_heads=relation_heads,
            dropout=dropout,
            graph_dropout=graph_dropout,
        )

    def is_cold(self) -> bool:
        """Whether only gold spans are classified in training (appendix B.8)."""
        return int(self.updates) < self.cold_start

    def count_update(self) -> None:
        # an update can include several batches, some of them without annotations
        if any(parameter.grad is not None for parameter in self.parameters()):
            self.updates += 1

    def loss(self, outputs: LAINetOutputs, targets: Targets) -> Loss:
        """The sum of the losses of both stages.

        First stage: ``L_filter`` (equation 11), a mean over all spans, with a weight,
        and ``L_span`` (equation 12), a mean over the classified spans. Second stage:
        cross-entropy, a mean over the ordered pairs (section 3.5).
        """
        # equation 12
        classified = outputs.classified
        loss = cross_entropy(
            outputs.entity_logits[classified], targets.entities[classified]
        )
        if outputs.filter_logits is not None:
            # equation 11
            is_entity = (targets.entities[outputs.filtered] > 0).long()
            filtered = cross_entropy(outputs.filter_logits, is_entity)
            loss = loss + self.filter_weight * filtered
        columns, n_multi_label = pair_columns(
            targets.relations > 0,
            find_reversed(outputs.pairs),
            outputs.subject_first,
            self.relation.inverses,
        )
        return Loss(
            loss + cross_entropy(outputs.relation_logits, columns), n_multi_label
        )

    def relation_scores(self, outputs: LAINetOutputs) -> Tensor:
        """Decode relations from both orders of each pair (appendix B.9).

        RETURNS (Tensor): The score of the label of each pair, 0 for all other labels.
            Shape: (P, R).
        """
        log_probs = outputs.relation_logits.float().log_softmax(1)
        rows, inverses = find_reversed(outputs.pairs), self.relation.inverses
        columns, scores = self.agree(log_probs, log_probs[rows], inverses)
        # a pair without its reversed pair is decoded alone
        single, single_scores = agree_forward(log_probs, log_probs, inverses)
        columns = torch.where(rows < 0, single, columns)
        scores = torch.where(rows < 0, single_scores, scores)
        # column 0 is "none", and inverse labels follow the labels
        result = torch.zeros_like(log_probs).scatter(
            1, columns.unsqueeze(1), scores.unsqueeze(1)
        )
        return result[:, 1 : 1 + self.relation.n_labels]


class EntityStage(nn.Module):
    """Represent and filter spans, run the graph, and classify them (section 3.4)."""

    def __init__(
        self,
        width: int,
        n_labels: int,
        *,
        filter: bool,
        filter_threshold: float,
        n_layers: int,
        n_heads: int,
        dropout: float,
        graph_dropout: float,
    ):
        """See ``LAINet``."""
        super().__init__()
        self.represent = linear(4 * width, width)
        self.filter = linear(width, 2) if filter else None
        self.filter_threshold = filter_threshold
        self.interact = make_label_graph(width, n_layers, n_heads, graph_dropout)
        self.dropout = nn.Dropout(dropout)
        self.classify = linear(width, n_labels + 1)

    def forward(
        self, marked: MarkedSpans, gold: Tensor | None = None, *, cold: bool = False
    ) -> EntityOutputs:
        """
        marked (MarkedSpans): All spans of a batch of windows. Each window is a graph.
        gold (Tensor | None): In training, which spans are entities. They are always
            classified. Shape: (C,), bool.
        cold (bool): Classify gold spans only (appendix B.8).
        RETURNS (EntityOutputs): The logits.
        """
        # equation 10
        spans = self.represent(marked.spans.flatten(1))
        kept = spans.new_ones(len(spans), dtype=torch.bool)
        filter_logits = None
        if self.filter is not None:
            filter_logits = self.filter(self.dropout(spans))
            probability = filter_logits.detach().float().softmax(1)[:, 1]
            kept = probability >= self.filter_threshold
            if gold is not None:
                kept = gold if cold else kept | gold
        nodes = kept.nonzero().squeeze(1)
        # equation 8
        rows = self.interact(spans[nodes], marked.graphs[nodes], marked)
        return EntityOutputs(filter_logits, nodes, self.classify(self.dropout(rows)))


class RelationStage(nn.Module):
    """Pair each subject with its objects, run the graph, and classify the pairs.

    Source: section 3.5. The columns are "none", the labels, and an inverse label for
    each label with a direction. A pair has the inverse label if the reversed pair,
    from object to subject, has the label.

    inverses (Tensor): The column of the reversed pair, for each column. Shape: (K,).
    """

    inverses: Tensor

    def __init__(
        self,
        width: int,
        n_labels: int,
        symmetric: Sequence[int],
        *,
        n_layers: int,
        n_heads: int,
        dropout: float,
        graph_dropout: float,
    ):
        """See ``LAINet``."""
        super().__init__()
        self.n_labels = n_labels
        inverses = inverse_columns(n_labels, symmetric)
        # not saved: it follows from the labels
        self.register_buffer("inverses", torch.tensor(inverses), persistent=False)
        self.subject = linear(4 * width, width)
        self.object = linear(4 * width, width)
        self.pair = linear(2 * width, width)
        self.interact = make_label_graph(width, n_layers, n_heads, graph_dropout)
        self.dropout = nn.Dropout(dropout)
        self.classify = linear(width, len(inverses))

    def forward(self, marked: MarkedSpans) -> Tensor:
        """
        marked (MarkedSpans): The objects of a batch of subjects. Each subject is a
            graph.
        RETURNS (Tensor): Logits of the subject with each object. Shape: (C, K).
        """
        objects = self.object(marked.spans.flatten(1))
        subjects = self.subject(marked.subjects.flatten(1))
        pairs = self.pair(torch.cat([subjects[marked.passes], objects], 1))
        # equation 13
        rows = self.interact(pairs, marked.graphs, marked)
        return self.classify(self.dropout(rows))


class LabelGraph(nn.Module):
    """A graph over nodes and label annotations: the second round of interaction.

    Source: section 3.3, equations 8 and 13, and section 3.4, equation 9.
    """

    def __init__(self, width: int, n_layers: int, n_heads: int, dropout: float):
        super().__init__()
        self.annotation = linear(2 * width, width)
        self.graph = GaussianGraph(
            width, n_heads=n_heads, n_layers=n_layers, dropout=dropout
        )

    def forward(self, rows: Tensor, graphs: Tensor, marked: MarkedSpans) -> Tensor:
        """
        rows (Tensor): Nodes of spans or pairs. Shape: (S, D).
        graphs (Tensor): The graph of each row, in ascending order. Shape: (S,).
        marked (MarkedSpans): Includes the annotations.
        RETURNS (Tensor): The new rows. Shape: (S, D).
        """
        counts = count_sorted(graphs, marked.n_graphs)
        # synchronizes with the GPU: the host needs the sizes
        sizes = counts.tolist()
        groups = group_by_size(sizes, marked.annotations.shape[1], MAX_EDGES)
        # annotations without other nodes need no graph
        if not groups:
            return rows
        order = torch.tensor([g for group in groups for g in group], device=rows.device)
        ranks = torch.zeros_like(counts)
        ranks[order] = torch.arange(len(order), device=rows.device)
        by_group = torch.argsort(ranks[graphs], stable=True)
        parts = zip(
            rows[by_group].split([sum(sizes[g] for g in group) for group in groups]),
            counts[order].split([len(group) for group in groups]),
            self._annotations(marked)[order].split([len(group) for group in groups]),
            [sizes[group[0]] for group in groups],
            strict=True,
        )
        outputs = torch.cat([self._run_graphs(*part) for part in parts])
        return 0.5 * (rows + outputs[torch.argsort(by_group)])

    def _run_graphs(
        self, rows: Tensor, counts: Tensor, annotations: Tensor, longest: int
    ) -> Tensor:
        """Run the graphs of one group, padded together.

        counts (Tensor): Rows of each graph. Shape: (G,).
        annotations (Tensor): Shape: (G, A, D).
        longest (int): The largest count.
        """
        padding = WindowPadding(counts, longest, len(rows))
        nodes = torch.cat([padding.pad(rows), annotations.to(rows.dtype)], 1)
        no_padding = padding.keys.new_ones(annotations.shape[:2])
        outputs = self.graph(nodes, torch.cat([padding.keys, no_padding], 1))
        return padding.unpad(outputs[:, :longest])

    def _annotations(self, marked: MarkedSpans) -> Tensor:
        """Compute one row per label and graph: the mean over its passes.

        The number of passes depends on memory and must not affect the graph.

        RETURNS (Tensor): Shape: (G, A, D).
        """
        # equation 9
        rows = self.annotation(marked.annotations.flatten(2))
        sums = rows.new_zeros((marked.n_graphs, *rows.shape[1:]))
        sums = sums.index_add(0, marked.pass_graphs, rows)
        counts = count_sorted(marked.pass_graphs, marked.n_graphs)
        return sums / counts.clamp(min=1).view(-1, 1, 1).to(rows.dtype)


def count_sorted(numbers: Tensor, size: int) -> Tensor:
    """Count how often each number occurs, without a synchronization with the GPU.

    ``bincount`` would synchronize.

    numbers (Tensor): In ascending order. Shape: (S,).
    size (int): Larger than the largest number.
    RETURNS (Tensor): Shape: (size,).
    """
    bounds = torch.arange(size + 1, device=numbers.device)
    return torch.searchsorted(numbers, bounds).diff()


def group_by_size(
    counts: Sequence[int], n_annotations: int, max_edges: int
) -> list[list[int]]:
    """Group graphs of similar size, to limit padding.

    counts (Sequence[int]): Nodes of each graph, without annotations.
    n_annotations (int): Annotations of each graph.
    max_edges (int): Maximum number of edges of a group, including padding. A larger
        graph is a group of its own.
    RETURNS (list[list[int]]): Indices of the graphs with nodes, sorted by size, the
        largest first. Padding at most doubles the size of a graph.
    """
    filled = [number for number, count in enumerate(counts) if count]
    groups: list[list[int]] = []
    longest = 0
    for number in sorted(filled, key=lambda number: -counts[number]):
        n_nodes = counts[number] + n_annotations
        if (
            groups
            and 2 * n_nodes >= longest
            and (len(groups[-1]) + 1) * longest**2 <= max_edges
        ):
            groups[-1].append(number)
        else:
            groups.append([number])
            longest = n_nodes
    return groups


class NoGraph(nn.Module):
    """A ``LabelGraph`` without layers: returns the rows unchanged."""

    def forward(self, rows: Tensor, graphs: Tensor, marked: MarkedSpans) -> Tensor:
        return rows


def make_label_graph(
    width: int, n_layers: int, n_heads: int, dropout: float
) -> nn.Module:
    """RETURNS (Module): A LabelGraph, or a NoGraph for 0 layers."""
    if n_layers == 0:
        return NoGraph()
    return LabelGraph(width, n_layers, n_heads, dropout)


# columns of the relation classifier ---------------------------------------------------


def inverse_columns(n_labels: int, symmetric: Sequence[int]) -> list[int]:
    """Return the column of the reversed pair, for each column.

    "None" and symmetric labels are their own inverses. Any other label and its
    inverse label are inverses of each other. Inverse labels follow the labels, in
    the same order.

    n_labels (int): R.
    symmetric (Sequence[int]): Indices of the labels without a direction.
    RETURNS (list[int]): One per column: "none", R labels, inverse labels.
    """
    directed = [label for label in range(n_labels) if label not in set(symmetric)]
    inverses = list(range(1 + n_labels))
    for number, label in enumerate(directed):
        inverses[1 + label] = 1 + n_labels + number
        inverses.append(1 + label)
    return inverses


# decoding both orders of a pair -------------------------------------------------------


def agree_both(
    log_probs: Tensor, reversed_log_probs: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose the best column if both orders agree on it (B.9).

    log_probs (Tensor): Log probabilities of ordered pairs. Shape: (P, K).
    reversed_log_probs (Tensor): Those of the reversed pairs. Shape: (P, K).
    inverses (Tensor): See ``RelationStage``. Shape: (K,).
    RETURNS (tuple[Tensor, Tensor]): Columns, 0 if the orders disagree, and scores,
        the mean of both probabilities. Shape of each: (P,).
    """
    best = log_probs.argmax(1)
    agreed = reversed_log_probs.argmax(1) == inverses[best]
    scores = _mean_score(best, log_probs, reversed_log_probs, inverses)
    return best * agreed, scores


def agree_mean(
    log_probs: Tensor, reversed_log_probs: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose the best column of the sum of both orders, as PL-Marker does.

    See ``agree_both``.
    """
    best = (log_probs + reversed_log_probs[:, inverses]).argmax(1)
    return best, _mean_score(best, log_probs, reversed_log_probs, inverses)


def agree_forward(
    log_probs: Tensor, reversed_log_probs: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose the best column of the given order. See ``agree_both``."""
    best = log_probs.argmax(1)
    return best, _choose(log_probs, best).exp()


def agree_threshold(
    log_probs: Tensor, reversed_log_probs: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """Choose the label with the best lower probability of both orders (B.9).

    RETURNS (tuple[Tensor, Tensor]): Columns, never 0, and the lower probabilities,
        which are compared with the threshold. See ``agree_both``.
    """
    lower = torch.minimum(log_probs, reversed_log_probs[:, inverses])
    best = lower[:, 1:].argmax(1) + 1
    return best, _choose(lower, best).exp()


AGREEMENTS: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "both": agree_both,
    "mean": agree_mean,
    "forward": agree_forward,
    "threshold": agree_threshold,
}


def _mean_score(
    best: Tensor, log_probs: Tensor, reversed_log_probs: Tensor, inverses: Tensor
) -> Tensor:
    first = _choose(log_probs, best)
    second = _choose(reversed_log_probs, inverses[best])
    return 0.5 * (first.exp() + second.exp())


def _choose(rows: Tensor, columns: Tensor) -> Tensor:
    return rows.gather(1, columns.unsqueeze(1)).squeeze(1)


# targets of pairs ---------------------------------------------------------------------


def find_reversed(pairs: Tensor) -> Tensor:
    """Find the reversed pair of each pair.

    pairs (Tensor): Distinct ordered pairs. Shape: (P, 2).
    RETURNS (Tensor): Indices of the reversed pairs, -1 for missing pairs. Shape:
        (P,).
    """
    if not len(pairs):
        return pairs.new_zeros((0,))
    size = pairs.max() + 1
    keys = pairs[:, 0] * size + pairs[:, 1]
    reversed_keys = pairs[:, 1] * size + pairs[:, 0]
    order = keys.argsort()
    index = torch.searchsorted(keys[order], reversed_keys).clamp(max=len(keys) - 1)
    rows = order[index]
    return torch.where(keys[rows] == reversed_keys, rows, -1)


def pair_columns(
    relations: Tensor, reversed_rows: Tensor, subject_first: Tensor, inverses: Tensor
) -> tuple[Tensor, int]:
    """Choose the target column of each ordered pair (section 3.5, appendix B.9).

    A pair has the column of its relation, the reversed pair has the inverse column.
    If two entities have several relations, only one is used, so that both orders can
    agree: the first one in label order, and for one label in both directions, the
    relation with the head that is first in the text.

    relations (Tensor): The labels of each pair. Shape: (P, R), bool.
    reversed_rows (Tensor): The result of ``find_reversed``. Shape: (P,).
    subject_first (Tensor): See ``LAINetOutputs``. Shape: (P,).
    inverses (Tensor): See ``RelationStage``. Shape: (K,).
    RETURNS (tuple[Tensor, int]): Columns, 0 for "none", shape: (P,), and the number
        of unordered pairs with several relations.
    """
    n_labels, n_columns = relations.shape[1], len(inverses)
    has_reversed = reversed_rows >= 0
    reversed_relations = relations[reversed_rows] & has_reversed.unsqueeze(1)
    is_gold = relations.new_zeros((len(relations), n_columns))
    is_gold[:, 1 : 1 + n_labels] = relations
    is_gold[:, inverses[1 : 1 + n_labels]] |= reversed_relations
    # an inverse label ranks directly after its label, from the first entity in the text
    columns = torch.arange(n_columns, device=inverses.device)
    ranks = torch.minimum(columns, inverses) * n_columns + columns
    ranks = torch.where(subject_first.unsqueeze(1), ranks, ranks[inverses])
    best = ranks.masked_fill(~is_gold, n_columns**2).argmin(1)
    counts = is_gold.sum(1)
    # count a pair and its reversed pair once
    once = subject_first | ~has_reversed
    n_multi_label = int(((counts > 1) & once).sum())
    return torch.where(counts > 0, best, 0), n_multi_label
