"""The largest and the smallest: their values, and where they are.

One idea: only the winners moved the result, so they share g evenly among them. Read `products.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Axis
from ..tensor import Operand
from .cast import astype
from .choice import where
from .reduce import spread, sum
from .shape import reshape
from .short_rows import reducing

__all__ = ["argmax", "argmin", "max", "min"]


def _to_winners(g: Operand, x: Operand, out: Operand, axis: Axis) -> Operand:
    won = x == spread(out, x.shape, axis)
    count = sum(astype(won, dtype=x.dtype), axis=axis, keepdims=True)
    nothing = 0.0 / count  # NaN where NaN is the result, which equals no element
    return where(won, spread(reshape(g, count.shape) / count, x.shape, axis), spread(nothing, x.shape, axis))


@primitive
def max(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over `axis` (one, several, or all for None). Ties share the gradient evenly."""
    return reducing(xp).max(x, axis=axis, keepdims=keepdims)


max.vjp(_to_winners)


@primitive
def min(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over `axis` (one, several, or all for None). Ties share the gradient evenly."""
    return reducing(xp).min(x, axis=axis, keepdims=keepdims)


min.vjp(_to_winners)


@primitive
def argmax(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element along `axis` is, the first if several; for None, its place among all elements."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive
def argmin(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element along `axis` is, the first if several; for None, its place among all elements."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)
