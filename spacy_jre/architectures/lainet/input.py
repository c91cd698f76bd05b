"""What LAI-Net's encoder reads: text, label annotations, and markers beside them.

::

    ids        [CLS] t0 t1 t2 t3 [SEP] a0 a1 b0 [SEP] M(0,1) M(2,3) \\M(0,1) \\M(2,3)
    positions    0    1  2  3  4   5    6  7  8   9     1      3       2       4
    kinds       text ...         text  annotation ...  markers ...

The second stage has the subject between two solid markers in the text, which shift
the positions behind them. Pieces and columns are counted from the start of a window
and of a pass; a last piece is inclusive.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ...layers.partial_attention import ANNOTATION, MARKER, NO_PAIR, PADDING, TEXT
from ...types import Windows

Pieces = Sequence[int]


class Pass(NamedTuple):
    """One row of the encoder's input, and where in it the answers will lie.

    ids, positions, kinds, pairs (ndarray): The input. Shape of each: (L,).
    spans (ndarray): Columns of first piece, last piece, start marker and end marker
        of each span. Shape: (C, 4).
    subject (ndarray): The same of the subject, with its solid markers. Shape: (1,
        4); (0, 4) in the first stage.
    annotations (ndarray): Columns of the first and the last piece of each label's
        annotation. Shape: (A, 2).
    """

    ids: np.ndarray
    positions: np.ndarray
    kinds: np.ndarray
    pairs: np.ndarray
    spans: np.ndarray
    subject: np.ndarray
    annotations: np.ndarray


@dataclass(frozen=True)
class InputFormat:
    """What stands around the text in one stage (equation 5).

    prefix, suffix (list[int]): What the tokenizer puts around a text: [CLS], [SEP].
    annotations (list[list[int]]): Pieces of each label's annotation, in label order;
        none for an input without annotations.
    separator (int): What follows the annotations.
    markers (list[int]): Start and end marker of a span.
    solid (list[int]): Those of the subject, in the text; none in the first stage.
    first_position (int): Position of the first token (RoBERTa counts from 2).
    """

    prefix: list[int]
    suffix: list[int]
    annotations: list[list[int]]
    separator: int
    markers: list[int]
    solid: list[int]
    first_position: int = 0

    @property
    def n_fixed(self) -> int:
        """Tokens of a pass that are neither text nor markers."""
        return len(self.prefix) + len(self.suffix) + len(self._annotation_ids)

    @property
    def _annotation_ids(self) -> list[int]:
        if not self.annotations:
            return []
        return [piece for label in self.annotations for piece in label] + [
            self.separator
        ]

    def room(self, max_length: int, max_positions: int) -> int:
        """Pieces of text that find room.

        max_length (int): Most tokens of a pass, markers not counted.
        max_positions (int): Most positions of the encoder. Markers beside the text
            repeat positions, solid ones have their own.
        RETURNS (int): Negative where not even the annotations fit.
        """
        return min(max_length, max_positions - len(self.solid)) - self.n_fixed

    def make_pass(
        self, pieces: Pieces, spans: np.ndarray, subject: np.ndarray | None = None
    ) -> Pass:
        """
        pieces (Sequence[int]): The window.
        spans (ndarray): First and last piece of each span. Shape: (C, 2).
        subject (ndarray | None): First and last piece of the subject. Shape: (2,).
        """
        # where each piece of the window comes to stand
        columns = np.arange(len(pieces)) + len(self.prefix)
        text = [*self.prefix, *pieces, *self.suffix]
        own = np.zeros((0, 4), dtype=np.int64)
        if subject is not None:
            first, last = int(subject[0]), int(subject[1])
            columns[first:] += 1
            columns[last + 1 :] += 1
            start, end = int(columns[first]) - 1, int(columns[last]) + 1
            text.insert(start, self.solid[0])
            text.insert(end, self.solid[1])
            own = _ints([[start + 1, end - 1, start, end]])
        ends = len(text) + np.cumsum([len(label) for label in self.annotations])
        sizes = [len(label) for label in self.annotations]
        fixed = [*text, *self._annotation_ids]
        n_fixed, n_spans = len(fixed), len(spans)
        places = columns[spans]
        numbers = np.arange(n_spans)
        return Pass(
            ids=_ints(
                fixed + [self.markers[0]] * n_spans + [self.markers[1]] * n_spans
            ),
            positions=np.concatenate([np.arange(n_fixed), places[:, 0], places[:, 1]])
            + self.first_position,
            kinds=np.repeat(
                [TEXT, ANNOTATION, MARKER],
                [len(text), n_fixed - len(text), 2 * n_spans],
            ),
            pairs=np.concatenate([np.full(n_fixed, NO_PAIR), numbers, numbers]),
            spans=np.column_stack(
                [places, n_fixed + numbers, n_fixed + n_spans + numbers]
            ),
            subject=own,
            annotations=np.stack([ends - sizes, ends - 1], 1).astype(np.int64),
        )


class PaddedPasses(NamedTuple):
    """Several passes at once, and where the answers will lie.

    Answers are looked up in the encoder's output with the passes one after the
    other: in rows of shape (B * L, D).

    ids, positions, kinds, pairs (ndarray): The input. Shape of each: (B, L).
    spans (ndarray): As of ``Pass``, of all passes. Shape: (C, 4).
    subjects (ndarray): Shape: (B, 4); (B, 0) in the first stage.
    annotations (ndarray): Shape: (B, A, 2).
    """

    ids: np.ndarray
    positions: np.ndarray
    kinds: np.ndarray
    pairs: np.ndarray
    spans: np.ndarray
    subjects: np.ndarray
    annotations: np.ndarray


def pad_passes(passes: Sequence[Pass], padding: int) -> PaddedPasses:
    """
    padding (int): Id of the padding token.
    RETURNS (PaddedPasses): Padding is seen by nobody.
    """
    longest = max(len(p.ids) for p in passes)
    shape = (len(passes), longest)
    inputs = (
        np.full(shape, padding, dtype=np.int64),
        np.zeros(shape, dtype=np.int64),
        np.full(shape, PADDING, dtype=np.int64),
        np.full(shape, NO_PAIR, dtype=np.int64),
    )
    for row, one in enumerate(passes):
        for target, values in zip(inputs, one[:4], strict=True):
            target[row, : len(values)] = values
    firsts = [longest * row for row in range(len(passes))]
    return PaddedPasses(
        *inputs,
        spans=np.concatenate([p.spans + f for p, f in zip(passes, firsts)]),
        subjects=np.stack([p.subject.ravel() + f for p, f in zip(passes, firsts)]),
        annotations=np.stack([p.annotations + f for p, f in zip(passes, firsts)]),
    )


def undo_order(order: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where answers are that were read in another order.

    order (ndarray): Numbers of the passes as they were read. Shape: (P,).
    counts (ndarray): Spans of each pass, by number. Shape: (P,).
    RETURNS (tuple[ndarray, ndarray]): Of each pass, by number, and of each span, pass
        by pass, its place among those read. Shapes: (P,), (C,).
    """
    span_passes = np.repeat(order, counts[order])
    return np.argsort(order), np.argsort(span_passes, kind="stable")


