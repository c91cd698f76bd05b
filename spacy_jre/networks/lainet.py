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

Agreement = Literal["both", "mean", "forward"]
# edges of a view, padding included, that are computed at once; a tensor of four views
# takes 32 MB
MAX_EDGES = 2**21


class MarkedSpans(NamedTuple):
    """What the encoder says of the spans of some graphs, one graph after the other.

    A graph is a window in the first stage, a subject in the second. It may have been
    read in several passes, which share its text and divide its spans.

    spans (Tensor): First and last piece, start and end marker. Shape: (C, 4, D).
    passes (Tensor): Pass of each span. Shape: (C,).
    pass_graphs (Tensor): Graph of each pass, in rising order. Shape: (P,).
    n_graphs (int): G.
    annotations (Tensor): First and last piece of each label's annotation; A is 0
        where none were read. Shape: (P, A, 2, D).
    subjects (Tensor): As `spans`, of the subject of each pass, with its solid
        markers. Shape: (P, 4, D); (P, 0, D) in the first stage.
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
    filter_logits (Tensor | None): No entity, entity; None without a filter. (C, 2).
    nodes (Tensor): The spans that were classified. Shape: (S,).
    entity_logits (Tensor): Theirs; column 0 is "none". Shape: (S, E + 1).
    """

    filter_logits: Tensor | None
    nodes: Tensor
    entity_logits: Tensor


