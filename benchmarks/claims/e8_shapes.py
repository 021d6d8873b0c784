"""E8, functions of one number: what a maxout unit can be, and what sigmoids sum up to.

One idea: an activation is a curve, so its error is the distance between two curves, and nothing but the start of a fit
is left to chance. All is float64. Read `e8_networks.py` for rectifiers in networks.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

import nn
import optim
from autograd import Tensor, compile, no_grad
from autograd.random import Generator

from .experiment import Numbers

__all__ = ["FITS", "SHOWN", "TARGETS", "X", "fitted", "sigmoids", "special_cases"]

Array = np.ndarray[Any, Any]

SLOPE = 0.01  # of Leaky ReLU on its silent side
STARTS = 48  # stream of the seed from which the fits start
UPDATES, RATE = 3000, 0.02
X = np.linspace(-1, 1, 201)
SHOWN = 5  # every so many of these points are kept for the plots

TARGETS: dict[str, Callable[[Array], Array]] = {
    "ReLU": lambda x: np.maximum(x, 0),
    "|x|": np.abs,
    "Leaky ReLU": lambda x: np.maximum(x, SLOPE * x),
    "x^2": np.square,
    "e^x": np.exp,
    "sin pi x": lambda x: np.sin(np.pi * x),
}

# What is fitted: the curve, the number of pieces, and whether they start as tangents.
FITS = {
    **{f"{target}, 2 pieces": (target, 2, False) for target in ("ReLU", "|x|", "Leaky ReLU")},
    **{f"x^2, {pieces} pieces": ("x^2", pieces, False) for pieces in (2, 4, 8)},
    **{f"x^2, {pieces} pieces from tangents": ("x^2", pieces, True) for pieces in (2, 4, 8)},
    **{f"e^x, {pieces} pieces": ("e^x", pieces, False) for pieces in (2, 8)},
    "sin pi x, 4 pieces": ("sin pi x", 4, False),
}


# What maxout can be


def special_cases(seed: int) -> Numbers:
    """The largest difference between a maxout unit with set weights and ReLU or Leaky ReLU, on z = w x + b."""
    generator = Generator(seed, stream=STARTS)
    linear = nn.Linear(20, 30, dtype="float64", generator=generator)
    with no_grad():
        z = linear(Tensor(generator.normal((500, 20), dtype="float64"))).data.reshape(-1, 1)
    return {
        "relu": np.abs(_two_lines(0.0, z) - nn.functional.relu(Tensor(z)).data).max(),
        "leaky": np.abs(_two_lines(SLOPE, z) - nn.functional.leaky_relu(Tensor(z), SLOPE).data).max(),
    }


def _two_lines(slope: float, z: Array) -> Array:
    """max(z, slope z) of a maxout unit with two pieces."""
    maxout = nn.Maxout(1, 1, 2, dtype="float64")
    with no_grad():
        maxout.weight[:] = np.array([[1.0], [slope]])
        assert maxout.bias is not None
        maxout.bias[:] = 0.0
        return np.asarray(maxout(Tensor(z)).data)


def fitted(target: str, pieces: int, tangents: bool, seed: int) -> Numbers:
    """A maxout unit of one input fitted to a curve on [-1, 1]: its errors, the pieces that it uses, and its curve."""
    maxout = _started(pieces, tangents, Generator(seed, stream=STARTS + pieces))
    optimizer = optim.Adam(maxout.parameters(), lr=RATE)
    schedule = optim.CosineAnnealingLR(optimizer, UPDATES)
    x, y = Tensor(X[:, None]), Tensor(TARGETS[target](X)[:, None])

    @compile
    def update() -> None:
        optimizer.zero_grad()
        nn.functional.mse_loss(maxout(x), y).backward()
        optimizer.step()

    for _ in range(UPDATES):
        update()
        schedule.step()
    with no_grad():
        error = (maxout(x) - y).data
        heights = nn.functional.linear(x, maxout.weight, maxout.bias).data
    return {
        "rmse": np.sqrt(np.mean(np.square(error))),
        "max": np.abs(error).max(),
        "used": len(np.unique(heights.argmax(axis=1))),
        "curve": heights.max(axis=1)[::SHOWN],
    }


def _started(pieces: int, tangents: bool, generator: Generator) -> nn.Maxout:
    """Glorot's uniform weights (a piece has one input and one output) and zero biases, or tangents of x^2."""
    maxout = nn.Maxout(1, 1, pieces, init="tangent" if tangents else "default", dtype="float64", generator=generator)
    assert maxout.bias is not None
    if tangents:
        with no_grad():  # those of nn.Maxout touch x^2 / 2
            maxout.weight[:] = 2.0 * maxout.weight
            maxout.bias[:] = 2.0 * maxout.bias
    else:
        nn.init.uniform_(maxout.weight, -math.sqrt(3), math.sqrt(3), generator)
        nn.init.zeros_(maxout.bias)
    return maxout


# What sigmoids sum up to


def sigmoids(seed: int) -> Numbers:
    """Sums of shifted sigmoids against softplus and ReLU, for steps of 1 and finer ones.

    The sum of h sigma((x - (i - 1/2) h) / h) over i = 1, 2, ... has a sigmoid for each step h.
    """
    x = np.linspace(-30, 91.9, 12_191)
    softplus = nn.functional.softplus(Tensor(x)).data
    found: Numbers = {"softplus": np.abs(sum_of_sigmoids(x, 1.0, 100) - softplus).max()}
    for h in (1.0, 0.1, 0.01):
        near = np.linspace(-30 * h, 30 * h, 6001)
        found[f"relu {h:g}"] = np.abs(sum_of_sigmoids(near, h, 100) - np.maximum(near, 0)).max()
    shown = np.linspace(-4, 4, 81)
    return found | {
        "x": shown,
        "softplus curve": nn.functional.softplus(Tensor(shown)).data,
        "curves": {f"{h:g}": sum_of_sigmoids(shown, h, round(12 / h)) for h in (1.0, 0.25)},
    }


def sum_of_sigmoids(x: Array, h: float, count: int) -> Array:
    """h times the sum of sigma((x - (i - 1/2) h) / h) for i = 1 to count."""
    shifts = (np.arange(count) + 0.5) * h
    with no_grad():
        return np.asarray(h * nn.functional.sigmoid(Tensor((x[:, None] - shifts) / h)).data.sum(axis=1))
