"""Batch and group normalisation of a large matrix by loops in C, which all cores share.

One idea: NumPy goes over a matrix once for each operation, and with one thread; here mean, variance and result are a
pass each where channels are columns, mean and variance one pass where they are rows, which stay in the cache; and so
are the two sums of the gradient and the gradient itself. Read `given.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import autograd as ag
from autograd.backend import Array, host
from autograd.compile.native.any_length import LARGE, has_c
from autograd.compile.native.eager import Loop

__all__ = ["length_of_rows", "moments", "slopes", "standardized", "sum_of_squares", "sums_of_columns", "sums_of_rows"]
__all__ += ["takes", "total"]

_SHORT, _LONGEST = 32, 1 << 14  # numbers in a row of which a loop in C makes a sum


def takes(x: Array) -> bool:
    """Whether these loops are worth it for an array (..., C)."""
    return x.size >= LARGE and x.dtype.char in "fd" and type(x) is host.ndarray and has_c()


def _by_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a matrix, and of numbers for its rows or columns: as a loop, or as it is if none is made."""
    loop = Loop(function, by_rows=True)

    def computed(*arrays: Array) -> Any:
        made = loop(*arrays)
        return function(*arrays) if made is None else made[0] if len(made) == 1 else made

    return computed


def _row_moments(x: Any) -> tuple[Any, Any]:
    mean = ag.mean(x, axis=1, keepdims=True)
    return mean, ag.sum(ag.square(x - mean), axis=1, keepdims=True)


def _row_sums(x: Any, g: Any, mean: Any) -> tuple[Any, Any]:
    return ag.sum((x - mean) * g, axis=1, keepdims=True), ag.sum(g, axis=1, keepdims=True)


moments, sums_of_rows = _by_loop(_row_moments), _by_loop(_row_sums)
total = _by_loop(lambda x: ag.sum(x, axis=0))
sum_of_squares = _by_loop(lambda x, mean: ag.sum(ag.square(x - mean), axis=0))
sums_of_columns = _by_loop(lambda x, g, mean: (ag.sum((x - mean) * g, axis=0), ag.sum(g, axis=0)))
standardized = _by_loop(lambda x, mean, scale, bias: (x - mean) * scale + bias)
slopes = _by_loop(lambda x, g, mean, along, part, scale: (x - mean) * along + g * scale - part)


@functools.lru_cache(maxsize=64)
def length_of_rows(places: int) -> int | None:
    """Into how long pieces the places of a channel are cut; None where there are none that are worth a loop."""
    return next(
        (places // n for n in range(1, places // _SHORT + 1) if places % n == 0 and places // n <= _LONGEST), None
    )
