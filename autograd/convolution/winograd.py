"""Convolution with windows of 3 x 3 and a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).

One idea: 4 x 4 results next to each other are a bilinear function of the 6 x 6 numbers of x that they read and of the
9 of the weight. Polynomials make 36 products of it, of linear functions of the two, where the plain sum has 144. As the
functions are the same for every tile and channel, they are matrix products too, with matrices of 36 x 36, 36 x 9 and
16 x 36. Both adjoints are the same three functions turned round. Lavin and Gray 2016, section 4 and equation 8.

The sums of 36 numbers, of factors up to 25, cost digits: the largest error is about 10 times that of a plain sum, so
this is for float32 only, where networks do not feel it. `__init__.py` says when it is used. Read `../pooling.py` next.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ..backend import Array, host
from .border import rows_of
from .columns import Room
from .geometry import Finish, Geometry
from .windows import view_of_windows

__all__ = ["convolve", "convolve_input", "convolve_weight", "gradients", "is_for", "pays"]

BLOCK = 4 << 20  # bytes of the products of a block of tiles

# The functions of one axis, for the points 0, 1, -1, 2, -2 and infinity: of 6 numbers of x, of 3 of the weight, and
# from 6 products to 4 results. Those of two axes are their Kronecker products with themselves.
_OF_X = [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
]
_OF_WEIGHT = [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
]
_TO_RESULT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


@functools.lru_cache(maxsize=4)
def _functions(dtype: Any) -> tuple[Array, Array, Array]:
    """The three functions of two axes, (36, 36), (36, 9) and (16, 36)."""
    x, weight, result = (host.kron(*[host.asarray(f)] * 2).astype(dtype) for f in (_OF_X, _OF_WEIGHT, _TO_RESULT))
    return x, weight, result


def is_for(geo: Geometry) -> bool:
    """Whether it can compute this convolution: windows of 3 x 3 side by side, without holes, in one group."""
    return geo.size == (3, 3) and geo.stride == (1, 1) == geo.dilation and geo.groups == 1


def pays(geo: Geometry) -> bool:
    """Whether it is faster than `columns`: with enough channels to be worth the functions, and tiles the weight's."""
    # Measured on one Zen 3 core, float32, milliseconds of CPU by `columns` and here, for batch, length, channels of x
    # and of the result: the result, the adjoint in x, the one in the weight; and here both adjoints at once.
    #     64, 26, 32 -> 64      32  29     42  36     29  29      48
    #     32, 14, 128 -> 128    32  26     36  29     35  27      50
    #     8, 56, 64 -> 64       44  28     43  36     40  32      55
    #     16, 7, 512 -> 512     85  58     99  95     83  75     172    (64 tiles)
    #     64, 28, 8 -> 16        7  10      8   9      7  11      18
    tiles = geo.batch * -(-geo.counts[0] // 4) * -(-geo.counts[1] // 4)
    return min(geo.channels, geo.features) >= 32 and tiles >= 64


def convolve(x: Array, w: Array, geo: Geometry, finish: Finish | None = None) -> Array:
    """The result, (N, H', W', O), each part of it given to `finish` while it is in the cache."""
    out = host.empty(geo.out_shape, x.dtype)
    tiles = _Tiles(geo, x.dtype)
    weight = _of_weight(w, geo)
    for samples in tiles.blocks():
        products = tiles.room("products", samples, geo.features)
        host.matmul(tiles.of_x(x, samples), weight, out=products)
        results = tiles.room("results", samples, geo.features, 16)
        host.dot(tiles.to_result, _flat(products), out=_flat(results))
        tiles.lay_out(results, out[samples])
        if finish is not None:
            finish(out[samples])
    return out


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C)."""
    return gradients(None, w, y, geo)[0]


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, 3, 3, C)."""
    return gradients(x, None, y, geo)[1]


def gradients(x: Array | None, w: Array | None, y: Array, geo: Geometry) -> tuple[Array, Array]:
    """The adjoints in x, for which w is needed, and in the weight, for which x is; they share what they need of y."""
    tiles = _Tiles(geo, y.dtype)
    of_x = None if w is None else host.empty(geo.x_shape, y.dtype)
    weight = None if w is None else host.ascontiguousarray(_of_weight(w, geo).swapaxes(1, 2))
    of_weight = host.zeros((36, geo.channels, geo.features), y.dtype)
    for samples in tiles.blocks():
        products = tiles.of_results(y[samples], samples)
        if x is not None:
            of_weight += host.matmul(tiles.of_x(x, samples).swapaxes(1, 2), products)
        if of_x is not None:
            back, read = tiles.room("x", samples, geo.channels), tiles.room("read", samples, geo.channels)
            host.matmul(products, weight, out=back)
            host.dot(tiles.from_x.T, _flat(back), out=_flat(read))
            tiles.add_up(read, of_x[samples])
    _, from_weight, _ = _functions(y.dtype)
    of_w = host.dot(from_weight.T, _flat(of_weight)).reshape(3, 3, geo.channels, geo.features)
    return of_x, host.ascontiguousarray(of_w.transpose(3, 0, 1, 2))


