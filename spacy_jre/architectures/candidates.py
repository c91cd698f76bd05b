"""The candidates of a prediction: spans of windows, and pairs of given spans."""

from itertools import product

import numpy as np

from ..types import Candidates, EncoderOutput, Windows


def all_spans(windows: Windows, max_width: int) -> Candidates:
    """Get all token spans of each window up to a width, by width and start token.

    A span that several windows contain is a candidate in the first of them only.
    """
    counts = windows.counts
    n_tokens = windows.n_tokens
    window_ends = np.repeat(windows.first_token + counts, counts)
    starts = np.arange(n_tokens)
    n_tokens_left = window_ends - starts
    widest = min(max_width, int(counts.max())) if len(counts) else 0
    spans, width_counts = [], []
    for width in range(1, widest + 1):
        first = starts[n_tokens_left >= width]
        rows = np.stack([first, first + width], 1)
        rows = rows[windows.is_new(rows)]
        spans.append(rows)
        width_counts.append(len(rows))
    flat = np.concatenate(spans) if spans else np.zeros((0, 2))
    return Candidates(flat.astype(np.int64), None, tuple(width_counts))


class PairChooser:
    """Selects the pairs of given spans in each part of a batch.

    Both spans of a pair are in the same window. A pair that several windows contain is
    a candidate in the first of them only. A span without units, such as whitespace, has
    no pairs. A span does not form a pair with one that has the same boundaries.

    n_truncated (int): Number of windows with more spans than were paired.
    """

    def __init__(
        self,
        ranges: np.ndarray,
        ranks: np.ndarray | None = None,
        limit: int = 0,
    ):
        """
        ranges (ndarray): The spans: index of the Doc, start and end token. Shape: (N,
            3).
        ranks (ndarray | None): Scores of the spans. If given, at most `limit` spans of
            a window are paired, and no more than it has tokens: those with the best
            scores. None: no limit. Shape: (N,).
        limit (int): See `ranks`.
        """
        self._ranges = ranges
        self._ranks = ranks
        self._limit = limit
        # given spans by Doc
        order = np.argsort(ranges[:, 0], kind="stable")
        docs, firsts = np.unique(ranges[order, 0], return_index=True)
        groups = np.split(order, firsts[1:]) if len(docs) else []
        self._by_doc = dict(zip(docs.tolist(), groups, strict=True))
        # given spans of each candidate span, in the order of the parts
        self._members: list[list[int]] = []
        self.n_truncated = 0

    def __call__(self, part: EncoderOutput) -> Candidates:
        """RETURNS (Candidates): The pairs of a part of the encoder output."""
        windows = part.windows
        spans: list[tuple[int, int]] = []
        pairs: list[np.ndarray] = [np.zeros((0, 2), dtype=np.int64)]
        for window in range(len(windows.doc)):
            members: dict[tuple[int, int], list[int]] = {}
            shift = int(windows.first_token[window] - windows.start[window])
            for index in self._inside(windows, window):
                span = _readable(part, *(self._ranges[index, 1:] + shift).tolist())
                if span is not None:
                    members.setdefault(span, []).append(index)
            if len(members) < 2:
                continue
            own = np.asarray(list(members), dtype=np.int64)
            is_new = windows.is_new(own)
            related = is_new[:, None] | is_new[None, :]
            np.fill_diagonal(related, False)
            pairs.append(np.argwhere(related) + len(spans))
            spans.extend(members)
            self._members.extend(members.values())
        return Candidates(
            np.asarray(spans, dtype=np.int64).reshape(-1, 2),
            np.concatenate(pairs),
            classified=np.zeros(len(spans), dtype=bool),
        )

    def _inside(self, windows: Windows, window: int) -> list[int]:
        """RETURNS (list[int]): Indices of the given spans inside a window."""
        own = self._by_doc.get(int(windows.doc[window]))
        if own is None:
            return []
        inside = (self._ranges[own, 1] >= windows.start[window]) & (
            self._ranges[own, 2] <= windows.end[window]
        )
        own = own[inside]
        if self._ranks is not None:
            limit = min(self._limit, int(windows.counts[window]))
            self.n_truncated += len(own) > limit
            best = np.argsort(-self._ranks[own], kind="stable")[:limit]
            own = own[np.sort(best)]
        rows: list[int] = own.tolist()
        return rows

    def expand(self, pairs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Convert pairs of candidate spans to pairs of given spans.

        pairs (ndarray): Indices of the candidates of all parts. Shape: (P, 2).
        RETURNS (tuple[ndarray, ndarray]): The candidate pair of each pair, shape: (Q,),
            and indices of the given spans, shape: (Q, 2). Several given spans can have
            the same boundaries.
        """
        rows = [
            (number, head, tail)
            for number, (first, second) in enumerate(pairs.tolist())
            for head, tail in product(self._members[first], self._members[second])
        ]
        table = np.asarray(rows, dtype=np.int64).reshape(-1, 3)
        return table[:, 0], table[:, 1:]


def _readable(part: EncoderOutput, start: int, end: int) -> tuple[int, int] | None:
    """RETURNS (tuple[int, int] | None): A span without the tokens without units at both
    ends, as in training. None if there is no other token."""
    filled = np.flatnonzero(part.has_units[start:end])
    if not len(filled):
        return None
    return start + int(filled[0]), start + int(filled[-1]) + 1
