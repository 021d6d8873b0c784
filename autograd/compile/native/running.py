"""Running: sums, products and recurrences along an axis, in C for eager code.

One idea: each element waits for the one before it, so NumPy spends an addition's delay on every one; rows do not wait
for each other, so eight of them go side by side, and what lies behind the axis goes in vectors. Sums and products have
the order of NumPy in double, and its bits. A recurrence goes on in double too, so that a number too large for a float
does not make those after it infinite. Read `across.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

from ...backend import Array, host
from ...ops.products import _recurrence, cumprod, cumsum
from ...primitive import Primitive
from ...shapes import normalize_axis
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__: list[str] = []

_WORTH = 1 << 12  # numbers that are worth a call
_CHUNK = 256  # columns that a part has at most at once

_STEPS = {"sum": "y + x", "product": "y * x", "recurrence": "a * y + x"}

# p: x, the results, and the weights of a recurrence, which lie between an element and the one in front of it. n: parts,
# the lengths before, along and behind the axis, and whether it is walked from its end.
_SOURCE = """\
static inline SUM step_NAME_@(T x, SUM y, T a) { return STEP; }
static void rows_NAME_@(int part, char **p, const double *n) {
  enum { lanes = 8 };
  const long parts = n[0], rows = n[1], along = n[2], last = rows * (part + 1) / parts;
  const long first = n[4] ? along - 1 : 0, step = n[4] ? -1 : 1, between = n[4] ? 1 : 0;
  const T *x = (const T *)p[0], *a = (const T *)p[2];
  T *y = (T *)p[1];
  for (long r = rows * part / parts, many; r < last; r += many) {
    many = last - r < lanes ? last - r : lanes;
    const T *from = x + r * along + first, *weights = a + r * along + first + between;
    T *to = y + r * along + first;
    SUM at[lanes];
    for (long k = 0; k < many; k++) to[k * along] = at[k] = from[k * along];
    if (many == lanes)
      for (long i = 1, j = step; i < along; i++, j += step)
        for (int k = 0; k < lanes; k++)
          to[k * along + j] = at[k] = step_NAME_@(from[k * along + j], at[k], WEIGHT[k * along + j]);
    else
      for (long k = 0; k < many; k++)
        for (long i = 1, j = step; i < along; i++, j += step)
          to[k * along + j] = at[k] = step_NAME_@(from[k * along + j], at[k], WEIGHT[k * along + j]);
  }
}
static void columns_NAME_@(int part, char **p, const double *n) {
  const long parts = n[0], before = n[1], along = n[2], behind = n[3], chunks = (behind + CHUNK - 1) / CHUNK;
  const long first = n[4] ? along - 1 : 0, step = n[4] ? -behind : behind, between = n[4] ? behind : 0;
  for (long t = before * chunks * part / parts; t < before * chunks * (part + 1) / parts; t++) {
    const long left = t % chunks * CHUNK, width = behind - left < CHUNK ? behind - left : CHUNK;
    const long start = (t / chunks * along + first) * behind + left;
    const T *from = (const T *)p[0] + start, *weights = (const T *)p[2] + start + between;
    T *to = (T *)p[1] + start;
    SUM at[CHUNK];  // what stands in the result too, where that holds it
    const int apart = sizeof(SUM) > sizeof(T);
    memcpy(to, from, width * sizeof(T));
    for (long c = 0; apart && c < width; c++) at[c] = from[c];
    for (long i = 1; i < along; i++) {
      from += step; weights += step; to += step;
      const T *restrict now = from, *restrict earlier = to - step, *restrict a = weights;
      T *restrict out = to;
      if (apart) for (long c = 0; c < width; c++) out[c] = at[c] = step_NAME_@(now[c], at[c], WEIGHT_HERE[c]);
      else for (long c = 0; c < width; c++) out[c] = step_NAME_@(now[c], earlier[c], WEIGHT_HERE[c]);
    }
  }
}
void all_NAME_@(int parts, char **p, const double *n) { run(n[3] == 1 ? rows_NAME_@ : columns_NAME_@, parts, p, n); }"""


def _running(kind: str, x: Array, weights: Array, axis: int, reverse: bool) -> Array | None:
    """The running sums or products of x, or its recurrence; None where NumPy has to do it.

    It does few numbers, other ones than floats and doubles, and all where there is no compiler.
    """
    fits = type(x) is type(weights) is host.ndarray and x.shape == weights.shape and x.dtype == weights.dtype
    if not fits or x.size < _WORTH or x.dtype not in ENDINGS or not has_c():
        return None
    library = _library()
    if library is None:
        return None
    axis = normalize_axis(axis, x.ndim)
    before, along, behind = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    x, weights = host.ascontiguousarray(x), host.ascontiguousarray(weights)
    out = host.empty(x.shape, x.dtype)
    parts = parts_of(4 * x.size, -(-before // 8) if behind == 1 else before * -(-behind // _CHUNK))
    numbers = (ctypes.c_double * 5)(parts, before, along, behind, reverse)
    getattr(library, f"all_{kind}_{ENDINGS[x.dtype]}")(parts, pointers(x, out, weights), numbers)
    return out


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [
        filled(_SOURCE.replace("STEP", step).replace("NAME", kind).replace("CHUNK", str(_CHUNK)), dtype)
        .replace("WEIGHT_HERE", "a" if "a" in step else "now")
        .replace("WEIGHT", "weights" if "a" in step else "from")
        .replace("SUM", TYPES[dtype][0] if kind == "product" else "double")
        for kind, step in _STEPS.items()
        for dtype in TYPES
    ]
    names = [f"all_{kind}_{ending}" for kind in _STEPS for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, *texts]), names)


def _quicken(primitive: Primitive[Any], kind: str) -> None:
    """Let a primitive of x, or of x and weights, do large arrays so."""
    forward = primitive.forward

    def forward_or_c(xp: Any, x: Any, *given: Any, axis: int | None = None, reverse: bool = False) -> Any:
        if type(x) is host.ndarray and x.size >= _WORTH and (axis is not None or x.ndim == 1):
            made = _running(kind, x, given[0] if given else x, axis or 0, reverse)
            if made is not None:
                return made
        options = {"reverse": reverse} if "reverse" in primitive.options else {}
        return forward(xp, x, *given, axis=axis, **options)

    primitive.forward = forward_or_c


_quicken(cumsum, "sum")
_quicken(cumprod, "product")
_quicken(_recurrence, "recurrence")
