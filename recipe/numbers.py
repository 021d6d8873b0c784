"""Numbers that somebody gives: a count or a measure that cannot be one is refused where it is given.

One idea: what is compared with nothing (NaN, a text) would switch something off unseen, or fail far from here, so each
number is looked at once. Read `given.py` next.
"""

from __future__ import annotations

import math
from numbers import Real
from operator import index
from typing import Any

__all__ = ["check_count", "check_number"]


def check_count(who: str, name: str, value: Any, least: int = 1) -> None:
    """Raise TypeError for what is no whole number, ValueError for one below `least`."""
    try:
        count = index(value)
    except TypeError:
        raise TypeError(f"{who} takes a whole number as {name}, got {value!r}.") from None
    if count < least:
        raise ValueError(f"{who} got {name}={value}: {least} or more is wanted.")


def check_number(who: str, name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf) -> None:
    """Raise TypeError for what is no number, ValueError for NaN and for one out of bounds."""
    if not isinstance(value, Real):
        raise TypeError(f"{who} takes a number as {name}, got {value!r}.")
    number = float(value)
    if number != number or number < least or (number <= above and above != -math.inf):
        bound = f"{least:g} or more" if above == -math.inf else f"more than {above:g}"
        raise ValueError(
            f"{who} got {name}={value}: {bound if max(above, least) > -math.inf else 'a number'} is wanted."
        )
