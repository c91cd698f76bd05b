"""The XML format of DDI 2013 (Herrero-Zazo et al. 2013): drugs and interactions.

::

    <document id="..."><sentence id="..." text="...">
      <entity id="e0" charOffset="0-6" type="drug" text="..."/>
      <pair id="p0" e1="e0" e2="e1" ddi="true" type="effect"/>
    </sentence></document>

Offsets are characters of the sentence, end *inclusive*. A discontinuous entity has
several ranges, separated by semicolons.
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
    Discontinuous,
    Location,
    OnSkip,
    each_record,
    inner_suffix,
    read_bytes,
    refuse,
    refuse_doctype,
    short_repr,
    walk_files,
)

_OFFSETS = re.compile(r"\d{1,9}-\d{1,9}(?:;\d{1,9}-\d{1,9})*", re.ASCII)


def read_ddi(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): A file, or a folder with files at any depth.
    skip (Callable): Called for each skipped file and sentence.
    discontinuous (str): How to read a discontinuous entity: "skip" leaves it out,
        "cover" reads the span from its first to its last character.
    YIELDS (Record): One per sentence. ``document`` is the id of the document,
        ``meta["orig_id"]`` the id of the sentence. Pairs without interaction are not
        relations.
    RAISES (ValueError): J601, J602 for the path. With `refuse`: J604, J605 with
        sentence and field, J617 for a symbolic link to a target outside the folder,
        J619.
    """
    if not path.exists():
        raise JREError(Errors.J601.format(path=path))
    files = [path]
    if path.is_dir():
        files = [
            file for file in walk_files(path, skip) if inner_suffix(file) == ".xml"
        ]
    if not files:
        raise JREError(Errors.J602.format(path=path))
    for file in files:
        try:
            data = read_bytes(file)
            refuse_doctype(data, file)
        except ValueError as error:
            skip(LeftOut("record", str(error), broken=True))
            continue
        except expat.ExpatError:
            pass  # the parser below raises an error with the line
        try:
            root = ElementTree.parse(BytesIO(data)).getroot()
        except (ElementTree.ParseError, ValueError, LookupError) as error:
            line = getattr(error, "position", (1,))[0]
            problem = f"not valid XML: {error}"
            reason = Errors.J604.format(path=file, line=line, error=problem)
            skip(LeftOut("record", reason, broken=True))
            continue
        document = root.get("id")
        sentences = (
            (Location(file, f"sentence {s.get('id') or number}"), s)
            for number, s in enumerate(root.iter("sentence"))
        )
        parse = partial(_read_sentence, document, discontinuous)
        yield from each_record(sentences, parse, skip)


def _read_sentence(
    document: str | None,
    discontinuous: Discontinuous,
    item: tuple[Location, ElementTree.Element],
) -> Record:
    location, sentence = item
    text = sentence.get("text")
    if text is None:
        raise location.error("text", "is missing")
    entities: list[EntityRecord] = []
    number_of: dict[str, int] = {}
    known = set()
    left_out = []
    for entity in sentence.iter("entity"):
        here = location.at(f"entity {entity.get('id')}")
        name, label, offsets = (
            _field(here, entity, f) for f in ("id", "type", "charOffset")
        )
        known.add(name)
        if not _OFFSETS.fullmatch(offsets):
            raise here.error("charOffset", f"is {short_repr(offsets)}, not start-end")
        bounds = [int(number) for number in re.split("[-;]", offsets)]
        if len(bounds) > 2 and discontinuous == "skip":
            reason = f"{here}: {label} {entity.get('text')!r} has gaps: {offsets}"
            left_out.append(LeftOut("entity", reason))
            continue
        number_of[name] = len(entities)
        # the end is inclusive in the file
        entities.append(EntityRecord(min(bounds), max(bounds) + 1, label))
    relations = []
    for pair in sentence.iter("pair"):
        here = location.at(f"pair {pair.get('id')}")
        if _field(here, pair, "ddi").lower() != "true":
            continue
        arguments = [_field(here, pair, field) for field in ("e1", "e2")]
        kind = pair.get("type")
        for field, name in zip(("e1", "e2"), arguments, strict=True):
            if name not in known:
                raise here.error(field, f"refers to {name!r}, which is not an entity")
        if not kind or not all(name in number_of for name in arguments):
            problem = "has a discontinuous argument" if kind else "has no type"
            left_out.append(LeftOut("relation", f"{here}: {problem}"))
            continue
        head, tail = (number_of[name] for name in arguments)
        relations.append(RelationRecord(head, tail, kind))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        document=document,
        left_out=tuple(left_out),
        source=str(location),
        meta={} if sentence.get("id") is None else {"orig_id": sentence.get("id")},
    )


def _field(location: Location, element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise location.error(name, "is missing")
    return value
