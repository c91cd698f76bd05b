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
from ..rows import Rows
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
    YIELDS (Record): One per text, with the entities sorted by offset. ``left_out`` has
        the triples that are broken or not in the text.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. With `refuse`:
        J604, J605 with line and field.
    """
    check_repeats(repeats)
    parse = partial(_read_text, repeats, label)
    return each_record(read_json(path, skip), parse, skip, _count)


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    """The numbers of entities and relations of a text that cannot be read."""
    value = item[1].get("triple_list") if isinstance(item[1], dict) else None
    triples = value if isinstance(value, list) else []
    return len({form for triple in triples for form in _forms(triple)}), len(triples)


def _forms(triple: Any) -> list[str]:
    """The arguments of a triple that can be broken."""
    match triple:
        case [head, _, tail]:
            forms = [form.strip() for form in (head, tail) if isinstance(form, str)]
            return [form for form in forms if form]
    return []


def _read_text(repeats: Repeats, label: str, item: tuple[Location, Any]) -> Record:
    location, value = item
    text = location.get(value, "text", str)
    rows = Rows(text)
    triples = []
    lost: list[Form] = []
    triple_list = location.get_rows(value, "triple_list")
    for here, triple in location.each("triple", triple_list):
        lost += [Form(form, label) for form in _forms(triple)]
        with rows.row("relation"):
            if len(here.check("triple_list", triple, list)) != 3:
                raise here.error(
                    "triple_list",
                    f"is {short_repr(triple)}, not [head, relation, tail]",
                )
            head, relation, tail = (here.check("triple_list", x, str) for x in triple)
            if not relation:
                raise here.error("relation", "is empty")
            forms = [Form(form.strip(), label) for form in (head, tail)]
            triples.append(Triple(forms[0], relation, forms[1]))
    mentions = find_mentions(location, text, triples, repeats=repeats, lost=lost)
    return Record(
        text=text,
        entities=mentions.entities,
        relations=mentions.relations,
        left_out=(*rows.left_out, *mentions.left_out),
        source=str(location),
        meta=location.rest(value, "text", "triple_list"),
    )
