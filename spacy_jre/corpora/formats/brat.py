"""The standoff format of brat: a text file, and a file with one annotation per line.

::

    T1	Drug 40 48	clavoxil
    T2	Effect 0 6;14 19	Severe hives
    R1	Causes Arg1:T1 Arg2:T2
    A1	Speculation R1

    E1	Treat:T1 Theme1:T2 Theme2:T3
    *	Synonym-of T1 T3

Offsets are characters, end exclusive. ``T`` is an entity (T2 has two pieces), ``R`` a
relation, ``E`` an event with its trigger and arguments, and ``*`` a symmetric relation.
Records do not support ``*	Equiv`` (equivalence), ``A``, ``M`` (attribute), ``N``
(normalization) and ``#`` (note). ``meta["brat"]`` keeps these lines.
Source: https://brat.nlplab.org/standoff.html
"""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import combinations, count, islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import BROKEN_ROW, OUTSIDE, REPEATED_ID, UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import (
    Discontinuous,
    Location,
    OnSkip,
    decode_utf8,
    each_record,
    inner_suffix,
    read_bytes,
    readable_name,
    refuse,
    short_repr,
    stays_inside,
    walk_files,
    without_gz,
)
from .offsets import CHARACTERS, UNITS

Pieces = list[list[int]]

# .a1 and .a2 are the given and the requested annotations of a shared task
_SUFFIXES = (".ann", ".a1", ".a2", ".txt")
_COMPRESSED = tuple(f"{suffix}.gz" for suffix in _SUFFIXES)
# int() raises an error for numbers with thousands of digits
_PIECE = "[0-9]{1,12} [0-9]{1,12}"
_ARGUMENTS = r"(?: +[^\s:]+:\S+)"
_ENTITY = re.compile(rf"T[0-9]\S*\t(\S+) ({_PIECE}(?:;{_PIECE})*) *\t(.*)", re.DOTALL)
_RELATION = re.compile(rf"R[0-9]\S*\t(\S+)({_ARGUMENTS}{{2,}})\s*")
_EVENT = re.compile(rf"E[0-9]\S*\t[^\s:]+:(\S+)({_ARGUMENTS}*)\s*")
_SYMMETRIC = re.compile(r"\*\t(\S+)((?: +\S+){2,})\s*")
_OTHER = re.compile(r"(?:\*\tEquiv\s|#\S*\t|[AMN][0-9]\S*\t).*", re.DOTALL)

_MISMATCH = "the text at the offsets is not the text of the entity"
_DISCONTINUOUS = "the entity is discontinuous"
_MANY_ARGUMENTS = "the relation has more than two arguments"
_TWICE = "the line occurs twice"
_NO_EVENTS = "events are not read"
_EQUIVALENCE = "records have no equivalences"
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]|(?<![^/])\.\.?(?![^/])')

# bytes; file systems support 255 and 4096, including the suffix and a number
_LONGEST_PART, _LONGEST_NAME = 200, 1000


