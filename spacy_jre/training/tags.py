"""Extended BIO tags, from which STSN learns what its label rows say.

Source: STSN, section 4.1.2: entities are tagged one after the other, and a token of
two of them gets both tags, such as ``B-AE/B-DRUG``. Data without overlaps need the
plain BIO tags alone. The tag set is what the training data need, so that no output
stands for a pair of types that never overlap.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"
Entity = tuple[int, int, str]  # tokens, end exclusive, and label


@dataclass(frozen=True)
class TokenTags:
    """The tags of some entities.

    tags (dict[int, str]): Of the tokens in entities; all others are "O".
    left_out (int): Entities that no tag can hold.
    """

    tags: dict[int, str]
    left_out: int


def tag_tokens(
    entities: Iterable[Entity], known: Container[str] | None = None
) -> TokenTags:
    """Tag entities in the order of the text, the longer one first.

    A token of two entities gets ``first/second``. An entity is left out as a whole
    where a token of it carries two already.

    entities (Iterable): Token ranges with labels.
    known (Container[str] | None): The tag set; an entity is left out as a whole, too,
        where a token of it needs another tag. None: any tag.
    RETURNS (TokenTags): The tags.
    """
    tags: dict[int, str] = {}
    full: set[int] = set()
    left_out = 0
    for start, end, label in sorted(entities, key=lambda e: (e[0], -e[1], e[2])):
        own = dict.fromkeys(range(start, end), f"I-{label}")
        own[start] = f"B-{label}"
        shared = tags.keys() & own.keys()
        for token in shared:
            own[token] = f"{tags[token]}/{own[token]}"
        fits = known is None or all(tag in known for tag in own.values())
        if not fits or not full.isdisjoint(shared):
            left_out += 1
            continue
        full |= shared
        tags.update(own)
    return TokenTags(tags, left_out)


def plain_tags(labels: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): "O", then B and I of every entity label."""
    return [OUTSIDE, *(f"{part}-{label}" for label in labels for part in "BI")]
