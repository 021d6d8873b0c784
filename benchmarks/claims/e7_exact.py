"""E7, first part: networks of twelve units under dropout, whose 4096 thinned networks can all be asked.

One idea: a mean goes through what is linear. So scaled weights are the exact mean of linear networks; of a softmax
layer they are the geometric mean, whose logarithm is linear up to a constant; and of nothing else. Each of the 4096 has
the probability of its mask: the plain mean over all is that of p = 1/2. Baldi and Sadowski 2013.
Read `e7_monte_carlo.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import nn
from autograd.random import Generator
from recipe.ensemble import enumerate_masks, scaled_predict, unscaled_predict

from .experiment import Figure, Numbers, Order, Part, Seed, measured

__all__ = ["FIGURES", "ORDERS", "PS", "all_masks", "parts"]

PS = (0.2, 0.5, 0.7)
UNITS, ROWS, CLASSES = 12, 5, 4
WEIGHTS = 33  # stream of the seed from which inputs and weights are drawn
EXACT, INEXACT = 1e-12, 1e-3
PART = "all masks"


def all_masks(seed: int) -> Numbers:
    """How far scaled weights are from the averages over all masks, by p."""
    return {str(p): _differences(p, seed) for p in PS}


def _differences(p: float, seed: int) -> Numbers:
    generator = Generator(seed, stream=WEIGHTS)

    def net(*layers: nn.Module) -> nn.Sequential:
        model = nn.Sequential(*layers).to("float64")
        for parameter in model.parameters():
            parameter.data[...] = generator.normal(parameter.shape, dtype="float64")
        return model

    x = generator.normal((ROWS, UNITS), dtype="float64")
    half = UNITS // 2  # of the inputs, and of the hidden units

    unit = net(nn.Dropout(p, mode="classic"), nn.Linear(UNITS, 1))
    average = enumerate_masks(unit, x, of="output").arithmetic
    found = {
        "linear": _distance(average, scaled_predict(unit, x, of="output")),
        "unscaled": _distance(average, unscaled_predict(unit, x, of="output")),
    }
    scaled = scaled_predict(unit, x, of="output")
    unit[0].p = 0.5  # classic thinned networks do not depend on p, only their weights in the average do
    found["unweighted"] = _distance(enumerate_masks(unit, x, of="output").arithmetic, scaled)

    softmax = net(nn.Dropout(p), nn.Linear(UNITS, CLASSES))
    ensemble, scaled = enumerate_masks(softmax, x), scaled_predict(softmax, x)
    found["geometric"] = _distance(ensemble.geometric, scaled)
    found["arithmetic"] = _distance(ensemble.arithmetic, scaled)

    for name, between in (("two_linear", nn.Identity()), ("relu", nn.ReLU())):
        layers = net(nn.Dropout(p), nn.Linear(half, half), between, nn.Dropout(p), nn.Linear(half, CLASSES))
        scaled = scaled_predict(layers, x[:, :half], of="output")
        apart = _distance(enumerate_masks(layers, x[:, :half], of="output").arithmetic, scaled)
        found[name] = apart / float(np.abs(scaled).max())
    return found


def _distance(a: Any, b: Any) -> float:
    return float(np.abs(a - b).max())


def parts(quick: bool) -> list[Part]:
    """All networks at once: they are small."""
    return [Part(PART, all_masks)]


_EXACT: Sequence[tuple[str, str, str, str]] = (
    ("C16", "linear", "one linear unit: scaled weights minus the average", "up to 1.1e-14"),
    ("C18", "two_linear", "two linear layers: the same, over the largest output", "up to 2e-14"),
    ("C18", "geometric", "softmax layer: scaled weights minus the geometric mean", "up to 2.8e-14"),
)
_INEXACT: Sequence[tuple[str, str, str]] = (
    ("arithmetic", "softmax layer: scaled weights minus the arithmetic mean", "0.013 to 0.25"),
    ("relu", "hidden ReLU: scaled weights minus the average, over the largest output", "0.09 to 0.93"),
)

FIGURES = (
    *(
        Figure(claim, f"{what}, p = {p}", measured(PART, str(p), name), reference, 0, EXACT, exact=True)
        for claim, name, what, reference in _EXACT
        for p in PS
    ),
    *(
        Figure("C18", f"{what}, p = {p}", measured(PART, str(p), name), reference)
        for name, what, reference in _INEXACT
        for p in PS
    ),
)


def _largest(m: Seed, name: str) -> float:
    return float(np.max([m[PART][str(p)][name] for p in PS]))  # NaN stays NaN


def _least(m: Seed, name: str) -> float:
    return float(np.min([m[PART][str(p)][name] for p in PS]))


def _unweighted(m: Seed, p: float) -> float:
    return float(m[PART][str(p)]["unweighted"])


ORDERS = (
    Order(
        "C16",
        "weights times 1 - p give the mean of a linear unit, and unscaled weights do not, for p = 0.2, 0.5 and 0.7",
        lambda m: (_largest(m, "linear"), "<=", EXACT, "<", INEXACT, "<", _least(m, "unscaled")),
    ),
    Order(
        "C18",
        "of two linear layers with dropout before both, scaled weights give the mean of all 4096 networks",
        lambda m: (_largest(m, "two_linear"), "<=", EXACT),
    ),
    Order(
        "C18",
        "of a softmax layer, scaled weights give the geometric mean of all 4096",
        lambda m: (_largest(m, "geometric"), "<=", EXACT),
    ),
    Order(
        "C18",
        "but not the arithmetic mean",
        lambda m: (_least(m, "arithmetic"), ">", INEXACT),
    ),
    Order(
        "C18",
        "with a ReLU between two layers they do not give the mean either",
        lambda m: (_least(m, "relu"), ">", INEXACT),
    ),
    Order(
        "C18",
        "the plain average of the 2^M networks is right for p = 0.5 alone; for p = 0.2 and 0.7 each mask must count by "
        "its probability (differences for p = 0.5, 0.2 and 0.7)",
        lambda m: (_unweighted(m, 0.5), "<=", EXACT, "<", _unweighted(m, 0.2), ">", INEXACT, "<", _unweighted(m, 0.7)),
        against=True,
    ),
)
