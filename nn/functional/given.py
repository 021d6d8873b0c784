"""What a function of layers was given: a result that is missing is told before anything is asked of it.

One idea: None comes from a `forward` without a return, and one sentence says so everywhere. Read `axes.py` next.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

__all__ = ["check_share", "refuse_none"]


def refuse_none(function: str, name: str, x: Any) -> None:
    """Raise TypeError where None stands in the place of an input."""
    if x is None:
        raise TypeError(f"{function} got None in the place of {name}: does the forward before it return its result?")


def check_share(what: str, share: Any, meaning: str = "it") -> None:
    """Raise TypeError where a number is wanted and something else came, ValueError for one outside [0, 1]."""
    if type(share) is float and 0.0 <= share <= 1.0:  # as nearly always, and at every call
        return
    if isinstance(share, bool) or not isinstance(share, Real):
        raise TypeError(f"{what}={share!r}: {meaning} must be a number in [0, 1].")
    if not 0 <= float(share) <= 1:
        raise ValueError(f"{what}={share}: {meaning} must be in [0, 1].")
