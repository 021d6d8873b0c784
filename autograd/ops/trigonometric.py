"""Sines and their relatives: circular and hyperbolic functions, and their inverses. Angles are in radians.

One idea: each derivative is arithmetic on the function's own family, so the family is closed under differentiation.
Read `special.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import elementwise
from ..tensor import Operand
from .elementwise import rsqrt

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cos",
    "cosh",
    "sin",
    "sinh",
    "tan",
    "tanh",
]


@elementwise
def sin(xp: Module, x: Operand) -> Array:
    """The sine."""
    return xp.sin(x)


@elementwise
def cos(xp: Module, x: Operand) -> Array:
    """The cosine."""
    return xp.cos(x)


sin.vjp(lambda g, x: g * cos(x))
cos.vjp(lambda g, x: -g * sin(x))


@elementwise
def tan(xp: Module, x: Operand) -> Array:
    """The tangent."""
    return xp.tan(x)


tan.vjp(lambda g, out: g * (out * out + 1))


@elementwise
def asin(xp: Module, x: Operand) -> Array:
    """The angle in [-pi/2, pi/2] whose sine is x; NaN outside [-1, 1]."""
    return xp.arcsin(x)


asin.vjp(lambda g, x: g * rsqrt(1 - x * x))


@elementwise
def acos(xp: Module, x: Operand) -> Array:
    """The angle in [0, pi] whose cosine is x; NaN outside [-1, 1]."""
    return xp.arccos(x)


acos.vjp(lambda g, x: -g * rsqrt(1 - x * x))


@elementwise
def atan(xp: Module, x: Operand) -> Array:
    """The angle in [-pi/2, pi/2] whose tangent is x."""
    return xp.arctan(x)


atan.vjp(lambda g, x: g / (x * x + 1))


@elementwise
def atan2(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The angle of the point with height x1 and breadth x2, in [-pi, pi]."""
    return xp.arctan2(x1, x2)


atan2.vjp(
    x1=lambda g, x1, x2: g * (x2 / (x1 * x1 + x2 * x2)),
    x2=lambda g, x1, x2: -g * (x1 / (x1 * x1 + x2 * x2)),
)


@elementwise
def sinh(xp: Module, x: Operand) -> Array:
    """The hyperbolic sine."""
    return xp.sinh(x)


@elementwise
def cosh(xp: Module, x: Operand) -> Array:
    """The hyperbolic cosine."""
    return xp.cosh(x)


sinh.vjp(lambda g, x: g * cosh(x))
cosh.vjp(lambda g, x: g * sinh(x))


@elementwise
def tanh(xp: Module, x: Operand) -> Array:
    """The hyperbolic tangent."""
    return xp.tanh(x)


tanh.vjp(lambda g, out: g * (1 - out * out))


@elementwise
def asinh(xp: Module, x: Operand) -> Array:
    """The number whose hyperbolic sine is x."""
    return xp.arcsinh(x)


asinh.vjp(lambda g, x: g * rsqrt(x * x + 1))


@elementwise
def acosh(xp: Module, x: Operand) -> Array:
    """The number, 0 or more, whose hyperbolic cosine is x; NaN where x < 1."""
    return xp.arccosh(x)


acosh.vjp(lambda g, x: g * rsqrt(x * x - 1))


@elementwise
def atanh(xp: Module, x: Operand) -> Array:
    """The number whose hyperbolic tangent is x; NaN outside [-1, 1]."""
    return xp.arctanh(x)


atanh.vjp(lambda g, x: g / (1 - x * x))