def read_brat(
    path: Path,
    *,
    skip: OnSkip = refuse,
    discontinuous: Discontinuous = "skip",
    events: bool = True,
) -> Iterator[Record]:
    """
    path (Path): A folder, including subfolders, or the ``.ann`` file of a document (or
        the ``.a1`` or ``.a2`` file of a shared task). The ``.txt`` file needs the same
        name.
    skip (Callable): Called for each skipped document. Annotations that are left out of
        a document are in ``left_out``; with `refuse`, a broken one raises an error.
    discontinuous (str): How to read a discontinuous entity: "skip" leaves it out,
        "cover" reads the span from its first to its last character. If there is only
        whitespace between the pieces, the entity is read as one span, because brat
        splits entities at line breaks.
    events (bool): Read the arguments of an event as relations. The trigger is the head,
        and the role without a number at its end is the label. The trigger also
        represents an event that is an argument. If False, events and relations that
        refer to them are left out.
    YIELDS (Record): One per document. ``meta`` has the lines that records do not
        support ("brat"), and ids and pieces that differ from those that `write_brat`
        would create. A symmetric relation is one relation for each pair of its members,
        in the order of the file.
    RAISES (ValueError): J601, J602, J608 for the path and the settings. With `refuse`:
        J601 for a missing text, J606, J617 for a symbolic link to a target outside the
        folder.

    CRLF is converted to LF, and a byte order mark is removed, unless the offsets count
    them. Offsets in UTF-16 code units or UTF-8 bytes are converted to characters, if
    more entities have the right text with them. Whitespace at the edges of entities is
    removed.
    """
    if discontinuous not in ("skip", "cover"):
        setting = {"name": "discontinuous", "value": discontinuous}
        raise JREError(
            Errors.J608.format(path=path, expected="skip or cover", **setting)
        )
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    if path.is_dir():
        root, files = path, walk_files(path, skip)
    else:
        root = path.parent
        stem = without_gz(path).with_suffix("")
        siblings = [Path(f"{stem}{end}") for end in (*_SUFFIXES, *_COMPRESSED)]
        files = [f for f in siblings if f == path or stays_inside(f, root, skip)]
    documents: dict[Path, dict[str, Path]] = {}
    for file in files:
        suffix = inner_suffix(file)
        if suffix in _SUFFIXES and file.is_file():
            document = without_gz(file).with_suffix("")
            documents.setdefault(document, {}).setdefault(suffix, file)
    if not any(parts.keys() - {".txt"} for parts in documents.values()):
        raise JREError(Errors.J602.format(path=path))
    draft = partial(_Draft, cover=discontinuous == "cover", events=events)
    parse = partial(_read_document, root=root, skip=skip, create=draft)
    return each_record(sorted(documents.items()), parse, skip)


def _read_document(
    item: tuple[Path, dict[str, Path]],
    *,
    root: Path,
    skip: OnSkip,
    create: "Callable[[str, str, str], _Draft]",
) -> Record | None:
    stem, files = item
    text_path = files.get(".txt", Path(f"{stem}.txt"))
    # like brat, prefer the joined file
    parts = sorted({".ann"} & files.keys() or files.keys() - {".txt"})
    if not parts:
        cause = "there is no .ann file"
        reason = f"{text_path} is not annotated: {cause}"
        skip(LeftOut("record", reason, cause=cause))
        return None
    if ".txt" not in files:  # missing, or a link that is not followed
        raise JREError(Errors.J601.format(path=text_path))
    text = decode_utf8(read_bytes(text_path), text_path)
    lines = [line for part in parts for line in _read_lines(files[part])]
    draft = create(*_find_text(text, lines), str(files[parts[0]]))
    # a relation can precede its arguments, and an event those that refer to it
    draft.find_triggers(lines)
    for line in sorted(lines, key=_order):
        draft.add(line)
    document = readable_name(stem.relative_to(root))
    return replace(draft.to_record(), document=document, source=draft.source)


class _Line(NamedTuple):
    path: Path
    number: int
    text: str

    @property
    def name(self) -> str:
        return self.text.split(maxsplit=1)[0]

    @property
    def location(self) -> Location:
        return Location(self.path, f"line {self.number}")

    def error(self, problem: str, cause: str) -> RowError:
        return RowError(JREError(self.message(problem)), cause)

    def message(self, problem: str) -> str:
        return Errors.J606.format(path=self.path, line=self.number, problem=problem)


def _read_lines(path: Path) -> Iterator[_Line]:
    # not splitlines(): it also splits at characters that are not line breaks in brat
    content = decode_utf8(read_bytes(path), path).removeprefix("\ufeff")
    for number, text in enumerate(content.split("\n"), 1):
        if text.strip():
            yield _Line(path, number, text.rstrip("\r"))


def _order(line: _Line) -> int:
    """The order in which lines are read. It is the same for the lines that `write_brat`
    writes, which keeps events and the relations that refer to them at the end."""
    refers_to_event = re.search(r":E[0-9]", line.text) is not None
    return {"T": 0, "R": 2 + refers_to_event}.get(line.text[0], 1)


