"""The standoff format of brat: a text file, and a file with one annotation per line.

::

    T1	Drug 40 48	clavoxil
    T2	Effect 0 6;14 19	Severe hives
    R1	Causes Arg1:T1 Arg2:T2
    A1	Speculation R1

Offsets are characters, end exclusive. ``T`` is an entity (T2 has two pieces), ``R`` a
relation. Records do not support ``E`` (event), ``*`` (equivalence), ``A``, ``M``
(attribute), ``N`` (normalization) and ``#`` (note). ``meta["brat"]`` keeps these lines.
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
from typing import Any, NamedTuple

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import (
    Discontinuous,
    OnSkip,
    describe_encoding,
    each_record,
    readable_name,
    refuse,
    short_repr,
    stays_inside,
    walk_files,
)

Pieces = list[list[int]]

# .a1 and .a2 are the given and the requested annotations of a shared task
_SUFFIXES = (".ann", ".a1", ".a2", ".txt")
# int() raises an error for numbers with thousands of digits
_PIECE = "[0-9]{1,12} [0-9]{1,12}"
_ENTITY = re.compile(rf"T[0-9]\S*\t(\S+) ({_PIECE}(?:;{_PIECE})*) *\t(.*)", re.DOTALL)
_RELATION = re.compile(r"R[0-9]\S*\t(\S+)((?: +[^\s:]+:\S+){2,})\s*")
_OTHER = re.compile(r"(?:\*|#\S*|[EAMN][0-9]\S*)\t.*", re.DOTALL)
_LINES = {"T": ("entity", _ENTITY), "R": ("relation", _RELATION)}
_BROKEN = "is broken"
_UNSAFE = re.compile(r'[\x00-\x1f<>:"\\|?*]|(?<![^/])\.\.?(?![^/])')

# bytes; file systems support 255 and 4096, including the suffix and a number
_LONGEST_PART, _LONGEST_NAME = 200, 1000


def read_brat(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
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
    YIELDS (Record): One per document. ``meta`` has the lines that records do not
        support ("brat"), and ids and pieces that differ from those that `write_brat`
        would create.
    RAISES (ValueError): J601, J602, J608 for the path and the settings. With `refuse`:
        J601 for a missing text, J606, J617 for a symbolic link to a target outside the
        folder.

    CRLF is converted to LF, and a byte order mark is removed, unless the offsets count
    them.
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
        siblings = [path.with_suffix(suffix) for suffix in _SUFFIXES]
        files = [f for f in siblings if f == path or stays_inside(f, root, skip)]
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
    # like brat, prefer the joined file
    parts = sorted({".ann"} & suffixes or suffixes - {".txt"})
    if not parts:
        skip(LeftOut("record", f"{text_path} is not annotated: there is no .ann file"))
        return None
    if ".txt" not in suffixes:  # missing, or a link that is not followed
        raise JREError(Errors.J601.format(path=text_path))
    text = _decode(text_path)
    lines = [line for part in parts for line in _read_lines(Path(f"{stem}{part}"))]
    draft = _Draft(_normalize_text(text, lines), cover)
    # a relation can precede its arguments
    for line in sorted(lines, key=lambda line: {"T": 0, "R": 2}.get(line.text[0], 1)):
        draft.add(line)
    document = readable_name(stem.relative_to(root))
    return replace(draft.to_record(), document=document, source=f"{stem}{parts[0]}")


def _decode(path: Path) -> str:
    """RAISES (ValueError): J606 if the file is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf8")
    except UnicodeDecodeError as error:
        line = _Line(path, data.count(b"\n", 0, error.start) + 1, "")
        problem = f"not UTF-8: {error}. {describe_encoding(data)}."
        raise JREError(line.message(problem)) from error


class _Line(NamedTuple):
    path: Path
    number: int
    text: str

    @property
    def name(self) -> str:
        return self.text.split(maxsplit=1)[0]

    def message(self, problem: str) -> str:
        return Errors.J606.format(path=self.path, line=self.number, problem=problem)


def _read_lines(path: Path) -> Iterator[_Line]:
    # not splitlines(): it also splits at characters that are not line breaks in brat
    for number, text in enumerate(_decode(path).removeprefix("\ufeff").split("\n"), 1):
        if text.strip():
            yield _Line(path, number, text.rstrip("\r"))


def _normalize_text(text: str, lines: list[_Line]) -> str:
    """Remove the byte order mark and convert CRLF to LF if this matches the offsets of
    more entities. Without entities, only the byte order mark is removed."""
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
        return without_bom
    variants = (
        text,
        without_bom,
        text.replace("\r\n", "\n"),
        without_bom.replace("\r\n", "\n"),
    )
    return max(
        variants,
        key=lambda variant: sum(
            variant[start:end].split() == words for start, end, words in spans
        ),
    )


