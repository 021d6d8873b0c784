"""Short rows: sums, means, largest and smallest of many rows of a few elements, and of few columns, by NumPy.

One idea: NumPy goes along the last axis row by row, and takes 10 to 40 ns for each however short it is. A product with
ones gives the same sums, and rows turned into columns are compared whole; many rows are added up by adding one half to
the other, until one is left, which is also more exact. Numbers of 16 bits are added up in float32: in their own
precision a sum of ones stops at 2048, or in bfloat16 at 256. Read `reduce.py` next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from ..backend import Array, Module, host
from ..shapes import Axis, axes_of, kept_shape
from .cast import narrowed, single

__all__ = ["REDUCTIONS", "average", "reducing", "total"]

_MANY = 1 << 12  # elements from which on this is faster
_SUMMED, _COMPARED = 128, 32  # of a row at most: NumPy makes sums of more in pairs, which is more exact
_COLUMNS, _ROWS = 64, 16  # at most and at least, for many rows to be halved
_PIECES = 16  # of an array that is added up whole, at most

Run = tuple[int, int, int]  # the lengths before, along and behind the axes that are reduced


def _run(x: Any, axis: Axis) -> Run | None:
    """Those of an axis, or of several in a row; None for what NumPy does well."""
    if type(x) is not host.ndarray or x.size < _MANY or x.ndim < 2 or axis is None:
        return None
    axes = axes_of(axis, x.ndim)
    if x.dtype.char not in "fd" or not x.flags.c_contiguous or not axes or axes[-1] - axes[0] + 1 != len(axes):
        return None
    before, along, behind = x.shape[: axes[0]], x.shape[axes[0] : axes[-1] + 1], x.shape[axes[-1] + 1 :]
    return math.prod(before), math.prod(along), math.prod(behind)


def _reduced(of_rows: Callable[[Array], Array], most: int, of_two: Any, x: Any, axis: Axis) -> Array | None:
    """Rows of at most `most` elements by `of_rows`, few columns by halving with `of_two`; None for all else."""
    run = _run(x, axis)
    if run is None:
        return None
    _, along, behind = run
    if behind == 1 and 1 < along <= most:
        return of_rows(x.reshape(-1, along))
    return _halved(of_two, x.reshape(run)) if 1 < behind <= _COLUMNS and along >= _ROWS else None


def _halved(of_two: Any, x: Array) -> Array:
    """A function of two, associative, over axis 1 of three."""
    while (length := x.shape[1]) > 1:
        half = length // 2
        reduced = of_two(x[:, :half], x[:, half : 2 * half])
        if length % 2:
            reduced[:, 0] = of_two(reduced[:, 0], x[:, -1])
        x = reduced
    return x


def _shaped(found: Array, x: Array, axis: Axis, keepdims: bool) -> Array:
    kept, axes = kept_shape(x.shape, axis), axes_of(axis, x.ndim)
    return found.reshape(kept if keepdims else [n for i, n in enumerate(kept) if i not in axes])


@functools.lru_cache(maxsize=64)
def _ones(length: int, dtype: Any) -> Array:
    return host.ones(length, dtype)


Way = Callable[[Array, int, int, int], "Array | None"]  # of an array in order and the lengths of its run
ways_to_sum: list[Way] = []  # `compile/native/sums.py` adds one


def _summed(x: Any, axis: Axis) -> Array | None:
    if axis is None and type(x) is host.ndarray and x.size >= _MANY and x.flags.c_contiguous:
        pieces = math.gcd(x.size, _PIECES)
        found = _by_a_way(x, (pieces, x.size // pieces, 1))
        return None if found is None else found.sum(keepdims=True)
    run = _run(x, axis)
    found = None if run is None else _by_a_way(x, run)
    if found is not None:
        return found
    return _reduced(lambda rows: rows.dot(_ones(rows.shape[1], rows.dtype)), _SUMMED, host.add, x, axis)


def _by_a_way(x: Array, run: Run) -> Array | None:
    made = (way(x, *run) for way in ways_to_sum)
    return next((found for found in made if found is not None), None)


_largest = functools.partial(_reduced, lambda rows: _columns(rows).max(axis=0), _COMPARED, host.maximum)
_smallest = functools.partial(_reduced, lambda rows: _columns(rows).min(axis=0), _COMPARED, host.minimum)


def _columns(rows: Array) -> Array:
    return host.ascontiguousarray(rows.T)


def _averaged(x: Any, axis: Axis) -> Array | None:
    found = _summed(x, axis)
    return None if found is None else found / (x.size // found.size)


def _or_numpy(own: Callable[[Any, Axis], Array | None], numpys: Callable[..., Any]) -> Callable[..., Array]:
    """A reduction of our own, done by NumPy where that does not do it."""

    def reduced(x: Any, axis: Axis = None, keepdims: bool = False) -> Array:
        found = own(x, axis)
        return numpys(x, axis=axis, keepdims=keepdims) if found is None else _shaped(found, x, axis, keepdims)

    return reduced


# By NumPy's function, our own and what NumPy's ends in, without what it asks on the way there.
_WAYS: dict[Any, tuple[Callable[[Any, Axis], Array | None], Callable[..., Any]]] = {
    host.sum: (_summed, host.add.reduce),
    host.mean: (_averaged, host.mean),
    host.max: (_largest, host.maximum.reduce),
    host.min: (_smallest, host.minimum.reduce),
}
REDUCTIONS = {numpys: _or_numpy(*ways) for numpys, ways in _WAYS.items()}  # by NumPy's function

_ON_HOST = SimpleNamespace(**{function.__name__: ours for function, ours in REDUCTIONS.items()})


def reducing(xp: Module) -> Any:
    """`xp` as far as it has `sum`, `mean`, `max` and `min`: these here, where it is NumPy."""
    return _ON_HOST if xp is host else xp


def total(xp: Module, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The sum over `axis`, in the dtype that the array library gives it."""
    return narrowed(reducing(xp).sum(single(x), axis=axis, keepdims=keepdims), x)


def average(xp: Module, x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over `axis`."""
    return narrowed(reducing(xp).mean(single(x), axis=axis, keepdims=keepdims), x)
