"""Extended BIO tags, the training signal for the label rows of STSN.

Source: STSN, section 4.1.2. Entities are tagged one after the other. A token of two
entities gets both tags, such as ``B-AE/B-DRUG``. Data without overlapping entities
needs plain BIO tags only. The tag set has the combined tags that occur in the training
data, not those of all pairs of types.
"""

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

OUTSIDE = "O"
Entity = tuple[int, int, str]  # start token, end token (exclusive), label


@dataclass(frozen=True)
class TokenTags:
    """The tags of a list of entities.

    tags (dict[int, str]): Tags of the tokens in entities. All other tokens are "O".
    n_skipped (int): Number of entities that the tags cannot represent.
    """

    tags: dict[int, str]
    n_skipped: int


def tag_tokens(
    entities: Iterable[Entity], known: Container[str] | None = None
) -> TokenTags:
    """Tag entities in the order of the text, longer entities first.

    A token of two entities gets ``first/second``. An entity is skipped if one of its
    tokens has two tags already.

    entities (Iterable): Token ranges with labels.
    known (Container[str] | None): The tag set. An entity is also skipped if one of
        its tokens needs a tag that is not in the set. None: any tag.
    RETURNS (TokenTags): The tags.
    """
    tags: dict[int, str] = {}
    full: set[int] = set()
    n_skipped = 0
    for start, end, label in sorted(entities, key=lambda e: (e[0], -e[1], e[2])):
        own = dict.fromkeys(range(start, end), f"I-{label}")
        own[start] = f"B-{label}"
        shared = tags.keys() & own.keys()
        for token in shared:
            own[token] = f"{tags[token]}/{own[token]}"
        fits = known is None or all(tag in known for tag in own.values())
        if not fits or not full.isdisjoint(shared):
            n_skipped += 1
            continue
        full |= shared
        tags.update(own)
    return TokenTags(tags, n_skipped)


def plain_tags(labels: Sequence[str]) -> list[str]:
    """RETURNS (list[str]): "O", then the B and I tag of each entity label."""
    return [OUTSIDE, *(f"{part}-{label}" for label in labels for part in "BI")]
