"""Element by element: arithmetic, comparison, powers, exponentials, trigonometry, rounding, choice.

One idea: the rule of an elementwise function is its derivative times g. Inputs broadcast against each other, and the
engine undoes that for the gradients, so no rule here mentions a shape. Read `reduce.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import elementwise
from ..tensor import Operand

__all__ = ["add", "divide", "exp", "log", "multiply", "negative", "positive", "sqrt", "subtract"]


@elementwise
def positive(xp: Module, x: Operand) -> Array:
    """+x: a copy."""
    return xp.positive(x)


positive.vjp(lambda g: positive(g))


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
def exp(xp: Module, x: Operand) -> Array:
    """e to the power x."""
    return xp.exp(x)


exp.vjp(lambda g, out: g * out)


@elementwise
def log(xp: Module, x: Operand) -> Array:
    """The natural logarithm of x; NaN where x < 0."""
    return xp.log(x)


log.vjp(lambda g, x: g / x)


@elementwise
def sqrt(xp: Module, x: Operand) -> Array:
    """The square root of x; NaN where x < 0."""
    return xp.sqrt(x)


sqrt.vjp(lambda g, out: g / (out + out))
