"""Pack and unpack the parts of a DocBin like spaCy, but faster.

srsly searches all installed packages for encoders or decoders in each call, and spaCy
calls it several times for each Doc. Here, they are looked up once. The bytes are those
of spaCy.
"""

import struct
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from spacy.tokens import Doc, Span, SpanGroup
from spacy.tokens._dict_proxies import SpanGroups
from srsly.msgpack import Packer, msgpack_decoders

NO_GROUPS = SpanGroups._EMPTY_BYTES
# id, kb_id, label, start, end, start_char, end_char, as in SpanGroup.to_bytes
_SPAN = struct.Struct(">QQQllll")


@cache
def packer() -> Packer:
    """A packer with the encoders of srsly."""
    return Packer(use_bin_type=True)


@cache
def decoder() -> Callable[[Any], Any]:
    """A hook that decodes an object with the decoders of srsly."""
    hook: Callable[[Any], Any] = _unchanged
    for decode in msgpack_decoders.get_all().values():
        hook = partial(decode, chain=hook)
    return hook


def _unchanged(value: Any) -> Any:
    return value


def bytes_header(size: int) -> bytes:
    """RETURNS (bytes): What msgpack writes before bytes of this size."""
    if size < 1 << 8:
        return struct.pack(">BB", 0xC4, size)
    if size < 1 << 16:
        return struct.pack(">BH", 0xC5, size)
    return struct.pack(">BI", 0xC6, size)


def pack_groups(doc: Doc) -> bytes:
    """RETURNS (bytes): The span groups, like ``doc.spans.to_bytes()``."""
    if not doc.spans:
        return NO_GROUPS
    pack = packer().pack
    message: dict[bytes, list[str]] = {}
    for key, group in doc.spans.items():
        spans = [
            _SPAN.pack(
                *(span.id, span.kb_id, span.label),
                *(span.start, span.end, span.start_char, span.end_char),
            )
            for span in group
        ]
        packed = pack({"name": group.name, "attrs": group.attrs, "spans": spans})
        message.setdefault(packed, []).append(key)
    return pack(message)


def unpack_group(doc: Doc, message: Any) -> SpanGroup | None:
    """Create a span group from an unpacked message.

    doc (Doc): The Doc.
    message (Any): The value that ``SpanGroup.to_bytes`` packs.
    RETURNS (SpanGroup | None): The group. None if the token offsets of a span do not
        match its character offsets: only ``SpanGroup.from_bytes`` can create it.
    """
    spans = []
    for packed in message["spans"]:
        row = _SPAN.unpack(packed)
        id_, kb_id, label, start, end, start_char, end_char = row
        if not 0 <= start < end <= len(doc) or label not in doc.vocab.strings:
            return None
        last = doc[end - 1]
        if doc[start].idx != start_char or last.idx + len(last) != end_char:
            return None
        spans.append(Span(doc, start, end, label, span_id=id_, kb_id=kb_id))
    attrs = dict(message["attrs"])
    return SpanGroup(doc, name=message["name"], attrs=attrs, spans=spans)
