"""The thinner linear network that one input meets.

One idea: go through the layers with the input's own affine map, which starts as "itself" and takes in each layer's
weights, but only those of the piece that its units are on. A ReLU unit at 0 drops out of all later products: it is not
there. Read `regions.py` next.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from autograd.backend import Array
from autograd.tensor import Tensor
from nn.module import Module

from .layers import Maps, row_of, steps

__all__ = ["EffectiveLinear", "effective_linear"]


@dataclass(frozen=True)
class EffectiveLinear:
    """The affine map of a network around one input: model(u) = weight u + bias for every u of the same pattern.

    `weight` is (outputs, features), `bias` (outputs,), host arrays of float64. `patterns` has for each layer that
    bends, by its name, which piece each unit is on: 0 silent and 1 active for ReLU (below and above 0 for its like; 0,
    1, 2 for what is limited at both ends), the number of the winning piece for Maxout.
    """

    weight: Any
    bias: Any
    patterns: dict[str, Any]


def effective_linear(model: Module, x: Tensor | Array) -> EffectiveLinear:
    """The linear network that the row x meets in `model`, a Sequential of layers with straight pieces, evaluating.

    x is one row, without an axis of rows. With D_l the diagonal matrix of the slopes that x's units of layer l are on,
    for ReLU ones and zeros, weight = W_L D_(L-1) W_(L-1) ... D_1 W_1; Montufar, Pascanu, Cho and Bengio 2014, section
    2. It is composed in float64; a unit within rounding of its bend may be on another piece than in float32.

    Raises ValueError for a layer that is not made of straight pieces, or an x that does not fit.
    """
    row = row_of(x)
    maps, patterns = Maps(np.eye(len(row))[None], np.zeros((1, len(row))), row[None]), {}
    for name, step in steps(model):
        if callable(step):
            maps = step(maps)
        else:
            maps, pattern = step.pick(maps)
            patterns[name] = pattern[0]
    return EffectiveLinear(maps.slope[0], maps.offset[0], patterns)
