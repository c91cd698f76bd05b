"""The words of tokenized records, and entity offsets in words."""

from collections.abc import Sequence
from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import OUTSIDE, RowError
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


def word_span(
    here: Location,
    offsets: Sequence[tuple[int, int]],
    start: int,
    end: int,
    *,
    inclusive: bool = False,
) -> tuple[int, int]:
    """Convert the word offsets of a row to character offsets.

    here (Location): The location of the row.
    offsets (Sequence[tuple[int, int]]): Character offsets of the words.
    start, end (int): The first word, and the end of the words.
    inclusive (bool): Whether `end` is the last word, and not the word after it.
    RETURNS (tuple[int, int]): Character offsets, end exclusive.
    RAISES (RowError): J605 for words that do not exist.
    """
    last = end if inclusive else end - 1
    if not 0 <= start <= last < len(offsets):
        kind = "inclusive" if inclusive else "exclusive"
        problem = f"is {start}..{end}, outside the {len(offsets)} tokens (end {kind})"
        raise RowError(here.error("start/end", problem), OUTSIDE)
    return offsets[start][0], offsets[last][1]


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