@dataclass(frozen=True)
class Texts:
    """The windows of a batch as wordpieces.

    windows (Windows): Where they lie in the Docs.
    pieces (list[list[int]]): Of each window.
    token_pieces (ndarray): Piece range of each token in its window; empty for a
        token without pieces. Shape: (T, 2).
    """

    windows: Windows
    pieces: list[list[int]]
    token_pieces: np.ndarray

    @property
    def has_units(self) -> np.ndarray:
        """Whether a token has pieces. Shape: (T,), bool."""
        return self.token_pieces[:, 0] < self.token_pieces[:, 1]

    def split(self, max_tokens: int) -> list["Texts"]:
        """RETURNS (list[Texts]): Itself: the module divides its passes."""
        return [self]

    @classmethod
    def of(
        cls, windows: Windows, pieces: list[list[int]], sizes: np.ndarray
    ) -> "Texts":
        """
        sizes (ndarray): Pieces of each token. Shape: (T,).
        """
        ends = np.cumsum(sizes)
        counts = np.asarray([len(p) for p in pieces], dtype=np.int64)
        before = (np.cumsum(counts) - counts)[windows.token_window]
        return cls(windows, pieces, np.stack([ends - sizes, ends], 1) - before[:, None])

    def span_pieces(self, spans: np.ndarray) -> np.ndarray:
        """First and last piece of token spans. Shape: (S, 2).

        The last comes before the first where the tokens have no pieces.
        """
        return np.stack(
            [
                self.token_pieces[spans[:, 0], 0],
                self.token_pieces[spans[:, 1] - 1, 1] - 1,
            ],
            1,
        )


