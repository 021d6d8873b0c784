"""The largest and the smallest: their values, and where they are.

One idea: only the winners moved the result, so they share g evenly among them. Read `products.py` next.
"""

from __future__ import annotations

from collections.abc import Callable

from ..backend import Array, Module
from ..errors import ShapeError
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


def _chosen(name: str, choose: Callable[..., Array], x: Operand, axis: Axis, keepdims: bool) -> Array:
    try:
        return choose(x, axis=axis, keepdims=keepdims)
    except ValueError as error:
        if x.size or isinstance(error, IndexError):  # an axis that is not there
            raise
        over = "" if axis is None else f" along axis {axis}"
        raise ShapeError(f"{name}: x of shape {x.shape} has no elements{over} to choose from.") from error


@primitive
def max(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The largest element over `axis` (one, several, or all for None). Ties share the gradient evenly.

    Raises ShapeError where there is none, as the three below do.
    """
    return _chosen("max", reducing(xp).max, x, axis, keepdims)


max.vjp(_to_winners)


@primitive
def min(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The smallest element over `axis` (one, several, or all for None). Ties share the gradient evenly."""
    return _chosen("min", reducing(xp).min, x, axis, keepdims)


min.vjp(_to_winners)


@primitive
def argmax(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element along `axis` is, the first if several; for None, its place among all elements."""
    return _chosen("argmax", xp.argmax, x, axis, keepdims)


@primitive
def argmin(xp: Module, x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element along `axis` is, the first if several; for None, its place among all elements."""
    return _chosen("argmin", xp.argmin, x, axis, keepdims)
