"""The sentences of a Doc, or the whole Doc if it has no sentence boundaries; windows of
several sentences."""

from typing import Literal

from spacy.tokens import Doc

# a sentence, the Doc, or a number of consecutive sentences
WindowKind = Literal["sentence", "doc"] | int


def sentence_ranges(doc: Doc) -> list[tuple[int, int]]:
    """RETURNS (list[tuple[int, int]]): Token ranges, end exclusive. Empty for an empty
    Doc."""
    if len(doc) == 0:
        return []
    if not doc.has_annotation("SENT_START"):
        return [(0, len(doc))]
    starts = [t.i for t in doc if t.is_sent_start]
    if not starts or starts[0] != 0:
        starts.insert(0, 0)
    return list(zip(starts, [*starts[1:], len(doc)], strict=True))


def window_ranges(doc: Doc, kind: WindowKind) -> list[tuple[int, int]]:
    """Get the windows of a Doc: ranges of tokens that are processed together.

    doc (Doc): The Doc.
    kind (str | int): "sentence", "doc", or a number n of consecutive sentences: the
        sentences 0 to n - 1, 1 to n, and so on.
    RETURNS (list[tuple[int, int]]): Token ranges, end exclusive. Empty for an empty
        Doc.
    """
    ranges = sentence_ranges(doc)
    if kind == "sentence" or not ranges:
        return ranges
    if kind == "doc":
        return [(0, len(doc))]
    size = min(kind, len(ranges))
    lasts = ranges[size - 1 :]
    return [(first[0], last[1]) for first, last in zip(ranges, lasts, strict=False)]
