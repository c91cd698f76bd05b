"""Judge what is annotated: Docs, entities, relations, sentences."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .figures import compare_with
from .finding import Finding, Level, Splits, percent, quotes, where
from .passage import MAX_EXAMPLES, Settings
from .repeats import Leak, Seen, find_leaks

# share of entities or relations lost to max_span_width from which on it is a warning
WIDE_SHARE = 0.01
# tokens that hardly fit the 512 wordpieces of most encoders
LONG_SENTENCE = 350
# share of related pairs from which on the types of two entities say it all
RELATED_SHARE, LEAST_PAIRS = 0.9, 50


@dataclass(frozen=True)
class ZeroCheck:
    """A figure that had better be 0.

    level, key (str): Of the finding.
    figure (str): The figure, from an Inspection on.
    total (str): The figure it is a share of; empty: of none.
    what, mend (str): The message before and after the figures.
    """

    level: Level
    key: str
    figure: str
    total: str
    what: str
    mend: str


NOT_LEARNT = "They are not learnt and count as missed."
ZERO_CHECKS = (
    ZeroCheck(
        "warning",
        "unannotated-docs",
        "size.unannotated",
        "size.docs",
        "Docs that nobody annotated with entities",
        "They teach nothing, and no figure here counts them. To say that a Doc has no "
        "entities and relations, set doc.ents = [] and doc._.relations = [].",
    ),
    ZeroCheck(
        "advice",
        "entities-only-docs",
        "size.entities_only",
        "size.docs",
        "Docs annotated with entities but not for relations",
        "They teach entities only. To say that a Doc has no relations, set "
        "doc._.relations = [].",
    ),
    ZeroCheck(
        "warning",
        "other-text",
        "size.other_text",
        "size.docs",
        "Docs whose text the corpus reader changes",
        "They are measured here on the tokens of the annotation. Training aligns the "
        "two, and warns of what it loses with J904.",
    ),
    ZeroCheck(
        "warning",
        "misaligned-entities",
        "entities.misaligned",
        "entities.total",
        "Entities that do not begin and end with a token",
        f"{NOT_LEARNT} Mend their offsets, or keep the tokens of the annotation "
        "(gold_tokens = true).",
    ),
    ZeroCheck(
        "warning",
        "entities-across-sentences",
        "entities.across",
        "entities.total",
        "Entities that lie across two sentences",
        f"{NOT_LEARNT} Mend the sentence boundaries.",
    ),
    ZeroCheck(
        "warning",
        "two-labels",
        "entities.second_labels",
        "entities.total",
        "Entities on the tokens of another one, with another label",
        "A span gets one label: the first in label order is learnt.",
    ),
    ZeroCheck(
        "advice",
        "ragged-entities",
        "entities.ragged",
        "entities.total",
        "Entities that begin or end with a blank, a comma or half a pair of brackets",
        "Are their boundaries meant?",
    ),
    ZeroCheck(
        "advice",
        "overlaps",
        "overlaps.not_in_ents",
        "entities.total",
        "Entities that doc.ents cannot hold, because they overlap",
        'doc.spans["jre"] and the relations have them; what reads doc.ents does not.',
    ),
    ZeroCheck(
        "warning",
        "relations-across-sentences",
        "relations.across",
        "relations.total",
        "Relations across two sentences",
        f"{NOT_LEARNT} Only entities of one sentence are paired.",
    ),
    ZeroCheck(
        "warning",
        "self-relations",
        "relations.itself",
        "relations.total",
        "Relations of an entity with itself",
        NOT_LEARNT,
    ),
    ZeroCheck(
        "warning",
        "lost-arguments",
        "relations.lost_argument",
        "relations.total",
        "Relations with an argument that fits no tokens, or lies across sentences",
        NOT_LEARNT,
    ),
    ZeroCheck(
        "advice",
        "repeated-relations",
        "relations.repeated",
        "",
        "Relations that stand in their Doc, or in its source, once more",
        "They count once.",
    ),
    ZeroCheck(
        "warning",
        "crowded-sentences",
        "pairs.crowded",
        "size.sentences",
        "Sentences with more entities than are paired in prediction",
        "Relations of some are never found. Set sentence boundaries.",
    ),
)


def check_zeros(splits: Splits, settings: Settings) -> Iterator[Finding]:
    for check in ZERO_CHECKS:
        places = where(splits, check.figure, check.total)
        if places:
            message = f"{check.what}: {places}. {check.mend}"
            yield Finding(check.level, check.key, message, quotes(splits, check.key))


def check_arguments(splits: Splits, settings: Settings) -> Iterator[Finding]:
    places = where(splits, "entities.unlabelled")
    if places:
        stops = splits["train"].entities.unlabelled > 0
        yield Finding(
            "error" if stops else "warning",
            "no-label",
            f"Arguments of relations that are no entity and have no label: {places}. "
            f"{'Training stops with J403. ' if stops else ''}Add them to the entities, "
            "or give the Span a label.",
            quotes(splits, "no-label"),
        )
    train = splits["train"].relations
    if train.total and not train.learnable:
        yield Finding(
            "error",
            "nothing-to-learn",
            f"None of the {train.total} relations of the training data can be learnt. "
            "The warnings say why.",
        )


def check_widths(splits: Splits, settings: Settings) -> Iterator[Finding]:
    places = where(splits, "entities.too_wide", "entities.total")
    if not places:
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
        f"Entities wider than max_span_width = {settings.max_span_width}: {places}. "
        "They are never predicted, so that the recall of entities and of relations "
        f"ends at: {', '.join(limits)}.",
        quotes(splits, "wide-entities"),
    )


def check_sentences(splits: Splits, settings: Settings) -> Iterator[Finding]:
    longest = {name: split.size.longest for name, split in splits.items()}
    if max(longest.values()) > LONG_SENTENCE:
        lengths = ", ".join(f"{name} {length}" for name, length in longest.items())
        yield Finding(
            "warning",
            "long-sentences",
            f"The longest sentence has more than {LONG_SENTENCE} tokens: {lengths}. "
            "Most encoders take 512 wordpieces; a longer sentence is cut, and "
            "relations across the cut are lost. Set sentence boundaries.",
        )
    size = splits["train"].size
    if size.relation_sentences and size.with_relation == size.relation_sentences:
        yield Finding(
            "advice",
            "no-sentence-without-relation",
            "Every sentence of the training data has a relation. A pipeline that knows "
            "no other finds relations in texts that have none: add some without.",
        )
    compared = compare_with(splits["train"], splits["train"])
    pairs, related = int(compared["compatible_pairs"]), int(compared["related_pairs"])
    if pairs >= LEAST_PAIRS and related > RELATED_SHARE * pairs:
        yield Finding(
            "advice",
            "few-unrelated-pairs",
            f"{related} of {pairs} training pairs whose types a relation joins are "
            f"related ({percent(related, pairs)}): the types alone tell them. Text in "
            "which such entities are not related teaches more.",
        )


def check_repeats(splits: Splits, settings: Settings) -> Iterator[Finding]:
    repeats = {name: split.repeats for name, split in splits.items()}
    seen = [one for split in repeats.values() for one in split.texts.values()]
    for leak in find_leaks(repeats):
        if leak.sentences:
            yield Finding("warning", "leak", _tell_leak(leak), tuple(leak.examples))
    places = where(splits, "repeats.inconsistent")
    if places:
        yield Finding(
            "warning",
            "inconsistent-repeats",
            f"Texts that stand more than once and are not annotated alike: {places}.",
            _contradictions(seen),
        )
    places = where(splits, "repeats.repeated", "size.sentences")
    if places:
        yield Finding(
            "advice",
            "repeats",
            f"Sentences whose text stood before in their split: {places}.",
            _commonest(one for one in seen if one.count > 1),
        )


def _tell_leak(leak: Leak) -> str:
    message = (
        f"{leak.sentences} of {leak.total} sentences of {leak.split} "
        f"({percent(leak.sentences, leak.total)}) stand in {leak.source} too, with "
        f"{leak.entities} entities and {leak.relations} relations"
    )
    if leak.otherwise:
        message += f"; {leak.otherwise} of the texts are annotated otherwise there"
    if leak.source == "train":
        return f"{message}. Scores of {leak.split} are too good by them."
    return f"{message}. The best epoch is chosen by them."


def _commonest(seen: Iterable[Seen]) -> tuple[str, ...]:
    ordered = sorted(seen, key=lambda one: -one.count)
    return tuple(
        f"{one.place} {one.text!r}, {one.count} times" for one in ordered[:MAX_EXAMPLES]
    )


def _contradictions(seen: Iterable[Seen]) -> tuple[str, ...]:
    """Where each way to annotate a text stands first."""
    unlike = [one for one in seen if len(one.annotations) > 1]
    return tuple(
        f"{', '.join(one.annotations.values())}: {one.text!r}"
        for one in unlike[:MAX_EXAMPLES]
    )
