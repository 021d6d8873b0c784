"""Choice: one input or the other, element by element.

One idea: the gradient goes where the value came from, and nowhere else; a zero is chosen rather than multiplied in, so
that no NaN of the road not taken comes back (0 * inf is NaN). Read `trigonometric.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module, float32, is_floating, is_number
from ..primitive import elementwise
from ..tensor import Operand
from .discrete import signbit

__all__ = ["clip", "copysign", "maximum", "minimum", "where"]


@elementwise
def where(xp: Module, condition: Operand, x1: Operand, x2: Operand) -> Array:
    """x1 where the condition holds, x2 elsewhere. Python numbers give the dtype that they have in a Tensor."""
    if is_number(condition):
        condition = xp.asarray(condition)
    out = xp.where(condition, x1, x2)
    if out.dtype.kind != "f":
        return out
    dtypes = [x.dtype for x in (x1, x2) if hasattr(x, "dtype")]
    if not dtypes:
        return out.astype(float32)
    # NumPy has bfloat16 beside a number of Python's in float64.
    narrowed = len(dtypes) == 1 and is_floating(dtypes[0]) and out.dtype != dtypes[0]
    return out.astype(dtypes[0]) if narrowed else out


where.vjp(
    x1=lambda g, condition: where(condition, g, 0.0),
    x2=lambda g, condition: where(condition, 0.0, g),
)


def _to_winner(g: Operand, tie: Operand, lost: Operand) -> Operand:
    """g for the input that was chosen, and half of it each where they tie. NaN, which beats all, gets g too."""
    return where(tie, g * 0.5, where(lost, 0.0, g))


@elementwise
def maximum(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The larger of two; NaN where one of them is. The gradient of a tie is split evenly."""
    return xp.maximum(x1, x2)


maximum.vjp(
    x1=lambda g, x1, x2: _to_winner(g, x1 == x2, x1 < x2),
    x2=lambda g, x1, x2: _to_winner(g, x1 == x2, x2 < x1),
)


@elementwise
def minimum(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The smaller of two; NaN where one of them is. The gradient of a tie is split evenly."""
    return xp.minimum(x1, x2)


minimum.vjp(
    x1=lambda g, x1, x2: _to_winner(g, x1 == x2, x1 > x2),
    x2=lambda g, x1, x2: _to_winner(g, x1 == x2, x2 > x1),
)


@elementwise
def clip(xp: Module, x: Operand, min: Operand = None, max: Operand = None) -> Array:
    """x limited to [min, max]; None for no limit. At a limit the gradient goes to x; max wins where min > max."""
    if min is not None:
        x = xp.maximum(x, min)
    if max is not None:
        x = xp.minimum(x, max)
    return x if min is not None or max is not None else xp.positive(x)


def _inside(g: Operand, x: Operand, min: Operand, max: Operand) -> Operand:
    if min is not None:
        g = where(x < min, 0.0, g)
    if max is not None:
        g = where(x > max, 0.0, g)
    return g


def _below(g: Operand, x: Operand, min: Operand, max: Operand) -> Operand:
    below = x < min
    return where(below if max is None else below & (min <= max), g, 0.0)


def _above(g: Operand, x: Operand, min: Operand, max: Operand) -> Operand:
    above = x > max
    return where(above if min is None else above | (min > max), g, 0.0)


clip.vjp(x=_inside, min=_below, max=_above)


@elementwise
def copysign(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The size of x1 with the sign of x2."""
    return xp.copysign(x1, x2)


copysign.vjp(lambda g, x1, x2: where(signbit(x1) == signbit(x2), g, -g))
