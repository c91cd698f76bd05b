"""Windows: the token ranges that the encoder processes as one sequence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from spacy.tokens import Doc
from thinc.api import Model

from ..annotations.sentences import WindowKind, window_ranges
from ..types import Windows

# name of the attribute of nodes that create windows
ATTRIBUTE = "windows"


@dataclass(frozen=True)
class WindowSettings:
    """The windows that a node creates. An attribute of the node: thinc does not save
    it, because it is not serializable.

    kind (str | int): "sentence", "doc" or a number of sentences.
    """

    kind: WindowKind = "sentence"

    @property
    def overlap(self) -> bool:
        """Whether windows overlap: all kinds except single sentences."""
        return self.kind != "sentence"

    def make(self, docs: Sequence[Doc]) -> Windows:
        """Get the windows of Docs, before long ones are divided.

        A Doc without sentence boundaries is one sentence. A Doc without tokens has no
        window.
        """
        rows = [
            (index, *one)
            for index, doc in enumerate(docs)
            for one in window_ranges(doc, self.kind)
        ]
        table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
        return _without_contained(table) if self.overlap else Windows(*table.T)

    def divide(self, windows: Windows, sizes: np.ndarray, limit: int) -> Windows:
        """Divide windows with too many wordpieces.

        Sentences are split at token boundaries. Other windows are divided into windows
        of the maximum size that overlap by half, so that all tokens that are at most
        half a window apart are in a common window.

        windows (Windows): The windows.
        sizes (ndarray): Number of wordpieces of each token of the windows. Shape: (T,).
        limit (int): Maximum number of wordpieces in a window.
        """
        if not self.overlap:
            return split_windows(windows, sizes, limit)
        return stride_windows(windows, sizes, limit)


SENTENCES = WindowSettings()


def windows_of(model: Model[Any, Any]) -> WindowSettings:
    """RETURNS (WindowSettings): The windows of a node."""
    settings = model.attrs[ATTRIBUTE]
    assert isinstance(settings, WindowSettings)
    return settings


def set_windows(model: Model[Any, Any], kind: WindowKind) -> None:
    """Set which windows the nodes of a model create.

    model (Model): The model of a component.
    kind (str | int): "sentence", "doc" or a number of sentences.
    """
    for node in model.walk():
        if isinstance(node.attrs.get(ATTRIBUTE), WindowSettings):
            node.attrs[ATTRIBUTE] = WindowSettings(kind)


def sentence_windows(docs: Sequence[Doc]) -> Windows:
    """Get one window per sentence, or per Doc if no sentence boundaries are set.

    A Doc without tokens has no window.
    """
    return SENTENCES.make(docs)


def stride_windows(windows: Windows, sizes: np.ndarray, limit: int) -> Windows:
    """Divide windows with too many wordpieces into windows that overlap by half.

    windows (Windows): The windows.
    sizes (ndarray): The number of wordpieces of each token. Shape: (T,).
    limit (int): Maximum number of wordpieces in a window. A longer token is a separate
        window.
    RETURNS (Windows): The windows. One that another one contains is left out.
    """
    totals = np.add.reduceat(np.append(sizes, 0), windows.first_token)
    if len(windows.doc) == 0 or totals[: len(windows.doc)].max() <= limit:
        return windows
    rows: list[tuple[int, int, int]] = []
    for index, first in enumerate(windows.first_token.tolist()):
        doc, start = int(windows.doc[index]), int(windows.start[index])
        count = int(windows.counts[index])
        before = np.concatenate([[0], np.cumsum(sizes[first : first + count])])
        left = last = 0
        while last < count:
            right = int(np.searchsorted(before, before[left] + limit, side="right")) - 1
            right = max(right, left + 1)
            if right > last:
                rows.append((doc, start + left, start + right))
                last = right
                half = np.searchsorted(before, before[right] - limit // 2, side="left")
                left = min(max(int(half), left + 1), right)
            else:  # a long token follows
                left = last
    table = np.asarray(rows, dtype=np.int64)
    return _without_contained(
        table[np.lexsort((-table[:, 2], table[:, 1], table[:, 0]))]
    )


def _without_contained(rows: np.ndarray) -> Windows:
    """Leave out windows that other windows contain.

    rows (ndarray): Doc, start and end of each window, in this order; of those with the
        same start, the longest is first. Shape: (W, 3).
    """
    kept: list[tuple[int, int, int, int]] = []
    for doc, start, end in rows.tolist():
        previous = kept[-1] if kept and kept[-1][0] == doc else None
        if previous is None:
            kept.append((doc, start, end, 0))
        elif end > previous[2]:
            kept.append((doc, start, end, max(0, previous[2] - start)))
    return Windows(*np.asarray(kept, dtype=np.int64).reshape(-1, 4).T)


def split_windows(windows: Windows, sizes: np.ndarray, limit: int) -> Windows:
    """Split windows with too many wordpieces at token boundaries.

    windows (Windows): The windows.
    sizes (ndarray): The number of wordpieces of each token. Shape: (T,).
    limit (int): Maximum number of wordpieces in a window. A longer token is a separate
        window.
    RETURNS (Windows): The windows, with long windows split.
    """
    ends = np.cumsum(windows.counts)
    totals = np.add.reduceat(np.append(sizes, 0), windows.first_token)
    if len(totals) == 0 or totals.max() <= limit:
        return windows
    number, start, end = [], [], []
    for index in range(len(windows.doc)):
        cuts = [int(windows.start[index])]
        if totals[index] > limit:
            first = ends[index] - windows.counts[index]
            size = 0
            for offset, pieces in enumerate(sizes[first : ends[index]]):
                if size and size + pieces > limit:
                    cuts.append(int(windows.start[index]) + offset)
                    size = 0
                size += int(pieces)
        number += [int(windows.doc[index])] * len(cuts)
        start += cuts
        end += [*cuts[1:], int(windows.end[index])]
    return Windows(_ints(number), _ints(start), _ints(end))


def with_context(
    windows: Windows, unit_counts: np.ndarray, size: int
) -> tuple[np.ndarray, np.ndarray]:
    """Extend windows with the units before and after them in their Doc.

    A window gets as many units from both sides. If one side has fewer, the other side
    gives more.

    windows (Windows): The windows, in Doc order.
    unit_counts (ndarray): Units per window. Shape: (W,).
    size (int): Number of units of an extended window. A window that has more, or a Doc
        that has fewer, is not cut or extended further.
    RETURNS (tuple[ndarray, ndarray]): The first unit of each extended window and the
        unit after the last. Units count over the batch. Shape of each: (W,).
    """
    end = np.cumsum(unit_counts)
    start = end - unit_counts
    before = start - start[np.searchsorted(windows.doc, windows.doc, side="left")]
    after = end[np.searchsorted(windows.doc, windows.doc, side="right") - 1] - end
    missing = np.maximum(size - unit_counts, 0)
    from_before = np.minimum(before, missing // 2)
    from_after = np.minimum(after, missing - from_before)
    from_before = np.minimum(before, missing - from_after)
    return start - from_before, end + from_after


def _ints(values: list[int]) -> np.ndarray:
    return np.asarray(values, dtype=np.int64)
