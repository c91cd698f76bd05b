"""Convert offsets of other units to character offsets."""

from collections.abc import Callable


def from_utf16(text: str) -> dict[int, int]:
    """Map offsets in UTF-16 code units (used by JavaScript and Java) to characters.

    text (str): The text.
    RETURNS (dict[int, int]): Offset in code units -> character offset, including the
        end of the text. Offsets inside a character are missing.
    """
    return _from_units(text, lambda character: 2 if ord(character) > 0xFFFF else 1)


def from_utf8(text: str) -> dict[int, int]:
    """Map offsets in UTF-8 bytes to characters.

    text (str): The text.
    RETURNS (dict[int, int]): Offset in bytes -> character offset, including the end of
        the text. Offsets inside a character are missing.
    """
    # half a surrogate pair is reported when the record is created
    return _from_units(text, lambda c: len(c.encode("utf8", "surrogatepass")))


def _from_units(text: str, width: Callable[[str], int]) -> dict[int, int]:
    characters = {}
    unit = 0
    for index, character in enumerate(text):
        characters[unit] = index
        unit += width(character)
    characters[unit] = len(text)
    return characters
