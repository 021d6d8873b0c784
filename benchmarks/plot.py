"""The picture of a result: one axis, direct labels, readable at the width of a page.

One idea: a speed is compared along one common length, so a framework is a colour and a bar, and what has to be
reached is a line across its group. Needs Matplotlib; without it a result has no picture and says so. Read
`speed/run.py` next.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from recipe.files import write_bytes

__all__ = ["Panel", "can_draw", "draw"]

# Okabe and Ito's colours, which people of every kind of colour vision tell apart.
COLOURS = ("#0072B2", "#56B4E9", "#D55E00", "#E69F00", "#009E73", "#CC79A7", "#999999", "#F0E442")


@dataclass(frozen=True)
class Panel:
    """Groups of horizontal bars: `bars[series][group]` is (length, low, high); a group may lack a series."""

    title: str
    unit: str
    groups: Sequence[str]
    bars: Mapping[str, Mapping[str, tuple[float, float, float]]]
    marks: Mapping[str, float] = field(default_factory=dict)  # by group: a line to stay left of
    mark_label: str = ""
    end: float | None = None  # of the axis; None shows the longest bar whole


def can_draw() -> bool:
    """Whether Matplotlib is installed."""
    return find_spec("matplotlib") is not None


def draw(panels: Sequence[Panel], title: str, path: Path) -> None:
    """Draw the panels side by side into a file (SVG or PNG, by its name); the same input gives the same bytes."""
    import matplotlib
    from matplotlib.figure import Figure

    style = {"svg.hashsalt": "tapegrad", "font.size": 9, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context(style):
        rows = max(len(panel.groups) * (len(panel.bars) + 1) for panel in panels)
        figure = Figure(figsize=(9.0, 1.5 + 0.14 * rows), layout="constrained")
        figure.suptitle(title, fontsize=9, x=0.01, ha="left")
        places = figure.subplots(1, len(panels), squeeze=False)[0]
        for panel, axes in zip(panels, places, strict=True):
            _draw_panel(panel, axes)
        # The first panel has every series; the others may lack one.
        figure.legend(
            *places[0].get_legend_handles_labels(), loc="outside lower left", ncols=4, frameon=False, fontsize=8
        )
        drawn, kind = io.BytesIO(), path.suffix.removeprefix(".")
        figure.savefig(drawn, format=kind, metadata={"Date": None} if kind == "svg" else None, dpi=150)
    write_bytes(path, drawn.getvalue())


def _draw_panel(panel: Panel, axes: Any) -> None:
    height = 1 / (len(panel.bars) + 1)
    # The axis ends a little after the longest bar and may cut a whisker: else one hiccup would flatten the rest.
    end = panel.end or 1.15 * max(length for by_group in panel.bars.values() for length, _, _ in by_group.values())
    for number, (series, by_group) in enumerate(panel.bars.items()):
        places = [panel.groups.index(group) + number * height for group in by_group]
        lengths = [length for length, _, _ in by_group.values()]
        below = [max(length - low, 0.0) for length, low, _ in by_group.values()]
        above = [max(high - length, 0.0) for length, _, high in by_group.values()]
        # Where the colours are used up they come again, striped.
        style = {"color": COLOURS[number % len(COLOURS)], "hatch": "////" if number >= len(COLOURS) else None}
        axes.barh(places, lengths, height * 0.92, **style, edgecolor="white", linewidth=0, label=series)
        axes.errorbar(lengths, places, xerr=[below, above], fmt="none", ecolor="#333333", elinewidth=0.7)
        for place, length, more in zip(places, lengths, above, strict=True):
            at = min(length + more, end) + 0.01 * end
            axes.text(at, place, f"{length:.2g}", va="center", fontsize=6, color="#333333")
    bars_high = (len(panel.bars) - 1) * height
    for group, mark in panel.marks.items():
        at = panel.groups.index(group)
        label = panel.mark_label if group == next(iter(panel.marks)) else None
        axes.plot(
            [mark, mark], [at - height / 2, at + bars_high + height / 2], color="black", ls=":", lw=1.2, label=label
        )
    axes.set_yticks([i + bars_high / 2 for i in range(len(panel.groups))], panel.groups)
    axes.set_ylim(len(panel.groups) - height, -height)
    axes.set_xlim(0, end)
    axes.set_xlabel(panel.unit)
    axes.set_title(panel.title, fontsize=9, loc="left")
