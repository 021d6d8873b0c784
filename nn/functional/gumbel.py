"""A choice among classes that can be trained through: a softmax of noisy logits.

One idea: the largest of logits with Gumbel's noise is a draw of their distribution, and a softmax is a largest one with
slopes. A hard choice goes forward as the draw itself, and back as if it had been the soft one. Read `norm.py` next.
"""

from __future__ import annotations

from math import nextafter

import autograd as ag
from autograd import random
from autograd.hints import telling
from autograd.tensor import Tensor, wrap

from .embedding import one_hot
from .given import check_arrays, number

__all__ = ["gumbel_softmax"]

LEAST = 1.2e-38  # float32's least normal number, so that no logarithm is infinite


@telling
def gumbel_softmax(
    logits: Tensor, tau: float = 1.0, hard: bool = False, *, dim: int = -1, generator: random.Generator | None = None
) -> Tensor:
    """A draw of the classes along `dim`: shares near 1 for one of them, the nearer the smaller `tau` is.

    The logits, unscaled log probabilities, may have any shape, which the result has too.
    With `hard` the shares are 1 and 0, and their gradient is that of the soft ones. `generator` is the source of the
    noise, and `autograd.random.default` without it.

    Jang, Gu and Poole 2017; Maddison, Mnih and Teh 2017. Raises ValueError for tau <= 0.
    """
    check_arrays("gumbel_softmax", logits=logits)
    tau = number("gumbel_softmax", "tau", tau, "it must be greater than 0", nextafter(0, 1))
    kind = "float64" if logits.dtype == "float64" else "float32"
    drawn = (generator or random.default).uniform(logits.shape, LEAST, 1.0, kind, logits.device)
    noise = ag.astype(-ag.log(-ag.log(wrap(drawn))), logits.dtype)
    soft = ag.softmax((logits + noise) / tau, axis=dim)
    if not hard:
        return soft
    chosen = ag.moveaxis(one_hot(ag.argmax(soft, axis=dim), soft.shape[dim]), -1, dim)
    return ag.astype(chosen, soft.dtype) + (soft - soft.detach())
