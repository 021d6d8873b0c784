"""Images: convolution in C for eager code, of any number of samples, pixels and channels.

One idea: the texts of compiled steps take all lengths from a record, so one library serves every convolution of
its kind, and a call hands it the record. Where there is no compiler NumPy does
it, as it does what is small. Read `pools.py` next, which does the same for windows.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

from ...backend import Array, host
from ...convolution import Geometry
from ...shapes import Shape
from . import convolution, pointwise
from .addresses import data_address
from .any_length import LARGE, has_c
from .ordered import in_order
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool
from .ways import WAYS, reads_lying, way_of

__all__ = ["convolve", "convolve_input", "convolve_weight", "laid", "takes"]

# p: the two arrays, the result, room to work in, a record of lengths, and a bias or 0. n: see each.
_PARTS = """\
static void WAY_part_NAME_@(int part, char **p, const double *n) {
  WAY_NAME_@((const T *)p[0], (const T *)p[1], (T *)p[2], (T *)p[3], part, (const WAY_t *)p[4]);
}
void WAY_NAME_all_@(int parts, char **p, const double *n) {
  PACK
  run(WAY_part_NAME_@, parts, p, n);
}"""
_PACK = "WAY_pack_NAME_@((const T *)p[1], (const T *)p[5], (T *)p[3], (const WAY_t *)p[4]);"
_BLOCKS = """\
void blocks_convolve_all_@(int samples, char **p, const double *n) {
  convolve_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
}
void blocks_convolve_input_all_@(int samples, char **p, const double *n) {
  convolve_input_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
}
void blocks_convolve_weight_all_@(int samples, char **p, const double *n) {
  convolve_weight_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
}
"""
_POINT = """\
void point_convolve_all_@(int samples, char **p, const double *n) {
  point_convolve_@((T *)p[0], (T *)p[1], (T *)p[2], (point_t *)p[4]);
}
void point_convolve_input_all_@(int samples, char **p, const double *n) {
  point_convolve_input_@((T *)p[0], (T *)p[1], (T *)p[2], (point_t *)p[4]);
}
void point_convolve_weight_all_@(int samples, char **p, const double *n) {
  point_convolve_weight_@((T *)p[0], (T *)p[1], (T *)p[2], (point_t *)p[4]);
}
"""
_FINISH = """\
// n: parts, rows of the result, their length, and whether ReLU follows.
static void finish_part_@(int part, char **p, const double *n) {
  const T *bias = (T *)p[5];
  const long parts = n[0], rows = n[1], width = n[2];
  for (long i = rows * part / parts; i < rows * (part + 1) / parts; i++) {
    T *y = (T *)p[2] + i * width;
    if (bias) for (long c = 0; c < width; c++) y[c] += bias[c];
    if (n[3]) for (long c = 0; c < width; c++) y[c] = y[c] < 0 ? 0 : y[c];  // NaN stays
  }
}
void finish_@(int parts, char **p, const double *n) { run(finish_part_@, parts, p, n); }
"""


def _source(way: str) -> str:
    texts = []
    for dtype in _dtypes(way):
        if way in WAYS:
            texts += [filled(text, dtype) for found in WAYS[way].functions.values() for text in found]
            for name in convolution.FUNCTIONS:
                parts = _PARTS.replace("PACK", _PACK if name in WAYS[way].packs else "")
                parts = parts.replace("WAY_t", WAYS[way].record).replace("WAY", way).replace("NAME", name)
                texts.append(filled(parts, dtype))
        else:
            functions, calls = (pointwise.FUNCTIONS, _POINT) if way == "point" else (convolution.FUNCTIONS, _BLOCKS)
            texts += [filled(text, dtype) for found in functions.values() for text in found]
            texts.append(filled(calls, dtype))
        texts.append(filled(_FINISH, dtype))
    return "\n".join([HEADER, SETUP, *dict.fromkeys(texts), ""])


def _dtypes(way: str) -> list[str]:
    return ["float32"] if way == "wino" else list(TYPES)


def takes(name: str, geo: Geometry, *arrays: Array) -> bool:
    """Whether C does "convolve", or a gradient of it, of such arrays, which lie in order, or as `laid` has them."""
    dtype, *others = [array.dtype for array in arrays]
    known = dtype in ENDINGS and all(other == dtype for other in others)
    large = math.prod(geo.out_shape) >= LARGE and not geo.is_empty
    return known and large and has_c() and _library(_way(name, geo, *arrays)) is not None


def laid(x: Array, geo: Geometry, *names: str) -> Array:
    """An image (N, H, W, C), packed; as it lies with its channels in axis 1 where all that reads it, by name, can."""
    if x.flags.c_contiguous:
        return x
    planes = x.size >= LARGE and has_c() and x.dtype in ENDINGS and x.transpose(0, 3, 1, 2).flags.c_contiguous
    known = planes and not geo.is_empty and all(reads_lying(way_of(name, geo, x.dtype), geo) for name in names)
    return x if known else in_order(x)


def convolve(
    x: Array, w: Array, geo: Geometry, bias: Array | None = None, relu: bool = False, out: Array | None = None
) -> Array:
    """The result, (N, H', W', O), with the bias added, then ReLU; written into `out` where that is given."""
    return _call("convolve", x, w, geo, geo.out_shape, out, bias, relu)


def convolve_input(y: Array, w: Array, geo: Geometry, bias: Array | None = None, out: Array | None = None) -> Array:
    """The adjoint in x, (N, H, W, C), with a bias added; written into `out` where that is given."""
    return _call("convolve_input", y, w, geo, geo.x_shape, out, bias)


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, C)."""
    if geo.is_depthwise and x.flags.c_contiguous != y.flags.c_contiguous:
        x, y = in_order(x), in_order(y)
    return _call("convolve_weight", x, y, geo, geo.w_shape)


