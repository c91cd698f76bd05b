"""Helpers shared by all readers: listing files, reading lines and JSON values with
their locations, and skipping broken records."""

import json
import os
import re
from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Literal, TypeVar
from xml.parsers import expat

from srsly.msgpack import Packer

from ..annotations import LeftOut, Record
from ..errors import Errors, JREError

# JSON can contain it as an escape sequence, but UTF-8 cannot encode it
LONE_SURROGATE = re.compile("[\ud800-\udfff]")
# packs like DocBin. Shared, because each new Packer searches the installed packages
PACKER = Packer(use_bin_type=True)
# bytes; longer lines are skipped. The longest text that spaCy's tokenizer accepts, with
# its tokens in Prodigy's format, has half this size
MAX_LINE = 1 << 25
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

    def check(self, name: str, value: Any, kind: type | tuple[type, ...]) -> Any:
        """RETURNS (Any): The value.
        RAISES (ValueError): J605 if it has another type or is not valid text."""
        if type(value) is kind and kind is not str:
            return value
        kinds = kind if isinstance(kind, tuple) else (kind,)
        # bool is a subclass of int, but not a valid offset
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and bool not in kinds
        ):
            names = " or ".join(k.__name__ for k in kinds)
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
                PACKER.pack(nested)
            except (OverflowError, ValueError) as error:
                raise self.error(key, f"cannot be stored: {error}") from error
        return rest

    def __str__(self) -> str:
        return f"{self.path}, {self.where}"


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


def refuse_doctype(data: bytes, path: object) -> None:
    """Raise an error if XML has a document type declaration.

    The declaration can define XML entities that expand without limit or refer to other
    files. None of the supported formats needs one. The XML is parsed up to its first
    element only.

    data (bytes): The XML.
    path (object): The file, for the message.
    RAISES (ValueError): J619 for a declaration.
        (expat.ExpatError): If expat cannot parse the XML up to the first element.
    """
    parser = expat.ParserCreate()

    def refuse_declaration(*args: object) -> None:
        raise JREError(Errors.J619.format(path=path))

    def stop(*args: object) -> None:
        raise StopIteration

    parser.StartDoctypeDeclHandler = refuse_declaration
    parser.StartElementHandler = stop
    with suppress(StopIteration):
        parser.Parse(data, True)


def read_text(path: Path) -> str:
    """Read the text of a file, without byte order mark. Line endings are kept.

    path (Path): The file.
    RETURNS (str): The text.
    RAISES (ValueError): J601 if the file is missing, J604, J640 if it is not UTF-8.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    data = path.read_bytes().removeprefix(BOM_UTF8)
    refuse_utf16(data, path)
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        problem = _not_utf8(error)
        raise JREError(
            Errors.J604.format(path=path, line=line, error=problem)
        ) from error


def refuse_utf16(head: bytes, path: Path) -> None:
    """Raise an error if a file is in UTF-16, such as text saved as "Unicode" on
    Windows.

    head (bytes): The start of the file.
    path (Path): The file, for the message.
    RAISES (ValueError): J640 for the byte order mark of UTF-16, or if every second
        byte at the start is zero.
    """
    even, odd = head[0:4:2], head[1:4:2]
    if head.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) or (
        (even == b"\0\0" and 0 not in odd) or (odd == b"\0\0" and 0 not in even)
    ):
        raise JREError(Errors.J640.format(path=path))


def _not_utf8(error: UnicodeDecodeError) -> str:
    return (
        f"not UTF-8: {error}. If the file is in another encoding, such as Latin-1, "
        "convert it: iconv -f LATIN1 -t UTF-8 FILE > NEW_FILE"
    )


def read_lines(path: Path, skip: OnSkip) -> Iterator[tuple[Location, str]]:
    """Read the non-empty lines of a file.

    path (Path): The file.
    skip (Callable): Called for each line that is not UTF-8 or longer than MAX_LINE.
    YIELDS (tuple[Location, str]): The location and the line, without its line ending.
    RAISES (ValueError): J601 if the file is missing, J602 if it has no such line, J640
        if it is UTF-16.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    empty = True
    with path.open("rb") as file:
        for number in count(1):
            raw = file.readline(MAX_LINE + 1)
            if not raw:
                break
            if number == 1:
                raw = raw.removeprefix(BOM_UTF8)
                refuse_utf16(raw, path)
            if len(raw) > MAX_LINE:
                empty = False
                while raw and not raw.endswith(b"\n"):
                    raw = file.readline(MAX_LINE)
                reason = Errors.J622.format(path=path, line=number, limit=MAX_LINE)
                skip(LeftOut("record", reason, broken=True))
                continue
            try:
                line = raw.decode("utf8").rstrip("\r\n")
            except UnicodeDecodeError as error:
                empty = False
                problem = _not_utf8(error)
                reason = Errors.J604.format(path=path, line=number, error=problem)
                skip(LeftOut("record", reason, broken=True))
                continue
            if line.strip():
                empty = False
                yield Location(path, f"line {number}"), line
    if empty:
        raise JREError(Errors.J602.format(path=path))


def read_json(path: Path, skip: OnSkip) -> Iterator[tuple[Location, Any]]:
    """Read the records of a JSON file: the elements of a list, or one value per line.

    path (Path): The file.
    skip (Callable): Called for each broken line. A broken list raises an error instead,
        because the rest of the list cannot be parsed.
    YIELDS (tuple[Location, Any]): The location and the value.
    RAISES (ValueError): J601, J602, J604, J640 for a file that is missing, has no
        records, has a broken list, or is UTF-16.
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
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(BOM_UTF8).lstrip()
    refuse_utf16(head, path)
    return head[:1].decode("latin1")


def _is_indented(path: Path) -> bool:
    """Whether a file without a list is indented JSON, not one value per line."""
    with path.open("rb") as file:
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
