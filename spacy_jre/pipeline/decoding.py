"""Decode scores to predictions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import numpy as np
from thinc.api import to_numpy

from ..types import JointScores, Prediction


def to_host(scores: JointScores) -> JointScores:
    """RETURNS (JointScores): The scores as numpy arrays, copied from a GPU once."""
    return replace(
        scores,
        entity_logits=to_numpy(scores.entity_logits),
        relation_scores=to_numpy(scores.relation_scores),
    )


def is_finite(scores: JointScores) -> bool:
    """Check whether no score is infinite or NaN. LAI-Net has the logit -inf for labels
    of spans that its first stage has excluded."""
    return all(
        bool((array < np.inf).all())
        for array in (scores.entity_logits, scores.relation_scores)
    )


def decode(
    scores: JointScores,
    n_docs: int,
    *,
    entity_labels: Sequence[str],
    relation_labels: Sequence[str],
    threshold: float,
    label_thresholds: Mapping[str, float],
    symmetric: frozenset[str],
    overlapping: Iterable[Sequence[str]] | None = None,
    table: Iterable[Sequence[str]] | None = None,
) -> list[Prediction]:
    """Decode entities and relations from the scores of a batch.

    A span gets its best label, or none if "none" is the best. A pair gets every label
    with a probability of at least the threshold. A symmetric relation is kept once:
    its head is the first argument in the text, its score the higher one of both
    orders.

    scores (JointScores): Scores of the batch.
    n_docs (int): Number of Docs in the batch, including Docs without tokens.
    entity_labels, relation_labels (Sequence[str]): Labels of the columns, without
        "none".
    threshold (float): Threshold of the relation labels without their own threshold.
    label_thresholds (Mapping[str, float]): Thresholds by relation label.
    symmetric (frozenset[str]): Relation labels without a direction.
    overlapping (Iterable | None): The labels of entities that can overlap, as for
        ``choose_entities``. Relations of entities that it removes are not decoded.
        None: all entities can overlap.
    table (Iterable | None): The relations that are allowed, as rows of head label,
        relation label and tail label. Symmetric labels are allowed in both orders.
        None: all relations are allowed.
    RETURNS (list[Prediction]): One per Doc.
    """
    windows = scores.windows
    logits = to_numpy(scores.entity_logits)
    probabilities = _softmax(logits)
    columns = logits.argmax(1)
    chosen = np.flatnonzero(columns)
    ranges = windows.to_docs(scores.spans[chosen])
    if overlapping is not None:
        # so that spans of two Docs never overlap
        shift = ranges[:, :1] * ranges[:, 2].max(initial=0)
        rivals = [
            (start, end, entity_labels[column - 1], value)
            for (start, end), column, value in zip(
                (ranges[:, 1:] + shift).tolist(),
                columns[chosen].tolist(),
                probabilities[chosen, columns[chosen]].tolist(),
                strict=True,
            )
        ]
        best_rows = choose_entities(rivals, overlapping)
        chosen, ranges = chosen[best_rows], ranges[best_rows]
    docs, local = ranges[:, 0], ranges[:, 1:]
    order = np.lexsort((local[:, 1], local[:, 0], docs))
    chosen, local, docs = chosen[order], local[order], docs[order]
    best = columns[chosen]
    predictions = [Prediction([], []) for _ in range(n_docs)]
    # index of the entity of each span, -1 without entity
    entity_of = np.full(len(scores.spans), -1, dtype=np.int64)
    for index, doc, (start, end), column, value in zip(
        chosen.tolist(),
        docs.tolist(),
        local.tolist(),
        best.tolist(),
        probabilities[chosen, best].tolist(),
        strict=True,
    ):
        entities = predictions[doc].entities
        entity_of[index] = len(entities)
        entities.append((start, end, entity_labels[column - 1], value))

    related = to_numpy(scores.relation_scores)
    limits = np.asarray(
        [label_thresholds.get(label, threshold) for label in relation_labels],
        dtype=related.dtype,
    )
    # with equal logits, the network can pair a span that is not an entity here
    is_paired = (entity_of[scores.pairs] >= 0).all(axis=1)
    rows, labels = np.nonzero((related >= limits) & is_paired[:, None])
    if table is not None:
        allowed = _allowed(table, entity_labels, relation_labels, symmetric)
        heads, tails = columns[scores.pairs[rows]].T
        is_allowed = allowed[heads, labels, tails]
        rows, labels = rows[is_allowed], labels[is_allowed]
    doc_of_span = np.zeros(len(scores.spans), dtype=np.int64)
    doc_of_span[chosen] = docs
    pairs = scores.pairs[rows]
    best_of: list[dict[tuple[int, int, str], float]] = [{} for _ in range(n_docs)]
    for doc, head, tail, column, value in zip(
        doc_of_span[pairs[:, 0]].tolist(),
        entity_of[pairs[:, 0]].tolist(),
        entity_of[pairs[:, 1]].tolist(),
        labels.tolist(),
        related[rows, labels].tolist(),
        strict=True,
    ):
        label = relation_labels[column]
        if label in symmetric and head > tail:  # entities are in text order
            head, tail = tail, head
        key = (head, tail, label)
        kept = best_of[doc]
        if value > kept.get(key, -1.0):
            kept[key] = value
    for prediction, kept in zip(predictions, best_of, strict=True):
        prediction.relations.extend(
            (head, tail, label, value)
            for (head, tail, label), value in sorted(kept.items())
        )
    return predictions


def _allowed(
    table: Iterable[Sequence[str]],
    entity_labels: Sequence[str],
    relation_labels: Sequence[str],
    symmetric: frozenset[str],
) -> np.ndarray:
    """RETURNS (ndarray): Whether a relation is allowed, by the columns of the head, of
    the relation and of the tail. Shape: (E + 1, R, E + 1), bool."""
    entity_columns = {label: i for i, label in enumerate(entity_labels, 1)}
    relation_columns = {label: i for i, label in enumerate(relation_labels)}
    size = len(entity_labels) + 1
    allowed = np.zeros((size, len(relation_labels), size), dtype=bool)
    for head, label, tail in table:
        first, second = entity_columns[head], entity_columns[tail]
        allowed[first, relation_columns[label], second] = True
        if label in symmetric:
            allowed[second, relation_columns[label], first] = True
    return allowed


def choose_entities(
    entities: Sequence[tuple[int, int, str, float]],
    overlapping: Iterable[Sequence[str]] = (),
) -> list[int]:
    """Choose the entities with the best scores, without other overlaps than the given.

    The entity with the best score is chosen first, then the next one that can be
    predicted together with all of those that it overlaps, and so on. Of equal scores,
    the entity that starts first is chosen, then the shorter one.

    spaCy's ``filter_spans`` prefers the longest span instead.

    entities (Sequence): See ``Prediction``.
    overlapping (Iterable): The labels of entities that can overlap, in the order of
        ``overlapping_pairs``: of nested entities, the outer one is first.
    RETURNS (list[int]): Indices of the entities, in ascending order.
    """
    allowed = {tuple(pair) for pair in overlapping}
    kept: list[int] = []
    # the chosen entities of each token
    taken: dict[int, list[int]] = {}
    order = sorted(
        range(len(entities)), key=lambda i: (-entities[i][3], *entities[i][:2])
    )
    for index in order:
        tokens = range(*entities[index][:2])
        rivals = {rival for token in tokens for rival in taken.get(token, ())}
        if all(
            _labels_of_pair(entities[index], entities[rival]) in allowed
            for rival in rivals
        ):
            kept.append(index)
            for token in tokens:
                taken.setdefault(token, []).append(index)
    return sorted(kept)


def _labels_of_pair(
    one: tuple[int, int, str, float], other: tuple[int, int, str, float]
) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The labels of two entities, in the order of
    ``overlapping_pairs``."""
    first, second = sorted((one, other), key=lambda entity: (entity[0], -entity[1]))
    return first[2], second[2]


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return exponents / exponents.sum(axis=1, keepdims=True)
