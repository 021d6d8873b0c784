"""Convolution as windows and one matrix product: short, for every array module and every dtype.

One idea: with its windows as rows, a convolution is a matrix product, and both adjoints are that product's, with the
rows laid back where they came from. This is what the faster ways are measured against. Read `border.py` next.
"""

from __future__ import annotations

import itertools

from ..backend import Array, Module
from .geometry import Geometry, weight_rows

__all__ = ["convolve", "convolve_input", "convolve_weight", "places", "view_of_windows"]


def convolve(xp: Module, x: Array, w: Array, geo: Geometry) -> Array:
    """The result, (N, H', W', O)."""
    rows = _rows(xp, x, geo)
    out = xp.matmul(rows, xp.swapaxes(weight_rows(w, geo), 1, 2))
    return xp.ascontiguousarray(xp.moveaxis(out, 0, 1)).reshape(geo.out_shape)


def convolve_input(xp: Module, y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C)."""
    rows = xp.matmul(_by_group(xp, y, geo), weight_rows(w, geo))
    count = geo.channels // geo.groups
    rows = xp.moveaxis(rows.reshape(geo.groups, geo.batch, *geo.counts, *geo.size, count), 0, -2)
    padded = xp.zeros((geo.batch, *geo.padded, geo.groups, count), rows.dtype)
    for i, j in itertools.product(*map(range, geo.size)):
        padded[(slice(None), *places(geo, i, j))] += rows[:, :, :, i, j]
    (top, _), (left, _) = geo.padding
    inner = padded[:, top : top + geo.length[0], left : left + geo.length[1]]
    return xp.ascontiguousarray(inner.reshape(geo.x_shape))


def convolve_weight(xp: Module, x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, C / groups)."""
    out = xp.matmul(xp.swapaxes(_by_group(xp, y, geo), 1, 2), _rows(xp, x, geo))
    return out.reshape(geo.w_shape)


def places(geo: Geometry, i: int, j: int, rows: slice | None = None) -> tuple[slice, slice]:
    """Where, along the two axes of the padded x, the windows (those of these rows) have their place (i, j)."""
    first, stop = (0, geo.counts[0]) if rows is None else (rows.start, rows.stop)
    (s, t), (d, e), count = geo.stride, geo.dilation, geo.counts[1]
    top, left = i * d + first * s, j * e
    return slice(top, top + s * (stop - first - 1) + 1, s), slice(left, left + t * (count - 1) + 1, t)


def view_of_windows(xp: Module, padded: Array, geo: Geometry) -> Array:
    """The windows of the padded x, (N, H', W', kh, kw, C). A view."""
    every = xp.lib.stride_tricks.sliding_window_view(padded, geo.spans, (1, 2))
    (s, t), (d, e) = geo.stride, geo.dilation
    return xp.transpose(every[:, ::s, ::t, :, ::d, ::e], (0, 1, 2, 4, 5, 3))


def _rows(xp: Module, x: Array, geo: Geometry) -> Array:
    """The windows as rows, by group: (G, N H' W', kh kw C/G)."""
    windows = view_of_windows(xp, xp.pad(x, ((0, 0), *geo.padding, (0, 0))), geo)
    count = geo.channels // geo.groups
    windows = windows.reshape(*windows.shape[:-1], geo.groups, count)
    return xp.moveaxis(windows, -2, 0).reshape(geo.groups, geo.batch * geo.windows, geo.fan_in)


def _by_group(xp: Module, y: Array, geo: Geometry) -> Array:
    """Something of the result's shape by group: (G, N H' W', O/G)."""
    rows = y.reshape(geo.batch * geo.windows, geo.groups, geo.features // geo.groups)
    return xp.moveaxis(rows, 1, 0)
