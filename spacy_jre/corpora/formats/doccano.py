"""The JSONL(relation) export of Doccano.

::

    {"id": ..., "text": ..., "entities": [{"id", "label", "start_offset",
      "end_offset"}, ...], "relations": [{"id", "from_id", "to_id", "type"}, ...],
      "Comments": [...]}

Offsets are characters, end exclusive. Some versions export an empty list of relations
on every line even if the project has relations. A single line does not show this, so
check the counts of the whole file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import Location, OnSkip, count_rows, each_record, read_json, refuse


def read_doccano(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with one text per line or a list.
    skip (Callable): Called for each skipped text.
    YIELDS (Record): One per text. ``meta`` keeps the other fields. ``left_out`` has the
        broken entities and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J612 for an
        export without relations, J605 with line and field.
    """
    return each_record(read_json(path, skip), _read_text, skip, _count)


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    return count_rows(item[1], "entities", "relations")


def _read_text(item: tuple[Location, Any]) -> Record:
    location, task = item
    if (
        isinstance(task, dict)
        and "entities" not in task
        and {"label", "labels"} & {*task}
    ):
        # otherwise, the text would count as annotated without relations
        raise JREError(
            Errors.J612.format(
                path=location,
                problem="this sequence labeling export has no relations. Export the "
                "project as JSONL(relation).",
            )
        )
    rows = Rows(location.get(task, "text", str))
    for here, entity in location.each("entity", location.get(task, "entities", list)):
        with rows.row("entity", key=_id_of(entity)):
            key = here.get(entity, "id", (int, str))
            start = here.get(entity, "start_offset", int)
            end = here.get(entity, "end_offset", int)
            rows.add_entity(here, start, end, here.get(entity, "label", str), key)
    relations = location.get(task, "relations", list)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            head = here.get(relation, "from_id", (int, str))
            tail = here.get(relation, "to_id", (int, str))
            rows.add_relation(here, head, tail, here.get(relation, "type", str))
    return Record(
        **rows.fields(),
        source=str(location),
        meta=location.rest(task, "text", "entities", "relations"),
    )


def _id_of(entity: Any) -> int | str | None:
    key = entity.get("id") if isinstance(entity, dict) else None
    return key if isinstance(key, int | str) else None
