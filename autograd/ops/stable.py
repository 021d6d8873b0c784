"""Exponentials that cannot overflow: logsumexp, softmax, sigmoid and their logarithms.

One idea: e^x is only ever taken of x minus the largest of its company, which is at most 0. An entry of -inf is an
entry that is not there: it weighs 0 and its gradient is 0. Read `index.py` next.
"""

from __future__ import annotations

from typing import Any

from ..backend import Array, Module
from ..primitive import elementwise, primitive
from ..shapes import Axis
from ..tensor import Operand
from .cast import floated, narrowed, single
from .choice import where
from .elementwise import exp
from .reduce import spread, sum
from .short_rows import reducing

__all__ = ["log_softmax", "logaddexp", "logsumexp", "sigmoid", "softmax", "softplus"]


def _shift(xp: Module, x: Array, axis: Axis) -> Any:
    """The largest of each row, to be taken off; 0 where that is infinite, or there is none."""
    if not x.size:
        return 0.0
    largest = reducing(xp).max(x, axis=axis, keepdims=True)
    return xp.where(xp.isfinite(largest), largest, 0.0)


def _finite(out: Operand) -> Operand:
    """`out`, with 0 for the -inf of a row without entries: x - out is -inf then too, and no NaN."""
    return where(out == -float("inf"), 0.0, out)


def _total(xp: Module, weights: Array, axis: Axis) -> Array:
    """The sum of each row, but 1 for a row that weighs nothing: it is 0 / 1 then, and log(1), with no warning."""
    sums = reducing(xp).sum(weights, axis=axis, keepdims=True)
    return sums + (sums == 0)


@primitive
def logsumexp(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """log(sum(exp(x))) over `axis`; -inf, with gradient 0, for a row that is -inf throughout, or empty.

    A row with inf gives inf, and there a gradient of NaN: of several nothing says how they share it.
    """
    wide = single(x)
    shift = _shift(xp, wide, axis)
    sums = reducing(xp).sum(xp.exp(wide - shift), axis=axis, keepdims=True)
    nothing = sums == 0
    out = xp.where(nothing, -float("inf"), xp.log(sums + nothing) + shift)
    out = out if keepdims else xp.sum(out, axis=axis)
    return narrowed(out, x)


logsumexp.vjp(lambda g, x, out, axis: spread(g, x.shape, axis) * exp(x - spread(_finite(out), x.shape, axis)))


@primitive
def softmax(xp: Module, x: Operand, *, axis: Axis = -1) -> Array:
    """exp(x) / sum(exp(x)) over `axis`; 0 throughout a row that is -inf throughout."""
    wide = single(x)
    weights = xp.exp(wide - _shift(xp, wide, axis))
    out = weights / _total(xp, weights, axis)
    return narrowed(out, x)


@softmax.vjp
def _(g: Operand, out: Operand, axis: Axis) -> Operand:
    weighed = g * out
    return weighed - out * sum(weighed, axis=axis, keepdims=True)


@primitive
def log_softmax(xp: Module, x: Operand, *, axis: Axis = -1) -> Array:
    """The logarithm of `softmax`: x - logsumexp(x) over `axis`; -inf throughout a row that is -inf throughout."""
    wide = single(x)
    less = wide - _shift(xp, wide, axis)
    out = less - xp.log(_total(xp, xp.exp(less), axis))
    return narrowed(out, x)


log_softmax.vjp(lambda g, out, axis: g - exp(out) * sum(g, axis=axis, keepdims=True))


@elementwise
def sigmoid(xp: Module, x: Operand) -> Array:
    """1 / (1 + e^-x), exact in both tails."""
    wide = single(floated(x))  # an unsigned one has no -x, and the lowest of the others no size
    # Above 0 the numerator is 1, below it is e^x, and the denominator is between 1 and 2.
    small = xp.exp(-xp.abs(wide))
    return narrowed(xp.where(wide < 0, small, 1.0) / (1.0 + small), x)


sigmoid.vjp(lambda g, out: g * (out * (1 - out)))


@elementwise
def logaddexp(xp: Module, x1: Operand, x2: Operand) -> Array:
    """log(exp(x1) + exp(x2)); -inf, with gradient 0, where both are -inf, and inf, with NaN, where both are inf."""
    return xp.logaddexp(x1, x2)


logaddexp.vjp(
    x1=lambda g, x1, x2, out: g * sigmoid(x1 - where(out == -float("inf"), 0.0, x2)),
    x2=lambda g, x1, x2, out: g * sigmoid(x2 - where(out == -float("inf"), 0.0, x1)),
)


@elementwise
def softplus(xp: Module, x: Operand) -> Array:
    """log(1 + e^x), exact in both tails."""
    wide = single(floated(x))
    return narrowed(xp.maximum(wide, 0.0) + xp.log1p(xp.exp(-xp.abs(wide))), x)


softplus.vjp(lambda g, x: g * sigmoid(x))
