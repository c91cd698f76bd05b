"""Rename and drop the labels of records."""

import difflib
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from itertools import accumulate, compress

from ..annotations import EntityRecord, Record, RelationRecord
from ..errors import Errors, JREError

# names for "no relation", in lowercase and without punctuation
NEGATIVES = frozenset(
    (
        *("none", "null", "na", "nil", "no", "not", "false", "negative", "neg"),
        *("norelation", "norel", "norelationship", "norelations", "notrelated"),
        *("nonrelated", "nonrelation", "unrelated", "nolabel", "noedge"),
        *("noannotation", "other", "others"),
    )
)
# an entity label such as "Other" usually has a meaning
NEGATIVE_ENTITIES = frozenset(("none", "null", "na", "nil", "noentity", "o"))


@dataclass
class Labels:
    """Renames and drops labels, and counts the labels of the records.

    names (Mapping[str, str]): Old name -> new name of entity and relation labels.
    dropped (Set[str]): Entity and relation labels to drop.
    entities, relations (Counter[str]): Number of entities and relations per label, with
        the names in the file.
    dropped_entities, dropped_relations (int): Number of dropped entities and relations,
        including `dropped_with_entities`.
    dropped_with_entities (int): Relations with another label that were dropped with one
        of their arguments.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    dropped: Set[str] = frozenset()
    entities: Counter[str] = field(default_factory=Counter)
    relations: Counter[str] = field(default_factory=Counter)
    dropped_entities: int = 0
    dropped_relations: int = 0
    dropped_with_entities: int = 0

    @classmethod
    def from_options(cls, names: Sequence[str], dropped: Sequence[str]) -> "Labels":
        """
        names (Sequence[str]): Values of the form "OLD=NEW".
        dropped (Sequence[str]): The labels to drop.
        RETURNS (Labels): The labels.
        RAISES (ValueError): J713 for a value of another form, or a label with several
            new names.
        """
        renamed: dict[str, str] = {}
        for value in names:
            old, _, new = value.partition("=")
            if not old or not new:
                problem = "it does not have the form OLD=NEW"
            elif old in dropped:
                problem = f"--drop {old} drops the label"
            elif renamed.get(old, new) != new:
                problem = f"{old!r} already gets the name {renamed[old]!r}"
            else:
                renamed[old] = new
                continue
            raise JREError(Errors.J713.format(value=value, problem=problem))
        return cls(renamed, frozenset(dropped))

    def change(self, record: Record) -> Record:
        """RETURNS (Record): The record with the new labels. Relations of a dropped
        entity are dropped, too."""
        self.entities.update(entity.label for entity in record.entities)
        self.relations.update(relation.label for relation in record.relations)
        if not self.names and not self.dropped:
            return record
        keep = [entity.label not in self.dropped for entity in record.entities]
        new_index = list(accumulate(keep, initial=0))
        keep_relations = []
        for relation in record.relations:
            listed = relation.label in self.dropped
            joined = keep[relation.head] and keep[relation.tail]
            keep_relations.append(joined and not listed)
            self.dropped_with_entities += not joined and not listed
        self.dropped_entities += keep.count(False)
        self.dropped_relations += keep_relations.count(False)
        return replace(
            record,
            entities=tuple(
                EntityRecord(e.start, e.end, self.names.get(e.label, e.label))
                for e in compress(record.entities, keep)
            ),
            relations=tuple(
                RelationRecord(
                    new_index[r.head],
                    new_index[r.tail],
                    self.names.get(r.label, r.label),
                )
                for r in compress(record.relations, keep_relations)
            ),
            meta=_keep_ids(record.meta, {"T": keep, "R": keep_relations}),
        )

    def check(self, source: str) -> None:
        """Check that all labels to rename or drop occur.

        source (str): The source, for the message.
        RAISES (ValueError): J714 for a label that does not occur.
        """
        known = sorted(self.entities.keys() | self.relations.keys())
        for option, labels in (("--map", self.names), ("--drop", self.dropped)):
            for label in sorted(labels):
                if label not in known:
                    similar = ", ".join(_similar(label, known)[:10])
                    hint = f"Similar labels: {similar}." if similar else ""
                    if not similar:
                        shown = ", ".join(known[:20]) or "none"
                        more = f" and {len(known) - 20} more" * (len(known) > 20)
                        hint = f"Labels: {shown}{more}."
                    raise JREError(
                        Errors.J714.format(
                            source=source, option=option, label=label, hint=hint
                        )
                    )

    def negatives(self) -> dict[str, int]:
        """Find labels that mean "no relation" or "no entity", such as "no_relation".

        RETURNS (dict[str, int]): Label -> number of entities or relations that keep it.
        """
        found: Counter[str] = Counter()
        for counts, negatives in (
            (self.entities, NEGATIVE_ENTITIES),
            (self.relations, NEGATIVES),
        ):
            for label, count in counts.items():
                kept = label not in self.dropped and label not in self.names
                if kept and normalize_label(label) in negatives:
                    found[label] += count
        return dict(found)


def normalize_label(label: str) -> str:
    """RETURNS (str): The label without punctuation, spaces and case."""
    return "".join(character for character in label.casefold() if character.isalnum())


def _similar(label: str, known: Sequence[str]) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for one in known:
        by_name.setdefault(normalize_label(one), []).append(one)
    names = difflib.get_close_matches(normalize_label(label), by_name, n=5)
    return [one for name in names for one in by_name[name]]


def _keep_ids(
    meta: Mapping[str, object], keep: Mapping[str, Sequence[bool]]
) -> Mapping[str, object]:
    """Remove brat's ids of the dropped annotation."""
    ids = meta.get("brat_ids")
    if not isinstance(ids, dict):
        return meta
    kept = {
        letter: list(compress(names, keep[letter])) if letter in keep else names
        for letter, names in ids.items()
    }
    return {**meta, "brat_ids": kept}
