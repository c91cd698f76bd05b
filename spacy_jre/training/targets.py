"""Align the gold annotation with the predicted tokens, and create targets."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from spacy.training import Example

from ..annotations import Gold, read_gold
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
    """

    entities: int = 0
    relations: int = 0
    two_labels: int = 0
    unannotated: int = 0


@dataclass(frozen=True)
class GoldBatch:
    """The gold annotation of a batch, with token offsets over the whole batch.

    spans (ndarray): Distinct token ranges. Shape: (N, 2).
    labels (ndarray): Entity column of each span, from 1. Shape: (N,).
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
    """A label that is not a label of the component. Arguments: kind and label."""


def align_gold(
    examples: Sequence[Example],
    windows: Windows,
    has_units: np.ndarray,
    labels: Labels,
    attr: str,
) -> GoldBatch:
    """Align gold entities and relations with the tokens of the windows.

    examples (Sequence[Example]): The batch. The windows cover its predicted Docs.
    windows (Windows): The windows of the encoder.
    has_units (ndarray): Whether a token has units. Shape: (T,), bool.
    labels (Labels): The component's labels.
    attr (str): Name of the relation extension.
    RETURNS (GoldBatch): The gold annotation of the batch.
    RAISES (UnknownLabel): For a label that is not in `labels`. (ValueError): J403
        for a relation argument without a label.
    """
    knows_entities = np.zeros(len(windows.doc), dtype=bool)
    knows_relations = np.zeros(len(windows.doc), dtype=bool)
    batch = _Collector(windows.token_window, has_units, labels)
    for number, example in enumerate(examples):
        gold = read_gold(example.reference, attr=attr, symmetric=labels.symmetric)
        here = windows.doc == number
        knows_entities[here] = gold.knows_entities
        knows_relations[here] = gold.knows_relations
        batch.add(example, gold)
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

    position (dict): Token range to its index.
    columns (list[int]): Entity column of each range.
    relations (dict): Indices of head and tail, and relation column. An ordered set.
    """

    token_window: np.ndarray
    has_units: np.ndarray
    labels: Labels
    position: dict[tuple[int, int], int] = field(default_factory=dict)
    columns: list[int] = field(default_factory=list)
    relations: dict[tuple[int, int, int], None] = field(default_factory=dict)
    skipped: SkippedGold = field(default_factory=SkippedGold)
    n_tokens: int = 0

    def add(self, example: Example, gold: Gold) -> None:
        self.skipped.unannotated += not (gold.knows_entities or gold.knows_relations)
        alignment = TextAlignment(example)
        index_of: dict[SpanKey, int] = {}
        for key in gold.entities:
            if not key[2]:
                text = example.reference.text[key[0] : key[1]]
                raise JREError(Errors.J403.format(text=text, start=key[0], end=key[1]))
            column = self.labels.entity_columns.get(key[2])
            if column is None:
                raise UnknownLabel("entity", key[2])
            span = self._find(alignment, key)
            if span is None:
                self.skipped.entities += 1
            else:
                index_of[key] = self._add_span(span, column)
        spans = list(self.position)
        for head, tail, label in gold.relations:
            column = self.labels.relation_columns.get(label)
            if column is None:
                raise UnknownLabel("relation", label)
            first, second = index_of.get(head), index_of.get(tail)
            if first is None or second is None or first == second:
                self.skipped.relations += 1
                continue
            starts = spans[first][0], spans[second][0]
            if self.token_window[starts[0]] != self.token_window[starts[1]]:
                self.skipped.relations += 1
                continue
            self.relations[(first, second, column)] = None
        self.n_tokens += len(example.predicted)

    def _find(self, alignment: TextAlignment, key: SpanKey) -> tuple[int, int] | None:
        """Find the tokens of an entity, without tokens without units at both ends.

        RETURNS (tuple[int, int] | None): Token offsets in the batch. None if they
            are not inside one window.
        """
        tokens = alignment.find_tokens(key)
        if tokens is None:
            return None
        start, end = self.n_tokens + tokens[0], self.n_tokens + tokens[1]
        filled = np.flatnonzero(self.has_units[start:end])
        if not len(filled):
            return None
        start, end = start + int(filled[0]), start + int(filled[-1]) + 1
        in_one = self.token_window[start] == self.token_window[end - 1]
        return (start, end) if in_one else None

    def _add_span(self, span: tuple[int, int], column: int) -> int:
        if span not in self.position:
            self.position[span] = len(self.columns)
            self.columns.append(column)
        index = self.position[span]
        if self.columns[index] != column:
            self.skipped.two_labels += 1
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
    targets = Targets(
        entities=entity_targets(gold, candidates.spans),
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
    """Return the entities of a batch. Each span has one label."""
    return [
        (start, end, labels.entities[column - 1])
        for (start, end), column in zip(
            gold.spans.tolist(), gold.labels.tolist(), strict=True
        )
    ]