def _parse_pieces(offsets: str) -> Pieces:
    return [[int(n) for n in piece.split(" ")] for piece in offsets.split(";")]


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
    cover (bool): Whether to read discontinuous entities as the span that covers them.
    entities (dict[str, EntityRecord]): Id -> entity.
    pieces (dict[str, Pieces]): Id -> pieces, if `write_brat` would create others.
    relations (dict[str, tuple[str, str, str]]): Id -> ids of head and tail, and label.
    lost (dict[str, str]): Id -> reason why it is not in the record.
    kept (list[str]): The lines for ``meta["brat"]``.
    left_out (list[LeftOut]): The annotations that are left out.

    The two `_add` methods return the problem with a line, or None.
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
        letter = re.match("[TR](?=[0-9])", line.text)
        kind, pattern = _LINES[letter[0]] if letter else ("line", _OTHER)
        known = (self.entities, self.relations, self.lost)
        problem = None
        if (match := pattern.fullmatch(line.text)) is None:
            problem = f"{short_repr(line.text)} is not a valid {kind} of brat's format"
        elif letter and any(line.name in names for names in known):
            problem = f"{line.name} is a duplicate id"
        elif kind == "entity":
            problem = self._add_entity(line, *match.groups())
        elif kind == "relation":
            problem = self._add_relation(line, *match.groups())
        else:
            other = {"E": "event", "*": "equivalence"}.get(line.text[0])
            self._keep(line, other, "is not supported by records")
        if problem:
            self.lost.setdefault(line.name, _BROKEN)
            self.left_out.append(LeftOut(kind, line.message(problem), broken=True))

    def _keep(self, line: _Line, kind: str | None, why: str) -> None:
        self.kept.append(line.text)
        self.lost.setdefault(line.name, why)
        if kind:
            reason = f"{line.path}, line {line.number}: {kind} {line.name} {why}"
            self.left_out.append(LeftOut(kind, reason))

    def _add_entity(
        self, line: _Line, label: str, offsets: str, form: str
    ) -> str | None:
        pieces, length = _parse_pieces(offsets), len(self.text)
        for start, end in pieces:
            if not start < end <= length:
                return f"{start}..{end} is not a span of a text of {length} characters"
        start, end = min(s for s, _ in pieces), max(e for _, e in pieces)
        covered = self.text[start:end]
        if len(pieces) == 1 and covered.split() != form.split():
            return (
                f"{start}..{end} is {short_repr(covered)} in the text, not "
                f"{short_repr(form)}"
            )
        gaps = [self.text[one[1] : two[0]] for one, two in pairwise(sorted(pieces))]
        if not self.cover and "".join(gaps).strip():
            parts = " + ".join(short_repr(self.text[s:e]) for s, e in pieces)
            self._keep(line, "entity", f"is discontinuous: {parts}")
            return None
        if pieces != _split_at_line_breaks(self.text, start, end):
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
                return f"{line.name} refers to {name}, which does not exist"
        lost = {n: self.lost[n] for n in names if n not in self.entities}
        reasons = [f"{name} {why}" for name, why in lost.items()]
        if len(names) > 2:
            reasons.append(f"it has {len(names)} arguments")
        if reasons:
            self._keep(line, "relation", f"is lost: {', '.join(reasons)}")
            if _BROKEN in lost.values():
                # the line would refer to an id that is not written
                self.kept.pop()
        else:
            self.relations[line.name] = (names[0], names[1], label)
        return None

    def to_record(self) -> Record:
        ids = {"T": list(self.entities), "R": list(self.relations)}
        ids = {k: v for k, v in ids.items() if v != _create_ids(k, len(v), self.kept)}
        meta = {"brat": self.kept, "brat_ids": ids, "brat_pieces": self.pieces}
        index_of = {name: index for index, name in enumerate(self.entities)}
        return Record(
            text=self.text,
            entities=tuple(self.entities.values()),
            relations=tuple(
                RelationRecord(index_of[head], index_of[tail], label)
                for head, tail, label in self.relations.values()
            ),
            left_out=tuple(self.left_out),
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
    for letter, items in (("T", record.entities), ("R", record.relations)):
        created = _create_ids(letter, len(items), meta.get("brat", []))
        names[letter] = meta.get("brat_ids", {}).get(letter, created)
        invalid = [i.label for i in items if not re.fullmatch(r"\S+", i.label)]
        problem = f"the label {invalid[0]!r} has whitespace" if invalid else None
        if len(names[letter]) != len(items):
            problem = f"the brat_ids of its meta do not match its {len(items)} {letter}"
        if problem:
            raise _unwritable(record, problem)
    lines = []
    for name, entity in zip(names["T"], record.entities, strict=True):
        split = _split_at_line_breaks(record.text, entity.start, entity.end)
        pieces = meta.get("brat_pieces", {}).get(name, split)
        offsets = ";".join(f"{start} {end}" for start, end in pieces)
        form = " ".join(record.text[start:end] for start, end in pieces)
        form = re.sub("[\r\n]", " ", form)  # like brat
        lines.append(f"{name}\t{entity.label} {offsets}\t{form}")
    for name, relation in zip(names["R"], record.relations, strict=True):
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
    return isinstance(name, str) and re.fullmatch(r"[TR][0-9]\S*", name) is not None


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
