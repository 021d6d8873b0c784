"""The average over k masks that are drawn at random, and how it changes with k.

One idea: the k-th average is a step from the one before, so that a curve over k costs no more than its last point.
Srivastava et al. 2014, section 7.5 and figure 11; Gal and Ghahramani 2016, section 4. Read `exact.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autograd.backend import Array
from autograd.random import Generator
from autograd.tensor import Tensor
from nn.module import Module

from .average import Averages, Ensemble, Of
from .masks import array_of, masked, outputs

__all__ = ["mc_curve", "mc_predict"]

MASKS = 8  # the stream of the seed from which the masks are drawn; a run uses others


def mc_predict(
    model: Module, x: Tensor | Array, k: int, *, of: Of = "softmax", seed: int = 0, batch_size: int = 1000
) -> Ensemble:
    """The average of k thinned networks for the rows of x: with dropout on, all else in evaluation mode.

    `of="softmax"` averages the softmax of the model's outputs, taken along the last axis; `of="output"` the outputs
    themselves (regression). Each row meets k masks of its own; where a layer's masks are "per_batch", rows of one batch
    share theirs. The same seed and batch size give the same masks. The model is left as it was, and no generator but
    the one made here draws.

    Raises ValueError for k < 1, and for a model in which nothing drops.
    """
    return mc_curve(model, x, [k], of=of, seed=seed, batch_size=batch_size)[0]


def mc_curve(
    model: Module,
    x: Tensor | Array,
    ks: Sequence[int],
    *,
    of: Of = "softmax",
    seed: int = 0,
    batch_size: int = 1000,
) -> list[Ensemble]:
    """The averages of `mc_predict` after each number of masks in `ks`, in one pass over a single sequence of masks.

    Raises ValueError unless `ks` are whole numbers from 1 up, each larger than the one before.
    """
    if not ks or ks[0] < 1 or list(ks) != sorted(set(ks)):
        raise ValueError(f"the numbers of masks are {list(ks)}: they must be 1 or more, each larger than the last.")
    x, source, averages = array_of(x), Generator(seed, stream=MASKS), Averages(of)
    found = []
    for k in range(1, ks[-1] + 1):
        with masked(model, source):
            averages.add(outputs(model, x, batch_size)[None], np.ones(1))
        if k in ks:
            found.append(averages.read())
    return found
