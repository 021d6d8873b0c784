"""What a function of layers was given: a result that is missing, or a number that is none, is told before it is used.

One idea: a sentence that many say stands once. None comes from a `forward` without a return; a number that is out of
range would give NaN, or nothing at all, far from where it was written; one of NumPy's would decide the dtype of what it
is multiplied with, and becomes Python's. Read `axes.py` next.
"""

from __future__ import annotations

from math import inf
from numbers import Real
from typing import Any

from autograd.backend import host

__all__ = ["number", "refuse_none"]


def refuse_none(function: str, name: str, x: Any) -> None:
    """Raise TypeError where None stands in the place of an input."""
    if x is None:
        raise TypeError(f"{function} got None in the place of {name}: does the forward before it return its result?")


def number(
    function: str, name: str, value: Any, wanted: str = "it must be a number", least: float = -inf, most: float = inf
) -> Any:
    """The number as Python's.

    Raises TypeError for what is none, ValueError for NaN and for one below `least` or above `most`.
    """
    kind = type(value)
    is_number = kind is float or kind is int or (isinstance(value, Real) and kind is not bool)
    if not (is_number and least <= value <= most):
        error = ValueError if is_number else TypeError
        given = f"an array of shape {value.shape}" if getattr(value, "ndim", 0) else repr(value)
        raise error(f"{function} got {name}={given}: {wanted}.")
    return value.item() if isinstance(value, host.generic) else value
