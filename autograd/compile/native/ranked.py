"""Ranked: the positions of the few largest or smallest elements of each row, in C for eager code.

One idea: NumPy sorts whole rows for them. One walk keeps the few that are first so far, and hardly any element is among
these, so that most cost a comparison. Equal elements keep their order, and NaN is the largest, as in `argsort`.
Read `sums.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from operator import index
from typing import Any

from ...backend import Array, host
from ...ops.sort import _ranked
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

_WORTH = 1 << 10  # numbers that are worth a call
_MOST = 64  # positions for each row: more are found sooner by sorting

# p: x and the positions. n: parts, rows, the length of a row and how many positions each has.
_SOURCE = """\
static inline int above_NAME_@(T a, T b) { return ABOVE; }
static void part_NAME_@(int part, char **p, const double *n) {
  enum { block = 32 };
  const long parts = n[0], rows = n[1], length = n[2], wanted = n[3];
  for (long r = rows * part / parts; r < rows * (part + 1) / parts; r++) {
    const T *x = (const T *)p[0] + r * length;
    long *at = (long *)p[1] + r * wanted;
    T first[MOST];
    long found = 0;
    for (long i = 0; i < length; i++) {
      if (found == wanted)
        for (const T last = first[wanted - 1]; i + block <= length; i += block) {
          int any = 0;
          for (int k = 0; k < block; k++) any |= !(x[i + k] BEHIND last);
          if (any) break;
        }
      for (const long end = i + block < length ? i + block : length; i < end; i++) {
        if (found == wanted && !above_NAME_@(x[i], first[found - 1])) continue;
        long place = found < wanted ? found++ : found - 1;
        for (; place && above_NAME_@(x[i], first[place - 1]); place--) {
          first[place] = first[place - 1];
          at[place] = at[place - 1];
        }
        first[place] = x[i];
        at[place] = i;
      }
      i--;
    }
  }
}
void all_NAME_@(int parts, char **p, const double *n) { run(part_NAME_@, parts, p, n); }"""

_KINDS = {
    "largest": ("a > b || (a != a && b == b)", "<="),
    "smallest": ("a < b || (a == a && b != b)", ">="),
}


def _in_c(x: Array, k: int, axis: int, largest: bool) -> Array | None:
    """The positions; None where NumPy has to find them: few or other numbers, many positions, or no compiler."""
    if x.dtype not in ENDINGS or not 0 < k <= _MOST or not has_c():
        return None
    library = _library()
    if library is None:
        return None
    k = index(k)  # in NumPy's small whole numbers what follows would not fit
    rows = host.ascontiguousarray(host.moveaxis(x, axis, -1))
    found = host.empty((*rows.shape[:-1], k), "int64")
    count, length = found.size // k, rows.shape[-1]
    parts = parts_of(4 * x.size, count)
    find = getattr(library, f"all_{'largest' if largest else 'smallest'}_{ENDINGS[x.dtype]}")
    find(parts, pointers(rows, found), (ctypes.c_double * 4)(parts, count, length, k))
    return host.moveaxis(found, -1, axis)


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = []
    for kind, (above, behind) in _KINDS.items():
        text = _SOURCE.replace("NAME", kind).replace("ABOVE", above).replace("BEHIND", behind)
        texts += [filled(text.replace("MOST", str(_MOST)), dtype) for dtype in TYPES]
    names = [f"all_{kind}_{ending}" for kind in _KINDS for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, *texts]), names)


def _quicken() -> None:
    forward = _ranked.forward

    def forward_or_c(xp: Any, x: Any, *, k: int, axis: int, largest: bool) -> Any:
        if type(x) is host.ndarray and x.size >= _WORTH:
            made = _in_c(x, k, axis, largest)
            if made is not None:
                return made
        return forward(xp, x, k=k, axis=axis, largest=largest)

    _ranked.forward = forward_or_c


_quicken()
