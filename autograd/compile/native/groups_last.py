"""Groups of channels that are last: group normalisation of such images in C, for eager code.

One idea: a sample fits the second cache, so it is read from there as often as is needed: for the means of its groups,
for their variances, and for the result, all channels side by side. Sums of some rows are added up in float64.
Read `ordered.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any

from ...backend import Array, host
from .addresses import data_address
from .any_length import LARGE, has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__ = ["normalized", "slopes", "takes"]

_LEAST = 8  # channels that become vector instructions
_ROOM = 7  # rows of as many float64 as there are channels, for each part

# The sums over rows of VALUE, which is of the number i in channel c.
_SUMS = """\
static void NAME_@(const T *x, const T *g, const T *mean, long rows, long channels, T *some, double *sums) {
  for (long c = 0; c < channels; c++) some[c] = 0, sums[c] = 0;
  for (long first = 0; first < rows; first += 64) {
    const long stop = first + 64 < rows ? first + 64 : rows;
    long r = first;
    for (; r + 4 <= stop; r += 4) _Pragma("omp simd") for (long c = 0; c < channels; c++) {
      const long i = r * channels + c, j = i + channels, k = j + channels, l = k + channels;
      some[c] += (VALUE(i) + VALUE(j)) + (VALUE(k) + VALUE(l));
    }
    for (; r < stop; r++) _Pragma("omp simd") for (long c = 0; c < channels; c++) some[c] += VALUE(r * channels + c);
    for (long c = 0; c < channels; c++) sums[c] += some[c], some[c] = 0;
  }
}"""

# p: x, g or 0, weight or 0, bias or 0, the result, means and scales of groups, sums of products and of g by channel,
# and room. n: parts, samples, rows of one, channels, groups, what is added to a variance.
_PART = """\
static void groups_NAME_part_@(int part, char **p, const double *n) {
  const long parts = n[0], samples = n[1], rows = n[2], channels = n[3], groups = n[4], each = channels / groups;
  const T *weight = (T *)p[2], *bias = (T *)p[3];
  double *first = (double *)p[9] + part * ROOM * channels, *second = first + channels;
  T *some = (T *)(second + channels), *mean = some + channels, *factor = mean + channels;
  T *shift = factor + channels, *slope = shift + channels;
  for (long b = samples * part / parts; b < samples * (part + 1) / parts; b++) {
    const T *x = (T *)p[0] + b * rows * channels, *g = (T *)p[1] + b * rows * channels;
    T *out = (T *)p[4] + b * rows * channels, *means = (T *)p[5] + b * groups, *scales = (T *)p[6] + b * groups;
    DO
  }
}
void groups_NAME_@(int parts, char **p, const double *n) { run(groups_NAME_part_@, parts, p, n); }"""
_FORWARD = """\
groups_numbers_@(x, g, mean, rows, channels, some, first);
    for (long k = 0; k < groups; k++) {
      double sum = 0;
      for (long c = k * each; c < (k + 1) * each; c++) sum += first[c];
      means[k] = sum / (each * rows);
      for (long c = k * each; c < (k + 1) * each; c++) mean[c] = means[k];
    }
    groups_squares_@(x, g, mean, rows, channels, some, first);
    for (long k = 0; k < groups; k++) {
      double sum = 0;
      for (long c = k * each; c < (k + 1) * each; c++) sum += first[c];
      scales[k] = 1 / sqrt(sum / (each * rows) + n[5]);
      for (long c = k * each; c < (k + 1) * each; c++)
        factor[c] = weight ? scales[k] * weight[c] : scales[k], shift[c] = bias ? bias[c] : 0;
    }
    for (long r = 0; r < rows; r++) _Pragma("omp simd") for (long c = 0; c < channels; c++)
      out[r * channels + c] = (x[r * channels + c] - mean[c]) * factor[c] + shift[c];"""
# What x moves in mean and scale is taken off again: g loses its parts along 1 and along the result.
_BACKWARD = """\
for (long c = 0; c < channels; c++) mean[c] = means[c / each];
    groups_products_@(x, g, mean, rows, channels, some, first);
    groups_numbers_@(g, x, mean, rows, channels, some, second);
    for (long k = 0; k < groups; k++) {
      double along = 0, level = 0;
      for (long c = k * each; c < (k + 1) * each; c++) {
        const double by = weight ? weight[c] : 1;
        along += first[c] * by, level += second[c] * by, factor[c] = scales[k] * by;
        ((T *)p[7])[b * channels + c] = first[c] * scales[k], ((T *)p[8])[b * channels + c] = second[c];
      }
      const double scale = scales[k], count = each * rows;
      for (long c = k * each; c < (k + 1) * each; c++)
        slope[c] = along * scale * scale * scale / -count, shift[c] = level * scale / count;
    }
    for (long r = 0; r < rows; r++) _Pragma("omp simd") for (long c = 0; c < channels; c++) {
      const long i = r * channels + c;
      out[i] = (x[i] - mean[c]) * slope[c] + g[i] * factor[c] - shift[c];
    }"""
_VALUES = {
    "numbers": "#define VALUE(i) x[i]",
    "squares": "#define VALUE(i) ((x[i] - mean[c]) * (x[i] - mean[c]))",
    "products": "#define VALUE(i) ((x[i] - mean[c]) * g[i])",
}


def _source() -> str:
    texts = [HEADER, SETUP]
    for dtype in TYPES:
        for name, value in _VALUES.items():
            texts.append(filled(f"{value}\n{_SUMS.replace('NAME', f'groups_{name}')}\n#undef VALUE", dtype))
        for name, text in {"forward": _FORWARD, "backward": _BACKWARD}.items():
            part = _PART.replace("ROOM", str(_ROOM)).replace("DO", text).replace("NAME", name)
            texts.append(filled(part, dtype))
    return "\n".join(texts)


def takes(x: Array) -> bool:
    """Whether C does it of x (N, C, ...), whose channels are last in memory."""
    known = x.ndim > 2 and x.dtype in ENDINGS and x.size >= LARGE and x.shape[1] >= _LEAST
    last = known and not x.flags.c_contiguous and host.moveaxis(x, 1, -1).flags.c_contiguous
    return last and has_c() and _library() is not None


def normalized(x: Array, weight: Any, bias: Any, groups: int, eps: float) -> tuple[Array, Array, Array]:
    """The result, of x (N, ..., C), packed, and the means and scales of its groups, (N, groups)."""
    out = host.empty(x.shape, x.dtype)
    means, scales = (host.empty((len(x), groups), x.dtype) for _ in range(2))
    _run("forward", x, [None, weight, bias, out, means, scales, None, None], groups, eps)
    return out, means, scales


def slopes(x: Array, g: Array, weight: Any, means: Array, scales: Array) -> tuple[Array, Array, Array]:
    """The gradients of x (N, ..., C), of the weight and of the bias, for g, packed as x is."""
    out = host.empty(x.shape, x.dtype)
    products, sums = (host.empty((len(x), x.shape[-1]), x.dtype) for _ in range(2))
    _run("backward", x, [g, weight, None, out, means, scales, products, sums], means.shape[1], 0.0)
    return out, products.sum(axis=0), sums.sum(axis=0)


def _run(name: str, x: Array, arrays: list[Any], groups: int, eps: float) -> None:
    samples, channels = len(x), x.shape[-1]
    parts = parts_of(8 * x.size, samples)
    room = host.empty((parts, _ROOM, channels))
    given = [None if array is None else host.ascontiguousarray(array) for array in (x, *arrays, room)]
    pointers = [None if array is None else data_address(array) for array in given]
    numbers = (parts, samples, x.size // (samples * channels), channels, groups, eps)
    function = getattr(_library(), f"groups_{name}_{ENDINGS[x.dtype]}")
    function(parts, (ctypes.c_void_p * 10)(*pointers), (ctypes.c_double * 6)(*numbers))


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    return in_pool(_source(), [f"groups_{name}_{t[2]}" for name in ("forward", "backward") for t in TYPES.values()])
