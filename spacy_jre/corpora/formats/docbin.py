"""The .spacy format of spaCy (DocBin)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import spacy
import srsly
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
from ..reader import load_docbin
from ..rows import UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import Location, OnSkip, each_record, refuse, short_repr

# where spaCy stores doc._.rel
_REL: Any = ("._.", "rel", None, None)


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
            rows.add_entity(here, entity.start, entity.end, entity.label, index)
    for index, relation in enumerate(record.relations):
        here = location.at(f"relation {index}")
        rows.add_relation(here, relation.head, relation.tail, relation.label)
    if not has_relations(doc) and _REL in doc.user_data:
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
                rows.add_relation(here, ends[0], ends[1], label)


class RelationDocBin(DocBin):
    """A DocBin with user data that is fast to fill.

    Uses one packer for all Docs, because srsly searches all installed packages for each
    new packer.
    """

    def __init__(self) -> None:
        super().__init__(store_user_data=True)
        self._packer = srsly.msgpack.Packer(use_bin_type=True)

    def add(self, doc: Doc) -> None:
        self.store_user_data = False
        super().add(doc)
        self.store_user_data = True
        self.user_data.append(self._packer.pack(doc.user_data))


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
