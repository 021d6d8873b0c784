"""Plots of the inside of a network, layer by layer: gradients, movement, silent units, weights.

One idea: the lecture finds the cause of a bad training result inside the net, so each layer is a line of its own, from
the first (blue, or dark) to the last. Read `exam.py` next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .plot import BLUE, ORANGE, Plot, cells, colours, draw, legend_below

__all__ = ["filters", "gradients", "histograms", "movements", "silence"]

Run = Mapping[str, Any]
_FILTERS = 64


def _looks(run: Run) -> Sequence[Mapping[str, Any]]:
    return (run.get("evidence") or {}).get("looks") or []


def gradients(run: Run) -> Plot | None:
    """The rms of each layer's gradient before training and after each epoch."""
    return _by_layer(
        run,
        {"gradient_rms": ""},
        name="gradients",
        title="Gradient of each layer",
        label="rms of the gradient",
        caption="The root of the mean square of the weights' gradient, on the first training rows, from before the "
        "first update (0) on. Where the first layers lie far below the last, the gradient vanishes on its way back.",
        log=True,
    )


def movements(run: Run) -> Plot | None:
    """How far the weights of each layer have come."""
    return _by_layer(
        run,
        {"movement_by_layer": ""},
        name="movement",
        title="Movement of each layer",
        label="distance from the start",
        caption="||W - W at the start|| / ||W at the start||. A layer that stays near 0 was not trained: it is still "
        "random.",
    )


def silence(run: Run) -> Plot | None:
    """The share of dead units and of saturated outputs."""
    return _by_layer(
        run,
        {"dead": "dead", "saturated": "saturated"},
        name="dead-and-saturated",
        title="Dead and saturated units",
        label="share, %",
        caption="Dead: rectifiers that are silent on all of the first training rows, and so get no gradient. "
        "Saturated: outputs of sigmoid or tanh within a hundredth of their ends, where the slope is next to nothing.",
        scale=100.0,
    )


def _by_layer(
    run: Run,
    keys: Mapping[str, str],
    *,
    name: str,
    title: str,
    label: str,
    caption: str,
    log: bool = False,
    scale: float = 1.0,
) -> Plot | None:
    looks = [look for look in _looks(run) if any(look.get(key) for key in keys)]
    epochs = [look["epoch"] for look in looks]
    series = {
        f"{layer} {word}".strip(): [None if v is None else scale * v for v in values]
        for key, word in keys.items()
        for layer, values in _found(looks, key).items()
    }
    shown = {layer: [None if log and not v else v for v in values] for layer, values in series.items()}
    if not any(value is not None for values in shown.values() for value in values):
        return None

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        _draw_lines(axes, epochs, shown)
        if log:
            axes.set_yscale("log")
        axes.set(xlabel="epochs", ylabel=label)
        if scale == 100.0:
            axes.set_ylim(-3, 103)
        elif not log:
            axes.set_ylim(bottom=0)
        axes.xaxis.get_major_locator().set_params(integer=True)
        legend_below(axes)

    return Plot(
        name=name,
        title=title,
        caption=caption,
        alt=f"{title}: {label}, by epoch, of {', '.join(series)}.",
        columns=("epoch", *series),
        rows=list(zip(epochs, *series.values(), strict=True)),
        svg=draw(name, paint, (7.0, 3.4 + 0.22 * (len(shown) > 6))),
    )


def _found(looks: Sequence[Mapping[str, Any]], key: str) -> dict[str, list[float | None]]:
    """What each look found under a key, by layer; None where it found nothing of a layer."""
    layers = dict.fromkeys(layer for look in looks for layer in look.get(key) or ())
    return {layer: [(look.get(key) or {}).get(layer) for look in looks] for layer in layers}


def _draw_lines(axes: Any, epochs: Sequence[float], lines: Mapping[str, Sequence[float | None]]) -> None:
    """A line for each layer, from blue to orange; of many only the first and the last are named."""
    for i, ((layer, values), colour) in enumerate(zip(lines.items(), colours(len(lines)), strict=True)):
        is_named = len(lines) <= 12 or i in (0, len(lines) - 1)
        axes.plot(epochs, cells(values), "o-", color=colour, markersize=3, label=layer if is_named else None)


def histograms(run: Run) -> Plot | None:
    """How the weights of each layer are spread, at the start and at the end."""
    weights = (run.get("evidence") or {}).get("weights") or {}
    layers = {name: found for name, found in weights.items() if (found.get("end") or {}).get("counts")}
    if not layers:
        return None
    rows = [
        (layer, when, edge, found[when]["edges"][i + 1], count)
        for layer, found in layers.items()
        for when in ("start", "end")
        if (found.get(when) or {}).get("counts")
        for i, (edge, count) in enumerate(zip(found[when]["edges"], found[when]["counts"], strict=False))
    ]
    shown = list(layers.items()) if len(layers) <= 8 else [*list(layers.items())[:4], *list(layers.items())[-4:]]
    columns = min(len(shown), 4)
    height = -(-len(shown) // columns)

    def paint(figure: Any) -> None:
        grid = figure.subplots(height, columns, squeeze=False)
        for axes in list(grid.flat)[len(shown) :]:
            axes.set_visible(False)
        for axes, (layer, found) in zip(grid.flat, shown, strict=False):
            for when, colour in (("start", ORANGE), ("end", BLUE)):
                if (found.get(when) or {}).get("counts"):
                    axes.stairs(found[when]["counts"], found[when]["edges"], color=colour, linewidth=1.4, label=when)
            axes.set_yscale("log")
            axes.set_ylim(bottom=0.7)
            axes.set_title(layer)
            axes.tick_params(labelsize=8)
            axes.locator_params(axis="x", nbins=4)
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)

    return Plot(
        name="weights",
        title="Weights of each layer",
        caption="How many weights have which value, on a log scale: before training (orange) and at the end (blue).",
        alt=f"Histograms of the weights of {', '.join(name for name, _ in shown)}.",
        columns=("layer", "when", "from", "to", "weights"),
        rows=rows,
        svg=draw("weights", paint, (7.2, 0.5 + 2.1 * height)),
    )


def filters(weight: Any, side: int) -> Plot | None:
    """The first 64 units of a first layer whose inputs are images of `side` x `side` pixels."""
    import numpy as np

    units = np.asarray(weight[:_FILTERS], np.float64)
    if not np.isfinite(units).all():
        return None
    count = len(units)
    columns = min(count, 16)
    high = -(-count // columns)
    sheet = np.full((high * (side + 1) - 1, columns * (side + 1) - 1), np.nan)
    for i, unit in enumerate(units):
        top, left = (i // columns) * (side + 1), (i % columns) * (side + 1)
        # Each on its own scale, so that a quiet unit can be read as well as a loud one.
        sheet[top : top + side, left : left + side] = unit.reshape(side, side) / (np.abs(unit).max() or 1.0)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        axes.imshow(sheet, cmap="PuOr", vmin=-1, vmax=1, interpolation="none")
        axes.set_axis_off()

    return Plot(
        name="filters",
        title="What the first units look for",
        caption=f"The weights of the first {count} units of the first layer, as images, each on its own scale: purple "
        "pixels speak for the unit, orange ones against it.",
        alt=f"The incoming weights of {count} units as images of {side} by {side} pixels.",
        columns=("unit", *(f"pixel {i}" for i in range(side * side))),
        rows=[(i, *(float(f"{w:.6g}") for w in unit)) for i, unit in enumerate(units)],
        svg=draw("filters", paint, (7.2, 7.2 * high / columns)),
    )
