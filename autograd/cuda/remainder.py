"""Remainder on the GPU: NumPy's, by `fmod`, which is exact.

One idea: CuPy subtracts a rounded multiple of the divisor, x - floor(x / y) y. Where the quotient has more digits than
the dtype none of the remainder is left, and with an infinite divisor it is NaN. Read `gather.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..backend import Array, Module

__all__ = ["remainder_of"]


def remainder_of(library: Module) -> Callable[..., Array]:
    """The remainder of a library's arrays, with the sign of the divisor."""

    def remainder(x1: Any, x2: Any) -> Any:
        if all(getattr(x, "dtype", None) is None or x.dtype.kind in "biu" for x in (x1, x2)):
            return library.remainder(x1, x2)
        rest = library.fmod(x1, x2)  # with the sign of x1
        other = (rest < 0) != (x2 < 0)
        return library.where(rest == 0, library.copysign(rest, x2), library.where(other, rest + x2, rest))

    return remainder
