"""Convert offsets of other units to character offsets."""


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
