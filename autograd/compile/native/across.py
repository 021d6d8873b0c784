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
_MOST = 256  # numbers behind the axis that are a piece

_HEAD = """\
#define exp_s exp_float
#define exp_d exp_double
#define log_s logf
#define log_d log
enum { most = MOST };
#define PIECES \\
  const long parts = n[0], before = n[1], along = n[2], behind = n[3], chunks = (behind + most - 1) / most; \\
  for (long t = before * chunks * part / parts; t < before * chunks * (part + 1) / parts; t++)
#define PIECE \\
    const long left = t % chunks * most, width = behind - left < most ? behind - left : most; \\
    const long start = t / chunks * along * behind + left, row = t / chunks * behind + left;"""

# A piece is `width` numbers behind the axis. p: what is read and the results, as the functions below give them. n: the
# parts, the lengths before, along and behind the axis, and whether it is about the logarithm.
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

// x, and the softmax or its logarithm.
static void softmax_@(int part, char **p, const double *n) {
  const int logs = n[4];
  T off[most], total[most], rest[most];
  PIECES {
    PIECE
    T *y = (T *)p[1] + start;
    totals_@((const T *)p[0] + start, y, along, behind, width, !logs, 1, off, total, rest);
    for (long c = 0; c < width; c++) total[c] = logs ? log_@(total[c]) : total[c];
    for (long i = 0; i < along; i++)
      if (logs) for (long c = 0; c < width; c++) y[i * behind + c] -= total[c];
      else for (long c = 0; c < width; c++) y[i * behind + c] /= total[c];
  }
}

// The gradient, the softmax or its logarithm, and the gradient of x.
static void slope_@(int part, char **p, const double *n) {
  const int logs = n[4];
  T sum[most];
  PIECES {
    PIECE
    for (long c = 0; c < width; c++) sum[c] = 0;
    for (int added = 0; added < 2; added++)
      for (long i = 0; i < along; i++) {
        const T *g = (const T *)p[0] + start + i * behind, *y = (const T *)p[1] + start + i * behind;
        T *to = (T *)p[2] + start + i * behind;
        if (added && logs) for (long c = 0; c < width; c++) to[c] = g[c] - exp_@(y[c]) * sum[c];
        else if (added) for (long c = 0; c < width; c++) to[c] = g[c] * y[c] - y[c] * sum[c];
        else if (logs) for (long c = 0; c < width; c++) sum[c] += g[c];
        else for (long c = 0; c < width; c++) sum[c] += g[c] * y[c];
      }
  }
}
"""
_FUNCTIONS = ["normalized", "softmax", "slope"]
_CALLED = "void all_NAME_@(int parts, char **p, const double *n) { run(NAME_@, parts, p, n); }"


def normalized(x: Array) -> tuple[Array, tuple[Array, Array, Array]] | None:
    """Of x, (N, C, D), along C: the largest of each row, (N, D); and the softmax, (N, C, D), with the logarithm of the
    sum of powers and the mean of a row less its largest, (N, D); None where NumPy has to do it."""
    if not _takes(x, 1):
        return None
    x = host.ascontiguousarray(x)
    largest, total, mean = (host.empty((x.shape[0], x.shape[2]), x.dtype) for _ in range(3))
    out = host.empty(x.shape, x.dtype)
    done = _run("normalized", [x, out, largest, total, mean], 1)
    return (largest, (out, total, mean)) if done else None


def _takes(x: Array, axis: int) -> bool:
    """Whether this is done in C for an array, and it has enough behind the axis."""
    worth = type(x) is host.ndarray and x.size >= _WORTH and x.dtype in ENDINGS
    return worth and math.prod(x.shape[axis + 1 :]) >= _LEAST and has_c()


def _run(name: str, arrays: list[Array], axis: int, logs: bool = False) -> bool:
    """Whether there is a library; if so, it has done it."""
    library, x = _library(), arrays[0]
    if library is None:
        return False
    before, along, behind = math.prod(x.shape[:axis]), x.shape[axis], math.prod(x.shape[axis + 1 :])
    parts = parts_of(_WORK * x.size, before * -(-behind // _MOST))
    numbers = (ctypes.c_double * 5)(parts, before, along, behind, logs)
    getattr(library, f"all_{name}_{ENDINGS[x.dtype]}")(parts, pointers(*arrays), numbers)
    return True


def _made(name: str, given: tuple[Any, ...], axis: Any, logs: bool) -> Array | None:
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
    return out if _run(name, [*packed, out], axis, logs) else None


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [
        filled("\n".join([_SOURCE, *(_CALLED.replace("NAME", name) for name in _FUNCTIONS)]), dtype) for dtype in TYPES
    ]
    names = [f"all_{name}_{ending}" for name in _FUNCTIONS for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, _HEAD.replace("MOST", str(_MOST)), *texts]), names)


def _quicken(primitive: Primitive[Any]) -> None:
    """Let a primitive of x do large arrays so, and its rule of g, the result and the axis."""
    forward, logs = primitive.forward, primitive is log_softmax

    def forward_or_c(xp: Any, x: Any, *, axis: Any = -1) -> Any:
        made = _made("softmax", (x,), axis, logs)
        return forward(xp, x, axis=axis) if made is None else made

    def rule_or_c(rule: Callable[..., Any]) -> Callable[..., Any]:
        def slope(g: Any, out: Any, axis: Any) -> Any:
            made = _made("slope", (g, out), axis, logs)
            return rule(g, out, axis) if made is None else made

        return slope

    primitive.forward = forward_or_c
    primitive.replace_rules(lambda rule: replace(rule, function=rule_or_c(rule.function)))


_quicken(softmax)
_quicken(log_softmax)
