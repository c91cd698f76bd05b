"""Align the gold annotation with the predicted tokens, and create targets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from spacy.training import Example

from ..annotations import GivenEntity, Gold, given_entities, read_gold
from ..annotations.align import TextAlignment
from ..annotations.gold import SpanKey
from ..errors import Errors, JREError
from ..layers.layout import Targets
from ..layers.losses import UNKNOWN
from ..types import Candidates, Labels, Windows
from .tags import OUTSIDE, Entity, plain_tags, tag_tokens


@dataclass
class SkippedGold:
    """Counts of gold annotation that is not used for training.

    entities (int): Entities that do not match predicted tokens, cross the boundary of
        a window, or have no units.
    relations (int): Relations with a skipped argument, or between two windows.
    two_labels (int): Spans with two gold labels. The first in label order is used.
    unannotated (int): Docs without annotation.
    unknown (int): Given entities with an unknown label.
    not_given (int): Relations with an argument that is not one of the given entities.
    """

    entities: int = 0
    relations: int = 0
    two_labels: int = 0
    unannotated: int = 0
    unknown: int = 0
    not_given: int = 0


@dataclass(frozen=True)
class GoldBatch:
    """The gold annotation of a batch, with token offsets over the whole batch.

    If windows overlap, each window has its own spans of the same entity. A relation is
    between the spans in the first window that contains both arguments.

    spans (ndarray): Distinct token ranges. Shape: (N, 2).
    labels (ndarray): Entity column of each span, from 1. 0 for a given entity with an
        unknown label. Shape: (N,).
    windows (ndarray): Window of each span. Shape: (N,).
    relations (ndarray): Indices of head and tail in spans, and the relation column,
        from 0. Shape: (M, 3).
    knows_entities, knows_relations (ndarray): Whether entities and relations of a
        window are annotated. Shape of each: (W,), bool.
    skipped (SkippedGold): Counts of skipped annotation.
    """

    spans: np.ndarray
    labels: np.ndarray
    windows: np.ndarray
    relations: np.ndarray
    knows_entities: np.ndarray
    knows_relations: np.ndarray
    skipped: SkippedGold

    def count_wider(self, max_span_width: int) -> int:
        """RETURNS (int): Number of spans that are wider, so that they can't be
        predicted."""
        return int(self._wider(max_span_width).sum())

    def count_relations_of_wider(self, max_span_width: int) -> int:
        """RETURNS (int): Number of relations with such an argument."""
        wider = self._wider(max_span_width)
        return int(wider[self.relations[:, :2]].any(1).sum())

    def _wider(self, max_span_width: int) -> np.ndarray:
        return self.spans[:, 1] - self.spans[:, 0] > max_span_width


class UnknownLabel(KeyError):
    """A label that is not a label of the component. Arguments: kind, label and, for a
    given entity, its text."""


@dataclass(frozen=True)
class GivenSettings:
    """Where given entities are, and which of them are used.

    source (str): See ``given_entities``.
    unknown (str): What happens to an entity with a label that is not a label of the
        component: "error", "skip", or "keep" to use it like the others.
    """

    source: str
    unknown: str


def align_gold(
    examples: Sequence[Example],
    windows: Windows,
    has_units: np.ndarray,
    labels: Labels,
    attr: str,
    given: GivenSettings | None = None,
) -> GoldBatch:
    """Align gold entities and relations with the tokens of the windows.

    With `given`, the entities are those that are set on the predicted Doc, by an
    annotating component or by the corpus reader. Relations of other entities are
    skipped. If nothing is set there, the entities are the gold entities of the
    reference.

    examples (Sequence[Example]): The batch. The windows cover its predicted Docs.
    windows (Windows): The windows of the encoder.
    has_units (ndarray): Whether a token has units. Shape: (T,), bool.
    labels (Labels): The component's labels.
    attr (str): Name of the relation extension.
    given (GivenSettings | None): None if the component predicts the entities.
    RETURNS (GoldBatch): The gold annotation of the batch.
    RAISES (UnknownLabel): For a label that is not in `labels`. (ValueError): J403
        for a relation argument without a label.
    """
    knows_entities = np.zeros(len(windows.doc), dtype=bool)
    knows_relations = np.zeros(len(windows.doc), dtype=bool)
    lengths = [len(example.predicted) for example in examples]
    rows = windows.rows(lengths)
    of_docs = np.zeros(sum(lengths), dtype=bool)
    of_docs[rows] = has_units
    units = np.split(of_docs, np.cumsum(lengths)[:-1])
    batch = _Collector(windows, units, labels, given)
    for number, example in enumerate(examples):
        gold = read_gold(example.reference, attr=attr, symmetric=labels.symmetric)
        set_entities = None
        if given is not None:
            set_entities = given_entities(example.predicted, given.source)
        here = windows.doc == number
        knows_entities[here] = gold.knows_entities or set_entities is not None
        knows_relations[here] = gold.knows_relations
        batch.add(number, example, gold, set_entities)
    spans = np.asarray(list(batch.position), dtype=np.int64).reshape(-1, 2)
    return GoldBatch(
        spans=spans,
        labels=np.asarray(batch.columns, dtype=np.int64),
        windows=windows.token_window[spans[:, 0]],
        relations=np.asarray(list(batch.relations), dtype=np.int64).reshape(-1, 3),
        knows_entities=knows_entities,
        knows_relations=knows_relations,
        skipped=batch.skipped,
    )


@dataclass
class _Collector:
    """Collects the gold annotation of Examples.

    has_units (list[ndarray]): Whether a token has units, for each Doc.
    position (dict): Token range to its index.
    columns (list[int]): Entity column of each range.
    relations (dict): Indices of head and tail, and relation column. An ordered set.
    """

    windows: Windows
    has_units: list[np.ndarray]
    labels: Labels
    given: GivenSettings | None = None
    position: dict[tuple[int, int], int] = field(default_factory=dict)
    columns: list[int] = field(default_factory=list)
    relations: dict[tuple[int, int, int], None] = field(default_factory=dict)
    skipped: SkippedGold = field(default_factory=SkippedGold)

    def add(
        self,
        number: int,
        example: Example,
        gold: Gold,
        set_entities: list[GivenEntity] | None,
    ) -> None:
        """Add the annotation of an Example.

        number (int): Index of the Example.
        set_entities (list | None): The entities that are set on the predicted Doc, if
            they are used.
        """
        self.skipped.unannotated += not (gold.knows_entities or gold.knows_relations)
        alignment = TextAlignment(example)
        # gold entity -> index of its span in each window that contains it
        members: dict[SpanKey, dict[int, int]] = {}
        if set_entities is None:
            for key in gold.entities:
                members[key] = self._add_gold(number, example, alignment, key)
        else:
            members = self._add_given(number, alignment, gold, set_entities)
        for head, tail, label in gold.relations:
            column = self.labels.relation_columns.get(label)
            if column is None:
                raise UnknownLabel("relation", label)
            if head not in members or tail not in members:
                self.skipped.not_given += 1
                continue
            common = members[head].keys() & members[tail].keys()
            window = min(common, default=-1)
            if window < 0 or members[head][window] == members[tail][window]:
                self.skipped.relations += 1
                continue
            pair = members[head][window], members[tail][window]
            self.relations[(*pair, column)] = None

    def _add_gold(
        self, number: int, example: Example, alignment: TextAlignment, key: SpanKey
    ) -> dict[int, int]:
        """RETURNS (dict[int, int]): Index of the span of a gold entity in each window
        that contains it."""
        if not key[2]:
            text = example.reference.text[key[0] : key[1]]
            raise JREError(Errors.J403.format(text=text, start=key[0], end=key[1]))
        column = self._column(key[2])
        if column is None:
            return {}
        tokens = alignment.find_tokens(key)
        members = {} if tokens is None else self._add_span(number, tokens, column)
        self.skipped.entities += not members
        return members

    def _add_given(
        self,
        number: int,
        alignment: TextAlignment,
        gold: Gold,
        set_entities: list[GivenEntity],
    ) -> dict[SpanKey, dict[int, int]]:
        """Add the entities of the predicted Doc, and find the arguments of relations
        among them. The labels of the arguments can differ.

        RETURNS (dict): For gold entities that are given, see ``_add_gold``.
        """
        by_tokens: dict[tuple[int, int], dict[int, int]] = {}
        for start, end, label in set_entities:
            try:
                column = self._column(label)
            except UnknownLabel as error:
                text = alignment.example.predicted[start:end].text
                raise UnknownLabel(*error.args, text) from None
            if column is not None:
                members = self._add_span(number, (start, end), column)
                self.skipped.entities += not members
                by_tokens[start, end] = members
        found = {key: alignment.find_tokens(key) for key in gold.entities}
        return {
            key: by_tokens[tokens]
            for key, tokens in found.items()
            if tokens is not None and tokens in by_tokens
        }

    def _column(self, label: str) -> int | None:
        """RETURNS (int | None): The column of an entity label. None to skip it."""
        column = self.labels.entity_columns.get(label)
        if column is None:
            if self.given is None or self.given.unknown == "error":
                raise UnknownLabel("entity", label)
            if self.given.unknown == "keep":
                return 0
            self.skipped.unknown += 1
        return column

    def _add_span(
        self, number: int, tokens: tuple[int, int], column: int
    ) -> dict[int, int]:
        """Add a token range of a Doc, without tokens without units at both ends.

        RETURNS (dict[int, int]): Index of the span in each window that contains it.
            Empty if no window contains it, or without units.
        """
        windows = self.windows
        filled = np.flatnonzero(self.has_units[number][slice(*tokens)])
        if not len(filled):
            return {}
        first, last = tokens[0] + int(filled[0]), tokens[0] + int(filled[-1]) + 1
        window = int(windows.find(np.asarray([[number, first, last]]))[0])
        members: dict[int, int] = {}
        while (
            0 <= window < len(windows.doc)
            and windows.doc[window] == number
            and windows.start[window] <= first
        ):
            shift = int(windows.first_token[window] - windows.start[window])
            span = first + shift, last + shift
            members[window] = self._add_to_window(span, column, count=not members)
            window += 1
        return members

    def _add_to_window(self, span: tuple[int, int], column: int, *, count: bool) -> int:
        if span not in self.position:
            self.position[span] = len(self.columns)
            self.columns.append(column)
        index = self.position[span]
        if self.columns[index] != column:
            self.skipped.two_labels += count
            self.columns[index] = min(self.columns[index], column)
        return index


def make_targets(
    gold: GoldBatch, candidates: Candidates, windows: Windows, labels: Labels
) -> tuple[Targets, int]:
    """Create the targets of spans, pairs and, if the labels have tags, tokens.

    gold (GoldBatch): The gold of the batch.
    candidates (Candidates): Spans and pairs of the batch.
    windows (Windows): The windows of the batch.
    labels (Labels): The component's labels.
    RETURNS (tuple[Targets, int]): The targets, and the number of entities that the
        tags cannot represent.
    """
    tags, n_untagged = None, 0
    if labels.tags:
        tags, n_untagged = tag_targets(gold, labels, windows.n_tokens)
        tags[~gold.knows_entities[windows.token_window]] = UNKNOWN
    entities = entity_targets(gold, candidates.spans)
    if candidates.classified is not None:
        entities[~candidates.classified] = UNKNOWN
    targets = Targets(
        entities=entities,
        relations=relation_targets(gold, candidates, len(labels.relations)),
        tags=tags,
    )
    return targets, n_untagged


def entity_targets(gold: GoldBatch, spans: np.ndarray) -> np.ndarray:
    """Return the entity column of each span, 0 if it is not a gold entity.

    spans (ndarray): Shape: (S, 2).
    RETURNS (ndarray): Shape: (S,).
    """
    columns = zip(map(tuple, gold.spans.tolist()), gold.labels.tolist(), strict=True)
    column_of = dict(columns)
    targets = [column_of.get(tuple(span), 0) for span in spans.tolist()]
    return np.asarray(targets, dtype=np.int64)


def relation_targets(
    gold: GoldBatch, candidates: Candidates, n_labels: int
) -> np.ndarray:
    """Create one multi-hot row per ordered pair.

    candidates (Candidates): Spans and pairs.
    n_labels (int): R.
    RETURNS (ndarray): float32. Shape: (P, R).
    """
    related: dict[tuple[int, ...], list[int]] = {}
    for head, tail, column in gold.relations.tolist():
        key = (*gold.spans[head].tolist(), *gold.spans[tail].tolist())
        related.setdefault(key, []).append(column)
    spans, pairs = candidates.spans, candidates.pairs
    assert pairs is not None
    targets = np.zeros((len(pairs), n_labels), dtype=np.float32)
    rows = np.concatenate([spans[pairs[:, 0]], spans[pairs[:, 1]]], 1).tolist()
    for row, key in enumerate(rows):
        targets[row, related.get(tuple(key), [])] = 1.0
    return targets


def tag_targets(
    gold: GoldBatch, labels: Labels, n_tokens: int
) -> tuple[np.ndarray, int]:
    """Return the tag column of each token of a batch.

    labels (Labels): The labels, with tags.
    n_tokens (int): T.
    RETURNS (tuple[ndarray, int]): Columns, shape: (T,), and the number of entities
        that the tags cannot represent.
    """
    columns = {tag: column for column, tag in enumerate(labels.tags)}
    tagged = tag_tokens(gold_entities(gold, labels), columns)
    targets = np.full(n_tokens, columns[OUTSIDE], dtype=np.int64)
    for token, tag in tagged.tags.items():
        targets[token] = columns[tag]
    return targets, tagged.n_skipped


def find_tags(labels: Labels, golds: Iterable[GoldBatch]) -> list[str]:
    """Return the tag set of training data.

    labels (Labels): The component's labels.
    golds (Iterable[GoldBatch]): The data.
    RETURNS (list[str]): The plain BIO tags of each label, then the combined tags that
        occur, in alphabetical order.
    """
    tags: set[str] = set()
    for gold in golds:
        tags.update(tag_tokens(gold_entities(gold, labels)).tags.values())
    plain = plain_tags(labels.entities)
    return [*plain, *sorted(tags.difference(plain))]


def gold_entities(gold: GoldBatch, labels: Labels) -> list[Entity]:
    """Return the entities of a batch with a known label. Each span has one label."""
    return [
        (start, end, labels.entities[column - 1])
        for (start, end), column in zip(
            gold.spans.tolist(), gold.labels.tolist(), strict=True
        )
        if column
    ]