@dataclass(frozen=True)
class Graphs:
    """What a stage is to read: the spans of some graphs, by the pieces they cover.

    texts (Texts): The windows.
    windows (ndarray): Window of each graph. Shape: (G,).
    spans (list[ndarray]): First and last piece of each graph's spans.
    subjects (list[ndarray | None]): The same of each graph's subject, in the second
        stage.
    """

    texts: Texts
    windows: np.ndarray
    spans: list[np.ndarray]
    subjects: Sequence[np.ndarray | None]

    def chunks(
        self, form: InputFormat, max_spans: int, max_rows: int
    ) -> "list[Graphs]":
        """Divide between graphs.

        form (InputFormat), max_spans (int): See ``passes``.
        max_rows (int): Most spans and annotations of a chunk, but for a single larger
            graph. Each pass reads all annotations.
        """
        found, first, count = [], 0, 0
        for number, spans in enumerate(self.spans):
            n_passes = -(-len(spans) // max_spans)
            n_rows = len(spans) + n_passes * len(form.annotations)
            if count and count + n_rows > max_rows:
                found.append(self._part(slice(first, number)))
                first, count = number, 0
            count += n_rows
        if count:
            found.append(self._part(slice(first, None)))
        return found

    def _part(self, part: slice) -> "Graphs":
        return Graphs(
            self.texts, self.windows[part], self.spans[part], self.subjects[part]
        )

    def passes(
        self, form: InputFormat, max_spans: int
    ) -> tuple[list[Pass], np.ndarray]:
        """
        form (InputFormat): Of the stage.
        max_spans (int): Most spans of a pass; a graph of more is read in several.
        RETURNS (tuple): The passes, and the graph of each, shape: (P,).
        """
        passes, numbers = [], []
        for number, (window, spans, subject) in enumerate(
            zip(self.windows.tolist(), self.spans, self.subjects, strict=True)
        ):
            pieces = self.texts.pieces[window]
            for first in range(0, len(spans), max_spans):
                part = spans[first : first + max_spans]
                passes.append(form.make_pass(pieces, part, subject))
                numbers.append(number)
        return passes, _ints(numbers)


def find_readable(texts: Texts, spans: np.ndarray) -> np.ndarray:
    """The spans that the first stage reads, in the order of the text.

    A span that begins or ends on a token without pieces is, piece by piece, a narrower
    one.

    spans (ndarray): Token ranges. Shape: (S, 2).
    RETURNS (ndarray): Positions in the spans. Shape: (C,).
    """
    has_units = texts.has_units
    starts, ends = spans[:, 0], spans[:, 1]
    rows = np.flatnonzero(has_units[starts] & has_units[ends - 1])
    return rows[np.lexsort((ends[rows], starts[rows]))]


def candidate_graphs(texts: Texts, spans: np.ndarray) -> Graphs:
    """One graph per window that has candidates.

    spans (ndarray): In the order of the text. Shape: (S, 2).
    """
    windows = texts.windows.token_window[spans[:, 0]]
    filled, starts = np.unique(windows, return_index=True)
    # (a split of nothing would be one empty part)
    parts = np.split(texts.span_pieces(spans), starts[1:]) if len(filled) else []
    return Graphs(texts, filled, parts, [None] * len(parts))


def pair_entities(windows: np.ndarray) -> np.ndarray:
    """All ordered pairs of the entities of each window, subject by subject.

    windows (ndarray): Window of each entity, in rising order. Shape: (N,).
    RETURNS (ndarray): Positions of subject and object in the entities. Shape: (P, 2).
    """
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    _, starts, counts = np.unique(windows, return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        pairs.append(np.argwhere(~np.eye(count, dtype=bool)) + start)
    return np.concatenate(pairs)


def relation_graphs(
    texts: Texts, spans: np.ndarray, windows: np.ndarray, pairs: np.ndarray
) -> Graphs:
    """One graph per subject.

    spans (ndarray): Token spans of the entities. Shape: (N, 2).
    windows (ndarray): Window of each. Shape: (N,).
    pairs (ndarray): Positions of subject and object, sorted by subject. Shape: (P, 2).
    """
    pieces = texts.span_pieces(spans)
    subjects, starts = np.unique(pairs[:, 0], return_index=True)
    objects = np.split(pieces[pairs[:, 1]], starts[1:]) if len(starts) else []
    return Graphs(texts, windows[subjects], objects, list(pieces[subjects]))


# annotations --------------------------------------------------------------------------

# between two words of a label: at - and _, before a capital that begins a word
_SEAM = re.compile(r"[-_\s]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def annotate(label: str, annotations: Mapping[str, str]) -> str:
    """The words that say what a label means (section 3.2, "Annotation Tokens").

    annotations (Mapping[str, str]): By label; a label that is not among them is
        split into its words: "OrgBased_In" -> "org based in".
    """
    if label in annotations:
        return annotations[label]
    words = [word.lower() for word in _SEAM.split(label) if word]
    return " ".join(words) or label


def _ints(values: Sequence[Any]) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)
