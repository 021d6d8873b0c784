"""Convolution in which each channel is by itself, as sums over the places of a window.

One idea: without a sum over channels there is no matrix product in it. One place of all windows is a strided view of x;
times the numbers that the weight has there it is one term, elementwise, and there are as many terms as places. Where
a channel has several features it is repeated first. Read `winograd.py` next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from ..backend import Array, host
from .border import rows_of
from .columns import Room, blocks
from .geometry import Finish, Geometry
from .windows import places

__all__ = ["convolve", "convolve_input", "convolve_weight"]


def convolve(x: Array, w: Array, geo: Geometry, finish: Finish | None = None) -> Array:
    """The result, (N, H', W', O), each part of it given to `finish` while it is in the cache."""
    out = host.zeros(geo.out_shape, x.dtype)
    room, factors = Room(x.dtype), _factors(w, geo)
    for block in blocks(geo, x.itemsize):
        rows, total = _repeated(rows_of(x, block, geo), geo), out[block]
        term = room.of(total.shape)
        for i, j in _each_place(geo):
            host.multiply(rows[(slice(None), *places(geo, i, j, _from_0(block[1])))], factors[i, j], out=term)
            total += term
        if finish is not None:
            finish(total)
    return out


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C)."""
    padded = host.zeros((geo.batch, *geo.padded, geo.features), y.dtype)
    room, factors = Room(y.dtype), _factors(w, geo)
    for samples, rows in blocks(geo, y.itemsize):
        part = y[samples, rows]
        term = room.of(part.shape)
        for i, j in _each_place(geo):
            host.multiply(part, factors[i, j], out=term)
            padded[(samples, *places(geo, i, j, rows))] += term
    (top, _), (left, _) = geo.padding
    out = padded[:, top : top + geo.length[0], left : left + geo.length[1]]
    if geo.features == geo.channels:
        return host.ascontiguousarray(out)
    return out.reshape(*geo.x_shape, geo.features // geo.channels).sum(axis=4)


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, 1)."""
    out = host.zeros((*geo.size, geo.features), x.dtype)
    room = Room(x.dtype)
    for block in blocks(geo, x.itemsize):
        rows, part = _repeated(rows_of(x, block, geo), geo), y[block]
        term = room.of(part.shape)
        ones = host.ones(math.prod(part.shape[:3]), x.dtype)  # BLAS sums rows faster than NumPy's sum does
        for i, j in _each_place(geo):
            host.multiply(rows[(slice(None), *places(geo, i, j, _from_0(block[1])))], part, out=term)
            out[i, j] += host.dot(ones, term.reshape(len(ones), geo.features))
    return host.ascontiguousarray(out.transpose(2, 0, 1)[..., None])


def _factors(w: Array, geo: Geometry) -> Array:
    """The numbers of the weight at each place, (kh, kw, W', O): a row of windows long, since NumPy likes long rows."""
    by_place = w.reshape(geo.features, *geo.size).transpose(1, 2, 0)[:, :, None]
    return host.ascontiguousarray(host.broadcast_to(by_place, (*geo.size, geo.counts[1], geo.features)))


def _repeated(x: Array, geo: Geometry) -> Array:
    """x with each channel once for each feature that reads it."""
    times = geo.features // geo.channels
    return x if times == 1 else x.repeat(times, axis=3)


def _each_place(geo: Geometry) -> Iterator[tuple[int, int]]:
    return itertools.product(range(geo.size[0]), range(geo.size[1]))


def _from_0(rows: slice) -> slice:
    """As many rows, where the first is the first that there is."""
    return slice(0, rows.stop - rows.start)
