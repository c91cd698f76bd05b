"""The JSONL(relation) export of Doccano.

::

    {"id": ..., "text": ..., "entities": [{"id", "label", "start_offset",
      "end_offset"}, ...], "relations": [{"id", "from_id", "to_id", "type"}, ...],
      "Comments": [...]}

Older versions have the key "data" instead of "text", or the entities and relations of
each user in a list under "label". Offsets are characters, end exclusive. Files that
other programs wrote can have UTF-16 code units or UTF-8 bytes. If the offsets of the
file show this, they are converted, and each converted text is reported. Some versions
export an empty list of relations on every line even if the project has relations. A
single line does not show this, so check the counts of the whole file.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...errors import Errors, JREError
from ..rows import OUTSIDE, RowError, Rows
from ..sources import (
    Location,
    OnSkip,
    as_integer,
    count_rows,
    each_record,
    read_json,
    refuse,
)
from .offsets import CHARACTERS, UNITS, find_unit

# texts at the start of the file that show the unit of its offsets
SAMPLE = 2000
Item = tuple[Location, Any]


def read_doccano(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with one text per line or a list.
    skip (Callable): Called for each skipped text.
    YIELDS (Record): One per text. ``meta`` keeps the other fields. ``left_out`` has the
        broken entities and relations.
    RAISES (ValueError): J601, J602, J604, J667 for the file. With `refuse`: J612 for an
        export without relations, J605 with line and field.
    """
    items = read_json(path, skip)
    head = list(islice(items, SAMPLE))
    unit = find_unit(_spans(task) for _, task in head)
    yield from each_record(chain(head, items), partial(_read_text, unit), skip, _count)


def _spans(task: Any) -> tuple[str, list[tuple[int, int]]]:
    """The text and the offsets of a task, as far as they are valid."""
    task = _as_new(task)
    if not isinstance(task, dict) or not isinstance(task.get("text"), str):
        return "", []
    rows = task.get("entities")
    spans = []
    for row in rows if isinstance(rows, list) else ():
        if isinstance(row, dict):
            start, end = (
                as_integer(row.get(name)) for name in ("start_offset", "end_offset")
            )
            if isinstance(start, int) and isinstance(end, int):
                spans.append((start, end))
    return task["text"], spans


def _count(item: Item) -> tuple[int, int]:
    return count_rows(_as_new(item[1]), "entities", "relations")


def users_of(task: dict[str, Any]) -> list[dict[str, Any]]:
    """RETURNS (list[dict]): The entities and relations of each user, in an export of an
    old version."""
    label = task.get("label")
    users = label if isinstance(label, list) else [label]
    return [user for user in users if isinstance(user, dict) and "entities" in user]


def _as_new(task: Any) -> Any:
    """A task in the form of current versions. Of several users, the first one is
    kept."""
    if not isinstance(task, dict):
        return task
    if "text" not in task and "data" in task:
        task = {"text" if key == "data" else key: task[key] for key in task}
    if "entities" not in task and (users := users_of(task)):
        others = {key: value for key, value in task.items() if key != "label"}
        return others | users[0]
    return task


def _read_text(unit: str, item: Item) -> Record:
    location, task = item
    users = users_of(task) if isinstance(task, dict) else []
    task = _as_new(task)
    if (
        isinstance(task, dict)
        and "entities" not in task
        and {"label", "labels", "annotations"} & {*task}
    ):
        # otherwise, the text would count as annotated without relations
        raise JREError(
            Errors.J612.format(
                path=location,
                problem="this export of doccano has no relations. Export the project "
                "as JSONL(relation).",
            )
        )
    text = location.get(task, "text", str)
    convert: Mapping[int, int] | None = None
    if unit != CHARACTERS and not text.isascii():
        convert = UNITS[unit](text)
    rows = Rows(text)
    converted = False
    if len(users) > 1:
        cause = "an additional user who annotated the text"
        reason = f"{location}: {len(users) - 1} additional user(s) of the text"
        rows.leave_out("annotation", reason, cause)
    for here, entity in location.each("entity", location.get_rows(task, "entities")):
        with rows.row("entity", key=_id_of(entity)):
            key = here.where  # no relation can refer to an entity without an id
            if isinstance(entity, dict) and entity.get("id") is not None:
                key = here.get(entity, "id", (int, str))
            start = here.get(entity, "start_offset", int)
            end = here.get(entity, "end_offset", int)
            label = here.get(entity, "label", str)
            if convert is not None:
                if start not in convert or end not in convert:
                    problem = f"is {start}..{end}, outside the text in {unit}"
                    raise RowError(here.error("start/end", problem), OUTSIDE)
                converted |= (start, end) != (convert[start], convert[end])
                start, end = convert[start], convert[end]
            rows.add_entity(here, start, end, label, key)
    if converted:
        cause = f"the offsets are {unit} and were converted to characters"
        rows.leave_out("offsets", f"{location}: {cause}", cause)
    elif not text.isascii() and any(x.cause == OUTSIDE for x in rows.left_out):
        cause = "the offsets may be UTF-16 code units or UTF-8 bytes, not characters"
        rows.leave_out("offsets", f"{location}: {cause}", cause)
    relations = location.get_rows(task, "relations", required=False)
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
