"""The input of LAI-Net's encoder: text, label annotations and markers.

::

    ids        [CLS] t0 t1 t2 t3 [SEP] a0 a1 b0 [SEP] M(0,1) M(2,3) \\M(0,1) \\M(2,3)
    positions    0    1  2  3  4   5    6  7  8   9     1      3       2       4
    kinds       text ...         text  annotation ...  markers ...

In the second stage, two solid markers enclose the subject in the text. They shift the
positions of the tokens that follow. Pieces are counted from the start of a window,
columns from the start of a pass. The index of a last piece is inclusive.
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
    """One row of the encoder's input, and the columns that the network reads.

    ids, positions, kinds, pairs (ndarray): The input. Shape of each: (L,).
    spans (ndarray): Columns of the first piece, last piece, start marker and end
        marker of each span. Shape: (C, 4).
    subject (ndarray): The same columns of the subject, with its solid markers.
        Shape: (1, 4); (0, 4) in the first stage.
    annotations (ndarray): Columns of the first and last piece of each label's
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
    """The tokens that one stage adds to the text (equation 5).

    prefix, suffix (list[int]): Special tokens that the tokenizer adds before and
        after a text: [CLS], [SEP].
    annotations (list[list[int]]): Pieces of each label's annotation, in label order;
        empty for an input without annotations.
    separator (int): The token that follows the annotations.
    markers (list[int]): The start and end markers of a span.
    solid (list[int]): The start and end markers of the subject, which are part of
        the text; empty in the first stage.
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
        """The number of tokens of a pass that are neither text nor markers."""
        return len(self.prefix) + len(self.suffix) + len(self._annotation_ids)

    @property
    def _annotation_ids(self) -> list[int]:
        if not self.annotations:
            return []
        return [piece for label in self.annotations for piece in label] + [
            self.separator
        ]

    def max_text_pieces(self, max_length: int, max_positions: int) -> int:
        """Compute the maximum number of text pieces in a pass.

        max_length (int): Maximum number of tokens of a pass, without markers.
        max_positions (int): Maximum number of positions of the encoder. The markers
            of spans repeat positions of the text. Solid markers have their own.
        RETURNS (int): The number of pieces; negative if the annotations do not fit.
        """
        return min(max_length, max_positions - len(self.solid)) - self.n_fixed

    def make_pass(
        self, pieces: Pieces, spans: np.ndarray, subject: np.ndarray | None = None
    ) -> Pass:
        """Assemble the input for one window.

        pieces (Sequence[int]): The pieces of the window.
        spans (ndarray): First and last piece of each span. Shape: (C, 2).
        subject (ndarray | None): First and last piece of the subject. Shape: (2,).
        RETURNS (Pass): The input.
        """
        # the column of each piece of the window
        columns = np.arange(len(pieces)) + len(self.prefix)
        text = [*self.prefix, *pieces, *self.suffix]
        subject_columns = np.zeros((0, 4), dtype=np.int64)
        if subject is not None:
            first, last = int(subject[0]), int(subject[1])
            columns[first:] += 1
            columns[last + 1 :] += 1
            start, end = int(columns[first]) - 1, int(columns[last]) + 1
            text.insert(start, self.solid[0])
            text.insert(end, self.solid[1])
            subject_columns = _ints([[start + 1, end - 1, start, end]])
        ends = len(text) + np.cumsum([len(label) for label in self.annotations])
        sizes = [len(label) for label in self.annotations]
        fixed = [*text, *self._annotation_ids]
        n_fixed, n_spans = len(fixed), len(spans)
        span_columns = columns[spans]
        numbers = np.arange(n_spans)
        return Pass(
            ids=_ints(
                fixed + [self.markers[0]] * n_spans + [self.markers[1]] * n_spans
            ),
            positions=np.concatenate(
                [np.arange(n_fixed), span_columns[:, 0], span_columns[:, 1]]
            )
            + self.first_position,
            kinds=np.repeat(
                [TEXT, ANNOTATION, MARKER],
                [len(text), n_fixed - len(text), 2 * n_spans],
            ),
            pairs=np.concatenate([np.full(n_fixed, NO_PAIR), numbers, numbers]),
            spans=np.column_stack(
                [span_columns, n_fixed + numbers, n_fixed + n_spans + numbers]
            ),
            subject=subject_columns,
            annotations=np.stack([ends - sizes, ends - 1], 1).astype(np.int64),
        )


class PaddedPasses(NamedTuple):
    """A batch of passes, and the rows that the network reads.

    The rows are indices into the encoder's output, reshaped to (B * L, D).

    ids, positions, kinds, pairs (ndarray): The input. Shape of each: (B, L).
    spans (ndarray): Rows of the spans of all passes, as in ``Pass``. Shape: (C, 4).
    subjects (ndarray): Rows of the subjects. Shape: (B, 4); (B, 0) in the first stage.
    annotations (ndarray): Rows of the annotations. Shape: (B, A, 2).
    """

    ids: np.ndarray
    positions: np.ndarray
    kinds: np.ndarray
    pairs: np.ndarray
    spans: np.ndarray
    subjects: np.ndarray
    annotations: np.ndarray


def pad_passes(passes: Sequence[Pass], padding: int) -> PaddedPasses:
    """Pad passes to the same length.

    passes (Sequence[Pass]): The passes.
    padding (int): ID of the padding token.
    RETURNS (PaddedPasses): The batch. No token attends to padding.
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
    """Compute the indices that restore the original order of the outputs.

    order (ndarray): Indices of the passes, in the order in which the encoder ran on
        them. Shape: (P,).
    counts (ndarray): Number of spans of each pass, in the original order. Shape: (P,).
    RETURNS (tuple[ndarray, ndarray]): Indices into the outputs of the passes and into
        the outputs of the spans. Shapes: (P,), (C,).
    """
    span_passes = np.repeat(order, counts[order])
    return np.argsort(order), np.argsort(span_passes, kind="stable")


