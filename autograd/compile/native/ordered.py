"""Ordered: a copy of an array whose numbers lie in order, in C where the array is a stack of turned matrices.

One idea: what comes with its channels in axis 1 is brought in order by all threads, at the speed of memory; NumPy takes
up to five times as long where lines are as many bytes apart as a page. Read `many.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from ...backend import Array, host
from .addresses import pointers
from .any_length import LARGE, has_c
from .layout import joined_axes, packed
from .source import HEADER, SETUP
from .threads import in_pool
from .turns import SQUARES, TURN, numbers_of

__all__ = ["in_order", "put_in_order"]

_ALL = "void all_BITS(int parts, char **p, const double *n) { run(turn_BITS, parts, p, n); }"


def in_order(x: Array) -> Array:
    """x, or a copy whose numbers lie in order without gaps."""
    if x.flags.c_contiguous:
        return x
    out = host.empty(x.shape, x.dtype)
    put_in_order(x, out)
    return out


def put_in_order(x: Array, out: Array) -> None:
    """Write x into an array whose numbers lie in order."""
    if x.size >= LARGE and x.flags.aligned and has_c() and not any(step % x.itemsize for step in x.strides):
        steps = tuple(step // x.itemsize for step in x.strides)
        numbers = numbers_of(joined_axes(x.shape, packed(x.shape), steps), x.itemsize)
        library = None if numbers is None else _library()
        if numbers is not None and library is not None:
            turn = library.all_32 if x.itemsize == 4 else library.all_64
            turn(numbers[0], pointers(x, out), (ctypes.c_double * 6)(*numbers))
            return
    host.copyto(out, x)


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    calls = [_ALL.replace("BITS", bits) for bits in ("32", "64")]
    return in_pool("\n".join([HEADER, SETUP, *SQUARES.values(), *TURN.values(), *calls]), ["all_32", "all_64"])
