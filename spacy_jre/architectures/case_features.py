"""Word shapes, as features for the input of uncased transformers.

The wordpieces of an uncased transformer do not have upper case, which is the best sign
of a name in many languages. So each wordpiece gets an embedding of the shape of its
token.
"""

from functools import lru_cache
from unicodedata import normalize

import torch
from torch import nn

# The shape of a token, by its letters and digits. "joined": with other characters, such
# as hyphens, periods and apostrophes.
SHAPES = (
    "special token",  # and padding
    "lower",  # the
    "lower, joined",  # well-known
    "title",  # Paris
    "title, joined",  # Anglo-American, St.
    "upper",  # NATO
    "upper, joined",  # U.S., AT&T
    "initial",  # J, J.
    "mixed",  # McDonald, iPhone
    "uncased",  # letters of a script without case
    "digits",  # 12, 3,000
    "digits and letters",  # B2, 1990s
    "symbols",  # no letters and no digits
)
NUMBERS = {shape: number for number, shape in enumerate(SHAPES)}


@lru_cache(maxsize=2**16)
def word_shape(text: str) -> int:
    """Get the shape of a token.

    text (str): The text of the token.
    RETURNS (int): The index in SHAPES. Never 0.
    """
    text = normalize("NFC", text)
    letters = "".join(char for char in text if char.isalpha())
    has_digits = any(char.isnumeric() and not char.isalpha() for char in text)
    if not letters:
        return NUMBERS["digits" if has_digits else "symbols"]
    if has_digits:
        return NUMBERS["digits and letters"]
    if letters.lower() == letters.upper():
        return NUMBERS["uncased"]
    joined = ", joined" if len(letters) < len(text) else ""
    if letters.islower():
        return NUMBERS["lower" + joined]
    if len(letters) == 1:
        return NUMBERS["initial"]
    if letters.isupper():
        return NUMBERS["upper" + joined]
    return NUMBERS["title" + joined if text.istitle() else "mixed"]


def shape_embedding(width: int) -> nn.Embedding:
    """RETURNS (Embedding): One vector per shape, N(0, 0.02). The vector of special
    tokens and padding is zero and is not trained."""
    table = nn.Embedding(len(SHAPES), width, padding_idx=0)
    nn.init.normal_(table.weight, std=0.02)
    with torch.no_grad():
        table.weight[0].zero_()
    return table
