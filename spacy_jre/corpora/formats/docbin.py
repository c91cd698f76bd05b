"""The .spacy format of spaCy (DocBin)."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import spacy
from spacy.attrs import (
    DEP,
    ENT_ID,
    ENT_KB_ID,
    ENT_TYPE,
    LEMMA,
    MORPH,
    NORM,
    ORTH,
    SPACY,
    TAG,
)
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...annotations import (
    Record,
    annotated_entities,
    build_doc,
    has_relations,
    read_record,
    register_extension,
)
from ...annotations.relations import expanded_span
from ...errors import Errors, JREError
from ..checked_docbin import CheckedDocBin
from ..packing import bytes_header, pack_groups, packer
from ..reader import load_docbin
from ..rows import UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import Location, OnSkip, each_record, refuse, short_repr

# where spaCy stores doc._.rel
_REL: Any = ("._.", "rel", None, None)

# bytes of a value that msgpack can store
LIMIT = 1 << 32
# bytes that are compressed together
CHUNK = 1 << 20
# token attributes that are hashes of strings
_STRING_ATTRS = (ORTH, NORM, TAG, DEP, ENT_TYPE, ENT_KB_ID, ENT_ID, LEMMA)


def read_docbin_records(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): A .spacy file.
    skip (Callable): Called for each skipped Doc.
    YIELDS (Record): One per Doc. It has words if the Doc was built from words. If the
        Doc has no relations of this package, those in ``doc._.rel`` are read.
        ``left_out`` has the broken entities and relations.
    RAISES (ValueError): J601, J602, J609, J620 for the file. With `refuse`: J605 for
        broken relations, J621 for a Doc that cannot be read.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    docbin = load_docbin(path)
    parse = partial(_read, docbin, spacy.blank("xx").vocab)
    return each_record(range(len(docbin)), parse, skip)


def _read(docbin: CheckedDocBin, vocab: Vocab, number: int) -> Record:
    doc = docbin.get_doc(number, vocab)
    location = Location(docbin.path, f"Doc {number}")
    record = read_record(doc, source=str(location))
    rows = Rows(record.text, words=record.words)
    for index, entity in enumerate(record.entities):
        here = location.at(f"entity {index}")
        with rows.row("entity", key=index):
            rows.add_entity(
                here, entity.start, entity.end, entity.label, index, entity.score
            )
    for index, relation in enumerate(record.relations):
        here = location.at(f"relation {index}")
        rows.add_relation(
            here, relation.head, relation.tail, relation.label, relation.score
        )
    if not has_relations(doc) and doc.user_data.get(_REL) is not None:
        with rows.row("relation"):
            _read_rel(location, doc, rows)
    return replace(record, **rows.fields())


def _read_rel(location: Location, doc: Doc, rows: Rows) -> None:
    """Read ``doc._.rel`` of spaCy's tutorial on relation extraction (rel_component).

    It is ``{(head, tail): {label: value}}``, with the first tokens of two entities. The
    value is 1 for a relation and 0 for none, or a probability.

    RAISES (ValueError): J605 if it is not a dict.
    """
    index_of: dict[int, int] = {}  # first token -> entity
    for index, entity in enumerate(annotated_entities(doc)):
        span = expanded_span(doc, entity.start, entity.end)
        index_of.setdefault(span.start, index)
    for pair, values in location.check("rel", doc.user_data[_REL], dict).items():
        here = location.at(f"doc._.rel[{short_repr(pair)}]")
        if not isinstance(values, dict):
            values = {"": values}
        for label, value in values.items():
            with rows.row("relation"):
                here.check("label", label, str)
                if not here.check("value", value, (float, int, bool)) >= 0.5:
                    continue  # also NaN
                ends = []
                for token in here.check("key", pair, tuple):
                    if token not in index_of:
                        problem = f"has {token}, which is not the start of an entity"
                        raise RowError(here.error("key", problem), UNKNOWN_ARGUMENT)
                    ends.append(index_of[token])
                if len(ends) != 2:
                    raise here.error("key", "is not a pair of tokens")
                rows.add_relation(here, ends[0], ends[1], label, float(value))


class RelationDocBin:
    """Collects Docs and writes them like spaCy's DocBin with user data.

    Faster than DocBin, and requires less memory: the parts of the file are kept
    compressed until it is written. The content of the file is the same.
    """

    def __init__(self) -> None:
        self.attrs: list[Any] = list(DocBin().attrs)
        self._columns = [self.attrs.index(attr) for attr in _STRING_ATTRS]
        self._morph = self.attrs.index(MORPH)
        self._lengths: list[int] = []
        self._strings: set[str] = set()
        self._known: set[int] = set()  # hashes of the strings
        self._bytes = {name: _Part() for name in ("tokens", "spaces")}
        self._lists = {
            name: _Part() for name in ("cats", "flags", "span_groups", "user_data")
        }

    def __len__(self) -> int:
        """RETURNS (int): The number of Docs."""
        return len(self._lengths)

    def add(self, doc: Doc) -> None:
        """Add a Doc.

        doc (Doc): The Doc.
        """
        array: Any = doc.to_array(self.attrs)
        self._lengths.append(len(doc))
        self._bytes["tokens"].add(array.tobytes("C"))
        self._bytes["spaces"].add(doc.to_array(SPACY).astype(bool).tobytes("C"))
        pack = packer().pack
        values = {
            "cats": doc.cats,
            "flags": {"has_unknown_spaces": doc.has_unknown_spaces},
            "span_groups": pack_groups(doc),
            "user_data": pack(doc.user_data),
        }
        for name, value in values.items():
            self._lists[name].add(pack(value))
        hashes: set[int] = set(array[:, self._columns].ravel().tolist())
        if array[:, self._morph].any():
            self._strings.update(str(token.morph) for token in doc)
        strings: Any = doc.vocab.strings  # (the stub lacks integers)
        for span in (span for group in doc.spans.values() for span in group):
            hashes.add(span.label)
            hashes.update(key for key in (span.kb_id, span.id) if key in strings)
        self._strings.update(strings[key] for key in hashes - self._known)
        self._known |= hashes

    def to_disk(self, path: Path) -> None:
        """Write a .spacy file.

        path (Path): The file.
        RAISES (ValueError): J116 for more data than a .spacy file can have.
        """
        with path.open("wb") as file:
            file.writelines(self._compressed(str(path)))

    def to_bytes(self) -> bytes:
        """RETURNS (bytes): The content of the file.
        RAISES (ValueError): J116 for more data than a .spacy file can have."""
        return b"".join(self._compressed("DocBin"))

    def _compressed(self, path: str) -> Iterator[bytes]:
        for name, part in self._bytes.items():
            if part.size >= LIMIT:
                raise JREError(Errors.J116.format(path=path, part=name, size=part.size))
        compressor = zlib.compressobj()
        for data in self._message():
            yield compressor.compress(data)
        yield compressor.flush()

    def _message(self) -> Iterator[bytes]:
        """The parts of the message that DocBin packs, in the same order."""
        pack = packer().pack
        lengths = np.asarray(self._lengths, dtype="int32").tobytes("C")
        before: dict[str, Any] = {"version": "0.1", "attrs": self.attrs}
        between: dict[str, Any] = {"lengths": lengths, "strings": sorted(self._strings)}
        count = len(before) + len(self._bytes) + len(between) + len(self._lists)
        yield packer().pack_map_header(count)
        for key, value in before.items():
            yield pack(key) + pack(value)
        for name, part in self._bytes.items():
            yield pack(name) + bytes_header(part.size)
            yield from part
        for key, value in between.items():
            yield pack(key) + pack(value)
        for name, part in self._lists.items():
            yield pack(name) + packer().pack_array_header(len(self))
            yield from part


class _Part:
    """Bytes that are collected, and compressed in memory."""

    def __init__(self) -> None:
        self.size = 0
        self._buffer = bytearray()
        self._chunks: list[bytes] = []

    def add(self, data: bytes) -> None:
        self.size += len(data)
        self._buffer += data
        if len(self._buffer) >= CHUNK:
            self._chunks.append(zlib.compress(self._buffer, 1))
            self._buffer.clear()

    def __iter__(self) -> Iterator[bytes]:
        yield from map(zlib.decompress, self._chunks)
        yield bytes(self._buffer)


def write_docbin(records: Iterable[Record], path: Path, nlp: Language) -> None:
    """Write a .spacy file with relations.

    records (Iterable[Record]): The records.
    path (Path): The file.
    nlp (Language): The pipeline with the tokenizer for records without words.
    """
    register_extension()
    docs = RelationDocBin()
    for record in records:
        docs.add(build_doc(record, nlp))
    docs.to_disk(path)
