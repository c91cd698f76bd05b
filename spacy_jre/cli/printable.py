"""Text of data files, as it can be printed on a terminal."""

import re
from collections.abc import Sequence

from wasabi import msg

# control characters of a terminal, and halves of surrogate pairs
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(line: str) -> str:
    """Escape the control characters of a line that is printed on a terminal."""
    return _UNPRINTABLE.sub(lambda match: ascii(match[0])[1:-1], line)


def print_table(
    title: str, header: Sequence[str], rows: Sequence[Sequence[str]]
) -> None:
    """Print a table. The columns after the first one are aligned to the right.

    title (str): The title.
    header (Sequence[str]): The names of the columns, which can be labels of the data.
    rows (Sequence[Sequence[str]]): The rows.
    """
    aligns = ("l", *"r" * (len(header) - 1))
    header, *rows = (tuple(map(printable, row)) for row in (header, *rows))
    msg.table(rows, title=title, header=header, divider=True, aligns=aligns)
