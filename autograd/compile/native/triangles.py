"""Triangles: matrices with zeros above or below a diagonal, in C for eager code.

One idea: each row is a copy and zeros, so that nothing is read that is not kept, and nothing compared; NumPy chooses
element by element. Read `turns.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from numbers import Integral
from typing import Any

from ...backend import Array, host
from ...ops.diagonal import tril, triu
from ...primitive import Primitive
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .threads import in_pool

_WORTH = 1 << 12  # numbers that are worth a call

# p: x, the result. n: parts, the rows of all matrices, those of one, bytes of a row and of a number, where the first
# row is cut, and whether what stands before the cut is kept.
_SOURCE = """\
static void part(int part, char **p, const double *n) {
  const long parts = n[0], all = n[1], rows = n[2], width = n[3], size = n[4], first = n[5];
  const int before = n[6];
  for (long r = all * part / parts; r < all * (part + 1) / parts; r++) {
    const char *x = p[0] + r * width;
    char *out = p[1] + r * width;
    long cut = (first + r % rows) * size;
    cut = cut < 0 ? 0 : cut > width ? width : cut;
    const long from = before ? 0 : cut, to = before ? cut : width;
    memset(out, 0, from);
    memcpy(out + from, x + from, to - from);
    memset(out + to, 0, width - to);
  }
}
void all(int parts, char **p, const double *n) { run(part, parts, p, n); }"""


def _in_c(x: Array, cut: int, before: bool) -> Array | None:
    """Matrices whose row i keeps what is before its place i + cut, or from there on; None where NumPy is to do it."""
    if x.ndim < 2 or x.size < _WORTH or x.dtype.hasobject or not has_c():
        return None
    library = _library()
    if library is None:
        return None
    x = host.ascontiguousarray(x)
    out = host.empty(x.shape, x.dtype)
    rows, columns = x.shape[-2:]
    parts = parts_of(x.size, x.size // columns)
    cut = max(-rows, min(columns, cut))
    numbers = (parts, x.size // columns, rows, columns * x.itemsize, x.itemsize, cut, before)
    library.all(parts, pointers(x, out), (ctypes.c_double * 7)(*numbers))
    return out


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    return in_pool("\n".join([HEADER, SETUP, _SOURCE]), ["all"])


def _quicken(primitive: Primitive[Any], before: bool) -> None:
    forward = primitive.forward

    def forward_or_c(xp: Any, x: Any, *, k: int = 0) -> Any:
        whole = type(x) is host.ndarray and isinstance(k, Integral)
        made = _in_c(x, int(k) + before, before) if whole else None
        return forward(xp, x, k=k) if made is None else made

    primitive.forward = forward_or_c


_quicken(tril, before=True)
_quicken(triu, before=False)
