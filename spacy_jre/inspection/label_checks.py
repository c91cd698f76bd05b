"""Check the labels: in which splits they occur, how often, and their direction."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from spacy.matcher.levenshtein import levenshtein

from ..corpora.labels import normalize_label
from .figures import Inspection, join_types, split_types
from .finding import Finding, Splits, listed, percent
from .passage import Settings

# number of training examples of a label below which there is a warning or advice
FEW, SOME = 10, 50
# minimum shares for a label that looks symmetric
BOTH_WAYS, ONE_TYPE, LEFT_TO_RIGHT = 0.5, 0.6, 0.85
LEAST_BOTH = 3
# number of characters of a label from which one edit can be a typo
LONG_LABEL = 5


def check_labels(splits: Splits, settings: Settings) -> Iterator[Finding]:
    """Check for labels that are missing in the config or in a split."""
    for kind, known in known_labels(splits["train"], settings).items():
        train = _count_labels(splits["train"], kind)
        missing = sorted(set(train) - {*known, ""})
        if not known:
            yield Finding(
                "error",
                f"no-{kind}-labels",
                f"The training data has no {kind} label. Training stops with J502.",
            )
        elif missing:  # the config defines the labels
            yield Finding(
                "error",
                f"refused-{kind}-labels",
                f"The {kind} labels of [initialize] lack labels of the training data: "
                f"{listed(missing)}. Training stops with J504.",
            )
        for name in [name for name in splits if name != "train"]:
            counts = _count_labels(splits[name], kind)
            unseen = sorted(set(counts) - {*known, ""})
            if unseen:
                total = sum(counts.values())
                lost = sum(counts[label] for label in unseen)
                yield Finding(
                    "error",
                    f"unseen-{kind}-labels",
                    f"{name} has {kind} labels that are not learned, because the "
                    f"training data lacks them: {listed(unseen)}. {lost} of {total} "
                    "count as missed. The maximum recall is "
                    f"{percent(total - lost, total)}.",
                )
            absent = sorted(set(train) - {*counts, ""})
            if absent and name == "dev":
                yield Finding(
                    "advice",
                    f"undeveloped-{kind}-labels",
                    f"dev lacks {kind} labels of the training data: {listed(absent)}. "
                    "Their scores cannot be evaluated.",
                )


def check_label_settings(splits: Splits, settings: Settings) -> Iterator[Finding]:
    known = known_labels(splits["train"], settings)["relation"]
    for setting, labels, code in (
        ("symmetric", settings.symmetric, "J505"),
        ("label_thresholds", settings.label_thresholds, "J507"),
    ):
        unknown = [label for label in labels if label not in known]
        if unknown:
            yield Finding(
                "error",
                f"unknown-{setting.replace('_', '-')}",
                f"The setting `{setting}` has unknown relation labels: "
                f"{listed(unknown)}. Training stops with {code}. Labels: "
                f"{listed(sorted(known)) or 'none'}.",
            )

    if isinstance(settings.constraints, str):
        return
    entities = known_labels(splits["train"], settings)["entity"]
    unknown = sorted(
        {
            label
            for row in settings.constraints
            for label, names in zip(row, (entities, known, entities), strict=True)
            if label not in names
        }
    )
    if unknown:
        yield Finding(
            "error",
            "unknown-constraints",
            f"The setting `constraints` has unknown labels: {listed(unknown)}. "
            f"Training stops with J511. Entity labels: {listed(sorted(entities))}. "
            f"Relation labels: {listed(sorted(known))}.",
        )


def check_constraints(splits: Splits, settings: Settings) -> Iterator[Finding]:
    """Check for relations that the setting `constraints` excludes."""
    allowed = _allowed_types(splits["train"], settings)
    if allowed is None:
        return
    for name, split in splits.items():
        counts = {
            f"{label}: {joined} ({count})": count
            for label, types in sorted(split.relations.arguments.items())
            for joined, count in types.most_common()
            if joined not in allowed.get(label, ())
        }
        if counts:
            lost, total = sum(counts.values()), split.relations.total
            yield Finding(
                "warning",
                "excluded-relations",
                f"The setting `constraints` excludes {lost} of {total} relations of "
                f"{name}: {listed(list(counts))}. They are never predicted. The "
                f"maximum recall is {percent(total - lost, total)}.",
            )


def _allowed_types(train: Inspection, settings: Settings) -> dict[str, set[str]] | None:
    """The types of arguments by relation label that can be predicted. None for all."""
    if settings.constraints == "none":
        return None
    allowed: dict[str, set[str]] = {}
    if isinstance(settings.constraints, str):
        rows = [
            (*split_types(joined), label)
            for label, types in train.relations.arguments.items()
            for joined in types
        ]
    else:
        rows = [(head, tail, label) for head, label, tail in settings.constraints]
    for head, tail, label in rows:
        types = allowed.setdefault(label, set())
        types.add(join_types(head, tail))
        if label in settings.symmetric:
            types.add(join_types(tail, head))
    return allowed


def check_label_counts(splits: Splits, settings: Settings) -> Iterator[Finding]:
    for kind, known in known_labels(splits["train"], settings).items():
        train = _count_labels(splits["train"], kind)
        counts = {label: train.get(label, 0) for label in sorted(known)}
        few = [f"{label} ({n})" for label, n in counts.items() if n < FEW]
        some = [f"{label} ({n})" for label, n in counts.items() if FEW <= n < SOME]
        if few:
            yield Finding(
                "warning",
                f"few-{kind}-examples",
                f"Fewer than {FEW} training examples: the {kind} labels {listed(few)}. "
                "Too few to learn from; annotate more, or merge labels.",
            )
        if some:
            yield Finding(
                "advice",
                f"some-{kind}-examples",
                f"Fewer than {SOME} training examples: the {kind} labels "
                f"{listed(some)}.",
            )


def check_similar_labels(splits: Splits, settings: Settings) -> Iterator[Finding]:
    """Check for rare labels that are spelled like another label."""
    for kind in ("entity", "relation"):
        counts: Counter[str] = Counter()
        for split in splits.values():
            counts.update(_count_labels(split, kind))
        del counts[""]
        pairs = []
        for pair in combinations(sorted(counts), 2):
            rare, other = sorted(pair, key=lambda label: (counts[label], label))
            if counts[rare] < FEW and _are_similar(rare, other):
                names = f"{rare} ({counts[rare]}) and {other} ({counts[other]})"
                pairs.append(names)
        if pairs:
            yield Finding(
                "warning",
                f"similar-{kind}-labels",
                f"A rare {kind} label resembles another label: {listed(pairs)}. If "
                "they mean the same, convert the data again with --map OLD=NEW.",
            )


def _are_similar(first: str, second: str) -> bool:
    """Whether two labels differ in case and punctuation only, or by one letter."""
    names = [normalize_label(label) for label in (first, second)]
    if names[0] == names[1]:
        # C++ and C, or labels in signs only, are different labels
        return len(names[0]) > 1
    without_digits = [
        "".join(character for character in name if not character.isdigit())
        for name in names
    ]
    if without_digits[0] == without_digits[1]:
        return False  # numbers differ, as in Grade1 and Grade2
    return min(map(len, names)) >= LONG_LABEL and levenshtein(*names, 1) == 1


def known_labels(train: Inspection, settings: Settings) -> dict[str, Sequence[str]]:
    """RETURNS (dict): "entity" and "relation" -> the labels of the component. These are
    the labels of the config, or else those of the training data."""
    fixed = {"entity": settings.entity_labels, "relation": settings.relation_labels}
    return {
        kind: [label for label in _count_labels(train, kind) if label]
        if labels is None
        else labels
        for kind, labels in fixed.items()
    }


def _count_labels(split: Inspection, kind: str) -> Mapping[str, int]:
    return split.entities.labels if kind == "entity" else split.relations.labels


def check_directions(splits: Splits, settings: Settings) -> Iterator[Finding]:
    train = splits["train"].relations
    both_ways, one_type = [], []
    for label, row in sorted(train.directions.items()):
        if label in settings.symmetric:
            yield from _check_symmetric(label, splits["train"])
        elif row.both >= LEAST_BOTH and row.both >= BOTH_WAYS * row.pairs:
            both_ways.append(f"{label} ({row.both} of {row.pairs} pairs)")
        else:
            count = train.labels[label]
            same, right = row.same_type / count, row.left_to_right / count
            if count >= FEW and same >= ONE_TYPE and right >= LEFT_TO_RIGHT:
                shares = f"{same:.0%} same label, {right:.0%} in order"
                one_type.append(f"{label} ({shares})")
    if both_ways:
        yield Finding(
            "warning",
            "annotated-both-ways",
            f"Relations annotated in both directions: {listed(both_ways)}. Add labels "
            "without a direction to the setting `symmetric`, so that each relation "
            "counts once.",
        )
    if one_type:
        yield Finding(
            "advice",
            "symmetric-candidates",
            "Relations that are mostly between entities with the same label, in the "
            f"order of the text: {listed(one_type)}. Add labels without a direction to "
            "the setting `symmetric`. Directed relations can look the same.",
        )


def _check_symmetric(label: str, train: Inspection) -> Iterator[Finding]:
    """Check whether the annotation fits a symmetric label."""
    row = train.relations.directions[label]
    if row.both:
        yield Finding(
            "warning",
            "symmetric-both-ways",
            f"{label} is in `symmetric`, but {row.both} of its {row.pairs} pairs are "
            "annotated in both directions. Each counts once.",
        )
    relations = row.pairs + row.both
    if row.same_type < relations / 2:
        yield Finding(
            "warning",
            "symmetric-between-types",
            f"{label} is in `symmetric`, but {relations - row.same_type} of "
            f"{relations} are between entities with different labels. Check whether it "
            "has a direction.",
        )