def _call(
    name: str,
    a: Array,
    b: Array,
    geo: Geometry,
    shape: Shape,
    out: Array | None = None,
    bias: Array | None = None,
    relu: bool = False,
) -> Array:
    way = _way(name, geo, a, b)
    library = _library(way)
    lies = not a.flags.c_contiguous, name == "convolve_weight" and not b.flags.c_contiguous
    work = WAYS[way].planned(name, geo, a.itemsize, lies) if way in WAYS else None
    bias = None if bias is None else host.ascontiguousarray(bias)
    if out is None and way == "plane" and name != "convolve_weight":
        out = host.empty([shape[axis] for axis in (0, 3, 1, 2)], a.dtype).transpose(0, 2, 3, 1)
    elif out is None:
        out = host.empty(shape if work is None or work.sums == 1 else (work.sums, *shape), a.dtype)
    if way == "point":
        numbers = pointwise.lengths_of(name, geo, *lies)
        _run(getattr(library, f"point_{name}_all_{_ending(a)}"), geo.batch, [a, b, out, None], numbers)
    elif work is None:
        numbers, size = convolution.lengths_of(geo, a.itemsize)
        room = host.empty(size, a.dtype)
        _run(getattr(library, f"blocks_{name}_all_{_ending(a)}"), geo.batch, [a, b, out, room], numbers)
    else:
        packs, room = name in WAYS[way].packs, host.empty(work.room, a.dtype)
        given = bias if packs else None
        _run(getattr(library, f"{way}_{name}_all_{_ending(a)}"), work.parts, [a, b, out, room, given], work.numbers)
        bias = None if packs else bias
        if work.sums > 1:
            return out.sum(axis=0)
    if bias is not None or relu:
        _finish(out, bias, relu, library)
    return out


def _finish(out: Array, bias: Array | None, relu: bool, library: Any) -> None:
    """Add the bias, then ReLU, in place."""
    width = out.shape[-1]
    rows = out.size // width
    parts = parts_of(2 * out.size, rows)
    pointers = (ctypes.c_void_p * 6)()
    pointers[2] = data_address(out)
    if bias is not None:
        pointers[5] = data_address(bias)
    getattr(library, f"finish_{_ending(out)}")(parts, pointers, (ctypes.c_double * 4)(parts, rows, width, relu))


def _run(function: Any, count: int, arrays: list[Array | None], numbers: tuple[int, ...]) -> None:
    """Call it with the arrays, of which the fifth is a bias; what is None is address 0."""
    addresses = [None if array is None else data_address(array) for array in arrays]
    lengths = (ctypes.c_long * len(numbers))(*numbers)
    pointers = (ctypes.c_void_p * 6)(*addresses[:4], ctypes.addressof(lengths), *addresses[4:])
    function(count, pointers, None)


def _ending(array: Array) -> str:
    return ENDINGS[array.dtype]


def _way(name: str, geo: Geometry, a: Array, *others: Array) -> str:
    """How it is done: what is convolved channel by channel stays as it lies, see `laid`."""
    return "plane" if geo.is_depthwise and not a.flags.c_contiguous else way_of(name, geo, a.dtype)


@functools.cache
def _library(way: str) -> Any:
    """The library of a way to convolve; None where it cannot be had."""
    names = ["finish", *(f"{way}_{name}_all" for name in convolution.FUNCTIONS)]
    return in_pool(_source(way), [f"{name}_{TYPES[dtype][2]}" for dtype in _dtypes(way) for name in names])
