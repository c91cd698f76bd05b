"""Score the relations between given entities, instead of predicted ones."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model
from thinc.types import Floats2d

from ..annotations import GivenEntity
from ..architectures.bridge import encode, score_pairs
from ..types import JointScores


def score_given(
    model: Model[Any, Any],
    docs: Sequence[Doc],
    entities: Sequence[Sequence[GivenEntity]],
    labels: Sequence[str],
) -> tuple[JointScores, list[str]]:
    """Score all pairs of entities of the same window.

    An entity that crosses the boundary of a window, or that has no units, such as
    whitespace, has no pairs. An entity does not form a pair with another one that has
    the same boundaries.

    model (Model): The model of a component.
    docs (Sequence[Doc]): The Docs, at least one with tokens.
    entities (Sequence): The entities of each Doc.
    labels (Sequence[str]): The entity labels of the component.
    RETURNS (tuple[JointScores, list[str]]): Scores for ``decode``, in which each entity
        has its given label, and the labels: those of the component and then the other
        labels of the entities.
    """
    rows = [
        (number, start, end, label)
        for number, own in enumerate(entities)
        for start, end, label in dict.fromkeys(own)
    ]
    ranges = np.asarray([row[:3] for row in rows], dtype=np.int64).reshape(-1, 3)
    all_labels = list(dict.fromkeys([*labels, *(label for *_, label in rows)]))
    column = {label: number for number, label in enumerate(all_labels, 1)}
    # probability 1 for the given label
    logits = np.full((len(rows), len(all_labels) + 1), -np.inf, dtype="float32")
    logits[np.arange(len(rows)), [column[label] for *_, label in rows]] = 0.0
    encoded = encode(model, list(docs))
    pairs, related, _ = score_pairs(model, encoded, ranges)
    scores = JointScores(
        windows=encoded.windows,
        spans=encoded.windows.to_batch(ranges),
        entity_logits=cast(Floats2d, logits),
        pairs=pairs,
        relation_scores=cast(Floats2d, related),
    )
    return scores, all_labels
