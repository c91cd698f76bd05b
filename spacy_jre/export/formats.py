"""The formats of triples, and the function that writes them."""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

from ..errors import Errors, JREError
from .cypher import write_cypher, write_neo4j
from .network import write_graphml
from .options import ExportOptions, Written, require
from .rdf import write_jsonld, write_turtle
from .tables import write_csv, write_jsonl, write_parquet, write_tsv
from .triples import Triple

# suffix of files that are not complete
PARTIAL = ".tmp"


@dataclass(frozen=True)
class Format:
    """A format of triples.

    name (str): The name, for --format.
    suffix (str): The suffix of its files. Empty if it is a folder of files.
    write (Callable): Writes the triples to a file or an existing folder.
    module, extra (str): The module that it requires, and the extra that installs it.
    """

    name: str
    suffix: str
    write: Callable[[Iterable[Triple], Path, ExportOptions], Written]
    module: str = ""
    extra: str = ""

    def check_installed(self) -> None:
        """RAISES (ValueError): J775 if the module that it requires is missing."""
        if self.module:
            require(self.module, self.extra, f"The format {self.name}")


FORMATS = {
    format.name: format
    for format in (
        Format("csv", ".csv", write_csv),
        Format("tsv", ".tsv", write_tsv),
        Format("jsonl", ".jsonl", write_jsonl),
        Format("parquet", ".parquet", write_parquet, "pyarrow", "parquet"),
        Format("turtle", ".ttl", write_turtle, "rdflib", "rdf"),
        Format("json-ld", ".jsonld", write_jsonld, "rdflib", "rdf"),
        Format("cypher", ".cypher", write_cypher),
        Format("neo4j", "", write_neo4j),
        Format("graphml", ".graphml", write_graphml, "networkx", "graph"),
    )
}


def choose_format(path: Path, name: str = "auto") -> Format:
    """Choose the format of an output.

    path (Path): The output.
    name (str): The name of the format. "auto": by the suffix of the path.
    RETURNS (Format): The format.
    RAISES (ValueError): J701 for an unknown name, J776 if the suffix of the path is
        not that of a format.
    """
    if name != "auto":
        return find_format(name)
    suffixes = {format.suffix: format for format in FORMATS.values() if format.suffix}
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        known = ", ".join(FORMATS)
        raise JREError(
            Errors.J776.format(path=path, suffixes=", ".join(suffixes), known=known)
        )
    return suffixes[suffix]


def find_format(name: str, more: Iterable[str] = ()) -> Format:
    """Find a format by its name.

    name (str): The name.
    more (Iterable[str]): Other names that are known, for the message.
    RETURNS (Format): The format.
    RAISES (ValueError): J701 for an unknown name.
    """
    if name not in FORMATS:
        known = ", ".join([*FORMATS, *more])
        raise JREError(Errors.J701.format(value=name, known=known))
    return FORMATS[name]


def write_triples(
    triples: Iterable[Triple],
    path: Path,
    format: Format,
    options: ExportOptions | None = None,
) -> Written:
    """Write triples. An existing file is only replaced by a complete one.

    triples (Iterable[Triple]): The triples.
    path (Path): The file, or the folder for the format neo4j.
    format (Format): The format.
    options (ExportOptions | None): The options.
    RETURNS (Written): The counts.
    RAISES (ValueError): J775 for a missing dependency, J777 for a label that the format
        cannot represent.
    """
    format.check_installed()
    count = 0

    def counted() -> Iterator[Triple]:
        nonlocal count
        for triple in triples:
            count += 1
            yield triple

    with replaced_when_complete(path, folder=not format.suffix) as partial:
        written = format.write(counted(), partial, options or ExportOptions())
    written.triples = count
    return written


@contextmanager
def replaced_when_complete(path: Path, *, folder: bool = False) -> Iterator[Path]:
    """Write to a temporary path, which then replaces the path.

    path (Path): The file or folder to write. Its folder is created.
    folder (bool): Whether to write several files to a folder. Each of them is replaced.
    YIELDS (Path): The temporary path. It is deleted if the code in the block fails.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + PARTIAL)
    try:
        if folder:
            partial.mkdir(exist_ok=True)
        yield partial
        if not folder:
            _sync(partial)
            os.replace(partial, path)
            return
        path.mkdir(exist_ok=True)
        for file in sorted(partial.iterdir()):
            _sync(file)
            os.replace(file, path / file.name)
    finally:
        if folder:
            rmtree(partial, ignore_errors=True)
        else:
            partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Wait until the file is on the disk, so that it is complete after a power cut."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
