"""Spread: sums, differences and products of two arrays that broadcast against each other, in C for eager code.

One idea: NumPy begins anew at each row, which takes longer than a row of a few elements itself. Rows that are short are
written out side by side, some hundred elements at once, and then computed as one. The bits are NumPy's.
Read `triangles.py` next.
"""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

from ...backend import Array, host
from ...ops.elementwise import add, multiply, subtract
from ...primitive import Primitive
from .addresses import pointers
from .any_length import has_c
from .layout import joined_axes, packed
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

_WORTH = 1 << 11  # rows that are worth a call
_LONG = 512  # elements of a row that NumPy is as fast at
_SIGNS = {"add": "+", "subtract": "-", "multiply": "*"}

# p: x, y, the result. n: parts, the lengths of four axes, and the steps of x along them and those of y.
_SOURCE = """\
static void part_NAME_@(int part, char **p, const double *n) {
  enum { room = 512, long_row = 64, beyond = 16 };
  const long parts = n[0], middle = n[2], many = n[3], length = n[4], rows = (long)n[1] * middle * many;
  const long x_step = n[8], y_step = n[12], x_row = n[7], y_row = n[11], last = rows * (part + 1) / parts;
  const long at_once = length < long_row ? room / length : 1;
  const int flat_x = x_step && x_row == length, flat_y = y_step && y_row == length;
  T x_buffer[room + beyond], y_buffer[room + beyond];
  const T *x_kept = 0, *y_kept = 0;  // rows that are all the same are written once
  long kept = 0;
  for (long r = rows * part / parts, taken; r < last; r += taken) {
    const long k = r % many, j = r / many % middle, i = r / many / middle;
    taken = many - k < last - r ? many - k : last - r;
    if (taken > at_once) taken = at_once;
    const T *x = (const T *)p[0] + i * (long)n[5] + j * (long)n[6] + k * x_row;
    const T *y = (const T *)p[1] + i * (long)n[9] + j * (long)n[10] + k * y_row;
    T *restrict out = (T *)p[2] + r * length;
    if (at_once == 1) {
      if (x_step && y_step) for (long c = 0; c < length; c++) out[c] = x[c] SIGN y[c];
      else if (x_step) for (long c = 0; c < length; c++) out[c] = x[c] SIGN *y;
      else for (long c = 0; c < length; c++) out[c] = *x SIGN y[c];
      continue;
    }
    if (!flat_x) {
      if (x_row || x != x_kept || taken > kept) side_by_side_@(x, x_buffer, taken, length, x_row, x_step);
      x_kept = x;
      x = x_buffer;
    }
    if (!flat_y) {
      if (y_row || y != y_kept || taken > kept) side_by_side_@(y, y_buffer, taken, length, y_row, y_step);
      y_kept = y;
      y = y_buffer;
    }
    kept = taken;
    for (long c = 0; c < taken * length; c++) out[c] = x[c] SIGN y[c];
  }
}
void all_NAME_@(int parts, char **p, const double *n) { run(part_NAME_@, parts, p, n); }"""

_SIDE_BY_SIDE = """\
static inline void rows_beside_@(const T *from, T *to, long rows, long length, long row, long step) {
  for (long r = 0; r < rows; r++)
    for (long c = 0; c < length; c++) to[r * length + c] = from[r * row + c * step];
}
static void side_by_side_@(const T *from, T *to, long rows, long length, long row, long step) {
  if (length == 2) rows_beside_@(from, to, rows, 2, row, step);
  else if (length == 3) rows_beside_@(from, to, rows, 3, row, step);
  else if (length == 4) rows_beside_@(from, to, rows, 4, row, step);
  else if (!step && length <= 16)  // what goes beyond a row the next one covers
    for (long r = 0; r < rows; r++)
      for (int c = 0; c < 16; c++) to[r * length + c] = from[r * row];
  else rows_beside_@(from, to, rows, length, row, step);
}"""


