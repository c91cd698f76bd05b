r"""Inline markup, a plain-text format that is easy to edit and compare.

::

    # a comment
    [Ada Quint|Peop 1], a cook at [Hotel [Lima|Loc 2]|Org 3], left in [May|Other].
    > 1 Work_For 3
    > 3 OrgBased_In 2

A record is one line of text, followed by one line per relation and an empty line. An
entity is ``[text|Label]``, with a number if a relation refers to it. Numbers are local
to their sentence. Entities can be nested. A backslash escapes the next character:
``\[``, ``\]``, ``\|``, ``\\``, and ``\>`` or ``\#`` at the start of a text.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path

from ...annotations import EntityRecord, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import (
    OnSkip,
    check_encoding,
    each_record,
    not_utf8,
    open_utf8,
    refuse,
)

_TAG = re.compile(r"\|([^\s|\[\]\\]+)(?: ([0-9]+))?\]")
_RELATION = re.compile(r"> *([0-9]+) +(\S+) +([0-9]+) *")


@dataclass(frozen=True)
class _ParsedLine:
    """A parsed line.

    text (str): The plain text.
    entities (tuple[EntityRecord, ...]): The entities.
    numbers (dict[str, int]): Number in the markup -> index of the entity.
    """

    text: str
    entities: tuple[EntityRecord, ...]
    numbers: dict[str, int]


def read_inline(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, UTF-8.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence. ``meta["line"]`` is its line number.
    RAISES (ValueError): J601, J602, J665-J667 for the file. With `refuse`: J606, J668
        with the line and how to fix it.
    """
    check_encoding(path)
    return each_record(_blocks(path), partial(_read_block, path), skip)


def _blocks(path: Path) -> Iterator[list[tuple[int, bytes]]]:
    """The lines of each sentence, with their numbers."""
    block: list[tuple[int, bytes]] = []
    empty = True
    with open_utf8(path) as file:
        for number, line in enumerate(chain(file, [b""]), 1):
            if number == 1:
                line = line.removeprefix(BOM_UTF8)
            if line.startswith(b"#"):
                continue
            if line.strip():
                block.append((number, line))
            elif block:
                empty = False
                yield block
                block = []
    if empty:
        raise JREError(Errors.J602.format(path=path))


def _read_block(path: Path, raw_block: list[tuple[int, bytes]]) -> Record:
    block = []
    for number, raw in raw_block:
        try:
            block.append((number, raw.decode("utf8").rstrip("\r\n")))
        except UnicodeDecodeError as error:
            raise not_utf8(path, number, error) from error
    first, line = block[0]
    if line.startswith(">"):
        raise JREError(_message(path, first, "a relation must follow a sentence"))
    marked = parse_inline(line, path=path, number=first)
    relations = []
    for number, text in block[1:]:
        match = _RELATION.fullmatch(text)
        if match is None:
            problem = (
                f"{text[:40]!r} is not a relation. Relations are lines such as "
                "'> 1 Work_For 2' after the sentence, followed by an empty line"
            )
            raise JREError(_message(path, number, problem))
        head, label, tail = match.groups()
        for role in (head, tail):
            if role not in marked.numbers:
                known = ", ".join(sorted(marked.numbers, key=int)) or "none"
                problem = f"no entity has the number {role}. Known numbers: {known}"
                raise JREError(_message(path, number, problem))
        relations.append(
            RelationRecord(marked.numbers[head], marked.numbers[tail], label)
        )
    return Record(
        text=marked.text,
        entities=marked.entities,
        relations=tuple(relations),
        source=f"{path}, line {first}",
        meta={"line": first},
    )


