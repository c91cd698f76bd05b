"""Check the Docs, entities, relations and sentences of a corpus."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .figures import compare_with, overlap_name
from .finding import (
    Finding,
    Level,
    Splits,
    collect_quotes,
    format_counts,
    listed,
    percent,
    ratio,
)
from .passage import MAX_EXAMPLES, Settings
from .repeats import Leak, TextCounts, find_leaks

# minimum share of entities or relations lost to max_span_width for a warning
WIDE_SHARE = 0.01
# tokens; more rarely fit into the 512 wordpieces of most encoders
LONG_SENTENCE = 350
# minimum share of related pairs, and number of pairs, for a finding
RELATED_SHARE, LEAST_PAIRS = 0.9, 50


@dataclass(frozen=True)
class ZeroCheck:
    """A figure that should be 0.

    level, key (str): Level and key of the finding.
    figure (str): The figure, as a dotted name in an Inspection.
    total (str): The figure to compute a share of, or an empty string.
    problem, fix (str): The message before and after the figures.
    """

    level: Level
    key: str
    figure: str
    total: str
    problem: str
    fix: str


NOT_LEARNED = "They are not learned and count as missed."
ZERO_CHECKS = (
    ZeroCheck(
        "warning",
        "unannotated-docs",
        "size.unannotated",
        "size.docs",
        "Docs without entity annotation",
        "They are not learned from, and the figures here ignore them. To annotate that "
        "a Doc has no entities and relations, set doc.ents = [] and "
        "doc._.relations = [].",
    ),
    ZeroCheck(
        "advice",
        "entities-only-docs",
        "size.entities_only",
        "size.docs",
        "Docs with entity annotation but without relation annotation",
        "Only entities are learned from them. To annotate that a Doc has no relations, "
        "set doc._.relations = [].",
    ),
    ZeroCheck(
        "warning",
        "other-text",
        "size.other_text",
        "size.docs",
        "Docs with a text that the corpus reader changes",
        "The figures here use the tokens of the annotation. Training aligns the texts "
        "and reports lost annotation with J904.",
    ),
    ZeroCheck(
        "warning",
        "misaligned-entities",
        "entities.misaligned",
        "entities.total",
        "Entities that do not align with tokens",
        f"{NOT_LEARNED} Fix their offsets, or keep the tokens of the annotation "
        "(gold_tokens = true).",
    ),
    ZeroCheck(
        "warning",
        "entities-across-sentences",
        "entities.across",
        "entities.total",
        "Entities across two windows",
        f"{NOT_LEARNED} Fix the sentence boundaries. A window is a sentence, or more "
        "with the setting `windows`.",
    ),
    ZeroCheck(
        "warning",
        "two-labels",
        "entities.second_labels",
        "entities.total",
        "Entities with the same tokens as another entity, but another label",
        "A span can only have one label: the first in label order is learned.",
    ),
    ZeroCheck(
        "advice",
        "ragged-entities",
        "entities.ragged",
        "entities.total",
        "Entities that start or end with whitespace, punctuation or a lone bracket",
        "Check their boundaries.",
    ),
    ZeroCheck(
        "advice",
        "overlaps",
        "overlaps.not_in_ents",
        "entities.total",
        "Entities that doc.ents cannot store, because they overlap",
        'doc.spans["jre"] and the relations include them, unless `overlaps` removes '
        "them.",
    ),
    ZeroCheck(
        "warning",
        "relations-across-sentences",
        "relations.across",
        "relations.total",
        "Relations across two windows",
        f"{NOT_LEARNED} Only entities of the same window are paired: a sentence, or "
        "more with the setting `windows`.",
    ),
    ZeroCheck(
        "warning",
        "self-relations",
        "relations.itself",
        "relations.total",
        "Relations between an entity and itself",
        NOT_LEARNED,
    ),
    ZeroCheck(
        "warning",
        "lost-arguments",
        "relations.lost_argument",
        "relations.total",
        "Relations with an argument that is misaligned or across windows",
        NOT_LEARNED,
    ),
    ZeroCheck(
        "advice",
        "repeated-relations",
        "relations.repeated",
        "",
        "Duplicate relations in a Doc or in its source",
        "They count once.",
    ),
    ZeroCheck(
        "warning",
        "too-many-entities",
        "pairs.too_many_entities",
        "pairs.windows",
        "Windows with more entities than prediction pairs",
        "Relations of the other entities are not predicted. Set sentence boundaries, "
        "or choose smaller `windows`.",
    ),
)


def check_zeros(splits: Splits, settings: Settings) -> Iterator[Finding]:
    for check in ZERO_CHECKS:
        counts = format_counts(splits, check.figure, check.total)
        if counts:
            message = f"{check.problem}: {counts}. {check.fix}"
            quotes = collect_quotes(splits, check.key)
            yield Finding(check.level, check.key, message, quotes)


def check_arguments(splits: Splits, settings: Settings) -> Iterator[Finding]:
    counts = format_counts(splits, "entities.unlabeled")
    if counts:
        stops = splits["train"].entities.unlabeled > 0
        yield Finding(
            "error" if stops else "warning",
            "no-label",
            f"Relation arguments that are not entities and have no label: {counts}. "
            f"{'Training stops with J403. ' if stops else ''}Add them to the entities, "
            "or set the label of the Span.",
            collect_quotes(splits, "no-label"),
        )
    train = splits["train"].relations
    if train.total and not train.learnable:
        yield Finding(
            "error",
            "nothing-to-learn",
            f"None of the {train.total} relations of the training data can be learned. "
            "The warnings give the reasons.",
        )


def check_overlaps(splits: Splits, settings: Settings) -> Iterator[Finding]:
    """Check for overlapping entities that the setting `overlaps` removes."""
    overlaps = settings.overlaps
    if overlaps == "keep":
        return
    known: set[str] = set()
    reason = ""
    if overlaps == "auto":
        known = set(splits["train"].overlaps.labels)
        reason = ", and no entities with their labels overlap in the training data"
    elif not isinstance(overlaps, str):
        known = {overlap_name(*row) for row in overlaps}
        reason = ", and the labels file does not have their labels"
    removed = {
        name: Counter(
            {
                labels: count
                for labels, count in split.overlaps.labels.items()
                if labels not in known
            }
        )
        for name, split in splits.items()
    }
    if any(removed.values()):
        mode = overlaps if isinstance(overlaps, str) else "auto"
        pairs = "; ".join(
            f"{name} {counts.total()} ({listed(sorted(counts))})"
            for name, counts in removed.items()
            if counts
        )
        yield Finding(
            "warning",
            "removed-overlaps",
            f"Pairs of overlapping entities: {pairs}. Only one entity of each pair is "
            f'predicted, because `overlaps` is "{mode}"{reason}. To predict both, set '
            'overlaps = "keep".',
        )


def check_widths(splits: Splits, settings: Settings) -> Iterator[Finding]:
    counts = format_counts(splits, "entities.too_wide", "entities.total")
    if not counts:
        return
    shares, limits = [], []
    for name, split in splits.items():
        wide = split.entities.too_wide, split.relations.too_wide
        totals = split.entities.total, split.relations.total
        shares += [part / total for part, total in zip(wide, totals) if total]
        entities, relations = (percent(t - w, t) for w, t in zip(wide, totals))
        limits.append(f"{name} {entities} and {relations}")
    yield Finding(
        "warning" if max(shares) > WIDE_SHARE else "advice",
        "wide-entities",
        f"Entities wider than max_span_width = {settings.max_span_width}: {counts}. "
        "They are never predicted. The maximum recall of entities and relations is: "
        f"{', '.join(limits)}.",
        collect_quotes(splits, "wide-entities"),
    )


def check_sentences(splits: Splits, settings: Settings) -> Iterator[Finding]:
    longest = {name: split.size.longest for name, split in splits.items()}
    if max(longest.values()) > LONG_SENTENCE:
        lengths = ", ".join(f"{name} {length}" for name, length in longest.items())
        yield Finding(
            "warning",
            "long-sentences",
            f"The longest sentence has more than {LONG_SENTENCE} tokens: {lengths}. "
            "Most encoders support 512 wordpieces. Longer sentences are split, and "
            "relations across the split are lost. Set sentence boundaries.",
        )
    size = splits["train"].size
    if size.relation_sentences and size.with_relation == size.relation_sentences:
        yield Finding(
            "advice",
            "no-sentence-without-relation",
            "Every sentence of the training data has a relation. The pipeline then "
            "predicts relations in texts without any. Add sentences without relations.",
        )
    compared = compare_with(splits["train"], splits["train"])
    pairs, related = int(compared["compatible_pairs"]), int(compared["related_pairs"])
    if pairs >= LEAST_PAIRS and related > RELATED_SHARE * pairs:
        yield Finding(
            "advice",
            "few-unrelated-pairs",
            f"{related} of {pairs} training pairs with the entity labels of a relation "
            f"are related ({percent(related, pairs)}), so the labels alone predict "
            "them. Add texts in which such entities are not related.",
        )


def check_windows(splits: Splits, settings: Settings) -> Iterator[Finding]:
    """Check whether other windows would reach more relations."""
    train = splits["train"]
    if not train.relations.across:
        return
    total, sentence = train.relations.total, train.reach["sentence"]
    choices = [
        f"{name}: {percent(reach.relations, total)}, "
        f"{ratio(reach.tokens, sentence.tokens)} and "
        f"{ratio(reach.pairs, sentence.pairs)}"
        for name, reach in train.reach.items()
    ]
    yield Finding(
        "advice",
        "windows",
        "Share of the training relations in one window, tokens to encode and pairs to "
        f"classify, relative to sentences, for each choice of `windows`: "
        f"{'; '.join(choices)}. The component has windows = "
        f"{json.dumps(settings.windows)}.",
    )


def check_repeats(splits: Splits, settings: Settings) -> Iterator[Finding]:
    repeats = {name: split.repeats for name, split in splits.items()}
    texts = [text for split in repeats.values() for text in split.texts.values()]
    for leak in find_leaks(repeats):
        if leak.sentences:
            yield Finding("warning", "leak", _format_leak(leak), tuple(leak.examples))
    counts = format_counts(splits, "repeats.inconsistent")
    if counts:
        yield Finding(
            "warning",
            "inconsistent-repeats",
            f"Texts that occur more than once with different annotation: {counts}.",
            _contradictions(texts),
        )
    counts = format_counts(splits, "repeats.repeated", "size.sentences")
    if counts:
        yield Finding(
            "advice",
            "repeats",
            f"Sentences that repeat an earlier sentence of their split: {counts}.",
            _most_common(text for text in texts if text.count > 1),
        )


def _format_leak(leak: Leak) -> str:
    message = (
        f"{leak.sentences} of {leak.total} sentences of {leak.split} "
        f"({percent(leak.sentences, leak.total)}) also occur in {leak.source}, with "
        f"{leak.entities} entities and {leak.relations} relations"
    )
    if leak.otherwise:
        message += f"; {leak.otherwise} of the texts have different annotation there"
    if leak.source == "train":
        return f"{message}. They make the scores on {leak.split} too high."
    return f"{message}. They influence which epoch is the best."


def _most_common(texts: Iterable[TextCounts]) -> tuple[str, ...]:
    ordered = sorted(texts, key=lambda text: -text.count)
    return tuple(
        f"{text.location} {text.text!r}, {text.count} times"
        for text in ordered[:MAX_EXAMPLES]
    )


def _contradictions(texts: Iterable[TextCounts]) -> tuple[str, ...]:
    """The locations of the first sentence with each annotation of a text."""
    inconsistent = [text for text in texts if len(text.annotations) > 1]
    return tuple(
        f"{', '.join(text.annotations.values())}: {text.text!r}"
        for text in inconsistent[:MAX_EXAMPLES]
    )
