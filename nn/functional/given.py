"""What a function of layers was given: a result that is missing is told before anything is asked of it.

One idea: None comes from a `forward` without a return, and one sentence says so everywhere. Read `axes.py` next.
"""

from __future__ import annotations

from typing import Any

__all__ = ["refuse_none"]


def refuse_none(function: str, name: str, x: Any) -> None:
    """Raise TypeError where None stands in the place of an input."""
    if x is None:
        raise TypeError(f"{function} got None in the place of {name}: does the forward before it return its result?")
