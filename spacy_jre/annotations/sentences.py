"""The sentences of a Doc, or the whole Doc if it has no sentence boundaries."""

from spacy.tokens import Doc


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
