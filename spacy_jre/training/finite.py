"""Check that the loss of a batch is a finite number."""

import math
from collections.abc import Iterable, Sequence

from spacy.tokens import Doc
from spacy.training import Example

from ..errors import Errors, NotFinite

# how much of a batch is named
DOCS, WORDS = 4, 8


def check_loss(name: str, value: float, examples: Sequence[Example]) -> None:
    """Check the loss of a batch.

    name (str): Name of the component.
    value (float): The loss.
    examples (Sequence[Example]): The batch, for the error message.
    RAISES (NotFinite): J420 if the loss is infinite or not a number.
    """
    if not math.isfinite(value):
        docs = [example.reference for example in examples]
        raise NotFinite(
            Errors.J420.format(
                name=name, value=value, count=len(docs), docs=describe_docs(docs)
            )
        )


def describe_docs(docs: Iterable[Doc]) -> str:
    """RETURNS (str): The first words of the first Docs."""
    docs = list(docs)
    parts = []
    for doc in docs[:DOCS]:
        start = doc[:WORDS].text
        parts.append(repr(start if len(doc) <= WORDS else f"{start} ..."))
    return ", ".join([*parts, "..."] if len(docs) > DOCS else parts)
