"""Pictures of the reports of `spacy jre evaluate`: buckets, precision-recall curves and
reliability curves."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import Errors, JREError
from .figure import check_format, drawing, legend_texts, save

# labels with their own precision-recall curve
MAX_LABELS = 9
BUCKETS = {
    "ents_length": ("Entities by length", "tokens of the entity"),
    "ents_text_length": ("Entities by length of the text", "tokens of the Doc"),
    "ents_nested": ("Entities, nested or not", ""),
    "rel_strict_text_length": (
        "Strict relations by length of the text",
        "tokens of the Doc",
    ),
    "rel_strict_distance": (
        "Strict relations by distance",
        "tokens between the arguments",
    ),
    "rel_strict_nested": ("Strict relations with nested arguments", ""),
}
CALIBRATION = {
    "entities": "Entities",
    "relations": "Strict relations",
    "scored_relations": "Strict relations, also below the thresholds",
}

Report = Mapping[str, Any]
# name and report of each model
Reports = Sequence[tuple[str, Report]]


def draw_report(reports: Reports, folder: Path, *, format: str = "svg") -> list[Path]:
    """Draw the pictures of one report, or of several reports beside each other.

    reports (Sequence): The names for the legends, and the reports, as they are in the
        JSON of `spacy jre evaluate`.
    folder (Path): The folder of the pictures.
    format (str): "svg" or "png".
    RETURNS (list[Path]): The files. A bucket without gold annotation in any report has
        no picture.
    RAISES (ValueError): J795 without matplotlib, J796 for another format, J797 if no
        font has a character of a PNG, J798 if a field is missing in a report.
    """
    check_format(folder / f"picture.{format}")
    names = legend_texts([name for name, _ in reports])
    reports = [(name, report) for name, (_, report) in zip(names, reports, strict=True)]
    pictures: list[tuple[str, Callable[[Any], None]]] = []
    try:
        for name, (title, axis) in BUCKETS.items():
            rows = [(model, report["buckets"][name]) for model, report in reports]
            if any(bucket["gold"] for _, buckets in rows for bucket in buckets):
                pictures.append((name, _bucket_drawer(rows, title, axis)))
        curves = [(model, one["precision_recall"]) for model, one in reports]
        labels = _chosen_labels(curves[0][1]["per_type"]) if len(curves) == 1 else {}
        pictures.append(("precision_recall", _curve_drawer(curves, labels)))
        for name, title in CALIBRATION.items():
            bins = [(model, one["calibration"][name]) for model, one in reports]
            pictures.append((f"calibration_{name}", _bin_drawer(bins, title)))
    except (KeyError, TypeError) as error:
        raise JREError(Errors.J798.format(field=error)) from error
    paths = []
    texts = [*names, *labels.values()]
    for name, draw in pictures:
        path = folder / f"{name}.{format}"
        with drawing(path, texts):
            from matplotlib.figure import Figure

            figure = Figure(figsize=(6.4, 4.2))
            try:
                draw(figure.add_subplot())
            except (KeyError, TypeError) as error:
                raise JREError(Errors.J798.format(field=error)) from error
            save(figure, path)
        paths.append(path)
    return paths


def _bucket_drawer(
    rows: Sequence[tuple[str, Sequence[Mapping[str, Any]]]], title: str, axis: str
) -> Callable[[Any], None]:
    """Bars of F1, or of recall if the bucket depends on the gold annotation only, and
    the number of gold annotations below each bucket."""

    def draw(axes: Any) -> None:
        first = rows[0][1]
        only_recall = all(bucket["predicted"] is None for bucket in first)
        figure = "r" if only_recall else "f"
        width = 0.8 / len(rows)
        for number, (model, buckets) in enumerate(rows):
            left = -0.4 + width * (number + 0.5)
            values = [100 * (bucket[figure] or 0.0) for bucket in buckets]
            places = [place + left for place in range(len(buckets))]
            bars = axes.bar(places, values, width * 0.95, label=model)
            # a bucket without annotation has no figure, which is not a figure of 0
            shown = [
                "" if bucket[figure] is None else f"{value:.0f}"
                for bucket, value in zip(buckets, values, strict=True)
            ]
            axes.bar_label(bars, shown, fontsize=8, padding=1)
        axes.set_xticks(
            range(len(first)),
            [f"{bucket['name']}\nn = {bucket['gold']}" for bucket in first],
        )
        axes.set(title=title, xlabel=axis, ylim=(0, 105))
        axes.set_ylabel("recall (%)" if only_recall else "F1 (%)")
        _add_legend(axes, len(rows))

    return draw


def _chosen_labels(curves: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """RETURNS (dict[str, str]): The most frequent labels, and their texts for the
    legend."""
    # a curve has a point for each threshold that adds a correct relation
    chosen = sorted(curves, key=lambda label: -len(curves[label]["points"]))
    labels = sorted(chosen[:MAX_LABELS])
    return dict(zip(labels, legend_texts(labels), strict=True))


def _curve_drawer(
    curves: Sequence[tuple[str, Mapping[str, Any]]], labels: Mapping[str, str]
) -> Callable[[Any], None]:
    """The micro curve of each model, and the curves of labels of a single model.

    labels (Mapping[str, str]): The labels, and their texts for the legend.
    """

    def draw(axes: Any) -> None:
        for f1 in (0.2, 0.4, 0.6, 0.8):
            # from the precision 1 to the recall 1
            first = f1 / (2 - f1)
            recalls = [first + (1 - first) * step / 100 for step in range(101)]
            precisions = [f1 * recall / (2 * recall - f1) for recall in recalls]
            axes.plot(
                [100 * recall for recall in recalls],
                [100 * precision for precision in precisions],
                color="#cccccc",
                linewidth=0.7,
                zorder=0,
            )
            axes.annotate(
                f"F1 {100 * f1:.0f}",
                (100, 100 * precisions[-1]),
                color="#888888",
                fontsize=7,
                ha="right",
                va="bottom",
            )
        for model, found in curves:
            name = "micro" if len(curves) == 1 else model
            _plot_curve(axes, name, found["micro"], linewidth=2.2)
        for label, name in labels.items():
            curve = curves[0][1]["per_type"][label]
            _plot_curve(axes, name, curve, linewidth=1.0)
        axes.set(
            title="Strict relations over thresholds",
            xlabel="recall (%)",
            ylabel="precision (%)",
            xlim=(0, 101),
            ylim=(0, 105),
        )
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5))

    return draw


def _plot_curve(axes: Any, name: str, curve: Mapping[str, Any], **style: Any) -> None:
    points = curve["points"]
    axes.plot(
        [100 * point["r"] for point in points],
        [100 * point["p"] for point in points],
        marker="o",
        markersize=2.5,
        label=f"{name} (AP {100 * curve['average_precision']:.0f})",
        **style,
    )


def _bin_drawer(
    rows: Sequence[tuple[str, Mapping[str, Any]]], title: str
) -> Callable[[Any], None]:
    """The share of correct predictions over the mean score of each bin. The size of a
    point shows the number of predictions."""

    def draw(axes: Any) -> None:
        axes.plot([0, 100], [0, 100], color="#999999", linestyle="--", linewidth=0.8)
        for model, found in rows:
            filled = [one for one in found["bins"] if one["count"]]
            scores = [100 * one["score"] for one in filled]
            shares = [100 * one["correct"] for one in filled]
            largest = max((one["count"] for one in filled), default=1)
            error = found["error"]
            suffix = "no predictions" if error is None else f"ECE {100 * error:.1f}%"
            name = f"{model} ({suffix})" if len(rows) > 1 else suffix
            (line,) = axes.plot(scores, shares, linewidth=1.0, label=name)
            axes.scatter(
                scores,
                shares,
                [15 + 120 * one["count"] / largest for one in filled],
                color=line.get_color(),
            )
            if len(rows) == 1:
                for one, score, share in zip(filled, scores, shares, strict=True):
                    axes.annotate(
                        f"{one['count']}",
                        (score, share),
                        (0, -12),
                        textcoords="offset points",
                        ha="center",
                        fontsize=7,
                    )
        axes.set(
            title=title,
            xlabel="mean score (%)",
            ylabel="correct (%)",
            xlim=(-3, 103),
            ylim=(-8, 105),
        )
        axes.legend(frameon=False, loc="upper left")

    return draw


def _add_legend(axes: Any, n_models: int) -> None:
    if n_models > 1:
        axes.legend(
            frameon=False, loc="lower left", bbox_to_anchor=(0.0, 1.08), ncols=2
        )
