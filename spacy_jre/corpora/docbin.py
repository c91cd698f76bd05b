"""spaCy's .spacy files as a format among others."""

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import spacy
import srsly
from spacy.language import Language
from spacy.tokens import Doc, DocBin

from ..annotations import Record, build_doc, read_record, register_extension
from ..errors import Errors
from .reader import load_docbin
from .sources import OnSkip, each_record, refuse


def read_docbin_records(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): A .spacy file.
    skip (Callable): Told of every Doc that is left out.
    YIELDS (Record): One per Doc; with words, where the Doc was built from words.
    RAISES (ValueError): J601, J602, J609 for the file.
    """
    if not path.is_file():
        raise ValueError(Errors.J601.format(path=path))
    docs = load_docbin(path).get_docs(spacy.blank("xx").vocab)
    return each_record(enumerate(docs), partial(_read, path), skip)


def _read(path: Path, item: tuple[int, Doc]) -> Record:
    number, doc = item
    return read_record(doc, source=f"{path}, Doc {number}")


class RelationDocBin(DocBin):
    """A DocBin with user data that is quick to fill.

    srsly looks through all installed packages for each packer it makes; here one packer
    serves all Docs.
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

    nlp (Language): Gives the tokenizer for records without words.
    """
    register_extension()
    docs = RelationDocBin()
    for record in records:
        docs.add(build_doc(record, nlp))
    docs.to_disk(path)
