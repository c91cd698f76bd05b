"""What windows of several sentences would reach and cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from ..annotations.sentences import WindowKind, window_ranges
from .passage import Passage
from .windows import Range, Windows

# tokens; longer windows rarely fit into the 512 wordpieces of most encoders
LONG_WINDOW = 350
# the choices that are compared
KINDS: tuple[WindowKind, ...] = ("sentence", 2, 3, "doc")


@dataclass
class Reach:
    """What windows of one kind reach and cost.

    relations (int): Relations with both arguments in one window.
    tokens (int): Tokens of all windows. A token of several windows counts several
        times.
    pairs (int): Ordered pairs of entities of one window, each pair once.
    """

    relations: int = 0
    tokens: int = 0
    pairs: int = 0


def add_reach(
    reach: dict[str, Reach], passage: Passage, kinds: Iterable[WindowKind] = KINDS
) -> None:
    """Add the figures of a Doc.

    reach (dict[str, Reach]): The figures by the name of the choice, which are changed.
    passage (Passage): The annotation of the Doc.
    kinds (Iterable): The values of the setting `windows`.
    """
    found = {key: (at.start, at.end) for key, at in passage.locations.items() if at}
    entities = sorted(set(found.values()))
    for kind in kinds:
        row = reach.setdefault(name_of(kind), Reach())
        ranges = divide(window_ranges(passage.tokens, kind))
        row.tokens += sum(end - start for start, end in ranges)
        windows = Windows(ranges)
        row.relations += sum(
            head in found
            and tail in found
            and found[head] != found[tail]
            and windows.find(found[head], found[tail]) is not None
            for head, tail, _ in passage.relations
        )
        row.pairs += sum(pairs for _, pairs in windows.count_pairs(entities))


def divide(windows: Iterable[Range]) -> list[Range]:
    """Divide windows that are too long for most encoders, with an overlap of half a
    window, as the encoders do."""
    rows: list[Range] = []
    for start, end in windows:
        while end - start > LONG_WINDOW:
            rows.append((start, start + LONG_WINDOW))
            start += LONG_WINDOW // 2
        rows.append((start, end))
    return rows


def name_of(kind: WindowKind) -> str:
    """RETURNS (str): The name of a choice."""
    return kind if isinstance(kind, str) else f"{kind} sentences"
