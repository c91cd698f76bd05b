"""Format-neutral annotated text: what every reader gives and one builder takes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ..errors import Errors, JREError


@dataclass(frozen=True)
class EntityRecord:
    """An entity. Offsets are characters of the record's text, end exclusive."""

    start: int
    end: int
    label: str


@dataclass(frozen=True)
class RelationRecord:
    """A relation. Head and tail are positions in the record's entities, from 0."""

    head: int
    tail: int
    label: str


@dataclass(frozen=True)
class LeftOut:
    """Something a file holds and a record does not.

    kind (str): "record" for a whole record; "entity" and "relation" count as losses;
        any other kind ("event", "note" ...) is a thing no record has a place for.
    reason (str): What and why, with file and place.
    broken (bool): Whether the file is wrong there, and not just rich.
    """

    kind: str
    reason: str
    broken: bool = False


@dataclass(frozen=True)
class Record:
    """One annotated text, whatever file it came from.

    text (str): The text. Where the format is tokenised, the words joined by blanks.
    entities (tuple[EntityRecord, ...]): In file order, nested ones too.
    relations (tuple[RelationRecord, ...]): In file order, duplicates kept.
    words (tuple[str, ...] | None): The tokens, where the format has them.
    sentences (tuple[tuple[int, int], ...] | None): Character offsets of the
        sentences; None where the record is one sentence.
    document (str | None): Name of the document the text is from, where the format
        knows it. A split keeps the records of a document together.
    left_out (tuple[LeftOut, ...]): What the file says here beyond the record.
    source (str): File and place, for messages; no part of equality.
    meta (Mapping[str, Any]): What else the format keeps, such as ``orig_id``.
    """

    text: str
    entities: tuple[EntityRecord, ...] = ()
    relations: tuple[RelationRecord, ...] = ()
    words: tuple[str, ...] | None = None
    sentences: tuple[tuple[int, int], ...] | None = None
    document: str | None = None
    left_out: tuple[LeftOut, ...] = ()
    source: str = field(default="record", compare=False)
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """RAISES (ValueError): J107-J109, J111 where an offset, a number, a label or
        the text is wrong."""
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
                position = getattr(relation, role)
                if not 0 <= position < len(self.entities):
                    raise JREError(
                        Errors.J108.format(
                            source=self.source,
                            index=index,
                            label=relation.label,
                            role=role,
                            entity=position,
                            count=len(self.entities),
                        )
                    )


def word_offsets(words: tuple[str, ...]) -> list[tuple[int, int]]:
    """Character offsets of words joined by single blanks."""
    offsets, position = [], 0
    for word in words:
        offsets.append((position, position + len(word)))
        position += len(word) + 1
    return offsets


def split_sentences(record: Record) -> Iterator[Record]:
    """One record per sentence; a record without sentences is given as it is.

    YIELDS (Record): An entity or relation that lies in no single sentence is left out,
        and named, at the sentence where it (or its head) begins. ``meta`` stays behind.
    """
    if record.sentences is None:
        yield record
        return
    words = list(zip(word_offsets(record.words or ()), record.words or (), strict=True))
    # what stands between two sentences is named at the first of them
    borders = [0, *(start for start, _ in record.sentences[1:]), len(record.text)]
    for number, (start, end) in enumerate(record.sentences):
        source = f"{record.source}, sentence {number}"
        entities: list[EntityRecord] = []
        kept: dict[int, int] = {}
        left_out = list(record.left_out) if number == 0 else []
        begins = set()
        for index, entity in enumerate(record.entities):
            if not borders[number] <= entity.start < borders[number + 1]:
                continue
            begins.add(index)
            if entity.start < start or entity.end > end:
                reason = f"{source}: entity {index} reaches out of the sentence"
                left_out.append(LeftOut("entity", reason))
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
            elif relation.head in begins:
                reason = f"{source}: relation {index} leads across sentences"
                left_out.append(LeftOut("relation", reason))
        inside = tuple(word for (at, _), word in words if start <= at < end)
        yield replace(
            record,
            text=record.text[start:end],
            entities=tuple(entities),
            relations=tuple(relations),
            words=None if record.words is None else inside,
            sentences=None,
            left_out=tuple(left_out),
            source=source,
            meta={},  # speaks of the whole
        )
