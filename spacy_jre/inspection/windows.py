"""The windows of a Doc, with a fast search."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

Range = tuple[int, int]


class Windows:
    """Token ranges, end exclusive, in the order of the text.

    A window inside another one is left out. So both the starts and the ends increase.
    """

    def __init__(self, ranges: Iterable[Range]):
        """
        ranges (Iterable[tuple[int, int]]): The token ranges.
        """
        self._ranges: list[Range] = []
        for start, end in sorted(ranges, key=lambda one: (one[0], -one[1])):
            if not self._ranges or end > self._ranges[-1][1]:
                self._ranges.append((start, end))

    def __len__(self) -> int:
        return len(self._ranges)

    def __iter__(self) -> Iterator[Range]:
        return iter(self._ranges)

    def find(self, *spans: Range) -> int | None:
        """RETURNS (int | None): The first window that contains all of some token
        ranges."""
        first = min(start for start, _ in spans)
        last = max(end for _, end in spans)
        index = bisect_left(self._ranges, last, key=itemgetter(1))
        if index < len(self) and self._ranges[index][0] <= first:
            return index
        return None

    def count_pairs(self, spans: Sequence[Range]) -> Iterator[tuple[int, int]]:
        """Count spans and their ordered pairs in each window.

        spans (Sequence[tuple[int, int]]): Different token ranges, sorted.
        YIELDS (tuple[int, int]): The number of spans in the window, and the number of
            their pairs without those that an earlier window contains.
        """
        last_end = 0
        for start, end in self._ranges:
            inside = _select(spans, start, end)
            # the window before this one also starts before these spans
            earlier = sum(stop <= last_end for _, stop in inside)
            count = len(inside)
            yield count, count * (count - 1) - earlier * (earlier - 1)
            last_end = end


def _select(spans: Sequence[Range], start: int, end: int) -> list[Range]:
    """RETURNS (list): The spans inside a range."""
    inside = []
    for index in range(bisect_left(spans, (start, 0)), len(spans)):
        if spans[index][0] >= end:
            break
        if spans[index][1] <= end:
            inside.append(spans[index])
    return inside
