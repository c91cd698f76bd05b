"""Format-neutral annotated text: what every reader gives and one builder takes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import Errors


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
class Record:
    """One annotated text, whatever file it came from.

    text (str): The text. Where the format is tokenised, the words joined by blanks.
    entities (tuple[EntityRecord, ...]): In file order, nested ones too.
    relations (tuple[RelationRecord, ...]): In file order, duplicates kept.
    words (tuple[str, ...] | None): The tokens, where the format has them.
    sentences (tuple[tuple[int, int], ...] | None): Character offsets of the
        sentences; None where the record is one sentence.
    source (str): File and place, for messages.
    meta (Mapping[str, Any]): What else the format keeps, such as ``orig_id``.
    """

    text: str
    entities: tuple[EntityRecord, ...] = ()
    relations: tuple[RelationRecord, ...] = ()
    words: tuple[str, ...] | None = None
    sentences: tuple[tuple[int, int], ...] | None = None
    source: str = "record"
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """RAISES (ValueError): J107-J109 where an offset, a number or a label is
        wrong."""
        for index, entity in enumerate(self.entities):
            if not 0 <= entity.start < entity.end <= len(self.text):
                raise ValueError(
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
                raise ValueError(
                    Errors.J109.format(source=self.source, kind="entity", index=index)
                )
        for index, relation in enumerate(self.relations):
            if not relation.label:
                raise ValueError(
                    Errors.J109.format(source=self.source, kind="relation", index=index)
                )
            for role in ("head", "tail"):
                position = getattr(relation, role)
                if not 0 <= position < len(self.entities):
                    raise ValueError(
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
