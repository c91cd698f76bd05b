"""The JSON export of Label Studio: a list of tasks with their annotations.

::

    [{"id": ..., "data": {"text": ...}, "annotations": [{"result": [
        {"id", "type": "labels", "value": {"start", "end", "text", "labels": [...]}},
        {"type": "relation", "from_id", "to_id", "direction", "labels": [...]}]}]}, ...]

If a task has several annotations, the ground truth is read, or else the first one.
Cancelled annotations and predictions are not read. A region with several labels becomes
several entities, and its relations get the first of them.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import Location, OnSkip, each_record, read_json, refuse, short_repr
from .offsets import from_utf16

Result = tuple[Location, dict[str, Any]]


def read_label_studio(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Called for each skipped task, such as unannotated tasks.
    YIELDS (Record): One per task. ``meta`` keeps the other fields.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J612 for an
        export as JSON-MIN, J605 with line, task and field, J107, J109 for an entity.
    """
    return each_record(read_json(path, skip), partial(_read_task, skip), skip)


def _read_task(skip: OnSkip, item: tuple[Location, Any]) -> Record | None:
    location, task = item
    if _is_json_min(task):
        problem = "JSON-MIN has no relations. Export the project as JSON."
        raise JREError(Errors.J612.format(path=location, problem=problem))
    data = location.get(task, "data", dict)
    key = _text_key(location, data)
    # "completions" until version 1.0
    field = "annotations" if "annotations" in task else "completions"
    annotations = []
    for index, annotation in enumerate(location.get(task, field, list)):
        here = location.at(f"annotation {index}")
        results = here.get(annotation, "result", list)
        if not annotation.get("was_cancelled"):
            annotations.append((not annotation.get("ground_truth"), here, results))
    if not annotations:
        skip(LeftOut("record", f"{location}: the task is not annotated"))
        return None
    annotations.sort(key=lambda annotation: annotation[0])
    left_out: list[LeftOut] = []
    if len(annotations) > 1:
        reason = (
            f"{location}: {len(annotations) - 1} additional annotation(s) of the task"
        )
        left_out.append(LeftOut("annotation", reason))
    _, here, values = annotations[0]
    results = []
    for index, value in enumerate(values):
        inner = here.at(f"result {index}")
        results.append((inner, inner.check("result", value, dict)))
    entities, regions = _read_regions(data[key], results, left_out)
    relations = tuple(_read_relations(results, regions, left_out))
    others = location.rest(data, key)
    known = ("data", "annotations", "completions", "predictions")
    return Record(
        text=data[key],
        entities=tuple(entities),
        relations=relations,
        left_out=tuple(left_out),
        source=str(location),
        meta=location.rest(task, *known) | ({"data": others} if others else {}),
    )


def _is_json_min(task: Any) -> bool:
    if not isinstance(task, dict) or "data" in task:
        return False
    lists = [value for value in task.values() if isinstance(value, list)]
    return "annotator" in task or any(
        isinstance(item, dict) and "labels" in item for items in lists for item in items
    )


def _text_key(location: Location, data: dict[str, Any]) -> str:
    """Guess the key of the text. The labeling setup that defines it is not exported."""
    texts = [key for key, value in data.items() if isinstance(value, str)]
    if "text" in texts:
        return "text"
    if len(texts) != 1:
        problem = f"must have the text as 'text' or as the only string: {[*data]}"
        raise location.error("data", problem)
    return texts[0]


def _read_regions(
    text: str, results: list[Result], left_out: list[LeftOut]
) -> tuple[list[EntityRecord], dict[str | int, int | None]]:
    """Read the entities. Also returns a dict: id of the region -> index of its first
    entity, or None if it has no entity."""
    entities: list[EntityRecord] = []
    regions: dict[str | int, int | None] = {}
    to_character = _find_unit(text, results)
    for here, result in results:
        kind = here.get(result, "type", str)
        if kind == "relation":
            continue
        key = here.get(result, "id", (str, int))
        # a region occurs twice if two controls of the labeling setup refer to it
        regions.setdefault(key, None)
        if kind != "labels":
            left_out.append(LeftOut("region", f"{here}: a region of type {kind!r}"))
            continue
        value = here.get(result, "value", dict)
        start, end = here.get(value, "start", int), here.get(value, "end", int)
        start, end = to_character.get(start, start), to_character.get(end, end)
        labels = _labels(here, value)
        if not labels:
            left_out.append(LeftOut("entity", f"{here}: the region has no label"))
            continue
        covered = text[start:end]
        if not _matches_text(covered, value):
            expected = short_repr(value["text"])
            reason = f"{here}: the region covers {short_repr(covered)}, not {expected}"
            left_out.append(LeftOut("entity", reason, broken=True))
            continue
        if regions[key] is None:
            regions[key] = len(entities)
        entities += [EntityRecord(start, end, label) for label in labels]
    return entities, regions


def _find_unit(text: str, results: list[Result]) -> Mapping[int, int]:
    """Determine whether offsets are characters or UTF-16 code units.

    The editor uses characters, older versions used UTF-16 code units. The covered texts
    and offsets past the end of the text show which.

    RETURNS (Mapping[int, int]): Offset in the file -> character offset. Empty if the
        offsets are characters.
    """
    units: list[Mapping[int, int]] = [{}, from_utf16(text)]
    fits: Counter[int] = Counter()
    for _, result in results:
        value = result.get("value")
        if isinstance(value, dict):
            start, end = value.get("start"), value.get("end")
            if isinstance(start, int) and isinstance(end, int):
                for index, unit in enumerate(units):
                    first, last = unit.get(start, start), unit.get(end, end)
                    fits[index] += last <= len(text) and _matches_text(
                        text[first:last], value
                    )
    return units[1] if fits[1] > fits[0] else units[0]


def _matches_text(covered: str, value: dict[str, Any]) -> bool:
    """Whether the covered text equals the text of the region in the export."""
    expected = value.get("text")
    if not isinstance(expected, str):
        return True
    # browsers can change the whitespace of a selection; line breaks are escaped
    return covered.split() == expected.replace("\\n", "\n").split()


def _labels(location: Location, value: dict[str, Any]) -> list[str]:
    if value.get("labels") is None:
        return []
    labels = location.get(value, "labels", list)
    return [location.check("labels", label, str) for label in labels]


def _read_relations(
    results: list[Result],
    regions: dict[str | int, int | None],
    left_out: list[LeftOut],
) -> Iterator[RelationRecord]:
    for here, result in results:
        if result["type"] != "relation":
            continue
        ends = []
        for field in ("from_id", "to_id"):
            key = here.get(result, field, (str, int))
            if key not in regions:
                raise here.error(
                    field, f"is {short_repr(key)}, which is not the id of a region"
                )
            ends.append(regions[key])
        head, tail = ends
        labels = _labels(here, result)
        if not labels:
            left_out.append(LeftOut("relation", f"{here}: the relation has no label"))
            continue
        if head is None or tail is None:
            reason = f"{here}: the relation {labels} has an argument that was left out"
            left_out.append(LeftOut("relation", reason))
            continue
        direction = result.get("direction") or "right"
        if direction not in ("right", "left", "bi"):
            raise here.error("direction", f"is {short_repr(direction)}")
        for label in labels:
            if direction != "left":
                yield RelationRecord(head, tail, label)
            if direction != "right":
                yield RelationRecord(tail, head, label)
