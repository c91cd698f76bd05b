"""The JSON export of Label Studio: a list of tasks with their annotations.

::

    [{"id": ..., "data": {"text": ...}, "annotations": [{"result": [
        {"id", "type": "labels", "value": {"start", "end", "text", "labels": [...]}},
        {"type": "relation", "from_id", "to_id", "direction", "labels": [...]}]}]}, ...]

Of several annotations the ground truth is read, or else the first; one that was
cancelled never. A region with several labels is an entity for each; a relation goes to
the first. Predictions are not read.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...errors import Errors, JREError
from ..sources import OnSkip, Place, each_record, read_json, refuse, shorten
from .offsets import from_utf16

Result = tuple[Place, dict[str, Any]]


def read_label_studio(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file.
    skip (Callable): Told of every task that is left out, such as those nobody has
        annotated.
    YIELDS (Record): One per task; ``meta`` keeps what else it holds.
    RAISES (ValueError): J601, J602, J604 for the file. By `refuse`: J612 for an export
        as JSON-MIN, J605 with line, task and field, J107, J109 for an entity.
    """
    return each_record(read_json(path, skip), partial(_read_task, skip), skip)


def _read_task(skip: OnSkip, item: tuple[Place, Any]) -> Record | None:
    place, task = item
    if _is_json_min(task):
        problem = "JSON-MIN has no relations. Export the project as JSON."
        raise JREError(Errors.J612.format(path=place, problem=problem))
    data = place.get(task, "data", dict)
    key = _text_key(place, data)
    # "completions" until version 1.0
    field = "annotations" if "annotations" in task else "completions"
    annotations = []
    for index, annotation in enumerate(place.get(task, field, list)):
        here = place.at(f"annotation {index}")
        results = here.get(annotation, "result", list)
        if not annotation.get("was_cancelled"):
            annotations.append((not annotation.get("ground_truth"), here, results))
    if not annotations:
        skip(LeftOut("record", f"{place}: nobody has annotated the task"))
        return None
    annotations.sort(key=lambda annotation: annotation[0])
    left_out: list[LeftOut] = []
    if len(annotations) > 1:
        reason = f"{place}: {len(annotations) - 1} further annotation(s) of the task"
        left_out.append(LeftOut("annotation", reason))
    _, here, values = annotations[0]
    results = []
    for index, value in enumerate(values):
        at = here.at(f"result {index}")
        results.append((at, at.check("result", value, dict)))
    entities, regions = _read_regions(data[key], results, left_out)
    relations = tuple(_read_relations(results, regions, left_out))
    others = place.rest(data, key)
    known = ("data", "annotations", "completions", "predictions")
    return Record(
        text=data[key],
        entities=tuple(entities),
        relations=relations,
        left_out=tuple(left_out),
        source=str(place),
        meta=place.rest(task, *known) | ({"data": others} if others else {}),
    )


def _is_json_min(task: Any) -> bool:
    if not isinstance(task, dict) or "data" in task:
        return False
    lists = [value for value in task.values() if isinstance(value, list)]
    return "annotator" in task or any(
        isinstance(item, dict) and "labels" in item for items in lists for item in items
    )


def _text_key(place: Place, data: dict[str, Any]) -> str:
    """Under which key the text is: the labelling setup that says so is not exported."""
    texts = [key for key, value in data.items() if isinstance(value, str)]
    if "text" in texts:
        return "text"
    if len(texts) != 1:
        problem = f"must hold the text, under 'text' or as the only string: {[*data]}"
        raise place.wrong("data", problem)
    return texts[0]


def _read_regions(
    text: str, results: list[Result], left_out: list[LeftOut]
) -> tuple[list[EntityRecord], dict[str | int, int | None]]:
    """The entities, and the first entity of each region (None where it has none)."""
    entities: list[EntityRecord] = []
    regions: dict[str | int, int | None] = {}
    unit = _unit(text, results)
    for here, result in results:
        kind = here.get(result, "type", str)
        if kind == "relation":
            continue
        key = here.get(result, "id", (str, int))
        # one region may stand here twice, for two controls of the labelling setup
        regions.setdefault(key, None)
        if kind != "labels":
            left_out.append(LeftOut("region", f"{here}: a region of type {kind!r}"))
            continue
        value = here.get(result, "value", dict)
        start, end = here.get(value, "start", int), here.get(value, "end", int)
        start, end = unit.get(start, start), unit.get(end, end)
        labels = _labels(here, value)
        if not labels:
            left_out.append(LeftOut("entity", f"{here}: the region has no label"))
            continue
        covered = text[start:end]
        if not _agrees(covered, value):
            said = shorten(value["text"])
            reason = f"{here}: the region covers {shorten(covered)}, and not {said}"
            left_out.append(LeftOut("entity", reason, broken=True))
            continue
        if regions[key] is None:
            regions[key] = len(entities)
        entities += [EntityRecord(start, end, label) for label in labels]
    return entities, regions


def _unit(text: str, results: list[Result]) -> Mapping[int, int]:
    """How offsets become characters: as they are, or from UTF-16 units.

    The editor counts characters; older versions counted UTF-16 units. The covered
    texts tell which, and else an offset past the end of the text.
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
                    fits[index] += last <= len(text) and _agrees(
                        text[first:last], value
                    )
    return units[fits[1] > fits[0]]


def _agrees(covered: str, value: dict[str, Any]) -> bool:
    """Tell whether a region covers the text that the export says it does."""
    said = value.get("text")
    if not isinstance(said, str):
        return True
    # a selection in a browser has blanks of its own, and line ends are written as \n
    return covered.split() == said.replace("\\n", "\n").split()


def _labels(place: Place, value: dict[str, Any]) -> list[str]:
    if value.get("labels") is None:
        return []
    labels = place.get(value, "labels", list)
    return [place.check("labels", label, str) for label in labels]


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
                raise here.wrong(field, f"is {shorten(key)}, the id of no region")
            ends.append(regions[key])
        head, tail = ends
        labels = _labels(here, result)
        if not labels:
            left_out.append(LeftOut("relation", f"{here}: the relation has no label"))
            continue
        if head is None or tail is None:
            reason = f"{here}: the relation {labels} joins a region left out"
            left_out.append(LeftOut("relation", reason))
            continue
        direction = result.get("direction") or "right"
        if direction not in ("right", "left", "bi"):
            raise here.wrong("direction", f"is {shorten(direction)}")
        for label in labels:
            if direction != "left":
                yield RelationRecord(head, tail, label)
            if direction != "right":
                yield RelationRecord(tail, head, label)
