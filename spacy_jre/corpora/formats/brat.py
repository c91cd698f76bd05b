"""The standoff of brat: a text, and beside it a file with an annotation a line.

::

    T1	Drug 40 48	clavoxil
    T2	Effect 0 6;14 19	Severe hives
    R1	Causes Arg1:T1 Arg2:T2
    A1	Speculation R1

Offsets are characters, end exclusive. ``T`` is an entity (T2 in two pieces), ``R`` a
relation. No record has a place for ``E`` (event), ``*`` (equivalence), ``A``, ``M``
(attribute), ``N`` (normalization) and ``#`` (note): ``meta["brat"]`` keeps them.
Source: https://brat.nlplab.org/standoff.html
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count, islice, pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import (
    OnSkip,
    each_record,
    readable_name,
    refuse,
    shorten,
    stays_inside,
    walk_files,
)

Discontinuous = Literal["skip", "cover"]
Pieces = list[list[int]]

# .a1 and .a2 are the given and the asked part of a shared task
_SUFFIXES = (".ann", ".a1", ".a2", ".txt")
# int() refuses numbers of thousands of digits
_PIECE = "[0-9]{1,12} [0-9]{1,12}"
_ENTITY = re.compile(rf"T[0-9]\S*\t(\S+) ({_PIECE}(?:;{_PIECE})*) *\t(.*)", re.DOTALL)
_RELATION = re.compile(r"R[0-9]\S*\t(\S+)((?: +[^\s:]+:\S+){2,})\s*")
_OTHER = re.compile(r"(?:\*|#\S*|[EAMN][0-9]\S*)\t.*", re.DOTALL)
_LINES = {"T": ("entity", _ENTITY), "R": ("relation", _RELATION)}
_BROKEN = "is broken"
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]|(?<![^/])\.\.?(?![^/])')

# bytes; file systems take 255 and 4096, the suffix and a number included
_LONGEST_PART, _LONGEST_NAME = 200, 1000


def read_brat(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): A folder, searched to its bottom, or the ``.ann`` of one document (or
        the ``.a1`` or ``.a2`` of a shared task), with a ``.txt`` of the same name.
    skip (Callable): Told of every document that is left out. Annotations that are left
        out of one are in ``left_out``; by `refuse`, a broken one is an error, too.
    discontinuous (str): An entity in pieces is left out ("skip"), or becomes the span
        from its first to its last character ("cover"). Pieces with only white space
        between them are one entity: brat itself cuts where a line ends.
    YIELDS (Record): One per document. ``meta`` has, if any, the lines without a place
        in a record ("brat"), and ids and pieces `write_brat` would not choose itself.
    RAISES (ValueError): J601, J602, J608. By `refuse`: J601 without a text, J606, and
        J617 for a symbolic link that leaves the folder.

    CRLF becomes LF only where the offsets ask for it; a byte order mark stays only
    where they do.
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
        beside = [path.with_suffix(suffix) for suffix in _SUFFIXES]
        files = [f for f in beside if f == path or stays_inside(f, root, skip)]
    documents: dict[Path, set[str]] = {}
    for file in files:
        if file.suffix in _SUFFIXES and file.is_file():
            documents.setdefault(file.with_suffix(""), set()).add(file.suffix)
    if not any(suffixes - {".txt"} for suffixes in documents.values()):
        raise JREError(Errors.J602.format(path=path))
    cover = discontinuous == "cover"
    parse = partial(_read_document, root=root, skip=skip, cover=cover)
    return each_record(sorted(documents.items()), parse, skip)


def _read_document(
    item: tuple[Path, set[str]], *, root: Path, skip: OnSkip, cover: bool
) -> Record | None:
    stem, suffixes = item
    text_path = Path(f"{stem}.txt")
    # brat, too, takes the joined file where there is one
    parts = sorted({".ann"} & suffixes or suffixes - {".txt"})
    if not parts:
        skip(LeftOut("record", f"{text_path} was never annotated: no .ann beside it"))
        return None
    if ".txt" not in suffixes:  # not there, or a link that is not followed
        raise JREError(Errors.J601.format(path=text_path))
    text = _decode(text_path)
    lines = [line for part in parts for line in _read_lines(Path(f"{stem}{part}"))]
    draft = _Draft(_choose_reading(text, lines), cover)
    # a relation may stand before what it names
    for line in sorted(lines, key=lambda line: {"T": 0, "R": 2}.get(line.text[0], 1)):
        draft.add(line)
    document = readable_name(stem.relative_to(root))
    record = replace(draft.to_record(), document=document, source=f"{stem}{parts[0]}")
    if skip is refuse:
        # a broken line costs no document, but whoever is strict wants to know
        for left_out in record.left_out:
            refuse(left_out)
    return record


def _decode(path: Path) -> str:
    """RAISES (ValueError): J606 where it is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = _Line(path, data.count(b"\n", 0, error.start) + 1, "")
        raise JREError(line.wrong(f"not UTF-8: {error}")) from error


