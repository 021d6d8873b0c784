"""Numbers among the options of an optimizer and its penalties: Python's own, and nothing else.

One idea: a number of NumPy's would decide the dtype of what it is multiplied with, so it becomes Python's where it is
given; what is no number is refused there, by name, and not in the middle of a step. Read `groups.py` next.
"""

from __future__ import annotations

from math import isnan
from numbers import Real
from typing import Any

from autograd.backend import host

__all__ = ["above", "at_least", "check_numbers", "flag", "is_number", "number", "plain"]


def plain(value: Any) -> Any:
    """A number of NumPy's, also as a 0-d array, as Python's; those of a tuple too; anything else as it is."""
    if isinstance(value, tuple):
        return tuple(map(plain, value))
    is_numpys = isinstance(value, host.generic) or (isinstance(value, host.ndarray) and value.ndim == 0)
    return value.item() if is_numpys else value


def is_number(value: Any) -> bool:
    """Whether this is a number that can be calculated with; True and False are none."""
    kind = type(value)
    return kind is float or kind is int or (isinstance(value, Real) and kind is not bool)


def number(name: str, value: Any) -> Any:
    """The number as Python's. Raises TypeError for what is none."""
    value = value if type(value) is float else plain(value)  # at each step of a schedule
    if not is_number(value):
        raise TypeError(f"{name} must be a number, got {value!r}, a {type(value).__name__}.")
    return value


def flag(name: str, value: Any) -> bool:
    """The flag as Python's. Raises TypeError for what is neither True nor False: "no" would count as True."""
    value = plain(value)
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r}, a {type(value).__name__}.")
    return value


def at_least(least: float, name: str, value: Any) -> Any:
    """The number as Python's. Raises TypeError for what is none, ValueError for NaN and for one below `least`."""
    value = number(name, value)
    if not value >= least:
        raise ValueError(f"{name} must be at least {least}, got {value}.")
    return value


def above(least: float, name: str, value: Any) -> Any:
    """The number as Python's. Raises TypeError for what is none, ValueError for NaN and for `least` or one below it."""
    value = number(name, value)
    if not value > least:
        raise ValueError(f"{name} must be above {least}, got {value}.")
    return value


def check_numbers(name: str, **options: Any) -> None:
    """Raise TypeError for an option that is no number, ValueError for NaN."""
    for option, value in options.items():
        if isnan(number(f"{name}: {option}", value)):
            raise ValueError(f"{name}: {option} must be a number, got nan.")
