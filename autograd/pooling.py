"""Pooling on arrays: channels last, two axes of space. Each function here is one instruction of a trace.

One idea: NumPy is fast when one place of all windows is read at a time, as one strided slice, so every function is a
loop over the places of a window. Where padding lies in the place of a number the slice is shorter, and no array is
ever padded. The primitives with their rules are in `ops/pooling.py`. Read `attending.py` next.
"""

# Note [Choosing by bits]
# A number is chosen, or left out, by the product of its bits, read as an integer, with 1 or 0. That is as fast as a
# product of floats, and infinity and NaN stay where they are: 0 * inf would be NaN.

# Note [First down, then across]
# The largest number of a window is the largest of those of its columns, and its sum is theirs. So windows of 3 x 3 are
# windows of 3 x 1, and then of 1 x 3: six slices are read and not nine, of which those down are long runs of memory.

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .backend import Array, Module, host, module_of
from .errors import ShapeError
from .instruction import instruction

__all__ = [
    "WIDTHS",
    "Geometry",
    "Pair",
    "Sides",
    "geometry",
    "largest",
    "places_of",
    "pool_pick",
    "pool_places",
    "pool_put",
]
__all__ += ["are_beside", "pool_spread", "pool_sum"]

Pair = tuple[int, int]
Sides = tuple[Pair, Pair]  # (top, bottom), (left, right)
Index = tuple[slice, slice, slice]
WIDTHS = (2, 3, 4)


@dataclass(frozen=True)
class Geometry:
    """Windows over an array of `length`, and where each place of a window lies."""

    length: Pair
    counts: Pair  # how many windows there are, down and across
    steps: tuple[tuple[Index, Index], ...]  # for each place: the windows that have it inside x, and its numbers in x
    apart: bool  # no number of x is in two windows
    covered: bool  # every number of x is in a window
    halves: tuple[Geometry, ...]  # down and across, where these have fewer places. See Note [First down, then across]


