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

from ...annotations import EntityRecord, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import Location, OnSkip, each_record, read_json, refuse, short_repr


def read_doccano(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with one text per line or a list.
    skip (Callable): Called for each skipped text.
    YIELDS (Record): One per text. ``meta`` keeps the other fields.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J612 for an
        export without relations, J605 with line and field, J107, J109 for an entity.
    """
    return each_record(read_json(path, skip), _read_text, skip)


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
    text = location.get(task, "text", str)
    entities: list[EntityRecord] = []
    numbers: dict[int | str, int] = {}
    for index, entity in enumerate(location.get(task, "entities", list)):
        here = location.at(f"entity {index}")
        key = here.get(entity, "id", (int, str))
        if key in numbers:
            raise here.error(
                "id", f"is {short_repr(key)}, like that of entity {numbers[key]}"
            )
        numbers[key] = index
        start = here.get(entity, "start_offset", int)
        end = here.get(entity, "end_offset", int)
        entities.append(EntityRecord(start, end, here.get(entity, "label", str)))
    relations = []
    for index, relation in enumerate(location.get(task, "relations", list)):
        here = location.at(f"relation {index}")
        ends = []
        for field in ("from_id", "to_id"):
            key = here.get(relation, field, (int, str))
            if key not in numbers:
                raise here.error(
                    field, f"is {short_repr(key)}, which is not the id of an entity"
                )
            ends.append(numbers[key])
        label = here.get(relation, "type", str)
        relations.append(RelationRecord(ends[0], ends[1], label))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        source=str(location),
        meta=location.rest(task, "text", "entities", "relations"),
    )
