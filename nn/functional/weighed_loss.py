"""The mean or the sum of binary cross entropies whose examples of 0 and of 1 are weighed, as one step.

One idea: weights of the last axis are the same in every row, so a few rows count as one long one, with their weights
side by side, and a loop in C reads each logit once. It finds the slopes as well, as in `total_loss.py`. Read `loss.py`
next.
"""

from __future__ import annotations

import math
from typing import Any

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.compile.native.eager import SHORT_ROW, Loop
from autograd.fused import fused
from autograd.modes import casting
from autograd.tensor import Operand

__all__ = ["weighed_logistic"]


@fused
def weighed_logistic(x: Operand, y: Operand, of_zero: Operand, of_one: Operand, *, mean: bool) -> Operand:
    """The mean, or the sum, of the cross entropies of sigmoid(x) and y, the parts of 0 and of 1 by their weights.

    x and y are of one shape, to which the weights, arrays or numbers, broadcast; `loss.py` has checked that.
    """
    losses = of_zero * (1.0 - y) * ag.softplus(x) + of_one * y * ag.softplus(ag.negative(x))
    return ag.mean(losses) if mean else ag.sum(losses)


def _in_rows(x: Any, y: Any, of_zero: Any, of_one: Any) -> tuple[Any, Any]:
    """The slopes, and the sum of each row; one power serves all.

    Each product begins with x, so that all of them are one loop.
    """
    power = ag.exp(-ag.abs(x))
    near, below, negative = ag.log1p(power), 1.0 + power, x < 0
    zero, one = (ag.maximum(x, 0.0) + near) * (1.0 - y), (ag.maximum(-x, 0.0) + near) * y
    to_zero, to_one = ag.where(negative, power, 1.0) / below * (1.0 - y), ag.where(negative, 1.0, power) / below * y
    losses = zero * of_zero + one * of_one
    return to_zero * of_zero - to_one * of_one, ag.sum(losses, axis=1, keepdims=True)


_loop = Loop(_in_rows, by_rows=True)
_LONGEST = 4096  # numbers in a row of the loop


def _forward(xp: Module, x: Array, y: Array, of_zero: Any, of_one: Any, *, mean: bool) -> Any:
    # A number takes the dtype of x; an array of another shows in the loss.
    dtypes = {x.dtype, getattr(y, "dtype", None), *(getattr(w, "dtype", x.dtype) for w in (of_zero, of_one))}
    fits = xp is host and len(dtypes) == 1 and x.shape == y.shape and casting() is None
    if not fits or not x.ndim or not _loop.takes(x):
        return NotImplemented
    width = x.shape[-1]
    beside = math.gcd(x.size // width, 1 << (max(1, _LONGEST // width).bit_length() - 1))
    if width * beside < SHORT_ROW or not all(getattr(w, "shape", ()) in ((), (width,)) for w in (of_zero, of_one)):
        return NotImplemented
    weights = [xp.tile(xp.broadcast_to(xp.asarray(w, x.dtype), width), beside) for w in (of_zero, of_one)]
    made = _loop(x.reshape(-1, width * beside), y.reshape(-1, width * beside), *weights)
    if made is None:
        return NotImplemented
    slope, sums = made
    scale = 1.0 / x.size if mean else 1.0
    return sums.sum() * scale, (slope.reshape(x.shape), scale)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, ...],
    inputs: tuple[Any, ...],
    residuals: tuple[Array, float],
    *,
    mean: bool,
) -> tuple[Array | None, ...]:
    slope, scale = residuals
    weight = g[()] * scale  # a scalar, as in `total_loss.py`
    found: list[Any] = [slope * weight if needs[0] else None, None, None, None]
    if any(needs[1:]):
        x, y, of_zero, of_one = inputs
        zero, one = ag.softplus(x), ag.softplus(-x)
        of_target = of_one * one - of_zero * zero
        parts = of_target, (1.0 - y) * zero, y * one
        for i, part in enumerate(parts, 1):
            found[i] = ag.sum_to(part * weight, getattr(inputs[i], "shape", ())) if needs[i] else None
    return tuple(found)


weighed_logistic.kernel(_forward, _backward)
