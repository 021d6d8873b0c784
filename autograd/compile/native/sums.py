"""Sums: an array added up over axes in front of others, or over long last ones, in C for eager code.

One idea: a few rows at a time are added in vectors, and what they give in double. So memory is read once, and no sum
loses what NumPy's loses, which adds one row after the other. Read `spread.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from ...backend import Array, host
from ...ops import short_rows
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

_WORTH = 1 << 15  # numbers that are worth a call
_LANES = 256  # sums that are made side by side: longer rows NumPy adds as fast
_FEW = 32  # rows that are added one after the other
_SHORT = 128  # elements of a last axis at most that a product with ones adds up as fast

# p: x and the sums. n: parts, and the lengths before, along and behind the axes that are summed over.
_SOURCE = """\
static T row_@(const T *x, long length) {
  enum { lanes = 32, block = 1024 };
  double total = 0;
  for (; length > 0; length -= block, x += block) {
    const long many = length < block ? length : block;
    T sums[lanes] = {0};
    long i = 0;
    for (; i + lanes <= many; i += lanes)
      for (int k = 0; k < lanes; k++) sums[k] += x[i + k];
    for (int k = 0; i + k < many; k++) sums[k] += x[i + k];
    for (int half = lanes / 2; half; half /= 2)
      for (int k = 0; k < half; k++) sums[k] += sums[k + half];
    total += sums[0];
  }
  return total;
}
// The sums of rows of `width` numbers, which begin `step` apart.
static inline void few_rows_@(const T *restrict x, long rows, long width, long step, T *restrict sums) {
  for (long c = 0; c < width; c++) sums[c] = x[c];
  for (long r = 1; r < rows; r++)
    for (long c = 0; c < width; c++) sums[c] += x[r * step + c];
}
static void rows_@(const T *x, long rows, long width, long step, double *totals) {
  T sums[LANES];
  for (; rows > 0; rows -= FEW, x += FEW * step) {
    few_rows_@(x, rows < FEW ? rows : FEW, width, step, sums);
    for (long c = 0; c < width; c++) totals[c] += sums[c];
  }
}
static void part_@(int part, char **p, const double *n) {
  const long parts = n[0], before = n[1], along = n[2], behind = n[3];
  const long beside = LANES / behind;  // rows that count as one, as long as there are enough
  for (long t = before * part / parts; t < before * (part + 1) / parts; t++) {
    const T *x = (const T *)p[0] + t * along * behind;
    T *out = (T *)p[1] + t * behind;
    if (behind == 1) *out = row_@(x, along);
    else if (along <= FEW) few_rows_@(x, along, behind, behind, out);
    else {
      double totals[LANES] = {0};
      rows_@(x, along / beside, beside * behind, beside * behind, totals);
      rows_@(x + along / beside * beside * behind, along % beside, behind, behind, totals);
      for (long k = 1; k < beside; k++)
        for (long c = 0; c < behind; c++) totals[c] += totals[k * behind + c];
      for (long c = 0; c < behind; c++) out[c] = totals[c];
    }
  }
}
void all_@(int parts, char **p, const double *n) { run(part_@, parts, p, n); }"""


def _in_c(x: Array, before: int, along: int, behind: int) -> Array | None:
    """The sums of an array in order, of (before, along, behind), along the middle; None where NumPy is to make them."""
    if x.size < _WORTH or behind > _LANES or (behind == 1 and along <= _SHORT) or x.dtype not in ENDINGS or not has_c():
        return None
    library = _library()
    if library is None:
        return None
    out = host.empty(before * behind, x.dtype)
    parts = parts_of(2 * x.size, before)
    getattr(library, f"all_{ENDINGS[x.dtype]}")(
        parts, pointers(x, out), (ctypes.c_double * 4)(parts, before, along, behind)
    )
    return out


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [filled(_SOURCE.replace("LANES", str(_LANES)).replace("FEW", str(_FEW)), dtype) for dtype in TYPES]
    return in_pool("\n".join([HEADER, SETUP, *texts]), [f"all_{ending}" for _, _, ending in TYPES.values()])


short_rows.ways_to_sum.append(_in_c)
