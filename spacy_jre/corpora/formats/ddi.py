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

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import (
    Discontinuous,
    Location,
    OnSkip,
    each_record,
    inner_suffix,
    not_xml,
    read_bytes,
    refuse,
    refuse_doctype,
    short_repr,
    walk_files,
)

_DISCONTINUOUS = "the entity is discontinuous"
_NO_TYPE = "the interaction has no type"
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
        relations. ``left_out`` has the broken entities and pairs.
    RAISES (ValueError): J601, J602 for the path. With `refuse`: J605 with sentence
        and field, J617 for a symbolic link to a target outside the folder, J619, J675.
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
            skip(LeftOut("record", str(not_xml(file, error)), broken=True))
            continue
        document = root.get("id")
        sentences = (
            (Location(file, f"sentence {s.get('id') or number}"), s)
            for number, s in enumerate(root.iter("sentence"))
        )
        parse = partial(_read_sentence, document, discontinuous)
        yield from each_record(sentences, parse, skip, _count)


def _count(item: tuple[Location, ElementTree.Element]) -> tuple[int, int]:
    """Count the entities and the interactions of a sentence."""
    pairs = item[1].iter("pair")
    interactions = [pair for pair in pairs if pair.get("ddi", "").lower() == "true"]
    return len(list(item[1].iter("entity"))), len(interactions)


def _read_sentence(
    document: str | None,
    discontinuous: Discontinuous,
    item: tuple[Location, ElementTree.Element],
) -> Record:
    location, sentence = item
    text = sentence.get("text")
    if text is None:
        raise location.error("text", "is missing")
    rows = Rows(text)
    for entity in sentence.iter("entity"):
        here = location.at(f"entity {entity.get('id')}")
        with rows.row("entity", key=entity.get("id")):
            name, label, offsets = (
                _field(here, entity, f) for f in ("id", "type", "charOffset")
            )
            if not _OFFSETS.fullmatch(offsets):
                problem = f"is {short_repr(offsets)}, not start-end"
                raise here.error("charOffset", problem)
            bounds = [int(number) for number in re.split("[-;]", offsets)]
            if len(bounds) > 2 and discontinuous == "skip":
                reason = f"{here}: {label} {entity.get('text')!r} has gaps: {offsets}"
                rows.leave_out("entity", reason, _DISCONTINUOUS, key=name)
                continue
            # the end is inclusive in the file
            rows.add_entity(here, min(bounds), max(bounds) + 1, label, name)
    for pair in sentence.iter("pair"):
        here = location.at(f"pair {pair.get('id')}")
        with rows.row("relation"):
            if _field(here, pair, "ddi").lower() != "true":
                continue
            head, tail = (_field(here, pair, field) for field in ("e1", "e2"))
            if pair.get("type"):
                rows.add_relation(here, head, tail, pair.get("type", ""))
            else:
                rows.leave_out("relation", f"{here}: has no type", _NO_TYPE)
    return Record(
        **rows.fields(),
        document=document,
        source=str(location),
        meta={} if sentence.get("id") is None else {"orig_id": sentence.get("id")},
    )


def _field(location: Location, element: ElementTree.Element, name: str) -> str:
    value = element.get(name)
    if not value:
        raise location.error(name, "is missing")
    return value
