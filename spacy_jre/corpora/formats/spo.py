"""The ``spo_list`` JSON lines format of DuIE, CMeIE and CH-DDI: triples of surface
forms.

::

    {"text": ..., "spo_list": [{"predicate": ..., "subject": ..., "subject_type": ...,
      "object": {"@value": ...}, "object_type": {"@value": ...}}, ...]}

In DuIE, objects can have more keys ("inWork" ...). Each becomes another relation with
the label ``predicate_key``. Objects can also be plain strings. The key ``entity_list``,
with items ``{"entity", "type"}``, is an extension for entities that are in no triple.
See ``surface.py`` for how mentions are chosen.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import LeftOut, Record
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
        ``title@sentence``, ``document`` is the title.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. With `refuse`:
        J604, J605 with line and field.
    """
    check_repeats(repeats)
    return each_record(read_json(path, skip), partial(_read_line, skip, repeats), skip)


def _read_line(
    skip: OnSkip, repeats: Repeats, item: tuple[Location, Any]
) -> Record | None:
    location, line = item
    text = location.get(line, "text", str)
    if "spo_list" not in line:
        skip(LeftOut("record", f"{location}: is not annotated: it has no spo_list"))
        return None
    triples: list[Triple] = []
    for index, spo in enumerate(location.get(line, "spo_list", list)):
        triples += _read_triple(location.at(f"spo {index}"), spo)
    others = []
    entity_list = location.check("entity_list", line.get("entity_list") or [], list)
    for index, entity in enumerate(entity_list):
        here = location.at(f"entity {index}")
        form = here.get(entity, "entity", str)
        others.append(Form(form, here.get(entity, "type", str)))
    mentions = find_mentions(location, text, triples, others, repeats)
    return Record(
        text=text,
        entities=mentions.entities,
        relations=mentions.relations,
        document=find_title(text),
        left_out=mentions.left_out,
        source=str(location),
        meta=location.rest(line, "text", "spo_list", "entity_list"),
    )


def _read_triple(location: Location, spo: Any) -> Iterator[Triple]:
    predicate = location.get(spo, "predicate", str)
    head = Form(
        location.get(spo, "subject", str).strip(),
        location.get(spo, "subject_type", str),
    )
    values = location.get(spo, "object", (dict, str))
    types = location.get(spo, "object_type", (dict, str))
    if isinstance(values, str):
        values = {"@value": values}
    if isinstance(types, str):
        types = dict.fromkeys(values, types)
    location.get(values, "@value", str)
    for key in values:
        form = location.get(values, key, str).strip()
        if form:  # DuIE uses empty strings for keys that do not apply
            label = predicate if key == "@value" else f"{predicate}_{key}"
            yield Triple(head, label, Form(form, location.get(types, key, str)))
