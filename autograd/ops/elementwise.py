"""Element by element: arithmetic, powers, exponentials, logarithms.

One idea: the rule of an elementwise function is its derivative times g. Inputs broadcast against each other, and the
engine undoes that for the gradients, so no rule here mentions a shape. A rule says `out` where the derivative is a
function of the result, which is then all that the node keeps. Read `discrete.py` next.
"""

from __future__ import annotations

import math

from ..backend import Array, Module, is_floating, is_number
from ..primitive import elementwise
from ..tensor import Operand
from .choice import where
from .discrete import floor_divide, sign

__all__ = [
    "abs",
    "add",
    "conj",
    "divide",
    "exp",
    "expm1",
    "hypot",
    "imag",
    "log",
    "log10",
    "log1p",
    "log2",
    "multiply",
    "negative",
    "positive",
    "pow",
    "real",
    "reciprocal",
    "remainder",
    "rsqrt",
    "sqrt",
    "square",
    "subtract",
]


# Arithmetic


@elementwise
def positive(xp: Module, x: Operand) -> Array:
    """+x: a copy, of any dtype."""
    return xp.array(x, copy=True)


positive.vjp(lambda g: positive(g))


@elementwise
def conj(xp: Module, x: Operand) -> Array:
    """The complex conjugate of x: a copy of what is real."""
    return xp.conj(x)


conj.vjp(lambda g: positive(g))


@elementwise
def real(xp: Module, x: Operand) -> Array:
    """The real part of x: a copy of what is real. Complex numbers carry no gradient here."""
    return xp.real(x) if xp.iscomplexobj(x) else xp.array(x, copy=True)


real.vjp(lambda g: positive(g))


@elementwise
def imag(xp: Module, x: Operand) -> Array:
    """The imaginary part of x: zeros for what is real, so it has no gradient."""
    return xp.imag(x) if xp.iscomplexobj(x) else xp.zeros_like(x)


@elementwise
def negative(xp: Module, x: Operand) -> Array:
    """-x."""
    return xp.negative(x)


negative.vjp(lambda g: -g)


