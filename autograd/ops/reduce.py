"""Reductions: sum, mean, extrema, products, running sums.

One idea: the gradient of a reduced element goes back to those it was made from, so each rule spreads g over the reduced
axes again (`spread`) and weighs it. Read `shape.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Axis, Shape, kept_shape
from ..tensor import Operand
from .shape import broadcast_to, reshape

__all__ = ["spread", "sum"]


def spread(g: Operand, shape: Shape, axis: Axis) -> Operand:
    """A reduced g repeated over the axes that were reduced, to `shape`."""
    return broadcast_to(reshape(g, shape=kept_shape(shape, axis)), shape=shape)


@primitive
def sum(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The sum over `axis` (one, several, or all of them for None)."""
    return xp.sum(x, axis=axis, keepdims=keepdims)


# Every summand moved the total one for one, so each receives the whole of g.
sum.vjp(lambda g, x_shape, axis: spread(g, x_shape, axis))
