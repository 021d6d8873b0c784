"""Convolution on the host as matrix products over blocks of windows (im2col).

One idea: the windows of a block are laid out as rows of a matrix and multiplied at once, while they are in the cache.
With channels last, a row of a window is one contiguous run. Windows overlap, so their rows hold each number of x many
times: all of them at once would fit in no cache. Read `depthwise.py` next.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from ..backend import Array, host
from ..shapes import Shape
from .border import Block, rows_of
from .geometry import Finish, Geometry, weight_rows
from .windows import places, view_of_windows

__all__ = ["Room", "blocks", "convolve", "convolve_input", "convolve_weight"]

# Bytes of windows in a block. Of 0.5, 1, 2 and 4 MiB, on two Zen 3 cores with 512 KiB of L2 each, 2 was the fastest or
# near it from 14 x 14 pixels of 128 channels to 56 x 56 of 64: smaller products are slower, larger blocks leave caches.
BLOCK = 2 << 20
SHORT = 16  # a row of a window of fewer numbers is not copied as one run


def convolve(x: Array, w: Array, geo: Geometry, finish: Finish | None = None) -> Array:
    """The result, (N, H', W', O), each part of it given to `finish` while it is in the cache."""
    out = host.empty(geo.out_shape, x.dtype)
    weight = weight_rows(w, geo).swapaxes(1, 2)
    for block, windows in _windows(x, geo):
        host.matmul(windows, weight, out=_by_group(out[block], geo.groups))
        if finish is not None:
            finish(out[block])
    return out


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C).

    With stride 1 it is a convolution of y by the turned weight. Its windows are dear where y has many more channels
    than x; there, and with other strides, each place of a window is a product, added where windows have that place.
    """
    if geo.is_pointwise:
        out = host.empty(geo.x_shape, y.dtype)
        host.matmul(_by_group(y, geo.groups), weight_rows(w, geo), out=_by_group(out, geo.groups))
        return out
    if geo.stride == (1, 1) and geo.features <= 2 * geo.channels:
        return convolve(y, _turned(w, geo), geo.turned())
    return _added_by_place(y, w, geo)


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, C / groups)."""
    out = host.zeros((geo.groups, geo.features // geo.groups, geo.fan_in), y.dtype)
    for block, windows in _windows(x, geo):
        out += host.matmul(_by_group(y[block], geo.groups).swapaxes(1, 2), windows)
    return out.reshape(geo.w_shape)


def _added_by_place(y: Array, w: Array, geo: Geometry) -> Array:
    padded = host.zeros((geo.batch, *geo.padded, geo.channels), y.dtype)
    weight = host.ascontiguousarray(_split(w, geo).transpose(2, 3, 0, 1, 4))  # (kh, kw, G, O/G, C/G)
    room = Room(y.dtype)
    for samples, rows in blocks(geo, y.itemsize):
        part = y[samples, rows]
        by_place = room.of((*geo.size, *part.shape[:3], geo.channels))
        each = by_place.reshape(*geo.size, math.prod(part.shape[:3]), geo.groups, geo.channels // geo.groups)
        host.matmul(_by_group(part, geo.groups), weight, out=each.swapaxes(2, 3))
        for i, j in itertools.product(*map(range, geo.size)):
            padded[(samples, *places(geo, i, j, rows))] += by_place[i, j]
    (top, _), (left, _) = geo.padding
    return host.ascontiguousarray(padded[:, top : top + geo.length[0], left : left + geo.length[1]])


# Weights and images by group


def _split(w: Array, geo: Geometry) -> Array:
    """The weight by group, (G, O/G, kh, kw, C/G)."""
    return w.reshape(geo.groups, geo.features // geo.groups, *geo.w_shape[1:])


def _turned(w: Array, geo: Geometry) -> Array:
    """The weight of the convolution that gives the adjoint in x: (C, kh, kw, O/G), back to front."""
    turned = _split(w, geo)[:, :, ::-1, ::-1].transpose(0, 4, 2, 3, 1)
    return turned.reshape(geo.channels, *geo.size, geo.features // geo.groups)


def _by_group(image: Array, groups: int) -> Array:
    """An image (n, h, v, channels) as pixels by group, (G, n h v, channels/G): a view where it is contiguous."""
    pixels = math.prod(image.shape[:3])
    return image.reshape(pixels, groups, image.shape[3] // groups).swapaxes(0, 1)


# Blocks


class Room:
    """Memory that each block writes over: it stays in the cache."""

    def __init__(self, dtype: object) -> None:
        self.memory = host.empty(0, dtype)

    def of(self, shape: Shape) -> Array:
        """The room as an array of this shape."""
        size = math.prod(shape)
        if size > self.memory.size:
            self.memory = host.empty(size, self.memory.dtype)
        return self.memory[:size].reshape(shape)


def blocks(geo: Geometry, itemsize: int) -> Iterator[Block]:
    """Blocks of whole samples, or, of large samples, of rows of windows; the first is one of the largest."""
    row = geo.counts[1] * geo.fan_in * geo.groups * itemsize
    height = geo.counts[0]
    count = max(1, BLOCK // (row * height))
    parts = -(-row * height // BLOCK) if count == 1 else 1
    step = -(-height // parts)
    for start in range(0, geo.batch, count):
        for first in range(0, height, step):
            yield slice(start, min(start + count, geo.batch)), slice(first, min(first + step, height))


def _windows(x: Array, geo: Geometry) -> Iterator[tuple[Block, Array]]:
    """Each block, and its windows as rows by group, (G, n h W', kh kw C/G), which the next block writes over."""
    if geo.is_pointwise:
        yield (slice(None), slice(None)), _by_group(x, geo.groups)
        return
    room, groups = Room(x.dtype), geo.groups
    # Of windows with short rows all numbers of one place are laid out together, and BLAS turns the matrix on the way.
    is_short = groups == 1 and geo.size[1] * geo.channels < SHORT
    for block in blocks(geo, x.itemsize):
        windows = view_of_windows(host, rows_of(x, block, geo), geo)
        pixels = math.prod(windows.shape[:3])
        if is_short:
            by_place = windows.transpose(3, 4, 5, 0, 1, 2)
            columns = room.of(by_place.shape)
            host.copyto(columns, by_place)
            yield block, columns.reshape(1, geo.fan_in, pixels).swapaxes(1, 2)
            continue
        by_group = windows.reshape(*windows.shape[:5], groups, geo.channels // groups).transpose(5, 0, 1, 2, 3, 4, 6)
        rows = room.of(by_group.shape)
        host.copyto(rows, by_group)
        yield block, rows.reshape(groups, pixels, geo.fan_in)
