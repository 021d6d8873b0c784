"""Batch normalisation of a large matrix by loops in C, which all cores share.

One idea: NumPy goes over a matrix once for each operation, and with one thread; here mean, variance and result are a
pass each, and so are the two sums of the gradient and the gradient itself. Read `given.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import autograd as ag
from autograd.backend import Array
from autograd.compile.native.eager import Loop

__all__ = ["slopes", "standardized", "sum_of_squares", "sums_of_slopes", "takes", "total"]

_LARGE = 1 << 18  # numbers: a loop is compiled once for each number of channels, and from here on saves milliseconds


def takes(x: Array) -> bool:
    """Whether these loops are worth it for an array (..., C)."""
    return x.size >= _LARGE and Loop.takes(x)


def _by_loop(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function of a matrix, and of rows that hold for each of its rows: as a loop, or as it is if none is made."""
    loop = Loop(function, by_rows=True)

    def computed(*arrays: Array) -> Any:
        made = loop(*arrays)
        return function(*arrays) if made is None else made[0] if len(made) == 1 else made

    return computed


total = _by_loop(lambda x: ag.sum(x, axis=0))
sum_of_squares = _by_loop(lambda x, mean: ag.sum(ag.square(x - mean), axis=0))
standardized = _by_loop(lambda x, mean, scale, bias: (x - mean) * scale + bias)
sums_of_slopes = _by_loop(lambda x, g, mean: (ag.sum((x - mean) * g, axis=0), ag.sum(g, axis=0)))
slopes = _by_loop(lambda x, g, mean, along, part, scale: ((x - mean) * along + g - part) * scale)