def geometry(length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Geometry:
    """The windows of that size: one begins every `stride` numbers, and takes every `dilation`-th from there.

    Raises ShapeError for numbers that make no windows, or windows that hold nothing but padding.
    """
    return _geometry(*(tuple(x) for x in (length, size, stride)), tuple(map(tuple, padding)), tuple(dilation))


@functools.lru_cache(maxsize=256)
def _geometry(length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Geometry:
    if min(*size, *stride, *dilation) < 1 or min(*padding[0], *padding[1]) < 0:
        raise ShapeError(
            f"pooling got size={size}, stride={stride}, padding={padding}, dilation={dilation}: padding must be at "
            "least 0, the others at least 1."
        )
    down, across = (_axis(*axis) for axis in zip(length, size, stride, padding, dilation, strict=True))
    steps = tuple(
        ((slice(None), rows[0], columns[0]), (slice(None), rows[1], columns[1]))
        for rows in down.steps
        for columns in across.steps
    )
    halves: tuple[Geometry, ...] = ()
    if size[0] * size[1] > size[0] + size[1]:
        none = (0, 0)
        halves = (
            _geometry(length, (size[0], 1), (stride[0], 1), (padding[0], none), (dilation[0], 1)),
            _geometry((down.count, length[1]), (1, size[1]), (1, stride[1]), (none, padding[1]), (1, dilation[1])),
        )
    apart, covered = down.apart and across.apart, down.covered and across.covered
    return Geometry(length, (down.count, across.count), steps, apart, covered, halves)


def are_beside(size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> bool:
    """Whether windows of `WIDTHS` columns lie side by side, without padding.

    Loops in C do such windows a row of them at a time, and so where channels are in axis 1: an array (N * C, H, W, 1).
    """
    plain = not any((*padding[0], *padding[1])) and tuple(dilation) == (1, 1)
    return plain and tuple(size) == tuple(stride) and size[1] in WIDTHS


@dataclass(frozen=True)
class _Axis:
    count: int
    steps: tuple[tuple[slice, slice], ...]
    apart: bool
    covered: bool


def _axis(length: int, size: int, stride: int, padding: Pair, dilation: int) -> _Axis:
    span = dilation * (size - 1) + 1
    count = (length + sum(padding) - span) // stride + 1
    if count < 1:
        raise ShapeError(
            f"pooling windows reach over {span} places (size {size}, dilation {dilation}), but there are only "
            f"{length + sum(padding)}: {length} and padding {padding}."
        )
    steps = []
    for place in range(size):
        offset = place * dilation - padding[0]
        first = min(count, max(0, -(offset // stride)))  # the first window in which this place is not padding
        last = max(first, min(count, (length - 1 - offset) // stride + 1))
        start = first * stride + offset
        steps.append((slice(first, last), slice(start, start + (last - first - 1) * stride + 1, stride)))
        if first == last:
            steps[-1] = (slice(0, 0), slice(0, 0))
    if len({window for windows, _ in steps for window in range(windows.start, windows.stop)}) < count:
        raise ShapeError(
            f"pooling windows of size {size}, dilation {dilation} over {length} numbers with padding {padding}: some "
            "hold nothing but padding. Use less padding or dilation."
        )
    seen = [number for _, numbers in steps for number in range(length)[numbers]]
    return _Axis(count, tuple(steps), len(set(seen)) == len(seen), len(set(seen)) == length)


def _chosen(xp: Module, numbers: Array, mask: Array, out: Array | None = None) -> Array:
    """The bits of the numbers where the mask is true, else 0, as integers. See Note [Choosing by bits]."""
    return xp.multiply(_bits(numbers), mask, out=out)


def _bits(x: Array) -> Array:
    return x.view(f"i{x.dtype.itemsize}")


def _lowest(xp: Module, dtype: Any) -> Any:
    """What is never chosen where there is anything else; -inf as a bool would be True."""
    if dtype.kind == "b":
        return False
    return xp.iinfo(dtype).min if dtype.kind in "iu" else -math.inf


def _result(x: Array, counts: Pair) -> tuple[int, ...]:
    return (x.shape[0], *counts, x.shape[3])


def _over_windows(x: Array, geo: Geometry, name: str, start: Callable[[Module, tuple[int, ...]], Array]) -> Array:
    """The numbers of each window as one, by the function of two with this `name`; `start` is that of no number."""
    if geo.halves:
        down, across = geo.halves
        return _over_windows(_over_windows(x, down, name, start), across, name, start)
    xp = module_of(x)
    join = getattr(xp, name)
    (windows, numbers), *others = geo.steps
    shape = _result(x, geo.counts)
    if x[numbers].shape == shape:
        out = xp.array(x[numbers], order="C")
    else:
        out = start(xp, shape)
        join(out[windows], x[numbers], out=out[windows])
    for windows, numbers in others:
        join(out[windows], x[numbers], out=out[windows])
    return out


def largest(x: Array, geo: Geometry) -> Array:
    """The largest number of each window, NaN where there is one."""
    return _over_windows(x, geo, "maximum", lambda xp, shape: xp.full(shape, _lowest(xp, x.dtype), x.dtype))


def places_of(x: Array, top: Array, geo: Geometry) -> Array:
    """The first place of each window that holds `top`, the largest number there; of several NaN also the first."""
    xp = module_of(x)
    # As many places are passed over as stand before the first that holds it.
    passed = xp.zeros(top.shape, host.min_scalar_type(len(geo.steps)))
    left = xp.ones(top.shape, bool)
    # NaN is not equal to itself; to look for it takes longer, so the host first asks whether there is one.
    with_nan = x.dtype.kind not in "iub" and (xp is not host or bool(host.isnan(top).any()))
    for windows, numbers in geo.steps[:-1]:
        other = x[numbers] != top[windows]
        if with_nan:
            other &= x[numbers] == x[numbers]
        left[windows] &= other
        passed += left
    return passed


@instruction
def pool_places(x: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """Which place of its window holds the largest number, counted row by row: (N, H, W, C) gives (N, H', W', C)."""
    geo = geometry(x.shape[1:3], size, stride, padding, dilation)
    return places_of(x, largest(x, geo), geo)


@instruction
def pool_pick(x: Array, places: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """The number of each window at its place: (N, H, W, C) and (N, H', W', C) give (N, H', W', C)."""
    xp, geo = module_of(x), geometry(x.shape[1:3], size, stride, padding, dilation)
    out = xp.zeros(_result(x, geo.counts), x.dtype)
    bits = _bits(out)
    for place, (windows, numbers) in enumerate(geo.steps):
        bits[windows] |= _chosen(xp, x[numbers], places[windows] == place)
    return out


@instruction
def pool_put(
    g: Array, places: Array, *, length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """Each number of g at its place of its window, added up, 0 elsewhere: (N, H', W', C) gives (N, *length, C)."""
    xp, geo = module_of(g), geometry(length, size, stride, padding, dilation)
    out = _room(xp, g, geo)
    bits = _bits(out)
    for place, (windows, numbers) in enumerate(geo.steps):
        mask = places[windows] == place
        if geo.apart:
            _chosen(xp, g[windows], mask, out=bits[numbers])
        else:
            out[numbers] += _chosen(xp, g[windows], mask).view(g.dtype)
    return out


def _room(xp: Module, g: Array, geo: Geometry) -> Array:
    """Where the gradient of x is written: with zeros, unless every number is written once."""
    shape = _result(g, geo.length)
    return xp.empty(shape, g.dtype) if geo.apart and geo.covered else xp.zeros(shape, g.dtype)


@instruction
def pool_sum(x: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """The sum of each window: (N, H, W, C) gives (N, H', W', C)."""
    geo = geometry(x.shape[1:3], size, stride, padding, dilation)
    return _over_windows(x, geo, "add", lambda xp, shape: xp.zeros(shape, x.dtype))


@instruction
def pool_spread(g: Array, *, length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """Each number of g at every place of its window, added up: (N, H', W', C) gives (N, *length, C)."""
    return _spread(g, geometry(length, size, stride, padding, dilation))


def _spread(g: Array, geo: Geometry) -> Array:
    if geo.halves:
        down, across = geo.halves
        return _spread(_spread(g, across), down)
    out = _room(module_of(g), g, geo)
    for windows, numbers in geo.steps:
        if geo.apart:
            out[numbers] = g[windows]
        else:
            out[numbers] += g[windows]
    return out
