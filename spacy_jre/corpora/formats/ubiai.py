"""The JSON export of UBIAI with entities and relations.

::

    [{"document": text, "tokens": [{"text", "start", "end", "token_start",
      "token_end", "entityLabel"}, ...],
      "relations": [{"head", "child", "relationLabel"}, ...]}, ...]

The list "tokens" has the entities. Offsets are characters, end exclusive. If the text
at the offsets in UTF-16 code units matches more entities, they are read as such. Head
and child are the first (in other versions, the last) token of an entity. Without
``token_start``, they are indices into "tokens".
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...annotations import Record
from ..rows import Rows, check_text
from ..sources import (
    Location,
    OnSkip,
    as_integer,
    each_record,
    read_json,
    refuse,
    row_counter,
)
from .offsets import from_utf16


def read_ubiai(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one document per line.
    skip (Callable): Called for each skipped document.
    YIELDS (Record): One per document. ``meta`` keeps the other fields. ``left_out`` has
        the broken entities and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field.
    """
    return each_record(
        read_json(path, skip), _read_document, skip, row_counter("tokens", "relations")
    )


def _read_document(item: tuple[Location, Any]) -> Record:
    location, document = item
    text = location.get(document, "document", str)
    entities = location.get_rows(document, "tokens")
    relations = location.get_rows(document, "relations", required=False)
    characters = _find_units(text, entities)
    rows = Rows(text)
    for index, (here, entity) in enumerate(location.each("entity", entities)):
        with rows.row("entity", key=f"entity {index}"):
            # offsets outside the text stay outside
            start, end = (
                characters.get(offset, -1) if characters else offset
                for offset in (
                    here.get(entity, "start", int),
                    here.get(entity, "end", int),
                )
            )
            label = here.get(entity, "entityLabel", str)
            if entity.get("text") is not None:
                check_text(here, text, start, end, here.get(entity, "text", str))
            rows.add_entity(here, start, end, label, f"entity {index}")
    keys = _find_keys(entities, relations)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            head, child = (here.get(relation, role, int) for role in ("head", "child"))
            rows.add_relation(
                here,
                keys.get(head, f"token {head}"),
                keys.get(child, f"token {child}"),
                here.get(relation, "relationLabel", str),
            )
    name = document.get("documentName")
    return Record(
        **rows.fields(),
        document=None
        if name is None
        else str(location.check("documentName", name, (str, int))),
        source=str(location),
        meta=location.rest(document, "document", "tokens", "relations", "documentName"),
    )


def _find_units(text: str, entities: list[Any]) -> dict[int, int] | None:
    """RETURNS (dict[int, int] | None): The characters of the offsets, if more entities
    have their text at offsets in UTF-16 code units. None for characters."""
    characters = from_utf16(text)
    if len(text) in characters and characters[len(text)] == len(text):
        return None  # both units are the same
    matches = [0, 0]
    for entity in entities:
        if not isinstance(entity, dict) or not isinstance(entity.get("text"), str):
            continue
        start, end = (as_integer(entity.get(name)) for name in ("start", "end"))
        if not isinstance(start, int) or not isinstance(end, int):
            continue
        spans = [(start, end), (characters.get(start, -1), characters.get(end, -1))]
        for unit, (first, last) in enumerate(spans):
            found = text[first:last] if 0 <= first < last <= len(text) else ""
            matches[unit] += found.split() == entity["text"].split()
    return characters if matches[1] > matches[0] else None


def _find_keys(entities: list[Any], relations: list[Any]) -> dict[int, str]:
    """RETURNS (dict[int, str]): The values of head and child that entities have, and
    the keys of the entities."""
    rows = [entity if isinstance(entity, dict) else {} for entity in entities]
    if not any("token_start" in row for row in rows):
        return {index: f"entity {index}" for index in range(len(rows))}
    used = [
        token
        for row in relations
        if isinstance(row, dict)
        for role in ("head", "child")
        if isinstance(token := as_integer(row.get(role)), int)
    ]
    candidates: list[dict[int, str]] = []
    for field in ("token_start", "token_end"):
        keys: dict[int, str] = {}
        for index, row in enumerate(rows):
            token = as_integer(row.get(field))
            if isinstance(token, int):
                keys.setdefault(token, f"entity {index}")
        candidates.append(keys)
    return max(candidates, key=lambda keys: sum(value in keys for value in used))
