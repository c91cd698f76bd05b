"""The text of a task of Label Studio, and the offsets of the regions in it.

An export does not have the labeling setup, which names the field of the text. The
regions repeat the texts that they cover, which shows the field and the unit of the
offsets.
"""

import re
from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice
from typing import Any

from ..sources import as_integer
from .html_text import COLLAPSIBLE, HtmlText
from .offsets import from_utf16

# converts start and end in a unit, to None if they are outside the text
Convert = Callable[[int, int], tuple[int, int] | None]
Value = dict[str, Any]


class TaskText:
    """A field of the data of a task, and the units that its offsets can have.

    field (str): Name of the field.
    value (str): The text or HTML.
    html (bool): Whether it is HTML.

    text (str): The text, or the visible text of HTML.
    converts (list[Convert]): The conversion of each unit.
    """

    def __init__(self, field: str, value: str, html: bool):
        self.field, self.html = field, html
        if html:
            parsed = HtmlText(value)
            self.text, self.converts = parsed.text, _html_units(parsed)
        else:
            self.text, self.converts = value, _plain_units(value)

    def find_each(self, value: Value) -> list[tuple[int, int] | None]:
        """Find a region by its offsets.

        value (dict): The value of the region.
        RETURNS (list[tuple[int, int] | None]): Its offsets in the text, for each unit.
            None if they are outside the text, or if the region covers another text.
        """
        offsets = offsets_of(value)
        if offsets is None:
            return [None] * len(self.converts)
        spans = [convert(*offsets) for convert in self.converts]
        return [
            span if span and _matches(self.text[slice(*span)], value) else None
            for span in spans
        ]

    def find_once(self, value: Value) -> tuple[int, int] | None:
        """Find a region of HTML by its text, because browsers count differently.

        value (dict): The value of the region.
        RETURNS (tuple[int, int] | None): Its offsets in the text. None if its text
            does not occur exactly once.
        """
        words = words_of(value)
        if not self.html or not words:
            return None
        pattern = r"\s*".join(map(re.escape, words))
        found = [match.span() for match in islice(re.finditer(pattern, self.text), 2)]
        return found[0] if len(found) == 1 else None


def _with_utf16(text: str, convert: Convert) -> list[Convert]:
    """A conversion of offsets in characters, and that of UTF-16 code units, if they
    differ. The editor uses characters, older versions used code units."""
    if text.isascii() or max(text) <= "\uffff":
        return [convert]
    return [convert, partial(_from_units, from_utf16(text), convert)]


def _plain_units(text: str) -> list[Convert]:
    units = _with_utf16(text, partial(_inside, len(text)))
    if "\r\n" in text:  # one character in browsers
        pairs = {match.end() - 1 for match in re.finditer("\r\n", text)}
        positions = [i for i in range(len(text) + 1) if i not in pairs]
        convert = partial(_from_units, dict(enumerate(positions)), units[0])
        units += _with_utf16(text.replace("\r\n", "\n"), convert)
    return units


def _html_units(parsed: HtmlText) -> list[Convert]:
    counted, leading = parsed.counted, 0
    if not parsed.has_body:
        leading = len(counted) - len(counted.lstrip(COLLAPSIBLE))
    return [
        convert
        for shift in sorted({0, leading})
        for convert in _with_utf16(counted[shift:], partial(_counted, parsed, shift))
    ]


def _inside(length: int, start: int, end: int) -> tuple[int, int] | None:
    return (start, end) if 0 <= start < end <= length else None


def _counted(
    parsed: HtmlText, shift: int, start: int, end: int
) -> tuple[int, int] | None:
    if _inside(len(parsed.counted) - shift, start, end) is None:
        return None
    return parsed.starts[start + shift], parsed.ends[end + shift - 1]


def _from_units(
    units: dict[int, int], convert: Convert, start: int, end: int
) -> tuple[int, int] | None:
    if start not in units or end not in units:
        return None
    return convert(units[start], units[end])


def offsets_of(value: Value) -> tuple[int, int] | None:
    """The offsets of a region. None if it has none, or only XPaths."""
    whole = value.get("globalOffsets")
    ends = whole if isinstance(whole, dict) else value
    start, end = as_integer(ends.get("start")), as_integer(ends.get("end"))
    if type(start) is int and type(end) is int:
        return start, end
    return None


def is_in_html(value: Value) -> bool:
    """Whether a region is in HTML: its start is an XPath."""
    start = value.get("start")
    return "globalOffsets" in value or (isinstance(start, str) and start[:1] == "/")


def words_of(value: Value) -> list[str]:
    """The text of a region, without whitespace, which browsers can change. Line breaks
    are escaped."""
    text = value.get("text")
    return text.replace("\\n", "\n").split() if isinstance(text, str) else []


def _matches(covered: str, value: Value) -> bool:
    words = words_of(value)
    return not words or "".join(covered.split()) == "".join(words)


def covered_text(
    data: dict[str, str], regions: Sequence[dict[str, Any]]
) -> TaskText | None:
    """Find the field that the regions of a task cover.

    data (dict[str, str]): The fields that can have the text.
    regions (Sequence[dict]): The regions.
    RETURNS (TaskText | None): The text. None if no region repeats its text, or no field
        fits.
    """
    values = [region["value"] for region in regions if words_of(region["value"])]
    html = any(map(is_in_html, values))
    texts = [TaskText(field, value, html) for field, value in data.items()]
    fits = [sum(any(text.find_each(value)) for value in values) for text in texts]
    most = max(fits, default=0)
    if not most:
        return None
    best = {t.field: t for t, count in zip(texts, fits, strict=True) if count == most}
    names = ["text", *(str(region.get("to_name")) for region in regions), *best]
    return next(best[name] for name in names if name in best)