class _Line(NamedTuple):
    path: Path
    number: int
    text: str

    @property
    def name(self) -> str:
        return self.text.split(maxsplit=1)[0]

    def wrong(self, problem: str) -> str:
        return Errors.J606.format(path=self.path, line=self.number, problem=problem)


def _read_lines(path: Path) -> Iterator[_Line]:
    # no splitlines: an entity's text may hold what Python, but not brat, calls a line
    for number, text in enumerate(_decode(path).removeprefix("\ufeff").split("\n"), 1):
        if text.strip():
            yield _Line(path, number, text.rstrip("\r"))


def _choose_reading(text: str, lines: list[_Line]) -> str:
    """The text as most entities count it; as it is, where readings are equal."""
    matches = [match for line in lines if (match := _ENTITY.fullmatch(line.text))]
    # what is written of several pieces differs from tool to tool
    spans = [
        (start, end, match[3].split())
        for match in matches
        for start, end in _parse_pieces(match[2])
        if ";" not in match[2]
    ]
    bare = text.removeprefix("\ufeff")
    if not matches:
        return bare
    readings = (text, bare, text.replace("\r\n", "\n"), bare.replace("\r\n", "\n"))
    return max(
        readings,
        key=lambda reading: sum(
            reading[start:end].split() == words for start, end, words in spans
        ),
    )


def _parse_pieces(offsets: str) -> Pieces:
    return [[int(n) for n in piece.split(" ")] for piece in offsets.split(";")]


def _cut_at_lines(text: str, start: int, end: int) -> Pieces:
    """The pieces brat makes of an entity over several lines."""
    found = re.finditer("[^\r\n]+", text[start:end])
    pieces = [[start + match.start(), start + match.end()] for match in found]
    whole = pieces and (pieces[0][0], pieces[-1][1]) == (start, end)
    return pieces if whole else [[start, end]]


def _choose_ids(letter: str, length: int, kept: Sequence[str]) -> list[str]:
    """Ids that no kept line has."""
    taken = {line.split(maxsplit=1)[0] for line in kept}
    names = (f"{letter}{number}" for number in count(1))
    return list(islice((name for name in names if name not in taken), length))


