"""The JSON lines format of Prodigy's ``rel.manual``, ``ner`` and ``spans.manual``.

::

    {"text": ..., "tokens": [{"text", "start", "end", "id", "ws"}, ...],
      "spans": [{"start", "end", "token_start", "token_end", "label"}, ...],
      "relations": [{"head", "child", "head_span", "child_span", "label"}, ...],
      "answer": "accept"}

Offsets are characters, end exclusive. ``token_end`` is the last token. Head and child
are tokens. The writer stores the fields that Prodigy does not support under ``_jre``.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, LeftOut, Record, RelationRecord
from ...annotations.records import word_offsets
from ..sources import Location, OnSkip, each_record, read_json, refuse, short_repr
from .words import token_spans

Tokenize = Callable[[str], Sequence[tuple[int, int]]]

_OURS = "_jre"
_KNOWN = ("text", "tokens", "spans", "relations", "answer", _OURS)


def read_prodigy(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with one task per line or a list.
    skip (Callable): Called for each skipped task, such as rejected tasks.
    YIELDS (Record): One per accepted task. ``meta`` keeps the other fields.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field, J107, J109, J111 for annotation and text.
    """
    return each_record(read_json(path, skip), partial(_read_task, skip), skip)


def _read_task(skip: OnSkip, item: tuple[Location, Any]) -> Record | None:
    location, task = item
    text = location.get(task, "text", str)
    answer = task.get("answer", "accept")
    if answer != "accept":
        skip(LeftOut("record", f"{location}: the answer is {short_repr(answer)}"))
        return None
    left_out: list[LeftOut] = []
    entities = []
    for index, span in enumerate(_list(location, task, "spans")):
        here = location.at(f"span {index}")
        start, end = here.get(span, "start", int), here.get(span, "end", int)
        if span.get("label") is None:
            left_out.append(LeftOut("span", f"{here}: the span has no label"))
            continue
        entities.append(EntityRecord(start, end, here.get(span, "label", str)))
    relations = []
    for index, relation in enumerate(_list(location, task, "relations")):
        here = location.at(f"relation {index}")
        label = here.get(relation, "label", str)
        head = _find_entity(here, task, relation, "head", entities)
        tail = _find_entity(here, task, relation, "child", entities)
        if isinstance(head, LeftOut):
            left_out.append(head)
        elif isinstance(tail, LeftOut):
            left_out.append(tail)
        else:
            relations.append(RelationRecord(head, tail, label))
    ours = location.check(_OURS, task.get(_OURS, {}), dict)
    document = ours.get("document", _document(task.get("meta")))
    return Record(
        text=text,
        entities=tuple(entities),
        relations=tuple(relations),
        words=_read_words(location, task, text) if ours.get("words") else None,
        sentences=_read_sentences(location, ours),
        document=document if isinstance(document, str) else None,
        left_out=tuple(left_out),
        source=str(location),
        meta=location.rest(task, *_KNOWN)
        | location.check("meta", location.rest(ours).get("meta", {}), dict),
    )


def _list(location: Location, task: dict[str, Any], field: str) -> list[Any]:
    return location.get(task, field, list) if field in task else []


def _find_entity(
    location: Location,
    task: dict[str, Any],
    relation: dict[str, Any],
    role: str,
    entities: list[EntityRecord],
) -> int | LeftOut:
    """The index of the entity for the head or child of a relation, or the reason why
    there is none."""
    span = relation.get(f"{role}_span")
    if span is None:
        return _find_by_token(location, task, relation, role, entities)
    start, end = location.get(span, "start", int), location.get(span, "end", int)
    if span.get("label") is None:
        return LeftOut("relation", f"{location}: {role}_span has no label")
    wanted = EntityRecord(start, end, location.get(span, "label", str))
    # the stored indices distinguish equal entities; edits can make them outdated
    match relation.get(_OURS):
        case [int(head), int(child)]:
            number = head if role == "head" else child
            if number in range(len(entities)) and entities[number] == wanted:
                return number
    if wanted in entities:
        return entities.index(wanted)
    reason = f"{location}: {role}_span {start}..{end} is not one of the spans"
    return LeftOut("relation", reason, broken=True)


def _find_by_token(
    location: Location,
    task: dict[str, Any],
    relation: dict[str, Any],
    role: str,
    entities: list[EntityRecord],
) -> int | LeftOut:
    """The index of the shortest entity that contains a token."""
    index = location.get(relation, role, int)
    tokens = location.get(task, "tokens", list)
    if index not in range(len(tokens)):
        raise location.error(role, f"is {index}, but there are {len(tokens)} tokens")
    get = partial(location.at(f"token {index}").get, tokens[index])
    start, end = get("start", int), get("end", int)
    enclosing = [
        (entity.end - entity.start, number)
        for number, entity in enumerate(entities)
        if entity.start <= start and end <= entity.end
    ]
    if enclosing:
        return min(enclosing)[1]
    covered = short_repr(tokens[index].get("text"))
    return LeftOut(
        "relation", f"{location}: {role}, token {index} {covered}, is not in an entity"
    )


