"""Compute the figures of a corpus and check them against limits."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from ..annotations import AlignmentReport, Record, build_doc
from ..corpora.dataset import FILE, Dataset
from ..corpora.formats import guess_format
from ..errors import Errors, JREError


@dataclass(frozen=True)
class Limits:
    """Limits for a shipped corpus. Shares are of sentences, 0 to 1.

    min_sentences (int): Minimum number of distinct sentences.
    min_tokens, max_tokens (int): Minimum and maximum number of tokens per sentence.
    long_tokens, min_long (int, float): Minimum share of sentences that are longer than
        `long_tokens`.
    min_without_relation (float): Minimum share of sentences without a relation.
    min_unrelated (float): Minimum share of unrelated pairs among the type-compatible
        ordered pairs.
    ngram, max_ngram_share (int, float): Maximum share of sentences that contain the
        same sequence of `ngram` words.
    min_distinct (float): Minimum share of sentences that are distinct after replacing
        entities with their labels.
    min_repeated (float): Minimum share of sentences in which the text of an entity
        occurs more than once.
    person (str): Entity label of persons. A name must only occur in one split.
    """

    min_sentences: int = 600
    min_tokens: int = 6
    max_tokens: int = 60
    long_tokens: int = 25
    min_long: float = 1 / 3
    min_without_relation: float = 0.15
    min_unrelated: float = 0.6
    ngram: int = 6
    max_ngram_share: float = 0.02
    min_distinct: float = 1.0
    min_repeated: float = 0.0
    person: str = "Peop"


@dataclass(frozen=True)
class CorpusReport:
    """The figures of a corpus, and its problems, one line each."""

    figures: dict[str, Any]
    problems: list[str]


def validate_corpus(dataset: Dataset, nlp: Language, limits: Limits) -> CorpusReport:
    """Read the splits of a corpus, compute the figures and check them.

    dataset (Dataset): Defines the files, the labels, and the entity labels of each
        relation label.
    nlp (Language): The pipeline with the tokenizer.
    limits (Limits): The limits.
    RETURNS (CorpusReport): Figures and problems.
    RAISES (ValueError): J601, J602, J606 for a file that cannot be read, J716 for
        a missing split, J633 for relations without entity labels or an invalid limit.
    """
    argument_labels = dataset.relations
    if not isinstance(argument_labels, Mapping):
        raise JREError(
            Errors.J633.format(
                path=dataset.folder / FILE,
                field="relations",
                problem="must define the entity labels of each relation",
            )
        )
    folder = dataset.folder
    for name, default in vars(Limits()).items():
        value = getattr(limits, name)
        kind = str if isinstance(default, str) else (int, float)
        if not isinstance(value, kind):
            expected = "a string" if kind is str else "a number"
            problem = f"must give {expected} for {name}, not {value!r}"
            raise JREError(
                Errors.J633.format(path=folder / FILE, field="limits", problem=problem)
            )
    problems: list[str] = []
    report = AlignmentReport()
    splits: dict[str, list[tuple[Record, Doc]]] = {}
    for split, paths in dataset.paths().items():
        records = [record for path in paths for record in guess_format(path).read(path)]
        splits[split] = [(r, build_doc(r, nlp, report=report)) for r in records]
        for record in records:
            problems += _check_labels(record, dataset.entities, argument_labels)
    problems += [lost.reason for lost in report.lost if lost.kind == "entity"]
    everything = [pair for pairs in splits.values() for pair in pairs]
    records = [record for record, _ in everything]
    lengths = sorted(len(doc) for _, doc in everything)
    count = len(records)
    texts = Counter(record.text.casefold() for record in records)
    for record, doc in everything:
        if not limits.min_tokens <= len(doc) <= limits.max_tokens:
            problems.append(
                f"{record.source}: {len(doc)} tokens, not {limits.min_tokens} to "
                f"{limits.max_tokens}"
            )
        if texts[record.text.casefold()] > 1:
            problems.append(f"{record.source}: the sentence occurs more than once")
    problems += _shared_people(splits, limits.person)
    masked = {mask_entities(record) for record in records}
    ngrams = _ngrams([doc for _, doc in everything], limits.ngram)
    top_ngram = ngrams.most_common(1)[0] if ngrams else ((), 0)
    compatible, related = _count_pairs(records, argument_labels)
    # exact values for the checks, rounded values for the report
    exact: dict[str, Any] = {
        "sentences": {split: len(pairs) for split, pairs in splits.items()},
        "distinct sentences": len(texts),
        "entities": dict(Counter(e.label for r in records for e in r.entities)),
        "relations": dict(Counter(x.label for r in records for x in r.relations)),
        "tokens, shortest": lengths[0],
        "tokens, median": lengths[count // 2],
        "tokens, longest": lengths[-1],
        f"above {limits.long_tokens} tokens": _share(
            sum(n > limits.long_tokens for n in lengths), count
        ),
        "without a relation": _share(sum(not r.relations for r in records), count),
        "with nested entities": sum(_nests(r) for r in records),
        "with a repeated entity text": _share(sum(map(_repeats, records)), count),
        "with an entity in several relations": _share(
            sum(map(_shares_entities, records)), count
        ),
        "distinct with entities as labels": _share(len(masked), count),
        "type-compatible ordered pairs": compatible,
        "of them unrelated": _share(compatible - related, compatible),
        f"commonest {limits.ngram} words": " ".join(top_ngram[0]),
        f"share with these {limits.ngram} words": _share(top_ngram[1], count),
    }
    minima: tuple[tuple[str, float], ...] = (
        ("distinct sentences", limits.min_sentences),
        (f"above {limits.long_tokens} tokens", limits.min_long),
        ("without a relation", limits.min_without_relation),
        ("distinct with entities as labels", limits.min_distinct),
        ("of them unrelated", limits.min_unrelated),
        ("with a repeated entity text", limits.min_repeated),
    )
    figures = {
        name: round(value, 3) if isinstance(value, float) else value
        for name, value in exact.items()
    }
    for name, minimum in minima:
        if exact[name] < minimum:
            problems.append(
                f"{dataset.folder}: {name}: {figures[name]}, at least {minimum:.3g}"
            )
    name = f"share with these {limits.ngram} words"
    if exact[name] > limits.max_ngram_share:
        problems.append(
            f"{folder}: {name}: {figures[name]}, at most {limits.max_ngram_share}"
        )
    return CorpusReport(figures, problems)


def mask_entities(record: Record) -> str:
    """Replace all outermost entities of the text with their labels."""
    text, position = [], 0
    for entity in sorted(record.entities, key=lambda e: (e.start, -e.end)):
        if entity.start >= position:
            text += [record.text[position : entity.start], f"<{entity.label}>"]
            position = entity.end
    return "".join([*text, record.text[position:]]).casefold()


def _check_labels(
    record: Record,
    entities: Sequence[str],
    argument_labels: Mapping[str, Sequence[str]],
) -> list[str]:
    problems = [
        f"{record.source}: unknown entity label {entity.label!r}"
        for entity in record.entities
        if entity.label not in entities
    ]
    seen = set()
    for relation in record.relations:
        types = [record.entities[i].label for i in (relation.head, relation.tail)]
        expected = argument_labels.get(relation.label)
        if expected is None:
            problems.append(
                f"{record.source}: unknown relation label {relation.label!r}"
            )
        elif types != list(expected):
            problems.append(
                f"{record.source}: {relation.label} must be between {expected[0]} and "
                f"{expected[1]}, not {types[0]} and {types[1]}"
            )
        if relation in seen:
            problems.append(f"{record.source}: {relation.label} is a duplicate")
        seen.add(relation)
    return problems


def _shared_people(
    splits: Mapping[str, Sequence[tuple[Record, Doc]]], person: str
) -> list[str]:
    """Last names of persons that occur in more than one split."""
    sources_of: dict[str, dict[str, str]] = {}
    for split, pairs in splits.items():
        for record, _ in pairs:
            for entity in record.entities:
                if entity.label == person:
                    words = record.text[entity.start : entity.end].casefold().split()
                    while len(words) > 1 and words[-1] in ("jr.", "sr.", "jr", "iii"):
                        words.pop()
                    if not words:  # whitespace only: reported as misaligned
                        continue
                    name = words[-1].strip(",")
                    sources_of.setdefault(name, {}).setdefault(split, record.source)
    return [
        f"the person {name!r} occurs in {' and '.join(sorted(sources.values()))}"
        for name, sources in sorted(sources_of.items())
        if len(sources) > 1
    ]


def _count_pairs(
    records: Sequence[Record], argument_labels: Mapping[str, Sequence[str]]
) -> tuple[int, int]:
    """Number of ordered pairs with the entity labels of a relation, and of related
    pairs among them."""
    types = {tuple(pair) for pair in argument_labels.values()}
    compatible = related = 0
    for record in records:
        pairs = {(r.head, r.tail) for r in record.relations}
        for head, tail in permutations(range(len(record.entities)), 2):
            labels = (record.entities[head].label, record.entities[tail].label)
            if labels in types:
                compatible += 1
                related += (head, tail) in pairs
    return compatible, related


def _ngrams(docs: Sequence[Doc], size: int) -> Counter[tuple[str, ...]]:
    """Number of Docs that contain each sequence of words."""
    counts: Counter[tuple[str, ...]] = Counter()
    for doc in docs:
        words = [token.lower_ for token in doc]
        counts.update(
            {tuple(words[i : i + size]) for i in range(len(words) - size + 1)}
        )
    return counts


def _nests(record: Record) -> bool:
    return any(
        a.start <= b.start and b.end <= a.end and a != b
        for a, b in permutations(record.entities, 2)
    )


def _repeats(record: Record) -> bool:
    forms = {record.text[e.start : e.end] for e in record.entities}
    return any(record.text.count(form) > 1 for form in forms)


def _shares_entities(record: Record) -> bool:
    ends = [number for r in record.relations for number in (r.head, r.tail)]
    return len(set(ends)) < len(ends)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
