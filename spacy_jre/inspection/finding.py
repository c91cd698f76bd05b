"""What there is to say of a corpus, and how it is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal

from .figures import Inspection
from .passage import MAX_EXAMPLES, shorten

Level = Literal["error", "warning", "advice"]
Splits = Mapping[str, Inspection]


@dataclass(frozen=True)
class Finding:
    """
    level (str): "error", "warning" or "advice".
    key (str): Names the kind, for programs.
    message (str): What is so, what it costs, and the mend.
    examples (tuple[str, ...]): The first cases.
    """

    level: Level
    key: str
    message: str
    examples: tuple[str, ...] = ()


def where(splits: Splits, figure: str, total: str = "") -> str:
    """The splits in which a figure is not 0, with it; empty if it is 0 in all."""
    rows = []
    for name, split in splits.items():
        count = attrgetter(figure)(split)
        if count and total:
            whole = attrgetter(total)(split)
            rows.append(f"{name} {count} of {whole} ({percent(count, whole)})")
        elif count:
            rows.append(f"{name} {count}")
    return ", ".join(rows)


def quotes(splits: Splits, key: str) -> tuple[str, ...]:
    found = [quote for one in splits.values() for quote in one.examples.get(key, [])]
    return tuple(found[:MAX_EXAMPLES])


def listed(names: Sequence[str]) -> str:
    return shorten(", ".join(names), 400)


def percent(part: int, whole: int) -> str:
    """A share, as a score is written; nothing lost of nothing is 100%."""
    return f"{100 * part / whole if whole else 100:.2f}%"
