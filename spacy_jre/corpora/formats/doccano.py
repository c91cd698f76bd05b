"""The JSONL(relation) export of Doccano.

::

    {"id": ..., "text": ..., "entities": [{"id", "label", "start_offset",
      "end_offset"}, ...], "relations": [{"id", "from_id", "to_id", "type"}, ...],
      "Comments": [...]}

Offsets are characters, end exclusive. Some versions export entities with an empty list
of relations on every line although there are some: no line can tell, so look at the
counts of the whole file.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import OnSkip, Place, each_record, read_json, refuse, shorten


def read_doccano(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file; a line per text, or a list.
    skip (Callable): Told of every text that is left out.
    YIELDS (Record): One per text; ``meta`` keeps what else it holds.
    RAISES (ValueError): J601, J602, J604 for the file. By `refuse`: J612 for an export
        without relations, J605 with line and field, J107, J109 for an entity.
    """
    return each_record(read_json(path, skip), _read_text, skip)


def _read_text(item: tuple[Place, Any]) -> Record:
    place, task = item
    if (
        isinstance(task, dict)
        and "entities" not in task
        and {"label", "labels"} & {*task}
    ):
        # its relations would count as annotated: as none
        raise JREError(
            Errors.J612.format(
                path=place,
                problem="this export of sequence labelling has no relations. Export "
                "the project as JSONL(relation).",
            )
        )
    text = place.get(task, "text", str)
    entities: list[EntityRecord] = []
    numbers: dict[int | str, int] = {}
    for index, entity in enumerate(place.get(task, "entities", list)):
        here = place.at(f"entity {index}")
        key = here.get(entity, "id", (int, str))
        if key in numbers:
            raise here.wrong("id", f"is {shorten(key)}, as of entity {numbers[key]}")
        numbers[key] = index
        start = here.get(entity, "start_offset", int)
        end = here.get(entity, "end_offset", int)
        entities.append(EntityRecord(start, end, here.get(entity, "label", str)))
    relations = []
    for index, relation in enumerate(place.get(task, "relations", list)):
        here = place.at(f"relation {index}")
        ends = []
        for field in ("from_id", "to_id"):
            key = here.get(relation, field, (int, str))
            if key not in numbers:
                raise here.wrong(field, f"is {shorten(key)}, the id of no entity")
            ends.append(numbers[key])
        label = here.get(relation, "type", str)
        relations.append(RelationRecord(ends[0], ends[1], label))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        source=str(place),
        meta=place.rest(task, "text", "entities", "relations"),
    )