@dataclass
class _Draft:
    """A document on its way to a record: takes line after line, hence not frozen.

    lost (dict[str, str]): Ids that are no entity of the record, and why.
    kept (list[str]): The lines for ``meta["brat"]``.
    The two `_add` methods return what is wrong with a line, or None.
    """

    text: str
    cover: bool
    entities: dict[str, EntityRecord] = field(default_factory=dict)
    pieces: dict[str, Pieces] = field(default_factory=dict)
    relations: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    lost: dict[str, str] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)

    def add(self, line: _Line) -> None:
        found = re.match("[TR](?=[0-9])", line.text)
        kind, pattern = _LINES[found[0]] if found else ("line", _OTHER)
        known = (self.entities, self.relations, self.lost)
        problem = None
        if (match := pattern.fullmatch(line.text)) is None:
            problem = f"{shorten(line.text)} is no {kind} of brat's standoff"
        elif found and any(line.name in names for names in known):
            problem = f"{line.name} is there twice"
        elif kind == "entity":
            problem = self._add_entity(line, *match.groups())
        elif kind == "relation":
            problem = self._add_relation(line, *match.groups())
        else:
            other = {"E": "event", "*": "equivalence"}.get(line.text[0])
            self._keep(line, other, "has no place in a record")
        if problem:
            self.lost.setdefault(line.name, _BROKEN)
            self.left_out.append(LeftOut(kind, line.wrong(problem), broken=True))

    def _keep(self, line: _Line, kind: str | None, why: str) -> None:
        self.kept.append(line.text)
        self.lost.setdefault(line.name, why)
        if kind:
            reason = f"{line.path}, line {line.number}: {kind} {line.name} {why}"
            self.left_out.append(LeftOut(kind, reason))

    def _add_entity(self, line: _Line, label: str, at: str, form: str) -> str | None:
        pieces, length = _parse_pieces(at), len(self.text)
        for start, end in pieces:
            if not start < end <= length:
                return f"{start}..{end} is no span of a text of {length} characters"
        start, end = min(s for s, _ in pieces), max(e for _, e in pieces)
        here = self.text[start:end]
        if len(pieces) == 1 and here.split() != form.split():
            return f"{start}..{end} is {shorten(here)} in the text, not {shorten(form)}"
        gaps = [self.text[one[1] : two[0]] for one, two in pairwise(sorted(pieces))]
        if not self.cover and "".join(gaps).strip():
            parts = " + ".join(shorten(self.text[s:e]) for s, e in pieces)
            self._keep(line, "entity", f"is discontinuous: {parts}")
            return None
        if pieces != _cut_at_lines(self.text, start, end):
            self.pieces[line.name] = pieces
        self.entities[line.name] = EntityRecord(start, end, label)
        return None

    def _add_relation(self, line: _Line, label: str, rest: str) -> str | None:
        arguments = [argument.split(":", 1) for argument in rest.split()]
        if [role for role, _ in arguments] == ["Arg2", "Arg1"]:
            arguments.reverse()
        names = [name for _, name in arguments]
        for name in names:
            if name not in self.entities and name not in self.lost:
                return f"{line.name} names {name}, which is not there"
        lost = {n: self.lost[n] for n in names if n not in self.entities}
        reasons = [f"{name} {why}" for name, why in lost.items()]
        if len(names) > 2:
            reasons.append(f"it has {len(names)} arguments")
        if reasons:
            self._keep(line, "relation", f"is lost: {', '.join(reasons)}")
            if _BROKEN in lost.values():
                # written again, the line would name what is not there
                self.kept.pop()
        else:
            self.relations[line.name] = (names[0], names[1], label)
        return None

    def to_record(self) -> Record:
        ids = {"T": list(self.entities), "R": list(self.relations)}
        ids = {k: v for k, v in ids.items() if v != _choose_ids(k, len(v), self.kept)}
        meta = {"brat": self.kept, "brat_ids": ids, "brat_pieces": self.pieces}
        position = {name: index for index, name in enumerate(self.entities)}
        return Record(
            text=self.text,
            entities=tuple(self.entities.values()),
            relations=tuple(
                RelationRecord(position[head], position[tail], label)
                for head, tail, label in self.relations.values()
            ),
            left_out=tuple(self.left_out),
            meta={key: value for key, value in meta.items() if value},
        )


def write_brat(records: Iterable[Record], folder: Path) -> None:
    """Write a text and its annotations per record.

    The files are named after the record's document, or numbered where it has none or
    shares it. Words, sentences, names of roles, and meta that is not from `read_brat`
    have no place in brat and are not written.

    RAISES (ValueError): J616 for a label with blanks, or for ids, pieces or lines in
        meta that are not those of the record; nothing is written then. J616, too, where
        a symbolic link in the folder leads out of it.
    """
    records = list(records)
    files = [_to_lines(record) for record in records]
    for name, record, lines in zip(_file_names(records), records, files, strict=True):
        annotations = "".join(f"{line}\n" for line in lines)
        for suffix, text in ((".ann", annotations), (".txt", record.text)):
            path = folder / f"{name}{suffix}"
            # the folder may be full of somebody else's links
            inside = Path(os.path.realpath(path)).is_relative_to(
                os.path.realpath(folder)
            )
            if not inside:
                raise _unwritable(record, f"{path} leads out of {folder}")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf8"))


