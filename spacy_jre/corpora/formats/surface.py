"""Find the mentions of triples of surface forms.

Some formats define the arguments of a relation by their surface form only. If a form
occurs more than once, its mentions are chosen as follows:

1. If the text is ``title@sentence`` (CH-DDI, CMeIE), a form that equals the title is
   found in the title. Other forms are found after the ``@`` if they occur there.
2. Occurrences that start or end inside a word are ignored if there are others. Of the
   rest, occurrences inside a longer form of the same text ("insulin" in "insulin
   glargine") are ignored if there are others.
3. Of the remaining occurrences, the setting `repeats` selects the closest pair that
   does not overlap (``nearest``; the first of equally close pairs), the first
   occurrence of each form (``first``), or all occurrences (``all``).

If both arguments have the same form, the relation is between a mention and itself.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from ...annotations import EntityRecord, LeftOut, RelationRecord
from ...errors import Errors, JREError
from ..sources import Location

Repeats = Literal["nearest", "first", "all"]
Range = tuple[int, int]

_TITLE = re.compile(r"([^@\s]{1,80})@")


@dataclass(frozen=True)
class Form:
    """A surface form and its entity label."""

    text: str
    label: str


@dataclass(frozen=True)
class Triple:
    """A relation between surface forms."""

    head: Form
    label: str
    tail: Form


@dataclass(frozen=True)
class Mentions:
    """Entities sorted by offset, and relations in the order of the triples."""

    entities: tuple[EntityRecord, ...]
    relations: tuple[RelationRecord, ...]
    left_out: tuple[LeftOut, ...]


def check_repeats(value: str) -> None:
    """RAISES (ValueError): J202 for an unknown rule."""
    if value not in get_args(Repeats):
        allowed = ", ".join(get_args(Repeats))
        raise JREError(Errors.J202.format(name="repeats", allowed=allowed, value=value))


def find_mentions(
    location: Location,
    text: str,
    triples: Sequence[Triple],
    others: Iterable[Form] = (),
    repeats: Repeats = "nearest",
) -> Mentions:
    """Find the mentions of triples in a text. See above for the rules.

    location (Location): Location of the text, for messages.
    text (str): The text.
    triples (Sequence[Triple]): The relations of the text.
    others (Iterable[Form]): Entities that are in no triple.
    repeats (str): Rule for the mentions of a repeated form.
    RETURNS (Mentions): The entities and relations. Forms that do not occur in the text
        are reported in ``left_out``.
    """
    others = list(others)
    forms = {f.text for t in triples for f in (t.head, t.tail)}
    forms.update(form.text for form in others)
    spans_of = {form: _occurrences(text, form, forms) for form in forms if form}
    entities: dict[tuple[int, int, str], None] = {}
    relations: dict[tuple[tuple[int, int, str], str, tuple[int, int, str]], None] = {}
    left_out = []
    for triple in triples:
        forms_of = (triple.head.text, triple.tail.text)
        missing = [form for form in forms_of if not spans_of.get(form)]
        if missing:
            reason = f"{location}: {triple.label}: {missing[0]!r} is not in the text"
            left_out.append(LeftOut("relation", reason))
            continue
        head_spans, tail_spans = (spans_of[form] for form in forms_of)
        pairs = choose_pairs(head_spans, tail_spans, repeats)
        for head, tail in pairs:
            keys = (*head, triple.head.label), (*tail, triple.tail.label)
            entities.update(dict.fromkeys(keys))
            relations[keys[0], triple.label, keys[1]] = None
    for form in others:
        spans = spans_of.get(form.text, [])
        if not spans:
            reason = f"{location}: {form.label} {form.text!r} is not in the text"
            left_out.append(LeftOut("entity", reason))
        if repeats != "all":
            known = any((*span, form.label) in entities for span in spans)
            spans = [] if known else spans[:1]
        for start, end in spans:
            entities[start, end, form.label] = None
    order = {key: index for index, key in enumerate(sorted(entities))}
    return Mentions(
        tuple(EntityRecord(*key) for key in order),
        tuple(RelationRecord(order[h], order[t], label) for h, label, t in relations),
        tuple(left_out),
    )


def choose_pairs(
    heads: list[Range], tails: list[Range], repeats: Repeats
) -> list[tuple[Range, Range]]:
    """Choose the mentions of a relation. See the third rule above.

    heads, tails (list[Range]): The offsets of the mentions of both arguments, sorted.
        If they are equal, the relation is between a mention and itself.
    repeats (str): Rule for several mentions.
    RETURNS (list[tuple[Range, Range]]): Head and tail of each relation.
    """
    if heads == tails:  # the same form
        return [(span, span) for span in (heads if repeats == "all" else heads[:1])]
    if repeats == "all":
        return list(product(heads, tails))
    if repeats == "first":
        return [(heads[0], tails[0])]
    return [min(product(heads, tails), key=_distance)]


def _distance(pair: tuple[Range, Range]) -> tuple[bool, int]:
    (start, end), (other_start, other_end) = pair
    gap = max(other_start - end, start - other_end)
    return gap < 0, abs(gap)  # overlapping pairs come last


def find_title(text: str) -> str | None:
    """RETURNS (str | None): The title of a text ``title@sentence``."""
    match = _TITLE.match(text)
    return match[1] if match else None


def _occurrences(text: str, form: str, forms: Iterable[str]) -> list[Range]:
    """The spans of a form after applying the first two rules."""
    spans = _find(text, form)
    title = find_title(text)
    if title is not None:
        if form == title:
            return spans[:1]
        spans = [span for span in spans if span[0] > len(title)] or spans
    spans = [span for span in spans if not _cuts_word(text, *span)] or spans
    longer = [other for other in forms if len(other) > len(form)]
    covers = [span for other in longer for span in _find(text, other)]
    free = [
        (start, end)
        for start, end in spans
        if not any(a <= start and end <= b for a, b in covers)
    ]
    return free or spans


def _find(text: str, form: str) -> list[Range]:
    """The spans of a form. If there are none, the search is case-insensitive."""
    spans = [(start, start + len(form)) for start in find_all(text, form)]
    if not spans and len(text.lower()) == len(text):
        lower = form.lower()
        spans = [(start, start + len(lower)) for start in find_all(text.lower(), lower)]
    return spans


def find_all(text: str, form: str) -> Iterator[int]:
    """The offsets of all occurrences of a form, overlapping ones included."""
    start = text.find(form)
    while start >= 0:
        yield start
        start = text.find(form, start + 1)


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Whether a span starts or ends inside a word. Only applies to scripts that
    separate words by spaces, such as Latin and Cyrillic, not Chinese."""
    return any(
        0 < i < len(text) and _is_letter(text[i - 1]) and _is_letter(text[i])
        for i in (start, end)
    )


def _is_letter(character: str) -> bool:
    # scripts without spaces between words start at the Thai code block
    return character.isalnum() and ord(character) < 0x0E00
