"""Images: convolution in C for eager code, of any number of samples, pixels and channels.

One idea: the texts of compiled steps take all lengths from a record, so one library serves every convolution (a second
one those of groups side by side, which few need), and a call hands it the record. Where there is no compiler NumPy does
it, as it does what is small. Read `many.py` next, which does the same for stacks of products.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

from ...backend import Array, host
from ...convolution import Geometry
from ...shapes import Shape
from . import convolution, depthwise, winograd
from .eager import LARGE, has_c
from .library import blas, load
from .parts import parts_of
from .shares import Work
from .source import HEADER
from .template import TYPES, filled
from .threads import runner

__all__ = ["convolve", "convolve_input", "convolve_weight", "takes"]

# p: the two arrays, the result, room to work in, a record of lengths, and a bias or 0. n: see each.
_PARTS = """\
static void WAY_part_NAME_@(int part, char **p, const double *n) {
  WAY_NAME_@((const T *)p[0], (const T *)p[1], (T *)p[2], (T *)p[3], part, (const WAY_t *)p[4]);
}
void parts_WAY_NAME_@(int parts, char **p, const double *n) { run(WAY_part_NAME_@, parts, p, n); }"""
_BLOCKS = """\
void blocks_convolve_@(int samples, char **p, const double *n) {
  convolve_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
}
void blocks_convolve_input_@(int samples, char **p, const double *n) {
  convolve_input_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
}
void blocks_convolve_weight_@(int samples, char **p, const double *n) {
  convolve_weight_@((T *)p[0], (T *)p[1], (T *)p[2], (T *)p[3], 0, samples, (conv_t *)p[4]);
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
_SETUP = """\
void setup(void *s, void *d, void *r) { sgemm = (sgemm_t *)s; dgemm = (dgemm_t *)d; pool = (run_t *)r; }
"""


def _source(side_by_side: bool) -> str:
    texts = ["static sgemm_t *sgemm;", "static dgemm_t *dgemm;"]
    for dtype in TYPES:
        for way, functions in _ways(side_by_side, dtype).items():
            texts += [filled(text, dtype) for found in functions.values() for text in found]
            texts += [filled(_PARTS.replace("WAY", way).replace("NAME", name), dtype) for name in functions]
        if not side_by_side:
            texts += [filled(text, dtype) for found in convolution.FUNCTIONS.values() for text in found]
            texts.append(filled(_BLOCKS, dtype))
        texts.append(filled(_FINISH, dtype))
    return "\n".join([HEADER, *dict.fromkeys(texts), _SETUP])


def _ways(side_by_side: bool, dtype: str) -> dict[str, dict[str, tuple[str, ...]]]:
    """The ways that are shared by parts, with their functions."""
    if side_by_side:
        return {"side": depthwise.FUNCTIONS}
    return {"wino": winograd.FUNCTIONS} if dtype == "float32" else {}


def takes(geo: Geometry, *arrays: Array) -> bool:
    """Whether C does this convolution of these arrays, which have their channels last and lie in order without gaps."""
    kinds = {str(array.dtype) for array in arrays}
    known = len(kinds) == 1 and kinds <= TYPES.keys()
    large = math.prod(geo.out_shape) >= LARGE and not geo.is_empty
    return known and large and has_c() and _library(depthwise.pays(geo)) is not None


def convolve(x: Array, w: Array, geo: Geometry, bias: Array | None, relu: bool) -> Array:
    """The result, (N, H', W', O), with the bias added, then ReLU."""
    out = _call("convolve", x, w, geo, geo.out_shape)
    if bias is not None or relu:
        _finish(out, bias, relu, depthwise.pays(geo))
    return out


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C)."""
    return _call("convolve_input", y, w, geo, geo.x_shape)


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, kh, kw, C)."""
    return _call("convolve_weight", x, y, geo, geo.w_shape)


def _call(name: str, a: Array, b: Array, geo: Geometry, shape: Shape) -> Array:
    if a.dtype.char == "f" and winograd.pays(geo):
        return _in_parts("wino", name, a, b, winograd.work_of(name, geo), shape)
    if depthwise.pays(geo):
        return _in_parts("side", name, a, b, depthwise.work_of(name, geo, a.itemsize), shape)
    numbers, size = convolution.lengths_of(geo, a.itemsize)
    out = host.empty(shape, a.dtype)
    arrays = [a, b, out, host.empty(size, a.dtype)] if size else [a, b, out]
    _run(f"blocks_{name}_{_ending(a)}", geo.batch, arrays, numbers)
    return out


def _in_parts(way: str, name: str, a: Array, b: Array, work: Work, shape: Shape) -> Array:
    out, room = host.empty((work.sums, *shape), a.dtype), host.empty(work.room, a.dtype)
    _run(f"parts_{way}_{name}_{_ending(a)}", work.parts, [a, b, out, room], work.numbers)
    return out[0] if work.sums == 1 else out.sum(axis=0)


def _finish(out: Array, bias: Array | None, relu: bool, side_by_side: bool) -> None:
    """Add the bias, then ReLU, in place."""
    width = out.shape[-1]
    rows = out.size // width
    parts = parts_of(2 * out.size, rows)
    pointers = (ctypes.c_void_p * 6)()
    pointers[2] = _address(out)
    if bias is not None:
        bias = host.ascontiguousarray(bias)
        pointers[5] = _address(bias)
    getattr(_library(side_by_side), f"finish_{_ending(out)}")(
        parts, pointers, (ctypes.c_double * 4)(parts, rows, width, relu)
    )


def _run(function: str, count: int, arrays: list[Array], numbers: tuple[int, ...]) -> None:
    pointers = (ctypes.c_void_p * 6)(*map(_address, arrays))
    lengths = (ctypes.c_long * len(numbers))(*numbers)
    pointers[4] = ctypes.addressof(lengths)
    getattr(_library(function.startswith("parts_side")), function)(count, pointers, None)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def _ending(array: Array) -> str:
    return TYPES[str(array.dtype)][2]


@functools.cache
def _library(side_by_side: bool) -> Any:
    """The library of groups side by side, or that of all else; None where it cannot be had."""
    found = blas()
    pool = 0 if found is None else runner(found)
    try:
        library = load(_source(side_by_side)) if pool else None
    except OSError:  # there is no folder to keep it in
        return None
    if found is None or library is None:
        return None
    library.setup(ctypes.c_void_p(found.single), ctypes.c_void_p(found.double), ctypes.c_void_p(pool))
    names = []
    for dtype, (_, _, ending) in TYPES.items():
        for way, functions in _ways(side_by_side, dtype).items():
            names += [f"parts_{way}_{name}_{ending}" for name in functions]
        names += [f"finish_{ending}"] if side_by_side else [f"finish_{ending}", *_blocks(ending)]
    for name in names:
        getattr(library, name).argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    return library


def _blocks(ending: str) -> list[str]:
    return [f"blocks_{name}_{ending}" for name in convolution.FUNCTIONS]