def _unwritable(record: Record, problem: str) -> JREError:
    return JREError(Errors.J616.format(source=record.source, problem=problem))


def _to_lines(record: Record) -> list[str]:
    meta, names = _checked_meta(record), {}
    for letter, items in (("T", record.entities), ("R", record.relations)):
        chosen = _choose_ids(letter, len(items), meta.get("brat", []))
        names[letter] = meta.get("brat_ids", {}).get(letter, chosen)
        blank = [item.label for item in items if not re.fullmatch(r"\S+", item.label)]
        problem = f"the label {blank[0]!r} has blanks" if blank else None
        if len(names[letter]) != len(items):
            problem = f"the brat_ids of its meta are not those of {len(items)} {letter}"
        if problem:
            raise _unwritable(record, problem)
    lines = []
    for name, entity in zip(names["T"], record.entities, strict=True):
        cut = _cut_at_lines(record.text, entity.start, entity.end)
        pieces = meta.get("brat_pieces", {}).get(name, cut)
        offsets = ";".join(f"{start} {end}" for start, end in pieces)
        form = " ".join(record.text[start:end] for start, end in pieces)
        form = re.sub("[\r\n]", " ", form)  # as brat does
        lines.append(f"{name}\t{entity.label} {offsets}\t{form}")
    for name, relation in zip(names["R"], record.relations, strict=True):
        head, tail = names["T"][relation.head], names["T"][relation.tail]
        lines.append(f"{name}\t{relation.label} Arg1:{head} Arg2:{tail}")
    return [*lines, *meta.get("brat", [])]


def _checked_meta(record: Record) -> Mapping[str, Any]:
    """The meta of a record, which may be from a file that `read_brat` never saw.

    RAISES (ValueError): J616 where it is not what `read_brat` puts there.
    """
    kept = record.meta.get("brat", [])
    ids = record.meta.get("brat_ids", {})
    pieces = record.meta.get("brat_pieces", {})
    length = len(record.text)
    problem = ""
    if not isinstance(kept, list) or not all(map(_is_kept, kept)):
        problem = "brat of its meta is no list of lines"
    elif not isinstance(ids, dict) or not all(
        isinstance(names, list) and all(map(_is_id, names)) for names in ids.values()
    ):
        problem = "brat_ids of its meta has no lists of ids"
    elif not isinstance(pieces, dict) or not all(
        isinstance(piece, list)
        and len(piece) == 2
        and all(isinstance(at, int) and 0 <= at <= length for at in piece)
        for found in pieces.values()
        for piece in (found if isinstance(found, list) else [None])
    ):
        problem = "brat_pieces of its meta has no lists of start and end"
    if problem:
        raise _unwritable(record, problem)
    return record.meta


def _is_kept(line: object) -> bool:
    return isinstance(line, str) and bool(line.strip()) and "\n" not in line


def _is_id(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[TR][0-9]\S*", name) is not None


def _file_name(document: str) -> str:
    """A relative name that file systems take; empty where none can be made."""
    # a folder a.txt would stand where the text of a document a is written
    name = re.sub(r"\.(ann|txt)(?=/)", r"_\1", _UNSAFE.sub("_", document), flags=re.I)
    parts = [part.encode()[:_LONGEST_PART] for part in name.split("/") if part]
    joined = b"/".join(parts)
    return joined.decode(errors="ignore") if len(joined) <= _LONGEST_NAME else ""


def _file_names(records: Sequence[Record]) -> list[str]:
    wanted = [_file_name(record.document or "") for record in records]
    # some file systems do not tell A from a
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