@elementwise
def add(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 + x2."""
    return xp.add(x1, x2)


add.vjp(x1=lambda g: g, x2=lambda g: g)


@elementwise
def subtract(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 - x2."""
    return xp.subtract(x1, x2)


subtract.vjp(x1=lambda g: g, x2=lambda g: -g)


@elementwise
def multiply(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 * x2."""
    return xp.multiply(x1, x2)


multiply.vjp(x1=lambda g, x2: g * x2, x2=lambda g, x1: g * x1)


@elementwise
def divide(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 / x2, a true division."""
    return xp.divide(x1, x2)


divide.vjp(x1=lambda g, x2: g / x2, x2=lambda g, x2, out: -g * out / x2)


@elementwise
def remainder(xp: Module, x1: Operand, x2: Operand) -> Array:
    """What x1 is more than a multiple of x2, with the sign of x2: x1 - floor(x1 / x2) * x2."""
    return xp.remainder(x1, x2)


remainder.vjp(x1=lambda g: g, x2=lambda g, x1, x2: -g * floor_divide(x1, x2))


@elementwise
def abs(xp: Module, x: Operand) -> Array:
    """The absolute value; its gradient at 0 is 0."""
    return xp.abs(x)


abs.vjp(lambda g, x: g * sign(x))


@elementwise
def hypot(xp: Module, x1: Operand, x2: Operand) -> Array:
    """The square root of x1^2 + x2^2, which does not overflow on the way; its gradient at 0, 0 is 0."""
    return xp.hypot(x1, x2)


def _share(g: Operand, x: Operand, out: Operand) -> Operand:
    return g * x / where(out == 0, 1.0, out)


hypot.vjp(x1=lambda g, x1, out: _share(g, x1, out), x2=lambda g, x2, out: _share(g, x2, out))


# Powers


@elementwise
def square(xp: Module, x: Operand) -> Array:
    """x * x."""
    return xp.square(x)


square.vjp(lambda g, x: g * (x + x))


@elementwise
def sqrt(xp: Module, x: Operand) -> Array:
    """The square root of x; NaN where x < 0."""
    return xp.sqrt(x)


sqrt.vjp(lambda g, out: g / (out + out))


@elementwise
def rsqrt(xp: Module, x: Operand) -> Array:
    """1 / sqrt(x); NaN where x < 0."""
    return 1.0 / xp.sqrt(x)


rsqrt.vjp(lambda g, out: g * (out * out * out) * -0.5)


@elementwise
def reciprocal(xp: Module, x: Operand) -> Array:
    """1 / x."""
    return 1.0 / x


reciprocal.vjp(lambda g, out: -g * (out * out))


@elementwise
def pow(xp: Module, x1: Operand, x2: Operand) -> Array:
    """x1 to the power x2; NaN where x1 < 0 and x2 is no whole number.

    Where x1 <= 0 there is no slope along x2: that gradient is 0. Raises ValueError for whole numbers to powers below 0.
    """
    if type(x2) in (int, float) and not is_number(x1) and is_floating(x1.dtype):
        if x2 == 2:
            return xp.square(x1)
        if x2 == 3:
            return x1 * x1 * x1
        if x2 == 0.5:
            return xp.sqrt(x1)
        if x2 == -0.5:
            return 1.0 / xp.sqrt(x1 + 0.0)  # of -0.0 too the power is inf
        if x2 == -1:
            return 1.0 / x1
    try:
        return xp.power(x1, x2)
    except ValueError as error:
        if "negative integer" not in str(error):
            raise
        raise ValueError(
            "pow got whole numbers and a power below 0, which is none; make one of them floating point: "
            "x.astype('float32')."
        ) from error


def _slope_of_power(g: Operand, x1: Operand, x2: Operand) -> Operand:
    if is_number(x2):
        if x2 == 2:
            return g * (x1 + x1)
        # The slope of a constant is 0 also where x1^-1 has a pole.
        return g * (x2 * pow(x1, x2 - 1)) if x2 != 0 else g * 0.0
    if x2.dtype.kind == "u":
        x2 = x2 * 1.0  # where it is 0, one less would be the largest number
    constant = (x1 == 0) & (x2 == 0)
    return g * (x2 * pow(x1, where(constant, 1, x2) - 1))


def _slope_in_exponent(g: Operand, x1: Operand, out: Operand) -> Operand:
    if is_number(x1):
        return g * out * math.log(x1) if x1 > 0 else g * 0.0
    none = x1 <= 0  # there out may be infinite, and 0 times that is NaN
    return g * (where(none, 0.0, out) * log(where(none, 1, x1)))


pow.vjp(x1=_slope_of_power, x2=_slope_in_exponent)


# Exponentials and logarithms


@elementwise
def exp(xp: Module, x: Operand) -> Array:
    """e to the power x."""
    return xp.exp(x)


exp.vjp(lambda g, out: g * out)


@elementwise
def expm1(xp: Module, x: Operand) -> Array:
    """e to the power x, less 1; exact also for small x."""
    return xp.expm1(x)


expm1.vjp(lambda g, out: g * (out + 1))


@elementwise
def log(xp: Module, x: Operand) -> Array:
    """The natural logarithm of x; NaN where x < 0."""
    return xp.log(x)


log.vjp(lambda g, x: g / x)


@elementwise
def log1p(xp: Module, x: Operand) -> Array:
    """The natural logarithm of 1 + x; exact also for small x."""
    return xp.log1p(x)


log1p.vjp(lambda g, x: g / (x + 1))


@elementwise
def log2(xp: Module, x: Operand) -> Array:
    """The logarithm of x to base 2."""
    return xp.log2(x)


log2.vjp(lambda g, x: g / (x * math.log(2)))


@elementwise
def log10(xp: Module, x: Operand) -> Array:
    """The logarithm of x to base 10."""
    return xp.log10(x)


log10.vjp(lambda g, x: g / (x * math.log(10)))
