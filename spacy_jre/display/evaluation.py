"""Render an evaluation as an HTML page: scores, curves, and gold against predicted in
each text."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from ..errors import Errors, JREError
from ..evaluation.outcomes import DocumentOutcome, EntityOutcome, SpanRef
from ..evaluation.titles import BUCKETS, SCORES, given_warning, title_of_cause
from .charts import curve_chart, reliability_chart
from .page import count_of, html_page
from .passages import KIND_NAMES, SYMBOLS, Link, Mark, Passage, figure, shorten

Report = Mapping[str, Any]
KIND_PLURALS = {"hit": "hits", "missed": "missed", "false": "false alarms"}
CALIBRATION_NAMES = {
    "entities": "Predicted entities",
    "relations": "Predicted relations",
    "scored_relations": "All scored relations",
}


def evaluation_page(
    report: Report,
    documents: Iterable[DocumentOutcome],
    *,
    title: str,
    lang: str = "en",
) -> str:
    """Render scores and outcomes.

    report (Mapping[str, Any]): The JSON of `spacy jre evaluate`. The page leaves out
        fields that are missing or None.
    documents (Iterable[DocumentOutcome]): The outcomes of each Doc.
    title (str): Title of the page.
    lang (str): Language code of the texts.
    RETURNS (str): An HTML page.
    RAISES (ValueError): J765 for a span outside its text, J766 for an unknown kind.
    """
    shown = list(documents)
    passages = [
        outcome_passage(document, number, lang) for number, document in enumerate(shown)
    ]
    sections = [
        f'<section class="doc"><h2>Doc {number}{_doc_id(document)}</h2>'
        f"{figure(passage, {}, errors=True)}</section>"
        for number, (document, passage) in enumerate(zip(shown, passages))
    ]
    body = [
        _scores(report),
        _comparison(report),
        _causes(report),
        _curves(report),
        _details("Scores by length, distance and nesting", _buckets(report)),
        _details("Confusion of labels", _confusion(report)),
        "<h2>Texts</h2>",
        _filters(passages),
        *sections,
    ]
    return html_page(
        "\n".join(filter(None, body)), title=title, about=_about(report, shown)
    )


def outcome_passage(document: DocumentOutcome, number: int, lang: str) -> Passage:
    """Get the outcomes of a Doc as marks and links.

    number (int): Number of the Doc, for errors.
    RAISES (ValueError): J765, J766.
    """
    text = document.text
    marks: list[Mark] = []
    index: dict[SpanRef, int] = {}

    def check(kind: str, span: SpanRef) -> None:
        if kind not in KIND_NAMES:
            known = ", ".join(KIND_NAMES)
            raise JREError(Errors.J766.format(doc=number, kind=kind, known=known))
        if not 0 <= span.start <= span.end <= len(text):
            raise JREError(
                Errors.J765.format(
                    doc=number, start=span.start, end=span.end, length=len(text)
                )
            )

    for entity in document.entities:
        own = entity.predicted if entity.kind == "false" else entity.gold
        assert own is not None
        check(entity.kind, own)
        index[own] = len(marks)
        note = _other_span(text, entity)
        cause = title_of_cause(entity.kind, entity.cause)
        marks.append(Mark(own.start, own.end, own.label, entity.kind, cause, note))
    links = []
    for relation in document.relations:
        for span in (relation.head, relation.tail):
            check(relation.kind, span)
            if span not in index:  # the entities are not annotated
                index[span] = len(marks)
                marks.append(Mark(span.start, span.end, span.label))
        links.append(
            Link(
                index[relation.head],
                index[relation.tail],
                relation.label,
                relation.score,
                relation.kind,
                relation.cause,
            )
        )
    return Passage(text, marks, links, lang)


def _other_span(text: str, entity: EntityOutcome) -> str:
    """Describe the entity that explains an error."""
    other, name = entity.gold, "gold"
    if entity.kind != "false":
        other, name = entity.predicted, "predicted"
    if entity.kind == "hit" or other is None:
        return ""
    return f"{name}: {shorten(text[other.start : other.end])} ({other.label})"


def _doc_id(document: DocumentOutcome) -> str:
    return f" · {escape(document.doc_id)}" if document.doc_id else ""


def _about(report: Report, documents: Sequence[DocumentOutcome]) -> str:
    parts = [count_of(len(documents), "text")]
    bootstrap = report.get("bootstrap")
    if bootstrap:
        parts.append(
            f"95% intervals from {bootstrap['resamples']:,} resamples of "
            f"{count_of(bootstrap['documents'], 'document')} (seed {bootstrap['seed']})"
        )
    return ", ".join(parts)


# tables


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Render a table.

    caption (str): Text of the caption.
    columns (Sequence[str]): Texts of the head.
    rows (Iterable[Sequence[str]]): HTML of the cells. The first one is the row's head.
    RETURNS (str): The table, or an empty string without rows.
    """
    lines = [
        f'<tr><th scope="row">{head}</th>'
        + "".join(f"<td>{cell}</td>" for cell in cells)
        + "</tr>"
        for head, *cells in rows
    ]
    if not lines:
        return ""
    names = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return (
        f'<div class="scroll"><table><caption>{escape(caption)}</caption>'
        f"<thead><tr>{names}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _scores(report: Report) -> str:
    tables = []
    for kind, name in SCORES.items():
        if report.get(f"{kind}_f") is None:
            continue
        intervals = (report.get("intervals") or {}).get(kind) or {}
        summary = intervals.get("summary") or {}
        rows = [
            (title, *_figures(report, f"{kind}_{prefix}", summary.get(f"{prefix}f")))
            for title, prefix in (("micro", ""), ("macro", "macro_"))
            if report.get(f"{kind}_{prefix}f") is not None
        ]
        by_label = intervals.get("per_type") or {}
        for label, row in (report.get(f"{kind}_per_type") or {}).items():
            interval = (by_label.get(label) or {}).get("f")
            rows.append((f"<bdi>{escape(label)}</bdi>", *_figures(row, "", interval)))
        tables.append(table(name, ["", "P", "R", "F1"], rows))
    given = (report.get("given_entities") or {}).get("scores")
    for name, scores in (
        ("Relations between gold entities", given),
        ("Symmetric relations count twice", report.get("symmetric_twice")),
    ):
        rows = [
            (title, *_figures(scores, f"{kind}_", None))
            for kind, title in (("rel", "relations"), ("rel_strict", "strict"))
            if scores and scores.get(f"{kind}_f") is not None
        ]
        tables.append(table(name, ["", "P", "R", "F1"], rows))
    return _group("Scores", tables) + _skipped(report)


def _skipped(report: Report) -> str:
    count = (report.get("given_entities") or {}).get("n_skipped")
    if not count:
        return ""
    return f"<p>{given_warning(count)}</p>"


def _figures(scores: Report, prefix: str, interval: Any) -> list[str]:
    cells = [_percent(scores.get(f"{prefix}{figure}")) for figure in "prf"]
    if interval:
        cells[-1] += f" {_interval(interval)}"
    return cells


def _percent(value: Any) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _interval(interval: Sequence[float]) -> str:
    low, high = interval
    return f'<span class="interval">{100 * low:.2f} to {100 * high:.2f}</span>'


def _comparison(report: Report) -> str:
    compared = report.get("compared_with")
    if not compared:
        return ""
    columns = ["F1", "this model", "other model", "difference", "p"]
    names = {f"{kind}_f": f"{name}, micro" for kind, name in SCORES.items()}
    names |= {f"{kind}_macro_f": f"{name}, macro" for kind, name in SCORES.items()}
    summary = {names.get(key, key): row for key, row in compared["differences"].items()}
    tables = [table("All labels", columns, _difference_rows(summary))]
    for kind, name in SCORES.items():
        rows = _difference_rows((compared.get("per_type") or {}).get(kind) or {})
        tables.append(table(name, columns, rows))
    return _group(f"Compared with {compared['model']}", tables)


def _difference_rows(differences: Report) -> list[list[str]]:
    return [
        [
            f"<bdi>{escape(name)}</bdi>",
            _percent(row["f"]),
            _percent(row["other_f"]),
            f"{100 * row['difference']:+.2f} {_interval(row['interval'])}",
            f"{row['p']:.3f}",
        ]
        for name, row in differences.items()
    ]


def _causes(report: Report) -> str:
    tables = []
    for name, groups in (report.get("errors") or {}).items():
        rows = [
            (
                f"{SYMBOLS[group['kind']]} "
                f"{escape(title_of_cause(group['kind'], group['cause']))}",
                f"{group['count']:,}",
            )
            for group in groups
        ]
        tables.append(table(name.capitalize(), ["cause", "errors"], rows))
    return _group("Errors by cause (○ missed, ✕ false alarms)", tables)


def _buckets(report: Report) -> str:
    tables = []
    for name, buckets in (report.get("buckets") or {}).items():
        rows = [
            (
                escape(bucket["name"]),
                f"{bucket['gold']:,}",
                *(_percent(bucket.get(figure)) for figure in "prf"),
            )
            for bucket in buckets
        ]
        caption, unit = BUCKETS.get(name, (name, ""))
        tables.append(table(caption, [unit, "gold", "P", "R", "F1"], rows))
    return _grid(tables)


def _confusion(report: Report) -> str:
    tables = []
    for name, confusion in (report.get("confusion") or {}).items():
        if not confusion:
            continue
        names = [*confusion["labels"], "none"]
        rows = [
            (f"<bdi>{escape(label)}</bdi>", *(f"{count:,}" for count in counts))
            for label, counts in zip(names, confusion["counts"])
        ]
        caption = f"{name.capitalize()}: gold (rows) and predicted (columns)"
        tables.append(table(caption, ["", *names], rows))
    return "".join(tables)


def _curves(report: Report) -> str:
    charts = []
    micro = (report.get("precision_recall") or {}).get("micro") or {}
    if micro.get("points"):
        points = [(point["r"], point["p"]) for point in micro["points"]]
        caption = (
            "Precision and recall of strict relations over thresholds "
            f"(average precision {100 * micro['average_precision']:.2f})"
        )
        charts.append(curve_chart(points, caption))
    for name, calibration in (report.get("calibration") or {}).items():
        if calibration and calibration.get("error") is not None:
            caption = (
                f"{CALIBRATION_NAMES.get(name, name)}: share of correct ones by score "
                f"(expected calibration error {100 * calibration['error']:.2f})"
            )
            charts.append(reliability_chart(calibration["bins"], caption))
    return _group("Curves", charts)


def _group(title: str, parts: Iterable[str]) -> str:
    content = _grid(parts)
    return f"<h2>{escape(title)}</h2>{content}" if content else ""


def _grid(parts: Iterable[str]) -> str:
    content = "".join(parts)
    return f'<div class="tables">{content}</div>' if content else ""


def _details(title: str, content: str) -> str:
    if not content:
        return ""
    return f"<details><summary>{escape(title)}</summary>{content}</details>"


# filters


def _filters(passages: Sequence[Passage]) -> str:
    """Render the controls that the script reads."""
    kinds = "".join(
        f'<label><input type="checkbox" name="kind" value="{kind}" checked>'
        f'<span class="ent" data-kind="{kind}">'
        f'<span class="tag">{SYMBOLS[kind]}</span></span>{name}</label>'
        for kind, name in KIND_PLURALS.items()
    )
    groups: dict[str, Sequence[Mark | Link]] = {
        "Entities": [mark for p in passages for mark in p.marks if mark.kind],
        "Relations": [link for p in passages for link in p.links],
    }
    labels = {name: {item.label for item in items} for name, items in groups.items()}
    causes = {name: {item.cause for item in items} for name, items in groups.items()}
    return (
        f'<form class="filters" aria-label="Filter">{kinds}'
        f"{_select('label', labels)}{_select('cause', causes)}"
        '<p class="count" aria-live="polite"></p></form>'
    )


def _select(name: str, groups: Mapping[str, set[str]]) -> str:
    # the first letter of the group separates equal labels of entities and relations
    options = "".join(
        f'<optgroup label="{group}">'
        + "".join(
            f'<option value="{group[0]}:{escape(value)}">{escape(value)}</option>'
            for value in sorted(values - {""})
        )
        + "</optgroup>"
        for group, values in groups.items()
        if values - {""}
    )
    return (
        f'<label>{name.capitalize()} <select name="{name}">'
        f'<option value="">all</option>{options}</select></label>'
    )
