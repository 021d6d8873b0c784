"""Gather: the parts of an array of the GPU at some positions, and NaN where there is no such position.

One idea: to ask whether a position is outside would wait for the GPU, so it is seen in the result. CuPy's own indexing
wraps it round, and a network trains on with another word's vector. Read `precision.py` next.
"""

from __future__ import annotations

from functools import cache
from itertools import chain
from math import prod
from string import ascii_uppercase
from typing import Any, NamedTuple

from ..backend import Array, Module, is_floating

__all__ = ["Gather"]

_ALL = slice(None)


class _Named(NamedTuple):
    """The arrays of positions in an index, each with the length of its axis, and where what they pick is put."""

    positions: list[tuple[Array, int]]
    before: int  # how many axes of x[index] stand before it
    axes: int  # how many it has there


class Gather:
    """The `Positions` of the arrays of `library`."""

    def __init__(self, library: Module) -> None:
        self.library = library
        self._kernel = cache(library.ElementwiseKernel)

    def part(self, x: Array, index: Any) -> Array:
        """x[index], and NaN, or 0 where there are no floats, for each element at a position outside."""
        parts = index if isinstance(index, tuple) else (index,)
        if parts and self._is_positions(parts[-1]) and all(type(part) is slice and part == _ALL for part in parts[:-1]):
            return self.take(x, parts[-1], len(parts) - 1)
        part = x[index]
        if not part.size or not any(map(self._is_positions, parts)):
            return part
        named = self._named(parts, x.shape)
        behind = (1,) * (part.ndim - named.before - named.axes)
        places = [(at.reshape(at.shape + behind), length) for at, length in named.positions]
        each = f"if ({_outside(len(places))}) y = wrong;"
        kernel = self._kernel(_reads(len(places)), "T y", each, "tapegrad_part")
        kernel(*chain(*places), _wrong(x.dtype), part)
        return part

    def spoil(self, x: Array, index: Any) -> None:
        """Make NaN, or 0, of all of x if a position in `index` is outside."""
        places = self._named(index if isinstance(index, tuple) else (index,), x.shape).positions
        if x.size and places:
            each = f"if ({_outside(len(places))}) for (long long k = 0; k < size; k++) y[k] = wrong;"
            kernel = self._kernel(f"{_reads(len(places))}, int64 size", "raw T y", each, "tapegrad_spoil")
            kernel(*chain(*places), _wrong(x.dtype), x.size, x)

    def take(self, x: Array, indices: Array, axis: int) -> Array:
        """NumPy's take along an axis, as one kernel."""
        before, length, behind = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
        out = self.library.empty((*before, *indices.shape, *behind), x.dtype)
        if out.size:
            positions = indices.reshape(indices.shape + (1,) * len(behind))
            taken = prod(indices.shape) * prod(behind)
            self._kernel(_TAKES, "T y", _TAKE, "tapegrad_take")(
                x, positions, _wrong(x.dtype), length, taken, prod(behind), out
            )
        return out

    def _is_positions(self, part: Any) -> bool:
        return isinstance(part, self.library.ndarray) and part.dtype.kind in "iu"

    def _named(self, parts: tuple[Any, ...], shape: tuple[int, ...]) -> _Named:
        """The positions in an index of an array of this shape, as NumPy reads it."""
        lengths = [_axes_of(part) for part in parts]
        rest = len(shape) - sum(lengths)
        lengths = [rest if part is Ellipsis else length for part, length in zip(parts, lengths, strict=True)]
        picks = [i for i, part in enumerate(parts) if not _is_basic(part)]
        before = 0
        if picks and picks == list(range(picks[0], picks[-1] + 1)):  # apart from each other they stand in front
            before = sum(
                1 if part is None else length for part, length in zip(parts, lengths[: picks[0]], strict=False)
            )
        found, axis = [], 0
        for part, length in zip(parts, lengths, strict=True):
            if self._is_positions(part):
                found.append((part, shape[axis]))
            axis += length
        counts = [1 if part.dtype.kind == "b" else part.ndim for part in parts if hasattr(part, "dtype")]
        return _Named(found, before, max(counts, default=0))


def _is_basic(part: Any) -> bool:
    """Whether a part of an index picks nothing: what stands between arrays, and parts them."""
    return part is None or part is Ellipsis or isinstance(part, slice)


def _axes_of(part: Any) -> int:
    """How many axes of an array a part of its index names; 0 for an Ellipsis, which names the rest."""
    if part is None or part is Ellipsis or type(part) is bool:
        return 0
    return part.ndim if getattr(part, "dtype", None) == "bool" else 1


def _wrong(dtype: Any) -> Any:
    """What is read at a wrong position."""
    return dtype.type(float("nan") if is_floating(dtype) or dtype.kind == "c" else 0)


# The kernels

_KINDS = ascii_uppercase.replace("T", "")  # CuPy's names for dtypes that are what they come to be
_TAKES = "raw T x, I position, T wrong, int64 length, int64 taken, int64 behind"
_TAKE = """
const long long at = (long long)position + (position < 0 ? length : 0);
y = at < 0 || at >= length ? wrong : x[(i / taken * length + at) * behind + i % behind];
"""


def _reads(count: int) -> str:
    return "".join(f"{kind} at{k}, int64 length{k}, " for k, kind in enumerate(_KINDS[:count])) + "T wrong"


def _outside(count: int) -> str:
    return " || ".join(f"(long long)at{k} < -length{k} || (long long)at{k} >= length{k}" for k in range(count))