def _in_c(name: str, x: Array, y: Array) -> Array | None:
    """x and y, of shapes that differ, added, subtracted or multiplied; None where NumPy has to do it, or is as fast."""
    plan = _plan(x.shape, x.strides, y.shape, y.strides, x.itemsize)
    if plan is None:
        return None
    ending = ENDINGS.get(x.dtype)
    if ending is None or x.dtype != y.dtype or not has_c() or not (x.flags.aligned and y.flags.aligned):
        return None
    library = _library()
    if library is None:
        return None
    out = host.empty(plan.shape, x.dtype)
    getattr(library, f"all_{name}_{ending}")(plan.parts, pointers(x, y, out), plan.numbers)
    return out


class _Plan(NamedTuple):
    shape: tuple[int, ...]  # of the result
    parts: int
    numbers: Any  # for C


@functools.lru_cache(maxsize=256)
def _plan(
    shape: tuple[int, ...],
    strides: tuple[int, ...],
    other_shape: tuple[int, ...],
    other_strides: tuple[int, ...],
    size: int,
) -> _Plan | None:
    """How two arrays are walked; None where they do not broadcast, or NumPy is as fast."""
    try:
        wanted = host.broadcast_shapes(shape, other_shape)
    except ValueError:
        return None
    if any(step % size for step in (*strides, *other_strides)):
        return None
    steps = [
        (0,) * (len(wanted) - len(own)) + tuple(0 if n == 1 else step // size for n, step in zip(own, far, strict=True))
        for own, far in ((shape, strides), (other_shape, other_strides))
    ]
    axes = joined_axes(wanted, packed(wanted), *steps)
    count = math.prod(wanted)
    if not 1 < len(axes) <= 4:
        return None
    length, _, *inner = axes[-1]
    rows = count // length
    parts = parts_of(count, rows)
    as_fast = parts == 1 and (rows < _WORTH or length >= _LONG)
    if as_fast or not set(inner) <= {0, 1} or not any(inner):
        return None
    lengths, _, x_steps, y_steps = zip(*([(1, 0, 0, 0)] * (4 - len(axes)) + axes), strict=True)
    return _Plan(wanted, parts, (ctypes.c_double * 13)(parts, *lengths, *x_steps, *y_steps))


@functools.cache
def _library() -> Any:
    """The C functions; None where they cannot be had."""
    texts = [filled(_SIDE_BY_SIDE, dtype) for dtype in TYPES]
    for name, sign in _SIGNS.items():
        texts += [filled(_SOURCE.replace("NAME", name).replace("SIGN", sign), dtype) for dtype in TYPES]
    names = [f"all_{name}_{ending}" for name in _SIGNS for _, _, ending in TYPES.values()]
    return in_pool("\n".join([HEADER, SETUP, *texts]), names)


_AMONG = 1 << 16  # the product of the sizes of two arrays that is worth asking for a plan


def _quicken(primitive: Primitive[Any]) -> None:
    forward, name, kind, numpys = primitive.forward, primitive.name, host.ndarray, getattr(host, primitive.name)

    def forward_or_c(xp: Any, x1: Any, x2: Any) -> Any:
        if type(x1) is kind is type(x2):
            if x1.size * x2.size >= _AMONG and x1.shape != x2.shape:
                made = _in_c(name, x1, x2)
                if made is not None:
                    return made
            return numpys(x1, x2)
        return forward(xp, x1, x2)

    primitive.forward = forward_or_c


def _quickened(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule of a product, which is the gradient times the other factor."""
    kind, product = host.ndarray, multiply.forward

    def rule_or_c(g: Any, x: Any) -> Any:
        return product(host, g, x) if type(g) is kind is type(x) else rule(g, x)

    return rule_or_c


for _primitive in (add, subtract, multiply):
    _quicken(_primitive)
multiply.replace_rules(lambda rule: replace(rule, function=_quickened(rule.function)))
