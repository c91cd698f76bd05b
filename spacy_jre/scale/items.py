"""The documents of an input, read as a stream: text, JSON lines, CSV, Parquet, .spacy,
files compressed with gzip, and folders of these files."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, get_args

from spacy.tokens import Doc
from spacy.vocab import Vocab

from ..corpora.reader import load_docbin
from ..corpora.sources import (
    MAX_LINE,
    Location,
    inner_suffix,
    open_utf8,
    read_blocks,
    read_bytes,
    readable_name,
    short_repr,
    walk_files,
)
from ..errors import Errors, JREError
from ..export.options import require

# what a text file contains: a document per line, or one document
TextUnit = Literal["auto", "line", "file"]
# rows of Parquet that are read at once
_BATCH = 1000


@dataclass(frozen=True, slots=True)
class Item:
    """A document of the input.

    number (int): Its number in the input, from 0.
    id (str): Its id: the value of the id field, or the file and its line or row.
    content (str | Callable): The text, or a function that loads the Doc with a vocab.
    error (str): Why it cannot be read. Empty if it can.
    """

    number: int
    id: str
    content: str | Callable[[Vocab], Doc] = ""
    error: str = ""


# id, content and error of an item
_Row = tuple[str, str | Callable[[Vocab], Doc], str]


@dataclass(frozen=True)
class InputSettings:
    """How to read an input.

    field (str): The field or column with the text, in JSON lines, CSV and Parquet.
    id_field (str): The field or column with the id of a document. Empty: the id is the
        file and the line or row.
    text_unit (str): What a text file contains. "line": one document per line. "file":
        one document. "auto": "line" for a single file, and "file" in a folder.
    RAISES (ValueError): J202 for another value of `text_unit`.
    """

    field: str = "text"
    id_field: str = ""
    text_unit: TextUnit = "auto"

    def __post_init__(self) -> None:
        if self.text_unit not in get_args(TextUnit):
            allowed = ", ".join(get_args(TextUnit))
            raise JREError(
                Errors.J202.format(
                    name="text_unit", allowed=allowed, value=self.text_unit
                )
            )


@dataclass(frozen=True)
class Source:
    """The files of an input.

    path (Path): The file or folder.
    files (tuple[Path, ...]): The files that are read.
    ignored (tuple[str, ...]): Files of the folder that are not read, with the reasons.
    settings (InputSettings): How to read them.
    """

    path: Path
    files: tuple[Path, ...]
    ignored: tuple[str, ...]
    settings: InputSettings

    def __iter__(self) -> Iterator[Item]:
        """YIELDS (Item): The documents. A file that cannot be read is one document with
        an error."""
        number = 0
        for path in self.files:
            for name, content, error in self._rows(path):
                yield Item(number, name, content, error)
                number += 1

    def _rows(self, path: Path) -> Iterator[_Row]:
        name = self.name(path)
        read = _READERS[inner_suffix(path).lower()]
        if read is _read_lines and self._is_document(path):
            read = _read_text
        try:
            yield from read(path, name, self.settings)
        except (JREError, OSError) as error:
            yield name, "", str(error)

    def _is_document(self, path: Path) -> bool:
        unit = self.settings.text_unit
        return unit == "file" or (unit == "auto" and path != self.path)

    def name(self, path: Path) -> str:
        """RETURNS (str): The name of a file, relative to the folder of the input."""
        inside = path if path == self.path else path.relative_to(self.path)
        return readable_name(Path(path.name) if path == self.path else inside)

    def fingerprint(self) -> str:
        """RETURNS (str): A hash of the names and the contents of the files."""
        return hash_files({self.name(path): path for path in self.files})


def find_source(path: Path, settings: InputSettings) -> Source:
    """Find the files of an input.

    path (Path): A file or a folder.
    settings (InputSettings): How to read it.
    RETURNS (Source): The input.
    RAISES (ValueError): J601 for a missing path, J771 for a file of another kind, or a
        folder without files that can be read.
    """
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    problem = Errors.J771.format(path=path, suffixes=", ".join(_READERS))
    if path.is_file():
        if inner_suffix(path).lower() not in _READERS:
            raise JREError(problem)
        return Source(path, (path,), (), settings)
    files: list[Path] = []
    ignored: list[str] = []
    for file in walk_files(path, lambda left_out: ignored.append(left_out.reason)):
        if inner_suffix(file).lower() in _READERS:
            files.append(file)
        else:
            ignored.append(Errors.J771.format(path=file, suffixes=", ".join(_READERS)))
    if not files:
        raise JREError(problem)
    return Source(path, tuple(files), tuple(ignored), settings)


def hash_files(files: dict[str, Path]) -> str:
    """RETURNS (str): A hash of the names and the contents of files."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(f"{name}\0{path.stat().st_size}\0".encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


# Readers -----------------------------------------------------------------------------


def _read_text(path: Path, name: str, settings: InputSettings) -> Iterator[_Row]:
    with open_utf8(path) as file:
        data = file.read()
    try:
        yield name, data.decode("utf-8-sig"), ""
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        yield name, "", f"{path}, line {line}: not UTF-8: {error}"


