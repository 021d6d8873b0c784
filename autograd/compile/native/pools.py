"""Pools: the largest number of each window, and the sum, in C for eager code, of any number of windows and channels.

One idea: one pass finds the largest number and its place, where NumPy reads everything twice for each place of a
window; the gradient then needs the places alone. A mean divides the sums of an image while it is in the cache.
Read `cut_parts.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import math
import re
from typing import Any

from ...backend import Array, host
from ...pooling import Geometry, Pair, geometry
from . import pooling
from .addresses import pointers
from .any_length import LARGE, has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__ = ["largest_and_places", "put", "spread", "sums", "takes", "takes_planes"]

_MOST = 255  # places of a window that a byte can tell apart

# p: what is read, places or room for what is divided, what is written, a record of lengths. n: parts, samples, and of
# `put` whether windows lie apart and cover everything, or by what is divided.
_PARTS = """\
static void KIND_all_NAME_part_@(int part, char **p, const double *n) {
  const long parts = n[0], batch = n[1], from = batch * part / parts, to = batch * (part + 1) / parts;
  const T *x = (const T *)p[0];
  unsigned char *places = (unsigned char *)p[1];
  T *out = (T *)p[2];
  const pool_t *g = (const pool_t *)p[3];
  CALL
}
void KIND_all_NAME_@(int parts, char **p, const double *n) { run(KIND_all_NAME_part_@, parts, p, n); }
"""

# Some samples at a time, so that what is divided is in the cache.
_SUMS = """\
const T by = n[2];
  const long size = g->oh * g->ow * g->c, some = size < 4096 ? 4096 / size : 1;
  for (long b = from; b < to; b += some) {
    const long end = b + some < to ? b + some : to;
    DO
  }"""
_DIVIDED = '_Pragma("omp simd") for (long i = b * size; i < end * size; i++)'
_CALLS = {
    "places": "KIND_places_@(x, places, out, from, to, g);",
    "put": "KIND_put_@(x, places, out, n[2], n[3], from, to, g);",
    "sum": _SUMS.replace("DO", f"KIND_sum_@(x, out, b, end, g);\n    if (by != 1) {_DIVIDED} out[i] /= by;"),
    "spread": _SUMS.replace(
        "DO",
        f"T *of_x = (T *)p[1];\n    if (by != 1) {_DIVIDED} of_x[i] = x[i] / by;\n"
        "    KIND_spread_@(by != 1 ? of_x : x, out, b, end, g);",
    ),
}
_ALL = [(kind, name) for kind, texts in pooling.TEXTS.items() for name in texts if name in _CALLS]


def _source() -> str:
    texts = [pooling.GEOMETRY]
    for dtype in TYPES:
        for kind, name in _ALL:
            call = _PARTS.replace("CALL", _CALLS[name]).replace("KIND", kind).replace("NAME", name)
            text = re.sub(r"\bK\b", "unsigned char", pooling.TEXTS[kind][name])
            texts.append(filled(text + "\n" + call, dtype))
    return "\n".join([HEADER, SETUP, *texts])


def takes(x: Array, size: Pair = (1, 1)) -> bool:
    """Whether C does this pooling of x (N, H, W, C); `size` is that of a window whose places are told apart."""
    known = x.dtype in ENDINGS and math.prod(size) <= _MOST
    return known and x.size >= LARGE and has_c() and _library() is not None


def takes_planes(x: Array, **options: Any) -> bool:
    """Whether C finds maxima of x (N, C, H, W) as fast where they lie, as of (N * C, H, W, 1)."""
    return takes(x, options["size"]) and pooling.are_fast_in_planes(x.shape[3], **options)


def largest_and_places(x: Array, **options: Any) -> tuple[Array, Array]:
    """The largest number of each window, and its place: of x (N, H, W, C), packed, two arrays (N, H', W', C)."""
    geo = geometry(x.shape[1:3], **options)
    shape = (x.shape[0], *geo.counts, x.shape[3])
    out, places = host.empty(shape, x.dtype), host.empty(shape, "uint8")
    _run("places", (x, places, out), geo, options)
    return out, places


def put(g: Array, places: Array, *, length: Pair, **options: Any) -> Array:
    """Each number of g (N, H', W', C), packed, at its place of its window, added up: (N, *length, C)."""
    geo = geometry(length, **options)
    out = host.empty((g.shape[0], *length, g.shape[3]), g.dtype)
    _run("put", (g, places, out), geo, options, (geo.apart, geo.covered))
    return out


def sums(x: Array, by: float, **options: Any) -> Array:
    """The sum of each window, divided `by` a number: of x (N, H, W, C), packed, an array (N, H', W', C)."""
    geo = geometry(x.shape[1:3], **options)
    out = host.empty((x.shape[0], *geo.counts, x.shape[3]), x.dtype)
    _run("sum", (x, out, out), geo, options, (by, 0))
    return out


def spread(g: Array, by: float, *, length: Pair, **options: Any) -> Array:
    """Each number of g (N, H', W', C), packed, divided, at all places of its window, added up: (N, *length, C)."""
    geo = geometry(length, **options)
    out = host.empty((g.shape[0], *length, g.shape[3]), g.dtype)
    _run("spread", (g, g if by == 1 else host.empty_like(g), out), geo, options, (by, 0))
    return out


def _run(
    name: str,
    arrays: tuple[Array, Array, Array],
    geo: Geometry,
    options: dict[str, Any],
    told: tuple[float, float] = (0, 0),
) -> None:
    batch, channels = len(arrays[0]), arrays[0].shape[3]
    parts = parts_of(math.prod(options["size"]) * max(array.size for array in arrays), batch)
    way = pooling.kind_of(name, channels, **options)
    lengths = pooling.numbers_of(way, geo.length, channels, geo.counts, **options)
    record = (ctypes.c_long * len(lengths))(*lengths)
    function = getattr(_library(), f"{way}_all_{name}_{ENDINGS[arrays[0].dtype]}")
    function(parts, pointers(*arrays, record), (ctypes.c_double * 4)(parts, batch, *told))


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    endings = [ending for _, _, ending in TYPES.values()]
    return in_pool(_source(), [f"{kind}_all_{name}_{ending}" for kind, name in _ALL for ending in endings])