@dataclass(frozen=True)
class Texts:
    """The windows of a batch as wordpieces.

    windows (Windows): The position of each window in the Docs.
    pieces (list[list[int]]): The pieces of each window.
    token_pieces (ndarray): Range of the pieces of each token in its window; empty for
        a token without pieces. Shape: (T, 2).
    """

    windows: Windows
    pieces: list[list[int]]
    token_pieces: np.ndarray

    @property
    def has_units(self) -> np.ndarray:
        """Whether each token has pieces. Shape: (T,), bool."""
        return self.token_pieces[:, 0] < self.token_pieces[:, 1]

    def split(self, max_tokens: int) -> list["Texts"]:
        """RETURNS (list[Texts]): All texts: the module divides its passes."""
        return [self]

    @classmethod
    def of(
        cls, windows: Windows, pieces: list[list[int]], sizes: np.ndarray
    ) -> "Texts":
        """Create Texts from the number of pieces of each token.

        windows (Windows): The position of each window in the Docs.
        pieces (list[list[int]]): The pieces of each window.
        sizes (ndarray): Number of pieces of each token. Shape: (T,).
        """
        ends = np.cumsum(sizes)
        counts = np.asarray([len(p) for p in pieces], dtype=np.int64)
        before = (np.cumsum(counts) - counts)[windows.token_window]
        return cls(windows, pieces, np.stack([ends - sizes, ends], 1) - before[:, None])

    def span_pieces(self, spans: np.ndarray) -> np.ndarray:
        """Convert token spans to their first and last pieces.

        spans (ndarray): Token ranges. Shape: (S, 2).
        RETURNS (ndarray): First and last piece of each span. The last piece precedes
            the first if the tokens have no pieces. Shape: (S, 2).
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
    """The input of a stage: the spans of some graphs, as ranges of pieces.

    texts (Texts): The windows.
    windows (ndarray): The window of each graph. Shape: (G,).
    spans (list[ndarray]): First and last piece of each graph's spans.
    subjects (list[ndarray | None]): First and last piece of each graph's subject in
        the second stage; None in the first stage.
    """

    texts: Texts
    windows: np.ndarray
    spans: list[np.ndarray]
    subjects: Sequence[np.ndarray | None]

    def chunks(
        self, form: InputFormat, max_spans: int, max_rows: int
    ) -> "list[Graphs]":
        """Divide the graphs into chunks of limited size.

        form (InputFormat), max_spans (int): See ``passes``.
        max_rows (int): Maximum number of spans and annotations of a chunk. A larger
            graph is a chunk of its own. Each pass includes all annotations.
        RETURNS (list[Graphs]): The chunks.
        """
        chunks, first, count = [], 0, 0
        for number, spans in enumerate(self.spans):
            n_passes = -(-len(spans) // max_spans)
            n_rows = len(spans) + n_passes * len(form.annotations)
            if count and count + n_rows > max_rows:
                chunks.append(self._part(slice(first, number)))
                first, count = number, 0
            count += n_rows
        if count:
            chunks.append(self._part(slice(first, None)))
        return chunks

    def _part(self, part: slice) -> "Graphs":
        return Graphs(
            self.texts, self.windows[part], self.spans[part], self.subjects[part]
        )

    def passes(
        self, form: InputFormat, max_spans: int
    ) -> tuple[list[Pass], np.ndarray]:
        """Assemble the passes of the graphs.

        form (InputFormat): The format of the stage.
        max_spans (int): Maximum number of spans of a pass. A graph with more spans
            has several passes.
        RETURNS (tuple): The passes, and the index of the graph of each pass, shape:
            (P,).
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
    """Select the spans of the first stage, in the order of the text.

    A span that starts or ends with a token without pieces is skipped: it has the same
    pieces as a narrower span.

    texts (Texts): The windows.
    spans (ndarray): Token ranges. Shape: (S, 2).
    RETURNS (ndarray): Indices of the selected spans. Shape: (C,).
    """
    has_units = texts.has_units
    starts, ends = spans[:, 0], spans[:, 1]
    rows = np.flatnonzero(has_units[starts] & has_units[ends - 1])
    return rows[np.lexsort((ends[rows], starts[rows]))]


