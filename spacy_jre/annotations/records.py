"""Format-neutral annotated text. Readers create records, and one builder converts
them to Docs."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Errors, JREError

# causes of losses
CROSSING = "the entity crosses a sentence boundary"
ACROSS = "the relation is across sentences"


@dataclass(frozen=True)
class EntityRecord:
    """An entity. Offsets are characters of the record's text, end exclusive.

    score (float): Probability of a prediction. Ignored when records are compared.
    """

    start: int
    end: int
    label: str
    score: float = field(default=1.0, compare=False)


@dataclass(frozen=True)
class RelationRecord:
    """A relation. Head and tail are indices into the record's entities.

    score (float): Probability of a prediction. Ignored when records are compared.
    """

    head: int
    tail: int
    label: str
    score: float = field(default=1.0, compare=False)


@dataclass(frozen=True)
class LeftOut:
    """Content of a file that was left out of the records.

    kind (str): "record" for a whole record. "entity" and "relation" count as losses.
        Any other kind ("event", "note" ...) cannot be stored in a record.
    reason (str): What was left out and why, with the location in the file.
    broken (bool): Whether the file has an error there. False if its content is valid
        but not supported.
    cause (str): The reason without details, such as "the offsets are outside the
        text". Reports count the content that was left out by kind and cause.
    entities, relations (int): For a broken record: the number of its entities and
        relations, which are lost with it.
    """

    kind: str
    reason: str
    broken: bool = False
    cause: str = ""
    entities: int = 0
    relations: int = 0


@dataclass(frozen=True)
class Record:
    """An annotated text, independent of the file format.

    text (str): The text. For tokenized formats, the words joined by single spaces.
    entities (tuple[EntityRecord, ...]): The entities in file order, including nested
        ones.
    relations (tuple[RelationRecord, ...]): The relations in file order, including
        duplicates.
    words (tuple[str, ...] | None): The tokens, if the format has tokens.
    sentences (tuple[tuple[int, int], ...] | None): Character offsets of the
        sentences. None if the record is one sentence.
    document (str | None): Name of the document that the text is from, if known. A
        split keeps the records of a document together.
    left_out (tuple[LeftOut, ...]): Annotation in the file that the record leaves out.
    trimmed (int): Number of entities that had whitespace at the start or end in the
        file. Ignored when records are compared.
    source (str): File and location, for messages. Ignored when records are compared.
    meta (Mapping[str, Any]): Other fields of the format, such as ``orig_id``.
    """

    text: str
    entities: tuple[EntityRecord, ...] = ()
    relations: tuple[RelationRecord, ...] = ()
    words: tuple[str, ...] | None = None
    sentences: tuple[tuple[int, int], ...] | None = None
    document: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    trimmed: int = field(default=0, compare=False)
    source: str = field(default="record", compare=False)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """RAISES (ValueError): J107-J109, J111 for an invalid offset, index, label or
        text."""
        try:
            self.text.encode("utf8")
        except UnicodeEncodeError as error:
            raise JREError(
                Errors.J111.format(source=self.source, position=error.start)
            ) from error
        for index, entity in enumerate(self.entities):
            if not 0 <= entity.start < entity.end <= len(self.text):
                raise JREError(
                    Errors.J107.format(
                        source=self.source,
                        kind="entity",
                        index=index,
                        start=entity.start,
                        end=entity.end,
                        length=len(self.text),
                    )
                )
            if not entity.label:
                raise JREError(
                    Errors.J109.format(source=self.source, kind="entity", index=index)
                )
        for index, relation in enumerate(self.relations):
            if not relation.label:
                raise JREError(
                    Errors.J109.format(source=self.source, kind="relation", index=index)
                )
            for role in ("head", "tail"):
                entity_index = getattr(relation, role)
                if not 0 <= entity_index < len(self.entities):
                    raise JREError(
                        Errors.J108.format(
                            source=self.source,
                            index=index,
                            label=relation.label,
                            role=role,
                            entity=entity_index,
                            count=len(self.entities),
                        )
                    )


def word_offsets(words: Sequence[str]) -> list[tuple[int, int]]:
    """Character offsets of words joined by single spaces."""
    offsets, position = [], 0
    for word in words:
        offsets.append((position, position + len(word)))
        position += len(word) + 1
    return offsets


def split_sentences(record: Record) -> Iterator[Record]:
    """Split a record into one record per sentence.

    record (Record): The record. Without sentence boundaries it is yielded unchanged.
    YIELDS (Record): The sentences, without ``meta``. Entities and relations across
        sentences are left out. The sentence in which they (or their head) start reports
        them in ``left_out``.
    """
    if record.sentences is None:
        yield record
        return
    words = list(zip(word_offsets(record.words or ()), record.words or (), strict=True))
    # annotation between two sentences is reported for the first of them
    borders = [0, *(start for start, _ in record.sentences[1:]), len(record.text)]
    for number, (start, end) in enumerate(record.sentences):
        source = f"{record.source}, sentence {number}"
        entities: list[EntityRecord] = []
        kept: dict[int, int] = {}
        left_out = list(record.left_out) if number == 0 else []
        starts_here = set()
        for index, entity in enumerate(record.entities):
            if not borders[number] <= entity.start < borders[number + 1]:
                continue
            starts_here.add(index)
            if entity.start < start or entity.end > end:
                reason = f"{source}: entity {index} crosses the sentence boundary"
                left_out.append(LeftOut("entity", reason, cause=CROSSING))
                continue
            kept[index] = len(entities)
            entities.append(
                replace(entity, start=entity.start - start, end=entity.end - start)
            )
        relations = []
        for index, relation in enumerate(record.relations):
            if relation.head in kept and relation.tail in kept:
                head, tail = kept[relation.head], kept[relation.tail]
                relations.append(replace(relation, head=head, tail=tail))
            elif relation.head in starts_here:
                reason = f"{source}: relation {index} is across sentences"
                left_out.append(LeftOut("relation", reason, cause=ACROSS))
        inside = tuple(word for (first, _), word in words if start <= first < end)
        yield replace(
            record,
            text=record.text[start:end],
            entities=tuple(entities),
            relations=tuple(relations),
            words=None if record.words is None else inside,
            sentences=None,
            left_out=tuple(left_out),
            trimmed=record.trimmed if number == 0 else 0,
            source=source,
            meta={},  # describes the whole record
        )
