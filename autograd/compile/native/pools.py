"""Pools: the largest number of each window in C for eager code, of any number of windows and channels.

One idea: one pass finds the largest number and its place, where NumPy reads everything twice for each place of a
window; the gradient then needs the places alone. Read `ordered.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

from ...backend import Array, host
from ...pooling import Geometry, Pair, Sides, are_beside, geometry
from . import pooling
from .any_length import LARGE, has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import TYPES, filled
from .threads import in_pool

__all__ = ["largest_and_places", "put", "takes"]

_MOST = 255  # places of a window that a byte can tell apart

# p: what is read, places, what is written, a record of lengths. n: parts, samples, and of `put` whether windows lie
# apart and cover everything.
_PARTS = """\
static void KIND_largest_part_@(int part, char **p, const double *n) {
  const long parts = n[0], batch = n[1];
  KIND_places_@((const T *)p[0], (unsigned char *)p[1], (T *)p[2], batch * part / parts, batch * (part + 1) / parts,
                (const pool_t *)p[3]);
}
void KIND_all_largest_@(int parts, char **p, const double *n) { run(KIND_largest_part_@, parts, p, n); }
static void KIND_put_part_@(int part, char **p, const double *n) {
  const long parts = n[0], batch = n[1];
  KIND_put_@((const T *)p[0], (const unsigned char *)p[1], (T *)p[2], n[2], n[3], batch * part / parts,
             batch * (part + 1) / parts, (const pool_t *)p[3]);
}
void KIND_all_put_@(int parts, char **p, const double *n) { run(KIND_put_part_@, parts, p, n); }
"""


def _source() -> str:
    texts = [pooling.GEOMETRY]
    for dtype in TYPES:
        own = {"pool": (pooling.PLACES, pooling.PUT), "beside": (pooling.BESIDE["places"], pooling.BESIDE["put"])}
        for kind, functions in own.items():
            for text in (*functions, _PARTS.replace("KIND", kind)):
                texts.append(filled(text.replace("K *", "unsigned char *"), dtype))
    return "\n".join([HEADER, SETUP, *texts])


def takes(x: Array, size: Pair) -> bool:
    """Whether C does this pooling of x (N, H, W, C)."""
    known = str(x.dtype) in TYPES and x.dtype.isnative and math.prod(size) <= _MOST
    return known and x.size >= LARGE and has_c() and _library() is not None


def largest_and_places(x: Array, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> tuple[Array, Array]:
    """The largest number of each window, and its place: of x (N, H, W, C), packed, two arrays (N, H', W', C)."""
    geo = geometry(x.shape[1:3], size, stride, padding, dilation)
    shape = (x.shape[0], *geo.counts, x.shape[3])
    out, places = host.empty(shape, x.dtype), host.empty(shape, "uint8")
    _run("largest", (x, places, out), x.shape[3], geo, size, stride, padding, dilation)
    return out, places


def put(g: Array, places: Array, *, length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """Each number of g (N, H', W', C), packed, at its place of its window, added up: (N, *length, C)."""
    geo = geometry(length, size, stride, padding, dilation)
    out = host.empty((g.shape[0], *length, g.shape[3]), g.dtype)
    _run("put", (g, places, out), g.shape[3], geo, size, stride, padding, dilation)
    return out


def _run(
    name: str,
    arrays: tuple[Array, Array, Array],
    channels: int,
    geo: Geometry,
    size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
) -> None:
    batch = len(arrays[0])
    parts = parts_of(math.prod(size) * max(array.size for array in arrays), batch)
    lengths = (*geo.length, channels, *size, *geo.counts, *stride, padding[0][0], padding[1][0], *dilation)
    record = (ctypes.c_long * len(lengths))(*lengths)
    addresses = [array.__array_interface__["data"][0] for array in arrays]
    pointers = (ctypes.c_void_p * 4)(*addresses, ctypes.addressof(record))
    numbers = (ctypes.c_double * 4)(parts, batch, geo.apart, geo.covered)
    kind = "beside" if channels == 1 and are_beside(size, stride, padding, dilation) else "pool"
    getattr(_library(), f"{kind}_all_{name}_{TYPES[str(arrays[0].dtype)][2]}")(parts, pointers, numbers)


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    endings = [ending for _, _, ending in TYPES.values()]
    names = [f"{kind}_all_{name}" for kind in ("pool", "beside") for name in ("largest", "put")]
    return in_pool(_source(), [f"{name}_{ending}" for name in names for ending in endings])
