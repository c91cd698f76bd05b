"""Types that are passed between the packages.

::

    Docs -> Encoded -> Candidates -> JointScores -> Predictions -> Docs

Index arrays are numpy arrays on the host, also if the vectors are on a GPU. Token
offsets of ``Candidates`` and ``JointScores`` count over all windows of the batch.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, SupportsFloat, TypeVar

import numpy as np
from thinc.types import Floats2d

Self = TypeVar("Self")

# maximum number of rows of a part, including padding, per token of its limit
PADDED_PER_TOKEN = 4


@dataclass(frozen=True)
class Windows:
    """The token ranges that the encoder processes at once, in Doc order.

    The windows of a Doc cover all of its tokens. They can overlap. No window contains
    another one. A span belongs to the first window that contains it, and a pair of
    spans to the first window that contains both: the span, or one of the spans, is new
    in this window.

    doc (ndarray): Index of the Doc in the batch. Shape: (W,).
    start, end (ndarray): Token offsets in that Doc, end exclusive. Both are in
        ascending order in a Doc. Shape of each: (W,).
    repeated (ndarray | None): Number of tokens at the start of each window that the
        previous window of the Doc has, too. None: the windows do not overlap. Shape:
        (W,).
    """

    doc: np.ndarray
    start: np.ndarray
    end: np.ndarray
    repeated: np.ndarray | None = None

    @cached_property
    def counts(self) -> np.ndarray:
        """Tokens per window. Shape: (W,)."""
        return self.end - self.start

    @cached_property
    def first_token(self) -> np.ndarray:
        """Offset of the first token of each window in the batch. Shape: (W,)."""
        return np.cumsum(self.counts) - self.counts

    @cached_property
    def n_tokens(self) -> int:
        return int(self.counts.sum())

    @cached_property
    def token_window(self) -> np.ndarray:
        """Window of each token of the batch. Shape: (T,)."""
        return np.repeat(np.arange(len(self.doc)), self.counts)

    @cached_property
    def doc_token(self) -> np.ndarray:
        """Offset of each token of the batch in its Doc. Shape: (T,)."""
        shift = self.start - self.first_token
        return np.arange(self.n_tokens) + shift[self.token_window]

    def rows(self, lengths: Sequence[int]) -> np.ndarray:
        """Get the tokens of the Docs that the tokens of the batch are.

        lengths (Sequence[int]): Number of tokens of each Doc.
        RETURNS (ndarray): Indices in the tokens of all Docs, without repetition. Shape:
            (T,).
        """
        counts = np.asarray(lengths, dtype=np.int64)
        first = np.cumsum(counts) - counts
        rows: np.ndarray = first[self.doc[self.token_window]] + self.doc_token
        return rows

    @cached_property
    def overlap(self) -> bool:
        """Whether some windows overlap."""
        return self.repeated is not None and bool(self.repeated.any())

    def part(self, rows: slice) -> "Windows":
        """RETURNS (Windows): Some of the windows."""
        repeated = None if self.repeated is None else self.repeated[rows]
        return Windows(self.doc[rows], self.start[rows], self.end[rows], repeated)

    def is_new(self, spans: np.ndarray) -> np.ndarray:
        """Check which spans belong to their window: no earlier window contains them.

        spans (ndarray): Token ranges in the batch. Shape: (S, 2).
        RETURNS (ndarray): Shape: (S,), bool.
        """
        if self.repeated is None:
            return np.ones(len(spans), dtype=bool)
        known = self.first_token + self.repeated
        return spans[:, 1] > known[self.token_window[spans[:, 0]]]

    def find(self, ranges: np.ndarray) -> np.ndarray:
        """Find the first window that contains a token range of a Doc.

        ranges (ndarray): Index of the Doc, start and end token. Shape: (N, 3).
        RETURNS (ndarray): Indices of windows. -1 for a range that no window contains.
            Shape: (N,).
        """
        if not len(self.doc):
            return np.full(len(ranges), -1, dtype=np.int64)
        size = 1 + max(self.end.max(), ranges[:, 2].max(initial=0))
        index = np.searchsorted(
            self.doc * size + self.end, ranges[:, 0] * size + ranges[:, 2]
        )
        found = np.minimum(index, len(self.doc) - 1)
        inside = (self.doc[found] == ranges[:, 0]) & (self.start[found] <= ranges[:, 1])
        return np.where(inside & (index == found), found, -1)

    def to_batch(self, ranges: np.ndarray) -> np.ndarray:
        """Convert token ranges of Docs to token ranges of the batch.

        ranges (ndarray): See ``find``.
        RETURNS (ndarray): The ranges in the first window that contains them. A range
            that no window contains starts in its first window and ends after it.
            Shape: (N, 2).
        """
        window = self.find(ranges)
        first = ranges.copy()
        first[:, 2] = first[:, 1] + 1
        window = np.where(window < 0, self.find(first), window)
        shift = self.first_token - self.start
        return ranges[:, 1:] + shift[window][:, None]

    def to_docs(self, spans: np.ndarray) -> np.ndarray:
        """Convert token ranges of the batch to token ranges of Docs.

        spans (ndarray): Token ranges in the batch. Shape: (S, 2).
        RETURNS (ndarray): Index of the Doc, start and end token. Shape: (S, 3).
        """
        window = self.token_window[spans[:, 0]]
        shift = self.start - self.first_token
        return np.column_stack([self.doc[window], spans + shift[window][:, None]])


class EncoderOutput(Protocol):
    """The output of the encoder for a batch, which is the input of the network.

    windows (Windows): The windows of the Docs.
    """

    @property
    def windows(self) -> Windows: ...

    @property
    def has_units(self) -> np.ndarray:
        """Whether a token has units. Whitespace has none. Shape: (T,), bool."""
        ...

    def split(self: Self, max_tokens: int) -> list[Self]:
        """Split into parts between windows, to limit the memory of the network.

        max_tokens (int): Maximum number of tokens of a part. A longer window is a
            part of its own.
        """
        ...


@dataclass(frozen=True)
class Encoded:
    """The units of a batch of windows.

    windows (Windows): The windows of the Docs.
    units (Floats2d): Vectors of wordpieces or tokens, without special tokens.
        Shape: (U, D).
    sentence (Floats2d): [CLS], or the mean of the units. Shape: (W, D).
    unit_counts (ndarray): Units per window. Shape: (W,).
    token_units (ndarray): Unit range of each token, in ascending order. Empty for a
        token without units. Shape: (T, 2).
    views (int): Number of views in the columns of units and sentence vectors. 2: the
        first D / 2 columns are for entities, the others for relations.
    """

    windows: Windows
    units: Floats2d
    sentence: Floats2d
    unit_counts: np.ndarray
    token_units: np.ndarray
    views: int = 1

    @property
    def has_units(self) -> np.ndarray:
        """Whether a token has units. Shape: (T,), bool."""
        return self.token_units[:, 1] > self.token_units[:, 0]

    def split(self, max_tokens: int) -> list["Encoded"]:
        """Split into parts between windows, to limit the memory of the network.

        A part does not combine a long window with many short windows, which attention
        would pad to the same length.

        max_tokens (int): Maximum number of tokens of a part. Also limits its rows
            after padding, to four times this number. A longer window is a part of
            its own.
        RETURNS (list[Encoded]): At least one part.
        """
        windows = self.windows
        max_padded = max_tokens * PADDED_PER_TOKEN
        # some networks pad tokens, others units
        lengths = np.maximum(windows.counts, self.unit_counts)
        padded = len(lengths) * lengths.max(initial=0)
        if windows.n_tokens <= max_tokens and padded <= max_padded:
            return [self]
        token_ends = np.cumsum(windows.counts)
        unit_ends = np.cumsum(self.unit_counts)
        parts = []
        first = 0
        while first < len(token_ends):
            token = token_ends[first] - windows.counts[first]
            unit = unit_ends[first] - self.unit_counts[first]
            last = np.searchsorted(token_ends, token + max_tokens, side="right")
            longest = np.maximum.accumulate(lengths[first:last])
            padded = longest * np.arange(1, len(longest) + 1)
            last = first + np.searchsorted(padded, max_padded, side="right")
            last = max(int(last), first + 1)
            tokens = slice(token, token_ends[last - 1])
            part = slice(first, last)
            parts.append(
                Encoded(
                    windows=windows.part(part),
                    units=self.units[unit : unit_ends[last - 1]],
                    sentence=self.sentence[part],
                    unit_counts=self.unit_counts[part],
                    token_units=self.token_units[tokens] - unit,
                    views=self.views,
                )
            )
            first = last
        return parts


@dataclass(frozen=True)
class EncodedGradient:
    """Gradients of ``Encoded``. Shapes: units (U, D), sentence (W, D)."""

    units: Floats2d
    sentence: Floats2d


@dataclass(frozen=True)
class Candidates:
    """Spans and pairs to score.

    spans (ndarray): Token ranges, end exclusive. Shape: (S, 2).
    pairs (ndarray | None): Indices of head and tail in spans, shape: (P, 2). None:
        the spans are sorted by width, and the network proposes pairs.
    width_counts (tuple[int, ...]): If pairs is None, the number of spans of width 1,
        2, ...
    classified (ndarray | None): Which spans are classified. The others are arguments of
        pairs only. They have no entity loss, and their entity logits have no meaning.
        None: all spans. Shape: (S,), bool.
    max_paired (int | None): If pairs is None, the maximum number of entities per window
        that the network pairs. None: the default of the bridge.
    """

    spans: np.ndarray
    pairs: np.ndarray | None = None
    width_counts: tuple[int, ...] = ()
    classified: np.ndarray | None = None
    max_paired: int | None = None


@dataclass(frozen=True)
class Labels:
    """The labels of a component, in the order of its output columns.

    entities, relations (tuple[str, ...]): The labels, without "none".
    symmetric (frozenset[str]): Relation labels without a direction.
    tags (tuple[str, ...]): Tags of tokens, if the network predicts them.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    symmetric: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()

    @cached_property
    def entity_columns(self) -> Mapping[str, int]:
        """Column of each entity label, from 1. Column 0 is "none"."""
        return {label: number for number, label in enumerate(self.entities, 1)}

    @cached_property
    def relation_columns(self) -> Mapping[str, int]:
        """Column of each relation label, from 0."""
        return {label: number for number, label in enumerate(self.relations)}


