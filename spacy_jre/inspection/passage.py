"""The annotation of a Doc in the tokens and windows that a component gets."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from spacy.tokens import Doc
from spacy.training import Example

from ..annotations import DEFAULT_ATTR, Gold, read_gold
from ..annotations.build import RECORD_KEY
from ..annotations.gold import SpanKey
from ..annotations.sentences import WindowKind, sentence_ranges, window_ranges
from .windows import Windows

RelationKey = tuple[SpanKey, SpanKey, str]

# maximum number of examples per finding, and of characters per text
MAX_EXAMPLES = 3
MAX_SHOWN = 60
# longer names of Docs are not shown
MAX_NAME = 20


@dataclass(frozen=True)
class Settings:
    """The settings that affect what a component can learn and predict.

    max_span_width (int): Maximum width of predicted entities, in tokens.
    negative_pairs (int | None): Maximum number of unrelated pairs per window in
        training.
    max_entities (int): Maximum number of entities per window that prediction pairs.
    symmetric (tuple[str, ...]): Relation labels without a direction.
    label_thresholds (tuple[str, ...]): Relation labels with their own threshold.
    overlaps (str | tuple): Overlapping entities that are predicted: "keep", "best" or
        "auto", or rows of two labels.
    constraints (str | tuple): Relations that are predicted: "none" for all, "infer" for
        those of the training data, or rows of head label, label and tail label.
    attr (str): Name of the relation extension.
    windows (str | int): Between which entities relations are predicted: "sentence",
        "doc" or a number of sentences.
    given (bool): Whether the component gets its entities. They can be wider than
        `max_span_width`.
    entity_labels, relation_labels (tuple[str, ...] | None): The labels of the config.
        None to use the labels of the training data.
    """

    max_span_width: int = 10
    negative_pairs: int | None = 100
    max_entities: int = 100
    symmetric: tuple[str, ...] = ()
    label_thresholds: tuple[str, ...] = ()
    overlaps: str | tuple[tuple[str, ...], ...] = "keep"
    constraints: str | tuple[tuple[str, ...], ...] = "none"
    attr: str = DEFAULT_ATTR
    windows: WindowKind = "sentence"
    given: bool = False
    entity_labels: tuple[str, ...] | None = None
    relation_labels: tuple[str, ...] | None = None


class TokenLocation(NamedTuple):
    """Tokens of an entity, end exclusive, and its sentence. The window is None for an
    entity across sentences."""

    start: int
    end: int
    window: int | None

    @property
    def width(self) -> int:
        return self.end - self.start


@dataclass
class Sentence:
    """A window and its annotation.

    start, end (int): Token offsets, end exclusive.
    start_char (int): Character offset.
    text (str): The text.
    entities (list), relations (list): Entities and relations inside the window.
    """

    start: int
    end: int
    start_char: int
    text: str
    entities: list[SpanKey] = field(default_factory=list)
    relations: list[RelationKey] = field(default_factory=list)


@dataclass(frozen=True)
class Passage:
    """The annotation of a Doc, in the tokens and windows that a component gets.

    reference (Doc): The annotated Doc.
    text (str): Text of the Doc.
    other_text (bool): Whether the predicted Doc has another text. If so, tokens and
        windows are those of the reference, otherwise those of the predicted Doc.
    tokens (Doc): The Doc with these tokens.
    sentences (list[Sentence]): The sentences, or the whole Doc if it has no sentence
        boundaries.
    windows (Windows): The windows of the component.
    gold (Gold): The annotation, with the annotated direction of all relations.
    relations (list): The relations. Symmetric relations have one direction only.
    locations (dict): Entity -> location. None if it does not align with tokens.
    name (str): Name of the Doc in messages.
    """

    reference: Doc
    text: str
    other_text: bool
    tokens: Doc
    sentences: list[Sentence]
    windows: Windows
    gold: Gold
    relations: list[RelationKey]
    locations: dict[SpanKey, TokenLocation | None]
    name: str

    def quote(self, *spans: SpanKey) -> str:
        """An example for a message: the name of the Doc and the texts of spans."""
        texts = [repr(shorten(self.text[span[0] : span[1]])) for span in spans]
        return f"{self.name} {' and '.join(texts)}"


class Quotes(dict[str, list[str]]):
    """Key of a finding -> the first examples."""

    def add(self, key: str, passage: Passage, *spans: SpanKey) -> None:
        quotes = self.setdefault(key, [])
        if len(quotes) < MAX_EXAMPLES:
            quotes.append(passage.quote(*spans))


def read_passage(example: Example, name: str, settings: Settings) -> Passage:
    """Read the annotation of an Example.

    example (Example): The Example. Its predicted Doc only needs tokens and sentence
        starts.
    name (str): Name of the Doc in messages.
    settings (Settings): The settings. Only `attr`, `symmetric` and `windows` are used.
    RETURNS (Passage): The annotation.
    """
    reference = example.reference
    text = reference.text
    other_text = example.predicted.text != text
    tokens = reference if other_text else example.predicted
    gold = read_gold(reference, attr=settings.attr)
    sentences = _read_sentences(tokens)
    starts = [sentence.start for sentence in sentences]
    locations: dict[SpanKey, TokenLocation | None] = {}
    for key in gold.entities:
        span = tokens.char_span(key[0], key[1])
        if span is None or not len(span):
            locations[key] = None
            continue
        window = bisect_right(starts, span.start) - 1
        if span.end <= sentences[window].end:
            locations[key] = TokenLocation(span.start, span.end, window)
            sentences[window].entities.append(key)
        else:
            locations[key] = TokenLocation(span.start, span.end, None)
    relations: dict[RelationKey, None] = {}
    for head, tail, label in gold.relations:
        if label in settings.symmetric:
            head, tail = min(head, tail), max(head, tail)
        relations[(head, tail, label)] = None
    for head, tail, label in relations:
        first, second = locations[head], locations[tail]
        if not first or not second or first.window is None:
            continue
        if first.window == second.window:
            sentences[first.window].relations.append((head, tail, label))
    return Passage(
        reference,
        text,
        other_text,
        tokens,
        sentences,
        Windows(window_ranges(tokens, settings.windows)),
        gold,
        list(relations),
        locations,
        name + _source(reference),
    )


def shorten(text: str, limit: int = MAX_SHOWN) -> str:
    """The text on one line, truncated."""
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 3].rstrip() + "..."


def _read_sentences(doc: Doc) -> list[Sentence]:
    spans = [doc[start:end] for start, end in sentence_ranges(doc)]
    return [
        Sentence(span.start, span.end, span.start_char, span.text) for span in spans
    ]


def _source(doc: Doc) -> str:
    """The line, number or document of the record that the Doc was built from."""
    kept = doc.user_data.get(RECORD_KEY) or {}
    known = {**kept.get("meta", {}), "document": kept.get("document")}
    texts = {
        name: str(known[name])
        for name in ("line", "orig_id", "document")
        if known.get(name) is not None
    }
    parts = [f"{name} {text}" for name, text in texts.items() if len(text) <= MAX_NAME]
    return f" ({', '.join(parts)})" if parts else ""
