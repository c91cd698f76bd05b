"""Measure a corpus, and check it against what a corpus of ours has to be."""

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
    """What a shipped corpus must reach. Shares are of sentences, 0 to 1.

    min_sentences (int): Distinct sentences.
    min_tokens, max_tokens (int): Shortest and longest sentence.
    long_tokens, min_long (int, float): At least this share is longer than that.
    min_without_relation (float): Share without a relation.
    min_unrelated (float): Share of the type-compatible ordered pairs that are not
        related.
    ngram, max_ngram_share (int, float): No sequence of that many words stands in
        more than this share.
    min_distinct (float): Share still distinct when entities are replaced by labels.
    min_repeated (float): Share in which an entity's text stands more than once.
    person (str): Entity label whose names may stand in one split only.
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
    """Figures of a corpus, and what is wrong with it, a line each."""

    figures: dict[str, Any]
    problems: list[str]


def validate_corpus(dataset: Dataset, nlp: Language, limits: Limits) -> CorpusReport:
    """Read the splits of a corpus, measure and check them.

    dataset (Dataset): Says where the files are, which labels there are, and which
        entity labels each relation joins.
    nlp (Language): Gives the tokenizer.
    limits (Limits): What the corpus must reach.
    RETURNS (CorpusReport): Figures and problems.
    RAISES (ValueError): J601, J602, J606 for a file that cannot be read, J633 for a
        limit of another type.
    """
    joins = dataset.relations
    if not isinstance(joins, Mapping):
        raise JREError(
            Errors.J633.format(
                path=dataset.folder / FILE,
                field="relations",
                problem="must say which entity labels each relation joins",
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
            problems += _check_labels(record, dataset.entities, joins)
    problems += report.misaligned
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
            problems.append(f"{record.source}: the sentence stands more than once")
    problems += _shared_people(splits, limits.person)
    masked = {mask_entities(record) for record in records}
    ngrams = _ngrams([doc for _, doc in everything], limits.ngram)
    commonest = ngrams.most_common(1)[0] if ngrams else ((), 0)
    compatible, related = _count_pairs(records, joins)
    # exact for the checks, rounded for the eye
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
        f"commonest {limits.ngram} words": " ".join(commonest[0]),
        f"share with these {limits.ngram} words": _share(commonest[1], count),
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
    for name, least in minima:
        if exact[name] < least:
            problems.append(
                f"{dataset.folder}: {name}: {figures[name]}, at least {least:.3g}"
            )
    name = f"share with these {limits.ngram} words"
    if exact[name] > limits.max_ngram_share:
        problems.append(
            f"{folder}: {name}: {figures[name]}, at most {limits.max_ngram_share}"
        )
    return CorpusReport(figures, problems)


def mask_entities(record: Record) -> str:
    """The text with every outermost entity replaced by its label."""
    text, position = [], 0
    for entity in sorted(record.entities, key=lambda e: (e.start, -e.end)):
        if entity.start >= position:
            text += [record.text[position : entity.start], f"<{entity.label}>"]
            position = entity.end
    return "".join([*text, record.text[position:]]).casefold()


def _check_labels(
    record: Record, entities: Sequence[str], joins: Mapping[str, Sequence[str]]
) -> list[str]:
    problems = [
        f"{record.source}: unknown entity label {entity.label!r}"
        for entity in record.entities
        if entity.label not in entities
    ]
    seen = set()
    for relation in record.relations:
        types = [record.entities[i].label for i in (relation.head, relation.tail)]
        wanted = joins.get(relation.label)
        if wanted is None:
            problems.append(
                f"{record.source}: unknown relation label {relation.label!r}"
            )
        elif types != list(wanted):
            problems.append(
                f"{record.source}: {relation.label} joins {wanted[0]} and "
                f"{wanted[1]}, not {types[0]} and {types[1]}"
            )
        if relation in seen:
            problems.append(f"{record.source}: {relation.label} stands twice")
        seen.add(relation)
    return problems


def _shared_people(
    splits: Mapping[str, Sequence[tuple[Record, Doc]]], person: str
) -> list[str]:
    """Names, and last words of names, that stand in more than one split."""
    where: dict[str, dict[str, str]] = {}
    for split, pairs in splits.items():
        for record, _ in pairs:
            for entity in record.entities:
                if entity.label == person:
                    words = record.text[entity.start : entity.end].casefold().split()
                    while len(words) > 1 and words[-1] in ("jr.", "sr.", "jr", "iii"):
                        words.pop()
                    if not words:  # a blank: reported as misaligned
                        continue
                    name = words[-1].strip(",")
                    where.setdefault(name, {}).setdefault(split, record.source)
    return [
        f"the person {name!r} stands in {' and '.join(sorted(found.values()))}"
        for name, found in sorted(where.items())
        if len(found) > 1
    ]


def _count_pairs(
    records: Sequence[Record], joins: Mapping[str, Sequence[str]]
) -> tuple[int, int]:
    """Ordered pairs whose entity labels some relation joins; those related."""
    types = {tuple(pair) for pair in joins.values()}
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
    """In how many Docs each sequence of words stands."""
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