def _find_text(text: str, lines: list[_Line]) -> tuple[str, str]:
    """Find the form of the text and the unit of the offsets that match most entities.

    RETURNS (tuple[str, str]): The text, with or without byte order mark and with CRLF
        or LF, and the unit, a key of UNITS. Without entities, only the byte order mark
        is removed.
    """
    matches = [match for line in lines if (match := _ENTITY.fullmatch(line.text))]
    # the text of discontinuous entities differs between tools
    spans = [
        (start, end, match[3].split())
        for match in matches
        for start, end in _parse_pieces(match[2])
        if ";" not in match[2]
    ]
    without_bom = text.removeprefix("\ufeff")
    if not matches:
        return without_bom, CHARACTERS
    variants = (
        text,
        without_bom,
        text.replace("\r\n", "\n"),
        without_bom.replace("\r\n", "\n"),
    )
    most, best = -1, (text, CHARACTERS)
    for unit in (CHARACTERS, *UNITS):
        if unit != CHARACTERS and text.isascii():  # all units are equal
            break
        for variant in dict.fromkeys(variants):
            offsets = UNITS[unit](variant)
            right = sum(
                {start, end} <= offsets.keys()
                and variant[offsets[start] : offsets[end]].split() == words
                for start, end, words in spans
            )
            if right > most:
                most, best = right, (variant, unit)
            if most == len(spans):
                return best
    return best


def _parse_pieces(offsets: str) -> Pieces:
    return [[int(n) for n in piece.split(" ")] for piece in offsets.split(";")]


def _join(pieces: Pieces) -> str:
    return ";".join(f"{start} {end}" for start, end in pieces)


def _parse_arguments(arguments: str) -> list[list[str]]:
    """The role and the id of each argument."""
    return [argument.split(":", 1) for argument in arguments.split()]


def _split_at_line_breaks(text: str, start: int, end: int) -> Pieces:
    """The pieces that brat creates for an entity with line breaks."""
    matches = re.finditer("[^\r\n]+", text[start:end])
    pieces = [[start + match.start(), start + match.end()] for match in matches]
    whole = pieces and (pieces[0][0], pieces[-1][1]) == (start, end)
    return pieces if whole else [[start, end]]


def _create_ids(letter: str, length: int, kept: Sequence[str]) -> list[str]:
    """Create ids that no kept line uses."""
    taken = {line.split(maxsplit=1)[0] for line in kept}
    names = (f"{letter}{number}" for number in count(1))
    return list(islice((name for name in names if name not in taken), length))


