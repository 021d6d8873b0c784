"""Parts: means over the parts that an image is cut into, of any lengths, in C, for eager code.

One idea: rows of a part are added up first, then what lies side by side, and the gradient goes the other way; each
number is read or written once for each part that has it, which are two at most along an axis. Channels are last, or the
image has one. Read `groups_last.py` next.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Sequence
from typing import Any

from ...backend import Array, host
from .addresses import pointers
from .any_length import LARGE, has_c
from .parts import parts_of
from .source import HEADER, SETUP
from .template import ENDINGS, TYPES, filled
from .threads import in_pool

__all__ = ["means", "slopes", "takes"]

Cut = Sequence[Sequence[int]]  # where the parts of an axis begin, and where they end

# p: what is read, what is written, a line for each part of the work, and where parts of an image begin and end, down
# and across. n: parts of the work, images, their rows, columns and channels, and how many parts they have down and
# across.
_PART = """\
static void cut_NAME_part_@(int part, char **p, const double *n) {
  const long works = n[0], images = n[1], h = n[2], w = n[3], c = n[4], down = n[5], across = n[6];
  const long *top = (const long *)p[3], *end = top + down, *left = end + down, *right = left + across;
  T *line = (T *)p[2] + part * w * c;
  for (long b = images * part / works; b < images * (part + 1) / works; b++) {
    DO
  }
}
void cut_NAME_@(int parts, char **p, const double *n) { run(cut_NAME_part_@, parts, p, n); }"""
_MEANS = """\
const T *x = (const T *)p[0] + b * h * w * c;
    T *out = (T *)p[1] + b * down * across * c;
    for (long i = 0; i < down; i++) {
      memcpy(line, x + top[i] * w * c, w * c * sizeof(T));
      for (long y = top[i] + 1; y < end[i]; y++)
        _Pragma("omp simd") for (long k = 0; k < w * c; k++) line[k] += x[y * w * c + k];
      for (long j = 0; j < across; j++, out += c) {
        const T count = (end[i] - top[i]) * (right[j] - left[j]);
        if (c == 1) {
          T sum = 0;
          for (long k = left[j]; k < right[j]; k++) sum += line[k];
          *out = sum / count;
          continue;
        }
        memcpy(out, line + left[j] * c, c * sizeof(T));
        for (long k = left[j] + 1; k < right[j]; k++)
          _Pragma("omp simd") for (long m = 0; m < c; m++) out[m] += line[k * c + m];
        _Pragma("omp simd") for (long m = 0; m < c; m++) out[m] /= count;
      }
    }"""
_SLOPES = """\
const T *g = (const T *)p[0] + b * down * across * c;
    T *out = (T *)p[1] + b * h * w * c;
    memset(out, 0, h * w * c * sizeof(T));
    for (long i = 0; i < down; i++) {
      memset(line, 0, w * c * sizeof(T));
      for (long j = 0; j < across; j++, g += c) {
        const T count = (end[i] - top[i]) * (right[j] - left[j]);
        if (c == 1) {
          const T slope = *g / count;
          for (long k = left[j]; k < right[j]; k++) line[k] += slope;
        } else for (long k = left[j]; k < right[j]; k++)
          _Pragma("omp simd") for (long m = 0; m < c; m++) line[k * c + m] += g[m] / count;
      }
      for (long y = top[i]; y < end[i]; y++)
        _Pragma("omp simd") for (long k = 0; k < w * c; k++) out[y * w * c + k] += line[k];
    }"""


def takes(x: Array) -> bool:
    """Whether C does it of an array."""
    known = type(x) is host.ndarray and x.dtype in ENDINGS
    return known and x.size >= LARGE and has_c() and _library() is not None


def means(x: Array, down: Cut, across: Cut) -> Array:
    """The mean of each part of x (N, H, W, C), packed."""
    out = host.empty((len(x), len(down[0]), len(across[0]), x.shape[3]), x.dtype)
    return _run("means", x, out, x.shape, down, across)


def slopes(g: Array, length: Sequence[int], down: Cut, across: Cut) -> Array:
    """The adjoint: of g, packed, an array (N, *length, C)."""
    out = host.empty((len(g), *length, g.shape[3]), g.dtype)
    return _run("slopes", g, out, out.shape, down, across)


def _run(name: str, read: Array, out: Array, shape: tuple[int, ...], down: Cut, across: Cut) -> Array:
    works = parts_of(2 * max(read.size, out.size), len(read))
    lines, cuts = (
        host.empty((works, shape[2] * shape[3]), read.dtype),
        host.array([*down[0], *down[1], *across[0], *across[1]], "l"),
    )
    numbers = (works, *shape, len(down[0]), len(across[0]))
    function = getattr(_library(), f"cut_{name}_{ENDINGS[read.dtype]}")
    function(works, pointers(read, out, lines, cuts), (ctypes.c_double * 7)(*numbers))
    return out


@functools.cache
def _library() -> Any:
    """The library; None where it cannot be had."""
    texts = {name: _PART.replace("DO", text) for name, text in {"means": _MEANS, "slopes": _SLOPES}.items()}
    sources = [filled(text.replace("NAME", name), dtype) for name, text in texts.items() for dtype in TYPES]
    return in_pool(
        "\n".join([HEADER, SETUP, *sources]), [f"cut_{name}_{t[2]}" for name in texts for t in TYPES.values()]
    )
