"""The JSON export of Label Studio: a list of tasks with their annotations.

::

    [{"id": ..., "data": {"text": ...}, "annotations": [{"result": [
        {"id", "type": "labels", "value": {"start", "end", "text", "labels": [...]}},
        {"type": "relation", "from_id", "to_id", "direction", "labels": [...]}]}]}, ...]

A target storage has one file for each annotation: ``{"result": [...], "task": {...}}``.
If a task has several annotations, the ground truth is read, or else the first one.
Cancelled annotations are not read. A region with several labels becomes several
entities, and its relations get the first of them.

The offsets of regions in HTML are those of the visible text: see ``HtmlText``. The
writer creates tasks with predictions, for correction in Label Studio.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...annotations import LeftOut, Record
from ...errors import Errors, JREError
from ..rows import OUTSIDE, RowError, Rows
from ..sources import (
    Location,
    OnSkip,
    each_record,
    read_json,
    refuse,
    short_repr,
    walk_files,
)
from .label_studio_text import (
    TaskText,
    Value,
    covered_text,
    is_in_html,
    offsets_of,
    words_of,
)

Item = tuple[Location, Any]

# tasks at the start of the file that show which field has the text
SAMPLE = 200
ENTITY_TYPES = ("labels", "hypertextlabels", "htmllabels")
OTHER_TEXT = "the region covers another text than the export says"
OTHER_FIELD = (
    "the region is in another field of the task, which can be read with --text-field"
)
_ADDRESS = re.compile(r"\s*([a-z][a-z0-9+.-]*://|/data/(upload|local-files)/)\S+\s*")
# field of the data for what Label Studio does not support
_OURS = "_jre"


@dataclass(frozen=True)
class _Options:
    """The settings of the reader, and what the first tasks show.

    field (str): The field of the data that has the text in most tasks.
    html (bool): Whether the text of most tasks is HTML.
    """

    text_field: str
    relation_label: str
    predictions: bool
    skip: OnSkip
    field: str = ""
    html: bool = False


def read_label_studio(
    path: Path,
    *,
    text_field: str = "",
    relation_label: str = "related",
    predictions: bool = False,
    skip: OnSkip = refuse,
) -> Iterator[Record]:
    """
    path (Path): The file, or the folder of a target storage.
    text_field (str): The field of ``data`` that has the text. By default, the field
        that the regions cover.
    relation_label (str): The label of relations that have none. If it is empty, these
        relations are left out.
    predictions (bool): Read the predictions of tasks without annotations.
    skip (Callable): Called for each skipped task, such as unannotated tasks.
    YIELDS (Record): One per task. ``meta`` keeps the other fields. ``left_out`` has the
        broken regions and relations.
    RAISES (ValueError): J601, J602, J604, J667 for the file. With `refuse`: J612 for an
        export as JSON-MIN, J641, J642 for a task without a text, J605 with line, task
        and field.
    """
    options = _Options(text_field, relation_label, predictions, skip)
    items = _read_storage(path, skip) if path.is_dir() else read_json(path, skip)
    items = ((location, _unpack(task)) for location, task in items)
    head = list(islice(items, SAMPLE))
    found = Counter(chain.from_iterable(_evidence(options, item) for item in head))
    if found:
        (field, html), _ = found.most_common(1)[0]
        options = replace(options, field=field, html=html)
    read = partial(_read_task, options)
    yield from each_record(chain(head, items), read, skip, partial(_count, options))


# tasks


def _read_storage(folder: Path, skip: OnSkip) -> Iterator[Item]:
    """Read all files of a target storage, with one task for all of its annotations."""
    tasks: dict[Hashable, Item] = {}
    for path in walk_files(folder, skip):
        if path.name.startswith("."):
            continue
        try:
            items = list(read_json(path, skip))
        except JREError as error:
            skip(LeftOut("record", str(error), broken=True))
            continue
        for location, value in items:
            task = _unpack(value)
            if task is value:  # it has all of its annotations
                tasks[location] = location, task
                continue
            key: Hashable = location
            with suppress(RecursionError):
                key = json.dumps([task.get("id"), task["data"]], sort_keys=True)
            if key in tasks:
                tasks[key][1]["annotations"] += task["annotations"]
            else:
                tasks[key] = location, task
    yield from tasks.values()


def _unpack(value: Any) -> Any:
    """Convert an annotation of a target storage to a task. Other values are returned
    unchanged."""
    if not isinstance(value, dict) or not isinstance(value.get("result"), list):
        return value
    task = value.get("task")
    if not isinstance(task, dict) or "data" not in task:
        return value
    annotation = {key: item for key, item in value.items() if key != "task"}
    return {**task, "annotations": [annotation]}


def _annotations(options: _Options, task: dict[str, Any]) -> list[tuple[str, Any]]:
    """The annotations or predictions that can be read, with their names. The first one
    is read."""
    values = task.get(_field(task))
    kept = [
        (f"annotation {index}", annotation)
        for index, annotation in enumerate(values if isinstance(values, list) else [])
        if not (isinstance(annotation, dict) and annotation.get("was_cancelled"))
    ]
    kept.sort(
        key=lambda item: not (isinstance(item[1], dict) and item[1].get("ground_truth"))
    )
    values = task.get("predictions")
    if not kept and options.predictions and isinstance(values, list):
        return [(f"prediction {index}", value) for index, value in enumerate(values)]
    return kept


def _field(task: dict[str, Any]) -> str:
    # "completions" until version 1.0
    return "annotations" if "annotations" in task else "completions"


def _results(options: _Options, task: Any) -> list[dict[str, Any]]:
    """The results of the annotation that is read, as far as they are valid."""
    annotations = _annotations(options, task) if isinstance(task, dict) else []
    for _, annotation in annotations[:1]:
        results = annotation.get("result") if isinstance(annotation, dict) else None
        if isinstance(results, list):
            return [result for result in results if isinstance(result, dict)]
    return []


def _count(options: _Options, item: Item) -> tuple[int, int]:
    """The numbers of entities and relations of a task that cannot be read."""
    entities = relations = 0
    for result in _results(options, item[1]):
        kind, value = result.get("type"), result.get("value")
        if kind == "relation":
            labels = result.get("labels")
            both = 2 if result.get("direction") == "bi" else 1
            relations += both * (len(labels) if isinstance(labels, list) else 1)
        elif kind in ENTITY_TYPES:
            labels = value.get(_label_field(value, kind)) if type(value) is dict else 0
            entities += len(labels) if isinstance(labels, list) and labels else 1
    return entities, relations


def _read_task(options: _Options, item: Item) -> Record | None:
    location, task = item
    if isinstance(task, dict) and "data" not in task and "result" in task:
        raise JREError(Errors.J641.format(path=location))
    if _is_json_min(task):
        problem = "JSON-MIN has no relations. Export the project as JSON."
        raise JREError(Errors.J612.format(path=location, problem=problem))
    data = location.get(task, "data", dict)
    predictions = location.check("predictions", task.get("predictions") or [], list)
    location.get_rows(task, _field(task), required=False)
    annotations = _annotations(options, task)
    if not annotations:
        cause = "the task is not annotated"
        if predictions:
            cause = (
                "the task has no annotations, only predictions. Use --predictions to "
                "read them"
            )
        options.skip(LeftOut("record", f"{location}: {cause}", cause=cause))
        return None
    name, annotation = annotations[0]
    kind = name.split()[0]
    here = location.at(name)
    results = list(here.each("result", here.get_rows(annotation, "result")))
    text = _find_text(options, location, data, _results(options, task))
    rows = Rows(text.text)
    if len(annotations) > 1:
        reason = f"{location}: {len(annotations) - 1} additional {kind}(s) of the task"
        rows.leave_out(kind, reason, f"an additional {kind} of the task")
    has_scores = kind == "prediction"
    _read_regions(rows, results, text, has_scores, _texts(data).keys() - {text.field})
    _read_relations(rows, results, options.relation_label, has_scores)
    ours = location.check(_OURS, data.get(_OURS, {}), dict)
    others = location.rest(data, text.field, _OURS)
    known = ("data", "annotations", "completions", "predictions")
    return Record(
        **rows.fields(),
        **_read_ours(location.at(f"data, {_OURS}"), ours, text.text),
        source=str(location),
        meta=location.rest(ours).get("meta", {})
        | location.rest(task, *known)
        | ({"data": others} if others else {}),
    )


def _is_json_min(task: Any) -> bool:
    if not isinstance(task, dict) or "data" in task:
        return False
    lists = [value for value in task.values() if isinstance(value, list)]
    return "annotator" in task or any(
        isinstance(item, dict) and "labels" in item for items in lists for item in items
    )


# the text


def _regions(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        result
        for result in results
        if result.get("type") in ENTITY_TYPES and isinstance(result.get("value"), dict)
    ]


def _texts(data: dict[str, Any]) -> dict[str, str]:
    return {k: value for k, value in data.items() if isinstance(value, str)}


def _evidence(options: _Options, item: Item) -> list[tuple[str, bool]]:
    """The field of the text that the regions of a task show, and whether it is HTML."""
    task = item[1]
    data = task.get("data") if isinstance(task, dict) else None
    if not isinstance(data, dict):
        return []
    text = covered_text(_texts(data), _regions(_results(options, task)))
    return [(text.field, text.html)] if text else []


def _find_text(
    options: _Options,
    location: Location,
    data: dict[str, Any],
    results: list[dict[str, Any]],
) -> TaskText:
    """Find the text of a task.

    RAISES (ValueError): J605 if the field of the text is not clear or does not exist,
        J642 if it has an address instead of a text.
    """
    texts, regions = _texts(data), _regions(results)
    if options.text_field:
        if options.text_field not in data:
            problem = f"is missing. The fields are: {', '.join(map(repr, data))}"
            raise location.at("data").error(options.text_field, problem)
        location.at("data").get(data, options.text_field, str)
        texts = {options.text_field: data[options.text_field]}
    text = covered_text(texts, regions)
    if text is not None:
        return text
    names = [
        # such as "$text", in some versions
        *(str(region.get("source", "")).removeprefix("$") for region in regions),
        options.field,
        *(str(region.get("to_name")) for region in regions),
        "text",
        *(texts if len(texts) == 1 else ()),
    ]
    field = next((name for name in names if name in texts), None)
    if field is None:
        problem = (
            f"must have the text as 'text' or as the only string: {[*data]}. Specify "
            "the field with --text-field"
        )
        lists = [name for name, value in data.items() if isinstance(value, list)]
        if lists and not texts:  # the tag Paragraphs
            problem = (
                f"has a list in {lists[0]!r}, such as a dialogue. Only tasks with a "
                "text can be converted"
            )
        raise location.error("data", problem)
    value = location.at("data").get(data, field, str)
    if _ADDRESS.fullmatch(value):
        address = short_repr(value)
        raise JREError(Errors.J642.format(path=location, field=field, value=address))
    html = any(is_in_html(region["value"]) for region in regions)
    return TaskText(field, value, html if regions else options.html)


# regions and relations


def _read_regions(
    rows: Rows,
    results: list[Item],
    text: TaskText,
    has_scores: bool,
    other_fields: Set[str],
) -> None:
    """Read the regions of a task.

    rows (Rows): Gets the entities.
    results (list[Item]): The results of the annotation.
    text (TaskText): The text.
    has_scores (bool): Whether the results are predictions with scores.
    other_fields (Set[str]): The other fields of the task that could have a text.
    """
    fits: Counter[int] = Counter()
    objects = set()
    for region in _regions([result for _, result in results if type(result) is dict]):
        spans = text.find_each(region["value"])
        fits.update(index for index, span in enumerate(spans) if span)
        if any(spans) and words_of(region["value"]):
            objects.add(str(region.get("to_name")))
    # for regions that fit in several units, and regions that do not repeat their texts
    unit = max(range(len(text.converts)), key=lambda index: fits[index])
    # objects usually have the name of their field
    elsewhere = other_fields if text.field in objects else set()
    controls: dict[Any, set[str]] = {}
    for here, result in results:
        if isinstance(result, dict) and result.get("type") == "relation":
            continue
        key = result.get("id") if isinstance(result, dict) else None
        key = key if isinstance(key, int | str) else None
        with rows.row("entity", key=key):
            kind = here.get(result, "type", str)
            if "id" in result:  # predictions without relations often have none
                here.get(result, "id", (str, int))
            if kind not in ENTITY_TYPES:
                cause = f"a region of type {kind!r}"
                rows.leave_out("region", f"{here}: {cause}", cause, key=key)
                continue
            value = here.get(result, "value", dict)
            labels = _labels(here, value, _label_field(value, kind))
            if not labels:
                cause = "the region has no label"
                rows.leave_out("entity", f"{here}: {cause}", cause, key=key)
                continue
            # two controls of the labeling setup can label the same region
            control = short_repr(result.get("from_name"))
            again = key in controls and control not in controls[key]
            controls.setdefault(key, set()).add(control)
            to_name = str(result.get("to_name"))
            score = _score(result) if has_scores else 1.0
            for index, label in enumerate(labels):
                own: Hashable = key
                if key is None or again or index:
                    own = (here.where, index)
                with rows.row("entity", key=own):
                    span = _find_span(here, value, text, unit)
                    if span is not None and to_name not in elsewhere:
                        rows.add_entity(here, *span, label, own, score)
                    elif to_name in elsewhere or (objects and to_name not in objects):
                        reason = f"{here}: {OTHER_FIELD}: {to_name!r}"
                        rows.leave_out("entity", reason, OTHER_FIELD, key=own)
                    else:
                        raise _misplaced(here, value, text, unit)


def _find_span(
    here: Location, value: Value, text: TaskText, unit: int
) -> tuple[int, int] | None:
    """The offsets of a region in the usual unit of the task, or else in the unit in
    which it covers the text that the export says."""
    ends: Any = None
    if "globalOffsets" in value:
        ends = here.get(value, "globalOffsets", dict)
    elif not is_in_html(value):
        ends = value
    if ends is not None:
        here.get(ends, "start", int)
        here.get(ends, "end", int)
    spans = text.find_each(value)
    return next((span for span in (spans[unit], *spans) if span), text.find_once(value))


def _misplaced(here: Location, value: Value, text: TaskText, unit: int) -> RowError:
    """The error for a region that fits in no unit."""
    offsets = offsets_of(value)
    if offsets is None:
        problem = "is missing, and the text of the region does not occur exactly once"
        return RowError(here.error("globalOffsets", problem), OUTSIDE)
    span = text.converts[unit](*offsets)
    if span is None:
        length, (start, end) = len(text.text), offsets
        problem = f"is {start}..{end}, outside the text of {length} characters"
        return RowError(here.error("start/end", problem), OUTSIDE)
    covered, expected = short_repr(text.text[slice(*span)]), short_repr(value["text"])
    problem = f"is {expected}, but the region covers {covered}"
    return RowError(here.error("text", problem), OTHER_TEXT)


def _label_field(value: Value, kind: str) -> str:
    # HTML that is annotated with the control Labels has "labels"
    return kind if kind in value else "labels"


def _labels(here: Location, value: Value, field: str) -> list[str]:
    if value.get(field) is None:
        return []
    labels = here.get(value, field, (list, str))
    if isinstance(labels, str):
        labels = [labels]
    return [here.check(field, label, str) for label in labels]


def _score(result: dict[str, Any]) -> float:
    score = result.get("score")
    if isinstance(score, int | float) and math.isfinite(score):
        return float(score)
    return 1.0


def _read_relations(
    rows: Rows, results: list[Item], default_label: str, has_scores: bool
) -> None:
    for here, result in results:
        if not isinstance(result, dict) or result.get("type") != "relation":
            continue
        with rows.row("relation"):
            labels = _labels(here, result, "labels")
            direction = result.get("direction") or "right"
            if direction not in ("right", "left", "bi"):
                raise here.error("direction", f"is {short_repr(direction)}")
            if not labels:
                cause = "the relation has no label"
                if not default_label:
                    rows.leave_out("relation", f"{here}: {cause}", cause)
                    continue
                labels = [default_label]
                cause += f" and gets {default_label!r} (--relation-label)"
                rows.leave_out("label", f"{here}: {cause}", cause)
            forward = [("from_id", "to_id")] if direction != "left" else []
            backward = [("to_id", "from_id")] if direction != "right" else []
            score = _score(result) if has_scores else 1.0
            for label in labels:
                for ends in forward + backward:
                    with rows.row("relation"):
                        head, tail = (here.get(result, e, (str, int)) for e in ends)
                        rows.add_relation(here, head, tail, label, score)


# writer


def write_label_studio(
    records: Iterable[Record], path: Path, *, model_version: str = "spacy-jre"
) -> None:
    """Write tasks with predictions, for import into a project with the labeling setup
    of ``labeling_setup``.

    The scores of entities and relations are written if the record has any. The score of
    a prediction, by which Label Studio can sort the tasks, is their mean.
    ``read_label_studio`` with `predictions` reads the same records.

    records (Iterable[Record]): The records.
    path (Path): The file.
    model_version (str): Name of the predictions in Label Studio.
    """
    with path.open("w", encoding="utf8", newline="\n") as file:
        separator = "["
        for record in records:
            task = json.dumps(_to_task(record, model_version), ensure_ascii=False)
            file.write(f"{separator}\n{task}")
            separator = ","
        file.write("\n]\n" if separator == "," else "[]\n")


def labeling_setup(entity_labels: Iterable[str], relation_labels: Iterable[str]) -> str:
    """Create the labeling setup for tasks of ``write_label_studio``.

    entity_labels, relation_labels (Iterable[str]): The labels.
    RETURNS (str): XML for the settings of a project, under Labeling Interface > Code.
    """
    view = ElementTree.Element("View")
    relations = ElementTree.SubElement(view, "Relations")
    for label in relation_labels:
        ElementTree.SubElement(relations, "Relation", value=label)
    labels = ElementTree.SubElement(view, "Labels", name="label", toName="text")
    for label in entity_labels:
        ElementTree.SubElement(labels, "Label", value=label)
    ElementTree.SubElement(view, "Text", name="text", value="$text")
    ElementTree.indent(view)
    return ElementTree.tostring(view, encoding="unicode") + "\n"


def _to_task(record: Record, model_version: str) -> dict[str, Any]:
    scores = [entity.score for entity in record.entities]
    scores += [relation.score for relation in record.relations]
    has_scores = any(score != 1.0 for score in scores)
    result: list[dict[str, Any]] = []
    for index, entity in enumerate(record.entities):
        region = {
            "id": f"entity-{index}",
            "type": "labels",
            "from_name": "label",
            "to_name": "text",
            "value": {
                "start": entity.start,
                "end": entity.end,
                "text": record.text[entity.start : entity.end],
                "labels": [entity.label],
            },
        }
        result.append(region | ({"score": entity.score} if has_scores else {}))
    for relation in record.relations:
        written = {
            "type": "relation",
            "from_id": f"entity-{relation.head}",
            "to_id": f"entity-{relation.tail}",
            "direction": "right",
            "labels": [relation.label],
        }
        result.append(written | ({"score": relation.score} if has_scores else {}))
    prediction: dict[str, Any] = {"model_version": model_version, "result": result}
    if has_scores:
        prediction["score"] = sum(scores) / len(scores)
    meta = dict(record.meta)
    others = meta.get("data")
    if isinstance(others, dict) and not {"text", _OURS} & others.keys():
        del meta["data"]
    else:
        others = {}
    data = {"text": record.text, **others}
    ours = _write_ours(record, meta)
    return {
        "data": data | ({_OURS: ours} if ours else {}),
        "predictions": [prediction],
    }


def _write_ours(record: Record, meta: dict[str, Any]) -> dict[str, Any]:
    """What Label Studio does not support."""
    ours: dict[str, Any] = {
        "words": record.words,
        "sentences": record.sentences,
        "document": record.document,
        "meta": meta or None,
    }
    return {key: value for key, value in ours.items() if value is not None}


def _read_ours(here: Location, ours: dict[str, Any], text: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    here.check("meta", ours.get("meta", {}), dict)
    if "document" in ours:
        fields["document"] = here.get(ours, "document", str)
    if "words" in ours:
        words: Sequence[Any] = here.get(ours, "words", list)
        fields["words"] = tuple(here.check("words", word, str) for word in words)
        if " ".join(fields["words"]) != text:
            raise here.error("words", "does not match the text")
    if "sentences" in ours:
        sentences = []
        for row in here.get(ours, "sentences", list):
            if not isinstance(row, list) or [type(x) for x in row] != [int, int]:
                problem = f"has {short_repr(row)}, which is not [start, end]"
                raise here.error("sentences", problem)
            sentences.append((row[0], row[1]))
        fields["sentences"] = tuple(sentences)
    return fields
