"""Count the annotation of a corpus, and how much of it a component can predict."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from spacy.training import Example
from spacy.util import filter_spans

from ..annotations import overlapping_pairs, stored_relations
from ..annotations.build import RECORD_KEY
from ..annotations.gold import SpanKey
from ..annotations.relations import expanded_span
from .passage import (
    Passage,
    Quotes,
    RelationKey,
    Settings,
    TokenLocation,
    read_passage,
)
from .reach import Reach, add_reach
from .repeats import Repeats
from .samples import Samples


@dataclass
class Size:
    """Size of a split. Unannotated Docs only count in `docs` and `unannotated`.

    docs (int): Number of Docs.
    unannotated (int): Docs without entity annotation.
    entities_only (int): Docs with entity annotation but without relation annotation.
    other_text (int): Docs with different texts of the predicted and reference Doc.
    sentences, tokens (int): Number of windows and of their tokens.
    longest (int): Number of tokens of the longest sentence.
    relation_sentences (int): Sentences of Docs with relation annotation.
    with_entity, with_relation (int): Sentences with at least one entity or relation.
    """

    docs: int = 0
    unannotated: int = 0
    entities_only: int = 0
    other_text: int = 0
    sentences: int = 0
    tokens: int = 0
    longest: int = 0
    relation_sentences: int = 0
    with_entity: int = 0
    with_relation: int = 0

    def add(self, passage: Passage) -> None:
        sentences = passage.sentences
        lengths = [sentence.end - sentence.start for sentence in sentences]
        self.other_text += passage.other_text
        self.sentences += len(sentences)
        self.tokens += sum(lengths)
        self.longest = max([self.longest, *lengths])
        self.with_entity += sum(bool(sentence.entities) for sentence in sentences)
        if passage.gold.knows_relations:
            self.relation_sentences += len(sentences)
            self.with_relation += sum(bool(one.relations) for one in sentences)
        else:
            self.entities_only += 1


@dataclass
class EntityFigures:
    """Counts of entities, and of reasons why a component cannot predict them.

    total (int): Number of entities.
    labels (Counter[str]): Number of entities per label.
    widths (Counter[int]): Number of entities per width in tokens.
    too_wide (int): Entities wider than ``max_span_width``.
    misaligned (int): Entities that do not align with tokens.
    across (int): Entities that no window contains.
    second_labels (int): Entities with the tokens of another entity, but another label.
    reachable (int): Entities that a perfect component can predict.
    unlabeled (int): Relation arguments without a label.
    ragged (int): Entities that start or end with a character that is probably not part
        of them.
    """

    total: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    too_wide: int = 0
    misaligned: int = 0
    across: int = 0
    second_labels: int = 0
    reachable: int = 0
    unlabeled: int = 0
    ragged: int = 0

    def add(self, passage: Passage, settings: Settings, quotes: Quotes) -> None:
        taken: set[TokenLocation] = set()
        for key, location in passage.locations.items():
            self.total += 1
            self.labels[key[2]] += 1
            if not key[2]:
                self.unlabeled += 1
                quotes.add("no-label", passage, key)
            if is_ragged(passage.text[key[0] : key[1]]):
                self.ragged += 1
                quotes.add("ragged-entities", passage, key)
            if location is None:
                self.misaligned += 1
                quotes.add("misaligned-entities", passage, key)
                continue
            self.widths[location.width] += 1
            tokens = location.start, location.end
            wide = not settings.given and location.width > settings.max_span_width
            if wide:
                self.too_wide += 1
                quotes.add("wide-entities", passage, key)
            if passage.windows.find(tokens) is None:
                self.across += 1
                quotes.add("entities-across-sentences", passage, key)
            elif location in taken:
                self.second_labels += 1
                quotes.add("two-labels", passage, key)
            else:
                self.reachable += not wide
            taken.add(location)


@dataclass
class Overlaps:
    """Counts of pairs of overlapping entities.

    nested, crossing, same_span (int): Number of pairs of each kind.
    sentences (int): Number of sentences with such pairs.
    not_in_ents (int): Entities that ``doc.ents`` cannot store.
    related (int): Relations between overlapping entities.
    labels (Counter[str]): Number of nested and crossing pairs by their labels, "outer >
        inner" or "first > second".
    """

    nested: int = 0
    crossing: int = 0
    same_span: int = 0
    sentences: int = 0
    not_in_ents: int = 0
    related: int = 0
    labels: Counter[str] = field(default_factory=Counter)

    @property
    def pairs(self) -> int:
        return self.nested + self.crossing + self.same_span

    def add(self, passage: Passage) -> None:
        pairs = overlapping_pairs(passage.locations)
        for first, second in pairs:
            if first[:2] == second[:2]:
                self.same_span += 1
                continue
            self.labels[overlap_name(first[2], second[2])] += 1
            if second[1] <= first[1]:
                self.nested += 1
            else:
                self.crossing += 1
        if not pairs:
            return
        inner = [passage.locations[second] for _, second in pairs]
        self.sentences += len(
            {None if location is None else location.window for location in inner}
        )
        spans = [expanded_span(passage.reference, *key) for key in passage.locations]
        self.not_in_ents += len(spans) - len(filter_spans(spans))
        touching = {frozenset(pair) for pair in pairs}
        self.related += sum(
            frozenset((head, tail)) in touching for head, tail, _ in passage.relations
        )


def overlap_name(first: str, second: str) -> str:
    """RETURNS (str): The labels of two entities that overlap, see ``Overlaps``."""
    return f"{first} > {second}"


@dataclass
class Directions:
    """Counts of the directions of the relations with one label.

    pairs (int): Unordered pairs of entities with such a relation.
    both (int): Pairs with relations in both directions.
    left_to_right (int): Relations with the head before the tail.
    same_type (int): Relations between entities with the same label.
    """

    pairs: int = 0
    both: int = 0
    left_to_right: int = 0
    same_type: int = 0


@dataclass
class RelationFigures:
    """Counts of relations, and of reasons why a component cannot learn or predict them.

    total (int): Number of relations.
    labels (Counter[str]): Number of relations per label.
    arguments (dict): Label -> "head label -> tail label" -> number of relations.
    directions (dict): Label -> directions, as annotated, even for symmetric labels.
    lost_argument (int): Relations with an argument that is misaligned or that no window
        contains.
    itself (int): Relations with the same tokens as head and tail.
    across (int): Relations with arguments in no common window.
    too_wide (int): Relations with an argument wider than ``max_span_width``.
    reachable (int): Relations that a perfect component can predict.
    several_labels (int): Ordered pairs with more than one label.
    repeated (int): Duplicate relations in a Doc, or in the file it was built from.
    """

    total: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    arguments: dict[str, Counter[str]] = field(default_factory=dict)
    directions: dict[str, Directions] = field(default_factory=dict)
    lost_argument: int = 0
    itself: int = 0
    across: int = 0
    too_wide: int = 0
    reachable: int = 0
    several_labels: int = 0
    repeated: int = 0

    @property
    def learnable(self) -> int:
        return self.reachable + self.too_wide

    def add(self, passage: Passage, settings: Settings, quotes: Quotes) -> None:
        self.total += len(passage.relations)
        self.repeated += count_repeated(passage, settings.attr)
        labels = Counter((head, tail) for head, tail, _ in passage.relations)
        self.several_labels += sum(count > 1 for count in labels.values())
        for head, tail, label in passage.relations:
            self.labels[label] += 1
            types = self.arguments.setdefault(label, Counter())
            types[join_types(head[2], tail[2])] += 1
            first, second = passage.locations[head], passage.locations[tail]
            spans = [(at.start, at.end) for at in (first, second) if at]
            if len(spans) < 2 or None in map(passage.windows.find, spans):
                self.lost_argument += 1
                quotes.add("lost-arguments", passage, head, tail)
            elif first == second:
                self.itself += 1
                quotes.add("self-relations", passage, head, tail)
            elif passage.windows.find(*spans) is None:
                self.across += 1
                quotes.add("relations-across-sentences", passage, head, tail)
            elif not settings.given and (
                max(end - start for start, end in spans) > settings.max_span_width
            ):
                self.too_wide += 1
            else:
                self.reachable += 1
        self._add_directions(passage.gold.relations)

    def _add_directions(self, relations: Iterable[RelationKey]) -> None:
        pairs_of: dict[str, set[tuple[SpanKey, SpanKey]]] = {}
        for head, tail, label in relations:
            pairs_of.setdefault(label, set()).add((head, tail))
        for label, pairs in pairs_of.items():
            row = self.directions.setdefault(label, Directions())
            row.pairs += len({frozenset(pair) for pair in pairs})
            row.both += sum(
                head < tail and (tail, head) in pairs for head, tail in pairs
            )
            row.left_to_right += sum(head < tail for head, tail in pairs)
            row.same_type += sum(head[2] == tail[2] for head, tail in pairs)


@dataclass
class PairFigures:
    """Counts of ordered pairs of entities in a sentence or window, which a component
    classifies.

    total (int): Number of pairs in sentences.
    most (int): Maximum number of pairs in a sentence.
    windows (int): Number of windows of the component.
    sampled (int): Windows with more unrelated pairs than ``negative_pairs``. A pair of
        several windows counts in the first one.
    too_many_entities (int): Windows with more entities than prediction pairs. 0 if the
        component gets its entities, because all of them are paired.
    types, related (Counter[str]): "head label -> tail label" -> number of pairs in
        sentences, and of related pairs.
    """

    total: int = 0
    most: int = 0
    windows: int = 0
    sampled: int = 0
    too_many_entities: int = 0
    types: Counter[str] = field(default_factory=Counter)
    related: Counter[str] = field(default_factory=Counter)

    def add(self, passage: Passage, settings: Settings) -> None:
        for sentence in passage.sentences:
            labels: dict[TokenLocation | None, str] = {}
            # if a span has two labels, the first one is learned
            for key in sorted(sentence.entities, key=lambda key: key[2]):
                labels.setdefault(passage.locations[key], key[2])
            related = {
                (passage.locations[head], passage.locations[tail])
                for head, tail, _ in sentence.relations
            }
            related = {(head, tail) for head, tail in related if head != tail}
            count = len(labels)
            pairs = count * (count - 1)
            self.total += pairs
            self.most = max(self.most, pairs)
            self.types.update(_pair_types(Counter(labels.values())))
            for head, tail in related:
                self.related[join_types(labels[head], labels[tail])] += 1
        self._add_windows(passage, settings)

    def _add_windows(self, passage: Passage, settings: Settings) -> None:
        windows = passage.windows
        tokens = {
            key: (at.start, at.end) for key, at in passage.locations.items() if at
        }
        related_pairs = {
            (tokens[head], tokens[tail])
            for head, tail, _ in passage.relations
            if head in tokens and tail in tokens and tokens[head] != tokens[tail]
        }
        related = Counter(windows.find(*pair) for pair in related_pairs)
        counts = windows.count_pairs(sorted(set(tokens.values())))
        self.windows += len(windows)
        for number, ((start, end), (count, pairs)) in enumerate(
            zip(windows, counts, strict=True)
        ):
            if not settings.given:
                self.too_many_entities += count > min(
                    end - start, settings.max_entities
                )
            if settings.negative_pairs is not None:
                self.sampled += pairs - related[number] > settings.negative_pairs


@dataclass
class Inspection:
    """The figures of a split."""

    size: Size = field(default_factory=Size)
    entities: EntityFigures = field(default_factory=EntityFigures)
    overlaps: Overlaps = field(default_factory=Overlaps)
    relations: RelationFigures = field(default_factory=RelationFigures)
    pairs: PairFigures = field(default_factory=PairFigures)
    reach: dict[str, Reach] = field(default_factory=dict)
    quotes: Quotes = field(default_factory=Quotes)
    repeats: Repeats = field(default_factory=Repeats)
    samples: Samples = field(default_factory=Samples)


def inspect_split(
    examples: Iterable[Example], settings: Settings, *, name: str = "train"
) -> Inspection:
    """Compute the figures of a split.

    examples (Iterable[Example]): The Examples of the corpus reader.
    settings (Settings): Settings of the component.
    name (str): Name of the split. Its Docs are called ``train[0]``, ``train[1]`` ...
    RETURNS (Inspection): The figures.
    """
    result = Inspection()
    for number, example in enumerate(examples):
        result.size.docs += 1
        passage = read_passage(example, f"{name}[{number}]", settings)
        if not passage.gold.knows_entities:
            result.size.unannotated += 1
            continue
        result.size.add(passage)
        result.entities.add(passage, settings, result.quotes)
        result.overlaps.add(passage)
        if passage.gold.knows_relations:
            result.relations.add(passage, settings, result.quotes)
            result.pairs.add(passage, settings)
            add_reach(result.reach, passage)
        result.repeats.add(passage)
        result.samples.add(passage)
    return result


def count_repeated(passage: Passage, attr: str) -> int:
    """RETURNS (int): Duplicate relations in the Doc and in the record it was built
    from."""
    stored = stored_relations(passage.reference, attr)
    # the converter keeps the rows of the record if it merged duplicates
    rows = (passage.reference.user_data.get(RECORD_KEY) or {}).get("relations", ())
    merged = len(rows) - len({tuple(row) for row in rows})
    return len(stored) - len(passage.gold.relations) + merged


def compare_with(split: Inspection, train: Inspection) -> dict[str, float]:
    """Compute densities and the maximum recall from the figures.

    split (Inspection): The figures of the split.
    train (Inspection): The figures of the training data.
    RETURNS (dict[str, float]): Means per sentence. "compatible_pairs" are ordered pairs
        with the entity labels of a relation of the training data, "related_pairs" those
        with a relation. The recall values, 0 to 1, are the share that is not too wide
        ("width") and the share that can be predicted ("best").
    """
    sentences = split.size.sentences or 1
    annotated = split.size.relation_sentences or 1
    types = {joined for row in train.relations.arguments.values() for joined in row}
    entities, relations = split.entities, split.relations
    return {
        "tokens_per_sentence": split.size.tokens / sentences,
        "entities_per_sentence": entities.total / sentences,
        "relations_per_sentence": relations.total / annotated,
        "pairs_per_sentence": split.pairs.total / annotated,
        "compatible_pairs": sum(split.pairs.types[joined] for joined in types),
        "related_pairs": sum(split.pairs.related[joined] for joined in types),
        "width_entity_recall": _share_left(entities.too_wide, entities.total),
        "width_relation_recall": _share_left(relations.too_wide, relations.total),
        "best_entity_recall": _share(entities.reachable, entities.total),
        "best_relation_recall": _share(relations.reachable, relations.total),
    }


def _share(part: int, whole: int) -> float:
    """The share, or 1.0 for an empty total."""
    return part / whole if whole else 1.0


def _share_left(lost: int, whole: int) -> float:
    return _share(whole - lost, whole)


def _pair_types(labels: Counter[str]) -> Counter[str]:
    """Number of ordered pairs of distinct entities in a sentence, by their labels."""
    pairs: Counter[str] = Counter()
    for head, number in labels.items():
        for tail, other in labels.items():
            pairs[join_types(head, tail)] = number * (other - (head == tail))
    return +pairs  # without zero counts


def join_types(head: str, tail: str) -> str:
    return f"{head} -> {tail}"


def split_types(joined: str) -> tuple[str, str]:
    head, _, tail = joined.partition(" -> ")
    return head, tail


def is_ragged(text: str) -> bool:
    """Whether a text starts or ends with a character that is probably not part of a
    name. A final full stop (*Inc.*) and paired brackets and quotes are accepted.
    """
    if text != text.strip() or text[-1:] in set(",;:") or text[:1] in set(".,;:!?"):
        return True
    return any(text.count(a) != text.count(b) for a, b in ("()", "[]", "“”"))
