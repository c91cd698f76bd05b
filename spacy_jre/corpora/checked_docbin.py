"""A DocBin that checks .spacy files of unknown origin.

spaCy unpacks such a file without a limit and does not check its content. Here, the size
of the file limits the unpacked size, the number of Docs and the number of lists and
objects, and each Doc is checked when it is created.
"""

import gc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spacy.attrs import DEP, ENT_ID, ENT_KB_ID, ENT_TYPE, LEMMA, MORPH, NORM, ORTH, TAG
from spacy.tokens import Doc, DocBin, SpanGroup
from spacy.vocab import Vocab

# srsly's own functions search all installed packages for decoders on every call
from srsly.msgpack._unpacker import Unpacker, unpackb

from ..annotations import DEFAULT_ATTR, stored_entities, stored_relations
from ..annotations.relations import text_length
from ..errors import Errors, JREError
from .packing import NO_GROUPS, decoder, unpack_group
from .sources import unpacked_limit

# A file of a real corpus unpacks to 10 times its size, a file of 20,000 equal sentences
# to 105 times its size. zlib can reach 1032 times.
MAX_RATIO = 200
ANY_SIZE = 1 << 24  # bytes that a file of any size may unpack to
# From this size on, the ratio of a real corpus is expected: reading takes three times
# the unpacked size.
LARGE, LARGE_RATIO = 1 << 28, 20
# The file of a real corpus has 365 bytes per Doc and 23 per list. A file of equal
# sentences has 46 bytes per Doc and 3 per list.
ANY_DOCS, BYTES_PER_DOC = 10_000, 4
ANY_CONTAINERS, CONTAINERS_PER_BYTE = 1_000_000, 8
# token attributes that are hashes of strings
_STRING_ATTRS = [NORM, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, LEMMA, MORPH]


