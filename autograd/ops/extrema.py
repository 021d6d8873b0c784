"""The largest and the smallest: their values, and where they are.

One idea: only the winners moved the result, so they share g evenly among them. Read `products.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Axis
from ..tensor import Operand
from .cast import astype
from .reduce import spread, sum

__all__ = ["argmax", "argmin", "max", "min"]


def _to_winners(g: Operand, x: Operand, out: Operand, axis: Axis) -> Operand:
    won = astype(x == spread(out, x.shape, axis), dtype=x.dtype)
    shares = sum(won, axis=axis, keepdims=True)
    return spread(g, x.shape, axis) * (won / shares)


@primitive
def max(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over `axis` (one, several, or all for None). Ties share the gradient evenly."""
    return xp.max(x, axis=axis, keepdims=keepdims)


max.vjp(_to_winners)


@primitive
def min(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over `axis` (one, several, or all for None). Ties share the gradient evenly."""
    return xp.min(x, axis=axis, keepdims=keepdims)


min.vjp(_to_winners)


@primitive
def argmax(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element along `axis` is, the first if several; for None, its place among all elements."""
    return xp.argmax(x, axis=axis, keepdims=keepdims)


@primitive
def argmin(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element along `axis` is, the first if several; for None, its place among all elements."""
    return xp.argmin(x, axis=axis, keepdims=keepdims)
