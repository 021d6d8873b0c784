"""The mean or the sum of losses, each of a prediction and its target, as one step.

One idea: how fast a loss changes with its prediction is found in the pass that finds the loss. So the forward keeps
these slopes, and the backward only weighs them. Large arrays are done in C, in rows that are summed up one by one.
Read `weighed_loss.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import autograd as ag
from autograd.backend import Array, Module, host
from autograd.compile.cuda.eager import kernel_on_device
from autograd.compile.native.eager import Loop
from autograd.fused import fused
from autograd.modes import casting
from autograd.primitive import elementwise
from autograd.tensor import Operand

from .activation import _hardtanh, logsigmoid

__all__ = ["LOSSES", "total_loss"]


@elementwise
def _huber(xp: Module, x: Operand, *, delta: float) -> Array:
    """x^2 / 2 where |x| <= delta, else delta (|x| - delta / 2)."""
    size = xp.abs(x)
    near = xp.minimum(size, delta)
    return near * (size - 0.5 * near)


_huber.vjp(lambda g, x, delta: g * _hardtanh(x, low=-delta, high=delta))


@elementwise
def _clamped_log(xp: Module, x: Operand) -> Array:
    """max(log(x), -100): finite at 0, and NaN below, where no logarithm is."""
    positive = x > 0
    logs = xp.maximum(xp.log(xp.where(positive, x, 1)), -100)
    return xp.where(positive, logs, xp.where(x == 0, x, float("nan")) - 100)  # each of the dtype of x


_LEAST = 1e-12  # by which the gradient divides
_clamped_log.vjp(lambda g, x: g / ag.maximum(x, _LEAST))


def _square(x: Operand, y: Operand, by: float) -> Operand:
    difference = x - y
    return difference * difference


class Loss(NamedTuple):
    """A loss of x and y, element by element; `by` is the number that it may have besides."""

    of: Callable[[Any, Any, float], Any]
    slope: Callable[[Any, Any, float], Any]  # by x
    slope_of_target: Callable[[Any, Any], Any]  # from x and the slope


def _opposite(x: Operand, slope: Operand) -> Operand:
    return -slope


LOSSES = {
    "square": Loss(_square, lambda x, y, by: 2.0 * (x - y), _opposite),
    "absolute": Loss(lambda x, y, by: ag.abs(x - y), lambda x, y, by: ag.sign(x - y), _opposite),
    "huber": Loss(
        lambda x, y, by: _huber(x - y, delta=by), lambda x, y, by: _hardtanh(x - y, low=-by, high=by), _opposite
    ),
    # The cross entropy of sigmoid(x) and the probability y.
    "logistic": Loss(
        lambda x, y, by: (1.0 - y) * x - logsigmoid(x), lambda x, y, by: ag.sigmoid(x) - y, lambda x, slope: -x
    ),
    # That of the probabilities x and y.
    "shares": Loss(
        lambda x, y, by: -(y * _clamped_log(x) + (1.0 - y) * _clamped_log(1.0 - x)),
        lambda x, y, by: (1.0 - y) / ag.maximum(1.0 - x, _LEAST) - y / ag.maximum(x, _LEAST),
        lambda x, slope: _clamped_log(1.0 - x) - _clamped_log(x),
    ),
}


@fused
def total_loss(x: Operand, y: Operand, *, kind: str, by: float = 0.0, mean: bool) -> Operand:
    """The mean, or the sum, of the losses of x and y, which have one shape."""
    losses = LOSSES[kind].of(x, y, by)
    return ag.mean(losses) if mean else ag.sum(losses)


_LONGEST, _SHORTEST = 4096, 16  # numbers in a row of the loops


def _in_rows(x: Any, y: Any, *, kind: str, by: float) -> tuple[Any, Any]:
    loss = LOSSES[kind]
    return loss.slope(x, y, by), ag.sum(loss.of(x, y, by), axis=1, keepdims=True)


_loop = Loop(_in_rows, by_rows=True, least=1 << 13)


def _forward(xp: Module, x: Array, y: Array, *, kind: str, by: float, mean: bool) -> Any:
    fits = xp is host and getattr(y, "dtype", None) == x.dtype and x.dtype.char in "fd" and x.shape == y.shape
    if not fits or not x.size or casting() is not None:
        return NotImplemented
    scale, columns = 1.0 / x.size if mean else 1.0, math.gcd(x.size, _LONGEST)
    made = None
    if columns >= _SHORTEST and _loop.takes(x):
        made = _loop(x.reshape(-1, columns), y.reshape(-1, columns), kind=kind, by=by)
    if made is None:
        loss = LOSSES[kind]
        return loss.of(x, y, by).sum() * scale, (loss.slope(x, y, by), scale)
    slope, sums = made
    return sums.sum() * scale, (slope.reshape(x.shape), scale)


def _backward(
    xp: Module,
    g: Array,
    needs: tuple[bool, ...],
    inputs: tuple[Any, ...],
    residuals: tuple[Array, float],
    *,
    kind: str,
    **_: Any,
) -> tuple[Array | None, ...]:
    slope, scale = residuals
    weight = g[()] * scale  # [()] makes a scalar of it, which NumPy multiplies sooner than an array without axes
    of_target = LOSSES[kind].slope_of_target(inputs[0], slope) * weight if needs[1] else None
    return slope * weight if needs[0] else None, of_target


@total_loss.recorded
def _recorded(g: Any, needs: Any, inputs: Any, residuals: Any, *, kind: str, by: float, mean: bool) -> tuple[Any, Any]:
    (x, y), loss = inputs, LOSSES[kind]
    slope, weight = loss.slope(x, y, by), g * (1.0 / x.size if mean else 1.0)
    of_target = loss.slope_of_target(x, slope) * weight if needs[1] else None
    return slope * weight if needs[0] else None, of_target


total_loss.kernel(_forward, _backward, elsewhere=kernel_on_device(total_loss.definition, _forward, _backward))
