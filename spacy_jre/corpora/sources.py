"""Helpers shared by all readers: listing files, reading lines and JSON values with
their locations, and skipping broken records."""

import io
import json
import os
import re
import zlib
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE, BOM_UTF32_BE, BOM_UTF32_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from gzip import BadGzipFile, GzipFile
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO, Literal, NamedTuple, TypeVar
from xml.parsers import expat

from ..annotations import LeftOut, Record
from ..errors import Errors, JREError
from .packing import packer

# JSON can contain it as an escape sequence, but UTF-8 cannot encode it
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# bytes; longer lines are skipped. The longest text that spaCy's tokenizer accepts, with
# its tokens in Prodigy's format, has half this size
MAX_LINE = 1 << 25
# numbers that some programs write instead of integers
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}(?:\.0*)?", re.ASCII)
GZIP = b"\x1f\x8b"
# A gzip file of a real corpus unpacks to 4 to 30 times its size, gzip can reach 1032
# times. The limits apply while the file is read, so that memory stays low
MAX_RATIO = 200
ANY_SIZE = 1 << 25  # bytes that a gzip file of any size may unpack to
# from this size on, the ratio is smaller, so that a small file cannot use 1 GB
LARGE, LARGE_RATIO = 1 << 28, 40
_CHUNK = 1 << 17  # bytes that are unpacked at once
# number of lines that are not UTF-8 from which the file has another encoding. With
# fewer lines, it could be damaged
WRONG_LINES = 5
OnSkip = Callable[[LeftOut], None]
# discontinuous entities: skip them, or read the span that covers all pieces
Discontinuous = Literal["skip", "cover"]
Item = TypeVar("Item")
Result = TypeVar("Result")


def refuse(left_out: LeftOut) -> None:
    """Default `skip` callback of the readers: raise an error for a broken record.

    left_out (LeftOut): The skipped record.
    RAISES (ValueError): The reason, if the record is broken.
    """
    if left_out.broken:
        raise JREError(left_out.reason)


@dataclass(frozen=True)
class Location:
    """A location in a file, with type checks that raise errors with the location."""

    path: Path
    where: str

    def at(self, where: str) -> "Location":
        return Location(self.path, f"{self.where}, {where}")

    def each(self, kind: str, rows: list[Any]) -> Iterator[tuple["Location", Any]]:
        """YIELDS (tuple[Location, Any]): The location of each row, such as "line 2,
        entity 0", and the row."""
        for index, row in enumerate(rows):
            yield self.at(f"{kind} {index}"), row

    def error(self, field: str, problem: str) -> JREError:
        """RETURNS (JREError): J605, to be raised."""
        return JREError(
            Errors.J605.format(
                path=self.path, where=self.where, field=field, problem=problem
            )
        )

    def get(self, value: Any, name: str, kind: type | tuple[type, ...]) -> Any:
        """Get a field of a JSON object.

        value (Any): The object.
        name (str): Name of the field.
        kind (type | tuple[type, ...]): Expected type or types.
        RETURNS (Any): The value of the field.
        RAISES (ValueError): J605 if it is missing or has another type.
        """
        if not isinstance(value, dict):
            raise self.error(name, f"is missing: {short_repr(value)} is not an object")
        if name not in value:
            raise self.error(name, "is missing")
        return self.check(name, value[name], kind)

    def get_rows(self, value: Any, name: str, *, required: bool = True) -> list[Any]:
        """Get a list of annotations of a JSON object. ``null`` is an empty list.

        value (Any): The object.
        name (str): Name of the field.
        required (bool): Whether the field must exist.
        RETURNS (list[Any]): The list.
        RAISES (ValueError): J605 if it is missing or is not a list.
        """
        if not required and isinstance(value, dict) and name not in value:
            return []
        rows: list[Any] | None = self.get(value, name, (list, type(None)))
        return rows or []

    def check(self, name: str, value: Any, kind: type | tuple[type, ...]) -> Any:
        """RETURNS (Any): The value. If an integer is expected, 3.0 and "3" are 3.
        RAISES (ValueError): J605 if it has another type or is not valid text."""
        if type(value) is kind and kind is not str:
            return value
        kinds = kind if isinstance(kind, tuple) else (kind,)
        if int in kinds and not isinstance(value, kinds):
            value = as_integer(value)
        # bool is a subclass of int, but not a valid offset
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            names = " or ".join(
                "null" if k is type(None) else k.__name__ for k in kinds
            )
            raise self.error(name, f"must be of type {names}, is {short_repr(value)}")
        if isinstance(value, str) and LONE_SURROGATE.search(value):
            raise self.error(name, f"has half a surrogate pair: {short_repr(value)}")
        return value

    def number(self, name: str, text: str) -> int:
        """RETURNS (int): The number.
        RAISES (ValueError): J605 for a text that is not a natural number, or too
            large to be stored."""
        if not text.isdecimal() or len(text) > 18:
            raise self.error(name, f"must be a number, is {short_repr(text)}")
        return int(text)

    def rest(self, value: dict[str, Any], *known: str) -> dict[str, Any]:
        """Get the other fields of an object, which are kept as meta.

        value (dict[str, Any]): The object.
        known (str): Names of the fields to exclude.
        RETURNS (dict[str, Any]): The other fields.
        RAISES (ValueError): J605 for a field that a .spacy file cannot store.
        """
        rest = {key: item for key, item in value.items() if key not in known}
        for key, item in rest.items():
            # a Doc adds some levels of nesting, and msgpack supports 511 levels
            nested: list[Any] = [key, item]
            for _ in range(10):
                nested = [nested]
            try:
                packer().pack(nested)
            except (OverflowError, ValueError) as error:
                raise self.error(key, f"cannot be stored: {error}") from error
        return rest

    def __str__(self) -> str:
        return f"{self.path}, {self.where}"


