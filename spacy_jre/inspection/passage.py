"""One reference Doc on the tokens and in the windows that a component gets."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.training import Example

from ..annotations import DEFAULT_ATTR, Gold, read_gold
from ..annotations.build import RECORD_KEY
from ..annotations.gold import SpanKey
from ..annotations.sentences import sentence_ranges

RelationKey = tuple[SpanKey, SpanKey, str]
Labels = tuple[str, ...]

# how many cases of a kind are shown, and how much of a text
MAX_EXAMPLES = 3
MAX_SHOWN = 60
# names of Docs longer than this say little
MAX_NAME = 20


@dataclass(frozen=True)
class Settings:
    """The settings of a component that decide what it can learn and predict.

    max_span_width (int): Widest entity that is predicted, in tokens.
    negative_pairs (int | None): Unrelated pairs it learns from, per window.
    max_entities (int): Most entities of a window that are paired in prediction.
    symmetric (tuple[str, ...]): Relation labels without a direction.
    label_thresholds (tuple[str, ...]): Relation labels with a threshold of their own.
    attr (str): Name of the relation extension.
    entity_labels, relation_labels (tuple[str, ...] | None): The labels, where the
        config fixes them; None where they are those of the training data.
    """

    max_span_width: int = 10
    negative_pairs: int | None = 100
    max_entities: int = 100
    symmetric: Labels = ()
    label_thresholds: Labels = ()
    attr: str = DEFAULT_ATTR
    entity_labels: Labels | None = None
    relation_labels: Labels | None = None


class Place(NamedTuple):
    """Tokens of an entity, end exclusive, and its window: None if it needs two."""

    start: int
    end: int
    window: int | None

    @property
    def width(self) -> int:
        return self.end - self.start


@dataclass
class Sentence:
    """A window, and what of the annotation lies in it.

    start, end (int): Its tokens, end exclusive.
    first (int): The character it begins with.
    text (str): Its text.
    entities (list), relations (list): Those that lie in it as a whole.
    """

    start: int
    end: int
    first: int
    text: str
    entities: list[SpanKey] = field(default_factory=list)
    relations: list[RelationKey] = field(default_factory=list)


@dataclass(frozen=True)
class Passage:
    """A reference Doc as a component meets it.

    reference (Doc): The annotated Doc.
    text (str): Its text.
    other_text (bool): Whether the predicted Doc has another one. Tokens and windows
        are those of the predicted Doc if not, and of the reference if so.
    sentences (list[Sentence]): The windows: sentences, or the Doc where no boundaries
        are set.
    gold (Gold): The annotation, every relation in the direction it has there.
    relations (list): The relations; symmetric ones in one direction only.
    places (dict): Where each entity lies; None if it fits no tokens.
    name (str): What messages call it.
    """

    reference: Doc
    text: str
    other_text: bool
    sentences: list[Sentence]
    gold: Gold
    relations: list[RelationKey]
    places: dict[SpanKey, Place | None]
    name: str

    def quote(self, *spans: SpanKey) -> str:
        """An example for a message: the Doc, and the texts of some of its spans."""
        texts = [repr(shorten(self.text[span[0] : span[1]])) for span in spans]
        return f"{self.name} {' and '.join(texts)}"


class Examples(dict[str, list[str]]):
    """The first few cases of each kind, quoted."""

    def add(self, kind: str, passage: Passage, *spans: SpanKey) -> None:
        quotes = self.setdefault(kind, [])
        if len(quotes) < MAX_EXAMPLES:
            quotes.append(passage.quote(*spans))


def read_passage(example: Example, name: str, settings: Settings) -> Passage:
    """
    example (Example): The predicted Doc needs tokens and sentence starts only.
    name (str): What messages call it.
    settings (Settings): `attr` and `symmetric` are read.
    RETURNS (Passage): Of the two Docs.
    """
    reference = example.reference
    text = reference.text
    other_text = example.predicted.text != text
    tokens = reference if other_text else example.predicted
    gold = read_gold(reference, attr=settings.attr)
    sentences = _read_sentences(tokens)
    starts = [sentence.start for sentence in sentences]
    places: dict[SpanKey, Place | None] = {}
    for key in gold.entities:
        span = tokens.char_span(key[0], key[1])
        if span is None or not len(span):
            places[key] = None
            continue
        window = bisect_right(starts, span.start) - 1
        if span.end <= sentences[window].end:
            places[key] = Place(span.start, span.end, window)
            sentences[window].entities.append(key)
        else:
            places[key] = Place(span.start, span.end, None)
    relations: dict[RelationKey, None] = {}
    for head, tail, label in gold.relations:
        if label in settings.symmetric:
            head, tail = min(head, tail), max(head, tail)
        relations[(head, tail, label)] = None
    for head, tail, label in relations:
        first, second = places[head], places[tail]
        if not first or not second or first.window is None:
            continue
        if first.window == second.window:
            sentences[first.window].relations.append((head, tail, label))
    return Passage(
        reference,
        text,
        other_text,
        sentences,
        gold,
        list(relations),
        places,
        name + _source(reference),
    )


def overlapping_pairs(entities: Iterable[SpanKey]) -> list[tuple[SpanKey, SpanKey]]:
    """Pairs of entities that share a character, the longer of two nested ones first."""
    ordered = sorted(entities, key=lambda key: (key[0], -key[1], key[2]))
    pairs = []
    for index, first in enumerate(ordered):
        for second in ordered[index + 1 :]:
            if second[0] >= first[1]:
                break
            pairs.append((first, second))
    return pairs


def shorten(text: str, limit: int = MAX_SHOWN) -> str:
    """A text on one line, and not too much of it."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def _read_sentences(doc: Doc) -> list[Sentence]:
    spans = [doc[start:end] for start, end in sentence_ranges(doc)]
    return [
        Sentence(span.start, span.end, span.start_char, span.text) for span in spans
    ]


def _source(doc: Doc) -> str:
    """What the converter knows of a Doc's place: line, number or document."""
    kept = doc.user_data.get(RECORD_KEY) or {}
    known = {**kept.get("meta", {}), "document": kept.get("document")}
    texts = {
        name: str(known[name])
        for name in ("line", "orig_id", "document")
        if known.get(name) is not None
    }
    found = [f"{name} {text}" for name, text in texts.items() if len(text) <= MAX_NAME]
    return f" ({', '.join(found)})" if found else ""
