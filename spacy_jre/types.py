"""The values that walk from room to room, each declared once.

::

    Docs -> Encoded -> (Candidates) -> JointScores -> Predictions -> Docs

Index arrays are numpy on the host, whatever device the vectors are on. Token
numbers of ``Candidates`` and ``JointScores`` run over the windows of the batch, one
after the other.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from thinc.types import Floats2d


@dataclass(frozen=True)
class Windows:
    """What the encoder sees at once, in Doc order.

    doc (ndarray): Number of the Doc in the batch. Shape: (W,).
    start, end (ndarray): Tokens of that Doc, end exclusive. Shape of each: (W,).
    """

    doc: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @property
    def counts(self) -> np.ndarray:
        """Tokens per window. Shape: (W,)."""
        return self.end - self.start

    @property
    def first_token(self) -> np.ndarray:
        """Number of each window's first token in the batch. Shape: (W,)."""
        return np.cumsum(self.counts) - self.counts

    @property
    def n_tokens(self) -> int:
        return int(self.counts.sum())

    @property
    def token_window(self) -> np.ndarray:
        """Window of each token of the batch. Shape: (T,)."""
        return np.repeat(np.arange(len(self.doc)), self.counts)


@dataclass(frozen=True)
class Encoded:
    """The units of a batch of windows.

    windows (Windows): Where they lie in the Docs.
    units (Floats2d): Vectors of wordpieces or tokens, without special tokens.
        Shape: (U, D).
    sentence (Floats2d): [CLS], or the mean of the units. Shape: (W, D).
    unit_counts (ndarray): Units per window. Shape: (W,).
    token_units (ndarray): Unit range of each token, in rising order; empty for a
        token without units. Shape: (T, 2).
    """

    windows: Windows
    units: Floats2d
    sentence: Floats2d
    unit_counts: np.ndarray
    token_units: np.ndarray


@dataclass(frozen=True)
class EncodedGradient:
    """Gradients of ``Encoded``: units (U, D) and sentence (W, D)."""

    units: Floats2d
    sentence: Floats2d


@dataclass(frozen=True)
class Candidates:
    """Spans and pairs to score.

    spans (ndarray): Token ranges, end exclusive. Shape: (S, 2).
    pairs (ndarray | None): Positions of head and tail in spans, shape: (P, 2). None:
        the spans are all spans sorted by width, and the network proposes pairs.
    width_counts (tuple[int, ...]): Where pairs is None, spans of width 1, 2, ...
    """

    spans: np.ndarray
    pairs: np.ndarray | None = None
    width_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class LabelNames:
    """The labels of a component, in the order of its output columns.

    entities, relations (tuple[str, ...]): "None" is not among them.
    symmetric (frozenset[str]): Relation labels without a direction.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    symmetric: frozenset[str]


@dataclass(frozen=True)
class GoldArrays:
    """The gold of a batch, over its flat tokens.

    spans (ndarray): Token ranges, each once. Shape: (N, 2).
    labels (ndarray): Entity column of each span, from 1. Shape: (N,).
    windows (ndarray): Window of each span. Shape: (N,).
    relations (ndarray): Head and tail as positions in spans, and the relation
        column, from 0. Shape: (M, 3).
    knows_entities, knows_relations (ndarray): Per window, whether it was annotated.
        Shape of each: (W,), bool.
    """

    spans: np.ndarray
    labels: np.ndarray
    windows: np.ndarray
    relations: np.ndarray
    knows_entities: np.ndarray
    knows_relations: np.ndarray


@dataclass(frozen=True)
class Learnt:
    """What a model that learns by itself has made of a batch.

    loss (float): The loss.
    backprop (Callable): Leaves the gradients at the parameters.
    unreached (int): Gold entities that are no candidates; as arguments of relations
        they are learnt.
    unread (int): Relations with an argument that has no wordpiece.
    doubled (int): Pairs of entities with several relations, of which one was learnt.
    """

    loss: float
    backprop: Callable[[], None]
    unreached: int = 0
    unread: int = 0
    doubled: int = 0


@dataclass(frozen=True)
class JointScores:
    """What the network says of the candidates.

    windows (Windows): Where the spans lie.
    spans (ndarray): Shape: (S, 2).
    entity_logits (Floats2d): Column 0 is "none". Shape: (S, E + 1).
    pairs (ndarray): Positions of head and tail in spans. Shape: (P, 2).
    relation_logits (Floats2d): One independent logit per label; LAI-Net decides by
        itself and gives the score of its label, -1e4 for the others. Shape: (P, R).
    crowded (int): Windows that proposed more entities than were paired.
    tag_logits (Floats2d | None): In learning, of a network that learns the tags of
        tokens too. Shape: (T, tags).
    """

    windows: Windows
    spans: np.ndarray
    entity_logits: Floats2d
    pairs: np.ndarray
    relation_logits: Floats2d
    crowded: int = 0
    tag_logits: Floats2d | None = None


@dataclass(frozen=True)
class ScoreGradient:
    """Gradients of the logits: entity (S, E + 1), relation (P, R), tags (T, tags)."""

    entity: Floats2d
    relation: Floats2d
    tags: Floats2d | None = None


@dataclass(frozen=True)
class Prediction:
    """The entities and relations of one Doc, as plain numbers.

    entities (list): (start token, end token, label, score), sorted by position.
    relations (list): (head, tail, label, score); head and tail are positions in
        entities.
    """

    entities: list[tuple[int, int, str, float]]
    relations: list[tuple[int, int, str, float]]
