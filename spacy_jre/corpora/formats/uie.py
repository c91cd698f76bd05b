"""The JSON lines of UIE (Lu et al. 2022): tokenized sentences.

::

    {"text": ..., "tokens": [token, ...],
     "entity": [{"type", "offset": [token, ...], "text"}, ...],
     "relation": [{"type", "args": [{"type", "offset", "text"}, {...}]}, ...],
     "event": [...], ...}

An offset has all tokens of an entity. The first argument of a relation is the head. See
``uie_prompts.py`` for the JSON lines of PaddleNLP's UIE.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from ...annotations import Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import Rows, check_text
from ..sources import (
    Discontinuous,
    Location,
    OnSkip,
    each_record,
    read_json,
    refuse,
    row_counter,
    short_repr,
)
from .words import read_words, word_span

DISCONTINUOUS = "the entity is discontinuous"


def read_uie(
    path: Path, *, skip: OnSkip = refuse, discontinuous: Discontinuous = "skip"
) -> Iterator[Record]:
    """
    path (Path): The file, with one sentence per line or a list.
    skip (Callable): Called for each skipped sentence.
    discontinuous (str): How to read a discontinuous entity: "skip" leaves it out,
        "cover" reads the span from its first to its last token.
    YIELDS (Record): One per sentence. If the text is not its tokens joined by spaces
        (as in Chinese), the record has the text and no tokens. ``meta`` keeps the
        events and other fields. ``left_out`` has the broken entities and relations.
    RAISES (ValueError): J601, J602, J608 for the file and the setting. With `refuse`:
        J604, J605 with line and field.
    """
    if discontinuous not in ("skip", "cover"):
        setting = {"name": "discontinuous", "value": discontinuous}
        raise JREError(
            Errors.J608.format(path=path, expected="skip or cover", **setting)
        )
    parse = partial(_read_sentence, discontinuous == "cover")
    return each_record(
        read_json(path, skip), parse, skip, row_counter("entity", "relation")
    )


def _read_sentence(cover: bool, item: tuple[Location, Any]) -> Record:
    location, sentence = item
    text = location.get(sentence, "text", str)
    tokens = location.get(sentence, "tokens", list)
    words = read_words(location, "tokens", tokens)
    is_joined = text == " ".join(words)
    offsets = word_offsets(words) if is_joined else _find_words(location, text, words)
    rows = Rows.of_words(words) if is_joined else Rows(text)
    entities = location.get_rows(sentence, "entity")
    key_of: dict[tuple[tuple[int, ...], str], int] = {}
    for index, (here, entity) in enumerate(location.each("entity", entities)):
        with rows.row("entity", key=index):
            offset, label = _read_offset(here, entity), here.get(entity, "type", str)
            key_of.setdefault((offset, label), index)
            start, end = word_span(here, offsets, offset[0], offset[-1], inclusive=True)
            if list(offset) != list(range(offset[0], offset[-1] + 1)):
                if not cover:
                    reason = f"{here}: is discontinuous: tokens {list(offset)}"
                    rows.leave_out("entity", reason, DISCONTINUOUS, key=index)
                    continue
            elif not is_joined and entity.get("text") is not None:
                # the texts in the rows are the tokens, joined in one way or another
                check_text(here, text, start, end, here.get(entity, "text", str))
            rows.add_entity(here, start, end, label, index)
    relations = location.get_rows(sentence, "relation", required=False)
    for here, relation in location.each("relation", relations):
        with rows.row("relation"):
            arguments = here.get(relation, "args", list)
            if len(arguments) != 2:
                raise here.error("args", f"has {len(arguments)} values, not 2")
            keys = [
                (_read_offset(place, argument), place.get(argument, "type", str))
                for place, argument in here.each("argument", arguments)
            ]
            head, tail = (key_of.get(key, key) for key in keys)
            rows.add_relation(here, head, tail, here.get(relation, "type", str))
    events = location.check("event", sentence.get("event") or [], list)
    if events:
        reason = f"{location}: {len(events)} event(s)"
        rows.leave_out("event", reason, "events are not supported")
    known = ("text", "tokens", "entity", "relation")
    return Record(
        **rows.fields(),
        source=str(location),
        meta=location.rest(sentence, *known),
    )


def _read_offset(here: Location, row: Any) -> tuple[int, ...]:
    offset = here.get(row, "offset", list)
    if not offset:
        raise here.error("offset", "is empty")
    return tuple(sorted({here.check("offset", value, int) for value in offset}))


def _find_words(
    location: Location, text: str, words: tuple[str, ...]
) -> list[tuple[int, int]]:
    """RETURNS (list[tuple[int, int]]): Character offsets of the words in the text.
    RAISES (ValueError): J605 for a word that is not there."""
    offsets, position = [], 0
    for word in words:
        start = text.find(word, position)
        if start < 0 or text[position:start].strip():
            raise location.error(
                "tokens", f"has {short_repr(word)}, which is not next in the text"
            )
        position = start + len(word)
        offsets.append((start, position))
    return offsets