@dataclass
class _Draft:
    """A document that is being read. Lines are added one by one.

    text (str): The text of the document.
    unit (str): The unit of the offsets, a key of UNITS.
    source (str): The file, for messages.
    cover (bool): Whether to read discontinuous entities as the span that covers them.
    events (bool): Whether to read the arguments of events as relations.
    rows (Rows): The entities and relations. The ids of entities are their keys.
    offsets (Mapping[int, int]): Offset in the unit -> character.
    pieces (dict[str, Pieces]): Id -> pieces, if `write_brat` would create others.
    names (dict[str, list[str]]): "T" -> ids of the entities, "R" -> ids of the
        relations. Relations of an event or a symmetric relation have the id of its
        line, which is kept.
    kept (list[str]): The lines for ``meta["brat"]``.
    triggers (dict[str, str]): Id of an event -> id of its trigger.
    seen (dict[str, str]): Id -> line of the entities, relations and events.
    broken (set[str]): The ids of broken lines. Lines that refer to them are not kept.
    """

    text: str
    unit: str
    source: str
    cover: bool
    events: bool
    rows: Rows = field(init=False)
    offsets: Mapping[int, int] = field(init=False)
    pieces: dict[str, Pieces] = field(default_factory=dict)
    names: dict[str, list[str]] = field(default_factory=lambda: {"T": [], "R": []})
    kept: list[str] = field(default_factory=list)
    triggers: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    broken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rows = Rows(self.text)
        self.offsets = UNITS[self.unit](self.text)
        if self.unit != CHARACTERS:
            cause = f"the offsets are {self.unit} and were converted to characters"
            self.rows.leave_out("offsets", f"{self.source}: {cause}", cause)

    def find_triggers(self, lines: Iterable[_Line]) -> None:
        for line in lines:
            if self.events and (match := _EVENT.fullmatch(line.text)):
                self.triggers.setdefault(line.name, match[1])

    def add(self, line: _Line) -> None:
        letter = re.match(r"[TR](?=[0-9])|E(?=[0-9]\S*\t)", line.text)
        kind = {"T": "entity", "R": "relation"}.get(letter[0] if letter else "", "line")
        before = len(self.rows.left_out)
        if letter and self.seen.get(line.name) == line.text:
            reason = f"{line.location}: {line.name} is written twice"
            self.rows.leave_out("duplicate", reason, _TWICE)
            return
        with self.rows.row(kind, key=line.name if letter else None):
            if letter and letter[0] != "E" and line.name in self.seen:
                raise line.error(f"{line.name} is a duplicate id", REPEATED_ID)
            if match := _ENTITY.fullmatch(line.text):
                self._add_entity(line, *match.groups())
            elif match := _RELATION.fullmatch(line.text):
                self._add_relation(line, *match.groups())
            elif match := _EVENT.fullmatch(line.text):
                self._add_event(line, *match.groups())
            elif _OTHER.fullmatch(line.text):
                self.kept.append(line.text)
                if line.name == "*":
                    reason = f"{line.location}: records have no equivalences"
                    self.rows.leave_out("equivalence", reason, _EQUIVALENCE)
            elif match := _SYMMETRIC.fullmatch(line.text):
                self._add_symmetric(line, *match.groups())
            else:
                problem = f"{short_repr(line.text)} is not a valid {kind} of brat"
                raise line.error(f"{problem}'s format", BROKEN_ROW)
        if letter and any(left.broken for left in self.rows.left_out[before:]):
            self.broken.add(line.name)
        if letter:
            self.seen.setdefault(line.name, line.text)

    def _add_entity(self, line: _Line, label: str, offsets: str, form: str) -> None:
        pieces = _parse_pieces(offsets)
        for start, end in pieces:
            if not start < end or not self.offsets.keys() >= {start, end}:
                problem = (
                    f"{start}..{end} is not a span of the text, which has "
                    f"{max(self.offsets)} {self.unit}"
                )
                raise line.error(problem, OUTSIDE)
        pieces = [[self.offsets[start], self.offsets[end]] for start, end in pieces]
        start, end = min(s for s, _ in pieces), max(e for _, e in pieces)
        covered = self.text[start:end]
        if len(pieces) == 1 and covered.split() != form.split():
            problem = (
                f"{start}..{end} is {short_repr(covered)} in the text, not "
                f"{short_repr(form)}"
            )
            raise line.error(problem, _MISMATCH)
        gaps = [self.text[one[1] : two[0]] for one, two in pairwise(sorted(pieces))]
        if not self.cover and "".join(gaps).strip():
            # with offsets in characters
            self.kept.append(f"{line.name}\t{label} {_join(pieces)}\t{form}")
            parts = " + ".join(short_repr(self.text[s:e]) for s, e in pieces)
            reason = f"{line.location}: entity {line.name} is discontinuous: {parts}"
            self.rows.leave_out("entity", reason, _DISCONTINUOUS, key=line.name)
            return
        index = self.rows.add_entity(line.location, start, end, label, line.name)
        self.names["T"].append(line.name)
        entity = self.rows.entities[index]
        if pieces != _split_at_line_breaks(self.text, entity.start, entity.end):
            self.pieces[line.name] = pieces

    def _add_relation(self, line: _Line, label: str, rest: str) -> None:
        arguments = _parse_arguments(rest)
        if [role for role, _ in arguments] == ["Arg2", "Arg1"]:
            arguments.reverse()
        names = [name for _, name in arguments]
        for name in names:
            if name not in self.seen and name not in self.triggers:
                problem = f"{line.name} refers to {name}, which does not exist"
                raise line.error(problem, UNKNOWN_ARGUMENT)
        added = False
        if len(names) > 2:
            reason = f"{line.location}: {line.name} has {len(names)} arguments"
            self.rows.leave_out("relation", reason, _MANY_ARGUMENTS)
        else:
            added = self._relate(line, names[0], names[1], label)
        # `write_brat` can write the other relations from the record
        if (not added or {*names} & self.triggers.keys()) and not (
            {*names} & self.broken
        ):
            self.kept.append(line.text)

    def _add_event(self, line: _Line, trigger: str, rest: str) -> None:
        if not self.events:
            self.kept.append(line.text)
            reason = f"{line.location}: event {line.name} is not read"
            self.rows.leave_out("event", reason, _NO_EVENTS, key=line.name)
            return
        arguments = _parse_arguments(rest)
        problem, cause = "", ""
        if line.name in self.seen:
            problem, cause = f"{line.name} is a duplicate id", REPEATED_ID
        elif trigger not in self.seen:
            problem = f"{line.name} refers to {trigger}, which does not exist"
            cause = UNKNOWN_ARGUMENT
        if problem:
            # each argument is a relation that is lost
            kinds = ["relation"] * len(arguments) or ["event"]
            for kind in kinds:
                self.rows.leave_out(kind, line.message(problem), cause, broken=True)
            return
        self.kept.append(line.text)
        for role, name in arguments:
            # a number distinguishes arguments with the same role
            self._relate(line, trigger, name, role.rstrip("0123456789") or role)

    def _add_symmetric(self, line: _Line, label: str, rest: str) -> None:
        self.kept.append(line.text)
        for head, tail in combinations(rest.split(), 2):
            self._relate(line, head, tail, label)

    def _relate(self, line: _Line, head: str, tail: str, label: str) -> bool:
        """Add a relation between entities, or between triggers of events. If this is
        not possible, report it.

        RETURNS (bool): Whether the relation is in the record.
        """
        before = len(self.rows.relations)
        ends = [self.triggers.get(name, name) for name in (head, tail)]
        with self.rows.row("relation"):
            self.rows.add_relation(line.location, ends[0], ends[1], label)
        added = len(self.rows.relations) > before
        if added:
            self.names["R"].append(line.name)
        return added

    def to_record(self) -> Record:
        ids = {
            letter: names
            for letter, names in self.names.items()
            if names != _create_ids(letter, len(names), self.kept)
        }
        meta = {"brat": self.kept, "brat_ids": ids, "brat_pieces": self.pieces}
        return Record(
            **self.rows.fields(),
            meta={key: value for key, value in meta.items() if value},
        )


