r"""Inline markup: the format of our own corpora, made for editors and diffs.

::

    # a comment
    [Ada Quint|Peop 1], a cook at [Hotel [Lima|Loc 2]|Org 3], left in [May|Other].
    > 1 Work_For 3
    > 3 OrgBased_In 2

One line of text, then one line per relation, then a blank line. An entity is
``[text|Label]``, with a number where a relation names it; numbers belong to their
sentence. Entities nest. A backslash makes the next character plain text: ``\[``,
``\]``, ``\|``, ``\\``; a first ``\>`` or ``\#`` starts a text with that sign.
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
from ..sources import OnSkip, each_record, refuse

_TAG = re.compile(r"\|([^\s|\[\]\\]+)(?: ([0-9]+))?\]")
_RELATION = re.compile(r"> *([0-9]+) +(\S+) +([0-9]+) *")


@dataclass(frozen=True)
class _Marked:
    """A parsed line: the plain text, its entities, and the entity of each number."""

    text: str
    entities: tuple[EntityRecord, ...]
    numbers: dict[str, int]


def read_inline(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, UTF-8.
    skip (Callable): Told of every sentence that is left out.
    YIELDS (Record): One per sentence; ``meta["line"]`` is its line.
    RAISES (ValueError): J601, J602 for the file. By `refuse`: J606 with the line and
        the mend.
    """
    if not path.is_file():
        raise JREError(Errors.J601.format(path=path))
    return each_record(_blocks(path), partial(_read_block, path), skip)


def _blocks(path: Path) -> Iterator[list[tuple[int, bytes]]]:
    """Lines that belong together, with their numbers."""
    block: list[tuple[int, bytes]] = []
    empty = True
    with path.open("rb") as file:
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
            raise JREError(_wrong(path, number, f"is not UTF-8: {error}")) from error
    first, line = block[0]
    if line.startswith(">"):
        raise JREError(_wrong(path, first, "a relation without a sentence before it"))
    marked = parse_inline(line, path=path, number=first)
    relations = []
    for number, text in block[1:]:
        match = _RELATION.fullmatch(text)
        if match is None:
            problem = (
                f"{text[:40]!r} is no relation. After a sentence come lines such as "
                "'> 1 Work_For 2', then a blank line"
            )
            raise JREError(_wrong(path, number, problem))
        head, label, tail = match.groups()
        for role in (head, tail):
            if role not in marked.numbers:
                known = ", ".join(sorted(marked.numbers, key=int)) or "none"
                problem = f"no entity has the number {role}. Numbers here: {known}"
                raise JREError(_wrong(path, number, problem))
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


def parse_inline(line: str, *, path: Path, number: int) -> _Marked:
    """Read one line of marked text.

    line (str): The text with its marks.
    path (Path), number (int): Where it stands, for messages.
    RETURNS (_Marked): Entities sorted by place, outer ones first.
    RAISES (ValueError): J606 for broken marks.
    """
    text: list[str] = []
    length = 0
    opened: list[tuple[int, int]] = []  # start of the text, column of the bracket
    found: list[tuple[int, EntityRecord, str | None]] = []
    position = 0
    while position < len(line):
        sign = line[position]
        if sign == "\\" and position + 1 < len(line):
            sign = line[position + 1]
            position += 1
        elif sign == "[":
            opened.append((length, position))
            position += 1
            continue
        elif sign == "|" or sign == "]":
            match = _TAG.match(line, position)
            if match is None or not opened:
                shown = line[max(0, position - 20) : position + 20]
                problem = (
                    f"a mark is broken near column {position + 1} ({shown!r}). An "
                    "entity is [text|Label] or [text|Label 1]; plain [, ] and | need "
                    "a backslash"
                )
                raise JREError(_wrong(path, number, problem))
            start, column = opened.pop()
            if start == length:
                problem = f"the entity before column {position + 1} has no text"
                raise JREError(_wrong(path, number, problem))
            found.append((column, EntityRecord(start, length, match[1]), match[2]))
            position = match.end()
            continue
        text.append(sign)
        length += 1
        position += 1
    if opened:
        raise JREError(_wrong(path, number, "'[' is never closed by |Label]"))
    found.sort(key=lambda item: item[0])  # outer brackets open first
    numbers: dict[str, int] = {}
    for index, (_, _, name) in enumerate(found):
        if name is not None:
            if name in numbers:
                problem = f"the number {name} stands at two entities"
                raise JREError(_wrong(path, number, problem))
            numbers[name] = index
    return _Marked("".join(text), tuple(e for _, e, _ in found), numbers)


def write_inline(record: Record) -> str:
    """The markup of one record, without the blank line after it.

    RAISES (ValueError): J606 for what the markup cannot say: entities that cross
        each other, blanks in a label, a line break in the text.
    """
    labels = [e.label for e in record.entities] + [r.label for r in record.relations]
    if any(re.search(r"[\s|\[\]\\]", label) for label in labels):
        problem = "a label has a blank, a bracket, a bar or a backslash in it"
        raise JREError(_wrong(Path(record.source), 0, problem))
    if "\n" in record.text or "\r" in record.text:
        problem = "the text has a line break in it"
        raise JREError(_wrong(Path(record.source), 0, problem))
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
            problem = f"entity {index} crosses another one, which brackets cannot say"
            raise JREError(_wrong(Path(record.source), 0, problem))
        stack.append(entity.end)
        opens[entity.start] = opens.get(entity.start, 0) + 1
        name = f" {names[index]}" if index in names else ""
        # inner entities come later in order and close first
        closes.setdefault(entity.end, []).insert(0, f"|{entity.label}{name}]")
    parts = []
    for position in range(len(record.text) + 1):
        parts += closes.get(position, [])
        parts.append("[" * opens.get(position, 0))
        if position < len(record.text):
            sign = record.text[position]
            if sign in "[]|\\" or (position == 0 and sign in "#>"):
                sign = "\\" + sign
            parts.append(sign)
    lines = ["".join(parts)]
    lines += [f"> {names[r.head]} {r.label} {names[r.tail]}" for r in record.relations]
    return "\n".join(lines)


def _wrong(path: Path, number: int, problem: str) -> str:
    return Errors.J606.format(path=path, line=number, problem=problem)
