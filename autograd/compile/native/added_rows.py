"""Added rows: rows added up at their numbers, in C for eager code: the gradient of rows that were picked.

One idea: NumPy sorts the rows first, so that those of one number lie together. C adds each where it belongs, in the
order in which they come, and to the same bits. Read `running.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from ...backend import Array, host
from ...ops import index
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__ = ["added_rows"]

_WORTH = 1 << 10  # numbers that are worth a call
_STRIP = 128  # columns that a part has at least: shorter pieces of rows are read more slowly

# p: rows, their numbers, the sums, and those of short rows, which are added up in double. n: see `added_rows`.
_SOURCE = """\
static void long_part_@(int part, char **p, const double *n) {
  const long parts = n[0], given = n[1], count = n[2], columns = n[3];
  const long from = columns * part / parts, width = columns * (part + 1) / parts - from;
  const T *x = (const T *)p[0] + from;
  const long *at = (const long *)p[1];
  T *out = (T *)p[2] + from;
  for (long i = 0; i < count; i++) memset(out + i * columns, 0, width * sizeof(T));
  for (long i = 0; i < given; i++) {
    const T *restrict row = x + i * columns;
    T *restrict sum = out + at[i] * columns;
    for (long c = 0; c < width; c++) sum[c] += row[c];
  }
}
void long_@(int parts, char **p, const double *n) { run(long_part_@, parts, p, n); }

static inline void short_rows_@(const T *x, const long *at, double *sums, long given, long columns) {
  for (long i = 0; i < given; i++)
    for (long c = 0; c < columns; c++) sums[at[i] * columns + c] += x[i * columns + c];
}
void short_@(int parts, char **p, const double *n) {
  const long given = n[1], count = n[2], columns = n[3];
  const T *x = (const T *)p[0];
  const long *at = (const long *)p[1];
  T *out = (T *)p[2];
  double *sums = (double *)p[3];
  memset(sums, 0, count * columns * sizeof(double));
  if (columns == 1) short_rows_@(x, at, sums, given, 1);
  else if (columns == 2) short_rows_@(x, at, sums, given, 2);
  else if (columns == 4) short_rows_@(x, at, sums, given, 4);
  else short_rows_@(x, at, sums, given, columns);
  for (long i = 0; i < count * columns; i++) out[i] = sums[i];
}"""


def added_rows(values: Array, numbers: Array, count: int) -> Array | None:
    """Zeros (count, columns) with the rows of `values`, (given, columns), added at their numbers, (given,) of int64.

    None where NumPy has to do it: for few, or other numbers than floats and doubles, and where there is no compiler.
    """
    if values.dtype not in ENDINGS or values.size < _WORTH or not has_c():
        return None
    library = _library()
    if library is None:
        return None
    given, columns = values.shape
    values, numbers = host.ascontiguousarray(values), host.ascontiguousarray(numbers)
    out = host.empty((count, columns), values.dtype)
    is_short = columns < index.SHORT_ROW
    sums = host.empty((count, columns) if is_short else 0)
    parts = 1 if is_short else max(1, min(columns // _STRIP, parts_of(given * columns, columns)))
    add = getattr(library, f"{'short' if is_short else 'long'}_{ENDINGS[values.dtype]}")
    add(parts, pointers(values, numbers, out, sums), (ctypes.c_double * 4)(parts, given, count, columns))
    return out


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [filled(_SOURCE, kind) for kind in TYPES]
    names = [f"{length}_{ending}" for length in ("short", "long") for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, *texts]), names)


index.ways_to_add_rows.append(added_rows)