def as_integer(value: Any) -> Any:
    """Convert a number that a program such as pandas has written as 3.0 or "3".

    value (Any): The value.
    RETURNS (Any): The integer. Other values are returned unchanged.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
        return int(value.strip().partition(".")[0])
    return value


def short_repr(value: Any, length: int = 60) -> str:
    """The repr of a value for a message, truncated."""
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def walk_files(folder: Path, skip: OnSkip = refuse) -> list[Path]:
    """List the files of a folder and its subfolders, sorted.

    Symbolic links to targets outside the folder are skipped. Links to files inside the
    folder are included. Links to folders inside the folder are not followed, because
    their files are already included. The folder itself can be a link.

    folder (Path): The folder.
    skip (Callable): Called for each link to a target outside the folder.
    RETURNS (list[Path]): The files.
    RAISES (ValueError): With `refuse`: J617 for such a link.
    """
    files: list[Path] = []
    folders = [folder]
    while folders:
        for path in folders.pop().iterdir():
            if not stays_inside(path, folder, skip):
                continue
            if path.is_file():
                files.append(path)
            elif path.is_dir() and not path.is_symlink():
                folders.append(path)
    return sorted(files)


def stays_inside(path: Path, folder: Path, skip: OnSkip = refuse) -> bool:
    """Check that a path is not a symbolic link to a target outside a folder.

    path (Path): The path.
    folder (Path): The folder.
    skip (Callable): Called for a link to a target outside the folder.
    RETURNS (bool): False for such a link.
    RAISES (ValueError): With `refuse`: J617 for such a link.
    """
    # Path.resolve raises an error for circular links, realpath does not
    if not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(folder)
    ):
        return True
    reason = Errors.J617.format(path=path, folder=folder)
    skip(LeftOut("record", reason, broken=True))
    return False


def readable_name(path: Path) -> str:
    """The path as text. Bytes that are not UTF-8 are replaced."""
    return os.fsencode(path.as_posix()).decode("utf8", errors="replace")


def refuse_doctype(
    data: bytes | BinaryIO, path: object, *, external: bool = False
) -> None:
    """Raise an error if XML has a document type declaration.

    The declaration can define XML entities that expand without limit or refer to other
    files. The XML is parsed up to its first element only.

    data (bytes | BinaryIO): The XML.
    path (object): The file, for the message.
    external (bool): Whether to accept a declaration without definitions, such as
        ``<!DOCTYPE collection SYSTEM "BioC.dtd">``. The file that it names is not read.
    RAISES (ValueError): J619 for a declaration.
        (expat.ExpatError): If expat cannot parse the XML up to the first element.
    """
    parser = expat.ParserCreate()

    def check_declaration(
        name: str, system_id: str | None, public_id: str | None, definitions: bool
    ) -> None:
        if definitions or not external:
            raise JREError(Errors.J619.format(path=path))

    def stop(*args: object) -> None:
        raise StopIteration

    parser.StartDoctypeDeclHandler = check_declaration
    parser.StartElementHandler = stop
    with suppress(StopIteration):
        parser.ParseFile(io.BytesIO(data) if isinstance(data, bytes) else data)


def unpacked_limit(
    size: int, least: int, ratio: int, large: int, large_ratio: int
) -> int:
    """Get the number of bytes that compressed data may unpack to.

    size (int): Size of the compressed data, in bytes.
    least (int): The limit of small data, in bytes.
    ratio (int): The limit by the size of the compressed data.
    large, large_ratio (int): A limit above `large` bytes has this smaller ratio, so
        that a small file cannot use much memory.
    RETURNS (int): The limit, in bytes.
    """
    return max(least, min(ratio * size, max(large, large_ratio * size)))


class _Unpacked(io.RawIOBase):
    """The content of a gzip file.

    RAISES (ValueError): J665 for a damaged file, J666 for a file that unpacks to too
        much data, when it is read.
    """

    def __init__(self, path: Path):
        self._path = path
        self._packed = path.open("rb")
        self._file = GzipFile(fileobj=self._packed)
        self._size = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._file.read(min(len(buffer), _CHUNK))
        except (EOFError, BadGzipFile, zlib.error) as error:
            raise JREError(Errors.J665.format(path=self._path, error=error)) from error
        self._size += len(data)
        packed = self._packed.tell()
        limit = unpacked_limit(packed, ANY_SIZE, MAX_RATIO, LARGE, LARGE_RATIO)
        if self._size > limit:
            raise JREError(Errors.J666.format(path=self._path, limit=limit))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._file.close()
        self._packed.close()
        super().close()


def open_file(path: Path) -> io.BufferedReader:
    """Open a file for reading. A gzip file, which is recognized by its content, is
    unpacked while it is read.

    path (Path): The file.
    RETURNS (BufferedReader): The file. It is not seekable if it is unpacked.
    RAISES (ValueError): J601 if the file is missing. Reading raises J665 and J666 for a
        damaged or too large gzip file.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    file = path.open("rb")
    if not file.peek(2).startswith(GZIP):
        return file
    file.close()
    return io.BufferedReader(_Unpacked(path), _CHUNK)


