"""Text of data files, as it can be printed on a terminal."""

import re

# control characters of a terminal, and halves of surrogate pairs
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(line: str) -> str:
    """Escape the control characters of a line that is printed on a terminal."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], line)
