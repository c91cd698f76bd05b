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

A form that does not occur is searched with another spelling: other Unicode
normalization or number of spaces, then another case, then other accents, then other
spaces next to punctuation. With other accents and spaces, it must not cut a word. The
entity has the characters of the text, and ``left_out`` reports the spelling.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

from ...annotations import EntityRecord, LeftOut, RelationRecord
from ...errors import Errors, JREError
from ..sources import Location

Repeats = Literal["nearest", "first", "all"]
Range = tuple[int, int]

MISSING = "a form is not in the text"
LOST_TRIPLE = "the triple was left out"
SPELLING = "the text has another spelling"
_LEVELS = 4
_STROKE = re.compile(r"LATIN (?:SMALL|CAPITAL) LETTER ([A-Z]) WITH ")
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
    lost: Iterable[Form] = (),
) -> Mentions:
    """Find the mentions of triples in a text. See above for the rules.

    location (Location): Location of the text, for messages.
    text (str): The text.
    triples (Sequence[Triple]): The relations of the text.
    others (Iterable[Form]): Entities that are in no triple.
    repeats (str): Rule for the mentions of a repeated form.
    lost (Iterable[Form]): The arguments of broken triples.
    RETURNS (Mentions): The entities and relations. ``left_out`` has the triples with a
        form that does not occur in the text, and the entities that are only in such
        triples or in `lost`. It also reports the forms that the text spells
        differently. A repeated triple gives repeated relations.
    """
    others = list(others)
    forms = {f.text for t in triples for f in (t.head, t.tail)}
    forms.update(form.text for form in others)
    spellings = _Spellings(text)
    found = {form: spellings.find(form) for form in sorted(forms) if form}
    spans_of = {form: _occurrences(text, form, found) for form in found}
    entities: dict[tuple[int, int, str], None] = {}
    relations: list[tuple[tuple[int, int, str], str, tuple[int, int, str]]] = []
    left_out = []
    kept: set[Form] = set()
    lost_forms = dict.fromkeys(lost)
    for triple in triples:
        arguments = (triple.head, triple.tail)
        missing = [form for form in arguments if not spans_of.get(form.text)]
        if missing:
            name = missing[0].text
            reason = f"{location}: {triple.label}: {name!r} is not in the text"
            left_out.append(LeftOut("relation", reason, cause=MISSING))
            lost_forms.update(dict.fromkeys(arguments))
            continue
        kept.update(arguments)
        head_spans, tail_spans = (spans_of[form.text] for form in arguments)
        pairs = choose_pairs(head_spans, tail_spans, repeats)
        for head, tail in pairs:
            keys = (*head, triple.head.label), (*tail, triple.tail.label)
            entities.update(dict.fromkeys(keys))
            relations.append((keys[0], triple.label, keys[1]))
    for form in others:
        spans = spans_of.get(form.text, [])
        if not spans:
            reason = f"{location}: {form.label} {form.text!r} is not in the text"
            left_out.append(LeftOut("entity", reason, cause=MISSING))
        kept.add(form)
        if repeats != "all":
            known = any((*span, form.label) in entities for span in spans)
            spans = [] if known else spans[:1]
        for start, end in spans:
            entities[start, end, form.label] = None
    for form in lost_forms:
        if not form.text or form in kept:
            continue
        cause, problem = LOST_TRIPLE, "is in no other triple"
        if not spellings.find(form.text):
            cause, problem = MISSING, "is not in the text"
        reason = f"{location}: {form.label} {form.text!r} {problem}"
        left_out.append(LeftOut("entity", reason, cause=cause))
    for name in sorted({form.text for form in kept}):
        for start, end in spans_of.get(name, [])[:1]:
            if name != text[start:end]:
                reason = (
                    f"{location}: {name!r} is spelled {text[start:end]!r} in the text"
                )
                left_out.append(LeftOut("spelling", reason, cause=SPELLING))
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


def _occurrences(text: str, form: str, found: dict[str, list[Range]]) -> list[Range]:
    """The spans of a form after applying the first two rules."""
    spans = found[form]
    title = find_title(text)
    if title is not None:
        if form == title:
            return spans[:1]
        spans = [span for span in spans if span[0] > len(title)] or spans
    spans = [span for span in spans if not _cuts_word(text, *span)] or spans
    covers = [
        span for other in found if len(other) > len(form) for span in found[other]
    ]
    free = [
        (start, end)
        for start, end in spans
        if not any(a <= start and end <= b for a, b in covers)
    ]
    return free or spans


class _Spellings:
    """A text, and its simplified spellings, which are created when required."""

    def __init__(self, text: str):
        self.text = text
        self._simplified: dict[int, tuple[str, list[int]]] = {}

    def find(self, form: str) -> list[Range]:
        """The spans of a form, with the first spelling that has any."""
        spans = [(start, start + len(form)) for start in find_all(self.text, form)]
        for level in range(0 if spans else _LEVELS):
            spans = self._find_simplified(form, level)
            if spans:
                break
        return spans

    def _find_simplified(self, form: str, level: int) -> list[Range]:
        if level not in self._simplified:
            self._simplified[level] = _simplify(self.text, level)
        text, origins = self._simplified[level]
        wanted = _simplify(form.strip(), level)[0]
        spans = []
        for first in find_all(text, wanted) if wanted else ():
            start, last = origins[first], origins[first + len(wanted) - 1]
            # one character of the text can give several
            if first and origins[first - 1] == start:
                continue
            if origins[first + len(wanted) :][:1] == [last]:
                continue
            end = last + 1
            while end < len(self.text) and unicodedata.combining(self.text[end]):
                end += 1
            if level < 2 or not _cuts_word(self.text, start, end):
                spans.append((start, end))
        return spans


def _simplify(text: str, level: int) -> tuple[str, list[int]]:
    """Simplify the spelling of a text.

    text (str): The text.
    level (int): 0: decompose characters and use single spaces. 1: ignore the case, too.
        2: ignore accents, too. 3: ignore spaces that do not separate words, too.
    RETURNS (tuple[str, list[int]]): The simplified text, and the offset in the text for
        each of its characters.
    """
    characters: list[str] = []
    origins: list[int] = []
    for offset, character in enumerate(text):
        if character.isspace():
            simple = "" if characters[-1:] == [" "] else " "
        else:
            simple = unicodedata.normalize("NFKD", character)
            if level > 0:
                simple = unicodedata.normalize("NFKD", simple.casefold())
            if level > 1:
                simple = "".join(map(_without_accent, simple))
        characters += simple
        origins += [offset] * len(simple)
    if level > 2:
        kept = [
            index
            for index, character in enumerate(characters)
            if character != " " or all(map(_is_letter, characters[index - 1 :][:3:2]))
        ]
        characters = [characters[index] for index in kept]
        origins = [origins[index] for index in kept]
    return "".join(characters), origins


def _without_accent(character: str) -> str:
    # classes up to 9 are signs of other scripts that change the letter
    if unicodedata.combining(character) > 9:
        return ""
    # such as "ø", which has no decomposition
    stroke = _STROKE.match(unicodedata.name(character, ""))
    return stroke[1].casefold() if stroke else character


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
