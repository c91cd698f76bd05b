"""The JSON format of SpERT and SINET: a list of tokenized sentences.

::

    [{"tokens": [...], "entities": [{"type", "start", "end"}, ...],
      "relations": [{"type", "head", "tail"}, ...], "orig_id": ...}, ...]

Entity offsets are tokens, end exclusive. Head and tail are indices into the entities.
The key "document", the name of the document of a sentence, is an extension.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import Rows
from ..sources import Location, OnSkip, each_record, read_json, refuse, row_counter
from .words import read_words, token_spans, word_span


def read_spert_json(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one sentence per line.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence. ``meta`` keeps the other fields. ``left_out`` has
        the broken entities and relations.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line,
        sentence and field.
    """
    return each_record(
        read_json(path, skip),
        _read_sentence,
        skip,
        row_counter("entities", "relations"),
    )


def _read_sentence(item: tuple[Location, Any]) -> Record:
    location, sentence = item
    words = read_words(location, "tokens", location.get(sentence, "tokens", list))
    rows, offsets = Rows.of_words(words), word_offsets(words)
    entities = location.get_rows(sentence, "entities")
    for number, (here, entity) in enumerate(location.each("entity", entities)):
        with rows.row("entity", key=number):
            start, end = here.get(entity, "start", int), here.get(entity, "end", int)
            span = word_span(here, offsets, start, end)
            rows.add_entity(here, *span, here.get(entity, "type", str), number)
    relations = location.get_rows(sentence, "relations", required=False)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            head = here.get(relation, "head", int)
            tail = here.get(relation, "tail", int)
            rows.add_relation(here, head, tail, here.get(relation, "type", str))
    document = sentence.get("document")
    return Record(
        **rows.fields(),
        document=None
        if document is None
        else location.check("document", document, str),
        source=str(location),
        meta=location.rest(sentence, "tokens", "entities", "relations", "document"),
    )


def write_spert_json(records: Iterable[Record], path: Path) -> None:
    """Write tokenized sentences.

    records (Iterable[Record]): The records.
    path (Path): The file.
    RAISES (ValueError): J613 for a record without words or with several sentences,
        J614 for an entity that does not align with the words.
    """
    sentences = [_to_json(record) for record in records]
    path.write_text(json.dumps(sentences, ensure_ascii=False), encoding="utf8")


def _to_json(record: Record) -> dict[str, Any]:
    if record.words is None or record.sentences is not None:
        raise JREError(Errors.J613.format(source=record.source, format="spert"))
    spans = token_spans(record)
    fields = {
        "tokens": list(record.words),
        "entities": [
            {"type": entity.label, "start": start, "end": end}
            for entity, (start, end) in zip(record.entities, spans, strict=True)
        ],
        "relations": [
            {"type": relation.label, "head": relation.head, "tail": relation.tail}
            for relation in record.relations
        ],
        **({} if record.document is None else {"document": record.document}),
    }
    # these fields come first, and meta cannot overwrite them
    return fields | dict(record.meta) | fields
