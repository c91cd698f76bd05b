"""Convert offsets of other units to character offsets."""

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

Convert = Callable[[str], Mapping[int, int]]


def from_utf16(text: str) -> dict[int, int]:
    """Map offsets in UTF-16 code units (used by JavaScript and Java) to characters.

    text (str): The text.
    RETURNS (dict[int, int]): Offset in code units -> character offset, including the
        end of the text. Offsets inside a character are missing.
    """
    characters = {}
    unit = 0
    for index, character in enumerate(text):
        characters[unit] = index
        unit += 2 if ord(character) > 0xFFFF else 1
    characters[unit] = len(text)
    return characters


def from_utf8(text: str) -> dict[int, int]:
    """Map offsets in UTF-8 bytes (used by Go, Rust and R) to characters.

    text (str): The text.
    RETURNS (dict[int, int]): Offset in bytes -> character offset, including the end of
        the text. Offsets inside a character are missing.
    """
    characters = {}
    unit = 0
    for index, character in enumerate(text):
        characters[unit] = index
        unit += len(character.encode("utf8", errors="surrogatepass"))
    characters[unit] = len(text)
    return characters


def from_characters(text: str) -> dict[int, int]:
    """RETURNS (dict[int, int]): Each offset, mapped to itself."""
    return {index: index for index in range(len(text) + 1)}


CHARACTERS = "characters"
UNITS: dict[str, Convert] = {
    CHARACTERS: from_characters,
    "UTF-16 code units": from_utf16,
    "UTF-8 bytes": from_utf8,
}


def find_unit(texts: Iterable[tuple[str, list[tuple[int, int]]]]) -> str:
    """Determine the unit of the offsets of a file that does not repeat the texts of
    its entities.

    Entities are inside the text, and rarely start or end inside a word. Another unit
    than characters is only chosen if it has at most a tenth of the entities that do.

    texts (Iterable): Texts with the offsets of their entities, end exclusive.
    RETURNS (str): A key of UNITS.
    """
    faults: Counter[str] = Counter()
    for text, spans in texts:
        if text.isascii():  # all units are equal
            continue
        for unit, convert in UNITS.items():
            offsets = convert(text)
            faults[unit] += sum(_faults(text, offsets, *span) for span in spans)
    others = sorted((faults[unit], unit) for unit in UNITS if unit != CHARACTERS)
    (fewest, best), (second, _) = others
    if faults[CHARACTERS] and 10 * fewest <= faults[CHARACTERS]:
        return best if fewest < second else CHARACTERS
    return CHARACTERS


def _faults(text: str, offsets: Mapping[int, int], start: int, end: int) -> int:
    """The number of wrong edges. Both are wrong if one is outside the text."""
    if start not in offsets or end not in offsets or start >= end:
        return 2
    return _in_word(text, offsets[start]) + _in_word(text, offsets[end])


def _in_word(text: str, position: int) -> bool:
    around = text[max(position - 1, 0) : position + 1]
    # wide: Chinese and Japanese have no spaces between words
    return len(around) == 2 and all(
        c.isalnum() and unicodedata.east_asian_width(c) not in "WF" for c in around
    )
