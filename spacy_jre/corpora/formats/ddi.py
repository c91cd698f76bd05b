"""The XML of DDI 2013 (Herrero-Zazo et al. 2013): drugs and their interactions.

::

    <document id="..."><sentence id="..." text="...">
      <entity id="e0" charOffset="0-6" type="drug" text="..."/>
      <pair id="p0" e1="e0" e2="e1" ddi="true" type="effect"/>
    </sentence></document>

Offsets are characters of the sentence, end *inclusive*; an entity of several pieces has
several, between semicolons.
"""

import re
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from xml.etree import ElementTree
from xml.parsers import expat

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import (
    OnSkip,
    Place,
    each_record,
    refuse,
    refuse_doctype,
    shorten,
    walk_files,
)
from .brat import Discontinuous

_OFFSETS = re.compile(r"\d{1,9}-\d{1,9}(?:;\d{1,9}-\d{1,9})*", re.ASCII)


def read_ddi(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): A file, or a folder with such files at any depth.
    skip (Callable): Told of every file and sentence that is left out.
    discontinuous (str): What to do with an entity of several pieces: "skip" it, or
        "cover" everything from its first to its last.
    YIELDS (Record): One per sentence; ``document`` is the document's id, and
        ``meta["orig_id"]`` the sentence's. A pair without interaction is no relation.
    RAISES (ValueError): J601, J602 for the file or folder. By `refuse`: J604, J605 with
        sentence and field, J617 for a symbolic link that leaves the folder, J619.
    """
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    files = [path]
    if path.is_dir():
        files = [file for file in walk_files(path, skip) if file.suffix == ".xml"]
    if not files:
        raise JREError(Errors.J602.format(path=path))
    for file in files:
        data = file.read_bytes()
        try:
            refuse_doctype(data, file)
        except ValueError as error:
            skip(LeftOut("record", str(error), broken=True))
            continue
        except expat.ExpatError:
            pass  # the parser below says what is wrong
        try:
            root = ElementTree.parse(BytesIO(data)).getroot()
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            line = getattr(error, "position", (1,))[0]
            problem = f"no XML: {error}"
            reason = Errors.J604.format(path=file, line=line, error=problem)
            skip(LeftOut("record", reason, broken=True))
            continue
        document = root.get("id")
        sentences = (
            (Place(file, f"sentence {s.get('id') or number}"), s)
            for number, s in enumerate(root.iter("sentence"))
        )
        parse = partial(_read_sentence, document, discontinuous)
        yield from each_record(sentences, parse, skip)


def _read_sentence(
    document: str | None,
    discontinuous: Discontinuous,
    item: tuple[Place, ElementTree.Element],
) -> Record:
    place, sentence = item
    text = sentence.get("text")
    if text is None:
        raise place.wrong("text", "is missing")
    entities: list[EntityRecord] = []
    number_of: dict[str, int] = {}
    known = set()
    left_out = []
    for entity in sentence.iter("entity"):
        here = place.at(f"entity {entity.get('id')}")
        name, label, offsets = (
            _field(here, entity, f) for f in ("id", "type", "charOffset")
        )
        known.add(name)
        if not _OFFSETS.fullmatch(offsets):
            raise here.wrong("charOffset", f"is {shorten(offsets)}, no start-end")
        ends = [int(number) for number in re.split("[-;]", offsets)]
        if len(ends) > 2 and discontinuous == "skip":
            reason = f"{here}: {label} {entity.get('text')!r} has pieces: {offsets}"
            left_out.append(LeftOut("entity", reason))
            continue
        number_of[name] = len(entities)
        # the file counts the last character in
        entities.append(EntityRecord(min(ends), max(ends) + 1, label))
    relations = []
    for pair in sentence.iter("pair"):
        here = place.at(f"pair {pair.get('id')}")
        if _field(here, pair, "ddi").lower() != "true":
            continue
        ends_of = [_field(here, pair, field) for field in ("e1", "e2")]
        kind = pair.get("type")
        for field, name in zip(("e1", "e2"), ends_of, strict=True):
            if name not in known:
                raise here.wrong(field, f"names {name!r}, which is no entity here")
        if not kind or not all(name in number_of for name in ends_of):
            problem = "joins an entity of pieces" if kind else "has no type"
            left_out.append(LeftOut("relation", f"{here}: {problem}"))
            continue
        head, tail = (number_of[name] for name in ends_of)
        relations.append(RelationRecord(head, tail, kind))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        document=document,
        left_out=tuple(left_out),
        source=str(place),
        meta={} if sentence.get("id") is None else {"orig_id": sentence.get("id")},
    )


def _field(place: Place, element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise place.wrong(name, "is missing")
    return value