@dataclass(frozen=True)
class LossValue:
    """The loss of a batch.

    number (SupportsFloat): The loss, which can be on a GPU.
    n_multi_label (int): Number of pairs with several gold relations, if the network
        is trained on only one of them.
    """

    number: SupportsFloat
    n_multi_label: int = 0

    @cached_property
    def value(self) -> float:
        """The loss. Waits until a GPU has computed it, so read it after the update."""
        return float(self.number)


@dataclass(frozen=True)
class JointScores:
    """The scores of the candidates.

    windows (Windows): The windows of the spans.
    spans (ndarray): Token ranges, end exclusive. Shape: (S, 2).
    entity_logits (Floats2d): Column 0 is "none". Shape: (S, E + 1).
    pairs (ndarray): Indices of head and tail in spans. Shape: (P, 2).
    relation_scores (Floats2d): Probabilities of the labels. Shape: (P, R).
    n_truncated (int): Number of windows with more entities than were paired.
    """

    windows: Windows
    spans: np.ndarray
    entity_logits: Floats2d
    pairs: np.ndarray
    relation_scores: Floats2d
    n_truncated: int = 0


@dataclass(frozen=True)
class Prediction:
    """The entities and relations of one Doc, as plain numbers.

    entities (list): (start token, end token, label, score), sorted by offset.
    relations (list): (head, tail, label, score); head and tail are indices of
        entities.
    """

    entities: list[tuple[int, int, str, float]]
    relations: list[tuple[int, int, str, float]]
