"""Offsets of other units than characters."""


def from_utf16(text: str) -> dict[int, int]:
    """Characters by offsets in UTF-16 units, as JavaScript and Java count them.

    RETURNS (dict[int, int]): The offset in Python's characters for each one in units,
        the end of the text too. An offset within a character is missing.
    """
    characters = {}
    unit = 0
    for index, character in enumerate(text):
        characters[unit] = index
        unit += 2 if ord(character) > 0xFFFF else 1
    characters[unit] = len(text)
    return characters
