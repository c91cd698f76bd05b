"""The words of tokenized records, and entity offsets in words."""

from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..sources import Location, short_repr


def read_words(location: Location, field: str, words: list[Any]) -> tuple[str, ...]:
    """RETURNS (tuple[str, ...]): The words.
    RAISES (ValueError): J605 for a word that is not a non-empty string."""
    for word in words:
        if not isinstance(word, str) or not word:
            raise location.error(
                field, f"has {short_repr(word)}, which is not a non-empty string"
            )
    return tuple(words)


def token_spans(record: Record) -> list[tuple[int, int]]:
    """Get the token offsets of the entities of a record with words.

    record (Record): The record.
    RETURNS (list[tuple[int, int]]): Token offsets, end exclusive.
    RAISES (ValueError): J614 for an entity that does not align with the words.
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
