"""What the units of a layer give: how many are silent, how many outputs are saturated.

One idea: a unit has no gradient where its function is flat, so what counts is at which ends a function is flat; one
table says it, for whoever watches a run or diagnoses it. Read `callbacks/monitors.py` next.
"""

from __future__ import annotations

from autograd.backend import Array
from nn.module import Module

__all__ = ["RANGED", "RECTIFIERS", "dead_share", "flat_share", "saturated_share"]

# Activations that give exactly 0, with slope 0, on their silent side.
RECTIFIERS = ("ReLU", "ReLU6")
# The ends of the ranges of those that are flat, or nearly so, at both.
RANGED = {
    **{"Sigmoid": (0.0, 1.0), "Hardsigmoid": (0.0, 1.0)},
    **{"Tanh": (-1.0, 1.0), "Softsign": (-1.0, 1.0), "Hardtanh": (-1.0, 1.0)},
}


def flat_share(module: Module, out: Array) -> dict[str, float]:
    """Which share of what an activation gave is without a slope: "dead" of rectifiers, "saturated" of ranged ones.

    Of other Modules nothing is known. `out` is (rows, ..., units), or (rows, channels, h, w).
    """
    kind = type(module).__name__
    if kind in RECTIFIERS:
        return {"dead": dead_share(out)}
    if kind not in RANGED:
        return {}
    low, high = RANGED[kind]
    return {"saturated": saturated_share(out, getattr(module, "min_val", low), getattr(module, "max_val", high))}


def dead_share(out: Array) -> float:
    """The share of units whose output is 0 on every row."""
    units = out.transpose(0, 2, 3, 1) if out.ndim == 4 else out
    return float((units.reshape(-1, units.shape[-1]) == 0).all(axis=0).mean())


def saturated_share(out: Array, low: float, high: float) -> float:
    """The share of outputs within a hundredth of the range of one of its ends, where the slope is next to nothing."""
    reach = 0.01 * (high - low)
    return float(((out < low + reach) | (out > high - reach)).mean())
