"""Reductions: sums, means, spreads, norms, and questions of all or any.

One idea: the gradient of a reduced element goes back to those it was made from, so each rule spreads g over the reduced
axes again (`spread`) and weighs it. `short_rows.py` has the sums that NumPy is slow at. Read `extrema.py` next.
"""

from __future__ import annotations

import math

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Axis, Shape, axes_of, kept_shape
from ..tensor import Operand
from .cast import narrowed, single
from .choice import where
from .shape import broadcast_to, reshape
from .short_rows import average, reducing, total

__all__ = ["all", "any", "count_nonzero", "mean", "norm", "std", "sum", "var"]


def spread(g: Operand, shape: Shape, axis: Axis) -> Operand:
    """A reduced g repeated over the axes that were reduced, to `shape`."""
    return broadcast_to(reshape(g, shape=kept_shape(shape, axis)), shape=shape)


def _count(shape: Shape, axis: Axis) -> int:
    """How many elements each element of a reduction is made from."""
    return math.prod(shape[a] for a in axes_of(axis, len(shape)))


@primitive
def sum(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over `axis` (one, several, or all of them for None)."""
    return total(xp, x, axis, keepdims)


# Every summand moved the total one for one, so each receives the whole of g.
sum.vjp(lambda g, x_shape, axis: spread(g, x_shape, axis))


@primitive
def mean(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The mean over `axis` (one, several, or all of them for None)."""
    return average(xp, x, axis, keepdims)


@mean.vjp
def _(g: Operand, x_shape: Shape, axis: Axis) -> Operand:
    # Where nothing was averaged, no element waits for the gradient, and any divisor will do.
    share = single(g) / (_count(x_shape, axis) or 1)  # a count may be larger than any float16
    return spread(narrowed(share, g), x_shape, axis)


def _from_mean(x: Operand, axis: Axis) -> Operand:
    return x - mean(x, axis=axis, keepdims=True)


def _divisor(shape: Shape, axis: Axis, correction: float) -> float:
    """What the squares are divided by; NaN where too few elements say anything about their spread."""
    left = _count(shape, axis) - correction
    return left if left > 0 else math.nan


@primitive
def var(xp: Module, x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Array:
    """The variance: squared distances from the mean, summed over `axis` and divided by n - correction."""
    return narrowed(_variance(xp, single(x), axis, correction, keepdims), x)


def _variance(xp: Module, x: Array, axis: Axis, correction: float, keepdims: bool) -> Array:
    if x.dtype.kind != "f":
        return xp.var(x, axis=axis, ddof=correction, keepdims=keepdims)
    squares = xp.square(x - reducing(xp).mean(x, axis=axis, keepdims=True))
    left = max(_count(x.shape, axis) - correction, 0)
    return reducing(xp).sum(squares, axis=axis, keepdims=keepdims) / left


@var.vjp
def _(g: Operand, x: Operand, axis: Axis, correction: float) -> Operand:
    return spread(g * (2 / _divisor(x.shape, axis, correction)), x.shape, axis) * _from_mean(x, axis)


@primitive
def std(xp: Module, x: Operand, *, axis: Axis = None, correction: float = 0, keepdims: bool = False) -> Array:
    """The standard deviation, the square root of `var`; its gradient is 0 where all elements are equal."""
    wide = single(x)  # its square, the variance, may not be of the dtype
    out = xp.sqrt(_variance(xp, wide, axis, correction, keepdims))
    return narrowed(out, x)


@std.vjp
def _(g: Operand, x: Operand, out: Operand, axis: Axis, correction: float) -> Operand:
    g, x, out = single(g), single(x), single(out)
    share = g / (where(out == 0, 1.0, out) * _divisor(x.shape, axis, correction))
    return spread(share, x.shape, axis) * _from_mean(x, axis)


@primitive
def norm(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The Euclidean norm, the square root of the sum of squares over `axis`; its gradient at 0 is 0."""
    kind = x.dtype.kind if hasattr(x, "dtype") else "f"
    if kind in "biu":
        x = x.astype("float64")  # the square of a short one is not of its dtype
    elif kind == "c":
        x = xp.abs(x)
    wide = single(x)
    out = xp.sqrt(reducing(xp).sum(xp.square(wide), axis=axis, keepdims=keepdims))
    return narrowed(out, x)


@norm.vjp
def _(g: Operand, x: Operand, out: Operand, axis: Axis) -> Operand:
    g, x, out = single(g), single(x), single(out)
    return spread(g / where(out == 0, 1.0, out), x.shape, axis) * x


# Questions and counts, which have no rule


@primitive
def all(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether all elements over `axis` are true (not zero)."""
    return xp.all(x, axis=axis, keepdims=keepdims)


@primitive
def any(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """Whether any element over `axis` is true (not zero)."""
    return xp.any(x, axis=axis, keepdims=keepdims)


@primitive
def count_nonzero(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """How many elements over `axis` are not zero."""
    return xp.sum(xp.not_equal(x, 0), axis=axis, keepdims=keepdims)
