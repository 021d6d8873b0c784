"""Plots of the claims: lines and bars of means over the seeds, with the range of the seeds around them.

One idea: one way to draw a line and one to draw bars, so that every experiment looks alike and each plot carries its
numbers as a table. Read `page.py` next.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recipe.report.plot import Plot, colours, draw, legend_below

from .judge import number

__all__ = ["Line", "Mark", "bars", "lines"]

_STYLES = ("o-", "s-", "^-", "D-", "v-", "P-", "X-")


@dataclass(frozen=True)
class Line:
    """A curve: `x`, and for each seed as many values of y; `style` as in matplotlib where another is wanted."""

    label: str
    x: Sequence[float]
    by_seed: Sequence[Sequence[float]]
    style: str = ""
    colour: str = ""


@dataclass(frozen=True)
class Mark:
    """A straight line across the plot, at x or at y, with its words; `style` tells it from another."""

    words: str
    x: float | None = None
    y: float | None = None
    style: str = "--"


def lines(
    name: str,
    title: str,
    caption: str,
    curves: Sequence[Line],
    *,
    x: str,
    y: str,
    log: str = "",
    marks: Sequence[Mark] = (),
    limits: tuple[float | None, float | None] | None = None,
    ticks: Sequence[float] = (),
) -> Plot:
    """Curves over one axis; `log` holds the letters of the axes that are logarithmic, `limits` are those of y."""
    drawn = colours(len(curves))

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for i, (curve, colour) in enumerate(zip(curves, drawn, strict=True)):
            colour = curve.colour or colour
            low, mean, high = _range(curve.by_seed)
            dense = len(curve.x) > 30
            style = curve.style or ("-" if dense else _STYLES[i % len(_STYLES)])
            axes.plot(curve.x, mean, style, color=colour, label=curve.label, markersize=4)
            if len(curve.by_seed) > 1:
                axes.fill_between(curve.x, low, high, color=colour, alpha=0.18, linewidth=0)
        if "x" in log:
            axes.set_xscale("log")
        if "y" in log:
            axes.set_yscale("log")
        for mark in marks:
            (axes.axhline if mark.x is None else axes.axvline)(
                mark.y if mark.x is None else mark.x,
                linestyle=mark.style,
                linewidth=1.2,
                color="#7f7f7f",
                label=mark.words,
            )
        axes.set(xlabel=x, ylabel=y)
        if limits is not None:
            axes.set_ylim(*limits)
        if ticks:
            axes.set_xticks(list(ticks), [f"{tick:g}" for tick in ticks])
        legend_below(axes)

    return Plot(
        name=name,
        title=title,
        caption=caption,
        alt=f"{title}: {y} over {x}. " + " ".join(_ends(curve) for curve in curves),
        columns=("line", x, "mean", "least", "largest"),
        rows=[
            (curve.label, at, *map(_cell, (mean, low, high)))
            for curve in curves
            for at, low, mean, high in zip(curve.x, *_range(curve.by_seed), strict=True)
        ],
        svg=draw(name, paint),
    )


def bars(
    name: str,
    title: str,
    caption: str,
    groups: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    y: str,
    limits: tuple[float | None, float | None] | None = None,
    log: bool = False,
) -> Plot:
    """Bars in groups: `groups[group][bar]` has one value for each seed; the whisker is the range of the seeds."""
    names = list(dict.fromkeys(bar for of_group in groups.values() for bar in of_group))
    drawn = colours(len(names))
    width = 0.8 / len(names)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        for bar, colour in zip(names, drawn, strict=True):
            # A group that lacks a bar has those that it has in its middle.
            here = [(g, [name for name in names if name in of]) for g, of in enumerate(groups.values()) if bar in of]
            places = [g + (own.index(bar) - (len(own) - 1) / 2) * width for g, own in here]
            ranges = [_range([[value] for value in of[bar]]) for of in groups.values() if bar in of]
            means = [mean[0] for _, mean, _ in ranges]
            whiskers = [
                [mean[0] - low[0] for low, mean, _ in ranges],
                [high[0] - mean[0] for _, mean, high in ranges],
            ]
            axes.bar(places, means, 0.92 * width, yerr=whiskers, color=colour, label=bar, ecolor="#7f7f7f")
        axes.set_axisbelow(True)
        letters = max(1, 76 // len(groups))  # that find room under a group
        words = [textwrap.fill(group, letters, break_long_words=False) for group in groups]
        axes.set_xticks(range(len(groups)), words, fontsize=9)
        if log:
            axes.set_yscale("log")
        axes.set_ylabel(y)
        if limits is not None:
            axes.set_ylim(*limits)
        if len(names) > 1:
            # Below the words of the groups, however many lines they take.
            figure.legend(loc="outside lower center", ncols=min(len(names), 4), fontsize=9)

    ranges = {(group, bar): _range([[v] for v in of[bar]]) for group, of in groups.items() for bar in of}
    told = "; ".join(f"{group}, {bar}: {number(mean[0])}" for (group, bar), (_, mean, _) in ranges.items())
    return Plot(
        name=name,
        title=title,
        caption=caption,
        alt=f"{title}: {y}. {told}.",
        columns=("group", "bar", "mean", "least", "largest"),
        rows=[(*names, *(_cell(part[0]) for part in (mean, low, high))) for names, (low, mean, high) in ranges.items()],
        svg=draw(name, paint),
    )


def _range(by_seed: Sequence[Sequence[float]]) -> tuple[list[float], list[float], list[float]]:
    """Least, mean and largest over the seeds, at each place."""
    columns = list(zip(*by_seed, strict=True))
    # Rounding may put the mean of equal values beside them, and a whisker cannot be shorter than nothing.
    means = [min(max(math.fsum(c) / len(c), min(c)), max(c)) for c in columns]
    return [min(c) for c in columns], means, [max(c) for c in columns]


def _cell(value: float) -> float | None:
    return float(f"{value:.5g}") if math.isfinite(value) else None


def _ends(curve: Line) -> str:
    mean = _range(curve.by_seed)[1]
    return f"{curve.label}: from {number(mean[0])} to {number(mean[-1])}." if mean else f"{curve.label}: nothing."
