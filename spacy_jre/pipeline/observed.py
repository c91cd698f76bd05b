"""The structure of the training data: overlapping entities, and types of arguments."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise

from spacy.training import Example

from ..annotations import Gold, read_gold
from ..types import Labels

# head label, relation label, tail label
Triple = tuple[str, str, str]


@dataclass
class Observed:
    """What the gold annotation of a corpus contains.

    has_overlaps (bool): Whether a Doc has entities that overlap. Several labels of the
        same span are not an overlap, because a span gets one label.
    triples (set[Triple]): The entity label of the head, the label and the entity label
        of the tail of all relations. If a span has several labels, each is included,
        because training uses only one of them.
    """

    has_overlaps: bool = False
    triples: set[Triple] = field(default_factory=set)

    def add(self, gold: Gold) -> None:
        """Add the annotation of a Doc."""
        types: dict[tuple[int, int], set[str]] = {}
        for start, end, label in gold.entities:
            types.setdefault((start, end), set()).add(label)
        if not self.has_overlaps:
            ranges = sorted(types)
            self.has_overlaps = any(
                second[0] < first[1] for first, second in pairwise(ranges)
            )
        for head, tail, label in gold.relations:
            self.triples.update(
                (first, label, second)
                for first in types[head[:2]]
                for second in types[tail[:2]]
                if first and second and label
            )

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
