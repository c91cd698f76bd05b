"""Score the relations between given entities, instead of predicted ones."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..architectures.bridge import score_candidates
from ..types import Candidates, EncoderOutput, JointScores
from .decoding import to_numpy

# start and end token in the Doc, end exclusive, and label
GivenEntity = tuple[int, int, str]


def score_given(
    model: Model[Any, Any],
    docs: Sequence[Doc],
    entities: Sequence[Sequence[GivenEntity]],
    labels: Sequence[str],
) -> tuple[JointScores, list[str]]:
    """Score all pairs of entities of the same window.

    An entity that crosses the boundary of a window has no pairs, nor has one without
    units, such as whitespace. An entity does not form a pair with another one that has
    the same boundaries.

    model (Model): The model of a component.
    docs (Sequence[Doc]): The Docs, at least one with tokens.
    entities (Sequence): The entities of each Doc.
    labels (Sequence[str]): The entity labels of the component.
    RETURNS (tuple[JointScores, list[str]]): Scores for ``decode``, in which each entity
        has its given label, and the labels: those of the component and then the other
        labels of the entities.
    """
    sizes = np.asarray([len(doc) for doc in docs], dtype=np.int64)
    first_tokens = (np.cumsum(sizes) - sizes).tolist()
    rows = [
        (first_token + start, first_token + end, label)
        for first_token, own in zip(first_tokens, entities, strict=True)
        for start, end, label in dict.fromkeys(own)
    ]
    given = np.asarray([row[:2] for row in rows], dtype=np.int64).reshape(-1, 2)
    all_labels = list(dict.fromkeys([*labels, *(label for *_, label in rows)]))
    column = {label: number for number, label in enumerate(all_labels, 1)}
    # probability 1 for the given label
    logits = np.full((len(rows), len(all_labels) + 1), -np.inf, dtype="float32")
    logits[np.arange(len(rows)), [column[label] for *_, label in rows]] = 0.0

    choose = _Chooser(given)
    scores = score_candidates(model, list(docs), choose)
    # several entities can have the same span
    expanded = [
        (number, head, tail)
        for number, (first, second) in enumerate(scores.pairs.tolist())
        for head, tail in product(choose.members[first], choose.members[second])
    ]
    table = np.asarray(expanded, dtype=np.int64).reshape(-1, 3)
    related = to_numpy(scores.relation_scores)
    scores = replace(
        scores,
        spans=given,
        entity_logits=cast(Floats2d, logits),
        pairs=table[:, 1:],
        relation_scores=cast(Floats2d, related[table[:, 0]]),
    )
    return scores, all_labels


class _Chooser:
    """Selects the candidates of each part of a batch.

    members (list[list[int]]): The given entities of each candidate span, in the order
        in which the parts were processed.
    """

    def __init__(self, given: np.ndarray):
        """
        given (ndarray): Token ranges in the batch. Shape: (G, 2).
        """
        self.given = given
        self.members: list[list[int]] = []

    def __call__(self, part: EncoderOutput, first_token: int) -> Candidates:
        windows = part.windows
        starts = self.given[:, 0] - first_token
        inside = np.flatnonzero((starts >= 0) & (starts < windows.n_tokens))
        members: dict[tuple[int, int], list[int]] = {}
        for index in inside.tolist():
            start, end = (self.given[index] - first_token).tolist()
            span = self._readable(part, start, end)
            if span is not None:
                members.setdefault(span, []).append(index)
        self.members.extend(members.values())
        spans = np.asarray(list(members), dtype=np.int64).reshape(-1, 2)
        window = windows.token_window[spans[:, 0]]
        related = window[:, None] == window[None, :]
        np.fill_diagonal(related, False)
        return Candidates(spans, np.argwhere(related))

    @staticmethod
    def _readable(part: EncoderOutput, start: int, end: int) -> tuple[int, int] | None:
        """RETURNS (tuple[int, int] | None): A span without the tokens without units at
        both ends, as in training. None if it cannot be scored."""
        filled = np.flatnonzero(part.has_units[start:end])
        if not len(filled) or end > part.windows.n_tokens:
            return None
        start, end = start + int(filled[0]), start + int(filled[-1]) + 1
        window = part.windows.token_window
        return (start, end) if window[start] == window[end - 1] else None
