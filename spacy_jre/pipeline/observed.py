"""The structure of the training data: overlapping entities, and types of arguments."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from spacy.training import Example

from ..annotations import Gold, overlapping_pairs, read_gold
from ..types import Labels

# head label, relation label, tail label
Triple = tuple[str, str, str]
# labels of two overlapping entities, in the order of ``overlapping_pairs``
Overlap = tuple[str, str]


@dataclass
class Observed:
    """What the gold annotation of a corpus contains.

    overlapping (set[Overlap]): The labels of all pairs of entities that overlap.
        Several labels of the same span are not an overlap, because a span gets one
        label.
    triples (set[Triple]): The entity label of the head, the label and the entity label
        of the tail of all relations. If a span has several labels, each is included,
        because training uses only one of them.
    """

    overlapping: set[Overlap] = field(default_factory=set)
    triples: set[Triple] = field(default_factory=set)

    def add(self, gold: Gold) -> None:
        """Add the annotation of a Doc."""
        types: dict[tuple[int, int], set[str]] = {}
        for start, end, label in gold.entities:
            types.setdefault((start, end), set()).add(label)
        self.overlapping.update(
            (first[2], second[2])
            for first, second in overlapping_pairs(gold.entities)
            if first[:2] != second[:2]
        )
        for head, tail, label in gold.relations:
            self.triples.update(
                (first, label, second)
                for first in types[head[:2]]
                for second in types[tail[:2]]
                if first and second and label
            )

    def overlap_table(self, labels: Labels) -> list[list[str]]:
        """RETURNS (list[list[str]]): The labels of overlapping entities, sorted. Pairs
        with a label that the component does not have are left out."""
        known = labels.entity_columns.keys()
        return [list(pair) for pair in sorted(self.overlapping) if set(pair) <= known]

    def table(self, labels: Labels) -> list[list[str]]:
        """Get the triples as sorted lists.

        labels (Labels): The labels of the component. Triples with other labels are
            left out: training raises an error for them. A triple of a symmetric label
            is included in one order only.
        RETURNS (list[list[str]]): The triples.
        """
        rows = {
            (min(head, tail), label, max(head, tail))
            if label in labels.symmetric
            else (head, label, tail)
            for head, label, tail in self.triples
            if {head, tail} <= labels.entity_columns.keys()
            and label in labels.relation_columns
        }
        return [list(row) for row in sorted(rows)]


def observe(examples: Iterable[Example], attr: str) -> Observed:
    """Observe the gold annotation of Examples.

    examples (Iterable[Example]): The Examples.
    attr (str): Name of the relation extension.
    RETURNS (Observed): What they contain.
    """
    observed = Observed()
    for example in examples:
        observed.add(read_gold(example.reference, attr=attr))
    return observed
