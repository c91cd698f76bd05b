"""What all readers share: files of a folder, lines and JSON values with their place,
and skipping."""

import json
import os
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, TypeVar
from xml.parsers import expat

from srsly.msgpack import Packer

from ..annotations import LeftOut
from ..errors import Errors, JREError

# JSON can write it as an escape, and no file can hold it
HALF_PAIR = re.compile("[\ud800-\udfff]")
# as DocBin packs; one for all, because each looks through the installed packages
PACKER = Packer(use_bin_type=True)
# longer lines are skipped unread. A text as long as spaCy's tokenizer takes, with all
# of its tokens as Prodigy writes them, has half as much
MAX_LINE = 1 << 25
OnSkip = Callable[[LeftOut], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def refuse(left_out: LeftOut) -> None:
    """What readers do by default with a record they skip.

    RAISES (ValueError): The reason, if the file is broken there.
    """
    if left_out.broken:
        raise JREError(left_out.reason)


@dataclass(frozen=True)
class Place:
    """Where in a file something stands, and the errors that name it."""

    path: Path
    where: str

    def at(self, where: str) -> "Place":
        return Place(self.path, f"{self.where}, {where}")

    def wrong(self, field: str, problem: str) -> JREError:
        """RETURNS (JREError): J605, to be raised."""
        return JREError(
            Errors.J605.format(
                path=self.path, where=self.where, field=field, problem=problem
            )
        )

    def get(self, value: Any, name: str, kind: type | tuple[type, ...]) -> Any:
        """A field of a JSON object.

        RAISES (ValueError): J605 where it is missing or of another type.
        """
        if not isinstance(value, dict):
            raise self.wrong(name, f"is missing: {shorten(value)} is no object")
        if name not in value:
            raise self.wrong(name, "is missing")
        return self.check(name, value[name], kind)

    def check(self, name: str, found: Any, kind: type | tuple[type, ...]) -> Any:
        """RAISES (ValueError): J605 where a value is of another type, or no text."""
        if type(found) is kind and kind is not str:
            return found
        kinds = kind if isinstance(kind, tuple) else (kind,)
        # bool is an int for Python, and no offset
        if not isinstance(found, kinds) or (
            isinstance(found, bool) and bool not in kinds
        ):
            names = " or ".join(k.__name__ for k in kinds)
            raise self.wrong(name, f"must be of type {names}, is {shorten(found)}")
        if isinstance(found, str) and HALF_PAIR.search(found):
            raise self.wrong(name, f"holds half a surrogate pair: {shorten(found)}")
        return found

    def number(self, name: str, text: str) -> int:
        """RAISES (ValueError): J605 for a text that is no natural number of a size
        that can be stored."""
        if not text.isdecimal() or len(text) > 18:
            raise self.wrong(name, f"must be a number, is {shorten(text)}")
        return int(text)

    def rest(self, value: dict[str, Any], *known: str) -> dict[str, Any]:
        """The other fields of an object, which go along as they are.

        RAISES (ValueError): J605 for one that no .spacy file can hold.
        """
        found = {key: item for key, item in value.items() if key not in known}
        for key, item in found.items():
            # a Doc has it some levels further in, and msgpack takes 511 of them
            nested: list[Any] = [key, item]
            for _ in range(10):
                nested = [nested]
            try:
                PACKER.pack(nested)
            except (OverflowError, ValueError) as error:
                raise self.wrong(key, f"cannot be stored: {error}") from error
        return found

    def __str__(self) -> str:
        return f"{self.path}, {self.where}"


def shorten(value: Any, length: int = 60) -> str:
    text = repr(value)
    return text if len(text) <= length else f"{text[:length]}..."


def walk_files(folder: Path, skip: OnSkip = refuse) -> list[Path]:
    """The files of a folder, at any depth, sorted.

    A symbolic link that leads out of the folder is not followed. One to a file inside
    is read. One to a folder inside is not entered: its files are read where they are.
    The folder itself may be a link.

    skip (Callable): Told of every link that leads out of the folder.
    RAISES (ValueError): By `refuse`: J617 for such a link.
    """
    found: list[Path] = []
    folders = [folder]
    while folders:
        for path in folders.pop().iterdir():
            if not stays_inside(path, folder, skip):
                continue
            if path.is_file():
                found.append(path)
            elif path.is_dir() and not path.is_symlink():
                folders.append(path)
    return sorted(found)


def stays_inside(path: Path, folder: Path, skip: OnSkip = refuse) -> bool:
    """Tell whether a path is no symbolic link that leads out of a folder.

    skip (Callable): Told of a link that does.
    RAISES (ValueError): By `refuse`: J617 for such a link.
    """
    # realpath: Path.resolve raises an error for links in a circle
    if not path.is_symlink() or Path(os.path.realpath(path)).is_relative_to(
        os.path.realpath(folder)
    ):
        return True
    reason = Errors.J617.format(path=path, folder=folder)
    skip(LeftOut("record", reason, broken=True))
    return False


def readable_name(path: Path) -> str:
    """The name of a file as text; what is not UTF-8 in it is replaced."""
    return os.fsencode(path.as_posix()).decode("utf8", errors="replace")


def refuse_doctype(data: bytes, path: object) -> None:
    """Look for a document type declaration before the first element of XML.

    It is the only place that can define entities (which grow without limit when they
    name each other) or name other files. No format of ours has one.

    path (object): The file, for the message.
    RAISES (ValueError): J619 for a declaration.
        (expat.ExpatError): Where the file is no XML that expat can read up to there.
    """
    parser = expat.ParserCreate()

    def refuse_it(*args: object) -> None:
        raise JREError(Errors.J619.format(path=path))

    def stop(*args: object) -> None:
        raise StopIteration

    parser.StartDoctypeDeclHandler = refuse_it
    parser.StartElementHandler = stop
    with suppress(StopIteration):
        parser.Parse(data, True)


def read_text(path: Path) -> str:
    """The text of a file, line ends as they are, without a byte order mark.

    RAISES (ValueError): J601 without a file, J604 with the line where it is not UTF-8.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    data = path.read_bytes().removeprefix(BOM_UTF8)
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise JREError(
            Errors.J604.format(path=path, line=line, error=f"not UTF-8: {error}")
        ) from error


def read_lines(path: Path, skip: OnSkip) -> Iterator[tuple[Place, str]]:
    """The lines of a file that are not blank, without their ends.

    RAISES (ValueError): J601, and J602 where there is none. A line that is not UTF-8
        or longer than MAX_LINE goes to `skip`.
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
                problem = f"not UTF-8: {error}"
                reason = Errors.J604.format(path=path, line=number, error=problem)
                skip(LeftOut("record", reason, broken=True))
                continue
            if line.strip():
                empty = False
                yield Place(path, f"line {number}"), line
    if empty:
        raise JREError(Errors.J602.format(path=path))


def read_json(path: Path, skip: OnSkip) -> Iterator[tuple[Place, Any]]:
    """The records of a JSON file: the elements of its list, or a value a line.

    A broken line goes to `skip`; in a list nothing after the break can be read.

    RAISES (ValueError): J601, J602, and J604 with the line where a list is broken.
    """
    if first_sign(path) == "[" or _is_spread_out(path):
        yield from _read_list(path)
        return
    for place, line in read_lines(path, skip):
        try:
            value = json.loads(line)
        # a plain ValueError is about a number of thousands of digits
        except (ValueError, RecursionError) as error:
            number = place.where.removeprefix("line ")
            reason = Errors.J604.format(path=path, line=number, error=error)
            skip(LeftOut("record", reason, broken=True))
            continue
        yield place, value


def first_sign(path: Path) -> str:
    """The first character of a file that is no blank; empty where there is none."""
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    with path.open("rb") as file:
        head = file.read(4096).removeprefix(BOM_UTF8).lstrip()
    return head[:1].decode("latin1")


def _is_spread_out(path: Path) -> bool:
    """Tell whether a file without a list is indented JSON and not a value a line."""
    with path.open("rb") as file:
        head = file.readline(4096).removeprefix(BOM_UTF8).strip()
    return head == b"{"


def _read_list(path: Path) -> Iterator[tuple[Place, Any]]:
    """One element after the other: a big list never stands in memory as objects."""
    text = read_text(path)
    decode = json.JSONDecoder().raw_decode
    position = _after_blanks(text, 0)
    listed = text.startswith("[", position)
    position = _after_blanks(text, position + listed)
    line, counted, number = 1, 0, 0
    while position < len(text) and not (listed and text[position] == "]"):
        line += text.count("\n", counted, position)
        counted = position
        try:
            value, position = decode(text, position)
            position = _after_blanks(text, position)
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
        yield Place(path, f"line {line}, record {number}"), value
        number += 1
        if listed and text[position] == ",":
            position = _after_blanks(text, position + 1)
    if listed:
        problem = ""
        if position >= len(text):
            problem = "the list is never closed with ']'"
        elif (position := _after_blanks(text, position + 1)) < len(text):
            problem = "something follows the list"
        if problem:
            line = text.count("\n", 0, position) + 1
            raise JREError(Errors.J604.format(path=path, line=line, error=problem))
    if not number:
        raise JREError(Errors.J602.format(path=path))


def _after_blanks(text: str, position: int) -> int:
    while position < len(text) and text[position] in " \t\r\n":
        position += 1
    return position


def each_record(
    items: Iterable[Item], parse: Callable[[Item], Result | None], skip: OnSkip
) -> Iterator[Result]:
    """Parse items one by one; what is broken goes to `skip`, and reading goes on.

    parse (Callable): Gives a record, or None where it has told `skip` why not.
    """
    for item in items:
        try:
            record = parse(item)
        except JREError as error:
            skip(LeftOut("record", str(error), broken=True))
            continue
        if record is not None:
            yield record
