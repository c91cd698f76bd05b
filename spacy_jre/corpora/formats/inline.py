r"""Inline markup, a plain-text format that is easy to edit and compare.

::

    # a comment
    [Ada Quint|Peop 1], a cook at [Hotel [Lima|Loc 2]|Org 3], left in [May|Other].
    > 1 Work_For 3
    > 3 OrgBased_In 2

A record is one line of text, followed by one line per relation and an empty line. An
entity is ``[text|Label]``, with a number if a relation refers to it. Numbers are local
to their sentence. Entities can be nested. Labels can contain spaces. A backslash
escapes the next character: ``\[``, ``\]``, ``\|``, ``\\``, and ``\>`` or ``\#`` at the
start of a text. ``\n`` and ``\r`` are line breaks.

The format has text, entities and relations. It does not keep words, sentence
boundaries, documents and ``meta``.
"""

import re
from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import LOST_ARGUMENT, UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import (
    Location,
    OnSkip,
    check_encoding,
    each_record,
    not_utf8,
    open_utf8,
    refuse,
)

# the text, and start, end, label and number of the entities
Parsed = tuple[str, list[tuple[int, int, str, str | None]]]

UNSUPPORTED = "the inline format does not support it"
SAME_LINE = "a relation is on the line of its sentence"
_TAG = re.compile(r"\|([^|\[\]\\]*)\]")
_LABEL = re.compile(r"(\S(?:.*?\S)??)(?: +([0-9]+))?", re.DOTALL)
_RELATION = re.compile(r"> *([0-9]+) +(\S(?:.*\S)?) +([0-9]+) *")
_SAME_LINE = re.compile(
    r"(?<!\\)(> *([0-9]+) +([^\s|\[\]\\>](?:[^|\[\]\\>]*\S)?) +([0-9]+))\s*$"
)
_BREAKS = {"n": "\n", "r": "\r"}


