"""A span group that stays valid when tokens are merged or split."""

import struct
from collections.abc import Iterator

import srsly
from spacy.tokens import Doc, Span, SpanGroup


class EntityGroup(SpanGroup):
    """A span group whose spans follow their characters.

    spaCy does not update the token offsets of span groups in ``Doc.retokenize``, so
    that saving or copying the Doc raises an error after ``merge_entities``. When this
    group returns a span, it compares the tokens with the characters of the span. If
    they differ, it updates all of its spans. A span covers all tokens that overlap its
    characters.
    """

    def __getitem__(self, i: int) -> Span:
        # iteration, sorting and copying call this, too
        try:
            span = super().__getitem__(i)
        except IndexError:  # E035: the Doc has fewer tokens now, or there is no span i
            span = None
        if span is None or not self._is_valid(span):
            self._update()
            span = super().__getitem__(i)
        return span

    def to_bytes(self) -> bytes:
        list(self)  # updates the offsets
        data: bytes = super().to_bytes()
        return data

    def copy(self, doc: Doc | None = None) -> "EntityGroup":
        other = super().copy(doc)
        return EntityGroup(
            other.doc, name=other.name, attrs=other.attrs, spans=list(other)
        )

    @staticmethod
    def _is_valid(span: Span) -> bool:
        """Whether the tokens of a span are those of its characters."""
        last = span.doc[span.end - 1]
        bounds = span.doc[span.start].idx, last.idx + len(last)
        return bounds == (span.start_char, span.end_char)

    def _update(self) -> None:
        for index, (span_id, kb_id, label, start, end) in enumerate(self._rows()):
            span = self.doc.char_span(
                start, end, label, kb_id, alignment_mode="expand", span_id=span_id
            )
            # (None only if the text of the Doc has changed)
            if span is not None:
                SpanGroup.__setitem__(self, index, span)  # type: ignore[index]

    def _rows(self) -> Iterator[tuple[int, int, int, int, int]]:
        """YIELDS (tuple): id, id in the knowledge base, label, and character offsets of
        each span. A Span object of invalid tokens cannot be created."""
        for row in srsly.msgpack_loads(super().to_bytes())["spans"]:
            span_id, kb_id, label, _, _, start, end = struct.unpack(">QQQllll", row)
            yield span_id, kb_id, label, start, end
