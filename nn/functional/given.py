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
from autograd.tensor import Tensor

__all__ = ["check_arrays", "check_parts", "number"]


def check_arrays(function: str, **given: Any) -> None:
    """Raise TypeError where something else than an array or a Tensor stands in the place of an input, by its name."""
    for name, x in given.items():
        if getattr(x, "ndim", None) is not None:
            continue
        if x is None:
            raise TypeError(
                f"{function} got None in the place of {name}: does the forward before it return its result?"
            )
        raise TypeError(
            f"{function} got a {type(x).__name__} in the place of {name}: wanted is an array or a Tensor{_way(x)}."
        )


def _way(x: Any) -> str:
    """What to write for a thing that is no array."""
    if isinstance(x, (list, tuple)) and any(isinstance(part, Tensor) for part in x):
        return "; take one of those that it holds, or join them by autograd.stack(x)"
    shown = repr(x)
    numbers = isinstance(x, (int, float, list, tuple))
    return f"; write Tensor({shown if len(shown) < 60 else '...'})" if numbers else ""


def check_parts(function: str, **given: Any) -> None:
    """The same for inputs that may be None for none."""
    check_arrays(function, **{name: x for name, x in given.items() if x is not None})


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
