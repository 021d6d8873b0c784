"""The rows of x that a block of windows reads, with zeros where they reach over its border.

One idea: a padded copy of all of x would be written to memory and read back; a block at a time it stays in the cache.
Read `columns.py` next.
"""

from __future__ import annotations

from ..backend import Array, host
from .geometry import Geometry, Pair

__all__ = ["Block", "rows_of"]

Block = tuple[slice, slice]  # samples, and rows of windows


def rows_of(x: Array, block: Block, geo: Geometry) -> Array:
    """What the windows of a block read of x, (n, rows, padded W, C): a view where there is no border, else a copy."""
    samples, rows = block
    (top, _), (left, right) = geo.padding
    first = rows.start * geo.stride[0] - top
    stop = (rows.stop - 1) * geo.stride[0] + geo.spans[0] - top
    low, high = _inside(first, stop, geo.length[0])
    begin, end = _inside(-left, geo.length[1] + right, geo.length[1])
    inner = x[samples, low:high, begin:end]
    shape = (inner.shape[0], stop - first, geo.padded[1], inner.shape[3])
    if inner.shape == shape:
        return inner
    out = host.empty(shape, x.dtype)
    down, across = low - first, begin + left
    out[:, :down] = 0
    out[:, down + high - low :] = 0
    out[:, :, :across] = 0
    out[:, :, across + end - begin :] = 0
    out[:, down : down + high - low, across : across + end - begin] = inner
    return out


def _inside(start: int, stop: int, length: int) -> Pair:
    """The part of start:stop that lies in an axis of this length."""
    low = min(max(start, 0), length)
    return low, max(min(stop, length), low)
