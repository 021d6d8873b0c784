"""The linear regions of a network along the straight way from one input to another.

One idea: along the way a + t (b - a) every unit is a function of the one number t, straight between bends. A layer's
bends are where its straight inputs cross a break (or one maxout piece another): equations with one unknown, solved
exactly. So the way is cut layer by layer, and nothing has to be sampled. Read `wins.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.backend import Array
from autograd.tensor import Tensor
from nn.module import Module

from .layers import Bent, Maps, row_of, steps

__all__ = ["Regions", "linear_regions"]

# Bends nearer to each other than this share of the way are one: rounding could not tell them apart.
APART = 1e-12


@dataclass(frozen=True)
class Regions:
    """The way from a to b in pieces on which the network is linear, as host arrays of float64.

    `t` (regions + 1,) are the cuts, from 0 at a to 1 at b. In region i, t[i] to t[i + 1], the output is
    offset[i] + t slope[i], both (regions, outputs).
    """

    t: Any
    slope: Any
    offset: Any

    @property
    def count(self) -> int:
        """How many regions there are."""
        return len(self.t) - 1


def linear_regions(model: Module, a: Tensor | Array, b: Tensor | Array) -> Regions:
    """Every region that the segment between the rows a and b passes through in `model`, found exactly.

    A region ends where a unit goes from one of its pieces to another, as Montufar, Pascanu, Cho and Bengio 2014 and
    Raghu et al. 2017 count. Units that nobody hears (their weights, or all units behind them, are 0) count too, so the
    function itself may have fewer. The model is as for `effective_linear`, and computed in float64.

    Raises ValueError for a layer that is not made of straight pieces, or rows that do not fit.
    """
    a, b = row_of(a), row_of(b)
    if a.shape != b.shape:
        raise ValueError(f"the rows have {len(a)} and {len(b)} numbers: the ways go between inputs of one model.")
    t = np.array([0.0, 1.0])
    maps = Maps((b - a)[None, :, None], a[None], np.array([[0.5]]))
    for _, step in steps(model):
        t, maps = (t, step(maps)) if callable(step) else _cut(t, maps, step)
    return Regions(t, maps.slope[..., 0], maps.offset)


def _cut(t: Any, maps: Maps, layer: Bent) -> tuple[Any, Maps]:
    """The regions and their maps behind a layer that bends."""
    bends = layer.bends(maps)
    inside = (bends > t[:-1, None] + APART) & (bends < t[1:, None] - APART)
    cuts = np.sort(np.concatenate([t, bends[inside]]))
    cuts = cuts[np.diff(cuts, prepend=-1.0) > APART]
    middle = (cuts[:-1] + cuts[1:]) / 2
    parent = np.searchsorted(t, middle) - 1
    maps, pattern = layer.pick(Maps(maps.slope[parent], maps.offset[parent], middle[:, None]))
    # Two maxout pieces may cross below a third: the pattern in the middle says which cuts are real.
    first = np.ones(len(middle), bool)
    first[1:] = (parent[1:] != parent[:-1]) | (pattern[1:] != pattern[:-1]).any(axis=1)
    return np.append(cuts[:-1][first], 1.0), Maps(maps.slope[first], maps.offset[first], maps.point[first])