def _read_words(location: Location, task: dict[str, Any], text: str) -> tuple[str, ...]:
    tokens = enumerate(location.get(task, "tokens", list))
    words = tuple(
        location.at(f"token {i}").get(token, "text", str) for i, token in tokens
    )
    if " ".join(words) != text:
        raise location.error("tokens", "do not match the words of the text")
    return words


def _read_sentences(
    location: Location, ours: dict[str, Any]
) -> tuple[tuple[int, int], ...] | None:
    if ours.get("sentences") is None:
        return None
    sentences = []
    for item in location.get(ours, "sentences", list):
        if not isinstance(item, list) or [type(x) for x in item] != [int, int]:
            raise location.error(
                "sentences", f"has {short_repr(item)}, which is not [start, end]"
            )
        sentences.append((item[0], item[1]))
    return tuple(sentences)


def _document(meta: Any) -> str | None:
    """The name of the document, if the loader of the tasks set one."""
    if isinstance(meta, dict):
        for key in ("document", "doc_id"):
            if type(meta.get(key)) in (str, int):
                return str(meta[key])
    return None


def write_prodigy(
    records: Iterable[Record], path: Path, *, tokenize: Tokenize | None = None
) -> None:
    """Write tasks that ``rel.manual`` can load.

    records (Iterable[Record]): The records.
    path (Path): The file.
    tokenize (Callable): Function that returns the character offsets of the tokens of a
        text, for records without words. By default, tokens are words and single
        punctuation characters. Tokens are split at entity boundaries.
    RAISES (ValueError): J614 for an entity that does not align with the words of its
        record.
    """
    tasks = [_to_task(record, tokenize or _words_and_punctuation) for record in records]
    lines = [json.dumps(task, ensure_ascii=False) + "\n" for task in tasks]
    path.write_text("".join(lines), encoding="utf8", newline="\n")


def _words_and_punctuation(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(r"\w+|[^\w\s]", text)]


def _to_task(record: Record, tokenize: Tokenize) -> dict[str, Any]:
    if record.words is None:
        offsets = _split_tokens(record, tokenize(record.text))
        starts = {start: index for index, (start, _) in enumerate(offsets)}
        ends = {end: index for index, (_, end) in enumerate(offsets)}
        tokens = [(starts[e.start], ends[e.end]) for e in record.entities]
    else:
        offsets = word_offsets(record.words)
        tokens = [(first, end - 1) for first, end in token_spans(record)]
    spans = [
        {
            "start": entity.start,
            "end": entity.end,
            "token_start": first,
            "token_end": last,
            "label": entity.label,
        }
        for entity, (first, last) in zip(record.entities, tokens, strict=True)
    ]
    task: dict[str, Any] = {
        "text": record.text,
        "tokens": _write_tokens(record.text, offsets),
        "spans": spans,
        "relations": [*_write_relations(record, spans)],
        "answer": "accept",
    }
    task |= {key: value for key, value in record.meta.items() if key not in _KNOWN}
    ours = _write_ours(record)
    return task | ({_OURS: ours} if ours else {})


def _split_tokens(
    record: Record, tokens: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Split tokens at entity boundaries, and add tokens for all text between them
    except single spaces."""
    starts = {entity.start for entity in record.entities}
    ends = {entity.end for entity in record.entities}
    cuts = {0, len(record.text), *starts, *ends, *chain.from_iterable(tokens)}
    offsets: list[tuple[int, int]] = []
    for start, end in pairwise(sorted(cuts)):
        follows = bool(offsets) and offsets[-1][1] == start
        is_space = record.text[start:end] == " "
        if not (follows and is_space and start not in starts and end not in ends):
            offsets.append((start, end))
    return offsets


def _write_tokens(text: str, offsets: list[tuple[int, int]]) -> list[dict[str, Any]]:
    following = [start for start, _ in offsets[1:]] + [len(text)]
    return [
        {
            "text": text[start:end],
            "start": start,
            "end": end,
            "id": index,
            "ws": end < following[index],
        }
        for index, (start, end) in enumerate(offsets)
    ]


def _write_relations(
    record: Record, spans: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    counts = Counter(record.entities)
    for relation in record.relations:
        ends = [relation.head, relation.tail]
        head, child = (spans[number] for number in ends)
        written = {
            "head": head["token_end"],
            "child": child["token_end"],
            "head_span": head,
            "child_span": child,
            "label": relation.label,
        }
        if any(counts[record.entities[number]] > 1 for number in ends):
            written[_OURS] = ends
        yield written


def _write_ours(record: Record) -> dict[str, Any]:
    ours: dict[str, Any] = {}
    if record.words is not None:
        ours["words"] = True
    if record.sentences is not None:
        ours["sentences"] = record.sentences
    if record.document != _document(record.meta.get("meta")):
        ours["document"] = record.document
    clashing = {key: value for key, value in record.meta.items() if key in _KNOWN}
    return ours | ({"meta": clashing} if clashing else {})
