"""Heat maps of attention weights."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .figure import clean, drawing, save

MARKED = "#a6230b"
# inches
CELL = 0.25
GAP = 0.25
TITLE = 0.3
SCALE = 0.12
# a row of maps is not wider, except for one map
MAX_WIDTH = 20.0
# a map with few rows and more columns is broken into several lines
MAX_COLUMNS = 60
MAX_BROKEN_ROWS = 12
# more cells are drawn as an image inside the SVG
MAX_VECTOR_CELLS = 30_000


@dataclass(frozen=True)
class HeatMap:
    """
    name (str): The title.
    weights (ndarray): Shape: (rows, columns).
    rows, columns (list[str]): The labels.
    marked (frozenset[int]): Columns with a bold label in another color.
    has_mean (bool): Whether to add a line with the mean of all rows.
    """

    name: str
    weights: np.ndarray
    rows: list[str]
    columns: list[str]
    marked: frozenset[int] = field(default_factory=frozenset)
    has_mean: bool = False


def draw_heat_maps(groups: Sequence[tuple[str, Sequence[HeatMap]]], path: Path) -> None:
    """Draw heat maps as SVG or PNG.

    groups (Sequence): The title and the maps of each sentence. A title can be empty.
    path (Path): The file to write.
    RAISES (ValueError): J795 without matplotlib, J796 for another format, J797 if no
        font has a character of a PNG.
    """
    texts = [title for title, _ in groups]
    for _, maps in groups:
        for one in maps:
            texts += [one.name, *map(clean, one.rows), *map(clean, one.columns)]
    with drawing(path, texts):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(1, 1))
        measure = _Measure(FigureCanvasAgg(figure).get_renderer(), figure.dpi)
        placed: list[tuple[float, float, _Panel]] = []
        titles: list[tuple[float, str]] = []
        width = top = 0.0
        for title, maps in groups:
            if title:
                titles.append((top + TITLE, title))
                top += 1.5 * TITLE
            for line in _flow(
                [_Panel(one, measure, _left(maps, measure)) for one in maps]
            ):
                left = 0.0
                for panel in line:
                    placed.append((left, top, panel))
                    left += panel.width + GAP
                width = max(width, left)
                top += max(panel.height for panel in line)
        size = (max(width, 1.0), max(top, 1.0))
        figure.set_size_inches(*size)
        for offset, title in titles:
            figure.text(
                0.0, 1 - offset / size[1], title, fontsize=12, fontweight="bold"
            )
        for left, above, panel in placed:
            panel.draw(figure, left, above, size)
        save(figure, path)


class _Measure:
    """Measures the width of texts in inches."""

    def __init__(self, renderer: Any, dpi: float):
        self._renderer = renderer
        self._dpi = dpi

    def __call__(self, texts: Sequence[str]) -> float:
        from matplotlib.font_manager import FontProperties

        font = FontProperties(weight="bold")
        widths = (
            self._renderer.get_text_width_height_descent(text, font, False)[0]
            for text in texts
        )
        return max(widths, default=0.0) / self._dpi + 0.08


class _Panel:
    """A heat map with its labels, and its size in inches."""

    def __init__(self, shown: HeatMap, measure: _Measure, left: float):
        """
        left (float): Width of the row labels of a map that is not square.
        """
        self.shown = shown
        self.rows = [clean(row) for row in shown.rows]
        self.columns = [clean(column) for column in shown.columns]
        n_rows, n_columns = shown.weights.shape
        size = n_columns
        if n_columns > MAX_COLUMNS and n_rows <= MAX_BROKEN_ROWS:
            size = MAX_COLUMNS
        self.parts = [
            slice(start, start + size) for start in range(0, max(n_columns, 1), size)
        ]
        self.left = measure([*self.rows, "mean"]) if shown.has_mean else left
        # labels of a few characters fit beside each other
        self.is_upright = [measure([column]) <= CELL for column in self.columns]
        cells = (n_rows + 1.5 * shown.has_mean) * CELL + GAP
        self.heights = [
            cells + max(CELL, measure(self.columns[part])) for part in self.parts
        ]
        self.matrix = min(size, n_columns) * CELL
        self.width = max(
            self.left + self.matrix + 0.1 + SCALE + 0.5, measure([shown.name]) * 1.15
        )
        self.height = TITLE + sum(self.heights)

    def draw(
        self, figure: Any, left: float, above: float, size: Sequence[float]
    ) -> None:
        """
        left, above (float): Position of the upper left corner, from that of the figure.
        size (Sequence[float]): Size of the figure. All in inches.
        """
        highest = float(self.shown.weights.max(initial=0.0)) or 1.0

        def add(x: float, y: float, width: float, height: float) -> Any:
            return figure.add_axes(
                (
                    (left + x) / size[0],
                    1 - (above + y + height) / size[1],
                    width / size[0],
                    height / size[1],
                )
            )

        figure.text(
            left / size[0],
            1 - (above + 0.6 * TITLE) / size[1],
            self.shown.name,
            fontsize=10,
            fontweight="bold",
        )
        y = TITLE
        for part, height in zip(self.parts, self.heights, strict=True):
            weights = self.shown.weights[:, part]
            n_rows, n_columns = weights.shape
            start = y
            if self.shown.has_mean:
                axes = add(self.left, y, n_columns * CELL, CELL)
                means = self.shown.weights.mean(0)
                self._fill(axes, means[None, part], ["mean"], float(means.max()))
                axes.set_xticks([])
                y += 1.5 * CELL
            axes = add(self.left, y, n_columns * CELL, n_rows * CELL)
            mesh = self._fill(axes, weights, self.rows, highest)
            axes.set_xticks(np.arange(n_columns) + 0.5, self.columns[part])
            for number, label in enumerate(axes.get_xticklabels(), part.start):
                label.set_rotation(0 if self.is_upright[number] else 90)
                if number in self.shown.marked:
                    label.set(fontweight="bold", color=MARKED)
            if part.start == 0:
                scale = add(
                    self.left + self.matrix + 0.1,
                    y,
                    SCALE,
                    min(n_rows * CELL, 1.2),
                )
                figure.colorbar(mesh, cax=scale, ticks=[0, highest], format="%.2f")
                scale.tick_params(length=2, pad=2, labelsize=8)
                scale.spines["outline"].set_linewidth(0.3)
            y = start + height

    @staticmethod
    def _fill(axes: Any, weights: np.ndarray, rows: list[str], highest: float) -> Any:
        mesh = axes.pcolormesh(
            weights,
            cmap="Blues",
            vmin=0.0,
            vmax=highest,
            edgecolors="#dddddd",
            linewidth=0.3,
            rasterized=weights.size > MAX_VECTOR_CELLS,
        )
        axes.set_yticks(np.arange(len(rows)) + 0.5, rows)
        axes.invert_yaxis()
        axes.tick_params(length=0, pad=3)
        for spine in axes.spines.values():
            spine.set_visible(False)
        return mesh


def _left(maps: Sequence[HeatMap], measure: _Measure) -> float:
    """RETURNS (float): The width of the row labels of the maps that are not square, so
    that their columns are below each other."""
    rows = [clean(row) for one in maps if not one.has_mean for row in one.rows]
    return measure(rows)


def _flow(panels: Sequence[_Panel]) -> list[list[_Panel]]:
    """RETURNS (list[list[_Panel]]): The panels in lines: square ones beside each other,
    up to a width, the others below each other."""
    lines: list[list[_Panel]] = []
    used = MAX_WIDTH
    for panel in panels:
        if panel.shown.has_mean and used + panel.width <= MAX_WIDTH:
            lines[-1].append(panel)
            used += panel.width + GAP
        else:
            lines.append([panel])
            used = panel.width + GAP if panel.shown.has_mean else MAX_WIDTH
    return lines
