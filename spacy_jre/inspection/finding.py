"""A finding about a corpus, and helpers for its message."""

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
    """A finding about a corpus.

    level (str): "error", "warning" or "advice".
    key (str): Machine-readable name of the kind of finding.
    message (str): The problem, its effect, and how to fix it.
    examples (tuple[str, ...]): The first examples.
    """

    level: Level
    key: str
    message: str
    examples: tuple[str, ...] = ()


def format_counts(splits: Splits, figure: str, total: str = "") -> str:
    """The splits with a nonzero figure, and the figure. Empty if it is 0 in all splits.

    splits (Mapping): Name of the split -> figures.
    figure (str): The figure, as a dotted name in an Inspection.
    total (str): The figure to compute a share of, or an empty string.
    """
    rows = []
    for name, split in splits.items():
        count = attrgetter(figure)(split)
        if count and total:
            whole = attrgetter(total)(split)
            rows.append(f"{name} {count} of {whole} ({percent(count, whole)})")
        elif count:
            rows.append(f"{name} {count}")
    return ", ".join(rows)


def collect_quotes(splits: Splits, key: str) -> tuple[str, ...]:
    quotes = [quote for one in splits.values() for quote in one.quotes.get(key, [])]
    return tuple(quotes[:MAX_EXAMPLES])


def listed(names: Sequence[str]) -> str:
    return shorten(", ".join(names), 400)


def percent(part: int, whole: int) -> str:
    """Format a share like a score; 100% for an empty total."""
    return f"{100 * part / whole if whole else 100:.2f}%"


def ratio(part: int, whole: int) -> str:
    """Format a number relative to another one; "1.0x" for two zeros."""
    return f"{part / whole:.1f}x" if whole else "1.0x" if not part else "more"
