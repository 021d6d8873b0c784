"""Functions that move in steps: comparison, logic, bits, rounding, kinds of numbers.

One idea: between its steps such a function is constant, so it has no rule: no gradient goes through it, and what it
gives (often bool or int) starts no graph. Read `choice.py` next, where conditions meet gradients.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import elementwise
from ..tensor import Operand

__all__ = [
    "bitwise_and",
    "bitwise_invert",
    "bitwise_left_shift",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "ceil",
    "equal",
    "floor",
    "floor_divide",
    "greater",
    "greater_equal",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "nextafter",
    "not_equal",
    "round",
    "sign",
    "signbit",
    "trunc",
]


# Comparison


@elementwise
def equal(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 == x2."""
    return xp.equal(x1, x2)


@elementwise
def not_equal(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 != x2."""
    return xp.not_equal(x1, x2)


@elementwise
def less(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 < x2."""
    return xp.less(x1, x2)


@elementwise
def less_equal(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 <= x2."""
    return xp.less_equal(x1, x2)


@elementwise
def greater(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 > x2."""
    return xp.greater(x1, x2)


@elementwise
def greater_equal(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where x1 >= x2."""
    return xp.greater_equal(x1, x2)


# Logic, on bools


@elementwise
def logical_and(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where both are true."""
    return xp.logical_and(x1, x2)


@elementwise
def logical_or(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where one of them is true, or both."""
    return xp.logical_or(x1, x2)


@elementwise
def logical_xor(xp: Module, x1: Operand, x2: Operand) -> Array:
    """Where exactly one of them is true."""
    return xp.logical_xor(x1, x2)


@elementwise
def logical_not(xp: Module, x: Operand) -> Array:
    """Where x is false."""
    return xp.logical_not(x)


# Bits, of ints and bools


@elementwise
def bitwise_and(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The bits set in both."""
    return xp.bitwise_and(x1, x2)


@elementwise
def bitwise_or(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The bits set in one of them, or both."""
    return xp.bitwise_or(x1, x2)


@elementwise
def bitwise_xor(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The bits set in exactly one of them."""
    return xp.bitwise_xor(x1, x2)


@elementwise
def bitwise_invert(xp: Module, x: Operand) -> Array:
    """Every bit of x turned over."""
    return xp.invert(x)


@elementwise
def bitwise_left_shift(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The bits of x1 moved up by x2 places."""
    return xp.left_shift(x1, x2)


@elementwise
def bitwise_right_shift(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The bits of x1 moved down by x2 places."""
    return xp.right_shift(x1, x2)


# Kinds of numbers


@elementwise
def isnan(xp: Module, x: Operand) -> Array:
    """Where x is NaN."""
    return xp.isnan(x)


@elementwise
def isinf(xp: Module, x: Operand) -> Array:
    """Where x is infinite, of either sign."""
    return xp.isinf(x)


@elementwise
def isfinite(xp: Module, x: Operand) -> Array:
    """Where x is neither NaN nor infinite."""
    return xp.isfinite(x)


@elementwise
def sign(xp: Module, x: Operand) -> Array:
    """-1, 0 or 1, as x is below, at or above zero; NaN for NaN."""
    return xp.sign(x)


@elementwise
def signbit(xp: Module, x: Operand) -> Array:
    """Where the sign bit of x is set: below zero, and at -0.0."""
    return xp.signbit(x)


# Rounding; whole numbers stay what they are, where some array modules would make floating point of them


def _is_whole(x: Operand) -> bool:
    return hasattr(x, "dtype") and x.dtype.kind in "biu"


@elementwise
def floor(xp: Module, x: Operand) -> Array:
    """x rounded down."""
    return xp.array(x) if _is_whole(x) else xp.floor(x)


@elementwise
def ceil(xp: Module, x: Operand) -> Array:
    """x rounded up."""
    return xp.array(x) if _is_whole(x) else xp.ceil(x)


@elementwise
def trunc(xp: Module, x: Operand) -> Array:
    """x rounded towards zero."""
    return xp.array(x) if _is_whole(x) else xp.trunc(x)


@elementwise
def round(xp: Module, x: Operand) -> Array:
    """x rounded to the nearest whole number, halves to the even one."""
    return xp.array(x) if _is_whole(x) else xp.rint(x)


@elementwise
def floor_divide(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 / x2 rounded down."""
    return xp.floor_divide(x1, x2)


@elementwise
def nextafter(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The next floating point number after x1 towards x2."""
    return xp.nextafter(x1, x2)