def open_utf8(path: Path) -> io.BufferedReader:
    """Open a text file for reading. See ``open_file``.

    RAISES (ValueError): J667 for UTF-16 and UTF-32, which no line of a text can be read
        from.
    """
    file = open_file(path)
    if find_wide_encoding(file.peek(16)):
        problem = describe_encoding(file.peek(16))
        file.close()
        raise JREError(Errors.J667.format(path=path, problem=problem))
    return file


def read_bytes(path: Path) -> bytes:
    """RETURNS (bytes): The content of a file, unpacked if it is a gzip file.
    RAISES (ValueError): J601, J665, J666. See ``open_file``."""
    with open_file(path) as file:
        return file.read()


def inner_suffix(path: Path) -> str:
    """RETURNS (str): The suffix of the path without ``.gz``, such as ".json"."""
    return without_gz(path).suffix


def inner_stem(path: Path) -> str:
    """RETURNS (str): The name of the path without ``.gz`` and its other suffix."""
    return without_gz(path).stem


def without_gz(path: Path) -> Path:
    """RETURNS (Path): The path without ``.gz``."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def find_wide_encoding(head: bytes) -> str:
    """Recognize UTF-16 and UTF-32 by their byte order mark, or by the zero bytes of
    their first characters.

    head (bytes): The first bytes of a file.
    RETURNS (str): The encoding. Empty if there is none.
    """
    # the mark of UTF-32 starts with that of UTF-16
    if head.startswith((BOM_UTF32_LE, BOM_UTF32_BE)):
        return "UTF-32"
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        return "UTF-16"
    even, odd = head[0:16:2], head[1:16:2]
    if len(head) >= 4 and all(even) and not any(odd):
        return "UTF-16LE"
    if len(head) >= 4 and all(odd) and not any(even):
        return "UTF-16BE"
    return ""


def describe_encoding(data: bytes) -> str:
    """Describe the encoding of bytes that are not UTF-8, and how to fix it.

    data (bytes): The bytes, or some of them.
    RETURNS (str): A sentence for an error.
    """
    encoding = find_wide_encoding(data)
    high = re.findall(b"[\x80-\xff]+", data)
    if encoding:
        mark = "" if encoding.endswith("E") else " (with a byte order mark)"
        found = f"The file is {encoding}{mark}"
    # in Latin-1, letters with accents are mostly between letters without them
    elif 2 * sum(len(part) == 1 for part in high) < len(high):
        encoding = "ENCODING"
        found = (
            "The file has another encoding, such as GB18030, Shift JIS or Windows-1251"
        )
    elif re.search(b"[\x80-\x9f]", data):
        encoding, found = "WINDOWS-1252", "The file is probably Windows-1252"
    else:
        encoding, found = "ISO-8859-1", "The file is probably Latin-1 (ISO-8859-1)"
    return (
        f"{found}. Convert it with `iconv -f {encoding} -t UTF-8`, or export it as "
        "UTF-8"
    )


def not_utf8(path: object, number: int, error: UnicodeDecodeError) -> JREError:
    """RETURNS (JREError): J668 for a line that is not UTF-8, to be raised."""
    found = f"byte 0x{error.object[error.start]:02x}"
    problem = describe_encoding(error.object)
    return JREError(
        Errors.J668.format(path=path, line=number, error=found, problem=problem)
    )


def not_xml(path: Path, error: Exception) -> JREError:
    """Describe the error of an XML parser, and how to fix it.

    path (Path): The file.
    error (Exception): The error. Those of the parsers of Python have the line.
    RETURNS (JREError): J675, to be raised.
    """
    line = getattr(error, "position", (1,))[0]
    problem = "Export or download the file again"
    data = read_bytes(path)
    try:
        data.decode("utf8")
    except UnicodeDecodeError as found:
        wide = find_wide_encoding(data[:16])
        head = data[:400].replace(b"\0", b"")
        declared = re.search(rb"encoding=.([\w-]+)", head)
        # parsers recognize UTF-16 without a declaration
        if not wide if declared is None else declared[1].lower() in (b"utf-8", b"utf8"):
            problem = describe_encoding(found.object)
    return JREError(
        Errors.J675.format(path=path, line=line, error=error, problem=problem)
    )


def read_text(path: Path) -> str:
    """Read the text of a file, without byte order mark. Line endings are kept.

    path (Path): The file.
    RETURNS (str): The text.
    RAISES (ValueError): J601 if the file is missing, J665 and J666 for a damaged or too
        large gzip file, J667 and J668 if it is not UTF-8.
    """
    return decode_utf8(read_bytes(path), path).removeprefix("\ufeff")


def decode_utf8(data: bytes, path: object) -> str:
    """RETURNS (str): The text of a file. The byte order mark is kept.
    RAISES (ValueError): J667, J668 if the data is not UTF-8."""
    if find_wide_encoding(data[:16]):
        problem = describe_encoding(data[:16])
        raise JREError(Errors.J667.format(path=path, problem=problem))
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise not_utf8(path, line, error) from error


class _Line(NamedTuple):
    """A line of a file: its text, or the error if it cannot be read."""

    location: Location
    text: str
    error: JREError | None = None


def _decode_lines(path: Path) -> Iterator[_Line]:
    """Read all lines of a file, also the empty ones, without their line endings.

    RAISES (ValueError): J601 if the file is missing, J665 and J666 for a damaged or too
        large gzip file, J667 if the file has another encoding than UTF-8.
    """
    known_utf8 = False  # whether a line with a character that is not ASCII was read
    with open_utf8(path) as file:
        for number in count(1):
            raw = file.readline(MAX_LINE + 1)
            if not raw:
                break
            location = Location(path, f"line {number}")
            if number == 1:
                raw = raw.removeprefix(BOM_UTF8)
            if len(raw) > MAX_LINE:
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
                message = Errors.J622.format(path=path, line=number, limit=MAX_LINE)
                yield _Line(location, "", JREError(message))
                continue
            try:
                text = raw.decode("utf8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                if not known_utf8:
                    check_encoding(path)
                    known_utf8 = True  # check it only once
                yield _Line(location, "", not_utf8(path, number, error))
                continue
            known_utf8 = known_utf8 or not raw.isascii()
            yield _Line(location, text)


def check_encoding(path: Path) -> None:
    """Raise an error if a file has another encoding than UTF-8. Otherwise, each of its
    lines with a character that is not ASCII would be reported.

    path (Path): The file.
    RAISES (ValueError): J667 if there are at least WRONG_LINES lines with characters
        that are not ASCII, and none of them is UTF-8.
    """
    broken = []
    with open_file(path) as file:
        while raw := file.readline(MAX_LINE):
            if raw.isascii():
                continue
            try:
                raw.removeprefix(BOM_UTF8).decode("utf8")
            except UnicodeDecodeError:
                broken.append(raw[:1000])
                continue
            return
    if len(broken) >= WRONG_LINES:
        problem = describe_encoding(b"".join(broken[:1000]))
        raise JREError(Errors.J667.format(path=path, problem=problem))


def read_lines(path: Path, skip: OnSkip) -> Iterator[tuple[Location, str]]:
    """Read the non-empty lines of a file.

    path (Path): The file.
    skip (Callable): Called for each line that is not UTF-8 or longer than MAX_LINE.
    YIELDS (tuple[Location, str]): The location and the line, without its line ending.
    RAISES (ValueError): J601 if the file is missing, J602 if it has no such line, J665
        and J666 for a damaged or too large gzip file, J667 if the file has another
        encoding than UTF-8.
    """
    empty = True
    for line in _decode_lines(path):
        if line.error is not None:
            empty = False
            skip(LeftOut("record", str(line.error), broken=True))
        elif line.text.strip():
            empty = False
            yield line.location, line.text
    if empty:
        raise JREError(Errors.J602.format(path=path))


@dataclass
class Block:
    """Lines of a file that belong to one record.

    location (Location): The first line.
    lines (list[tuple[Location, str]]): The locations and texts of the lines.
    error (JREError | None): The error, if a line cannot be read.
    """

    location: Location
    lines: list[tuple[Location, str]] = field(default_factory=list)
    error: JREError | None = None


def read_blocks(
    path: Path, starts: Callable[[str], bool] | None = None
) -> Iterator[Block]:
    """Read the records of a file with several lines per record.

    path (Path): The file.
    starts (Callable): Whether a line is the first one of a record. Default: records are
        separated by empty lines.
    YIELDS (Block): The lines of a record that are not empty. A record with more than
        MAX_LINE characters, and one with a line that is not UTF-8, has an error.
    RAISES (ValueError): See ``read_lines``.
    """
    block: Block | None = None
    empty, size = True, 0
    for line in _decode_lines(path):
        blank = line.error is None and not line.text.strip()
        ends = blank if starts is None else not blank and starts(line.text)
        if ends and block is not None:
            yield block
            block = None
        if blank:
            continue
        if block is None:
            block, size = Block(line.location), 0
        empty = False
        size += len(line.text)
        if size > MAX_LINE and block.error is None:
            number = line.location.where.removeprefix("line ")
            message = Errors.J622.format(path=path, line=number, limit=MAX_LINE)
            block.error = JREError(message)
        block.error = block.error or line.error
        if size <= MAX_LINE:
            block.lines.append((line.location, line.text))
    if block is not None:
        yield block
    if empty:
        raise JREError(Errors.J602.format(path=path))


def read_json(path: Path, skip: OnSkip) -> Iterator[tuple[Location, Any]]:
    """Read the records of a JSON file: the elements of a list, or one value per line.

    path (Path): The file.
    skip (Callable): Called for each broken line. A broken list raises an error instead,
        because the rest of the list cannot be parsed.
    YIELDS (tuple[Location, Any]): The location and the value.
    RAISES (ValueError): J601, J602, J604 for a file that is missing, has no records, or
        has a broken list.
    """
    if first_character(path) == "[" or _is_indented(path):
        yield from _read_list(path)
        return
    for location, line in read_lines(path, skip):
        try:
            value = json.loads(line)
        # numbers with thousands of digits raise a plain ValueError
        except (ValueError, RecursionError) as error:
            number = location.where.removeprefix("line ")
            reason = Errors.J604.format(path=path, line=number, error=error)
            skip(LeftOut("record", reason, broken=True))
            continue
        yield location, value


def first_character(path: Path) -> str:
    """The first character of a file that is not whitespace. Empty if there is none."""
    with open_utf8(path) as file:
        head = file.read(4096).removeprefix(BOM_UTF8).lstrip()
    return head[:1].decode("latin1")


def _is_indented(path: Path) -> bool:
    """Whether a file without a list is indented JSON, not one value per line."""
    with open_utf8(path) as file:
        head = file.readline(4096).removeprefix(BOM_UTF8).strip()
    return head == b"{"


def _read_list(path: Path) -> Iterator[tuple[Location, Any]]:
    """Parse the elements one by one, to keep memory low for large lists."""
    text = read_text(path)
    decode = json.JSONDecoder().raw_decode
    position = _skip_whitespace(text, 0)
    listed = text.startswith("[", position)
    position = _skip_whitespace(text, position + listed)
    line, counted, number = 1, 0, 0
    while position < len(text) and not (listed and text[position] == "]"):
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = decode(text, position)
            position = _skip_whitespace(text, position)
            if listed and not text.startswith((",", "]"), position):
                message = "expected ',' or ']'"
                raise json.JSONDecodeError(message, text, position)
        except json.JSONDecodeError as error:
            raise JREError(
                Errors.J604.format(path=path, line=error.lineno, error=error.msg)
            ) from error
        except (ValueError, RecursionError) as error:
            raise JREError(
                Errors.J604.format(path=path, line=line, error=error)
            ) from error
        yield Location(path, f"line {line}, record {number}"), value
        number += 1
        if listed and text[position] == ",":
            position = _skip_whitespace(text, position + 1)
    if listed:
        problem = ""
        if position >= len(text):
            problem = "the list has no closing ']'"
        elif (position := _skip_whitespace(text, position + 1)) < len(text):
            problem = "there is more text after the list"
        if problem:
            line = text.count("\n", 0, position) + 1
            raise JREError(Errors.J604.format(path=path, line=line, error=problem))
    if not number:
        raise JREError(Errors.J602.format(path=path))


def _skip_whitespace(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def each_item(
    items: Iterable[Item],
    parse: Callable[[Item], Result | None],
    skip: OnSkip,
    count: Callable[[Item], tuple[int, int]] = lambda item: (0, 0),
) -> Iterator[Result]:
    """Parse items one by one. Broken items are skipped.

    items (Iterable): The items.
    parse (Callable): Returns a result, or None if it has already called `skip`.
    skip (Callable): Called for each broken item.
    count (Callable): Returns the numbers of entities and relations of an item, which
        are lost if it is broken.
    YIELDS (Result): The results.
    """
    for item in items:
        try:
            result = parse(item)
        except JREError as error:
            entities, relations = count(item)
            reason = str(error)
            skip(LeftOut("record", reason, True, "", entities, relations))
            continue
        if result is not None:
            yield result


def each_record(
    items: Iterable[Item],
    parse: Callable[[Item], Record | None],
    skip: OnSkip,
    count: Callable[[Item], tuple[int, int]] = lambda item: (0, 0),
) -> Iterator[Record]:
    """Parse items to records. See ``each_item``. With `refuse` as `skip`, a broken
    annotation in the ``left_out`` of a record raises an error, too."""
    for record in each_item(items, parse, skip, count):
        if skip is refuse:
            for left_out in record.left_out:
                refuse(left_out)
        yield record


def row_counter(
    entities: str, relations: str
) -> Callable[[tuple[Location, Any]], tuple[int, int]]:
    """RETURNS (Callable): `count` of ``each_record`` for JSON objects, see
    ``count_rows``."""
    return lambda item: count_rows(item[1], entities, relations)


def count_rows(value: Any, entities: str, relations: str) -> tuple[int, int]:
    """Count the annotations of a JSON object that cannot be read.

    value (Any): The object, or any other value.
    entities, relations (str): Names of its lists of entities and relations.
    RETURNS (tuple[int, int]): Lengths of the lists, 0 for a list that does not exist.
    """
    if not isinstance(value, dict):
        return 0, 0
    lists = (value.get(entities), value.get(relations))
    counts = [len(rows) if isinstance(rows, list) else 0 for rows in lists]
    return counts[0], counts[1]
