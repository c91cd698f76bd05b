"""WebAnno TSV 3, an export format of WebAnno and INCEpTION: a table of tokens.

::

    #FORMAT=WebAnno TSV 3.3
    #T_SP=custom.Span|label
    #T_RL=custom.Relation|label|BT_custom.Span


    #Text=Mia Roe runs Fjordline.
    1-1	0-3	Mia	PER[1]	_	_
    1-2	4-7	Roe	PER[1]	_	_
    1-3	8-12	runs	_	_	_
    1-4	13-22	Fjordline	ORG	runs	1-1[1_0]
    1-5	22-23	.	_	_	_

The header has the layers with their features: one column for each. A relation is in the
row of its tail. Its last column has the token of the head, and the ids of head and
tail, which an entity has if it covers several tokens (``[1]``) or if several entities
are in a row (``PER[2]|ORG[3]``). ``1-3.1`` is a part of token ``1-3``, ``_`` is no
annotation, and ``*`` an annotation without value. Offsets are UTF-16 code units, in
files of other tools also characters. Chains and slot links are left out.
Source: https://webanno.github.io/webanno/releases/3.6.11/docs/user-guide.html
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import (
    BROKEN_ROW,
    OUTSIDE,
    REPEATED_ID,
    UNKNOWN_ARGUMENT,
    RowError,
    Rows,
)
from ..sources import (
    Location,
    OnSkip,
    decode_utf8,
    each_record,
    inner_stem,
    inner_suffix,
    read_bytes,
    refuse,
    short_repr,
    walk_files,
)
from .offsets import from_characters, from_utf16
from .uima import (
    CHAIN,
    NO_TEXT,
    NOT_AN_ENTITY,
    SLOT,
    check_features,
    find_label,
    is_annotated,
)

HEADER = "#FORMAT=WebAnno TSV 3"

_LAYER = re.compile(r"#(T_SP|T_CH|T_RL)=([^|]+)(.*)")
_UNIT = re.compile(r"[0-9]{1,9}-[0-9]{1,9}(?:\.[0-9]{1,9})*")
_OFFSETS = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
_ID = re.compile(r"(.*)\[([0-9]{1,9})\]", re.DOTALL)
_SOURCE = re.compile(rf"({_UNIT.pattern})(?:\[([0-9]{{1,9}})(?:_([0-9]{{1,9}}))?\])?")
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b"}
# the text between sentences is not in the file
_LONGEST_GAP = 1000

# the layer with the id, or with the unit and the number of the annotation in its row
Key = tuple[str, int] | tuple[str, str, int]


class _Layer(NamedTuple):
    """A layer of the header.

    kind (str): T_SP (spans), T_RL (relations) or T_CH (chains).
    names (tuple[str, ...]): The features, one for each column. A slot has two columns.
    first (int): The number of the first column of the layer.
    """

    kind: str
    name: str
    names: tuple[str, ...]
    first: int

    @property
    def base(self) -> str:
        """The layer of the arguments of a relation."""
        return self.names[-1].removeprefix("BT_")

    def is_reference(self, column: int) -> bool:
        """Whether a column refers to other annotations."""
        if self.kind == "T_RL":
            return column == len(self.names) - 1
        return column > 0 and self.names[column - 1].startswith("ROLE_")

    @property
    def features(self) -> list[str]:
        return [
            name
            for column, name in enumerate(self.names)
            if name and not name.startswith("ROLE_") and not self.is_reference(column)
        ]


class _Unit(NamedTuple):
    """A row of the table: a token or a part of one."""

    here: Location
    name: str
    begin: int
    end: int
    form: str
    cells: list[str]


@dataclass
class _Sentence:
    text: str
    units: list[_Unit] = field(default_factory=list)


class _Annotation(NamedTuple):
    """An annotation in a row.

    id (int): 0 if it has none.
    values (dict[str, str]): The features that have a value.
    references (list[str]): The cells with references to other annotations.
    """

    id: int
    values: dict[str, str]
    references: list[str]


@dataclass
class _Mention:
    """A span annotation, which can cover several rows.

    token (int): The number of the last token that it covers.
    problem (RowError | None): What is wrong with one of the rows.
    """

    here: Location
    layer: _Layer
    values: dict[str, str]
    start: int
    end: int
    token: int
    problem: RowError | None = None


def read_webanno(
    path: Path, *, skip: OnSkip = refuse, features: Sequence[str] = ()
) -> Iterator[Record]:
    """
    path (Path): A file, or a folder with .tsv files at any depth.
    skip (Callable): Called for each skipped file.
    features (Sequence[str]): The features that are the labels, such as "role" or
        "Event=role", where Event is a layer. By default, it is ``value`` or ``label``,
        or the only feature of a layer.
    YIELDS (Record): One per file. ``left_out`` has the broken annotations, and chains
        and slots, which records do not have.
    RAISES (ValueError): J601, J602 for the path. With `refuse`: J652 for a file that is
        not in this format, J605, J652 with line and field, J650 for a feature that no
        layer has, J617 for a symbolic link to a target outside the folder.
    """
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    files = [path]
    if path.is_dir():
        files = [f for f in walk_files(path, skip) if inner_suffix(f).lower() == ".tsv"]
    if not files:
        raise JREError(Errors.J602.format(path=path))
    return each_record(files, partial(_read_file, chosen=features), skip)


def _read_file(path: Path, *, chosen: Sequence[str]) -> Record:
    def at(line: int) -> Location:
        return Location(path, f"line {line}")

    return read_table(read_bytes(path), at, inner_stem(path), str(path), chosen)


def read_table(
    data: bytes,
    at: Callable[[int], Location],
    document: str,
    source: str,
    chosen: Sequence[str],
) -> Record:
    """Read a document.

    data (bytes): The content of the file.
    at (Callable): Returns the location of a line.
    document, source (str): See ``Record``.
    chosen (Sequence[str]): See ``read_webanno``.
    RETURNS (Record): The document.
    RAISES (ValueError): J650, J652, J667, J668.
    """
    lines = decode_utf8(data, source).removeprefix("\ufeff").split("\n")
    layers, sentences, broken = _read_lines(lines, at)
    annotated = [
        layer for layer in layers if is_annotated(layer.name) and layer.kind != "T_CH"
    ]
    check_features(source, {x.name: x.features for x in annotated}, chosen)
    text, starts, spans = _find_text(sentences)
    table = _Table(Rows(text, left_out=broken), sentences, spans, chosen)
    for layer in layers:
        if layer.kind == "T_CH":
            table.report_links(layer)
        elif layer.kind == "T_SP" and layer in annotated:
            table.find_mentions(layer)
    table.add_entities()
    for layer in annotated:
        if layer.kind == "T_RL":
            table.add_relations(layer)
    ends = [start + len(x.text) for start, x in zip(starts, sentences, strict=True)]
    bounds = tuple(zip(starts, ends, strict=True))
    return Record(
        **table.rows.fields(),
        sentences=bounds if len(bounds) > 1 else None,
        document=document,
        source=source,
    )


def _error(here: object, problem: str) -> JREError:
    return JREError(Errors.J652.format(where=here, problem=problem))


def _read_lines(
    lines: list[str], at: Callable[[int], Location]
) -> tuple[list[_Layer], list[_Sentence], list[LeftOut]]:
    """Read the layers and the sentences. Broken rows are in the third list.

    RAISES (ValueError): J652 for another format, or a file without sentences.
    """
    if not lines[0].startswith(HEADER):
        problem = f"is not the start of a file in this format: {short_repr(lines[0])}"
        raise _error(at(1), problem)
    version = re.match(r"\.([0-9]{1,3})", lines[0].removeprefix(HEADER))
    # the first versions use the escape sequences of Java
    unescape = _unescape_java if version and int(version[1]) < 2 else _unescape_text
    layers: list[_Layer] = []
    sentences: list[_Sentence] = []
    broken: list[LeftOut] = []
    names: set[str] = set()
    width = 0
    for number, line in enumerate(lines, 1):
        line = line.rstrip("\r")
        if match := _LAYER.fullmatch(line):
            columns = tuple(match[3][1:].split("|"))
            layers.append(_Layer(match[1], match[2], columns, width))
            width += len(columns)
        elif line.startswith("#Text="):
            text = unescape(line.removeprefix("#Text="))
            if sentences and not sentences[-1].units:
                sentences[-1].text += f"\n{text}"
            else:
                sentences.append(_Sentence(text))
        elif line.strip() and not line.startswith("#"):
            try:
                if not sentences:
                    raise _error(at(number), "there is no '#Text=' before this row")
                unit = _read_unit(line, at(number), layers, width)
                if unit.name in names:
                    raise _error(at(number), f"{unit.name} occurs twice")
            except JREError as error:
                broken.append(LeftOut("line", str(error), True, BROKEN_ROW))
                continue
            names.add(unit.name)
            sentences[-1].units.append(unit)
    if not sentences:
        raise _error(at(len(lines)), "the file ends without a '#Text=' line")
    return layers, sentences, broken


def _read_unit(line: str, here: Location, layers: list[_Layer], width: int) -> _Unit:
    name, *cells = line.split("\t")
    offsets = _OFFSETS.fullmatch(cells[0]) if cells else None
    if not _UNIT.fullmatch(name) or offsets is None or len(cells) < 2:
        problem = "is not a row with the number of a token, its offsets and its text"
        raise _error(here, f"{short_repr(line)} {problem}")
    begin, end, form = int(offsets[1]), int(offsets[2]), cells[1]
    cells = cells[2:]
    if cells and not cells[-1]:  # rows end with a tab
        del cells[-1]
    for layer in layers:
        # some versions write a column for a relation without features, which is not in
        # the header, but only in the rows of relations
        first = layer.first
        extra = len(cells) > width and layer.kind == "T_RL" and len(layer.names) == 1
        if extra and set(_split(cells[first], "|")) == {"*"}:
            del cells[first]
    if len(cells) != width:
        problem = f"the row has {len(cells)} columns of annotation, the header {width}"
        raise _error(here, problem)
    return _Unit(here, name, begin, end, form, cells)


def _find_text(
    sentences: list[_Sentence],
) -> tuple[str, list[int], dict[str, tuple[int, int] | None]]:
    """Join the sentences, with offsets in the unit that matches most tokens.

    RETURNS (tuple[str, list[int], dict[str, tuple[int, int] | None]]): The text, the
        start of each sentence, and name of a unit -> its offsets in the text. None if
        the text at the offsets is not that of the unit.
    """
    drafts = [_join(sentences, from_utf16)]
    if any(max(sentence.text, default="") > "\uffff" for sentence in sentences):
        drafts.append(_join(sentences, from_characters))
    return max(
        drafts, key=lambda draft: len(draft[2]) - [*draft[2].values()].count(None)
    )


def _join(
    sentences: list[_Sentence], units_of: Callable[[str], dict[int, int]]
) -> tuple[str, list[int], dict[str, tuple[int, int] | None]]:
    parts: list[str] = []
    starts: list[int] = []
    spans: dict[str, tuple[int, int] | None] = {}
    length, end = 0, 0  # in characters, and in the unit of the file
    for sentence in sentences:
        text, units = sentence.text, units_of(sentence.text)
        offset = _find_offset(sentence, units)
        if parts:
            # offsets can also start at 0 in each sentence
            gap = 1 if offset is None else offset - end
            space = "\n".ljust(min(gap, _LONGEST_GAP)) if gap else ""
            parts.append(space)
            length += len(space)
        offset = end if offset is None else offset
        for unit in sentence.units:
            begin, stop = units.get(unit.begin - offset), units.get(unit.end - offset)
            spans[unit.name] = None
            if begin is None or stop is None:
                continue
            if text[begin:stop] in (unit.form, _unescape(unit.form)):
                spans[unit.name] = (length + begin, length + stop)
        parts.append(text)
        starts.append(length)
        length += len(text)
        end = offset + max(units)
    return "".join(parts), starts, spans


def _find_offset(sentence: _Sentence, units: dict[int, int]) -> int | None:
    """Find the offset of a sentence in the document: the one that fits most tokens.

    sentence (_Sentence): The sentence.
    units (dict[int, int]): Offset in the file -> character, from the start of the
        sentence.
    RETURNS (int | None): The offset. None if the sentence has no tokens.
    """
    unit_at = {character: unit for unit, character in units.items()}
    offsets: Counter[int] = Counter()
    position = 0
    for token in sentence.units:
        found = sentence.text.find(token.form, position)
        if found >= 0 and "." not in token.name:
            offsets[token.begin - unit_at[found]] += 1
            position = found + len(token.form)
    for offset, _ in offsets.most_common(1):
        return offset
    return sentence.units[0].begin if sentence.units else None


@dataclass
class _Table:
    """The annotations of a document that is being read.

    rows (Rows): The entities and relations.
    sentences (list[_Sentence]): The rows of the table.
    spans (dict[str, tuple[int, int] | None]): See ``_find_text``.
    chosen (Sequence[str]): See ``read_webanno``.
    mentions (dict[Key, _Mention]): The spans of all layers.
    keys (dict[str | int, list[Key]]): Name of a unit -> the spans that it is in, and
        id -> the spans with this id.
    """

    rows: Rows
    sentences: list[_Sentence]
    spans: dict[str, tuple[int, int] | None]
    chosen: Sequence[str]
    mentions: dict[Key, _Mention] = field(default_factory=dict)
    keys: dict[str | int, list[Key]] = field(default_factory=dict)

    def units(self) -> Iterator[tuple[int, _Unit]]:
        """YIELDS (tuple[int, _Unit]): The number of the token, and the row."""
        token = 0
        for sentence in self.sentences:
            for unit in sentence.units:
                token += "." not in unit.name
                yield token, unit

    def find_mentions(self, layer: _Layer) -> None:
        for token, unit in self.units():
            for number, annotation in enumerate(_read_cells(layer, unit)):
                key: Key = (layer.name, unit.name, number)
                if annotation.id:
                    key = (layer.name, annotation.id)
                mention = self.mentions.get(key)
                span, problem = self.spans[unit.name], None
                if span is None:
                    offsets = f"{unit.begin}..{unit.end}"
                    reason = f"is {offsets}, which is not {short_repr(unit.form)}"
                    error = unit.here.error("offsets", f"{reason} in the text")
                    problem = RowError(error, OUTSIDE)
                start, end = span or (0, 0)
                if mention is None:
                    mention = _Mention(
                        unit.here, layer, annotation.values, start, end, token, problem
                    )
                    self.mentions[key] = mention
                    if annotation.id:
                        self.keys.setdefault(annotation.id, []).append(key)
                    self._report_slots(mention, annotation)
                elif annotation.values != mention.values or token > mention.token + 1:
                    with self.rows.row("entity"):
                        error = unit.here.error("id", f"{annotation.id} occurs twice")
                        raise RowError(error, REPEATED_ID)
                    continue
                mention.problem = mention.problem or problem
                mention.end, mention.token = max(mention.end, end), token
                self.keys.setdefault(unit.name, []).append(key)

    def _report_slots(self, mention: _Mention, annotation: _Annotation) -> None:
        for cell in annotation.references:
            if cell not in ("*", "_"):
                count = len(_split(cell, ";"))
                reason = f"{mention.here}: {count} link(s) to slots"
                self.rows.leave_out("slot", reason, SLOT)

    def add_entities(self) -> None:
        # in the order of the text: the layers have separate columns
        for key, mention in sorted(
            self.mentions.items(), key=lambda item: (item[1].start, item[1].end)
        ):
            here, layer = mention.here, mention.layer
            with self.rows.row("entity", key=key):
                if mention.problem:
                    raise mention.problem
                if mention.start == mention.end:
                    reason = f"{here}: the span covers no text"
                    self.rows.leave_out("entity", reason, NO_TEXT, key=key)
                    continue
                names, value_of = layer.features, mention.values.get
                label = find_label(
                    self.rows,
                    "entity",
                    here,
                    layer.name,
                    names,
                    value_of,
                    self.chosen,
                    key,
                )
                if label is not None:
                    start, end = mention.start, mention.end
                    self.rows.add_entity(here, start, end, label, key)

    def add_relations(self, layer: _Layer) -> None:
        for _, unit in self.units():
            for annotation in _read_cells(layer, unit):
                with self.rows.row("relation"):
                    self._add_relation(layer, unit, annotation)

    def _add_relation(
        self, layer: _Layer, unit: _Unit, annotation: _Annotation
    ) -> None:
        here = unit.here
        source = _SOURCE.fullmatch("".join(annotation.references))
        if source is None:
            problem = f"{short_repr(annotation.references)} is not a token"
            raise RowError(_error(here, problem), BROKEN_ROW)
        head = self._find(layer, source[1], int(source[2] or 0), here)
        tail = self._find(layer, unit.name, int(source[3] or 0), here)
        if head is None or tail is None:
            reason = f"{here}: the relation is between tokens, not entities"
            self.rows.leave_out("relation", reason, NOT_AN_ENTITY)
            return
        label = find_label(
            self.rows,
            "relation",
            here,
            layer.name,
            layer.features,
            annotation.values.get,
            self.chosen,
        )
        if label is not None:
            self.rows.add_relation(here, head, tail, label)

    def _find(
        self, layer: _Layer, unit: str, number: int, here: Location
    ) -> Key | None:
        """Find an argument of a relation.

        RETURNS (Key | None): The span. None if it is not in an annotated layer.
        RAISES (RowError): J652 if there are none or several.
        """
        found = self.keys.get(number or unit, [])
        found = [key for key in found if key[0] == layer.base] or found
        if not number:  # the span has no id
            found = [key for key in found if len(key) > 2] or found
        if not found and not is_annotated(layer.base):
            return None
        if len(found) != 1:
            name = f"{unit}[{number}]" if number else unit
            problem = f"the relation refers to {name}, where {len(found)} spans are"
            raise RowError(_error(here, problem), UNKNOWN_ARGUMENT)
        return found[0]

    def report_links(self, layer: _Layer) -> None:
        links = set()
        for _, unit in self.units():
            for annotation in _read_cells(layer, unit):
                link = annotation.values.get("referenceRelation", "")
                # a link of several tokens is in several rows
                if link not in links or "->" not in link:
                    links.add(link)
                    reason = f"{unit.here}: a chain link"
                    self.rows.leave_out("chain", reason, CHAIN)


def _read_cells(layer: _Layer, unit: _Unit) -> Iterator[_Annotation]:
    """YIELDS (_Annotation): The annotations of a layer in a row."""
    cells = unit.cells[layer.first : layer.first + len(layer.names)]
    columns = [_split(cell, "|") if cell != "_" else [] for cell in cells]
    for number in range(max(map(len, columns))):
        id, values, references = 0, {}, []
        for column, (name, stack) in enumerate(zip(layer.names, columns, strict=True)):
            value = stack[number] if number < len(stack) else "_"
            if layer.is_reference(column):
                references.append(value)
                continue
            if match := _ID.fullmatch(value):
                id, value = int(match[2]), match[1]
            if value not in ("*", "_", "") and name:
                values[name] = value if layer.kind == "T_CH" else _unescape(value)
        yield _Annotation(id, values, references)


def _split(cell: str, separator: str) -> list[str]:
    """Split a cell at separators that are not escaped."""
    parts = re.findall(rf"((?:\\.|[^{separator}])*)([{separator}]|$)", cell, re.DOTALL)
    # after the last part, there is an empty match at the end
    ends = [number for number, (_, end) in enumerate(parts) if not end]
    return [part for part, _ in parts[: ends[0] + 1]]


def _unescape(value: str) -> str:
    """Remove the escapes of a value."""
    return re.sub(
        r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), value, flags=re.DOTALL
    )


def _unescape_text(text: str) -> str:
    """Remove the escapes of a sentence. Other backslashes are part of it."""
    pattern = r"\\([tnrfb\\\x00-\x1f])"
    return re.sub(pattern, lambda match: _ESCAPES.get(match[1], match[1]), text)


def _unescape_java(text: str) -> str:
    """Remove the escapes of Java, such as \\u00e9, from a sentence."""
    pattern = r"\\(u+([0-9a-fA-F]{4})|[tnrfb\\'\"])"

    def replace(match: re.Match[str]) -> str:
        if match[2]:
            return chr(int(match[2], 16))
        return _ESCAPES.get(match[1], match[1])

    result = re.sub(pattern, replace, text)
    # characters outside the BMP are two escapes. A lone one is reported by Record
    units = result.encode("utf-16-le", "surrogatepass")
    return units.decode("utf-16-le", "surrogatepass")
