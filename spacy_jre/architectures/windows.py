"""Windows: the token ranges that the encoder processes as one sequence."""

from collections.abc import Sequence

import numpy as np
from spacy.tokens import Doc

from ..annotations.sentences import sentence_ranges
from ..types import Windows


def sentence_windows(docs: Sequence[Doc]) -> Windows:
    """Get one window per sentence, or per Doc if no sentence boundaries are set.

    A Doc without tokens has no window.
    """
    number: list[int] = []
    start: list[int] = []
    end: list[int] = []
    for index, doc in enumerate(docs):
        for first, last in sentence_ranges(doc):
            number.append(index)
            start.append(first)
            end.append(last)
    return Windows(_ints(number), _ints(start), _ints(end))


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
