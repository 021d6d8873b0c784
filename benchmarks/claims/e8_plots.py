"""E8, drawn: curves of maxout units, sums of sigmoids, silent units, and what goes into rectifiers.

One idea: each plot is one sentence of the lecture to look at. Read `drawing.py` for how they are drawn.
"""

from __future__ import annotations

import math

import numpy as np

from recipe.report.plot import COLOURS, Plot

from .drawing import Line, bars, lines
from .e8_networks import EDGES, RATES
from .e8_shapes import FITS, SHOWN, TARGETS, X
from .experiment import Found

__all__ = ["plots"]


def plots(found: Found) -> list[Plot]:
    """Curves of maxout units, sums of sigmoids, silent units, and what goes into rectifiers."""
    shown = []
    for name, title, caption, fits in _SHAPES:
        here = [part for part in fits if found.has(part)]
        if here:
            shown.append(_shapes(found, name, title, caption, here))
    if found.has("sigmoids"):
        shown.append(_sigmoids(found))
    rates = [rate for rate in RATES if found.has(f"relu at {rate:g}")]
    if rates:
        shown += [_silent(found, rates), _inputs(found)]
    return shown


_SHAPES = (
    (
        "e8-two-pieces",
        "Maxout units of two pieces",
        "Dotted: the curves. Lines: what maxout units made of them by gradient descent. A unit learns its activation "
        "function.",
        ("ReLU, 2 pieces", "|x|, 2 pieces", "Leaky ReLU, 2 pieces"),
    ),
    (
        "e8-pieces",
        "Maxout units of more pieces",
        "x^2 with 2, 4 and 8 pieces, which began as its tangents.",
        ("x^2, 2 pieces from tangents", "x^2, 4 pieces from tangents", "x^2, 8 pieces from tangents"),
    ),
    (
        "e8-not-convex",
        "What no number of pieces can be",
        "The largest of straight lines is convex; a curve that is not, it can only miss.",
        ("sin pi x, 4 pieces",),
    ),
)


def _shapes(found: Found, name: str, title: str, caption: str, fits: list[str]) -> Plot:
    curves = [
        Line(part, X[::SHOWN].tolist(), [found.first(part)["curve"]], "-", colour)
        for part, colour in zip(fits, COLOURS, strict=False)
    ]
    targets = list(dict.fromkeys(FITS[part][0] for part in fits))
    curves += [Line(target, X.tolist(), [TARGETS[target](X).tolist()], ":", "#7f7f7f") for target in targets]
    return lines(name, title, f"{caption} The first seed.", curves, x="x", y="output")


def _sigmoids(found: Found) -> Plot:
    m = found.first("sigmoids")
    x = m["x"]
    curves = [
        Line("ReLU", x, [np.maximum(x, 0).tolist()], "--"),
        *(Line(f"sigmoids in steps of {h}", x, [curve], "-") for h, curve in m["curves"].items()),
        Line("softplus", x, [m["softplus curve"]], ":"),
    ]
    return lines(
        "e8-sigmoids",
        "A sum of sigmoids and ReLU",
        "Sigmoids, each shifted a step further, sum up to softplus, ln(1 + e^x), as good as exactly. With steps of a "
        "quarter, each sigmoid four times as steep and a quarter as high, the sum comes four times nearer to ReLU.",
        curves,
        x="x",
        y="sum",
    )


def _silent(found: Found, rates: list[float]) -> Plot:
    return bars(
        "e8-silent",
        "Silent units by learning rate",
        "The share of the first layer's ReLU units that give 0 for all 10,000 training digits, after 5 epochs. A large "
        "step throws a unit to where no digit reaches it, and nothing brings it back. Networks that blew up are left "
        "out.",
        {f"rate {rate:g}": {"ReLU": _known(found.values(f"relu at {rate:g}", "dead"))} for rate in rates},
        y="silent units of layer 1, %",
    )


def _known(values: list[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)] or [math.nan]


def _inputs(found: Found) -> Plot:
    middle = ((EDGES[1:] + EDGES[:-1]) / 2).tolist()
    curves = []
    for part, words in (
        ("relu at 0.1", "ReLU, rate 0.1"),
        ("leaky_relu at 0.1", "Leaky ReLU, rate 0.1"),
        ("relu at 0.5", "ReLU, rate 0.5"),
        ("relu at 1", "ReLU, rate 1"),
    ):
        if found.has(part):
            histograms = zip(found.values(part, "histogram"), found.values(part, "blown_up"), strict=True)
            kept = [[share or math.nan for share in h] for h, blown_up in histograms if not blown_up]
            if kept:
                curves.append(Line(words, middle, kept))
    return lines(
        "e8-inputs",
        "What goes into the rectifiers",
        "The inputs of the first layer's rectifiers over all training digits, after 5 epochs, the outermost bins with "
        "all beyond. What is below 0 comes out as 0. The higher the rate, the further they were thrown to the left.",
        curves,
        x="input of a rectifier",
        y="share, %",
        log="y",
    )