class CheckedDocBin(DocBin):
    """A DocBin for reading that checks its content."""

    def __init__(self, path: Path, attr: str = DEFAULT_ATTR):
        """
        path (Path): The file, for messages.
        attr (str): Name of the relation extension to check.
        """
        super().__init__()
        self.path = path
        self.attr = attr
        self._containers = 0  # number of further containers allowed
        self._vocab: Vocab | None = None  # vocab that already has the strings

    def from_bytes(self, bytes_data: bytes) -> "CheckedDocBin":
        """
        bytes_data (bytes): The content of a .spacy file.
        RETURNS (CheckedDocBin): The DocBin.
        RAISES (ValueError): J620 if it unpacks to too much data. Data that is not a
            DocBin raises errors of zlib, srsly and numpy.
        """
        size = len(bytes_data)
        self._containers = ANY_CONTAINERS + CONTAINERS_PER_BYTE * size
        limit = max_unpacked_size(size)
        if _unpacked_size(bytes_data, limit) > limit:
            raise self._too_large(size, f"unpacks to more than {limit} bytes")
        with _restore_garbage_collection():
            self._check_message(size, self._unpack(zlib.decompress(bytes_data)))
            super().from_bytes(bytes_data)
        return self

    def get_docs(self, vocab: Vocab) -> Iterator[Doc]:
        """
        vocab (Vocab): The shared vocab.
        YIELDS (Doc): The Docs.
        RAISES (ValueError): J621 for a Doc that cannot be read.
        """
        return (self.get_doc(number, vocab) for number in range(len(self)))

    def get_doc(self, number: int, vocab: Vocab) -> Doc:
        """RETURNS (Doc): The Doc with this number.
        RAISES (ValueError): J621 if it cannot be read."""
        try:
            if self._vocab is not vocab:
                for string in self.strings:
                    vocab[string]
                self._vocab = vocab
            doc = self._make_doc(number, vocab)
            _check_doc(doc, self.attr)
        # numpy, msgpack, struct and spaCy raise various errors
        except Exception as error:
            problem = str(error)
            if not isinstance(error, JREError):
                problem = f"{type(error).__name__}: {problem}"
            raise JREError(
                Errors.J621.format(path=self.path, number=number, error=problem)
            ) from error
        return doc

    def _make_doc(self, number: int, vocab: Vocab) -> Doc:
        """Create a Doc like ``DocBin.get_docs``, which looks up the decoders of srsly
        for each span group and the user data of each Doc."""
        tokens, spaces = self.tokens[number], self.spaces[number]
        words = tokens[:, self.attrs.index(ORTH)]
        unknown = self.flags[number].get("has_unknown_spaces")
        doc = Doc(vocab, words=words, spaces=None if unknown else spaces)  # type: ignore[arg-type]
        doc = doc.from_array(self.attrs, tokens)  # type: ignore[arg-type]
        doc.cats = self.cats[number]
        packed = self.span_groups[number]
        if packed and packed != NO_GROUPS:
            self._set_groups(doc, packed)
        if number < len(self.user_data):
            user_data = self.user_data[number]
            if user_data is not None:
                doc.user_data.update(self._unpack(user_data, use_list=False))
        return doc

    def _set_groups(self, doc: Doc, packed: bytes) -> None:
        message = self._unpack(packed)
        groups: dict[str, SpanGroup] = {}
        if isinstance(message, dict):
            for packed_group, keys in message.items():
                group = unpack_group(doc, self._unpack(packed_group))
                if group is None:
                    groups.clear()
                    break
                groups.update((key, group) for key in keys)
        if not groups:
            # an old format, or token offsets that do not match the characters
            with _restore_garbage_collection():
                doc.spans.from_bytes(packed)
        seen: set[int] = set()
        for key, group in groups.items():
            doc.spans[key] = group.copy() if id(group) in seen else group
            seen.add(id(group))

    def _unpack(self, data: bytes, use_list: bool = True) -> Any:
        """Unpack a value like srsly. Limits the number of lists and objects."""
        # the default is 100 MiB, which the unpacked file of a large corpus exceeds
        unpacker = Unpacker(max_buffer_size=max(len(data), 1))
        unpacker.feed(data)
        # skip() creates no values, so that a list with a wrong length needs no memory
        unpacker.skip()
        decode = decoder()
        return unpackb(
            data,
            raw=False,
            use_list=use_list,
            object_hook=lambda value: decode(self._count(value)),
            list_hook=self._count,
        )

    def _count(self, value: Any) -> Any:
        self._containers -= 1
        if self._containers < 0:
            size = self.path.stat().st_size
            raise self._too_large(size, "has too many lists and objects")
        return value

    def _check_message(self, size: int, message: Any) -> None:
        """RAISES (ValueError): J620 for too many Docs. (KeyError, TypeError ...): If
        the content is malformed, including errors that spaCy would not detect."""
        lengths = np.frombuffer(message["lengths"], dtype="int32")
        count = len(lengths)
        if count > ANY_DOCS + size // BYTES_PER_DOC:
            raise self._too_large(size, f"claims to have {count} Docs")
        n_tokens = int(lengths.sum(dtype="int64"))
        attrs, strings = message["attrs"], message["strings"]
        if not isinstance(attrs, list) or not isinstance(strings, list):
            raise TypeError("attrs and strings must be lists")
        if not all(isinstance(string, str) for string in strings):
            raise TypeError("strings must be a list of strings")
        if (lengths < 0).any() or len(message["spaces"]) != n_tokens:
            raise ValueError("the lengths of the Docs do not match the spaces")
        if len(message["tokens"]) != 8 * n_tokens * len(attrs):
            raise ValueError("the lengths of the Docs do not match the tokens")
        for name in ("cats", "flags", "span_groups", "user_data"):
            values = message.get(name)
            if values is not None and len(values) != count:
                raise ValueError(f"there are {len(values)} {name} for {count} Docs")

    def _too_large(self, size: int, problem: str) -> JREError:
        return JREError(Errors.J620.format(path=self.path, size=size, problem=problem))


def max_unpacked_size(size: int) -> int:
    """RETURNS (int): Number of bytes that a file of this size may unpack to."""
    return unpacked_limit(size, ANY_SIZE, MAX_RATIO, LARGE, LARGE_RATIO)


def _unpacked_size(data: bytes, limit: int) -> int:
    """Unpacked size of the data. Counting stops soon after the limit."""
    decompressor = zlib.decompressobj()
    count = 0
    for start in range(0, len(data), 1 << 16):
        rest = data[start : start + (1 << 16)]
        while rest and count <= limit:
            count += len(decompressor.decompress(rest, 1 << 20))
            rest = decompressor.unconsumed_tail
        if decompressor.eof or count > limit:
            break
    return count


def _check_doc(doc: Doc, attr: str) -> None:
    """Access everything that is read from a Doc later. Raises if this fails."""
    stored_relations(doc, attr)
    stored_entities(doc, attr)
    length = text_length(doc)
    for name, group in doc.spans.items():
        for span in group:
            # without this check, spaCy reads memory outside the Doc
            inside = 0 <= span.start <= span.end <= len(doc)
            if not inside or not 0 <= span.start_char <= span.end_char <= length:
                raise ValueError(f"the span group {name!r} exceeds the Doc")
            _ = span.label_, span.kb_id_, span.id_
    _ = doc.ents
    if not isinstance(doc.cats, dict):
        raise TypeError("cats must be a dict")
    for value in np.unique(doc.to_array(_STRING_ATTRS)):
        _ = doc.vocab.strings[value]


@contextmanager
def _restore_garbage_collection() -> Iterator[None]:
    """Restore the garbage collection. srsly leaves it disabled if unpacking fails."""
    enabled = gc.isenabled()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
