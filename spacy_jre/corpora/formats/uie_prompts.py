"""The training data of PaddleNLP's UIE: one prompt per line.

::

    {"content": text, "prompt": "person",
     "result_list": [{"text", "start", "end"}, ...]}
    {"content": text, "prompt": "Ada Quint的employer", "result_list": [...]}

Offsets are characters, end exclusive. The rows with the same content become one record.
A prompt is an entity type, or ``subject的relation`` (in English
``relation of subject``), whose results are the tails. It is read as a relation

- if the subject is the text of a result of the same content, or
- if the relation is one of those found by the first rule elsewhere in the file.

If the subject has several mentions, each result is connected with the nearest one.
Entities of relations that no entity prompt has get the label ``Entity``, which is
reported. Prompts without results are negative examples. Those that end with options
("sentiment[good,bad]") are classifications, which are reported.

The file ``doccano_ext.jsonl``, from which PaddleNLP creates this format, is an export
of Doccano. Convert it instead if you have it.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ...annotations import Record
from ..rows import (
    ENTITY,
    LOST_ARGUMENT,
    UNKNOWN_ARGUMENT,
    UNTYPED,
    Rows,
    check_text,
)
from ..sources import (
    Location,
    OnSkip,
    as_integer,
    each_item,
    each_record,
    read_json,
    refuse,
    short_repr,
)
from .surface import find_all

CLASSIFICATION = "classifications are not supported"
Span = tuple[int, int]


class _Result(NamedTuple):
    location: Location
    value: Any


class _Row(NamedTuple):
    location: Location
    content: str
    prompt: str
    results: list[_Result]

    def splits(self) -> Iterator[tuple[str, str]]:
        """YIELDS (tuple[str, str]): Possible subjects and relations of the prompt, the
        longest subject first."""
        found = [
            (self.prompt[:at].strip(), self.prompt[at + len("的") :].strip())
            for at in find_all(self.prompt, "的")
        ]
        found += [
            (self.prompt[at + len(" of ") :].strip(), self.prompt[:at].strip())
            for at in find_all(self.prompt, " of ")
        ]
        for subject, relation in sorted(found, key=lambda pair: -len(pair[0])):
            if subject and relation:
                yield subject, relation

    def find_relation(self, subjects: set[str]) -> tuple[str, str] | None:
        """RETURNS (tuple[str, str] | None): The split with one of the subjects."""
        return next((pair for pair in self.splits() if pair[0] in subjects), None)


def read_uie_prompts(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with one prompt per line or a list. It is read as a whole,
        because the rows of a content can be apart.
    skip (Callable): Called for each skipped row.
    YIELDS (Record): One per content, with the entities sorted by offset. Results that
        occur in several rows are one entity. ``meta`` keeps the other fields of the
        first row. ``left_out`` has the broken entities and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field.
    """
    contents: dict[str, list[_Row]] = {}
    meta: dict[str, dict[str, Any]] = {}
    items = read_json(path, skip)
    for row, rest in each_item(items, _read_row, skip, _count):
        contents.setdefault(row.content, []).append(row)
        meta.setdefault(row.content, rest)
    relations = {
        pair[1]
        for rows in contents.values()
        for row in rows
        if (pair := row.find_relation(_texts(rows))) is not None
    }
    parse = partial(_read_content, relations, meta)
    return each_record(contents.values(), parse, skip)


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    """The results of a broken row are counted as entities, because its prompt is
    unknown."""
    results = item[1].get("result_list") if isinstance(item[1], dict) else None
    return len(results) if isinstance(results, list) else 0, 0


def _read_row(item: tuple[Location, Any]) -> tuple[_Row, dict[str, Any]]:
    location, value = item
    content = location.get(value, "content", str)
    prompt = location.get(value, "prompt", str)
    results = location.get_rows(value, "result_list")
    rest = location.rest(value, "content", "prompt", "result_list")
    places = [_Result(*pair) for pair in location.each("result", results)]
    return _Row(location, content, prompt, places), rest


def _texts(rows: list[_Row]) -> set[str]:
    """The texts of all results of a content."""
    return {
        result.value["text"].strip()
        for row in rows
        for result in row.results
        if isinstance(result.value, dict) and isinstance(result.value.get("text"), str)
    }


class _Relation(NamedTuple):
    location: Location
    subject: str
    label: str
    tail: Span


def _read_content(
    known: set[str], meta: dict[str, dict[str, Any]], content: list[_Row]
) -> Record:
    first = content[0]
    text, texts = first.content, _texts(content)
    rows = Rows(text)
    found: set[Span] = set()  # all results
    labels_of: dict[Span, list[str]] = {}  # the entities
    relations: list[_Relation] = []
    for row in content:
        if row.prompt.endswith("]") and "[" in row.prompt:
            for here, _ in row.results:
                reason = f"{here}: is the result of a classification: {row.prompt!r}"
                rows.leave_out("classification", reason, CLASSIFICATION)
            continue
        pair = row.find_relation(texts) or next(
            (split for split in row.splits() if split[1] in known), None
        )
        for here, result in row.results:
            with rows.row("relation" if pair else "entity"):
                span = _read_span(rows, here, result)
                found.add(span)
                if pair:
                    relations.append(_Relation(here, *pair, span))
                elif not row.prompt:
                    raise here.error("prompt", "is empty")
                elif row.prompt not in labels_of.setdefault(span, []):
                    labels_of[span].append(row.prompt)
                    bounds = as_integer(result["start"]), as_integer(result["end"])
                    rows.trimmed += span != bounds
    edges: list[tuple[_Relation, Span]] = []
    for relation in relations:
        heads = [
            span for span in sorted(found) if text[slice(*span)] == relation.subject
        ]
        if not heads and relation.subject in texts:
            reason = f"{relation.location}: the subject of the relation was left out"
            rows.leave_out("relation", reason, LOST_ARGUMENT)
            continue
        size = len(relation.subject)
        heads = heads or [(at, at + size) for at in find_all(text, relation.subject)]
        if not heads:
            problem = f"has the subject {relation.subject!r}, which is not in the text"
            reason = str(relation.location.error("prompt", problem))
            rows.leave_out("relation", reason, UNKNOWN_ARGUMENT, broken=True)
            continue
        head = min(heads, key=partial(_distance, relation.tail))
        edges.append((relation, head))
        for span in (head, relation.tail):
            labels_of.setdefault(span, [])
    for span in sorted(labels_of):
        if not labels_of[span]:
            covered = short_repr(text[slice(*span)])
            reason = (
                f"{first.location}: no entity prompt has {covered} at "
                f"{span[0]}..{span[1]}, so it gets the label {ENTITY}"
            )
            rows.leave_out("type", reason, UNTYPED)
        for label in sorted(labels_of[span]) or [ENTITY]:
            rows.add_entity(first.location, *span, label, (span, label))
    for relation, head in edges:
        head_key, tail_key = (
            (span, next(iter(labels_of[span]), ENTITY))
            for span in (head, relation.tail)
        )
        rows.add_relation(relation.location, head_key, tail_key, relation.label)
    return Record(**rows.fields(), source=str(first.location), meta=meta[first.content])


def _read_span(rows: Rows, here: Location, result: Any) -> Span:
    start, end = here.get(result, "start", int), here.get(result, "end", int)
    expected = here.get(result, "text", str)
    span = rows.check_span(here, start, end)
    check_text(here, rows.text, *span, expected)
    return span


def _distance(span: Span, other: Span) -> tuple[bool, int]:
    return span == other, max(span[0] - other[1], other[0] - span[1])
