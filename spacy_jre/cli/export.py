"""`spacy jre export`: the relations of .spacy files in other formats."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import spacy
from spacy.tokens import Doc

from ..annotations import (
    DEFAULT_ATTR,
    annotated_entities,
    has_relations,
    stored_relations,
)
from ..corpora.reader import load_docbin
from ..corpora.sources import inner_suffix, walk_files
from ..errors import Errors, JREError
from ..export import (
    ExportOptions,
    Format,
    Written,
    iter_triples,
    write_triples,
)
from ..export.triples import ID_ATTR


@dataclass
class Export:
    """The counts of an export.

    docs (int): Number of Docs that were read.
    without_data (int): Number of Docs without relation data.
    isolated (int): Number of entities without relations, which are in no triple.
    skipped (list[str]): Docs and files that were skipped, with the reasons.
    written (Written): The counts of the output.
    """

    docs: int = 0
    without_data: int = 0
    isolated: int = 0
    skipped: list[str] = field(default_factory=list)
    written: Written = field(default_factory=Written)

    def summary(self) -> list[str]:
        """RETURNS (list[str]): The counts, as lines of text."""
        written = self.written
        lines = [f"{self.docs} Docs, {written.triples} triples"]
        if written.nodes is not None:
            lines[0] += f", {written.mentions} mentions -> {written.nodes} nodes"
        if self.isolated:
            lines.append(
                f"{self.isolated} entities have no relations, and are not exported"
            )
        if self.without_data:
            lines.append(f"{self.without_data} Docs have no relation data")
        return [*lines, *written.notes]


def export_path(
    source: Path,
    output: Path,
    format: Format,
    options: ExportOptions,
    *,
    attr: str = DEFAULT_ATTR,
    id_attr: str = ID_ATTR,
) -> Export:
    """Write the relations of .spacy files in another format.

    source (Path): A .spacy file, or a folder of .spacy files. They can be compressed
        with gzip.
    output (Path): The file to write, or the folder for the format neo4j.
    format (Format): The format.
    options (ExportOptions): The options of the format.
    attr (str): Name of the relation extension.
    id_attr (str): Name of the user data or extension attribute with the document id.
    RETURNS (Export): The counts.
    RAISES (ValueError): J601 for a missing source, J783 for a source without .spacy
        files, J603 if no Doc has relation data, J708 if the source would be
        overwritten, and the errors of ``write_triples`` and ``iter_triples``.
    """
    format.check_installed()
    export = Export()
    if source.resolve() == output.resolve():
        raise JREError(Errors.J708.format(path=source))
    files = _find_files(source, export)
    docs = _read_docs(files, export, attr)
    triples = iter_triples(_counted(docs, export, attr), attr=attr, id_attr=id_attr)
    first = next(triples, None)
    if first is None and export.docs == export.without_data:
        raise JREError(Errors.J603.format(path=source, attr=attr))
    stream = (
        triples if first is None else (t for part in ([first], triples) for t in part)
    )
    export.written = write_triples(stream, output, format, options)
    return export


def _find_files(source: Path, export: Export) -> list[Path]:
    if not source.exists():
        raise JREError(Errors.J601.format(path=source))
    if source.is_file():
        if inner_suffix(source) != ".spacy":
            raise JREError(Errors.J783.format(path=source, problem="another file"))
        return [source]
    if (source / "config.cfg").is_file():
        raise JREError(Errors.J783.format(path=source, problem="a pipeline"))
    paths = walk_files(source, lambda left_out: export.skipped.append(left_out.reason))
    files = [path for path in paths if inner_suffix(path) == ".spacy"]
    if not files:
        problem = "a folder without .spacy files"
        raise JREError(Errors.J783.format(path=source, problem=problem))
    return files


def _read_docs(files: list[Path], export: Export, attr: str) -> Iterator[Doc]:
    """Read the Docs, and report those that cannot be read."""
    for path in files:
        # a vocab for each file, so that the words of earlier files are not kept
        vocab = spacy.blank("xx").vocab
        docbin = load_docbin(path, attr=attr)
        for number in range(len(docbin)):
            try:
                doc = docbin.get_doc(number, vocab)
            except JREError as error:
                export.skipped.append(str(error))
                continue
            yield doc


def _counted(docs: Iterable[Doc], export: Export, attr: str) -> Iterator[Doc]:
    for doc in docs:
        export.docs += 1
        export.without_data += not has_relations(doc, attr)
        arguments = {
            argument
            for relation in stored_relations(doc, attr)
            for argument in (relation[:3], relation[3:6])
        }
        entities = {entity[:3] for entity in annotated_entities(doc, attr)}
        export.isolated += len(entities - arguments)
        yield doc
