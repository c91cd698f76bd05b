"""The JSON lines format of Prodigy's ``rel.manual``, ``ner`` and ``spans.manual``.

::

    {"text": ..., "tokens": [{"text", "start", "end", "id", "ws"}, ...],
      "spans": [{"start", "end", "token_start", "token_end", "label"}, ...],
      "relations": [{"head", "child", "head_span", "child_span", "label"}, ...],
      "answer": "accept"}

Offsets are characters, end exclusive. ``token_end`` is the last token. Head and child
are tokens. If a relation has no ``head_span`` and ``child_span``, as in the data of
spaCy's tutorial on relation extraction, it is between the entities that contain its
tokens. The same applies to a ``head_span`` without a label. Tasks without ``tokens``
are tokenized with spaCy's tokenizer. The writer stores the fields that Prodigy does not
support under ``_jre``.
"""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, NamedTuple

import spacy
from spacy.language import Language

from ...annotations import LeftOut, Record
from ...annotations import tokenize as tokenize_text
from ...annotations.records import word_offsets
from ..rows import UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import (
    Location,
    OnSkip,
    each_record,
    read_json,
    refuse,
    row_counter,
    short_repr,
)
from .words import token_spans

Tokenize = Callable[[str], Sequence[tuple[int, int]]]
Span = tuple[int, int, str]

_OURS = "_jre"
_KNOWN = ("text", "tokens", "spans", "relations", "answer", _OURS)


def read_prodigy(
    path: Path, *, skip: OnSkip = refuse, lang: str = "en"
) -> Iterator[Record]:
    """
    path (Path): The file, with one task per line or a list.
    skip (Callable): Called for each skipped task, such as rejected tasks.
    lang (str): Language of the tokenizer for tasks without tokens, if relations refer
        to tokens.
    YIELDS (Record): One per accepted task. ``meta`` keeps the other fields.
        ``left_out`` has the broken spans and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line
        and field, J111 for the text.
    """
    parse = partial(_read_task, skip, cache(partial(spacy.blank, lang)))
    return each_record(
        read_json(path, skip), parse, skip, row_counter("spans", "relations")
    )


@dataclass
class _Task:
    """A task that is being read.

    rows (Rows): The entities and relations. The key of an entity is its row.
    span_of (dict[int, Span]): Row -> start, end and label in the file.
    make_nlp (Callable): Returns the pipeline with the tokenizer for tasks without
        tokens.
    """

    location: Location
    task: dict[str, Any]
    rows: Rows
    make_nlp: Callable[[], Language]
    span_of: dict[int, Span] = field(default_factory=dict)

    @cached_property
    def tokens(self) -> list[Any]:
        """The tokens of the task, or else of the tokenizer.

        RAISES (ValueError): J115 for a text that is too long for the tokenizer.
        """
        if self.task.get("tokens") is not None:
            tokens: list[Any] = self.location.get(self.task, "tokens", list)
            return tokens
        doc = tokenize_text(self.rows.text, self.make_nlp(), str(self.location))
        offsets = [(token.idx, token.idx + len(token)) for token in doc]
        return _write_tokens(self.rows.text, offsets)


def _read_task(
    skip: OnSkip,
    make_nlp: Callable[[], Language],
    item: tuple[Location, Any],
) -> Record | None:
    location, value = item
    text = location.get(value, "text", str)
    answer = value.get("answer")
    if answer not in ("accept", None):
        cause = f"the answer is {short_repr(answer)}"
        skip(LeftOut("record", f"{location}: {cause}", cause=cause))
        return None
    ours = location.check(_OURS, value.get(_OURS, {}), dict)
    rows = Rows(text)
    if ours.get("words"):
        rows = Rows.of_words(_read_words(location, value, text))
    task = _Task(location, value, rows, make_nlp)
    spans = location.get_rows(value, "spans", required=False)
    for number, (here, span) in enumerate(location.each("span", spans)):
        with rows.row("entity", key=number):
            start, end = here.get(span, "start", int), here.get(span, "end", int)
            if span.get("label") is None:
                reason = f"{here}: the span has no label"
                rows.leave_out("span", reason, "the span has no label", key=number)
                continue
            label = here.get(span, "label", str)
            task.span_of[number] = (start, end, label)
            rows.add_entity(here, start, end, label, number)
    relations = location.get_rows(value, "relations", required=False)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            label = here.get(relation, "label", str)
            head = _find_entity(here, task, relation, "head")
            tail = _find_entity(here, task, relation, "child")
            for found in (head, tail):
                if isinstance(found, _NoEntity):
                    rows.leave_out("relation", found.reason, found.cause)
                    break
            else:
                rows.add_relation(here, head, tail, label)
    document = ours.get("document", _document(value.get("meta")))
    return Record(
        **rows.fields(),
        sentences=_read_sentences(location, ours),
        document=document if isinstance(document, str) else None,
        source=str(location),
        meta=location.rest(value, *_KNOWN)
        | location.check("meta", location.rest(ours).get("meta", {}), dict),
    )


class _NoEntity(NamedTuple):
    """Why a relation has an argument that is not an entity."""

    reason: str
    cause: str


def _find_entity(
    here: Location, task: _Task, relation: dict[str, Any], role: str
) -> int | _NoEntity:
    """The row of the entity for the head or child of a relation."""
    span = relation.get(f"{role}_span")
    if span is None:
        return _find_by_token(here, task, relation, role)
    start, end = here.get(span, "start", int), here.get(span, "end", int)
    if span.get("label") is None:  # tokens that are not an entity themselves
        reason = f"{here}: {role}_span has no label, and is not in an entity"
        no_entity = _NoEntity(reason, "an argument has no label")
        return _find_enclosing(task, start, end, no_entity)
    wanted = (start, end, here.get(span, "label", str))
    # the stored indices distinguish equal entities; edits can make them outdated
    match relation.get(_OURS):
        case [int(head), int(child)]:
            number = head if role == "head" else child
            if task.span_of.get(number) == wanted:
                return number
    for number, found in task.span_of.items():
        if found == wanted:
            return number
    problem = f"is {start}..{end} {wanted[2]!r}, which is not one of the spans"
    raise RowError(here.error(f"{role}_span", problem), UNKNOWN_ARGUMENT)


def _find_by_token(
    here: Location, task: _Task, relation: dict[str, Any], role: str
) -> int | _NoEntity:
    """The row of the shortest entity that contains a token."""
    index = here.get(relation, role, int)
    tokens = task.tokens
    if index not in range(len(tokens)):
        problem = f"is {index}, but there are {len(tokens)} tokens"
        raise RowError(here.error(role, problem), UNKNOWN_ARGUMENT)
    get = partial(here.at(f"token {index}").get, tokens[index])
    start, end = get("start", int), get("end", int)
    covered = short_repr(tokens[index].get("text"))
    reason = f"{here}: {role}, token {index} {covered}, is not in an entity"
    no_entity = _NoEntity(reason, "an argument is not in an entity")
    return _find_enclosing(task, start, end, no_entity)


def _find_enclosing(
    task: _Task, start: int, end: int, no_entity: _NoEntity
) -> int | _NoEntity:
    """The row of the shortest entity that contains the characters."""
    # entities that were left out are included: they are the arguments of the annotator
    enclosing = [
        (span[1] - span[0], number)
        for number, span in task.span_of.items()
        if span[0] <= start < end <= span[1]
    ]
    return min(enclosing)[1] if enclosing else no_entity


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


def _write_tokens(
    text: str, offsets: Sequence[tuple[int, int]]
) -> list[dict[str, Any]]:
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
