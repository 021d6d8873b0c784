"""Across: softmax and its logarithm along an axis that is not the last, in C for eager code.

One idea: what lies behind the axis goes in vectors, a piece at a time, of which all elements along the axis fit the
first cache: it is read from memory once, where NumPy goes over all of the array at each step.
Read `ranked.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ...backend import Array, host
from ...ops.stable import log_softmax, softmax
from ...primitive import Primitive
from ...shapes import normalize_axis
from .addresses import pointers
from .any_length import has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__ = ["normalized"]

_WORTH = 1 << 12  # numbers that are worth a call
_LEAST = 8  # numbers behind the axis that become vector instructions
_WORK = 8  # operations that a number costs at least

_HEAD = """\
#define exp_s exp_float
#define exp_d exp_double
#define log_s logf
#define log_d log
enum { most = 256 };
#define PIECES \\
  const long parts = n[0], before = n[1], along = n[2], behind = n[3], chunks = (behind + most - 1) / most; \\
  for (long t = before * chunks * part / parts; t < before * chunks * (part + 1) / parts; t++)
#define PIECE \\
    const long left = t % chunks * most, width = behind - left < most ? behind - left : most; \\
    const long start = t / chunks * along * behind + left, row = t / chunks * behind + left;"""

# A piece is `width` numbers behind the axis. p: what is read and the results, as the functions below give them. n: the
# parts, and the lengths before, along and behind the axis.
_SOURCE = """\
// Of each row what is taken off, which is its largest; the sum of powers of the rest; and the sum of the rest. What
// `raised` says goes to y: the powers, or the rest. With `guarded`, 0 is taken off where the largest is infinite, and
// the sum of powers is 1 where that is 0.
static inline void totals_@(const T *x, T *y, long along, long behind, long width, int raised, int guarded,
                            T *restrict off, T *restrict total, T *restrict rest) {
  for (long c = 0; c < width; c++) off[c] = x[c], total[c] = 0, rest[c] = 0;
  for (long i = 1; i < along; i++) {
    const T *now = x + i * behind;
    for (long c = 0; c < width; c++) off[c] = (now[c] > off[c]) | (now[c] != now[c]) ? now[c] : off[c];
  }
  for (long c = 0; guarded && c < width; c++) off[c] = (off[c] - off[c] == 0) | (off[c] != off[c]) ? off[c] : 0;
  for (long i = 0; i < along; i++) {
    const T *restrict now = x + i * behind;
    T *restrict to = y + i * behind;
    for (long c = 0; c < width; c++) {
      const T less = now[c] - off[c], power = exp_@(less);
      to[c] = raised ? power : less;
      total[c] += power;
      rest[c] += less;
    }
  }
  for (long c = 0; guarded && c < width; c++) total[c] += total[c] == 0;
}
// x, the softmax, and of each row its largest, the logarithm of the sum of powers, and the mean of the rest.
static void normalized_@(int part, char **p, const double *n) {
  PIECES {
    PIECE
    T *y = (T *)p[1] + start, *off = (T *)p[2] + row, *total = (T *)p[3] + row, *mean = (T *)p[4] + row;
    totals_@((const T *)p[0] + start, y, along, behind, width, 1, 0, off, total, mean);
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++) y[i * behind + c] /= total[c];
    for (long c = 0; c < width; c++) total[c] = log_@(total[c]), mean[c] /= along;
  }
}

// x and the softmax.
static void softmax_@(int part, char **p, const double *n) {
  T off[most], total[most], rest[most];
  PIECES {
    PIECE
    T *y = (T *)p[1] + start;
    totals_@((const T *)p[0] + start, y, along, behind, width, 1, 1, off, total, rest);
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++) y[i * behind + c] /= total[c];
  }
}

// x and the logarithm of the softmax.
static void log_softmax_@(int part, char **p, const double *n) {
  T off[most], total[most], rest[most];
  PIECES {
    PIECE
    T *y = (T *)p[1] + start;
    totals_@((const T *)p[0] + start, y, along, behind, width, 0, 1, off, total, rest);
    for (long c = 0; c < width; c++) total[c] = log_@(total[c]);
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++) y[i * behind + c] -= total[c];
  }
}

