"""Find sentences that occur more than once in a split, or in two splits."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..annotations.align import count_nonspace
from .passage import MAX_EXAMPLES, Passage, Sentence, shorten


@dataclass
class TextCounts:
    """The sentences with the same text.

    location (str): Name of the Doc of the first sentence.
    text (str): Text of the first sentence, shortened.
    count, entities, relations (int): Number of sentences, and of their entities and
        relations.
    annotations (dict[int, str]): Fingerprint of an annotation -> name of the first Doc
        with this annotation.
    """

    location: str
    text: str
    count: int = 0
    entities: int = 0
    relations: int = 0
    annotations: dict[int, str] = field(default_factory=dict)


@dataclass
class Repeats:
    """The sentences of a split by their text, ignoring case and whitespace."""

    texts: dict[str, TextCounts] = field(default_factory=dict)

    @property
    def repeated(self) -> int:
        """Number of sentences that repeat the text of an earlier one."""
        return sum(text.count - 1 for text in self.texts.values())

    @property
    def inconsistent(self) -> int:
        """Number of texts with more than one annotation."""
        return sum(len(text.annotations) > 1 for text in self.texts.values())

    def add(self, passage: Passage) -> None:
        counts = count_nonspace(passage.text)
        for sentence in passage.sentences:
            words = sentence.text.split()
            if not words:
                continue
            text = self.texts.setdefault(
                " ".join(words).casefold(),
                TextCounts(passage.name, shorten(sentence.text)),
            )
            text.count += 1
            text.entities += len(sentence.entities)
            text.relations += len(sentence.relations)
            fingerprint = _fingerprint(sentence, counts)
            text.annotations.setdefault(fingerprint, passage.name)


@dataclass(frozen=True)
class Leak:
    """Sentences of a split that also occur in another split.

    split, source (str): The two splits.
    sentences, entities, relations (int): Number of such sentences in `split`, and of
        their entities and relations.
    total (int): Number of all sentences in `split`.
    otherwise (int): Number of texts with different annotation in the two splits.
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
    """Compare each split with the splits before it.

    splits (Mapping): Name of the split -> sentences, starting with train.
    RETURNS (list[Leak]): One per pair of splits, even without a common text.
    """
    leaks = []
    names = list(splits)
    for index, split in enumerate(names):
        for source in names[:index]:
            texts, others = splits[split].texts, splits[source].texts
            common = [text for text in texts if text in others]
            shared = [texts[text] for text in common]
            leaks.append(
                Leak(
                    split,
                    source,
                    sentences=sum(one.count for one in shared),
                    total=sum(one.count for one in texts.values()),
                    entities=sum(one.entities for one in shared),
                    relations=sum(one.relations for one in shared),
                    otherwise=sum(
                        not texts[text].annotations.keys()
                        <= others[text].annotations.keys()
                        for text in common
                    ),
                    examples=[
                        f"{texts[text].location}, {others[text].location}: "
                        f"{texts[text].text!r}"
                        for text in common[:MAX_EXAMPLES]
                    ],
                )
            )
    return leaks


def _fingerprint(sentence: Sentence, counts: list[int]) -> int:
    """A hash of the annotation, independent of the offset of the sentence and of
    whitespace.

    sentence (Sentence): The sentence.
    counts (list[int]): Result of ``count_nonspace`` for the whole Doc.
    """
    first = counts[sentence.start_char]
    relative = {
        key: (counts[key[0]] - first, counts[key[1]] - first, key[2])
        for key in sentence.entities
    }
    relations = {
        (relative[head], relative[tail], label)
        for head, tail, label in sentence.relations
    }
    return hash((frozenset(relative.values()), frozenset(relations)))
