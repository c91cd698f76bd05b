"""Align the gold annotation with the predicted tokens and their windows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from spacy.tokens import Doc, Span
from spacy.training import Example

from ..annotations import read_gold
from ..annotations.gold import SpanKey, count_nonblank, same_but_for_blanks
from ..errors import Errors
from ..types import GoldArrays, Windows


@dataclass(frozen=True)
class Labels:
    """Label sets of a component, in the order of its output columns.

    entities (Mapping[str, int]): Label -> column; "none" is column 0, so from 1.
    relations (Mapping[str, int]): Label -> column, from 0.
    symmetric (frozenset[str]): Relation labels without a direction.
    """

    entities: Mapping[str, int]
    relations: Mapping[str, int]
    symmetric: frozenset[str] = frozenset()


@dataclass
class Losses:
    """Gold annotation that cannot be learnt from, counted.

    entities (int): Fit no predicted tokens, or lie across windows.
    relations (int): An argument was lost, or the arguments lie in two windows.
    two_labels (int): Spans with two gold labels; the first in label order is learnt.
    unannotated (int): Docs without any annotation.
    untagged (int): Entities that no token tag can hold; the span loss has them.
    two_relations (int): Pairs with two relation labels, where a pair has but one.
    """

    entities: int = 0
    relations: int = 0
    two_labels: int = 0
    unannotated: int = 0
    untagged: int = 0
    two_relations: int = 0


@dataclass(frozen=True)
class GoldBatch(GoldArrays):
    """The gold of a batch, and lost (Losses): what was left out of it."""

    lost: Losses


class UnknownLabel(KeyError):
    """A label the component was not initialized with: kind and label."""


def align_gold(
    examples: Sequence[Example], windows: Windows, labels: Labels, attr: str
) -> GoldBatch:
    """Find the gold entities and relations among the tokens of the windows.

    examples (Sequence[Example]): The batch; windows tile its predicted Docs.
    windows (Windows): The windows the encoder made.
    labels (Labels): The component's labels.
    attr (str): Name of the relation extension.
    RETURNS (GoldBatch): Gold of the batch.
    RAISES (UnknownLabel): For a label that is not in `labels`. (ValueError): J403
        for an argument of a relation without a label.
    """
    token_window = windows.token_window
    knows_entities = np.zeros(len(windows.doc), dtype=bool)
    knows_relations = np.zeros(len(windows.doc), dtype=bool)
    lost = Losses()
    position: dict[tuple[int, int], int] = {}
    span_labels: list[int] = []
    relations: dict[tuple[int, int, int], None] = {}
    offset = 0
    for number, example in enumerate(examples):
        doc = example.predicted
        gold = read_gold(example.reference, attr=attr, symmetric=labels.symmetric)
        align = _aligner(example)
        here = windows.doc == number
        knows_entities[here] = gold.knows_entities
        knows_relations[here] = gold.knows_relations
        lost.unannotated += not (gold.knows_entities or gold.knows_relations)
        found: dict[tuple[int, int, str], int] = {}
        for key in gold.entities:
            if not key[2]:
                text = example.reference.text[key[0] : key[1]]
                raise ValueError(
                    Errors.J403.format(text=text, start=key[0], end=key[1])
                )
            column = labels.entities.get(key[2])
            if column is None:
                raise UnknownLabel("entity", key[2])
            tokens = align(key)
            if tokens is None:
                lost.entities += 1
                continue
            span = (offset + tokens[0], offset + tokens[1])
            if token_window[span[0]] != token_window[span[1] - 1]:
                lost.entities += 1
                continue
            if span in position:
                index = position[span]
                if span_labels[index] != column:
                    lost.two_labels += 1
                    span_labels[index] = min(span_labels[index], column)
            else:
                index = position[span] = len(span_labels)
                span_labels.append(column)
            found[key] = index
        flat = list(position)
        for head, tail, label in gold.relations:
            column = labels.relations.get(label)
            if column is None:
                raise UnknownLabel("relation", label)
            if head not in found or tail not in found:
                lost.relations += 1
                continue
            first, second = found[head], found[tail]
            places = token_window[flat[first][0]], token_window[flat[second][0]]
            if first == second or places[0] != places[1]:
                lost.relations += 1
                continue
            relations[(first, second, column)] = None
        offset += len(doc)
    spans = np.asarray(list(position), dtype=np.int64).reshape(-1, 2)
    return GoldBatch(
        spans=spans,
        labels=np.asarray(span_labels, dtype=np.int64),
        windows=token_window[spans[:, 0]],
        relations=np.asarray(list(relations), dtype=np.int64).reshape(-1, 3),
        knows_entities=knows_entities,
        knows_relations=knows_relations,
        lost=lost,
    )


TokenRange = tuple[int, int]
Align = Callable[[SpanKey], TokenRange | None]


def _aligner(example: Example) -> Align:
    """Find the predicted tokens of characters of the reference: once per Example what
    does not depend on the span."""
    predicted, reference = example.predicted, example.reference
    if predicted.text == reference.text:
        return partial(_by_characters, predicted)
    if same_but_for_blanks(predicted.text, reference.text):
        counts = count_nonblank(predicted.text)
        tokens = [token for token in predicted if not token.is_space]
        return partial(
            _without_blanks,
            count_nonblank(reference.text),
            {counts[token.idx]: token.i for token in tokens},
            {counts[token.idx + len(token)]: token.i + 1 for token in tokens},
        )
    return partial(_by_tokens, example)


def _by_characters(doc: Doc, key: SpanKey) -> TokenRange | None:
    span = doc.char_span(key[0], key[1])
    return None if span is None else (span.start, span.end)


def _without_blanks(
    counts: list[int], starts: dict[int, int], ends: dict[int, int], key: SpanKey
) -> TokenRange | None:
    start, end = starts.get(counts[key[0]]), ends.get(counts[key[1]])
    return None if start is None or end is None else (start, end)


def _by_tokens(example: Example, key: SpanKey) -> TokenRange | None:
    source = example.reference.char_span(key[0], key[1], label=key[2])
    if source is None:
        return None
    aligned: list[Span] = example.get_aligned_spans_y2x([source], allow_overlap=True)
    return (aligned[0].start, aligned[0].end) if aligned else None


def entity_targets(gold: GoldBatch, spans: np.ndarray) -> np.ndarray:
    """The entity column of each span; 0 where it is no gold entity.

    spans (ndarray): Shape: (S, 2).
    RETURNS (ndarray): Shape: (S,).
    """
    known = {tuple(span): i for i, span in enumerate(gold.spans.tolist())}
    found = [known.get(tuple(span), -1) for span in spans.tolist()]
    targets = np.zeros(len(spans), dtype=np.int64)
    index = np.asarray(found, dtype=np.int64)
    targets[index >= 0] = gold.labels[index[index >= 0]]
    return targets


def relation_targets(
    gold: GoldBatch, spans: np.ndarray, pairs: np.ndarray, n_labels: int
) -> np.ndarray:
    """One multi-hot row per ordered pair.

    spans (ndarray): Shape: (S, 2).
    pairs (ndarray): Positions of head and tail in spans. Shape: (P, 2).
    n_labels (int): R.
    RETURNS (ndarray): float32. Shape: (P, R).
    """
    related: dict[tuple[int, ...], list[int]] = {}
    for head, tail, column in gold.relations.tolist():
        key = (*gold.spans[head].tolist(), *gold.spans[tail].tolist())
        related.setdefault(key, []).append(column)
    targets = np.zeros((len(pairs), n_labels), dtype=np.float32)
    rows = np.concatenate([spans[pairs[:, 0]], spans[pairs[:, 1]]], 1).tolist()
    for row, key in enumerate(rows):
        for column in related.get(tuple(key), ()):
            targets[row, column] = 1.0
    return targets
