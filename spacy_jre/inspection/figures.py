"""Count what a corpus holds, and how much of it a component can reach."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from spacy.training import Example
from spacy.util import filter_spans

from ..annotations import stored_relations
from ..annotations.build import RECORD_KEY
from ..annotations.gold import SpanKey
from ..annotations.relations import expanded_span
from .passage import (
    Examples,
    Passage,
    Place,
    RelationKey,
    Settings,
    overlapping_pairs,
    read_passage,
)
from .repeats import Repeats
from .samples import Samples


@dataclass
class Size:
    """How much there is. A Doc that teaches nothing counts in `docs` alone.

    unannotated (int): Docs never annotated for entities.
    entities_only (int): Docs annotated for entities, never for relations.
    other_text (int): Docs whose predicted text is not that of the reference.
    sentences, tokens (int): Windows and their tokens.
    longest (int): Tokens of the longest sentence.
    relation_sentences (int): Sentences of Docs annotated for relations.
    with_entity, with_relation (int): Sentences with one or more.
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
    """Entities, and what keeps a component from predicting them.

    widths (Counter[int]): Entities of each width, in tokens.
    too_wide (int): Wider than ``max_span_width``.
    misaligned (int): Fit no tokens.
    across (int): Lie across two sentences.
    second_labels (int): Have the tokens of another entity, and another label.
    reachable (int): What a perfect component could predict.
    unlabelled (int): Without a label, as an argument of a relation may be.
    ragged (int): Begin or end with a sign that hardly belongs to them.
    """

    total: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    widths: Counter[int] = field(default_factory=Counter)
    too_wide: int = 0
    misaligned: int = 0
    across: int = 0
    second_labels: int = 0
    reachable: int = 0
    unlabelled: int = 0
    ragged: int = 0

    def add(self, passage: Passage, settings: Settings, examples: Examples) -> None:
        taken: set[Place] = set()
        for key, place in passage.places.items():
            self.total += 1
            self.labels[key[2]] += 1
            if not key[2]:
                self.unlabelled += 1
                examples.add("no-label", passage, key)
            if is_ragged(passage.text[key[0] : key[1]]):
                self.ragged += 1
                examples.add("ragged-entities", passage, key)
            if place is None:
                self.misaligned += 1
                examples.add("misaligned-entities", passage, key)
                continue
            self.widths[place.width] += 1
            wide = place.width > settings.max_span_width
            if wide:
                self.too_wide += 1
                examples.add("wide-entities", passage, key)
            if place.window is None:
                self.across += 1
                examples.add("entities-across-sentences", passage, key)
            elif place in taken:
                self.second_labels += 1
                examples.add("two-labels", passage, key)
            else:
                self.reachable += not wide
            taken.add(place)


@dataclass
class Overlaps:
    """Pairs of overlapping entities.

    nested, crossing, same_span (int): Pairs of each kind.
    sentences (int): In how many sentences they stand.
    not_in_ents (int): Entities that ``doc.ents`` cannot hold.
    related (int): Relations between overlapping entities.
    """

    nested: int = 0
    crossing: int = 0
    same_span: int = 0
    sentences: int = 0
    not_in_ents: int = 0
    related: int = 0

    @property
    def pairs(self) -> int:
        return self.nested + self.crossing + self.same_span

    def add(self, passage: Passage) -> None:
        pairs = overlapping_pairs(passage.places)
        for first, second in pairs:
            if first[:2] == second[:2]:
                self.same_span += 1
            elif second[1] <= first[1]:
                self.nested += 1
            else:
                self.crossing += 1
        if not pairs:
            return
        inner = [passage.places[second] for _, second in pairs]
        self.sentences += len(
            {None if place is None else place.window for place in inner}
        )
        spans = [expanded_span(passage.reference, *key) for key in passage.places]
        self.not_in_ents += len(spans) - len(filter_spans(spans))
        touching = {frozenset(pair) for pair in pairs}
        self.related += sum(
            frozenset((head, tail)) in touching for head, tail, _ in passage.relations
        )


