"""Mark entities in running text, and list the relations between them, as HTML.

The pages of ``spacy jre show`` and ``spacy jre evaluate`` consist of these figures. A
figure has the text with its entities, an empty SVG, and a list of relations. The script
of the page draws the arcs into the SVG, because only the browser knows where the lines
of the text break. Without the script, the list shows the same relations.

Data goes into texts and into values of attributes only, and it is always escaped. The
colors depend on attributes instead of styles, so that the page can forbid all other
styles and scripts.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

N_COLORS = 12
# coprime to N_COLORS: the next free color is not a neighbor of the preferred one
_STEP = 5
_MAX_HEIGHT = 3  # levels of nested entities that differ in their padding
_MAX_ARGUMENT = 80  # characters of an argument in the list
SYMBOLS = {"hit": "✓", "missed": "○", "false": "✕"}
KIND_NAMES = {"hit": "hit", "missed": "missed", "false": "false alarm"}


@dataclass(frozen=True)
class Mark:
    """An entity in a text.

    start, end (int): Character offsets, end exclusive.
    label (str): The label. If it is empty, no label is shown.
    kind (str): "hit", "missed" or "false" for the outcome of a prediction, or empty.
    cause (str): The cause of an error.
    note (str): Further text for the list of errors.
    """

    start: int
    end: int
    label: str
    kind: str = ""
    cause: str = ""
    note: str = ""


@dataclass(frozen=True)
class Link:
    """A relation between two marks.

    head, tail (int): Indices of the marks.
    label (str): The label.
    score (float | None): The score, if it is shown.
    kind, cause (str): As in Mark.
    """

    head: int
    tail: int
    label: str
    score: float | None = None
    kind: str = ""
    cause: str = ""


@dataclass
class Passage:
    """A text with entities and relations.

    text (str): The text.
    marks (list[Mark]): The entities. They can be nested and can overlap.
    links (list[Link]): The relations.
    lang (str): Language code of the text.
    breaks (list[int]): Offsets at which a new sentence starts.
    """

    text: str
    marks: list[Mark] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    lang: str = ""
    breaks: list[int] = field(default_factory=list)


def color_slots(labels: Iterable[str]) -> dict[str, int]:
    """Choose a color for each label.

    The hash of a label determines its color. If two labels of a page have the same
    color, the second one in alphabetical order gets the next free color. The same
    labels always get the same colors.

    labels (Iterable[str]): All labels of the page.
    RETURNS (dict[str, int]): The number of the color, below N_COLORS, of each label.
    """
    slots: dict[str, int] = {}
    for label in sorted(set(labels) - {""}):
        digest = hashlib.sha256(label.encode("utf8", "surrogatepass")).digest()
        preferred = int.from_bytes(digest[:4], "big") % N_COLORS
        free = (
            slot
            for step in range(N_COLORS)
            if (slot := (preferred + step * _STEP) % N_COLORS) not in slots.values()
        )
        slots[label] = next(free, preferred)
    return slots


def figure(passage: Passage, slots: dict[str, int], *, errors: bool = False) -> str:
    """Render a passage.

    passage (Passage): The text, entities and relations.
    slots (dict[str, int]): The colors of the entity labels.
    errors (bool): Whether to list the entities that are errors, too.
    RETURNS (str): A ``figure`` element.
    """
    text = marked_text(passage, slots)
    listed = _entity_list(passage) if errors else ""
    return (
        f'<figure class="passage"><div class="text" lang="{escape(passage.lang)}">'
        f'{text}<svg class="arcs" aria-hidden="true" focusable="false"></svg></div>'
        f"{listed}{_link_list(passage, slots)}</figure>"
    )


def marked_text(passage: Passage, slots: dict[str, int]) -> str:
    """Render the text with its entities.

    An entity that overlaps another one without being nested is shown in two pieces.
    An entity across sentences has one piece per sentence.

    RETURNS (str): One ``p`` element per sentence.
    """
    text, marks = passage.text, passage.marks
    if not text:
        return '<p class="note">The text is empty.</p>'
    linked = {index for link in passage.links for index in (link.head, link.tail)}
    # (a predicted span can have no characters of the gold text)
    visible = [i for i, mark in enumerate(marks) if mark.start < mark.end]
    order = sorted(visible, key=lambda i: (marks[i].start, -marks[i].end, i))
    breaks = {b for b in passage.breaks if 0 < b < len(text)}
    edges = {edge for i in visible for edge in (marks[i].start, marks[i].end)}
    positions = sorted({0, len(text)} | breaks | edges)
    # The first tag of a piece depends on what it contains and where it ends, so it is
    # written when the piece is complete.
    parts: list[str] = ['<p dir="auto">']
    stack: list[_Piece] = []
    heights = dict.fromkeys(order, 0)
    pieces: list[_Piece] = []
    upcoming = 0

    def start_piece(index: int, first: bool) -> None:
        stack.append(_Piece(index, len(parts), first))
        pieces.append(stack[-1])
        parts.append("")

    def end_piece(last: bool) -> None:
        piece = stack.pop()
        piece.last = last
        if last:
            parts.append(_tag(marks[piece.index]))
        parts.append("</span>")
        if stack:
            outer = stack[-1].index
            heights[outer] = max(heights[outer], heights[piece.index] + 1)

    for position, following in zip(positions, [*positions[1:], len(text)]):
        new_sentence = position in breaks
        reopened: list[int] = []
        while stack and (
            new_sentence or any(marks[p.index].end == position for p in stack)
        ):
            index = stack[-1].index
            last = marks[index].end == position
            end_piece(last)
            if not last:
                reopened.append(index)
        if new_sentence:
            parts.append('</p><p dir="auto">')
        for index in reversed(reopened):
            start_piece(index, first=False)
        while upcoming < len(order) and marks[order[upcoming]].start == position:
            start_piece(order[upcoming], first=True)
            upcoming += 1
        parts.append(escape(text[position:following]))
    for piece in pieces:
        index = piece.index
        focus = piece.first and index in linked
        parts[piece.place] = _opening(
            marks[index], index, slots, min(heights[index], _MAX_HEIGHT), piece, focus
        )
    return "".join([*parts, "</p>"])


@dataclass
class _Piece:
    """A part of an entity: its number, place in the output, and whether it is the
    first and the last part."""

    index: int
    place: int
    first: bool
    last: bool = True


def _opening(
    mark: Mark,
    index: int,
    slots: dict[str, int],
    height: int,
    piece: _Piece,
    focus: bool,
) -> str:
    names = ["ent"]
    if not piece.first:
        names.append("cut-start")
    if not piece.last:
        names.append("cut-end")
    values = {"class": " ".join(names), "data-mark": str(index), "data-h": str(height)}
    values |= _filter_values(mark, slots)
    if focus:
        values["tabindex"] = "0"
    return f"<span{_attributes(values)}>"


def _filter_values(item: Mark | Link, slots: dict[str, int]) -> dict[str, str]:
    """Get the attributes by which the page colors and filters an item."""
    if item.kind:
        values = {"data-kind": item.kind, "data-label": item.label}
        return {**values, "data-cause": item.cause}
    color = slots.get(item.label)
    return {} if color is None or isinstance(item, Link) else {"data-c": str(color)}


def _attributes(values: dict[str, str]) -> str:
    return "".join(f' {name}="{escape(value)}"' for name, value in values.items())


def _tag(mark: Mark) -> str:
    symbol = _symbol(mark.kind)
    if not mark.label and not symbol:
        return ""
    return f'<bdi class="tag">{symbol}{escape(mark.label)}</bdi>'


def _symbol(kind: str) -> str:
    return f'<span class="sym">{SYMBOLS[kind]}</span>\N{NO-BREAK SPACE}' if kind else ""


def shorten(text: str, limit: int = _MAX_ARGUMENT) -> str:
    """Replace the middle of a long text with an ellipsis."""
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}…{text[-(limit - half - 1) :]}"


def _argument(passage: Passage, index: int, slots: dict[str, int]) -> str:
    mark = passage.marks[index]
    text = escape(shorten(passage.text[mark.start : mark.end]) or "(no text)")
    color = slots.get(mark.label)
    values = {"class": "arg"} | ({} if color is None else {"data-c": str(color)})
    label = f' <bdi class="tag">{escape(mark.label)}</bdi>' if mark.label else ""
    lang = escape(passage.lang)
    return f'<span{_attributes(values)}><bdi lang="{lang}">{text}</bdi>{label}</span>'


def _link_list(passage: Passage, slots: dict[str, int]) -> str:
    if not passage.links:
        note = "No relations." if passage.marks else "No entities or relations."
        return f'<p class="note">{note}</p>'
    order = sorted(
        passage.links,
        key=lambda link: (
            passage.marks[link.head].start,
            passage.marks[link.tail].start,
            link.label,
            link.kind,
        ),
    )
    rows = []
    for link in order:
        values = {"data-head": str(link.head), "data-tail": str(link.tail)}
        values |= _filter_values(link, slots) | {"tabindex": "0"}
        score = (
            ""
            if link.score is None
            else f' <span class="score">{link.score:.2f}</span>'
        )
        # an outcome has the colors of its kind, so the arguments have none
        colors = {} if link.kind else slots
        rows.append(
            f"<li{_attributes(values)}>{_symbol(link.kind)}"
            f"{_argument(passage, link.head, colors)} "
            f'<span class="rel">–<bdi>{escape(link.label)}</bdi>→</span> '
            f"{_argument(passage, link.tail, colors)}{score}"
            f"{_outcome(link.kind, link.cause)}</li>"
        )
    return f'<ul class="triples">{"".join(rows)}</ul>'


def _entity_list(passage: Passage) -> str:
    """List the entities that are errors, and their causes."""
    rows = []
    for index, mark in enumerate(passage.marks):
        if mark.kind not in ("missed", "false"):
            continue
        values = {"data-entity": str(index)} | _filter_values(mark, {})
        rows.append(
            f'<li{_attributes(values)} tabindex="0">{_symbol(mark.kind)}'
            f"{_argument(passage, index, {})}{_outcome(mark.kind, mark.cause)}"
            f"{_note(mark.note, passage.lang)}</li>"
        )
    return f'<ul class="triples">{"".join(rows)}</ul>' if rows else ""


def _outcome(kind: str, cause: str) -> str:
    if not kind:
        return ""
    name = KIND_NAMES[kind] + (f": {escape(cause)}" if cause else "")
    return f' <span class="outcome">{name}</span>'


def _note(note: str, lang: str) -> str:
    if not note:
        return ""
    return f' <bdi class="outcome" lang="{escape(lang)}">{escape(note)}</bdi>'


def labels_of(passages: Sequence[Passage]) -> list[str]:
    """RETURNS (list[str]): The entity labels of the passages, sorted."""
    return sorted({mark.label for p in passages for mark in p.marks} - {""})
