"""The BioC format of biomedical corpora (Comeau et al. 2013), as XML or JSON.

::

    <collection><document><id>7</id><passage><offset>0</offset><text>...</text>
      <annotation id="T1"><infon key="type">Chemical</infon>
        <location offset="0" length="8"/><text>Naproxen</text></annotation>
      <relation id="R1"><infon key="type">inhibits</infon>
        <node refid="T1" role="Arg1"/><node refid="T2" role="Arg2"/></relation>
    </passage></document></collection>

A document is a record, because relations can be between passages. Its text has one line
per passage. If the text is that of sentences, these are the sentences of the record.

- **Offsets** are those of the document, in characters or bytes. Some files have others:
  UTF-16 code units, or offsets in the passage. The variant that matches most of the
  repeated texts of a document is used.
- **Labels** are the infon ``type``, or else one with a similar name, or the only infon.
- **Relations** with two nodes: the roles define head and tail (``HEADS``, ``TAILS``).
  With other roles, the first node is the head. Relations with more nodes, or with a
  relation as a node, are left out.
- **Relations between concepts**: in BC5CDR, BioRED and PubTator, the infons of a
  relation are concepts, not mentions (``role1`` and ``role2``, ``entity1`` and
  ``entity2``, ``Chemical`` and ``Disease``). See ``biomedical.py`` for how their
  mentions are chosen.

The file named in ``<!DOCTYPE collection SYSTEM "BioC.dtd">`` is not read. Declarations
with definitions are refused. Source: https://bioc.sourceforge.net
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.parsers import expat

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import OUTSIDE, RowError, Rows
from ..sources import (
    Discontinuous,
    Location,
    OnSkip,
    each_record,
    inner_suffix,
    not_xml,
    open_file,
    read_json,
    refuse,
    refuse_doctype,
    short_repr,
    walk_files,
)
from .biomedical import Concepts, Mention, Pieces, has_text, read_concepts
from .offsets import UNITS
from .surface import Repeats, check_repeats

# roles, without case and other characters than letters and digits
HEADS = {
    *("head", "subject", "subj", "source", "arg1", "argument1", "e1", "entity1"),
    *("from", "agent", "cause", "chemical", "drug"),
}
TAILS = {
    *("tail", "object", "obj", "target", "arg2", "argument2", "e2", "entity2"),
    *("to", "theme", "effect", "disease"),
}
# infons with the concepts of head and tail
CONCEPTS = (
    *(("role1", "role2"), ("entity1", "entity2"), ("arg1", "arg2")),
    *(("chemical", "disease"), ("gene", "disease"), ("chemical", "gene")),
    *(("subject", "object"), ("head", "tail")),
)
MANY_ARGUMENTS = "the relation does not have two arguments"
RELATION_ARGUMENT = "an argument is a relation"
NO_LOCATION = "the annotation has no location"
_LABELS = ("type", "label", "entitytype", "category", "class", "semantictype")
_RELATION_LABELS = ("relationtype", "relation", "predicate", *_LABELS)

Json = dict[str, Any]
# number of the passage (-1: of the document) and id
Key = tuple[int, str]


def read_bioc(
    path: Path,
    *,
    skip: OnSkip = refuse,
    discontinuous: Discontinuous = "skip",
    repeats: Repeats = "nearest",
) -> Iterator[Record]:
    """
    path (Path): An XML or JSON file, or a folder of such files.
    skip (Callable): Called for each skipped file and document.
    discontinuous (str): How to read a discontinuous entity: "skip" leaves it out,
        "cover" reads the span from its first to its last character.
    repeats (str): Rule for the mentions of a concept. See ``surface.py``.
    YIELDS (Record): One per document. ``document`` is its id. ``meta`` has the infons
        of the document, its passages, entities and relations. The fields of the
        collection are not kept. ``left_out`` has the broken rows, annotations without a
        location, and relations that records do not support.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the path. With `refuse`:
        J604, J605 with document and field, J617, J619, J665-J668, J675.
    """
    check_repeats(repeats)
    parse = partial(_read_document, discontinuous, repeats)
    return each_record(_documents(path, skip), parse, skip, _count)


def is_bioc(values: Iterable[Any], lines: Sequence[str]) -> bool:
    """Whether the first values or lines of a file are BioC."""
    head = "\n".join(lines[:10])
    if re.search(r"<collection[\s>]", head):
        text = "\n".join(lines)
        return bool(re.search(r"BioC\.dtd|<passage[\s>]", text))
    return any(
        isinstance(document, dict) and isinstance(document.get("passages"), list)
        for value in values
        for document in _of_collection(value)
    )


def _of_collection(value: Any) -> list[Any]:
    """The documents of a JSON value: a collection, or a document."""
    if isinstance(value, dict):
        for name in ("documents", "PubTator3"):
            if isinstance(value.get(name), list):
                return value[name]
    return [value]


def _documents(path: Path, skip: OnSkip) -> Iterator[tuple[Location, Any]]:
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    files = [path]
    if path.is_dir():
        suffixes = (".xml", ".json", ".jsonl")
        files = [f for f in walk_files(path, skip) if inner_suffix(f) in suffixes]
    if not files:
        raise JREError(Errors.J602.format(path=path))
    for file in files:
        try:
            with open_file(file) as opened:
                is_xml = opened.read(4096).lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0")
            if is_xml.startswith(b"<"):
                yield from _in_xml(file)
                continue
            for location, value in read_json(file, skip):
                documents = _of_collection(value)
                for number, document in enumerate(documents):
                    here = location.at(f"document {number}")
                    yield (here if len(documents) > 1 else location), document
        except JREError as error:
            skip(LeftOut("record", str(error), broken=True))


def _in_xml(path: Path) -> Iterator[tuple[Location, Json]]:
    """The documents of an XML file, which are read one by one.

    RAISES (ValueError): J675 for invalid XML, J619 for a DOCTYPE with definitions, J665
        and J666 for a damaged or too large gzip file.
    """
    try:
        with open_file(path) as file:
            refuse_doctype(file, path, external=True)
    except expat.ExpatError:
        pass  # the parser below raises an error with the line
    number = 0
    with open_file(path) as file:
        try:
            events = ElementTree.iterparse(file, events=("start", "end"))
            _, root = next(events)
            for event, element in events:
                if event != "end" or element.tag != "document":
                    continue
                number += 1
                name = (element.findtext("id") or "").strip() or str(number)
                yield Location(path, f"document {name}"), _to_json(element)
                root.clear()  # frees the memory of the document
        except JREError:
            raise
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            raise not_xml(path, error) from error
    if not number:
        raise JREError(Errors.J602.format(path=path))


def _to_json(element: ElementTree.Element) -> Json:
    """Convert an element to the JSON form of BioC."""
    result: Json = dict(element.attrib)
    infons = {e.get("key", ""): e.text or "" for e in element.iterfind("infon")}
    for name in ("id", "offset", "text"):
        child = element.find(name)
        if child is not None:
            result[name] = child.text or ""
    for name in ("passage", "sentence", "annotation", "relation", "location", "node"):
        children = [_to_json(child) for child in element.iterfind(name)]
        if children:
            result[f"{name}s"] = children
    return {**result, "infons": infons} if infons else result


def _parts(value: Any, name: str) -> list[Any]:
    """The items of a list, without type checks."""
    items = value.get(name) if isinstance(value, dict) else None
    return items if isinstance(items, list) else []


def _levels(document: Any) -> Iterator[Any]:
    """The document, its passages and their sentences, which all have annotations."""
    yield document
    for passage in _parts(document, "passages"):
        yield passage
        yield from _parts(passage, "sentences")


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    levels = list(_levels(item[1]))
    entities = [row for level in levels for row in _parts(level, "annotations")]
    relations = sum(len(_parts(level, "relations")) for level in levels)
    return sum(not _is_unplaced(row) for row in entities), relations


def _is_unplaced(row: Any) -> bool:
    """Whether an annotation is one of the document, without a location."""
    return isinstance(row, dict) and not row.get("locations")


class _Text(NamedTuple):
    """A text in the file: a passage or a sentence.

    offset (int): Its offset in the file.
    passage (int): Offset of its passage in the file.
    number (int): Number of the passage.
    text (str): The text.
    is_sentence (bool): Whether it is a sentence.
    """

    offset: int
    passage: int
    number: int
    text: str
    is_sentence: bool


class _Segment(NamedTuple):
    """A text in the record.

    source (_Text): The text in the file.
    start (int): Its offset in the text of the record.
    units (Mapping[int, int]): Offset in the text, in some unit -> in characters.
    end (int): The length of the text in this unit.
    """

    source: _Text
    start: int
    units: Mapping[int, int]
    end: int


class _Level(NamedTuple):
    """The document, a passage or a sentence, all of which can have annotations.

    location (Location): Its location.
    number (int): Number of the passage. -1 for the document.
    value (Json): The object.
    """

    location: Location
    number: int
    value: Json


# location of an annotation or a relation, number of its passage, and its object
Row = tuple[Location, int, Any]
# (offset, length, number of the passage) -> character offsets
Place = Callable[[int, int, int], tuple[int, int] | None]


def _place(
    segments: Sequence[_Segment], relative: bool, offset: int, length: int, number: int
) -> tuple[int, int] | None:
    """Find the characters of a location.

    relative (bool): Whether the offset is in the passage, not in the document.
    number (int): The passage of the annotation, which is searched first.
    RETURNS (tuple[int, int] | None): Character offsets. None if they are outside.
    """
    own = [s for s in segments if s.source.number == number]
    others = [s for s in segments if s.source.number != number and not relative]
    start = end = None
    for segment in (*own, *others):
        source = segment.source
        local = offset - source.offset + source.passage * relative
        if start is None and local in segment.units and local < segment.end:
            start = segment.start + segment.units[local]
        if end is None and local + length in segment.units and local + length > 0:
            end = segment.start + segment.units[local + length]
        if start is not None and end is not None:
            return (start, end) if start < end else None
    return None


def _read_document(
    discontinuous: Discontinuous, repeats: Repeats, item: tuple[Location, Any]
) -> Record:
    location, document = item
    passages = location.get(document, "passages", list)
    levels = [_Level(location, -1, document)]
    texts: list[_Text] = []
    for number, passage in enumerate(passages):
        here = location.at(f"passage {number}")
        texts += _read_texts(here, number, passage)
        levels.append(_Level(here, number, passage))
        sentences = here.check("sentences", passage.get("sentences") or [], list)
        for there, sentence in here.each("sentence", sentences):
            there.check("sentence", sentence, dict)
            levels.append(_Level(there, number, sentence))
    text, starts = _join(texts)
    rows = Rows(text)
    concepts = Concepts(rows, repeats)
    annotations = list(_each_row(levels, "annotations", "annotation"))
    links = list(_each_row(levels, "relations", "relation"))
    place = _choose_place(texts, starts, text, annotations)
    meta = {
        "infons": document.get("infons"),
        "passages": [p["infons"] for p in passages if p.get("infons")],
        "annotations": _add_entities(concepts, annotations, place, discontinuous),
        "relations": _add_relations(concepts, annotations, links),
    }
    meta = {key: value for key, value in meta.items() if value}
    name = document.get("id")
    return Record(
        **rows.fields(),
        sentences=_read_sentences(texts, starts),
        document=str(name) if isinstance(name, str | int) and name != "" else None,
        source=str(location),
        meta=location.rest({"bioc": meta} if meta else {}),
    )


def _add_entities(
    concepts: Concepts,
    annotations: Iterable[Row],
    place: Place,
    discontinuous: Discontinuous,
) -> list[Json]:
    """RETURNS (list[Json]): The id and the infons of each entity, for ``meta``."""
    rows, kept = concepts.rows, []
    for here, number, row in annotations:
        key = _key_of(number, row)
        if _is_unplaced(row):
            reason = f"{here}: the annotation has no location"
            rows.leave_out("annotation", reason, NO_LOCATION, key=key)
            continue
        with rows.row("entity", key=key):
            mention = _read_mention(here, number, row, place, key)
            if concepts.add(mention, discontinuous):
                kept.append(_for_meta(row))
    return kept


def _add_relations(
    concepts: Concepts, annotations: Iterable[Row], links: Sequence[Row]
) -> list[Json]:
    """RETURNS (list[Json]): The id and the infons of each relation, for ``meta``."""
    rows, kept = concepts.rows, []
    keys_of: dict[str, list[Key]] = {}
    for _, number, row in annotations:
        if key := _key_of(number, row):
            keys_of.setdefault(key[1], []).append(key)
    link_keys = (_key_of(number, row) for _, number, row in links)
    only_relations = {key[1] for key in link_keys if key} - keys_of.keys()
    for here, number, row in links:
        with rows.row("relation"):
            before = len(rows.relations)
            label = _read_label(here, row, _RELATION_LABELS)
            pair = _read_pair(row, concepts)
            nodes = here.check("nodes", row.get("nodes") or [], list)
            if pair is not None:
                concepts.relate(here, *pair, label)
            elif len(nodes) != 2:
                reason = f"{here}: {label} has {len(nodes)} nodes"
                rows.leave_out("relation", reason, MANY_ARGUMENTS)
            else:
                names = _read_nodes(here, nodes)
                if only_relations & {*names}:
                    reason = f"{here}: a node of {label} is a relation"
                    rows.leave_out("relation", reason, RELATION_ARGUMENT)
                else:
                    head, tail = (_find_key(keys_of, number, name) for name in names)
                    rows.add_relation(here, head, tail, label)
            # with `all`, a relation between concepts is several relations
            kept += [_for_meta(row)] * (len(rows.relations) - before)
    return kept


def _for_meta(row: Json) -> Json:
    return {name: row[name] for name in ("id", "infons") if name in row}


def _read_texts(here: Location, number: int, passage: Json) -> Iterator[_Text]:
    offset = _read_number(here, passage, "offset")
    if passage.get("text"):
        yield _Text(offset, offset, number, here.get(passage, "text", str), False)
        return
    sentences = here.check("sentences", passage.get("sentences") or [], list)
    for there, sentence in here.each("sentence", sentences):
        text = there.get(sentence, "text", str)
        yield _Text(_read_number(there, sentence, "offset"), offset, number, text, True)


def _join(texts: Sequence[_Text]) -> tuple[str, list[int]]:
    """RETURNS (tuple[str, list[int]]): The text of the record, with a line per passage,
    and the offsets of the texts in it."""
    joined, starts = "", []
    for index, text in enumerate(texts):
        if joined and not joined[-1].isspace():
            joined += " " if text.number == texts[index - 1].number else "\n"
        starts.append(len(joined))
        joined += text.text
    return joined, starts


def _read_sentences(
    texts: Sequence[_Text], starts: Sequence[int]
) -> tuple[tuple[int, int], ...] | None:
    if not texts or not all(text.is_sentence for text in texts):
        return None
    return tuple(
        (start, start + len(text.text))
        for text, start in zip(texts, starts, strict=True)
        if text.text.strip()
    )


def _choose_place(
    texts: Sequence[_Text], starts: Sequence[int], text: str, annotations: Iterable[Row]
) -> Place:
    """Find the variant of the offsets that matches most of the repeated texts."""
    known: list[tuple[int, int, int, str]] = []
    for here, number, row in annotations:
        with suppress(JREError):  # reported when the entity is read
            locations = here.get(row, "locations", list)
            if len(locations) == 1:
                offset = _read_number(here, locations[0], "offset")
                length = _read_number(here, locations[0], "length")
                known.append((offset, length, number, here.get(row, "text", str)))

    def count_matches(place: Place) -> int:
        spans = ((place(*span), expected) for *span, expected in known)
        return sum(s is not None and has_text(text, [s], e) for s, e in spans)

    places = _each_place(texts, starts, text)
    best = next(places)
    most = count_matches(best)
    while most < len(known) and (place := next(places, None)):
        matches = count_matches(place)
        if matches > most:
            most, best = matches, place
    return best


def _each_place(
    texts: Sequence[_Text], starts: Sequence[int], text: str
) -> Iterator[Place]:
    """The variants of the offsets, the most common one first."""
    all_segments = []
    for convert in list(UNITS.values())[: 1 if text.isascii() else None]:
        segments = []
        for source, start in zip(texts, starts, strict=True):
            units = convert(source.text)
            segments.append(_Segment(source, start, units, max(units)))
        all_segments.append(segments)
        yield partial(_place, segments, False)
    if any(source.passage for source in texts):
        for segments in all_segments:
            yield partial(_place, segments, True)


def _each_row(levels: Iterable[_Level], name: str, kind: str) -> Iterator[Row]:
    """The annotations or relations of all levels."""
    for location, number, value in levels:
        rows = location.check(name, value.get(name) or [], list)
        for here, row in location.each(kind, rows):
            yield here, number, row


def _key_of(number: int, row: Any) -> Key | None:
    name = row.get("id") if isinstance(row, dict) else None
    return None if name is None or name == "" else (number, str(name))


def _find_key(keys_of: Mapping[str, list[Key]], number: int, name: str) -> Key:
    """The annotation of an id, in the same passage if there are several."""
    keys = keys_of.get(name, [])
    return (number, name) if (number, name) in keys or not keys else keys[0]


def _read_number(here: Location, value: Any, name: str) -> int:
    number = here.get(value, name, (int, str))
    if isinstance(number, str):
        number = here.number(name, number.strip())
    return number


def _read_infons(here: Location, row: Json) -> dict[str, Any]:
    """RETURNS (dict[str, Any]): The infons. Their names have no case."""
    infons = here.check("infons", row.get("infons") or {}, dict)
    return {_plain(key): value for key, value in infons.items()}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())


def _read_label(here: Location, row: Any, names: Iterable[str]) -> str:
    here.get(row, "infons", dict)
    infons = _read_infons(here, row)
    values = [infons[name] for name in names if name in infons]
    for value in values or (infons.values() if len(infons) == 1 else []):
        if isinstance(value, str) and value.strip():
            return value.strip()
    raise here.error("infons", f"have no type: {short_repr(row['infons'])}")


def _read_mention(
    here: Location, number: int, row: Any, place: Place, key: Key | None
) -> Mention:
    label = _read_label(here, row, _LABELS)
    pieces: Pieces = []
    for location in here.get(row, "locations", list):
        offset, length = (_read_number(here, location, n) for n in ("offset", "length"))
        span = place(offset, length, number)
        if span is None:
            problem = f"is {offset} with length {length}, outside the text"
            raise RowError(here.error("location", problem), OUTSIDE)
        pieces.append(span)
    expected = here.check("text", row.get("text") or "", str)
    infons = _read_infons(here, row)
    concepts = tuple(
        concept
        for name, value in infons.items()
        if value != label
        for text in _texts_in(value)
        for concept in read_concepts(text)
    )
    return Mention(here, pieces, label, expected or None, key, concepts)


def _texts_in(value: Any) -> Iterator[str]:
    """The strings and numbers in an infon, which can be any JSON value."""
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts_in(item)
    elif isinstance(value, str | int) and not isinstance(value, bool):
        yield str(value)


def _read_pair(row: Json, concepts: Concepts) -> tuple[str, str] | None:
    """The concepts of a relation between concepts. None for other relations."""
    infons = {_plain(key): value for key, value in row["infons"].items()}
    has_nodes = len(_parts(row, "nodes")) == 2
    # nodes of PubTator's relations between concepts do not refer to annotations
    for names in CONCEPTS[: 2 if has_nodes else None]:
        if all(name in infons for name in names):
            head, tail = (_read_concept(infons[name], concepts) for name in names)
            return head, tail
    if has_nodes:
        return None
    values = [_read_concept(value, concepts) for value in infons.values()]
    known = [value for value in values if concepts.find(value) is not None]
    return (known[0], known[1]) if len(known) == 2 else None


def _read_concept(value: Any, concepts: Concepts) -> str:
    """The concept in an infon such as "D009288", "Chemical|MESH:D009288" or
    {"type": "Chemical", "identifier": "MESH:D009288"}."""
    texts = list(_texts_in(value))
    variants = [*texts, *(text.partition("|")[2] for text in texts)]
    known = (text for text in variants if concepts.find(text) is not None)
    return next(known, texts[0] if texts else "")


def _read_nodes(here: Location, nodes: list[Any]) -> tuple[str, str]:
    """RETURNS (tuple[str, str]): The ids of head and tail."""
    names, roles = [], []
    for there, node in here.each("node", nodes):
        names.append(str(there.get(node, "refid", (str, int))))
        roles.append(_plain(str(node.get("role") or "")))
    if (roles[1] in HEADS and roles[0] not in HEADS) or (
        roles[0] in TAILS and roles[1] not in TAILS
    ):
        names.reverse()
    return names[0], names[1]