@dataclass
class Directions:
    """How the relations of one label run.

    pairs (int): Unordered pairs of entities they join.
    both (int): Pairs related in both directions.
    left_to_right (int): Relations whose head comes first in the text.
    same_type (int): Relations that join two entities of one label.
    """

    pairs: int = 0
    both: int = 0
    left_to_right: int = 0
    same_type: int = 0


@dataclass
class RelationFigures:
    """Relations, and what keeps a component from learning or predicting them.

    arguments (dict): Label -> "head label -> tail label" -> relations.
    directions (dict): Label -> as annotated, whatever is called symmetric.
    lost_argument (int): An argument fits no tokens, or lies across sentences.
    itself (int): Head and tail are the same tokens.
    across (int): The arguments stand in two sentences.
    too_wide (int): An argument is wider than ``max_span_width``.
    reachable (int): The rest: what a perfect component could predict.
    several_labels (int): Ordered pairs with more than one label.
    repeated (int): Stand once more in their Doc, or in the file it was built from.
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

    def add(self, passage: Passage, settings: Settings, examples: Examples) -> None:
        self.total += len(passage.relations)
        self.repeated += count_repeated(passage, settings.attr)
        labels = Counter((head, tail) for head, tail, _ in passage.relations)
        self.several_labels += sum(count > 1 for count in labels.values())
        for head, tail, label in passage.relations:
            self.labels[label] += 1
            types = self.arguments.setdefault(label, Counter())
            types[join_types(head[2], tail[2])] += 1
            first, second = passage.places[head], passage.places[tail]
            if not first or not second or None in (first.window, second.window):
                self.lost_argument += 1
                examples.add("lost-arguments", passage, head, tail)
            elif first == second:
                self.itself += 1
                examples.add("self-relations", passage, head, tail)
            elif first.window != second.window:
                self.across += 1
                examples.add("relations-across-sentences", passage, head, tail)
            elif max(first.width, second.width) > settings.max_span_width:
                self.too_wide += 1
            else:
                self.reachable += 1
        self._add_directions(passage.gold.relations)

    def _add_directions(self, relations: Iterable[RelationKey]) -> None:
        found: dict[str, set[tuple[SpanKey, SpanKey]]] = {}
        for head, tail, label in relations:
            found.setdefault(label, set()).add((head, tail))
        for label, pairs in found.items():
            row = self.directions.setdefault(label, Directions())
            row.pairs += len({frozenset(pair) for pair in pairs})
            row.both += sum(
                head < tail and (tail, head) in pairs for head, tail in pairs
            )
            row.left_to_right += sum(head < tail for head, tail in pairs)
            row.same_type += sum(head[2] == tail[2] for head, tail in pairs)


@dataclass
class PairFigures:
    """Ordered pairs of the entities of a sentence: what a component classifies.

    most (int): Of one sentence.
    sampled (int): Sentences with more unrelated pairs than ``negative_pairs``.
    crowded (int): Sentences with more entities than are paired in prediction.
    types, related (Counter[str]): "head label -> tail label" -> pairs, and those of
        them with a relation.
    """

    total: int = 0
    most: int = 0
    sampled: int = 0
    crowded: int = 0
    types: Counter[str] = field(default_factory=Counter)
    related: Counter[str] = field(default_factory=Counter)

    def add(self, passage: Passage, settings: Settings) -> None:
        for sentence in passage.sentences:
            labels: dict[Place | None, str] = {}
            # of two labels of a span, the first is learnt
            for key in sorted(sentence.entities, key=lambda key: key[2]):
                labels.setdefault(passage.places[key], key[2])
            related = {
                (passage.places[head], passage.places[tail])
                for head, tail, _ in sentence.relations
            }
            related = {(head, tail) for head, tail in related if head != tail}
            count = len(labels)
            pairs = count * (count - 1)
            self.total += pairs
            self.most = max(self.most, pairs)
            length = sentence.end - sentence.start
            self.crowded += count > min(length, settings.max_entities)
            if settings.negative_pairs is not None:
                self.sampled += pairs - len(related) > settings.negative_pairs
            self.types.update(_pair_types(Counter(labels.values())))
            for head, tail in related:
                self.related[join_types(labels[head], labels[tail])] += 1


@dataclass
class Inspection:
    """What there is to say of one split."""

    size: Size = field(default_factory=Size)
    entities: EntityFigures = field(default_factory=EntityFigures)
    overlaps: Overlaps = field(default_factory=Overlaps)
    relations: RelationFigures = field(default_factory=RelationFigures)
    pairs: PairFigures = field(default_factory=PairFigures)
    examples: Examples = field(default_factory=Examples)
    repeats: Repeats = field(default_factory=Repeats)
    samples: Samples = field(default_factory=Samples)


def inspect_split(
    examples: Iterable[Example], settings: Settings, *, name: str = "train"
) -> Inspection:
    """Measure the Docs of one split.

    examples (Iterable[Example]): What the corpus reader gives.
    settings (Settings): Of the component.
    name (str): Of the split; its Docs are called ``train[0]``, ``train[1]`` ...
    RETURNS (Inspection): The figures.
    """
    found = Inspection()
    for number, example in enumerate(examples):
        found.size.docs += 1
        passage = read_passage(example, f"{name}[{number}]", settings)
        if not passage.gold.knows_entities:
            found.size.unannotated += 1
            continue
        found.size.add(passage)
        found.entities.add(passage, settings, found.examples)
        found.overlaps.add(passage)
        if passage.gold.knows_relations:
            found.relations.add(passage, settings, found.examples)
            found.pairs.add(passage, settings)
        found.repeats.add(passage)
        found.samples.add(passage)
    return found


def count_repeated(passage: Passage, attr: str) -> int:
    """Relations that stand once more, in the Doc or in what it was built from."""
    stored = stored_relations(passage.reference, attr)
    # only the converter knows what it merged
    rows = (passage.reference.user_data.get(RECORD_KEY) or {}).get("relations", ())
    merged = len(rows) - len({tuple(row) for row in rows})
    return len(stored) - len(passage.gold.relations) + merged


def compare_with(found: Inspection, train: Inspection) -> dict[str, float]:
    """Figures that follow from others: densities, and the recall that can be reached.

    found (Inspection): A split. train (Inspection): The training data.
    RETURNS (dict[str, float]): Means over the sentences. "compatible_pairs" are
        ordered pairs whose labels some relation of the training data joins,
        "related_pairs" those of them with a relation. Recalls are shares, 0 to 1: of
        what is not too wide ("width"), and of all that can be predicted ("best").
    """
    sentences = found.size.sentences or 1
    annotated = found.size.relation_sentences or 1
    types = {joined for row in train.relations.arguments.values() for joined in row}
    entities, relations = found.entities, found.relations
    return {
        "tokens_per_sentence": found.size.tokens / sentences,
        "entities_per_sentence": entities.total / sentences,
        "relations_per_sentence": relations.total / annotated,
        "pairs_per_sentence": found.pairs.total / annotated,
        "compatible_pairs": sum(found.pairs.types[joined] for joined in types),
        "related_pairs": sum(found.pairs.related[joined] for joined in types),
        "width_entity_recall": _share_left(entities.too_wide, entities.total),
        "width_relation_recall": _share_left(relations.too_wide, relations.total),
        "best_entity_recall": _share(entities.reachable, entities.total),
        "best_relation_recall": _share(relations.reachable, relations.total),
    }


def _share(part: int, whole: int) -> float:
    """Of nothing, all can be reached."""
    return part / whole if whole else 1.0


def _share_left(lost: int, whole: int) -> float:
    return _share(whole - lost, whole)


def _pair_types(labels: Counter[str]) -> Counter[str]:
    """The ordered pairs of distinct entities of a sentence, by their labels."""
    pairs: Counter[str] = Counter()
    for head, number in labels.items():
        for tail, other in labels.items():
            pairs[join_types(head, tail)] = number * (other - (head == tail))
    return +pairs  # without those of one entity with itself


def join_types(head: str, tail: str) -> str:
    return f"{head} -> {tail}"


def is_ragged(text: str) -> bool:
    """Tell whether a text begins or ends with what hardly belongs to a name.

    A last full stop may (*Inc.*), and so may brackets and quotes that have a partner.
    """
    if text != text.strip() or text[-1:] in set(",;:") or text[:1] in set(".,;:!?"):
        return True
    return any(text.count(a) != text.count(b) for a, b in ("()", "[]", "“”"))
