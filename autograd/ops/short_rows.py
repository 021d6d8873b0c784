"""Short rows: sums, largest and smallest of many rows of a few elements, and of few columns, by NumPy.

One idea: NumPy goes along the last axis row by row, and takes 10 to 40 ns for each however short it is. A product with
ones gives the same sums, and rows turned into columns are compared whole; many rows are added up by adding one half to
the other, until one is left, which is also more exact. Read `reduce.py` next.
"""

from __future__ import annotations

import functools
import math
from typing import Any

from ..backend import Array, Module, host
from ..shapes import Axis, axes_of, kept_shape

__all__ = ["extreme", "sums", "total"]

_MANY = 1 << 12  # elements from which on this is faster
_SUMMED, _COMPARED = 128, 32  # of a row at most: NumPy makes sums of more in pairs, which is more exact
_COLUMNS, _ROWS = 64, 16  # at most and at least, for many rows to be halved


def _run(xp: Module, x: Any, axis: Axis) -> tuple[int, int, int] | None:
    """The lengths before, along and behind `axis`, or several in a row; None for what NumPy does well."""
    if xp is not host or type(x) is not host.ndarray or x.size < _MANY or x.ndim < 2 or axis is None:
        return None
    axes = axes_of(axis, x.ndim)
    if x.dtype.char not in "fd" or not x.flags.c_contiguous or not axes or axes[-1] - axes[0] + 1 != len(axes):
        return None
    before, along, behind = x.shape[: axes[0]], x.shape[axes[0] : axes[-1] + 1], x.shape[axes[-1] + 1 :]
    return math.prod(before), math.prod(along), math.prod(behind)


def _are_few(run: tuple[int, int, int], most: int) -> bool:
    """Whether rows of at most so many elements are reduced, each to one."""
    _, along, behind = run
    return behind == 1 and 1 < along <= most


def _are_columns(run: tuple[int, int, int]) -> bool:
    """Whether many rows of few columns are reduced to one row."""
    _, along, behind = run
    return 1 < behind <= _COLUMNS and along >= _ROWS


def sums(xp: Module, x: Any, axis: Axis) -> bool:
    """Whether `total` is not NumPy's."""
    run = _run(xp, x, axis)
    return run is not None and (_are_few(run, _SUMMED) or _are_columns(run))


def total(xp: Module, x: Any, axis: Axis, keepdims: bool) -> Array:
    """`xp.sum(x, axis, keepdims=keepdims)`."""
    run = _run(xp, x, axis)
    if run is not None and _are_few(run, _SUMMED):
        found = x.reshape(-1, run[1]).dot(_ones(run[1], x.dtype))
    elif run is not None and _are_columns(run):
        found = _halved(xp.add, x.reshape(run))
    else:
        return xp.sum(x, axis=axis, keepdims=keepdims)
    return _shaped(found, x, axis, keepdims)


def extreme(xp: Module, name: str, x: Any, axis: Axis, keepdims: bool) -> Array:
    """`xp.max(x, axis, keepdims=keepdims)`, or `xp.min`, as `name` says."""
    run = _run(xp, x, axis)
    if run is not None and _are_few(run, _COMPARED):
        found = getattr(host.ascontiguousarray(x.reshape(-1, run[1]).T), name)(axis=0)
    elif run is not None and _are_columns(run):
        found = _halved({"max": xp.maximum, "min": xp.minimum}[name], x.reshape(run))
    else:
        return getattr(xp, name)(x, axis=axis, keepdims=keepdims)
    return _shaped(found, x, axis, keepdims)


def _halved(function: Any, x: Array) -> Array:
    """A function of two, associative, over axis 1 of three."""
    while (length := x.shape[1]) > 1:
        half = length // 2
        reduced = function(x[:, :half], x[:, half : 2 * half])
        if length % 2:
            reduced[:, 0] = function(reduced[:, 0], x[:, -1])
        x = reduced
    return x


def _shaped(found: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    kept = kept_shape(x.shape, axis)
    axes = axes_of(axis, x.ndim)
    return found.reshape(kept if keepdims else [n for i, n in enumerate(kept) if i not in axes])


@functools.lru_cache(maxsize=64)
def _ones(length: int, dtype: Any) -> Array:
    return host.ones(length, dtype)