class LAINetOutputs(NamedTuple):
    """
    entity_logits (Tensor): Column 0 is "none", which is certain for a span that was
        not classified. Shape: (S, E + 1).
    pairs (Tensor): Positions of subject and object in the spans. Shape: (P, 2).
    relation_logits (Tensor): Columns as of ``RelationStage``. Shape: (P, K).
    n_truncated (Tensor): Windows that proposed more entities than were paired. Scalar.
    subject_first (Tensor): Whether the subject precedes the object in the text. (P,).
    filter_logits (Tensor | None): No entity, entity; None without a filter. (C, 2).
    filtered (Tensor): The spans that the filter saw. Shape: (C,).
    classified (Tensor): The spans that were classified. Shape: (N,).
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
    """Spans marked beside the text read it together with annotations of the labels.

    Source: section 3. Two stages, each reading an encoder's output over an input of
    its own: ``entity`` filters and classifies all spans of a window, ``relation``
    classifies one subject with all other entities. What the encoder is to read, and
    ``attention``, the mask it reads under, are the first round of interaction; a
    graph over spans and annotations is the second.
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
        symmetric (Sequence[int]): Relation labels without a direction, from 0.
        cold_start (int): Updates in which only gold spans are classified (appendix
            B.8). Counted in updates, since a component does not know epochs.
        annotate (bool): Whether the input has annotations; without them there is no
            graph either (table 4, "w/o 1st").
        mask, text_sees_markers, markers_see: See ``PartialAttention`` (table 5).
        filter (bool): Whether spans are filtered first (table 2).
        filter_threshold (float): Least probability of an entity to pass the filter.
        filter_weight (float): Of the filter's loss beside the classifier's. 1 in the
            paper, where one mean is over all spans, the other over some fiftieth of
            them, so that a span counts fifty times less in the first.
        entity_layers, relation_layers (int): Layers of the graph (table 2); 0 is
            "w/o 2nd" of table 4.
        entity_heads, relation_heads (int): Views of the graph (table 2); they divide
            D.
        dropout (float): Rate before the filter and the classifiers.
        graph_dropout (float): Rate in the graph.
        agreement (str): Which relations are read off the two orders of a pair: see
            ``agree_both``, ``agree_mean``, ``agree_forward``.
        RAISES (ValueError): J201, J202 or J203 for settings that do not fit.
        """
        super().__init__()
        check_choice("agreement", agreement, tuple(AGREEMENTS))
        good = 0.0 <= filter_threshold <= 1.0
        check_range("filter_threshold", filter_threshold, good, "within 0 and 1")
        check_range("filter_weight", filter_weight, filter_weight > 0.0, "above 0")
        check_range("cold_start", cold_start, cold_start >= 0, "at least 0")
        self.cold_start = cold_start
        # saved with the weights: a loaded pipeline goes on where it was
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
        """Whether only gold spans are classified in learning (appendix B.8)."""
        return int(self.updates) < self.cold_start

    def count_update(self) -> None:
        # one update may be made of several batches, some of which teach nothing
        if any(parameter.grad is not None for parameter in self.parameters()):
            self.updates += 1

    def loss(self, outputs: LAINetOutputs, targets: Targets) -> Loss:
        """``L_filter + L_span`` of the first stage (equations 11 and 12), the filter's
        loss with a weight, and the loss of the second (section 3.5).

        The filter's loss is a mean over all spans, the others are means over the
        classified spans and over the ordered pairs.
        """
        classified = outputs.classified
        loss = cross_entropy(
            outputs.entity_logits[classified], targets.entities[classified]
        )
        if outputs.filter_logits is not None:
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
        """Read relations off both orders of each pair (appendix B.9).

        RETURNS (Tensor): The score of the label that a pair has, 0 for all others.
            Shape: (P, R).
        """
        logs = outputs.relation_logits.float().log_softmax(1)
        rows, inverses = find_reversed(outputs.pairs), self.relation.inverses
        columns, scores = self.agree(logs, logs[rows], inverses)
        # a pair that is given in one order only is read by itself
        single, single_scores = agree_forward(logs, logs, inverses)
        columns = torch.where(rows < 0, single, columns)
        scores = torch.where(rows < 0, single_scores, scores)
        found = logs.new_zeros((len(logs), self.relation.n_labels))
        is_label = (columns > 0) & (columns <= self.relation.n_labels)
        rows = is_label.nonzero().squeeze(1)
        found[rows, columns[rows] - 1] = scores[rows]
        return found


class EntityStage(nn.Module):
    """Section 3.4: represent, filter, let read each other, classify."""

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
        marked (MarkedSpans): All spans of some windows; a window is a graph.
        gold (Tensor | None): In learning, which spans are entities: they are
            classified, whatever the filter says. Shape: (C,), bool.
        cold (bool): Classify these alone (appendix B.8).
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
        rows = self.interact(spans[nodes], marked.graphs[nodes], marked)
        return EntityOutputs(filter_logits, nodes, self.classify(self.dropout(rows)))


class RelationStage(nn.Module):
    """Section 3.5: pair the subject with every object, let read each other, classify.

    Columns are "none", the labels, and an inverse twin of each label that has a
    direction: what the pair is when read from object to subject.

    inverses (Tensor): The column that the other order of a pair has. Shape: (K,).
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
        # no weight: it follows from the labels
        self.register_buffer("inverses", torch.tensor(inverses), persistent=False)
        self.subject = linear(4 * width, width)
        self.object = linear(4 * width, width)
        self.pair = linear(2 * width, width)
        self.interact = make_label_graph(width, n_layers, n_heads, graph_dropout)
        self.dropout = nn.Dropout(dropout)
        self.classify = linear(width, len(inverses))

    def forward(self, marked: MarkedSpans) -> Tensor:
        """
        marked (MarkedSpans): The objects of some subjects; a subject is a graph.
        RETURNS (Tensor): Of the subject with each object. Shape: (C, K).
        """
        objects = self.object(marked.spans.flatten(1))
        subjects = self.subject(marked.subjects.flatten(1))
        pairs = self.pair(torch.cat([subjects[marked.passes], objects], 1))
        # equation 13
        rows = self.interact(pairs, marked.graphs, marked)
        return self.classify(self.dropout(rows))


