"""From scores to plain predictions."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..types import JointScores, Prediction


def decode(
    scores: JointScores,
    n_docs: int,
    *,
    entity_labels: Sequence[str],
    relation_labels: Sequence[str],
    threshold: float,
    label_thresholds: Mapping[str, float],
    symmetric: frozenset[str],
) -> list[Prediction]:
    """Read entities and relations off the scores of a batch.

    A span gets its best label, "none" included. A pair gets every label whose
    probability reaches the threshold. A symmetric relation is kept once, the
    argument first in the text as the head, with the higher score of both orders.
    Overlapping entities are kept.

    scores (JointScores): Of the whole batch.
    n_docs (int): Docs in the batch, those without tokens too.
    entity_labels, relation_labels (Sequence[str]): Names of the columns, "none" not
        among them.
    threshold (float): For every relation label without one of its own.
    label_thresholds (Mapping[str, float]): Per relation label.
    symmetric (frozenset[str]): Relation labels without a direction.
    RETURNS (list[Prediction]): One per Doc.
    """
    windows = scores.windows
    logits = _host(scores.entity_logits)
    probabilities = _softmax(logits)
    columns = logits.argmax(1)
    chosen = np.flatnonzero(columns)
    spans = scores.spans[chosen]
    window = windows.token_window[spans[:, 0]]
    # from tokens of the batch to tokens of the Doc
    offset = windows.start - windows.first_token
    local = spans + offset[window][:, None]
    docs = windows.doc[window]
    order = np.lexsort((local[:, 1], local[:, 0], docs))
    chosen, local, docs = chosen[order], local[order], docs[order]
    best = columns[chosen]
    values = probabilities[chosen, best]
    predictions = [Prediction([], []) for _ in range(n_docs)]
    place = np.full(len(scores.spans), -1, dtype=np.int64)
    for index, doc, (start, end), column, value in zip(
        chosen.tolist(),
        docs.tolist(),
        local.tolist(),
        best.tolist(),
        values.tolist(),
        strict=True,
    ):
        entities = predictions[doc].entities
        place[index] = len(entities)
        entities.append((start, end, entity_labels[column - 1], value))

    related = _host(scores.relation_scores)
    limits = np.asarray(
        [label_thresholds.get(label, threshold) for label in relation_labels],
        dtype=related.dtype,
    )
    # (a tie may be an entity to the network and none here: no pair without entities)
    known = (place[scores.pairs] >= 0).all(axis=1)
    rows, labels = np.nonzero((related >= limits) & known[:, None])
    doc_of_span = np.zeros(len(scores.spans), dtype=np.int64)
    doc_of_span[chosen] = docs
    pairs = scores.pairs[rows]
    best_of: list[dict[tuple[int, int, str], float]] = [{} for _ in range(n_docs)]
    for doc, head, tail, column, value in zip(
        doc_of_span[pairs[:, 0]].tolist(),
        place[pairs[:, 0]].tolist(),
        place[pairs[:, 1]].tolist(),
        labels.tolist(),
        related[rows, labels].tolist(),
        strict=True,
    ):
        label = relation_labels[column]
        if label in symmetric and head > tail:  # entities are sorted by place
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


def without_overlaps(entities: Sequence[tuple[int, int, str, float]]) -> list[int]:
    """The entities that ``doc.ents`` can hold: best score first, none overlapping.

    spaCy's ``filter_spans`` prefers the longest instead.

    RETURNS (list[int]): Positions in the entities, in rising order.
    """
    kept: list[int] = []
    taken: set[int] = set()
    order = sorted(
        range(len(entities)), key=lambda i: (-entities[i][3], *entities[i][:2])
    )
    for index in order:
        tokens = range(*entities[index][:2])
        if taken.isdisjoint(tokens):
            kept.append(index)
            taken.update(tokens)
    return sorted(kept)


def _host(array: object) -> np.ndarray:
    return array.get() if hasattr(array, "get") else np.asarray(array)


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return exponents / exponents.sum(axis=1, keepdims=True)
