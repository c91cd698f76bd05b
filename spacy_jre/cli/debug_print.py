"""Print the report of `spacy jre debug-data`."""

from collections import Counter
from collections.abc import Mapping, Sequence

import typer
from wasabi import msg

from ..inspection import Finding, Inspection, Leak, Reach, compare_with, percent, ratio
from .debug_data import Report

# entity widths that are shown separately
MAX_WIDTHS = 4
# the most common labels of overlapping entities that are shown
MAX_OVERLAPS = 5
# maximum characters of a sample: a Doc without sentence boundaries can be long
MAX_MARKUP = 2000

# a name and one value per split
Row = tuple[str, ...]


def print_report(report: Report) -> None:
    """Print the statistics. The findings come last, where they are seen first."""
    splits, settings = report.splits, report.settings
    header = ("", *splits)
    inspections = list(splits.values())
    compared = [compare_with(inspection, splits["train"]) for inspection in inspections]
    msg.divider(f"{report.component} of {report.config}")
    _print_table(header, _size_rows(inspections, compared, settings.negative_pairs))
    msg.divider("Labels")
    entities = [one.entities.labels for one in inspections]
    relations = [one.relations.labels for one in inspections]
    _print_table(("Entity", *splits), _label_rows(entities))
    _print_table(("Relation", *splits), _label_rows(relations))
    _print_table(("Relation", "Arguments (train)"), _type_rows(splits["train"]))
    msg.divider("Entities and relations")
    rows = _loss_rows(inspections, compared, settings.max_span_width)
    _print_table(header, [*_overlap_rows(inspections), *rows])
    if rows := _window_rows(splits):
        msg.divider("Windows")
        _print_table(header, rows)
    msg.divider("Repeated sentences")
    _print_table(header, _repeat_rows(splits, report.leaks))
    msg.divider("Sentences of the training data")
    for name, markup in report.samples:
        msg.text(name)
        cut = "..." if len(markup) > MAX_MARKUP else ""
        typer.echo(f"{markup[:MAX_MARKUP]}{cut}\n")  # markup is not wrapped
    _print_findings(report.findings)


def _print_findings(findings: list[Finding]) -> None:
    msg.divider("Findings")
    for finding in findings:
        if finding.level == "error":
            msg.fail(finding.message)
        elif finding.level == "warning":
            msg.warn(finding.message)
        else:
            msg.info(finding.message)
        for example in finding.examples:
            typer.echo(f"    {example}")
    counts = Counter(finding.level for finding in findings)
    summary = (
        f"errors: {counts['error']}, warnings: {counts['warning']}, advice: "
        f"{counts['advice']}"
    )
    if counts["error"]:
        msg.fail(summary, spaced=True)
    else:
        msg.good(summary, spaced=True)


def _print_table(header: Row, rows: list[Row]) -> None:
    aligns = (
        "l",
        *("l" if header[1:] == ("Arguments (train)",) else "r",) * len(header[1:]),
    )
    msg.table(rows, header=header, divider=True, aligns=aligns)


def _size_rows(
    splits: list[Inspection],
    compared: list[dict[str, float]],
    negative_pairs: int | None,
) -> list[Row]:
    sizes = [split.size for split in splits]
    rows: list[Row] = [
        ("Docs", *(str(size.docs) for size in sizes)),
        ("Sentences", *(str(size.sentences) for size in sizes)),
        (
            "  without an entity",
            *(counted(one.sentences - one.with_entity, one.sentences) for one in sizes),
        ),
        (
            "  without a relation",
            *(
                counted(
                    one.relation_sentences - one.with_relation, one.relation_sentences
                )
                for one in sizes
            ),
        ),
        ("Tokens", *(str(size.tokens) for size in sizes)),
        ("  per sentence", *_means(compared, "tokens_per_sentence")),
        ("  longest sentence", *(str(size.longest) for size in sizes)),
        ("Entities", *(str(split.entities.total) for split in splits)),
        ("  per sentence", *_means(compared, "entities_per_sentence")),
        ("Relations", *(str(split.relations.total) for split in splits)),
        ("  per sentence", *_means(compared, "relations_per_sentence")),
        ("Ordered pairs", *(str(split.pairs.total) for split in splits)),
        ("  per sentence", *_means(compared, "pairs_per_sentence")),
        ("  maximum per sentence", *(str(split.pairs.most) for split in splits)),
        ("  type-compatible", *(f"{one['compatible_pairs']}" for one in compared)),
        (
            "  of these with a relation",
            *(
                counted(int(one["related_pairs"]), int(one["compatible_pairs"]))
                for one in compared
            ),
        ),
    ]
    if negative_pairs is not None:
        name = f"  windows with > {negative_pairs} negatives"
        rows.append((name, *(str(split.pairs.sampled) for split in splits)))
    return rows