class LabelGraph(nn.Module):
    """The second round of interaction: nodes read the label annotations, each other.

    Source: section 3.3, equations 8 and 13; equation 9 for the annotations.
    """

    def __init__(self, width: int, n_layers: int, n_heads: int, dropout: float):
        super().__init__()
        self.annotation = linear(2 * width, width)
        self.graph = GaussianGraph(
            width, n_heads=n_heads, n_layers=n_layers, dropout=dropout
        )

    def forward(self, rows: Tensor, graphs: Tensor, marked: MarkedSpans) -> Tensor:
        """
        rows (Tensor): Nodes that are no annotations. Shape: (S, D).
        graphs (Tensor): The graph of each, in rising order. Shape: (S,).
        marked (MarkedSpans): Where the annotations are.
        RETURNS (Tensor): Shape: (S, D).
        """
        counts = count_sorted(graphs, marked.n_graphs)
        # the host has to know the sizes, and waits for a GPU this once
        sizes = counts.tolist()
        groups = group_by_size(sizes, marked.annotations.shape[1], MAX_EDGES)
        # an annotation that nothing reads needs no graph
        if not groups:
            return rows
        order = torch.tensor([g for group in groups for g in group], device=rows.device)
        places = torch.zeros_like(counts)
        places[order] = torch.arange(len(order), device=rows.device)
        by_group = torch.argsort(places[graphs], stable=True)
        parts = zip(
            rows[by_group].split([sum(sizes[g] for g in group) for group in groups]),
            counts[order].split([len(group) for group in groups]),
            self._annotations(marked)[order].split([len(group) for group in groups]),
            [sizes[group[0]] for group in groups],
            strict=True,
        )
        read = torch.cat([self._read(*part) for part in parts])
        return 0.5 * (rows + read[torch.argsort(by_group)])

    def _read(
        self, rows: Tensor, counts: Tensor, annotations: Tensor, longest: int
    ) -> Tensor:
        """Of graphs that are padded together.

        counts (Tensor): Rows of each. Shape: (G,).
        annotations (Tensor): Shape: (G, A, D).
        longest (int): The largest count.
        """
        padding = WindowPadding(counts, longest, len(rows))
        nodes = torch.cat([padding.pad(rows), annotations.to(rows.dtype)], 1)
        known = padding.keys.new_ones(annotations.shape[:2])
        read = self.graph(nodes, torch.cat([padding.keys, known], 1))
        return padding.unpad(read[:, :longest])

    def _annotations(self, marked: MarkedSpans) -> Tensor:
        """One row per label and graph: the mean over the graph's passes, which are a
        matter of memory and must not shape the graph. Shape: (G, A, D)."""
        # equation 9
        rows = self.annotation(marked.annotations.flatten(2))
        sums = rows.new_zeros((marked.n_graphs, *rows.shape[1:]))
        sums = sums.index_add(0, marked.pass_graphs, rows)
        counts = count_sorted(marked.pass_graphs, marked.n_graphs)
        return sums / counts.clamp(min=1).view(-1, 1, 1).to(rows.dtype)


def count_sorted(numbers: Tensor, size: int) -> Tensor:
    """How many rows have each number; ``bincount`` would make the host wait for a GPU.

    numbers (Tensor): In rising order. Shape: (S,).
    size (int): Above the largest number.
    RETURNS (Tensor): Shape: (size,).
    """
    wanted = torch.arange(size + 1, device=numbers.device)
    return torch.searchsorted(numbers, wanted).diff()


