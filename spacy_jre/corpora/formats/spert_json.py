"""The JSON of SpERT and SINET: a list of tokenised sentences.

::

    [{"tokens": [...], "entities": [{"type", "start", "end"}, ...],
      "relations": [{"type", "head", "tail"}, ...], "orig_id": ...}, ...]

Entity offsets are tokens, end exclusive; head and tail are positions in entities. A key
of ours is "document", the name of the document that a sentence is from.
"""

import json
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import EntityRecord, Record, RelationRecord
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..sources import OnSkip, Place, each_record, read_json, refuse, shorten


def read_spert_json(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file; a list, or a sentence a line.
    skip (Callable): Told of every sentence that is left out.
    YIELDS (Record): One per sentence; ``meta`` keeps what else it holds.
    RAISES (ValueError): J601, J602, J604 for the file. By `refuse`: J605 with line,
        sentence and field, J107-J109 for annotation out of range.
    """
    return each_record(read_json(path, skip), _read_sentence, skip)


def _read_sentence(item: tuple[Place, Any]) -> Record:
    place, sentence = item
    words = read_words(place, "tokens", place.get(sentence, "tokens", list))
    offsets = word_offsets(words)
    entities = []
    for index, entity in enumerate(place.get(sentence, "entities", list)):
        here = place.at(f"entity {index}")
        start, end = here.get(entity, "start", int), here.get(entity, "end", int)
        if not 0 <= start < end <= len(words):
            raise here.wrong(
                "start/end",
                f"is {start}..{end}, outside the {len(words)} tokens (end exclusive)",
            )
        label = here.get(entity, "type", str)
        entities.append(EntityRecord(offsets[start][0], offsets[end - 1][1], label))
    relations = []
    for index, relation in enumerate(place.get(sentence, "relations", list)):
        get = partial(place.at(f"relation {index}").get, relation)
        relations.append(
            RelationRecord(get("head", int), get("tail", int), get("type", str))
        )
    document = sentence.get("document")
    return Record(
        text=" ".join(words),
        entities=tuple(entities),
        relations=tuple(relations),
        words=words,
        document=None if document is None else place.check("document", document, str),
        source=str(place),
        meta=place.rest(sentence, "tokens", "entities", "relations", "document"),
    )


def read_words(place: Place, field: str, words: list[Any]) -> tuple[str, ...]:
    """RAISES (ValueError): J605 for a token that is no string with letters."""
    for word in words:
        if not isinstance(word, str) or not word:
            raise place.wrong(field, f"holds {shorten(word)}, no string with letters")
    return tuple(words)


def write_spert_json(records: Iterable[Record], path: Path) -> None:
    """Write tokenised sentences.

    RAISES (ValueError): J613 for a record without words or with several sentences,
        J614 for an entity that does not end at its words.
    """
    sentences = [_to_json(record) for record in records]
    path.write_text(json.dumps(sentences, ensure_ascii=False), encoding="utf8")


def _to_json(record: Record) -> dict[str, Any]:
    if record.words is None or record.sentences is not None:
        raise JREError(Errors.J613.format(source=record.source, format="spert"))
    spans = token_spans(record)
    own = {
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
    # no word of another format takes the place of ours
    return own | dict(record.meta) | own


def token_spans(record: Record) -> list[tuple[int, int]]:
    """Token offsets of the entities of a record with words, end exclusive.

    RAISES (ValueError): J614 for an entity that does not end at its words.
    """
    offsets = word_offsets(record.words or ())
    starts = {start: index for index, (start, _) in enumerate(offsets)}
    ends = {end: index + 1 for index, (_, end) in enumerate(offsets)}
    spans = []
    for index, entity in enumerate(record.entities):
        if entity.start not in starts or entity.end not in ends:
            raise JREError(Errors.J614.format(source=record.source, index=index))
        spans.append((starts[entity.start], ends[entity.end]))
    return spans
