"""Collect the entities and relations of a record row by row. A broken row is left out
and reported, and the other rows of the record are kept."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ..annotations import EntityRecord, LeftOut, RelationRecord
from ..errors import JREError
from .sources import Location, as_integer, short_repr

OUTSIDE = "the offsets are outside the text"
BLANK = "the entity has no text"
REPEATED_ID = "the id occurs twice"
UNKNOWN_ARGUMENT = "an argument does not exist"
LOST_ARGUMENT = "an argument was left out"
BROKEN_ROW = "a field is missing or invalid"
OTHER_TEXT = "the text at the offsets is different"
# label of entities without a type
ENTITY = "Entity"
UNTYPED = f"the entity has no type and gets the label {ENTITY}"


class RowError(JREError):
    """A broken row, with the cause for ``LeftOut``."""

    def __init__(self, error: JREError, cause: str):
        super().__init__(str(error))
        self.cause = cause


@dataclass
class Rows:
    """The entities and relations of a record that is being read.

    text (str): The text of the record.
    entities (list[EntityRecord]): The entities, without whitespace at their edges.
    relations (list[RelationRecord]): The relations.
    left_out (list[LeftOut]): The rows that were left out.
    trimmed (int): Number of entities that had whitespace at the edges.
    words (tuple[str, ...] | None): The words, if the record is tokenized. Then,
        entities keep their whitespace, because words can contain it.

    Example::

        rows = Rows(text)
        for here, row in location.each("entity", task["entities"]):
            with rows.row("entity", key=row.get("id")):
                start, end = here.get(row, "start", int), here.get(row, "end", int)
                label = here.get(row, "label", str)
                rows.add_entity(here, start, end, label, row["id"])
    """

    text: str
    entities: list[EntityRecord] = field(default_factory=list)
    relations: list[RelationRecord] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    trimmed: int = 0
    words: tuple[str, ...] | None = None
    _index_of: dict[Hashable, int] = field(default_factory=dict)
    # whether the entity is broken
    _lost: dict[Hashable, bool] = field(default_factory=dict)

    @classmethod
    def of_words(cls, words: tuple[str, ...]) -> "Rows":
        """RETURNS (Rows): The rows of a tokenized record. Its text is the words joined
        by single spaces. See ``word_span`` for offsets in words."""
        return cls(" ".join(words), words=words)

    @contextmanager
    def row(self, kind: str, key: Hashable = None) -> Iterator[None]:
        """Leave out the row if the code in the block raises an error of this package.

        kind (str): "entity" or "relation".
        key (Hashable): The id of an entity. Relations that refer to it are reported as
            lost, and not as broken.
        """
        try:
            yield
        except JREError as error:
            cause = error.cause if isinstance(error, RowError) else BROKEN_ROW
            self.leave_out(kind, str(error), cause, broken=True, key=key)

    def leave_out(
        self,
        kind: str,
        reason: str,
        cause: str,
        *,
        broken: bool = False,
        key: Hashable = None,
    ) -> None:
        """Report a row that is not in the record.

        kind, reason, cause, broken: See ``LeftOut``.
        key (Hashable): The id of an entity that relations can refer to.
        """
        self.left_out.append(LeftOut(kind, reason, broken=broken, cause=cause))
        if key is not None and key not in self._index_of:
            self._lost[key] = broken or self._lost.get(key, False)

    def report_untyped(self, location: Location, count: int, unit: str) -> None:
        """Report that arguments without a type get the label ``ENTITY``.

        location (Location): The location of the record.
        count (int): Number of these arguments. Nothing is reported for 0.
        unit (str): What the record is: "text" or "sentence".
        """
        if count:
            reason = (
                f"{location}: {count} argument(s) of this {unit} have no type and get "
                f"the label {ENTITY}"
            )
            self.leave_out("type", reason, UNTYPED)

    def check_span(self, here: Location, start: int, end: int) -> tuple[int, int]:
        """RETURNS (tuple[int, int]): The offsets without whitespace at the edges.
        RAISES (RowError): J605 for offsets outside the text, or without text."""
        if not 0 <= start < end <= len(self.text):
            problem = (
                f"is {start}..{end}, outside the text of {len(self.text)} characters"
            )
            raise RowError(here.error("start/end", problem), OUTSIDE)
        trimmed = (start, end)
        if self.words is None:
            trimmed = trim(self.text, start, end)
        if trimmed[0] == trimmed[1]:
            problem = f"is {start}..{end}, which is only whitespace"
            raise RowError(here.error("start/end", problem), BLANK)
        return trimmed

    def add_entity(
        self,
        here: Location,
        start: int,
        end: int,
        label: str,
        key: Hashable = None,
        score: float = 1.0,
    ) -> int:
        """Add an entity. Whitespace at its edges is removed and counted.

        here (Location): The location of the row.
        start, end (int): Character offsets, end exclusive.
        label (str): The label.
        key (Hashable): The id that relations refer to. Default: the number of the
            entity, from 0.
        score (float): The score of a prediction.
        RETURNS (int): The index of the entity in the record.
        RAISES (RowError): J605 for offsets outside the text, an entity without text, an
            empty label or an id that another entity has.
        """
        trimmed = self.check_span(here, start, end)
        if not label:
            raise RowError(here.error("label", "is empty"), BROKEN_ROW)
        index = len(self.entities)
        key = index if key is None else key
        entity = EntityRecord(*trimmed, label, score)
        first = self._index_of.get(key)
        repeated = first is not None and self.entities[first] == entity
        if self._lost.get(key) or (first is not None and not repeated):
            # relations could refer to either entity
            problem = f"is {short_repr(key)}, like that of an entity before it"
            raise RowError(here.error("id", problem), REPEATED_ID)
        self.trimmed += trimmed != (start, end)
        self.entities.append(entity)
        self._index_of.setdefault(key, index)
        self._lost.pop(key, None)
        return index

    def knows(self, key: Hashable) -> bool:
        """RETURNS (bool): Whether an entity had this id, even if it was left out."""
        return key in self._index_of or key in self._lost

    def _same_id(self, key: Hashable) -> Hashable:
        """The form of an id that an entity has. Some files have ids as integers in one
        place, and as strings in another."""
        if not self.knows(key) and isinstance(key, int | str):
            other = str(key) if isinstance(key, int) else as_integer(key)
            return other if self.knows(other) else key
        return key

    def add_relation(
        self,
        here: Location,
        head: Hashable,
        tail: Hashable,
        label: str,
        score: float = 1.0,
    ) -> None:
        """Add a relation. If an argument was left out, the relation is left out, too.

        here (Location): The location of the row.
        head, tail (Hashable): The ids of the entities.
        label (str): The label.
        score (float): The score of a prediction.
        RAISES (RowError): J605 for an id that no entity has, or an empty label.
        """
        if not label:
            raise RowError(here.error("label", "is empty"), BROKEN_ROW)
        ends = []
        for role, name in (("head", head), ("tail", tail)):
            key = self._same_id(name)
            if key in self._index_of:
                ends.append(self._index_of[key])
            elif key in self._lost:
                shown = short_repr(name)
                reason = f"{here}: the {role} {shown} of the relation was left out"
                self.leave_out("relation", reason, LOST_ARGUMENT)
                return
            else:
                problem = f"is {short_repr(name)}, which is not the id of an entity"
                raise RowError(here.error(role, problem), UNKNOWN_ARGUMENT)
        self.relations.append(RelationRecord(ends[0], ends[1], label, score))

    def fields(self) -> dict[str, Any]:
        """RETURNS (dict[str, Any]): The fields of the record."""
        fields: dict[str, Any] = {
            "text": self.text,
            "entities": tuple(self.entities),
            "relations": tuple(self.relations),
            "left_out": tuple(self.left_out),
            "trimmed": self.trimmed,
        }
        return fields if self.words is None else {**fields, "words": self.words}


def trim(text: str, start: int, end: int) -> tuple[int, int]:
    """RETURNS (tuple[int, int]): The offsets without whitespace at the edges. They are
    equal if there is only whitespace."""
    covered = text[start:end]
    start += len(covered) - len(covered.lstrip())
    return start, start + len(covered.strip())


def check_text(
    here: Location, text: str, start: int, end: int, expected: str | None
) -> None:
    """Check that an entity has the text that the file repeats. Whitespace is ignored.

    here (Location): The location of the row.
    text (str): The text of the record.
    start, end (int): Character offsets, end exclusive. Offsets outside the text are
        reported by ``Rows.add_entity``.
    expected (str | None): The text in the row, if there is one.
    RAISES (RowError): J605 if it is different.
    """
    found = text[start:end]
    inside = 0 <= start < end <= len(text)
    if inside and expected is not None and found.split() != expected.split():
        problem = (
            f"is {short_repr(expected)}, but the text at {start}..{end} is "
            f"{short_repr(found)}"
        )
        raise RowError(here.error("text", problem), OTHER_TEXT)