def write_brat(records: Iterable[Record], folder: Path) -> None:
    """Write a text file and an annotation file per record.

    The files are named after the document of the record. They are numbered if there is
    no document, or if several records have the same one. Words, sentences, role names,
    and meta that is not from `read_brat` are not written, because brat does not support
    them.

    records (Iterable[Record]): The records.
    folder (Path): The folder to write to.
    RAISES (ValueError): J616 for a label with whitespace, or for ids, pieces or lines
        in meta that do not match the record. In these cases, nothing is written. J616
        for a symbolic link in the folder to a target outside it.
    """
    records = list(records)
    files = [_to_lines(record) for record in records]
    for name, record, lines in zip(_file_names(records), records, files, strict=True):
        annotations = "".join(f"{line}\n" for line in lines)
        for suffix, text in ((".ann", annotations), (".txt", record.text)):
            path = folder / f"{name}{suffix}"
            # the folder can contain links that were not created here
            inside = Path(os.path.realpath(path)).is_relative_to(
                os.path.realpath(folder)
            )
            if not inside:
                raise _unwritable(record, f"{path} is outside {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf8"))


def _unwritable(record: Record, problem: str) -> JREError:
    return JREError(Errors.J616.format(source=record.source, problem=problem))


def _to_lines(record: Record) -> list[str]:
    meta, names = _checked_meta(record), {}
    kept = {line.split(maxsplit=1)[0] for line in meta.get("brat", [])}
    for letter, items in (("T", record.entities), ("R", record.relations)):
        created = _create_ids(letter, len(items), meta.get("brat", []))
        names[letter] = meta.get("brat_ids", {}).get(letter, created)
        invalid = [i.label for i in items if not re.fullmatch(r"\S+", i.label)]
        problem = f"the label {invalid[0]!r} has whitespace" if invalid else None
        if len(names[letter]) != len(items):
            problem = f"the brat_ids of its meta do not match its {len(items)} {letter}"
        unknown = [n for n in names[letter] if n[0] != letter and n not in kept]
        if unknown:
            problem = f"brat of its meta has no line {unknown[0]}"
        if problem:
            raise _unwritable(record, problem)
    lines = []
    for name, entity in zip(names["T"], record.entities, strict=True):
        split = _split_at_line_breaks(record.text, entity.start, entity.end)
        pieces = meta.get("brat_pieces", {}).get(name, split)
        form = " ".join(record.text[start:end] for start, end in pieces)
        form = re.sub("[\r\n]", " ", form)  # like brat
        lines.append(f"{name}\t{entity.label} {_join(pieces)}\t{form}")
    for name, relation in zip(names["R"], record.relations, strict=True):
        if name in kept:  # an event, or a relation that refers to one
            continue
        head, tail = names["T"][relation.head], names["T"][relation.tail]
        lines.append(f"{name}\t{relation.label} Arg1:{head} Arg2:{tail}")
    return [*lines, *meta.get("brat", [])]


