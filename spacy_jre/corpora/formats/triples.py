"""The ``triple_list`` JSON of NYT and WebNLG (as CasRel and PRGC use it).

::

    [{"text": ..., "triple_list": [[head, relation, tail], ...]}, ...]

The arguments are surface forms without a type; ``surface.py`` says which mention a form
means.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import Record
from ..sources import OnSkip, Place, each_record, read_json, refuse, shorten
from .surface import Form, Repeats, Triple, check_repeats, find_mentions


def read_triples(
    path: Path,
    *,
    skip: OnSkip = refuse,
    repeats: Repeats = "nearest",
    label: str = "Entity",
) -> Iterator[Record]:
    """
    path (Path): The file; a list, or a text a line.
    skip (Callable): Told of every text that is left out.
    repeats (str): Which mentions of a repeated form count: see ``surface.py``.
    label (str): Of all entities: the format knows no types.
    YIELDS (Record): One per text, entities by place.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. By `refuse`: J604,
        J605 with line and field.
    """
    check_repeats(repeats)
    parse = partial(_read_text, repeats, label)
    return each_record(read_json(path, skip), parse, skip)


def _read_text(repeats: Repeats, label: str, item: tuple[Place, Any]) -> Record:
    place, value = item
    text = place.get(value, "text", str)
    triples = []
    for index, triple in enumerate(place.get(value, "triple_list", list)):
        here = place.at(f"triple {index}")
        if len(here.check("triple_list", triple, list)) != 3:
            raise here.wrong("triple_list", f"is {shorten(triple)}, no [head, r, tail]")
        head, relation, tail = (here.check("triple_list", x, str) for x in triple)
        triples.append(Triple(Form(head, label), relation, Form(tail, label)))
    found = find_mentions(place, text, triples, repeats=repeats)
    return Record(
        text=text,
        entities=found.entities,
        relations=found.relations,
        left_out=found.left_out,
        source=str(place),
        meta=place.rest(value, "text", "triple_list"),
    )