def _flat(x: Array) -> Array:
    return x.reshape(len(x), x.size // len(x))


def _of_weight(w: Array, geo: Geometry) -> Array:
    """(36, C, O)."""
    rows = w.transpose(1, 2, 3, 0).reshape(9, geo.channels * geo.features)
    return host.dot(_functions(w.dtype)[1], rows).reshape(36, geo.channels, geo.features)


class _Tiles:
    """The tiles of a convolution, a block of samples at a time, in memory that the next block writes over."""

    def __init__(self, geo: Geometry, dtype: Any) -> None:
        self.geo, self.dtype = geo, dtype
        self.from_x, _, self.to_result = _functions(dtype)
        self.down, self.across = (-(-count // 4) for count in geo.counts)
        (top, bottom), (left, right) = geo.padding
        # Tiles that reach over the last result read as many zeros more.
        padding = (top, bottom + 4 * self.down - geo.counts[0]), (left, right + 4 * self.across - geo.counts[1])
        self.read = replace(geo, size=(6, 6), stride=(4, 4), counts=(self.down, self.across), padding=padding)
        self.rooms: dict[str, Room] = {}

    def blocks(self) -> Iterator[slice]:
        """The samples of each block."""
        channels = max(self.geo.channels, self.geo.features)
        count = max(1, BLOCK // (self.down * self.across * 36 * channels * self.dtype.itemsize))
        return (slice(start, start + count) for start in range(0, self.geo.batch, count))

    def room(self, name: str, samples: slice, channels: int, parts: int = 36) -> Array:
        """Memory for (parts, tiles, channels)."""
        count = len(range(*samples.indices(self.geo.batch)))
        room = self.rooms.setdefault(name, Room(self.dtype))
        return room.of((parts, count * self.down * self.across, channels))

    def of_x(self, x: Array, samples: slice) -> Array:
        """The 36 functions of what each tile reads of x: (36, tiles, C)."""
        read = self.room("read", samples, self.geo.channels)
        part = rows_of(x, (samples, slice(0, self.down)), self.read)
        windows = view_of_windows(host, part, self.read).transpose(3, 4, 0, 1, 2, 5)
        host.copyto(read.reshape(windows.shape), windows)
        out = self.room("x", samples, self.geo.channels)
        host.dot(self.from_x, _flat(read), out=_flat(out))
        return out

    def of_results(self, y: Array, samples: slice) -> Array:
        """The adjoint of the way from products to results: (36, tiles, O)."""
        results = self.room("results", samples, self.geo.features, 16)
        by_place = results.reshape(4, 4, len(y), self.down, self.across, self.geo.features)
        if self.geo.counts != (4 * self.down, 4 * self.across):
            results[...] = 0
        for i, j, part in _places(y):
            by_place[i, j, :, : part.shape[1], : part.shape[2]] = part
        out = self.room("products", samples, self.geo.features)
        host.dot(self.to_result.T, _flat(results), out=_flat(out))
        return out

    def lay_out(self, results: Array, out: Array) -> None:
        """The 16 results of each tile, where they belong in the samples of `out`."""
        by_place = results.reshape(4, 4, len(out), self.down, self.across, self.geo.features)
        for i, j, part in _places(out):
            part[...] = by_place[i, j, :, : part.shape[1], : part.shape[2]]

    def add_up(self, read: Array, out: Array) -> None:
        """The adjoint of reading tiles: the 36 numbers of each added where it reads them in the samples of `out`."""
        count, channels = len(out), self.geo.channels
        tiles = read.reshape(6, 6, count, self.down, self.across, channels).transpose(2, 3, 0, 4, 1, 5)
        # Along each axis a tile lies in its own four places and in the first two of the next.
        padded = self.rooms.setdefault("padded", Room(self.dtype)).of(
            (count, self.down + 1, 4, self.across + 1, 4, channels)
        )
        padded[:, :-1, :, :-1] = tiles[:, :, :4, :, :4]
        padded[:, -1] = 0
        padded[:, :, :, -1] = 0
        padded[:, 1:, :2, :-1] += tiles[:, :, 4:, :, :4]
        padded[:, :-1, :, 1:, :2] += tiles[:, :, :4, :, 4:]
        padded[:, 1:, :2, 1:, :2] += tiles[:, :, 4:, :, 4:]
        (top, _), (left, _) = self.geo.padding
        height, width = self.geo.length
        whole = padded.reshape(count, 4 * self.down + 4, 4 * self.across + 4, channels)
        out[...] = whole[:, top : top + height, left : left + width]


def _places(image: Array) -> Iterator[tuple[int, int, Array]]:
    """For each place in a tile, what an image (n, h, v, channels) has there, a tile after the other. Views."""
    for i, j in itertools.product(range(4), range(4)):
        yield i, j, image[:, i::4, j::4]
