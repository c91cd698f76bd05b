"""Small charts as inline SVG. Both axes have the range 0 to 1."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT = 360, 300
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 44
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def curve_chart(points: Sequence[tuple[float, float]], caption: str) -> str:
    """Draw a precision-recall curve.

    points (Sequence[tuple[float, float]]): Recall and precision.
    caption (str): Text below the chart. Also describes it for screen readers.
    RETURNS (str): A ``figure`` element.
    """
    line = " ".join(f"{_x(x):.1f},{_y(y):.1f}" for x, y in points)
    marks = f'<polyline class="curve" points="{line}"/>'
    if len(points) == 1:
        marks += _dot(*points[0], 4)
    return _chart(marks, "recall", "precision", caption)


def reliability_chart(bins: Iterable[Mapping[str, Any]], caption: str) -> str:
    """Draw the share of correct predictions by score, and the diagonal.

    bins (Iterable[Mapping[str, Any]]): "score", "correct" and "count" of each bin.
    caption (str): Text below the chart.
    RETURNS (str): A ``figure`` element. The area of a dot grows with its count.
    """
    filled = [row for row in bins if row["count"]]
    largest = max((row["count"] for row in filled), default=1)
    line = " ".join(f"{_x(b['score']):.1f},{_y(b['correct']):.1f}" for b in filled)
    dots = "".join(
        _dot(b["score"], b["correct"], 2.5 + 5 * (b["count"] / largest) ** 0.5)
        for b in filled
    )
    diagonal = (
        f'<line class="diagonal" x1="{_x(0)}" y1="{_y(0)}" x2="{_x(1)}" y2="{_y(1)}"/>'
    )
    curve = f'<polyline class="curve" points="{line}"/>'
    return _chart(diagonal + curve + dots, "score", "correct", caption)


def _chart(marks: str, x_name: str, y_name: str, caption: str) -> str:
    grid = "".join(
        f'<path class="axis" d="M{_x(0)} {_y(tick)}H{_x(1)}'
        f'M{_x(tick)} {_y(0)}V{_y(1)}"/>'
        f'<text x="{_x(tick)}" y="{_y(0) + 16}" text-anchor="middle">{tick:g}</text>'
        f'<text x="{_x(0) - 6}" y="{_y(tick) + 4}" text-anchor="end">{tick:g}</text>'
        for tick in TICKS
    )
    names = (
        f'<text x="{_x(0.5)}" y="{HEIGHT - 8}" text-anchor="middle">{x_name}</text>'
        f'<text transform="translate(12 {_y(0.5)}) rotate(-90)" '
        f'text-anchor="middle">{y_name}</text>'
    )
    text = escape(caption)
    return (
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{text}">{grid}{names}{marks}</svg>'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _dot(x: float, y: float, radius: float) -> str:
    return f'<circle cx="{_x(x):.1f}" cy="{_y(y):.1f}" r="{radius:.1f}"/>'


def _x(value: float) -> float:
    return round(LEFT + value * (WIDTH - LEFT - RIGHT), 1)


def _y(value: float) -> float:
    return round(HEIGHT - BOTTOM - value * (HEIGHT - BOTTOM - TOP), 1)
