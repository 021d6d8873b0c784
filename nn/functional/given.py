"""What a function of layers was given: a result that is missing, or a number that is none, is told before it is used.

One idea: a sentence that many say stands once. None comes from a `forward` without a return; a number that is out of
range would give NaN, or nothing at all, far from where it was written. Read `axes.py` next.
"""

from __future__ import annotations

from math import inf
from numbers import Real
from typing import Any

__all__ = ["check_number", "refuse_none"]


def refuse_none(function: str, name: str, x: Any) -> None:
    """Raise TypeError where None stands in the place of an input."""
    if x is None:
        raise TypeError(f"{function} got None in the place of {name}: does the forward before it return its result?")


def check_number(function: str, name: str, value: Any, wanted: str, least: float = 0, most: float = inf) -> None:
    """Raise TypeError for what is no number, ValueError for NaN and for one below `least` or above `most`."""
    kind = type(value)
    is_number = kind is float or kind is int or (isinstance(value, Real) and kind is not bool)
    if not (is_number and least <= value <= most):
        error = ValueError if is_number else TypeError
        raise error(f"{function} got {name}={value!r}: {wanted}.")