def group_by_size(
    counts: Sequence[int], n_annotations: int, max_edges: int
) -> list[list[int]]:
    """Group graphs of much the same size, which little padding makes equal.

    counts (Sequence[int]): Nodes of each graph that are no annotations.
    n_annotations (int): The others.
    max_edges (int): Most edges of a group, padding included, but for a single larger
        graph.
    RETURNS (list[list[int]]): Numbers of the graphs that have nodes, the largest
        first. None grows to more than twice its nodes.
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
    """In place of a ``LabelGraph`` of no layers: nodes stay as they are."""

    def forward(self, rows: Tensor, graphs: Tensor, marked: MarkedSpans) -> Tensor:
        return rows


def make_label_graph(
    width: int, n_layers: int, n_heads: int, dropout: float
) -> nn.Module:
    """RETURNS (Module): A LabelGraph; without layers, one that changes nothing."""
    if n_layers == 0:
        return NoGraph()
    return LabelGraph(width, n_layers, n_heads, dropout)


# columns of the relation classifier ---------------------------------------------------


def inverse_columns(n_labels: int, symmetric: Sequence[int]) -> list[int]:
    """The column of the other order of a pair, for each column.

    "None" and symmetric labels are their own inverses; any other label and its twin
    are each other's. Twins follow the labels, in their order.

    n_labels (int): R.
    symmetric (Sequence[int]): Labels without a direction, from 0.
    RETURNS (list[int]): One per column: 1 + R + twins.
    """
    directed = [label for label in range(n_labels) if label not in set(symmetric)]
    inverses = list(range(1 + n_labels))
    for number, label in enumerate(directed):
        inverses[1 + label] = 1 + n_labels + number
        inverses.append(1 + label)
    return inverses


# which relations two orders of a pair agree on ----------------------------------------


def agree_both(
    logs: Tensor, mirrored: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """The best column of both orders, where they are each other's mirror (B.9).

    logs (Tensor): Log probabilities of ordered pairs. Shape: (P, K).
    mirrored (Tensor): Of the same pairs in the other order. Shape: (P, K).
    inverses (Tensor): Shape: (K,).
    RETURNS (tuple[Tensor, Tensor]): Columns, 0 where they disagree, and scores, the
        mean of both probabilities. Shape of each: (P,).
    """
    best = logs.argmax(1)
    agreed = mirrored.argmax(1) == inverses[best]
    return best * agreed, _mean_score(best, logs, mirrored, inverses)


def agree_mean(
    logs: Tensor, mirrored: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """The best column of the sum of both orders (PL-Marker). See ``agree_both``."""
    best = (logs + mirrored[:, inverses]).argmax(1)
    return best, _mean_score(best, logs, mirrored, inverses)


def agree_forward(
    logs: Tensor, mirrored: Tensor, inverses: Tensor
) -> tuple[Tensor, Tensor]:
    """The best column of the order at hand alone. See ``agree_both``."""
    best = logs.argmax(1)
    return best, _chosen(logs, best).exp()


AGREEMENTS: dict[str, Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]] = {
    "both": agree_both,
    "mean": agree_mean,
    "forward": agree_forward,
}


def _mean_score(
    best: Tensor, logs: Tensor, mirrored: Tensor, inverses: Tensor
) -> Tensor:
    first, second = _chosen(logs, best), _chosen(mirrored, inverses[best])
    return 0.5 * (first.exp() + second.exp())


def _chosen(rows: Tensor, columns: Tensor) -> Tensor:
    return rows.gather(1, columns.unsqueeze(1)).squeeze(1)


# gold ---------------------------------------------------------------------------------


def find_reversed(pairs: Tensor) -> Tensor:
    """The row of each pair's other order.

    pairs (Tensor): Ordered pairs, each once. Shape: (P, 2).
    RETURNS (Tensor): Rows, or -1 where the other order is not there. Shape: (P,).
    """
    if not len(pairs):
        return pairs.new_zeros((0,))
    size = int(pairs.max()) + 1
    keys, mirrored = pairs[:, 0] * size + pairs[:, 1], pairs[:, 1] * size + pairs[:, 0]
    order = keys.argsort()
    places = torch.searchsorted(keys[order], mirrored).clamp(max=len(keys) - 1)
    rows = order[places]
    return torch.where(keys[rows] == mirrored, rows, -1)


def pair_columns(
    relations: Tensor, reversed_rows: Tensor, subject_first: Tensor, inverses: Tensor
) -> tuple[Tensor, int]:
    """The column of each ordered pair (section 3.5, appendix B.9).

    A relation labels its pair, and its mirror the other order. Of several relations
    of two entities one is learnt, so that both orders can agree on it: the first in
    label order; of one label in both directions, that whose head comes first.

    relations (Tensor): The labels of each pair. Shape: (P, R), bool.
    reversed_rows (Tensor): Of ``find_reversed``. Shape: (P,).
    subject_first (Tensor): See ``LAINetOutputs``. Shape: (P,).
    inverses (Tensor): Shape: (K,).
    RETURNS (tuple[Tensor, int]): Columns, 0 for none, shape: (P,); and how many two
        entities have several relations.
    """
    n_labels, n_columns = relations.shape[1], len(inverses)
    has_mirror = reversed_rows >= 0
    of_mirror = relations[reversed_rows] & has_mirror.unsqueeze(1)
    found = relations.new_zeros((len(relations), n_columns))
    found[:, 1 : 1 + n_labels] = relations
    found[:, inverses[1 : 1 + n_labels]] |= of_mirror
    # a twin ranks as its label, and comes after it, as the first entity sees the other
    columns = torch.arange(n_columns, device=inverses.device)
    ranks = torch.minimum(columns, inverses) * n_columns + columns
    ranks = torch.where(subject_first.unsqueeze(1), ranks, ranks[inverses])
    best = ranks.masked_fill(~found, n_columns**2).argmin(1)
    counts = found.sum(1)
    once = subject_first | ~has_mirror
    n_multi_label = int(((counts > 1) & once).sum())
    return torch.where(counts > 0, best, 0), n_multi_label
