"""The ``spo_list`` JSON lines format of DuIE, CMeIE and CH-DDI: triples of surface
forms.

::

    {"text": ..., "spo_list": [{"predicate": ..., "subject": ..., "subject_type": ...,
      "object": {"@value": ...}, "object_type": {"@value": ...}}, ...]}

In DuIE, objects can have more keys ("inWork" ...). Each becomes another relation with
the label ``predicate_key``. Objects can also be plain strings. In other files, a triple
is a list ``[subject, predicate, object]``. If no triple of a text has types, the
entities get the label ``Entity``, which is reported. The key ``entity_list``, with
items ``{"entity", "type"}``, is an extension for entities that are in no triple. See
``surface.py`` for how mentions are chosen.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import LeftOut, Record
from ..rows import ENTITY, Rows
from ..sources import Location, OnSkip, each_record, read_json, refuse
from .surface import (
    Form,
    Repeats,
    Triple,
    check_repeats,
    find_mentions,
    find_title,
)


def read_spo(
    path: Path, *, skip: OnSkip = refuse, repeats: Repeats = "nearest"
) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped line, such as those without ``spo_list``.
    repeats (str): Rule for the mentions of a repeated form. See ``surface.py``.
    YIELDS (Record): One per line, with the entities sorted by offset. If the text is
        ``title@sentence``, ``document`` is the title. ``left_out`` has the triples that
        are broken or not in the text.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. With `refuse`:
        J604, J605 with line and field.
    """
    check_repeats(repeats)
    parse = partial(_read_line, skip, repeats)
    return each_record(read_json(path, skip), parse, skip, _count)


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    """The numbers of entities and relations of a line that cannot be read."""
    value = item[1].get("spo_list") if isinstance(item[1], dict) else None
    spo_list = value if isinstance(value, list) else []
    rows, _ = _with_types(spo_list)
    forms = {form for row in rows for form in _forms(row)}
    return len(forms), sum(len(_objects(row)) for row in rows)


def _with_types(spo_list: list[Any]) -> tuple[list[Any], int]:
    """RETURNS (tuple[list[Any], int]): The rows as objects, and the number of arguments
    that got a type because the text has none."""
    rows = [_as_object(row) for row in spo_list]
    objects = [row for row in rows if isinstance(row, dict)]
    if any({"subject_type", "object_type"} & row.keys() for row in objects):
        return rows, 0
    types = {"subject_type": ENTITY, "object_type": ENTITY}
    typed = [{**row, **types} if isinstance(row, dict) else row for row in rows]
    return typed, 2 * len(objects)


def _as_object(row: Any) -> Any:
    match row:
        case [subject, predicate, tail]:
            return {"subject": subject, "predicate": predicate, "object": tail}
    return row


def _objects(spo: Any) -> dict[str, Any]:
    """The objects of a row that can be broken. Each gives a relation."""
    values = spo.get("object") if isinstance(spo, dict) else None
    if not isinstance(values, dict) or "@value" not in values:
        return {"@value": values}
    return {
        key: value
        for key, value in values.items()
        # DuIE uses empty strings for keys that do not apply
        if key == "@value" or not isinstance(value, str) or value.strip()
    }


def _forms(spo: Any) -> Iterator[Form]:
    """The arguments of a row that can be broken."""
    if isinstance(spo, dict):
        types = spo.get("object_type")
        pairs = [(spo.get("subject"), spo.get("subject_type"))]
        for key, value in _objects(spo).items():
            kind = types.get(key) if isinstance(types, dict) else types
            pairs.append((value, kind))
        for value, kind in pairs:
            if isinstance(value, str) and isinstance(kind, str) and value.strip():
                yield Form(value.strip(), kind)


def _read_line(
    skip: OnSkip, repeats: Repeats, item: tuple[Location, Any]
) -> Record | None:
    location, line = item
    text = location.get(line, "text", str)
    if "spo_list" not in line:
        cause = "the text is not annotated: it has no spo_list"
        skip(LeftOut("record", f"{location}: {cause}", cause=cause))
        return None
    rows = Rows(text)
    triples: list[Triple] = []
    lost: list[Form] = []
    spo_list, untyped = _with_types(location.get_rows(line, "spo_list"))
    for here, spo in location.each("spo", spo_list):
        lost += _forms(spo)
        for key in _objects(spo):
            with rows.row("relation"):
                triples.append(_read_triple(here, spo, key))
    rows.report_untyped(location, untyped, "text")
    others = []
    entity_list = location.get_rows(line, "entity_list", required=False)
    for here, entity in location.each("entity", entity_list):
        with rows.row("entity"):
            form = here.get(entity, "entity", str)
            others.append(Form(form, _label(here, entity, "type")))
    mentions = find_mentions(location, text, triples, others, repeats, lost)
    return Record(
        text=text,
        entities=mentions.entities,
        relations=mentions.relations,
        document=find_title(text),
        left_out=(*rows.left_out, *mentions.left_out),
        source=str(location),
        meta=location.rest(line, "text", "spo_list", "entity_list"),
    )


def _read_triple(location: Location, spo: Any, key: str) -> Triple:
    """Read the relation to one of the objects."""
    predicate = _label(location, spo, "predicate")
    head = Form(
        location.get(spo, "subject", str).strip(),
        _label(location, spo, "subject_type"),
    )
    values = location.get(spo, "object", (dict, str))
    types = location.get(spo, "object_type", (dict, str))
    if isinstance(values, str):
        values = {"@value": values}
    if isinstance(types, str):
        types = dict.fromkeys(values, types)
    form = location.get(values, key, str).strip()
    label = predicate if key == "@value" else f"{predicate}_{key}"
    return Triple(head, label, Form(form, _label(location, types, key)))


def _label(location: Location, value: Any, name: str) -> str:
    label: str = location.get(value, name, str)
    if not label:
        raise location.error(name, "is empty")
    return label
