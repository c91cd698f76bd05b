"""The JSON format of SpERT and SINET: a list of tokenized sentences.

::

    [{"tokens": [...], "entities": [{"type", "start", "end"}, ...],
      "relations": [{"type", "head", "tail"}, ...], "orig_id": ...}, ...]

Entity offsets are tokens, end exclusive. Head and tail are indices into the entities.
The key "document", the name of the document of a sentence, is an extension.
"""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, Record, RelationRecord
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..sources import Location, OnSkip, each_record, read_json, refuse
from .words import read_words, token_spans


def read_spert_json(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one sentence per line.
    skip (Callable): Called for each skipped sentence.
    YIELDS (Record): One per sentence. ``meta`` keeps the other fields.
    RAISES (ValueError): J601, J602, J604 for the file. With `refuse`: J605 with line,
        sentence and field, J107-J109 for annotation out of range.
    """
    return each_record(read_json(path, skip), _read_sentence, skip)


def _read_sentence(item: tuple[Location, Any]) -> Record:
    location, sentence = item
    words = read_words(location, "tokens", location.get(sentence, "tokens", list))
    offsets = word_offsets(words)
    entities = []
    for index, entity in enumerate(location.get(sentence, "entities", list)):
        here = location.at(f"entity {index}")
        start, end = here.get(entity, "start", int), here.get(entity, "end", int)
        if not 0 <= start < end <= len(words):
            raise here.error(
                "start/end",
                f"is {start}..{end}, outside the {len(words)} tokens (end exclusive)",
            )
        label = here.get(entity, "type", str)
        entities.append(EntityRecord(offsets[start][0], offsets[end - 1][1], label))
    relations = []
    for index, relation in enumerate(location.get(sentence, "relations", list)):
        get = partial(location.at(f"relation {index}").get, relation)
        relations.append(
            RelationRecord(get("head", int), get("tail", int), get("type", str))
        )
    document = sentence.get("document")
    return Record(
        text=" ".join(words),
        entities=tuple(entities),
        relations=tuple(relations),
        words=words,
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