def read_inline(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, UTF-8.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence. ``meta["line"]`` is its line number. ``left_out``
        has the broken entities and relations.
    RAISES (ValueError): J601, J602 for the file. With `refuse`: J605, J606, J645 with
        the line and how to fix it.
    """
    check_encoding(path)
    return each_record(_blocks(path), partial(_read_block, path), skip, _count)


def _count(block: list[tuple[int, bytes]]) -> tuple[int, int]:
    lines = [line.decode("utf8", errors="replace") for _, line in block]
    entities = sum(len(_TAG.findall(line)) for line in lines)
    return entities, sum(line.startswith(">") for line in lines)


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
        raise _error(path, first, "a relation must follow a sentence")
    for number, text in block[1:]:
        if not text.startswith(">"):
            problem = (
                f"{text[:40]!r} is not a relation. Relations are lines such as "
                "'> 1 Work_For 2' after the sentence, followed by an empty line"
            )
            raise _error(path, number, problem)
    location = Location(path, f"line {first}")
    line, relations, notes = _split_relations(path, first, line)
    text, entities = parse_inline(line, path=path, number=first)
    rows = Rows(text, left_out=notes)
    for index, (start, end, label, name) in enumerate(entities):
        with rows.row("entity", key=name):
            rows.add_entity(location.at(f"entity {index}"), start, end, label, name)
    known = [name for *_, name in entities if name is not None]
    for number, text in chain(relations, block[1:]):
        with rows.row("relation"):
            match = _RELATION.fullmatch(text)
            if match is None:
                problem = (
                    f"{text[:40]!r} is not a relation. A relation is the number of an "
                    "entity, a label and the number of an entity: '> 1 Work_For 2'"
                )
                raise _error(path, number, problem)
            head, label, tail = match.groups()
            for name in (head, tail):
                if name not in known:
                    numbers = ", ".join(sorted(known, key=int)) or "none"
                    problem = (
                        f"no entity has the number {name}. Known numbers: {numbers}"
                    )
                    raise RowError(_error(path, number, problem), UNKNOWN_ARGUMENT)
            rows.add_relation(Location(path, f"line {number}"), head, tail, label)
    return Record(**rows.fields(), source=str(location), meta={"line": first})


def _split_relations(
    path: Path, number: int, line: str
) -> tuple[str, list[tuple[int, str]], list[LeftOut]]:
    """Find relations on the line of their sentence.

    The text can also end like a relation. It counts as a relation if a number is that
    of an entity.

    RETURNS (tuple): The line without the relations, the relations with the number of
        the line, and the reports.
    """
    names = {
        match[2]
        for tag in _TAG.finditer(line)
        if (match := _LABEL.fullmatch(tag[1])) and match[2]
    }
    relations: list[tuple[int, str]] = []
    notes: list[LeftOut] = []
    while found := _SAME_LINE.search(line):
        is_relation = not names.isdisjoint((found[2], found[4]))
        if not is_relation and not _TAG.search(line):
            break
        reading = "a relation" if is_relation else "text"
        reason = Errors.J645.format(
            path=path, line=number, relation=found[1], reading=reading
        )
        notes.insert(0, LeftOut("note", reason, cause=SAME_LINE))
        if not is_relation:
            break
        relations.insert(0, (number, found[1]))
        line = line[: found.start()].rstrip()
    return line, relations, notes


def parse_inline(line: str, *, path: Path, number: int) -> Parsed:
    """Parse a line of text with markup.

    line (str): The text with markup.
    path (Path), number (int): File and line number, for messages.
    RETURNS (tuple): The text, and the start, end, label and number of each entity. They
        are sorted by offset, outer entities first.
    RAISES (ValueError): J606 for invalid markup.
    """
    text: list[str] = []
    opened: list[tuple[int, int]] = []  # start of the text, column of the bracket
    closed: list[tuple[int, tuple[int, int, str, str | None]]] = []
    position = 0
    while position < len(line):
        character = line[position]
        if character == "\\" and position + 1 < len(line):
            character = line[position + 1]
            character = _BREAKS.get(character, character)
            position += 1
        elif character == "[":
            opened.append((len(text), position))
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
                raise _error(path, number, problem)
            start, column = opened.pop()
            shown = line[column : match.end()]
            if start == len(text):
                raise _error(path, number, f"the entity {shown!r} has no text")
            label, name = _read_label(path, number, match[1], shown)
            closed.append((column, (start, len(text), label, name)))
            position = match.end()
            continue
        text.append(character)
        position += 1
    if opened:
        raise _error(path, number, "'[' is not closed by |Label]")
    closed.sort(key=lambda item: item[0])  # outer brackets open first
    return "".join(text), [entity for _, entity in closed]


def _read_label(
    path: Path, number: int, content: str, shown: str
) -> tuple[str, str | None]:
    match = _LABEL.fullmatch(content)
    if match is None:
        problem = "has no label, or a label with whitespace at the start or end"
        raise _error(path, number, f"the entity {shown!r} {problem}")
    if not _is_label(match[1]):
        raise _error(path, number, f"the entity {shown!r} has two numbers")
    return match[1], match[2]


def _is_label(text: str) -> bool:
    """Whether an entity can have this label."""
    return bool(_is_relation_label(text) and not re.search(" [0-9]+$", text))


def _is_relation_label(text: str) -> bool:
    return text == text.strip() and not re.search(r"[|\[\]\\\r\n]", text)


def write_inline(records: Iterable[Record], path: Path, skip: OnSkip = refuse) -> None:
    """Write text with inline markup.

    records (Iterable[Record]): The records.
    path (Path): The file.
    skip (Callable): Called for each entity, relation or record that the format does not
        support.
    RAISES (ValueError): With `refuse`: J646 for a record that the format does not
        support: see ``render_inline``.
    """
    blocks = []
    for record in records:
        if record.text:
            blocks.append(render_inline(record, skip=skip) + "\n")
        else:
            reason = _unsupported(record, "a record without text")
            skip(LeftOut("record", reason, True, UNSUPPORTED))
    path.write_text("\n".join(blocks), encoding="utf8", newline="\n")


def render_inline(record: Record, *, skip: OnSkip = refuse) -> str:
    """Get the markup of a record, without the empty line after it.

    record (Record): The record.
    skip (Callable): Called for each entity or relation that the format does not
        support.
    RETURNS (str): The markup.
    RAISES (ValueError): With `refuse`: J646 for an entity that crosses another one; a
        label with a bracket, a bar, a backslash, a line break, or whitespace at the
        start or end; a label of an entity with a number at the end ("Step 1").
    """
    kept = _nested_entities(record, skip)
    relations = []
    for index, relation in enumerate(record.relations):
        if not _is_relation_label(relation.label):
            reason = _unsupported(record, f"the label {relation.label!r} of a relation")
            skip(LeftOut("relation", reason, True, UNSUPPORTED))
        elif {relation.head, relation.tail} <= {*kept}:
            relations.append(relation)
        else:
            reason = f"{record.source}: an argument of relation {index} was left out"
            skip(LeftOut("relation", reason, cause=LOST_ARGUMENT))
    named = sorted({i for r in relations for i in (r.head, r.tail)})
    names = {index: str(n) for n, index in enumerate(named, 1)}
    opens: dict[int, int] = {}
    closes: dict[int, list[str]] = {}
    for index in kept:
        entity = record.entities[index]
        opens[entity.start] = opens.get(entity.start, 0) + 1
        name = f" {names[index]}" if index in names else ""
        # inner entities are later in the order and close first
        closes.setdefault(entity.end, []).insert(0, f"|{entity.label}{name}]")
    parts = []
    for position in range(len(record.text) + 1):
        parts += closes.get(position, [])
        parts.append("[" * opens.get(position, 0))
        if position < len(record.text):
            parts.append(_escape(record.text, position))
    lines = ["".join(parts)]
    lines += [f"> {names[r.head]} {r.label} {names[r.tail]}" for r in relations]
    return "\n".join(lines)


def _nested_entities(record: Record, skip: OnSkip) -> list[int]:
    """The indices of the entities that the format supports, sorted by offset, outer
    entities first."""
    order = sorted(
        range(len(record.entities)),
        key=lambda i: (record.entities[i].start, -record.entities[i].end),
    )
    kept = []
    ends: list[int] = []
    for index in order:
        entity = record.entities[index]
        while ends and ends[-1] <= entity.start:
            ends.pop()
        problem = ""
        if not _is_label(entity.label):
            problem = f"the label {entity.label!r} of an entity"
        elif ends and entity.end > ends[-1]:
            covered = record.text[entity.start : entity.end]
            problem = f"the entity {covered!r}, which crosses another entity"
        if problem:
            reason = _unsupported(record, problem)
            skip(LeftOut("entity", reason, True, UNSUPPORTED))
            continue
        ends.append(entity.end)
        kept.append(index)
    return kept


def _escape(text: str, position: int) -> str:
    """The markup of a character."""
    character = text[position]
    for letter, line_break in _BREAKS.items():
        if character == line_break:
            return f"\\{letter}"
    # a line with whitespace only separates records, and readers ignore a first BOM
    first = position == 0 and (character in "#>\ufeff" or not text.strip())
    # such as a relation on the line of its sentence
    arrow = character == ">" and re.match(r" *[0-9]", text[position + 1 :])
    return f"\\{character}" if character in "[]|\\" or first or arrow else character


def _unsupported(record: Record, problem: str) -> str:
    return Errors.J646.format(source=record.source, problem=problem)


def _error(path: Path, number: int, problem: str) -> JREError:
    return JREError(Errors.J606.format(path=path, line=number, problem=problem))
