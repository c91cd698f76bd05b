"""Find the mentions of triples that only say surface forms.

Some formats name the arguments of a relation by their text alone. A form can occur more
than once, so a rule decides:

1. A text ``title@sentence`` (CH-DDI, CMeIE): the form that is the title is taken there,
   every other form behind the ``@`` where it occurs there.
2. An occurrence that begins or ends inside a word of letters counts only if there is no
   other; of the rest, one inside a longer form of the same text ("insulin" in "insulin
   glargine"), likewise.
3. Of what is left: the two occurrences nearest to each other, which do not overlap, the
   first of equals (``nearest``); the first of each form (``first``); or every one
   (``all``).

A triple of a form with itself joins a mention with itself.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from ...annotations import EntityRecord, LeftOut, RelationRecord
from ...errors import Errors, JREError
from ..sources import Place
from .ade import find_all

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
    """What the forms became: entities by place, relations in the triples' order."""

    entities: tuple[EntityRecord, ...]
    relations: tuple[RelationRecord, ...]
    left_out: tuple[LeftOut, ...]


def check_repeats(value: str) -> None:
    """RAISES (ValueError): J202 for a rule that is none."""
    if value not in get_args(Repeats):
        allowed = ", ".join(get_args(Repeats))
        raise JREError(Errors.J202.format(name="repeats", allowed=allowed, value=value))


def find_mentions(
    place: Place,
    text: str,
    triples: Sequence[Triple],
    others: Iterable[Form] = (),
    repeats: Repeats = "nearest",
) -> Mentions:
    """Give each triple its place in the text, by the rule of this module.

    triples (Sequence[Triple]): What is said of the text.
    others (Iterable[Form]): Entities that stand in no triple.
    RETURNS (Mentions): What the text does not hold is left out, and named.
    """
    others = list(others)
    forms = {f.text for t in triples for f in (t.head, t.tail)}
    forms.update(form.text for form in others)
    where = {form: _occurrences(text, form, forms) for form in forms if form}
    entities: dict[tuple[int, int, str], None] = {}
    joined: dict[tuple[tuple[int, int, str], str, tuple[int, int, str]], None] = {}
    left_out = []
    for triple in triples:
        missing = [f.text for f in (triple.head, triple.tail) if not where.get(f.text)]
        if missing:
            reason = f"{place}: {triple.label}: {missing[0]!r} is not in the text"
            left_out.append(LeftOut("relation", reason))
            continue
        pairs = _choose(where[triple.head.text], where[triple.tail.text], repeats)
        for head, tail in pairs:
            keys = (*head, triple.head.label), (*tail, triple.tail.label)
            entities.update(dict.fromkeys(keys))
            joined[keys[0], triple.label, keys[1]] = None
    for form in others:
        found = where.get(form.text, [])
        if not found:
            reason = f"{place}: {form.label} {form.text!r} is not in the text"
            left_out.append(LeftOut("entity", reason))
        if repeats != "all":
            known = any((*range_, form.label) in entities for range_ in found)
            found = [] if known else found[:1]
        for start, end in found:
            entities[start, end, form.label] = None
    order = {key: index for index, key in enumerate(sorted(entities))}
    return Mentions(
        tuple(EntityRecord(*key) for key in order),
        tuple(RelationRecord(order[h], order[t], label) for h, label, t in joined),
        tuple(left_out),
    )


def _choose(
    heads: list[Range], tails: list[Range], repeats: Repeats
) -> list[tuple[Range, Range]]:
    if heads == tails:  # one form
        return [(place, place) for place in (heads if repeats == "all" else heads[:1])]
    if repeats == "all":
        return list(product(heads, tails))
    if repeats == "first":
        return [(heads[0], tails[0])]
    return [min(product(heads, tails), key=_distance)]


def _distance(pair: tuple[Range, Range]) -> tuple[bool, int]:
    (start, end), (other_start, other_end) = pair
    gap = max(other_start - end, start - other_end)
    return gap < 0, abs(gap)  # what overlaps comes last


def find_title(text: str) -> str | None:
    """RETURNS (str | None): What a text ``title@sentence`` has before the sign."""
    match = _TITLE.match(text)
    return match[1] if match else None


def _occurrences(text: str, form: str, forms: Iterable[str]) -> list[Range]:
    """The places of a form that the first two rules leave."""
    found = _find(text, form)
    title = find_title(text)
    if title is not None:
        if form == title:
            return found[:1]
        found = [place for place in found if place[0] > len(title)] or found
    found = [place for place in found if not _cuts_word(text, *place)] or found
    longer = [other for other in forms if len(other) > len(form)]
    covers = [place for other in longer for place in _find(text, other)]
    free = [
        (start, end)
        for start, end in found
        if not any(a <= start and end <= b for a, b in covers)
    ]
    return free or found


def _find(text: str, form: str) -> list[Range]:
    """The places of a form; in other letters, large or small, if there is none."""
    found = [(at, at + len(form)) for at in find_all(text, form)]
    if not found and len(text.lower()) == len(text):
        small = form.lower()
        found = [(at, at + len(small)) for at in find_all(text.lower(), small)]
    return found


def _cuts_word(text: str, start: int, end: int) -> bool:
    """Tell whether a place begins or ends inside a word written with letters that
    belong together, as Latin and Cyrillic ones do and Chinese ones do not."""
    return any(
        0 < at < len(text) and _is_letter(text[at - 1]) and _is_letter(text[at])
        for at in (start, end)
    )


def _is_letter(sign: str) -> bool:
    # scripts without blanks between words begin with the Thai letters
    return sign.isalnum() and ord(sign) < 0x0E00
