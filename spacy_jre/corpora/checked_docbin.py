"""A DocBin that looks at a .spacy file of unknown origin before it uses it.

spaCy unpacks such a file without a limit, and trusts what it finds. Here the unpacked
size, the number of Docs and the number of lists and objects are limited by the size of
the file, and each Doc is checked as it is made.
"""

import gc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from spacy.attrs import DEP, ENT_ID, ENT_KB_ID, ENT_TYPE, LEMMA, MORPH, NORM, TAG
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

# srsly's own functions search all installed packages for decoders at every call
from srsly.msgpack._unpacker import Unpacker, unpackb

from ..annotations import DEFAULT_ATTR, stored_entities, stored_relations
from ..annotations.relations import text_length
from ..errors import Errors, JREError

# A file of a real corpus unpacks to 10 times its size, one of 20,000 equal sentences to
# 105 times. zlib can reach 1032.
MAX_RATIO = 200
ANY_SIZE = 1 << 24  # every file may unpack to so many bytes
# A real corpus has a Doc for 365 bytes of its file and a list for 23; equal sentences
# have a Doc for 46 and a list for 3.
ANY_DOCS, BYTES_PER_DOC = 10_000, 4
ANY_CONTAINERS, CONTAINERS_PER_BYTE = 1_000_000, 8
# of a token, as numbers of strings
_STRING_ATTRS = [NORM, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, LEMMA, MORPH]


class CheckedDocBin(DocBin):
    """A DocBin to read with; see above."""

    def __init__(self, path: Path, attr: str = DEFAULT_ATTR):
        """
        path (Path): The file, for messages.
        attr (str): Name of the relation extension whose data is checked.
        """
        super().__init__()
        self.path = path
        self.attr = attr
        self._containers = 0  # that may still come
        self._vocab: Vocab | None = None  # that has the strings

    def from_bytes(self, bytes_data: bytes) -> "CheckedDocBin":
        """
        bytes_data (bytes): A whole .spacy file.
        RAISES (ValueError): J620 where it unpacks to too much. What is no DocBin raises
            errors of zlib, srsly and numpy.
        """
        size = len(bytes_data)
        self._containers = ANY_CONTAINERS + CONTAINERS_PER_BYTE * size
        limit = max(ANY_SIZE, MAX_RATIO * size)
        if _unpacked_size(bytes_data, limit) > limit:
            raise self._too_much(size, f"unpacks to more than {limit} bytes")
        with _garbage_collection_kept():
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
        """RETURNS (Doc): One of the Docs.
        RAISES (ValueError): J621 if it cannot be read."""
        one = DocBin()
        one.attrs = self.attrs
        for name in ("tokens", "spaces", "cats", "span_groups", "flags", "user_data"):
            setattr(one, name, getattr(self, name)[number : number + 1])
        try:
            if self._vocab is not vocab:
                for string in self.strings:
                    vocab[string]
                self._vocab = vocab
            with _garbage_collection_kept():
                for packed in (*one.user_data, *one.span_groups):
                    if packed:
                        self._unpack(packed)
                (doc,) = one.get_docs(vocab)
            _check_doc(doc, self.attr)
        # whatever breaks in numpy, msgpack, struct and spaCy
        except Exception as error:
            problem = str(error)
            if not isinstance(error, JREError):
                problem = f"{type(error).__name__}: {problem}"
            raise JREError(
                Errors.J621.format(path=self.path, number=number, error=problem)
            ) from error
        return doc

    def _unpack(self, data: bytes) -> Any:
        """The value, if it is whole and does not hold too many lists and objects."""
        whole = Unpacker()
        whole.feed(data)
        # makes no values: a list that claims a length it does not have costs nothing
        whole.skip()
        return unpackb(data, raw=False, object_hook=self._count, list_hook=self._count)

    def _count(self, value: Any) -> Any:
        self._containers -= 1
        if self._containers < 0:
            size = self.path.stat().st_size
            raise self._too_much(size, "holds too many lists and objects")
        return value

    def _check_message(self, size: int, message: Any) -> None:
        """RAISES (ValueError): J620 for too many Docs. (KeyError, TypeError ...): For
        what spaCy would misread, or read without an error."""
        lengths = np.frombuffer(message["lengths"], dtype="int32")
        count = len(lengths)
        if count > ANY_DOCS + size // BYTES_PER_DOC:
            raise self._too_much(size, f"claims to hold {count} Docs")
        n_tokens = int(lengths.sum(dtype="int64"))
        attrs, strings = message["attrs"], message["strings"]
        if not isinstance(attrs, list) or not isinstance(strings, list):
            raise TypeError("attrs and strings must be lists")
        if not all(isinstance(string, str) for string in strings):
            raise TypeError("strings must hold strings")
        if (lengths < 0).any() or len(message["spaces"]) != n_tokens:
            raise ValueError("the lengths of the Docs do not fit the spaces")
        if len(message["tokens"]) != 8 * n_tokens * len(attrs):
            raise ValueError("the lengths of the Docs do not fit the tokens")
        for name in ("cats", "flags", "span_groups", "user_data"):
            values = message.get(name)
            if values is not None and len(values) != count:
                raise ValueError(f"there are {len(values)} {name} for {count} Docs")

    def _too_much(self, size: int, problem: str) -> JREError:
        return JREError(Errors.J620.format(path=self.path, size=size, problem=problem))


def _unpacked_size(data: bytes, limit: int) -> int:
    """The size that data unpack to, counted piece by piece, not far beyond a limit."""
    decompressor = zlib.decompressobj()
    count = 0
    for start in range(0, len(data), 1 << 16):
        left = data[start : start + (1 << 16)]
        while left and count <= limit:
            count += len(decompressor.decompress(left, 1 << 20))
            left = decompressor.unconsumed_tail
        if decompressor.eof or count > limit:
            break
    return count


def _check_doc(doc: Doc, attr: str) -> None:
    """Whether what is read from a Doc later can be read."""
    stored_relations(doc, attr)
    stored_entities(doc, attr)
    length = text_length(doc)
    for name, group in doc.spans.items():
        for span in group:
            # spaCy reads memory beyond the Doc otherwise
            inside = 0 <= span.start <= span.end <= len(doc)
            if not inside or not 0 <= span.start_char <= span.end_char <= length:
                raise ValueError(f"the span group {name!r} leaves the Doc")
            _ = span.label_, span.kb_id_, span.id_
    _ = doc.ents
    if not isinstance(doc.cats, dict):
        raise TypeError("cats must be a dict")
    for value in np.unique(doc.to_array(_STRING_ATTRS)):
        _ = doc.vocab.strings[value]


@contextmanager
def _garbage_collection_kept() -> Iterator[None]:
    """srsly turns it off while it unpacks, and leaves it off where that fails."""
    enabled = gc.isenabled()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