// The gradient, the result, and the gradient of x; of the softmax, and of its logarithm.
static void slope_of_softmax_@(int part, char **p, const double *n) {
  PIECES {
    PIECE
    const T *g = (const T *)p[0] + start, *y = (const T *)p[1] + start;
    T *to = (T *)p[2] + start, sum[most];
    for (long c = 0; c < width; c++) sum[c] = 0;
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++) sum[c] += g[i * behind + c] * y[i * behind + c];
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++)
        to[i * behind + c] = g[i * behind + c] * y[i * behind + c] - y[i * behind + c] * sum[c];
  }
}
static void slope_of_log_softmax_@(int part, char **p, const double *n) {
  PIECES {
    PIECE
    const T *g = (const T *)p[0] + start, *y = (const T *)p[1] + start;
    T *to = (T *)p[2] + start, sum[most];
    for (long c = 0; c < width; c++) sum[c] = 0;
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++) sum[c] += g[i * behind + c];
    for (long i = 0; i < along; i++)
      for (long c = 0; c < width; c++)
        to[i * behind + c] = g[i * behind + c] - exp_@(y[i * behind + c]) * sum[c];
  }
}
"""
_FUNCTIONS = ["normalized", "softmax", "log_softmax", "slope_of_softmax", "slope_of_log_softmax"]
_CALLED = "void all_NAME_@(int parts, char **p, const double *n) { run(NAME_@, parts, p, n); }"


def normalized(x: Array) -> tuple[Array, Array, Array, Array] | None:
    """Of x, (N, C, D), along C: the largest of each row, (N, D), the softmax, and of a row less its largest the
    logarithm of the sum of powers, and the mean; None where NumPy has to do it."""
    if not _takes(x, 1):
        return None
    x = host.ascontiguousarray(x)
    largest, total, mean = (host.empty((x.shape[0], x.shape[2]), x.dtype) for _ in range(3))
    out = host.empty(x.shape, x.dtype)
    return (largest, out, total, mean) if _run("normalized", x, [x, out, largest, total, mean], 1) else None


def _takes(x: Array, axis: int) -> bool:
    """Whether this is done in C for an array, and it has enough behind the axis."""
    worth = type(x) is host.ndarray and x.size >= _WORTH and x.dtype in ENDINGS
    return worth and math.prod(x.shape[axis + 1 :]) >= _LEAST and has_c()


def _run(name: str, x: Array, arrays: list[Array], axis: int) -> bool:
    """Whether there is a library; if so, it has done it."""
    library = _library()
    if library is None:
        return False
    before, along, behind = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    parts = parts_of(_WORK * x.size, before * -(-behind // 256))
    numbers = (ctypes.c_double * 4)(parts, before, along, behind)
    getattr(library, f"all_{name}_{ENDINGS[x.dtype]}")(parts, pointers(*arrays), numbers)
    return True


def _made(name: str, given: tuple[Any, ...], axis: Any) -> Array | None:
    """What a function gives for arrays of one shape and dtype; None where NumPy has to do it."""
    first = given[0]
    if type(axis) is not int or type(first) is not host.ndarray or not -first.ndim <= axis < first.ndim:
        return None
    axis = normalize_axis(axis, first.ndim)
    if not _takes(first, axis):
        return None
    if any(type(x) is not host.ndarray or x.shape != first.shape or x.dtype != first.dtype for x in given):
        return None
    packed = [host.ascontiguousarray(x) for x in given]
    out = host.empty(first.shape, first.dtype)
    return out if _run(name, first, [*packed, out], axis) else None


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [
        filled("\n".join([_SOURCE, *(_CALLED.replace("NAME", name) for name in _FUNCTIONS)]), dtype) for dtype in TYPES
    ]
    names = [f"all_{name}_{ending}" for name in _FUNCTIONS for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, _HEAD, *texts]), names)


def _quicken(primitive: Primitive[Any]) -> None:
    """Let a primitive of x do large arrays so, and its rule of g, the result and the axis."""
    forward, name = primitive.forward, primitive.name

    def forward_or_c(xp: Any, x: Any, *, axis: Any = -1) -> Any:
        made = _made(name, (x,), axis)
        return forward(xp, x, axis=axis) if made is None else made

    def rule_or_c(rule: Callable[..., Any]) -> Callable[..., Any]:
        def slope(g: Any, out: Any, axis: Any) -> Any:
            made = _made(f"slope_of_{name}", (g, out), axis)
            return rule(g, out, axis) if made is None else made

        return slope

    primitive.forward = forward_or_c
    primitive.replace_rules(lambda rule: replace(rule, function=rule_or_c(rule.function)))


_quicken(softmax)
_quicken(log_softmax)
