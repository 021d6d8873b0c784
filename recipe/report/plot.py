"""A plot: its numbers as a table, and the same numbers as an SVG drawing that fits into a page.

One idea: ink is not a colour but whatever the page writes with, so one drawing serves a light and a dark page; only
data have colours, and the colour-blind can tell those apart (Okabe and Ito, "Color universal design", 2008).
Read `curves.py` next.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["BLUE", "COLOURS", "GREEN", "ORANGE", "PURPLE", "RED", "SKY", "Plot", "colours", "draw"]

BLUE, ORANGE, GREEN, RED, SKY, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7"
COLOURS = (BLUE, ORANGE, GREEN, RED, PURPLE, SKY)

_INK, _FAINT = "#0a0b0c", "#1a1b1c"  # marks in the drawing that are replaced by the page's own ink

_STYLE = {
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched, and takes the page's font
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 10.0,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.titlesize": 10.0,
    "figure.facecolor": "none",
    "grid.color": _FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "xtick.color": _INK,
    "ytick.color": _INK,
}


@dataclass(frozen=True)
class Plot:
    """A drawing with its numbers. `name` names the CSV; `alt` says in a sentence what is to be seen."""

    name: str
    title: str
    caption: str
    alt: str
    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    svg: str

    def csv(self) -> str:
        """The table as CSV; what is missing is empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows([["" if value is None else value for value in row] for row in self.rows])
        return text.getvalue()


def colours(count: int) -> list[Any]:
    """As many colours in a row: the set above, or where that does not suffice, a scale from dark to light."""
    if count <= len(COLOURS):
        return list(COLOURS[:count])
    from matplotlib import colormaps, colors

    scale = colormaps["viridis"]
    return [colors.to_hex(scale(0.25 + 0.57 * i / (count - 1))) for i in range(count)]


def draw(name: str, paint: Callable[[Any], None], size: tuple[float, float] = (7.0, 3.4)) -> str:
    """What `paint` draws on a matplotlib figure of `size` inches, as SVG to stand in an HTML page.

    Its ids begin with `name`, so that several stand in one page. The same numbers give the same text.
    """
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    with rc_context({**_STYLE, "svg.hashsalt": name}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasSVG(figure)
        paint(figure)
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    return _for_a_page(text.getvalue(), name)


def _for_a_page(svg: str, name: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{name}-", svg)
    # An HTML page knows SVG without its declarations, and has no use for a size in points.
    svg = re.sub(r' (xmlns(:xlink)?|version|width|height)="[^"]*"', "", svg, count=5)
    svg = svg.replace("xlink:href", "href")
    svg = re.sub(r'<style type="text/css">[^<]*</style>\s*', "", svg)
    svg = svg.replace("<defs>\n </defs>", "")
    return svg.replace(_INK, "currentColor").replace(_FAINT, "var(--faint)").strip()


def legend_below(axes: Any) -> None:
    """A legend under the axes, when there are several lines, in as many columns as fit."""
    labels = axes.get_legend_handles_labels()[1]
    if len(labels) > 1:
        columns = max(1, min(len(labels), 90 // (max(map(len, labels)) + 6)))
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=columns, fontsize=9)


def cells(values: Sequence[Any]) -> list[float]:
    """Numbers to draw: NaN, which leaves a gap, where there is none."""
    return [float("nan") if value is None else float(value) for value in values]
