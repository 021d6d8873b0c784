"""E7: dropout as an ensemble, by every mask, by some masks, and beside ensembles of the ordinary kind.

One idea: the lecture's way from "averaging reduces the variance" to "multiply the weights by 1 - p" has three steps,
and each can be measured by itself. Read `e7_exact.py`, `e7_monte_carlo.py` and `e7_variance.py`.
"""

from __future__ import annotations

from recipe.report.plot import Plot

from . import e7_exact, e7_monte_carlo, e7_variance
from .experiment import Experiment, Found, Part

__all__ = ["EXPERIMENT"]


def parts(quick: bool) -> list[Part]:
    """What the three files measure."""
    return [*e7_exact.parts(quick), *e7_monte_carlo.parts(quick), *e7_variance.parts(quick)]


def plots(found: Found) -> list[Plot]:
    """What they draw."""
    return [*e7_monte_carlo.plots(found), *e7_variance.plots(found)]


EXPERIMENT = Experiment(
    key="E7",
    title="Dropout as an ensemble",
    claims=("C16", "C17", "C18", "C19"),
    setup="All masks: linear, softmax and ReLU networks with 12 units under dropout, in float64, averaged over all "
    f"4096 masks by their probabilities. {e7_monte_carlo.SETUP} {e7_variance.SETUP}",
    parts=parts,
    orders=(*e7_exact.ORDERS, *e7_monte_carlo.ORDERS, *e7_variance.ORDERS),
    figures=(*e7_exact.FIGURES, *e7_monte_carlo.FIGURES, *e7_variance.FIGURES),
    plots=plots,
    remark="The average of many masks is not better than scaled weights here, in error or, with ReLU, in loss; the "
    "paper found it slightly better, within a standard deviation. The distance from the geometric mean is measured "
    "with few masks, whose chance is part of it. Two comparisons ask for more than one draw can show: a single network "
    "with dropout strays by half a point from the mean of ten, and how often the classes agree differs between Maxout "
    "and tanh by some twenty of 10,000 rows. They are told as they came out; the mean of ten and the distance are the "
    "better witnesses.",
)
