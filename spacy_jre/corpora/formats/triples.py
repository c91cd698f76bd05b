"""The ``triple_list`` JSON format of NYT and WebNLG, as used by CasRel and PRGC.

::

    [{"text": ..., "triple_list": [[head, relation, tail], ...]}, ...]

The arguments are surface forms without entity types. See ``surface.py`` for how
mentions are chosen.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import Record
from ..sources import Location, OnSkip, each_record, read_json, refuse, short_repr
from .surface import Form, Repeats, Triple, check_repeats, find_mentions


def read_triples(
    path: Path,
    *,
    skip: OnSkip = refuse,
    repeats: Repeats = "nearest",
    label: str = "Entity",
) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one text per line.
    skip (Callable): Called for each skipped text.
    repeats (str): Rule for the mentions of a repeated form. See ``surface.py``.
    label (str): Label of all entities, because the format has no entity types.
    YIELDS (Record): One per text, with the entities sorted by offset.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. With `refuse`:
        J604, J605 with line and field.
    """
    check_repeats(repeats)
    parse = partial(_read_text, repeats, label)
    return each_record(read_json(path, skip), parse, skip)


def _read_text(repeats: Repeats, label: str, item: tuple[Location, Any]) -> Record:
    location, value = item
    text = location.get(value, "text", str)
    triples = []
    for index, triple in enumerate(location.get(value, "triple_list", list)):
        here = location.at(f"triple {index}")
        if len(here.check("triple_list", triple, list)) != 3:
            raise here.error(
                "triple_list", f"is {short_repr(triple)}, not [head, relation, tail]"
            )
        head, relation, tail = (here.check("triple_list", x, str) for x in triple)
        triples.append(Triple(Form(head, label), relation, Form(tail, label)))
    mentions = find_mentions(location, text, triples, repeats=repeats)
    return Record(
        text=text,
        entities=mentions.entities,
        relations=mentions.relations,
        left_out=mentions.left_out,
        source=str(location),
        meta=location.rest(value, "text", "triple_list"),
    )
