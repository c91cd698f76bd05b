"""What formats of biomedical corpora have in common: discontinuous entities, offsets in
several units, and relations between concepts.

A concept is an entry of a database, such as the MeSH term D009288. If a relation is
between two concepts, its arguments are mentions of them. The setting `repeats` selects
the pair of mentions with the smallest distance (``nearest``), the first mention of each
concept (``first``), or all pairs (``all``), as for the formats with surface forms.
"""

import re
from collections.abc import Hashable
from dataclasses import dataclass, field

from ...annotations import RelationRecord
from ..rows import LOST_ARGUMENT, OTHER_TEXT, OUTSIDE, RowError, Rows
from ..sources import Discontinuous, Location, short_repr
from .surface import Repeats, choose_pairs

Range = tuple[int, int]
Pieces = list[Range]

DISCONTINUOUS = "the entity is discontinuous"
UNKNOWN_CONCEPT = "no entity has the concept"
_NO_CONCEPT = frozenset({"", "-", "-1", "none", "null"})


def join_pieces(here: Location, text: str, pieces: Pieces) -> Pieces:
    """Join the pieces of an entity that only have whitespace between them.

    here (Location): The location of the entity.
    text (str): The text.
    pieces (Pieces): Character offsets, end exclusive. There is at least one.
    RETURNS (Pieces): The pieces, sorted.
    RAISES (RowError): J605 for offsets outside the text.
    """
    joined: Pieces = []
    for start, end in sorted(pieces):
        if not 0 <= start < end <= len(text):
            problem = f"is {start}..{end}, outside the text of {len(text)} characters"
            raise RowError(here.error("start/end", problem), OUTSIDE)
        if joined and not text[joined[-1][1] : start].strip():
            joined[-1] = joined[-1][0], max(end, joined[-1][1])
        else:
            joined.append((start, end))
    return joined


def has_text(text: str, pieces: Pieces, expected: str) -> bool:
    """Whether the pieces have the text that the file repeats. Whitespace and case are
    ignored."""
    found = "".join(text[start:end] for start, end in pieces)
    return "".join(found.split()).casefold() == "".join(expected.split()).casefold()


@dataclass(frozen=True)
class Mention:
    """An entity in a file.

    location (Location): Its location.
    pieces (Pieces): Character offsets, end exclusive.
    label (str): The label.
    expected (str | None): The text that the file repeats.
    key (Hashable): The id that relations refer to.
    concepts (tuple[str, ...]): The ids of its concepts. Several if the entity refers
        to several concepts, as in "breast and ovarian cancer".
    """

    location: Location
    pieces: Pieces
    label: str
    expected: str | None = None
    key: Hashable = None
    concepts: tuple[str, ...] = ()


@dataclass
class Concepts:
    """The entities of a record by their concepts.

    rows (Rows): The record.
    repeats (str): Rule for concepts with several mentions.
    """

    rows: Rows
    repeats: Repeats
    # concept -> indices of its entities. Empty if all of them were left out
    _by_name: dict[str, list[int]] = field(default_factory=dict)
    # the same for concepts without the name of the database
    _by_short_name: dict[str, list[int]] = field(default_factory=dict)

    def add(self, mention: Mention, discontinuous: Discontinuous) -> bool:
        """Add an entity to the record. Call it in ``rows.row("entity", key=...)``.

        mention (Mention): The entity.
        discontinuous (str): "skip" or "cover".
        RETURNS (bool): Whether it is in the record.
        RAISES (RowError): J605, see ``Rows.add_entity``, or for another text.
        """
        entities = [self._by_name.setdefault(name, []) for name in mention.concepts]
        short_names = dict.fromkeys(map(_without_database, mention.concepts))
        entities += [self._by_short_name.setdefault(name, []) for name in short_names]
        here, rows, expected = mention.location, self.rows, mention.expected
        pieces = join_pieces(here, rows.text, mention.pieces)
        start, end = pieces[0][0], pieces[-1][1]
        if len(pieces) > 1 and discontinuous == "skip":
            reason = f"{here}: the {mention.label} has gaps"
            rows.leave_out("entity", reason, DISCONTINUOUS, key=mention.key)
            return False
        # tools differ in the text of a discontinuous entity
        checked = expected if len(pieces) == 1 else None
        if checked is not None and not has_text(rows.text, pieces, checked):
            found = short_repr(rows.text[start:end])
            problem = (
                f"is {short_repr(checked)}, but the text at its offsets is {found}"
            )
            raise RowError(here.error("text", problem), OTHER_TEXT)
        index = rows.add_entity(here, start, end, mention.label, mention.key)
        for indices in entities:
            indices.append(index)
        return True

    def find(self, concept: str) -> list[int] | None:
        """Find the entities of a concept. The name of its database ("MESH:") can be
        missing in the entity or in the relation.

        concept (str): The id.
        RETURNS (list[int] | None): Indices of the entities in the record. Empty if all
            of them were left out, None if no entity has the concept.
        """
        if concept in self._by_name:
            return self._by_name[concept]
        return self._by_short_name.get(_without_database(concept))

    def relate(self, here: Location, head: str, tail: str, label: str) -> None:
        """Add the relations between mentions of two concepts, or report that an entity
        is missing. Call it in ``rows.row("relation")``.

        here (Location): The location of the relation.
        head, tail (str): The concepts.
        label (str): The label.
        RAISES (ValueError): J605 for an empty label.
        """
        if not label:
            raise here.error("label", "is empty")
        entities = self.rows.entities
        index_of: list[dict[Range, int]] = []
        for concept in (head, tail):
            indices = self.find(concept)
            if not indices:
                cause = UNKNOWN_CONCEPT if indices is None else LOST_ARGUMENT
                problem = "no entity has it" if indices is None else "it was left out"
                reason = f"{here}: {label} has the concept {concept!r}, but {problem}"
                self.rows.leave_out("relation", reason, cause)
                return
            spans = [(entities[index].start, entities[index].end) for index in indices]
            # of entities with equal offsets, the first one
            index_of.append(dict(zip(reversed(spans), reversed(indices), strict=True)))
        heads, tails = (sorted(spans) for spans in index_of)
        for first, second in choose_pairs(heads, tails, self.repeats):
            pair = index_of[0][first], index_of[1][second]
            self.rows.relations.append(RelationRecord(*pair, label))


def _without_database(concept: str) -> str:
    return re.sub(r"^[A-Za-z_.]+:", "", concept)


def read_concepts(value: str) -> tuple[str, ...]:
    """Read the concepts of an entity.

    value (str): An id, or several, separated by ``|``, ``,`` or ``;``. Ids of variants
        contain ``|`` ("p|SUB|V|600|E"), so that the whole value is also one of them.
    RETURNS (tuple[str, ...]): The ids. Empty for values such as "-" and "-1".
    """
    parts = [value, *re.split(r"[|,;]", value)]
    names = [part.strip() for part in parts]
    return tuple(dict.fromkeys(n for n in names if n.lower() not in _NO_CONCEPT))