def _checked_meta(record: Record) -> Mapping[str, Any]:
    """Check the meta of a record, which can have another origin than `read_brat`.

    RAISES (ValueError): J616 if it does not have the form that `read_brat` creates.
    """
    kept = record.meta.get("brat", [])
    ids = record.meta.get("brat_ids", {})
    pieces = record.meta.get("brat_pieces", {})
    length = len(record.text)
    problem = ""
    if not isinstance(kept, list) or not all(map(_is_kept, kept)):
        problem = "brat of its meta is not a list of lines"
    elif not isinstance(ids, dict) or not all(
        isinstance(names, list) and all(map(_is_id, names)) for names in ids.values()
    ):
        problem = "brat_ids of its meta is not a dict of lists of ids"
    elif not isinstance(pieces, dict) or not all(
        isinstance(piece, list)
        and len(piece) == 2
        and all(isinstance(i, int) and 0 <= i <= length for i in piece)
        for value in pieces.values()
        for piece in (value if isinstance(value, list) else [None])
    ):
        problem = "brat_pieces of its meta is not a dict of lists of start and end"
    if problem:
        raise _unwritable(record, problem)
    return record.meta


def _is_kept(line: object) -> bool:
    return isinstance(line, str) and bool(line.strip()) and "\n" not in line


def _is_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[TRE][0-9]\S*|\*", name) is not None


def _file_name(document: str) -> str:
    """A relative name that file systems support. Empty if there is none."""
    # a folder a.txt would conflict with the text file of a document a
    name = re.sub(r"\.(ann|txt)(?=/)", r"_\1", _UNSAFE.sub("_", document), flags=re.I)
    parts = [part.encode()[:_LONGEST_PART] for part in name.split("/") if part]
    joined = b"/".join(parts)
    return joined.decode(errors="ignore") if len(joined) <= _LONGEST_NAME else ""


def _file_names(records: Sequence[Record]) -> list[str]:
    wanted = [_file_name(record.document or "") for record in records]
    # some file systems are case-insensitive
    shared = Counter(name.casefold() for name in wanted)
    width = len(str(len(records)))
    names: dict[str, str] = {}
    for number, name in enumerate(wanted, 1):
        if not name or shared[name.casefold()] > 1:
            name = f"{name}-{number:0{width}}".removeprefix("-")
        while name.casefold() in names:
            name += "_"
        names[name.casefold()] = name
    return list(names.values())
