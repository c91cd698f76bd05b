"""Align the gold annotation with the predicted tokens, and make targets of it."""

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
    """Gold annotation that cannot be learnt from, counted.

    entities (int): Fit no predicted tokens, lie across windows, or have no units.
    relations (int): An argument was skipped, or the arguments lie in two windows.
    two_labels (int): Spans with two gold labels; the first in label order is learnt.
    unannotated (int): Docs without any annotation.
    """

    entities: int = 0
    relations: int = 0
    two_labels: int = 0
    unannotated: int = 0


@dataclass(frozen=True)
class GoldBatch:
    """The gold of a batch, over its flat tokens.

    spans (ndarray): Token ranges, each once. Shape: (N, 2).
    labels (ndarray): Entity column of each span, from 1. Shape: (N,).
    windows (ndarray): Window of each span. Shape: (N,).
    relations (ndarray): Head and tail as positions in spans, and the relation
        column, from 0. Shape: (M, 3).
    knows_entities, knows_relations (ndarray): Per window, whether it was annotated.
        Shape of each: (W,), bool.
    skipped (SkippedGold): What was left out.
    """

    spans: np.ndarray
    labels: np.ndarray
    windows: np.ndarray
    relations: np.ndarray
    knows_entities: np.ndarray
    knows_relations: np.ndarray
    skipped: SkippedGold


class UnknownLabel(KeyError):
    """A label the component was not initialized with: kind and label."""


def align_gold(
    examples: Sequence[Example],
    windows: Windows,
    has_units: np.ndarray,
    labels: Labels,
    attr: str,
) -> GoldBatch:
    """Find the gold entities and relations among the tokens of the windows.

    examples (Sequence[Example]): The batch; windows tile its predicted Docs.
    windows (Windows): The windows the encoder made.
    has_units (ndarray): Whether a token has units. Shape: (T,), bool.
    labels (Labels): The component's labels.
    attr (str): Name of the relation extension.
    RETURNS (GoldBatch): Gold of the batch.
    RAISES (UnknownLabel): For a label that is not in `labels`. (ValueError): J403
        for an argument of a relation without a label.
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
    """The gold of the Examples so far.

    position (dict): Token range to its number.
    columns (list[int]): Entity column of each range.
    relations (dict): Numbers of head and tail, and relation column; an ordered set.
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
        found: dict[SpanKey, int] = {}
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
                found[key] = self._add_span(span, column)
        spans = list(self.position)
        for head, tail, label in gold.relations:
            column = self.labels.relation_columns.get(label)
            if column is None:
                raise UnknownLabel("relation", label)
            first, second = found.get(head), found.get(tail)
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
        """RETURNS (tuple[int, int] | None): Tokens of the batch, inside one window.
        Tokens without units at the ends are left out: a network cannot see them."""
        tokens = alignment.find_tokens(key)
        if tokens is None:
            return None
        start, end = self.n_tokens + tokens[0], self.n_tokens + tokens[1]
        seen = np.flatnonzero(self.has_units[start:end])
        if not len(seen):
            return None
        start, end = start + int(seen[0]), start + int(seen[-1]) + 1
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
    """
    gold (GoldBatch): The gold of the batch.
    candidates (Candidates): Spans and pairs of the batch.
    windows (Windows): The windows of the batch.
    labels (Labels): The component's labels; with tags, those of tokens are targets.
    RETURNS (tuple[Targets, int]): The targets, and how many entities no tag can hold.
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
    """The entity column of each span; 0 where it is not a gold entity.

    spans (ndarray): Shape: (S, 2).
    RETURNS (ndarray): Shape: (S,).
    """
    columns = zip(map(tuple, gold.spans.tolist()), gold.labels.tolist(), strict=True)
    known = dict(columns)
    found = [known.get(tuple(span), 0) for span in spans.tolist()]
    return np.asarray(found, dtype=np.int64)


def relation_targets(
    gold: GoldBatch, candidates: Candidates, n_labels: int
) -> np.ndarray:
    """One multi-hot row per ordered pair.

    candidates (Candidates): With pairs.
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
    """The tag of every token of a batch.

    labels (Labels): With tags.
    n_tokens (int): T.
    RETURNS (tuple[ndarray, int]): Columns, shape: (T,), and how many entities no tag
        can hold.
    """
    columns = {tag: column for column, tag in enumerate(labels.tags)}
    found = tag_tokens(gold_entities(gold, labels), columns)
    targets = np.full(n_tokens, columns[OUTSIDE], dtype=np.int64)
    for token, tag in found.tags.items():
        targets[token] = columns[tag]
    return targets, found.left_out


def find_tags(labels: Labels, golds: Iterable[GoldBatch]) -> list[str]:
    """The tag set of some training data.

    labels (Labels): The component's labels.
    golds (Iterable[GoldBatch]): The data.
    RETURNS (list[str]): Plain BIO of every label, then the tags of two entities that
        occur, in alphabetical order.
    """
    found: set[str] = set()
    for gold in golds:
        found.update(tag_tokens(gold_entities(gold, labels)).tags.values())
    plain = plain_tags(labels.entities)
    return [*plain, *sorted(found.difference(plain))]


def gold_entities(gold: GoldBatch, labels: Labels) -> list[Entity]:
    """The entities of a batch, over its flat tokens; a span has one label."""
    return [
        (start, end, labels.entities[column - 1])
        for (start, end), column in zip(
            gold.spans.tolist(), gold.labels.tolist(), strict=True
        )
    ]