def _read_lines(path: Path, name: str, settings: InputSettings) -> Iterator[_Row]:
    for location, line, error in _lines(path):
        yield _place(name, location.where), line, error


def _lines(path: Path) -> Iterator[tuple[Location, str, str]]:
    """YIELDS (tuple): Location, text and error of each line that is not blank."""
    for block in read_blocks(path, starts=lambda line: True):
        text = block.lines[0][1] if block.error is None else ""
        yield block.location, text, "" if block.error is None else str(block.error)


def _place(name: str, where: str) -> str:
    """RETURNS (str): An id such as "texts.txt:12"."""
    return f"{name}:{where.rpartition(' ')[2]}"


def _read_jsonl(path: Path, name: str, settings: InputSettings) -> Iterator[_Row]:
    for location, line, error in _lines(path):
        place = _place(name, location.where)
        if error:
            yield place, "", error
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as json_error:
            where = location.where.rpartition(" ")[2]
            message = Errors.J604.format(path=path, line=where, error=json_error)
            yield place, "", message
            continue
        yield _row(location, place, value, settings)


def _row(location: Location, place: str, value: Any, settings: InputSettings) -> _Row:
    """Get the id and the text of an object with fields."""
    try:
        if settings.id_field:
            name = location.get(value, settings.id_field, (str, int))
            place = str(name)
        return place, location.get(value, settings.field, str), ""
    except JREError as error:
        return place, "", str(error)


def _read_csv(
    path: Path, name: str, settings: InputSettings, *, quotes: bool
) -> Iterator[_Row]:
    """Read a CSV file with commas and quotes, or a TSV file with tabs, where quotes are
    part of the text."""
    # a limit of all readers of csv. The default is shorter than a long document
    csv.field_size_limit(max(csv.field_size_limit(), MAX_LINE))
    with (
        open_utf8(path) as file,
        # an invalid byte only affects its row, whose text is then refused
        io.TextIOWrapper(
            file, encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as lines,
    ):
        if quotes:
            reader = csv.reader(lines)
        else:
            reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE)
        try:
            columns = next(filter(None, reader), [])
            _check_columns(path, columns, settings)
            for number, values in enumerate(filter(None, reader), 1):
                location = Location(path, f"row {number}")
                place = f"{name}:{number}"
                if len(values) == len(columns):
                    value = dict(zip(columns, values, strict=True))
                    yield _row(location, place, value, settings)
                else:
                    yield place, "", _wrong_length(location, values, columns, quotes)
        except csv.Error as error:
            where = f"line {reader.line_num}"
            yield name, "", Errors.J612.format(path=f"{path}, {where}", problem=error)


def _wrong_length(
    location: Location, values: list[str], columns: list[str], quotes: bool
) -> str:
    advice = "A .tsv file has no quotes: use .csv for texts with tabs or line breaks."
    if quotes:
        advice = "A field with a comma or a line break needs quotes."
    return Errors.J624.format(
        path=location.path,
        where=location.where,
        found=len(values),
        expected=len(columns),
        advice=advice,
    )


def _read_parquet(path: Path, name: str, settings: InputSettings) -> Iterator[_Row]:
    purpose = "Reading Parquet"
    arrow = require("pyarrow", "parquet", purpose)
    parquet = require("pyarrow.parquet", "parquet", purpose)
    packed = path.suffix.lower() == ".gz"
    try:
        source = arrow.BufferReader(read_bytes(path)) if packed else path
        with parquet.ParquetFile(source) as file:
            _check_columns(path, file.schema_arrow.names, settings)
            columns = [name for name in (settings.field, settings.id_field) if name]
            number = 0
            for batch in file.iter_batches(_BATCH, columns=columns):
                for value in batch.to_pylist():
                    location = Location(path, f"row {number}")
                    yield _row(location, f"{name}:{number}", value, settings)
                    number += 1
    except arrow.ArrowException as error:
        raise JREError(Errors.J612.format(path=path, problem=error)) from error


def _check_columns(path: Path, columns: Any, settings: InputSettings) -> None:
    for field, option in (
        (settings.field, "--field"),
        (settings.id_field, "--id-field"),
    ):
        if field and field not in columns:
            known = short_repr(", ".join(map(str, columns)), 500)
            raise JREError(
                Errors.J773.format(path=path, field=field, known=known, option=option)
            )


def _read_spacy(path: Path, name: str, settings: InputSettings) -> Iterator[_Row]:
    docbin = load_docbin(path)
    for number in range(len(docbin)):
        yield f"{name}:{number}", partial(docbin.get_doc, number), ""


_READERS: dict[str, Callable[[Path, str, InputSettings], Iterator[_Row]]] = {
    ".txt": _read_lines,
    ".jsonl": _read_jsonl,
    ".csv": partial(_read_csv, quotes=True),
    ".tsv": partial(_read_csv, quotes=False),
    ".parquet": _read_parquet,
    ".spacy": _read_spacy,
}
