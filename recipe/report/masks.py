"""The plot of Monte-Carlo averaging, for a run whose folder has its numbers.

One idea: the line of the one net with scaled weights is what the points are to be compared with. Read `page.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..metrics import in_percent
from .plot import BLUE, ORANGE, Plot, draw, legend_below

__all__ = ["monte_carlo"]


def monte_carlo(found: Mapping[str, Any]) -> Plot:
    """The test error over the number of masks, as `recipe ensemble` wrote it."""
    points, scaled = found["points"], found["scaled"]
    masks, means = [point["masks"] for point in points], [point["mean"] for point in points]
    bars = None if points[0]["std"] is None else [point["std"] for point in points]

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.errorbar(masks, means, bars, fmt="o-", color=BLUE, capsize=3, label="average of thinned nets")
        axes.axhline(scaled, color=ORANGE, linestyle="--", label="one net with scaled weights")
        axes.set_xscale("log")
        axes.set(xlabel="masks", ylabel="test error, %", xticks=masks, xticklabels=masks)
        axes.minorticks_off()
        legend_below(axes)

    return Plot(
        name="ensemble",
        title="Many thinned nets against the one with scaled weights",
        caption=f"Test error of the average over masks, mean and standard deviation of {found['repetitions']} "
        f"repetitions on {found['rows']:,} rows; the line is the net as it is used.",
        alt=f"Test error by number of masks, from {in_percent(means[0])} to {in_percent(means[-1])}, and "
        f"{in_percent(scaled)} for the one net with scaled weights.",
        columns=("masks", "mean", "std", "scaled"),
        rows=[(point["masks"], point["mean"], point["std"], scaled) for point in points],
        svg=draw("ensemble", paint),
    )