def _window_rows(splits: Mapping[str, Inspection]) -> list[Row]:
    """What each choice of `windows` reaches and costs, relative to sentences. Empty if
    all Docs are single sentences."""
    rows: list[Row] = []
    if all(one.size.docs >= one.size.sentences for one in splits.values()):
        return rows
    for choice in splits["train"].reach:
        own = [(one.reach.get(choice, Reach()), one) for one in splits.values()]
        rows.append(
            (
                f"Relations within {choice}",
                *(counted(reach.relations, one.relations.total) for reach, one in own),
            )
        )
        for name, figure in (("tokens", "tokens"), ("pairs of entities", "pairs")):
            costs = []
            for reach, one in own:
                base = one.reach.get("sentence", Reach())
                costs.append(ratio(getattr(reach, figure), getattr(base, figure)))
            rows.append((f"  {name}", *costs))
    return rows


def _label_rows(splits: Sequence[Mapping[str, int]]) -> list[Row]:
    """RETURNS (list[Row]): Each label and its counts, the most common label first."""
    total: Counter[str] = Counter()
    for counts in splits:
        total.update(counts)
    return [
        (label or "(none)", *(str(counts.get(label, 0)) for counts in splits))
        for label, _ in total.most_common()
    ]


def _type_rows(train: Inspection) -> list[Row]:
    rows: list[Row] = []
    for label, _ in train.relations.labels.most_common():
        types = train.relations.arguments[label].most_common()
        shown = [f"{joined} ({count})" for joined, count in types]
        rows += [(label, shown[0]), *(("", one) for one in shown[1:])]
    return rows


def _overlap_rows(splits: list[Inspection]) -> list[Row]:
    overlaps = [split.overlaps for split in splits]
    rows: list[Row] = [("Overlapping pairs", *(str(one.pairs) for one in overlaps))]
    if any(one.pairs for one in overlaps):
        rows += [
            (
                "  nested, crossing, same",
                *(f"{one.nested}, {one.crossing}, {one.same_span}" for one in overlaps),
            ),
            ("  in sentences", *(str(one.sentences) for one in overlaps)),
            ("  not in doc.ents", *(str(one.not_in_ents) for one in overlaps)),
            ("  with a relation", *(str(one.related) for one in overlaps)),
        ]
        pairs = _label_rows([one.labels for one in overlaps])[:MAX_OVERLAPS]
        rows += [(f"  {labels}", *counts) for labels, *counts in pairs]
    return rows


def _loss_rows(
    splits: list[Inspection], compared: list[dict[str, float]], limit: int
) -> list[Row]:
    entities = [split.entities for split in splits]
    relations = [split.relations for split in splits]
    return [
        (
            f"Widths 1 to {MAX_WIDTHS} and more (%)",
            *(_widths(one.widths) for one in entities),
        ),
        ("  widest", *(str(max(one.widths, default=0)) for one in entities)),
        (
            f"  > max_span_width = {limit}",
            *(counted(one.too_wide, one.total) for one in entities),
        ),
        ("  maximum entity recall", *_shares(compared, "width_entity_recall")),
        ("  maximum relation recall", *_shares(compared, "width_relation_recall")),
        ("Misaligned entities", *(str(one.misaligned) for one in entities)),
        ("  across sentences", *(str(one.across) for one in entities)),
        ("  with several labels", *(str(one.second_labels) for one in entities)),
        ("  maximum recall", *_shares(compared, "best_entity_recall")),
        ("Relations across sentences", *(str(one.across) for one in relations)),
        ("  with a lost argument", *(str(one.lost_argument) for one in relations)),
        ("  of an entity with itself", *(str(one.itself) for one in relations)),
        ("  maximum recall", *_shares(compared, "best_relation_recall")),
        ("  duplicates", *(str(one.repeated) for one in relations)),
        ("Pairs with several labels", *(str(one.several_labels) for one in relations)),
    ]


def _repeat_rows(splits: Mapping[str, Inspection], leaks: list[Leak]) -> list[Row]:
    repeats = [split.repeats for split in splits.values()]
    rows: list[Row] = [
        ("In the same split", *(str(one.repeated) for one in repeats)),
        ("  with different annotations", *(str(one.inconsistent) for one in repeats)),
    ]
    for source in list(splits)[:-1]:
        leak_to = {leak.split: leak for leak in leaks if leak.source == source}
        cells = [
            counted(leak_to[name].sentences, leak_to[name].total)
            if name in leak_to
            else ""
            for name in splits
        ]
        others = [
            str(leak_to[name].otherwise) if name in leak_to else "" for name in splits
        ]
        rows += [(f"In {source}", *cells), ("  with different annotations", *others)]
    return rows


def counted(part: int, whole: int) -> str:
    """Format a count and its share of the total."""
    return f"{part} ({percent(part, whole)})" if part and whole else str(part)


def _widths(widths: Counter[int]) -> str:
    total = sum(widths.values()) or 1
    counts = [widths[width] for width in range(1, MAX_WIDTHS + 1)]
    counts.append(sum(n for width, n in widths.items() if width > MAX_WIDTHS))
    return " ".join(f"{100 * count / total:.0f}" for count in counts)


def _means(compared: list[dict[str, float]], key: str) -> Row:
    return tuple(f"{one[key]:.2f}" for one in compared)


def _shares(compared: list[dict[str, float]], key: str) -> Row:
    return tuple(f"{100 * one[key]:.2f}%" for one in compared)
