"""The files of a shard: triples, or Docs with relations."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

from spacy.tokens import Doc

from ..annotations import stored_relations
from ..corpora.formats.docbin import RelationDocBin
from ..export import (
    ExportOptions,
    Format,
    Triple,
    doc_triples,
    document_id,
    find_format,
    write_triples,
)
from ..export.formats import replaced_when_complete
from ..export.triples import ID_ATTR
from .items import Item

# the name of the format of Docs
SPACY = "spacy"


class ShardOutput(Protocol):
    """Collects the Docs of a shard, and writes them.

    suffix (str): The suffix of the file. Empty for a folder.
    """

    suffix: str

    def convert(self, doc: Doc, item: Item) -> Any:
        """RETURNS (Any): What is kept of a Doc until the shard is written."""

    def write(self, results: Sequence[Any], path: Path) -> int:
        """Write the results of `convert`. RETURNS (int): The number of relations."""


class TripleOutput:
    """Writes the triples of the Docs."""

    def __init__(self, format: Format, options: ExportOptions, attr: str):
        self.suffix = format.suffix
        self._format = format
        self._options = options
        self._attr = attr

    def convert(self, doc: Doc, item: Item) -> list[Triple]:
        document = document_id(doc, item.id)
        return list(doc_triples(doc, document, item.number, self._attr))

    def write(self, results: Sequence[list[Triple]], path: Path) -> int:
        triples = chain.from_iterable(results)
        return write_triples(triples, path, self._format, self._options).triples


class DocOutput:
    """Writes the Docs. Their ids are in ``doc.user_data["doc_id"]``."""

    suffix = ".spacy"

    def __init__(self, attr: str):
        self._attr = attr
        self._docs = RelationDocBin()

    def convert(self, doc: Doc, item: Item) -> int:
        doc.user_data[ID_ATTR] = document_id(doc, item.id)
        self._docs.add(doc)
        return len(stored_relations(doc, self._attr))

    def write(self, results: Sequence[int], path: Path) -> int:
        with replaced_when_complete(path) as partial:
            self._docs.to_disk(partial)
        return sum(results)


def make_output(format: str, options: ExportOptions, attr: str) -> ShardOutput:
    """Make the output of a shard.

    format (str): The name of a format of ``export.FORMATS``, or "spacy".
    options (ExportOptions): Options of the triples.
    attr (str): Name of the relation extension.
    RETURNS (ShardOutput): The output.
    RAISES (ValueError): J701 for an unknown format, J775 for a missing dependency.
    """
    if format == SPACY:
        return DocOutput(attr)
    chosen = find_format(format, more=[SPACY])
    chosen.check_installed()
    return TripleOutput(chosen, options, attr)