def candidate_graphs(texts: Texts, spans: np.ndarray) -> Graphs:
    """Create one graph per window that has candidates.

    texts (Texts): The windows.
    spans (ndarray): Token ranges, in the order of the text. Shape: (S, 2).
    RETURNS (Graphs): The graphs.
    """
    windows = texts.windows.token_window[spans[:, 0]]
    filled, starts = np.unique(windows, return_index=True)
    # np.split would return one empty part for an empty array
    parts = np.split(texts.span_pieces(spans), starts[1:]) if len(filled) else []
    return Graphs(texts, filled, parts, [None] * len(parts))


def pair_entities(windows: np.ndarray) -> np.ndarray:
    """Create all ordered pairs of the entities of each window, sorted by subject.

    windows (ndarray): The window of each entity, in ascending order. Shape: (N,).
    RETURNS (ndarray): Indices of the subject and object of each pair. Shape: (P, 2).
    """
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    _, starts, counts = np.unique(windows, return_index=True, return_counts=True)
    for start, count in zip(starts.tolist(), counts.tolist(), strict=True):
        pairs.append(np.argwhere(~np.eye(count, dtype=bool)) + start)
    return np.concatenate(pairs)


def relation_graphs(
    texts: Texts, spans: np.ndarray, windows: np.ndarray, pairs: np.ndarray
) -> Graphs:
    """Create one graph per subject.

    texts (Texts): The windows.
    spans (ndarray): Token ranges of the entities. Shape: (N, 2).
    windows (ndarray): The window of each entity. Shape: (N,).
    pairs (ndarray): Indices of the subject and object of each pair, sorted by subject.
        Shape: (P, 2).
    RETURNS (Graphs): The graphs.
    """
    pieces = texts.span_pieces(spans)
    subjects, starts = np.unique(pairs[:, 0], return_index=True)
    objects = np.split(pieces[pairs[:, 1]], starts[1:]) if len(starts) else []
    return Graphs(texts, windows[subjects], objects, list(pieces[subjects]))


# annotations --------------------------------------------------------------------------

# boundary between two words of a label: -, _ or whitespace, or a capital letter that
# starts a word
_WORD_BOUNDARY = re.compile(r"[-_\s]+|(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def annotate(label: str, annotations: Mapping[str, str]) -> str:
    """Get the words that describe a label (section 3.2, "Annotation Tokens").

    label (str): The label.
    annotations (Mapping[str, str]): Words by label. A label without an entry is split
        into its words: "OrgBased_In" -> "org based in".
    RETURNS (str): The words.
    """
    if label in annotations:
        return annotations[label]
    words = [word.lower() for word in _WORD_BOUNDARY.split(label) if word]
    return " ".join(words) or label


def _ints(values: Sequence[Any]) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)
