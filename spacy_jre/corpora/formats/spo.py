"""The ``spo_list`` JSON lines of DuIE, CMeIE and CH-DDI: triples of surface forms.

::

    {"text": ..., "spo_list": [{"predicate": ..., "subject": ..., "subject_type": ...,
      "object": {"@value": ...}, "object_type": {"@value": ...}}, ...]}

DuIE's objects may have further keys ("inWork" ...): each is a relation of its own,
``predicate_key``. Plain strings as object are read too. One key of ours: an
``entity_list`` of ``{"entity", "type"}`` names entities that stand in no triple.
``surface.py`` says which mention a form means.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import LeftOut, Record
from ..sources import OnSkip, Place, each_record, read_json, refuse
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
    skip (Callable): Told of every line that is left out, such as those without a
        ``spo_list``.
    repeats (str): Which mentions of a repeated form count: see ``surface.py``.
    YIELDS (Record): One per line, entities by place. ``document`` is the title of a
        text ``title@sentence``.
    RAISES (ValueError): J202 for `repeats`; J601, J602 for the file. By `refuse`: J604,
        J605 with line and field.
    """
    check_repeats(repeats)
    return each_record(read_json(path, skip), partial(_read_line, skip, repeats), skip)


def _read_line(
    skip: OnSkip, repeats: Repeats, item: tuple[Place, Any]
) -> Record | None:
    place, line = item
    text = place.get(line, "text", str)
    if "spo_list" not in line:
        skip(LeftOut("record", f"{place}: has no spo_list: it is not annotated"))
        return None
    triples: list[Triple] = []
    for index, spo in enumerate(place.get(line, "spo_list", list)):
        triples += _read_triple(place.at(f"spo {index}"), spo)
    others = []
    listed = place.check("entity_list", line.get("entity_list") or [], list)
    for index, entity in enumerate(listed):
        here = place.at(f"entity {index}")
        form = here.get(entity, "entity", str)
        others.append(Form(form, here.get(entity, "type", str)))
    found = find_mentions(place, text, triples, others, repeats)
    return Record(
        text=text,
        entities=found.entities,
        relations=found.relations,
        document=find_title(text),
        left_out=found.left_out,
        source=str(place),
        meta=place.rest(line, "text", "spo_list", "entity_list"),
    )


def _read_triple(place: Place, spo: Any) -> Iterator[Triple]:
    predicate = place.get(spo, "predicate", str)
    head = Form(
        place.get(spo, "subject", str).strip(), place.get(spo, "subject_type", str)
    )
    values = place.get(spo, "object", (dict, str))
    types = place.get(spo, "object_type", (dict, str))
    if isinstance(values, str):
        values = {"@value": values}
    if isinstance(types, str):
        types = dict.fromkeys(values, types)
    place.get(values, "@value", str)
    for key in values:
        form = place.get(values, key, str).strip()
        if form:  # DuIE writes the keys that do not apply as empty strings
            label = predicate if key == "@value" else f"{predicate}_{key}"
            yield Triple(head, label, Form(form, place.get(types, key, str)))
