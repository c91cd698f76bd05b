"""Map spans between the reference Doc and the predicted Doc of an Example."""

from bisect import bisect_right
from functools import cached_property

from spacy.tokens import Span
from spacy.training import Example

from .gold import SpanKey
from .relations import expanded_span

Address = tuple[int, int]
TokenRange = tuple[int, int]


class TextAlignment:
    """Alignment of the two Docs of an Example.

    Uses character offsets if the texts are equal, offsets that ignore whitespace if
    the texts differ only in whitespace, and spaCy's token alignment otherwise.
    """

    def __init__(self, example: Example):
        self.example = example
        predicted, reference = example.predicted.text, example.reference.text
        self.equal = predicted == reference
        self.equal_without_space = self.equal or (
            "".join(predicted.split()) == "".join(reference.split())
        )

    def address(self, key: SpanKey) -> Address:
        """RETURNS (tuple[int, int]): The address of a span of the reference."""
        if self.equal or not self.equal_without_space:
            return key[:2]
        return self._reference_counts[key[0]], self._reference_counts[key[1]]

    def predicted_address(self, key: SpanKey) -> Address:
        """RETURNS (tuple[int, int]): The address of a span of the predicted Doc. It
        equals the address of the corresponding span of the reference. A span that
        cannot be aligned gets an address that no span of the reference has."""
        if self.equal:
            return key[:2]
        if self.equal_without_space:
            return self._predicted_counts[key[0]], self._predicted_counts[key[1]]
        span = expanded_span(self.example.predicted, key[0], key[1])
        aligned = self.example.get_aligned_spans_x2y([span], allow_overlap=True)
        if not aligned:
            return (-key[0] - 1, -key[1] - 1)
        return (aligned[0].start_char, aligned[0].end_char)

    def reference_range(self, address: Address) -> tuple[int, int]:
        """RETURNS (tuple[int, int]): The characters of an address in the text of the
        reference. Empty for a span without characters there: one that cannot be
        aligned, or one of whitespace only."""
        if self.equal:
            return address
        if not self.equal_without_space:
            return address if address[0] >= 0 else (0, 0)
        start = self._reference_offset(address[0])
        if address[0] == address[1]:
            return start, start
        return start, self._reference_offset(address[1] - 1) + 1

    def find_tokens(self, key: SpanKey) -> TokenRange | None:
        """RETURNS (tuple[int, int] | None): The predicted tokens of a span of the
        reference, end exclusive. None if the span does not start and end at token
        boundaries."""
        if self.equal:
            span = self.example.predicted.char_span(key[0], key[1])
            return None if span is None else (span.start, span.end)
        if self.equal_without_space:
            starts, ends = self._token_bounds
            first, last = (self._reference_counts[offset] for offset in key[:2])
            start, end = starts.get(first), ends.get(last)
            return None if start is None or end is None else (start, end)
        source = self.example.reference.char_span(key[0], key[1], label=key[2])
        if source is None:
            return None
        aligned: list[Span] = self.example.get_aligned_spans_y2x(
            [source], allow_overlap=True
        )
        return (aligned[0].start, aligned[0].end) if aligned else None

    @cached_property
    def _predicted_counts(self) -> list[int]:
        return count_nonspace(self.example.predicted.text)

    @cached_property
    def _reference_counts(self) -> list[int]:
        return count_nonspace(self.example.reference.text)

    def _reference_offset(self, count: int) -> int:
        """RETURNS (int): The offset of the non-whitespace character with `count` of
        them before it. The length of the text if there are no more."""
        # the last offset with this count: whitespace does not change the count
        return bisect_right(self._reference_counts, count) - 1

    @cached_property
    def _token_bounds(self) -> tuple[dict[int, int], dict[int, int]]:
        """Two dicts: index of a predicted token by the number of non-whitespace
        characters before it, and its end by the number up to its last character."""
        counts = self._predicted_counts
        tokens = [token for token in self.example.predicted if not token.is_space]
        return (
            {counts[token.idx]: token.i for token in tokens},
            {counts[token.idx + len(token)]: token.i + 1 for token in tokens},
        )


def count_nonspace(text: str) -> list[int]:
    """RETURNS (list[int]): The number of non-whitespace characters before each offset,
    including the offset of the end of the text."""
    counts = [0]
    for character in text:
        counts.append(counts[-1] + (not character.isspace()))
    return counts
