"""The exact average over all 2^M masks of a small network.

One idea: not every mask is equally likely. One that keeps a units and drops b has probability (1 - p)^a p^b, and only
with these as weights is the average that of dropout; equal weights are right for p = 1/2 alone.
Baldi and Sadowski 2013; Warde-Farley et al. 2014. Read `single.py` next.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from autograd.backend import Array, host, module_of, move
from autograd.random import keep_probability
from autograd.tensor import Tensor
from nn.module import Module

from .average import Averages, Ensemble, Of
from .masks import array_of, masked, outputs

__all__ = ["MOST_UNITS", "enumerate_masks"]

MOST_UNITS = 16


def enumerate_masks(model: Module, x: Tensor | Array, *, of: Of = "softmax", batch_size: int = 4096) -> Ensemble:
    """The average over every mask of the M units under dropout, those of the input included, for each row of x.

    Each mask weighs what it is likely: (1 - p)^kept p^dropped, p being each layer's own, as it is drawn (to 1/65536).
    The model must compute each row by itself. Up to `batch_size` pairs of a mask and a row go through it at a time, at
    least all rows. The model is left as it was.

    Raises ValueError for more than 16 units under dropout, a model in which nothing drops, or one whose masks do not
    have the rows along axis 0.
    """
    x = array_of(x)
    calls = _calls_of(model, x)
    units = sum(call.units for call in calls)
    if units > MOST_UNITS:
        counts = ", ".join(f"{call.units} (p={call.p})" for call in calls)
        raise ValueError(
            f"enumerate_masks got a model with {units} units under dropout: {counts}. All 2^{units} masks cannot be "
            f"gone through; at most {MOST_UNITS} units can. Draw some with mc_predict(model, x, k), or take a smaller "
            "model."
        )
    kept = np.concatenate([np.full(call.units, keep_probability(call.p)) for call in calls])
    masks = (np.arange(2**units)[:, None] >> np.arange(units)) & 1 > 0
    weights = np.where(masks, kept, 1 - kept).prod(axis=1)
    masks, weights = masks[weights > 0], weights[weights > 0]  # with p = 1 some never occur

    averages = Averages(of)
    at_once = max(1, batch_size // len(x))
    for start in range(0, len(masks), at_once):
        some = masks[start : start + at_once]
        pairs = module_of(x).concatenate([x] * len(some))
        with masked(model, _Given(calls, np.repeat(some, len(x), axis=0))):
            found = outputs(model, pairs, len(pairs))
        averages.add(found.reshape(len(some), len(x), *found.shape[1:]), weights[start : start + at_once])
    return averages.read()


@dataclass(frozen=True)
class _Call:
    """One request for a mask during a forward pass: the shape for one row, and the probability of dropping."""

    shape: tuple[int, ...]
    p: float

    @property
    def units(self) -> int:
        return math.prod(self.shape)


class _Noted:
    """Keeps every unit, and notes what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[_Call] = []

    def keep_mask(self, shape: tuple[int, ...], p: float, device: str = "cpu") -> Array:
        self.calls.append(_Call(tuple(shape[1:]), p))
        return move(host.ones(shape, bool), device)


class _Given:
    """Gives the masks of (rows, units) piece by piece, as they are asked for in one forward pass."""

    def __init__(self, calls: list[_Call], masks: np.ndarray) -> None:
        self.masks, self.calls, self.used = masks, list(calls), 0

    def keep_mask(self, shape: tuple[int, ...], p: float, device: str = "cpu") -> Array:
        call, rows = self.calls.pop(0), len(self.masks)
        if shape[0] not in (1, rows) or shape[1:] != call.shape:
            raise ValueError(
                f"enumerate_masks gave {rows} rows to the model, and a layer asks for a mask of shape {shape}, which "
                "does not have these rows along axis 0: it goes through models that keep the rows apart."
            )
        mine = self.masks[:, self.used : self.used + call.units]
        self.used += call.units
        return move(mine.reshape(rows, *call.shape), device)


def _calls_of(model: Module, x: Array) -> list[_Call]:
    noted = _Noted()
    with masked(model, noted):
        outputs(model, x[:1], 1)
    return noted.calls
