"""Images: Winograd's convolution in C for eager code, of any number of samples, pixels and channels.

One idea: the texts of compiled steps take all lengths from a record, so one library serves every convolution, and a
call hands it the record. Where there is no compiler, and where tiles do not pay, NumPy does it. Read `winograd.py`
first, and `many.py` next, which does the same for stacks of products.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

from ...backend import Array, host
from ...convolution import Geometry
from ...shapes import Shape
from .eager import LARGE, has_c
from .library import blas, load
from .source import HEADER
from .template import filled
from .threads import runner
from .winograd import FUNCTIONS, pays, work_of

__all__ = ["convolve", "convolve_input", "convolve_weight", "takes"]

# p: the two arrays, the result, room to work in, a `wino_t`, and a bias or 0. n: whether ReLU follows.
_CALLS = """\
static void finish(float *y, const float *bias, int relu, long part, const wino_t *g) {
  const wino_share my = wino_shared(part, g->o, g);
  for (long i = my.from * g->oh * g->ow; i < my.to * g->oh * g->ow; i++) {
    float *to = y + i * g->o + my.first;
    if (bias) for (long c = 0; c < my.width; c++) to[c] += bias[my.first + c];
    if (relu) for (long c = 0; c < my.width; c++) to[c] = to[c] < 0 ? 0 : to[c];  // NaN stays
  }
}
#define CALL(name, end) \\
static void part_##name(int part, char **p, const double *n) { \\
  const wino_t *g = (const wino_t *)p[4]; \\
  wino_##name((const float *)p[0], (const float *)p[1], (float *)p[2], (float *)p[3], part, g); \\
  end \\
} \\
void all_##name(int parts, char **p, const double *n) { run(part_##name, parts, p, n); }
CALL(convolve, finish((float *)p[2], (const float *)p[5], n[0], part, g);)
CALL(convolve_input, )
CALL(convolve_weight, )
void setup(void *r) { pool = (run_t *)r; }
"""

_TEXTS = [*dict.fromkeys(text for texts in FUNCTIONS.values() for text in texts), _CALLS]
_SOURCE = "\n".join([HEADER, *(filled(text, "float32") for text in _TEXTS)])


def takes(geo: Geometry, *arrays: Array) -> bool:
    """Whether C does this convolution of these arrays, which have their channels last and lie in order without gaps."""
    single = all(array.dtype.char == "f" for array in arrays)
    return single and math.prod(geo.out_shape) >= LARGE and pays(geo) and has_c() and bool(_functions())


def convolve(x: Array, w: Array, geo: Geometry, bias: Array | None, relu: bool) -> Array:
    """The result, (N, H', W', O), with the bias added, then ReLU."""
    return _call("convolve", x, w, geo, geo.out_shape, bias, relu)


def convolve_input(y: Array, w: Array, geo: Geometry) -> Array:
    """The adjoint in x, (N, H, W, C)."""
    return _call("convolve_input", y, w, geo, geo.x_shape)


def convolve_weight(x: Array, y: Array, geo: Geometry) -> Array:
    """The adjoint in the weight, (O, 3, 3, C)."""
    return _call("convolve_weight", x, y, geo, geo.w_shape)


def _call(
    name: str, a: Array, b: Array, geo: Geometry, shape: Shape, bias: Array | None = None, relu: bool = False
) -> Array:
    work = work_of(name, geo)
    out, room = host.empty((work.sums, *shape), a.dtype), host.empty(work.room, a.dtype)
    numbers = (ctypes.c_long * len(work.numbers))(*work.numbers)
    pointers = (ctypes.c_void_p * 6)(*map(_address, (a, b, out, room)), ctypes.addressof(numbers))
    if bias is not None:
        bias = host.ascontiguousarray(bias)
        pointers[5] = _address(bias)
    _functions()[name](work.parts, pointers, (ctypes.c_double * 1)(relu))
    return out[0] if work.sums == 1 else out.sum(axis=0)


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


@functools.cache
def _functions() -> dict[str, Any]:
    """The C functions by name; none where they cannot be had."""
    found = blas()
    pool = 0 if found is None else runner(found)
    try:
        library = load(_SOURCE) if pool else None
    except OSError:  # there is no folder to keep it in
        library = None
    if library is None:
        return {}
    library.setup(ctypes.c_void_p(pool))
    functions = {name: getattr(library, f"all_{name}") for name in FUNCTIONS}
    for function in functions.values():
        function.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        function.restype = None
    return functions
