"""A span group that stays valid when tokens are merged or split."""

import struct
from collections.abc import Iterator

import srsly
from spacy.tokens import Doc, Span, SpanGroup


class EntityGroup(SpanGroup):
    """A span group whose spans follow their characters.

    spaCy does not update the token offsets of span groups in ``Doc.retokenize``, so
    that saving or copying the Doc raises an error after ``merge_entities``. This group
    compares the tokens of its spans with their characters, and updates them if they
    differ. A span covers all tokens that overlap its characters.
    """

    def __len__(self) -> int:
        return int(super().__len__())

    def __getitem__(self, i: int) -> Span:
        self._update()
        return super().__getitem__(i)

    def __iter__(self) -> Iterator[Span]:
        self._update()
        for i in range(len(self)):
            yield super().__getitem__(i)

    def to_bytes(self) -> bytes:
        self._update()
        data: bytes = super().to_bytes()
        return data

    def copy(self, doc: Doc | None = None) -> "EntityGroup":
        self._update()
        other = super().copy(doc)
        return EntityGroup(
            other.doc, name=other.name, attrs=other.attrs, spans=list(other)
        )

    def _update(self) -> None:
        doc = self.doc
        if self._is_valid(doc):
            return
        for index, (span_id, kb_id, label, start, end) in enumerate(self._rows()):
            span = doc.char_span(
                start, end, label, kb_id, alignment_mode="expand", span_id=span_id
            )
            # (None only if the text of the Doc has changed)
            if span is not None:
                SpanGroup.__setitem__(self, index, span)  # type: ignore[index]

    def _is_valid(self, doc: Doc) -> bool:
        """Whether the tokens of all spans are those of their characters."""
        try:
            spans = [SpanGroup.__getitem__(self, i) for i in range(len(self))]
        except IndexError:  # E035: the Doc has fewer tokens now
            return False
        for span in spans:
            last = doc[span.end - 1]
            start, end = doc[span.start].idx, last.idx + len(last)
            if (start, end) != (span.start_char, span.end_char):
                return False
        return True

    def _rows(self) -> Iterator[tuple[int, int, int, int, int]]:
        """YIELDS (tuple): id, id in the knowledge base, label, and character offsets of
        each span. A Span object of invalid tokens cannot be created."""
        for row in srsly.msgpack_loads(super().to_bytes())["spans"]:
            span_id, kb_id, label, _, _, start, end = struct.unpack(">QQQllll", row)
            yield span_id, kb_id, label, start, end
