"""Print the report of `spacy jre evaluate`. The figures are described in
docs/evaluation.md."""

from collections.abc import Mapping, Sequence
from typing import Any

import typer
from wasabi import msg

from ..evaluation.bootstrap import Difference, Interval, Intervals
from ..evaluation.buckets import Bucket
from ..evaluation.causes import ErrorGroup
from ..evaluation.confusion import Confusion
from ..evaluation.curves import Calibration, Curve
from ..evaluation.report import ComparedModel, Report
from ..evaluation.titles import BUCKETS, SCORES, given_warning, title_of_cause
from .printable import print_table, printable

# with more labels, a confusion matrix does not fit on a line
MAX_COLUMNS = 10
MAX_CONFUSIONS = 20
MAX_POINTS = 10

# a name and the values
Row = tuple[str, ...]


def print_evaluation(report: Report) -> None:
    """Print the tables of a report."""
    bootstrap = report.bootstrap
    msg.info(
        f"{report.n_docs} Docs. Intervals: 95%, {bootstrap.resamples} resamples of "
        f"{bootstrap.documents} documents, seed {bootstrap.seed}"
    )
    for kind, title in SCORES.items():
        intervals = report.intervals.get(kind)
        if intervals is None:
            msg.warn(f"{title}: the data has no annotation")
        else:
            header = ("", "P", "R", "F", "95% interval of F")
            print_table(title, header, _score_rows(report.scores, kind, intervals))
    if report.compared_with is not None:
        _print_comparison(report.model, report.compared_with)
    _print_given(report)
    if report.symmetric_twice is not None:
        rows = [
            (kind, *_prf(report.symmetric_twice, f"{kind}_"))
            for kind in ("rel", "rel_strict")
        ]
        print_table(
            "Symmetric relations counted twice (micro)", ("", "P", "R", "F"), rows
        )
    for name, groups in report.errors.items():
        _print_errors(f"Errors: {name}", groups)
    for name, (title, unit) in BUCKETS.items():
        columns = ("Gold", "Predicted", "Correct", "P", "R", "F")
        print_table(
            title, (unit, *columns), [_bucket_row(one) for one in report.buckets[name]]
        )
    for name, confusion in report.confusion.items():
        if confusion is not None and confusion.labels:
            _print_confusion(f"Confusion: {name}", confusion)
    _print_curve(report.precision_recall.micro)
    calibration = report.calibration
    _print_calibration("Calibration: entities", calibration.entities)
    _print_calibration("Calibration: strict relations", calibration.relations)
    _print_calibration(
        f"Calibration: relations with a score of at least "
        f"{report.precision_recall.lowest:g}",
        calibration.scored_relations,
    )


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2f}"


def _interval(interval: Interval) -> str:
    return f"{_percent(interval[0])} - {_percent(interval[1])}"


def _prf(scores: Mapping[str, Any], prefix: str = "") -> Row:
    return tuple(_percent(scores[f"{prefix}{figure}"]) for figure in "prf")


def _score_rows(
    scores: Mapping[str, Any], kind: str, intervals: Intervals
) -> list[Row]:
    # a list, because a label can be "micro"
    rows: list[Row] = [
        (label, *_prf(row), _interval(intervals.per_type[label]["f"]))
        for label, row in scores[f"{kind}_per_type"].items()
    ]
    for name, prefix in (("micro", ""), ("macro", "macro_")):
        figures = _prf(scores, f"{kind}_{prefix}")
        rows.append((name, *figures, _interval(intervals.summary[f"{prefix}f"])))
    return rows


def _print_comparison(model: str, other: ComparedModel) -> None:
    header = ("F1", "This", "Other", "Difference", "95% interval", "p")
    names = {"f": "micro", "macro_f": "macro"}
    rows = [
        (f"{kind} {text}", *_difference_row(other.differences[f"{kind}_{name}"]))
        for kind in other.per_type
        for name, text in names.items()
    ]
    print_table("Comparison", header, rows)
    msg.text(f"This: {model}. Other: {other.model}")


