"""Convolution on the host as matrix products over blocks of windows (im2col).

One idea: a few samples at a time, so that their windows stay in the cache between the copy that lays them out as rows
and the one product that reads them. With channels last, a row of a window is one contiguous run. Read `__init__.py`
next, which says when this is used.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..backend import Array, host
from .geometry import Geometry
from .windows import places, view_of_windows

__all__ = ["convolve", "convolve_input", "convolve_weight"]

BLOCK = 1 << 20  # bytes of windows


def convolve(x: Array, w: Array, geo: Geometry) -> Array:
    """The result, (N, H', W', O); one group."""
    out = host.empty(geo.out_shape, x.dtype)
    kernels = w.reshape(geo.features, geo.kernel).T
    for block, rows in _blocks(x, geo):
        host.dot(rows, kernels, out=out[block].reshape(len(rows), geo.features))
    return out


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C); one group."""
    padded = host.zeros((geo.batch, *geo.padded, geo.channels), y.dtype)
    kernels = w.reshape(geo.features, geo.kernel)
    for block in _slices(geo, y.itemsize):
        part = y[block]
        rows = host.dot(part.reshape(len(part) * geo.windows, geo.features), kernels)
        rows = rows.reshape(len(part), *geo.counts, *geo.size, geo.channels)
        for i in range(geo.size[0]):
            for j in range(geo.size[1]):
                padded[(block, *places(geo, i, j))] += rows[:, :, :, i, j]
    (top, _), (left, _) = geo.padding
    return host.ascontiguousarray(padded[:, top : top + geo.length[0], left : left + geo.length[1]])


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, C); one group."""
    out = host.zeros((geo.features, geo.kernel), y.dtype)
    for block, rows in _blocks(x, geo):
        out += host.dot(y[block].reshape(len(rows), geo.features).T, rows)
    return out.reshape(geo.w_shape)


def _slices(geo: Geometry, itemsize: int) -> Iterator[slice]:
    """The samples of each block in turn."""
    sample = geo.windows * geo.kernel * itemsize
    step = max(1, BLOCK // max(sample, 1))
    return (slice(start, min(start + step, geo.batch)) for start in range(0, geo.batch, step))


def _blocks(x: Array, geo: Geometry) -> Iterator[tuple[slice, Array]]:
    """The samples of each block, and their windows as rows, in memory that the next block writes over."""
    room = None
    for block in _slices(geo, x.itemsize):
        padded = host.pad(x[block], ((0, 0), *geo.padding, (0, 0)))
        windows = view_of_windows(host, padded, geo)
        room = host.empty(windows.shape, x.dtype) if room is None else room[: len(windows)]
        host.copyto(room, windows)
        yield block, room.reshape(len(room) * geo.windows, geo.kernel)
