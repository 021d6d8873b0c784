"""Many: the products of two stacks of small matrices, side by side.

One idea: OpenBLAS does a small product alone, on one core, and NumPy asks for one after the other. The pool's threads
share the stack; each product is made as NumPy has it made, so the bits are the same. This is the last file of the room;
`../cuda/__init__.py` opens the next.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from ...backend import Array, Module, host
from .addresses import pointers
from .any_length import has_c
from .source import HEADER, SETUP, SINGLE
from .threads import in_pool

__all__ = ["matmul_many"]

# Multiplications that are worth a second thread: one core makes them in some 40 us.
_WORTH = 1 << 20
_PART = 1 << 19

_ORDER, _PLAIN, _TURNED = 101, 111, 112  # CBLAS: rows one after the other, a matrix as it lies, and transposed

_SOURCE = f"""{HEADER}
{SETUP}

/* p: a, b, out, where in them each matrix begins (bytes), and the lengths, see `_call`. */
#define PRODUCTS(T, gemm) \\
static void part_##gemm(int part, char **p, const double *n) {{ \\
  const long *in_a = (const long *)p[3], *in_b = (const long *)p[4], *in_out = (const long *)p[5]; \\
  const long *x = (const long *)p[6], count = n[0], parts = n[1]; \\
  for (long i = count * part / parts; i < count * (part + 1) / parts; i++) \\
    gemm({_ORDER}, x[0], x[1], x[2], x[3], x[4], 1, (const T *)(p[0] + in_a[i]), x[5], \\
         (const T *)(p[1] + in_b[i]), x[6], 0, (T *)(p[2] + in_out[i]), x[7]); \\
}} \\
void all_##gemm(int parts, char **p, const double *n) {{ run(part_##gemm, parts, p, n); }}
PRODUCTS(float, sgemm)
PRODUCTS(double, dgemm)
"""


def matmul_many(xp: Module, a: Array, b: Array, out: Array | None = None) -> Array:
    """`matmul(a, b, out=out)` of stacks (..., m, k) and (..., k, n).

    Large stacks of small matrices are shared by several threads, where C can be had; the bits are those of `matmul`.
    """
    if xp is host and a.ndim > 2 and a.shape[:-2] == b.shape[:-2] and a.dtype == b.dtype:
        (m, k), n = a.shape[-2:], b.shape[-1]
        work = (a.size // (m or 1)) * m * n
        if work >= _WORTH and 1 < m * k * n <= SINGLE and min(m, k, n) > 1 and has_c():
            if out is None:
                out = xp.empty((*a.shape[:-1], n), a.dtype)
            if _call(a, b, out, work):
                return out
    return xp.matmul(a, b, out=out)


def _call(a: Array, b: Array, out: Array, work: int) -> bool:
    """Whether the products could be made so, and are."""
    if not a.dtype == b.dtype == out.dtype or not a.dtype.isnative or a.shape[-1] != b.shape[-2]:
        return False
    function = _functions().get(a.dtype.char)
    known = [layout for layout in map(_layout, (a, b, out)) if layout is not None]
    if function is None or len(known) < 3:
        return False
    (turned_a, lda), (turned_b, ldb), (turned_out, ldc) = known
    if turned_out != _PLAIN:
        return False
    lengths = (ctypes.c_long * 8)(turned_a, turned_b, out.shape[-2], out.shape[-1], a.shape[-1], lda, ldb, ldc)
    starts = [_starts(x.shape[:-2], x.strides[:-2]) for x in (a, b, out)]
    count = len(starts[0])
    parts = min(count, work // _PART)
    function(parts, pointers(a, b, out, *starts, lengths), (ctypes.c_double * 2)(count, parts))
    return True


def _layout(matrices: Array) -> tuple[int, int] | None:
    """How BLAS is told that matrices lie: plain or turned, and the elements from one row (or column) to the next."""
    size = matrices.itemsize
    rows, columns = matrices.strides[-2:]
    for kind, step, within, length in (
        (_PLAIN, rows, columns, matrices.shape[-1]),
        (_TURNED, columns, rows, matrices.shape[-2]),
    ):
        if within == size and step % size == 0 and step >= length * size:
            return kind, step // size
    return None


@functools.lru_cache(maxsize=64)
def _starts(shape: tuple[int, ...], strides: tuple[int, ...]) -> Array:
    """Where the matrices of a stack begin, in bytes from the first."""
    starts = host.zeros((), "int64")
    for length, stride in zip(shape, strides, strict=True):
        starts = host.add.outer(starts, host.arange(length) * stride)
    return starts.reshape(-1)


@functools.cache
def _functions() -> dict[str, Any]:
    """The C functions by dtype; none where they cannot be had."""
    library = in_pool(_SOURCE, ["all_sgemm", "all_dgemm"])
    return {} if library is None else {"f": library.all_sgemm, "d": library.all_dgemm}
