"""The .spacy format of spaCy (DocBin)."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin
from spacy.vocab import Vocab

from ...annotations import Record, build_doc, read_record, register_extension
from ...errors import Errors, JREError
from ..checked_docbin import CheckedDocBin
from ..reader import load_docbin
from ..sources import OnSkip, each_record, refuse


def read_docbin_records(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): A .spacy file.
    skip (Callable): Called for each skipped Doc.
    YIELDS (Record): One per Doc. It has words if the Doc was built from words.
    RAISES (ValueError): J601, J602, J609, J620 for the file. With `refuse`: J621 for a
        Doc that cannot be read.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    docbin = load_docbin(path)
    parse = partial(_read, docbin, spacy.blank("xx").vocab)
    return each_record(range(len(docbin)), parse, skip)


def _read(docbin: CheckedDocBin, vocab: Vocab, number: int) -> Record:
    doc = docbin.get_doc(number, vocab)
    return read_record(doc, source=f"{docbin.path}, Doc {number}")


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