def parse_inline(line: str, *, path: Path, number: int) -> _ParsedLine:
    """Parse a line of text with markup.

    line (str): The text with markup.
    path (Path), number (int): File and line number, for messages.
    RETURNS (_ParsedLine): Entities are sorted by offset, outer entities first.
    RAISES (ValueError): J606 for invalid markup.
    """
    text: list[str] = []
    length = 0
    opened: list[tuple[int, int]] = []  # start of the text, column of the bracket
    closed: list[tuple[int, EntityRecord, str | None]] = []
    position = 0
    while position < len(line):
        character = line[position]
        if character == "\\" and position + 1 < len(line):
            character = line[position + 1]
            position += 1
        elif character == "[":
            opened.append((length, position))
            position += 1
            continue
        elif character == "|" or character == "]":
            match = _TAG.match(line, position)
            if match is None or not opened:
                shown = line[max(0, position - 20) : position + 20]
                problem = (
                    f"invalid markup near column {position + 1} ({shown!r}). An "
                    "entity is [text|Label] or [text|Label 1]. Escape plain [, ] and | "
                    "with a backslash"
                )
                raise JREError(_message(path, number, problem))
            start, column = opened.pop()
            if start == length:
                problem = f"the entity before column {position + 1} has no text"
                raise JREError(_message(path, number, problem))
            closed.append((column, EntityRecord(start, length, match[1]), match[2]))
            position = match.end()
            continue
        text.append(character)
        length += 1
        position += 1
    if opened:
        raise JREError(_message(path, number, "'[' is not closed by |Label]"))
    closed.sort(key=lambda item: item[0])  # outer brackets open first
    numbers: dict[str, int] = {}
    for index, (_, _, name) in enumerate(closed):
        if name is not None:
            if name in numbers:
                problem = f"two entities have the number {name}"
                raise JREError(_message(path, number, problem))
            numbers[name] = index
    return _ParsedLine("".join(text), tuple(e for _, e, _ in closed), numbers)


def write_inline(record: Record) -> str:
    """Write the markup of a record, without the empty line after it.

    record (Record): The record.
    RETURNS (str): The markup.
    RAISES (ValueError): J606 for a record that the format does not support: crossing
        entities, whitespace in a label, a line break in the text.
    """
    labels = [e.label for e in record.entities] + [r.label for r in record.relations]
    if any(re.search(r"[\s|\[\]\\]", label) for label in labels):
        problem = "a label has whitespace, a bracket, a bar or a backslash"
        raise JREError(_message(Path(record.source), 0, problem))
    if "\n" in record.text or "\r" in record.text:
        problem = "the text has a line break"
        raise JREError(_message(Path(record.source), 0, problem))
    named = sorted({i for r in record.relations for i in (r.head, r.tail)})
    names = {index: str(n) for n, index in enumerate(named, 1)}
    order = sorted(
        range(len(record.entities)),
        key=lambda i: (record.entities[i].start, -record.entities[i].end),
    )
    opens: dict[int, int] = {}
    closes: dict[int, list[str]] = {}
    stack: list[int] = []
    for index in order:
        entity = record.entities[index]
        while stack and stack[-1] <= entity.start:
            stack.pop()
        if stack and entity.end > stack[-1]:
            problem = (
                f"entity {index} crosses another entity, which the format does not "
                "support"
            )
            raise JREError(_message(Path(record.source), 0, problem))
        stack.append(entity.end)
        opens[entity.start] = opens.get(entity.start, 0) + 1
        name = f" {names[index]}" if index in names else ""
        # inner entities are later in the order and close first
        closes.setdefault(entity.end, []).insert(0, f"|{entity.label}{name}]")
    parts = []
    for position in range(len(record.text) + 1):
        parts += closes.get(position, [])
        parts.append("[" * opens.get(position, 0))
        if position < len(record.text):
            character = record.text[position]
            if character in "[]|\\" or (position == 0 and character in "#>"):
                character = "\\" + character
            parts.append(character)
    lines = ["".join(parts)]
    lines += [f"> {names[r.head]} {r.label} {names[r.tail]}" for r in record.relations]
    return "\n".join(lines)


def _message(path: Path, number: int, problem: str) -> str:
    return Errors.J606.format(path=path, line=number, problem=problem)
