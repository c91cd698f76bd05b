"""The JSON format of DocRED and Re-DocRED: documents with relations between entities.

::

    [{"title": ..., "sents": [[token, ...], ...],
      "vertexSet": [[{"name", "sent_id", "pos": [start, end], "type"}, ...], ...],
      "labels": [{"h", "t", "r", "evidence"}, ...]}, ...]

``vertexSet`` has the entities, each with its mentions. Positions are tokens of the
sentence, end exclusive. h and t are indices into it.

A relation between two entities becomes relations between their mentions: all pairs of
mentions in the same sentence. If there are none, it becomes one relation between the
two mentions with the smallest distance, which is across sentences.

r is a Wikidata property ("P17"). If ``rel_info.json`` of DocRED is in the folder of the
file, its names ("country") are the labels.
"""

import json
from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from ...annotations import LeftOut, Record
from ...annotations.records import word_offsets
from ...errors import Errors, JREError
from ..rows import LOST_ARGUMENT, UNKNOWN_ARGUMENT, RowError, Rows
from ..sources import (
    Location,
    OnSkip,
    each_record,
    read_json,
    read_text,
    refuse,
    stays_inside,
)
from .words import read_words, word_span

NAMES = "rel_info.json"


def read_docred(path: Path, *, skip: OnSkip = refuse) -> Iterator[Record]:
    """
    path (Path): The file, with a list or one document per line.
    skip (Callable): Called for each skipped document, such as those without labels.
    YIELDS (Record): One per document, with its sentences. An entity of the record is a
        mention. ``meta`` keeps the labels with their evidence, the mentions of each
        entity ("vertexSet") and other fields.
    RAISES (ValueError): J601, J602, J604 for the file, J655 for ``rel_info.json``. With
        `refuse`: J605 with line and field, J617 if ``rel_info.json`` is a symbolic link
        to a target outside the folder.
    """
    info = path.with_name(NAMES)
    names = _read_names(info) if stays_inside(info, path.parent, skip) else {}
    parse = partial(_read_document, names, skip)
    return each_record(read_json(path, skip), parse, skip, _count)


def _read_names(path: Path) -> dict[str, str]:
    if not path.is_file():
        return {}
    try:
        names = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise JREError(Errors.J655.format(path=path, problem=error)) from error
    if not isinstance(names, dict) or not all(
        isinstance(name, str) and name for name in names.values()
    ):
        problem = "it is not an object with a name for each id"
        raise JREError(Errors.J655.format(path=path, problem=problem))
    return names


def _count(item: tuple[Location, Any]) -> tuple[int, int]:
    document = item[1] if isinstance(item[1], dict) else {}
    entities, labels = document.get("vertexSet"), document.get("labels")
    mentions = entities if isinstance(entities, list) else []
    return (
        sum(len(rows) for rows in mentions if isinstance(rows, list)),
        len(labels) if isinstance(labels, list) else 0,
    )


def _read_document(
    names: dict[str, str], skip: OnSkip, item: tuple[Location, Any]
) -> Record | None:
    location, document = item
    sentences = [
        read_words(location, "sents", location.check("sents", sentence, list))
        for sentence in location.get(document, "sents", list)
    ]
    entities = location.get_rows(document, "vertexSet")
    if document.get("labels") is None:
        cause = "the document is not annotated: it has no labels"
        skip(LeftOut("record", f"{location}: {cause}", cause=cause))
        return None
    words = tuple(word for sentence in sentences for word in sentence)
    remaining = iter(word_offsets(words))
    offsets_of = [[next(remaining) for _ in sentence] for sentence in sentences]
    rows = Rows.of_words(words)
    sentence_of: list[int] = []  # of each mention
    mentions_of: list[list[int]] = []
    for place, mentions in location.each("entity", entities):
        kept: list[int] = []
        mentions_of.append(kept)
        with rows.row("entity"):
            place.check("vertexSet", mentions, list)
        places = place.each("mention", mentions if isinstance(mentions, list) else [])
        for here, mention in places:
            with rows.row("entity"):
                number = here.get(mention, "sent_id", int)
                if not 0 <= number < len(sentences):
                    problem = f"is {number}, but there are {len(sentences)} sentences"
                    raise here.error("sent_id", problem)
                position = here.get(mention, "pos", list)
                if len(position) != 2:
                    raise here.error("pos", f"has {len(position)} values, not 2")
                start, end = (here.check("pos", value, int) for value in position)
                span = word_span(here, offsets_of[number], start, end)
                label = here.get(mention, "type", str)
                kept.append(rows.add_entity(here, *span, label))
                sentence_of.append(number)
    for here, label in location.each("label", location.get(document, "labels", list)):
        with rows.row("relation"):
            head, tail = (
                _find_mentions(here, role, here.get(label, role, int), mentions_of)
                for role in ("h", "t")
            )
            name = here.get(label, "r", str)
            if not head or not tail:
                reason = f"{here}: all mentions of the entity were left out"
                rows.leave_out("relation", reason, LOST_ARGUMENT)
                continue
            for pair in _choose_pairs(rows, sentence_of, head, tail):
                rows.add_relation(here, *pair, names.get(name, name))
    bounds = [(offsets[0][0], offsets[-1][1]) for offsets in offsets_of if offsets]
    title = document.get("title")
    return Record(
        **rows.fields(),
        sentences=tuple(bounds) if len(bounds) > 1 else None,
        document=None
        if title is None
        else str(location.check("title", title, (str, int))),
        source=str(location),
        meta={
            **location.rest(document, "title", "sents", "vertexSet"),
            "vertexSet": mentions_of,
        },
    )


def _find_mentions(
    here: Location, role: str, number: int, mentions_of: list[list[int]]
) -> list[int]:
    if not 0 <= number < len(mentions_of):
        problem = f"is {number}, but there are {len(mentions_of)} entities"
        raise RowError(here.error(role, problem), UNKNOWN_ARGUMENT)
    return mentions_of[number]


def _choose_pairs(
    rows: Rows, sentence_of: list[int], heads: list[int], tails: list[int]
) -> list[tuple[int, int]]:
    """Choose the pairs of mentions of a relation. A mention is only related to itself
    if there is no other pair."""

    def span(mention: int) -> tuple[int, int]:
        entity = rows.entities[mention]
        return entity.start, entity.end

    def distance(pair: tuple[int, int]) -> int:
        (start, end), (other_start, other_end) = map(span, pair)
        return max(start - other_end, other_start - end)

    def distinct(mentions: list[int]) -> list[int]:
        found: dict[tuple[int, int], int] = {}
        for mention in mentions:  # some files have a mention twice
            found.setdefault(span(mention), mention)
        return list(found.values())

    every = list(product(distinct(heads), distinct(tails)))
    pairs = [(head, tail) for head, tail in every if span(head) != span(tail)] or every
    together = [(h, t) for h, t in pairs if sentence_of[h] == sentence_of[t]]
    return together or [min(pairs, key=distance)]
