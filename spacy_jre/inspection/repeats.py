"""Find sentences that stand more than once: in a split, and in two of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..annotations.align import count_nonspace
from .passage import MAX_EXAMPLES, Passage, Sentence, shorten


@dataclass
class Seen:
    """A text, and all sentences that have it.

    place (str): The first of them.
    text (str): The text as it stands there, shortened.
    count, entities, relations (int): Sentences, and what is annotated in them.
    annotations (dict[int, str]): A number for each way in which they are annotated, and
        the first sentence that is.
    """

    place: str
    text: str
    count: int = 0
    entities: int = 0
    relations: int = 0
    annotations: dict[int, str] = field(default_factory=dict)


@dataclass
class Repeats:
    """The sentences of a split by their text, whatever its case and white space."""

    texts: dict[str, Seen] = field(default_factory=dict)

    @property
    def repeated(self) -> int:
        """Sentences beyond the first with a text."""
        return sum(seen.count - 1 for seen in self.texts.values())

    @property
    def inconsistent(self) -> int:
        """Texts that are annotated in more than one way."""
        return sum(len(seen.annotations) > 1 for seen in self.texts.values())

    def add(self, passage: Passage) -> None:
        counts = count_nonspace(passage.text)
        for sentence in passage.sentences:
            words = sentence.text.split()
            if not words:
                continue
            seen = self.texts.setdefault(
                " ".join(words).casefold(), Seen(passage.name, shorten(sentence.text))
            )
            seen.count += 1
            seen.entities += len(sentence.entities)
            seen.relations += len(sentence.relations)
            number = _fingerprint(sentence, counts)
            seen.annotations.setdefault(number, passage.name)


@dataclass(frozen=True)
class Leak:
    """Sentences of one split whose text stands in another one too.

    split, source (str): The two splits.
    sentences, entities, relations (int): Of `split`.
    total (int): All sentences of `split`.
    otherwise (int): Texts that are not annotated alike in both.
    examples (list[str]): The first texts.
    """

    split: str
    source: str
    sentences: int
    total: int
    entities: int
    relations: int
    otherwise: int
    examples: list[str]


def find_leaks(splits: Mapping[str, Repeats]) -> list[Leak]:
    """Compare each split with those before it.

    splits (Mapping): Name -> sentences, train first.
    RETURNS (list[Leak]): One per two splits, those without a common text included.
    """
    leaks = []
    names = list(splits)
    for index, split in enumerate(names):
        for source in names[:index]:
            texts, others = splits[split].texts, splits[source].texts
            common = [text for text in texts if text in others]
            seen = [texts[text] for text in common]
            leaks.append(
                Leak(
                    split,
                    source,
                    sentences=sum(one.count for one in seen),
                    total=sum(one.count for one in texts.values()),
                    entities=sum(one.entities for one in seen),
                    relations=sum(one.relations for one in seen),
                    otherwise=sum(
                        not texts[text].annotations.keys()
                        <= others[text].annotations.keys()
                        for text in common
                    ),
                    examples=[
                        f"{texts[text].place}, {others[text].place}: "
                        f"{texts[text].text!r}"
                        for text in common[:MAX_EXAMPLES]
                    ],
                )
            )
    return leaks


def _fingerprint(sentence: Sentence, counts: list[int]) -> int:
    """A number for an annotation, wherever the sentence begins, and whatever its
    white space.

    counts (list[int]): Of ``count_nonspace``, over the whole Doc.
    """
    first = counts[sentence.first]
    moved = {
        key: (counts[key[0]] - first, counts[key[1]] - first, key[2])
        for key in sentence.entities
    }
    relations = {(moved[h], moved[t], label) for h, t, label in sentence.relations}
    return hash((frozenset(moved.values()), frozenset(relations)))