def _difference_row(difference: Difference) -> Row:
    return (
        _percent(difference.f),
        _percent(difference.other_f),
        f"{100 * difference.difference:+.2f}",
        _interval(difference.interval),
        f"{difference.p:.3f}",
    )


def _print_given(report: Report) -> None:
    given = report.given_entities
    if given.scores["rel_strict_per_type"] is None:
        return
    rows: list[Row] = [
        (label, *_prf(row))
        for label, row in given.scores["rel_strict_per_type"].items()
    ]
    for name, prefix in (("micro", ""), ("macro", "macro_")):
        rows.append((name, *_prf(given.scores, f"rel_strict_{prefix}")))
    print_table("Strict relations between gold entities", ("", "P", "R", "F"), rows)
    if given.n_skipped:
        msg.warn(given_warning(given.n_skipped))


def _print_errors(title: str, groups: Sequence[ErrorGroup]) -> None:
    rows = [(one.kind, _cause(one), str(one.count)) for one in groups]
    msg.table(
        rows,
        title=title,
        header=("", "Cause", "Count"),
        divider=True,
        aligns=("l", "l", "r"),
    )
    for group in groups:
        if group.examples:
            msg.text(f"{group.kind}: {_cause(group)}")
        for example in group.examples:
            typer.echo(printable(f"    Doc {example.doc}: {example.text}"))


def _cause(group: ErrorGroup) -> str:
    return title_of_cause(group.kind, group.cause)


def _bucket_row(bucket: Bucket) -> Row:
    predicted = "-" if bucket.predicted is None else str(bucket.predicted)
    counts = (str(bucket.gold), predicted, str(bucket.correct))
    figures = (_percent(value) for value in (bucket.p, bucket.r, bucket.f))
    return (bucket.name, *counts, *figures)


def _print_confusion(title: str, confusion: Confusion) -> None:
    names = [*confusion.labels, "none"]
    if len(confusion.labels) <= MAX_COLUMNS:
        rows: list[Row] = [
            (name, *map(str, counts))
            for name, counts in zip(names, confusion.counts, strict=True)
        ]
        print_table(title, ("Gold \\ predicted", *names), rows)
        return
    found = sorted(
        (-count, names[gold], names[predicted])
        for gold, counts in enumerate(confusion.counts)
        for predicted, count in enumerate(counts)
        # by number, because a label can be "none"
        if count and gold != predicted
    )
    rows = [(gold, predicted, str(-count)) for count, gold, predicted in found]
    print_table(title, ("Gold", "Predicted", "Count"), rows[:MAX_CONFUSIONS])
    if len(rows) > MAX_CONFUSIONS:
        left = len(rows) - MAX_CONFUSIONS
        msg.text(f"{left} more combinations are in the JSON output")


def _print_curve(curve: Curve) -> None:
    points = curve.points
    last = len(points) - 1
    steps = max(1, min(last, MAX_POINTS - 1))
    chosen = sorted({round(last * step / steps) for step in range(steps + 1)})
    rows = [
        (f"{point.threshold:.3f}", *map(_percent, (point.p, point.r, point.f)))
        for point in (points[index] for index in chosen if points)
    ]
    title = "Strict relations over thresholds"
    print_table(title, ("Threshold", "P", "R", "F"), rows)
    msg.text(f"Average precision: {_percent(curve.average_precision)}")


def _print_calibration(title: str, calibration: Calibration) -> None:
    rows = [
        (
            f"{one.low:g}-{one.high:g}",
            str(one.count),
            _percent(one.score),
            _percent(one.correct),
        )
        for one in calibration.bins
    ]
    print_table(title, ("Score", "Count", "Mean score", "Correct"), rows)
    msg.text(f"Expected calibration error: {_percent(calibration.error)}")
