"""Rings: the few rows of an image that a row of what is made reads, laid out side by side with zeros around them.

One idea: neighbouring rows read the same rows, so each is laid out once, in the place of one that is needed no longer.
`depthwise.py` and `direct.py` walk over them. Read `depthwise.py` next.
"""

# Note [A ring of rows]
# Neighbouring rows of results read the same rows. Each is laid out once, in the place of one that is needed no longer:
# row y in place y modulo their number, [place in the group][pixel][group], with zeros before and behind it for pixels
# outside. One place more holds zeros, for rows outside.

# Note [Turned as they are read]
# Images with their channels in axis 1 need not be brought in order first: a row of one channel is a line, and as many
# lines as there are channels are turned into the ring, which is in the cache. A copy in order of the whole image would
# go to memory and back, which took as long as it takes to convolve where channels are few.

from __future__ import annotations

from dataclasses import replace

from ...convolution import Geometry
from .turns import SQUARES

__all__ = ["GEOMETRY", "RING", "laid", "ring_of"]

GEOMETRY = """\
typedef struct {
  long batch, h, w, oh, ow, kh, kw, sh, sw, top, left, dh, dw;  // lengths, windows, kernel, options
  long groups, ins, outs, width;  // channels of x and of the result in a group, groups at a time
  long slots, lead, across;  // the ring: rows, zeros before each, pixels of each with zeros
  long tall, parts, room;  // rows of results at a time, numbers that a part works in
  long first_planes, second_planes;  // whether the first image that is read has its channels in axis 1, and the second
} ring_t;
typedef struct { long x, w; } ring_tap;  // where a place of the kernel lies in the ring, and in the weight"""

_TURNED = """\
// `count` numbers of each of n lines, which are `far` apart, as `count` lines of n numbers, `step` apart.
static void ring_turn_@(const T *x, long far, T *to, long step, long count, long n) {
  enum { lanes = 32 / sizeof(T) };
  if (count < lanes || n < lanes) {
    for (long l = 0; l < n; l++)
      for (long p = 0; p < count; p++) to[p * step + l] = x[l * far + p];
    return;
  }
  // Of each line all that is in a row, before others take its place in the cache; the last squares may be done twice.
  for (long l = 0; l < n; l += lanes) {
    if (l > n - lanes) l = n - lanes;
    for (long p = 0; p < count; p += lanes) {
      if (p > count - lanes) p = count - lanes;
      const T *from = x + l * far + p;
      T *square = to + p * step + l;
      if (p * sizeof(T) % 64 == 0)  // what comes next in each line, of which hardware does not see that it goes on
        for (int i = 0; i < lanes; i++) __builtin_prefetch(from + i * far + count, 0, 2);
      if (sizeof(T) == 4) turn_square_32((const unsigned *)from, far, (unsigned *)square, step);
      else turn_square_64((const unsigned long long *)from, far, (unsigned long long *)square, step);
    }
  }
}"""

_RING = """\
// A row of `count` pixels as [place in the group][pixel][group]: n groups, in lines of `width`.
static void ring_lay_@(const T *x, T *to, long count, long channels, long ins, long n, long width, long across) {
  for (long p = 0; p < count; p++, x += channels, to += width) {
    if (ins == 1) copy_@(to, x, n);
    else
      for (long k = 0; k < ins; k++)
        for (long l = 0; l < n; l++) to[k * across * width + l] = x[l * ins + k];
  }
}
// Rows `low` to `high` of a sample, where they exist, are in the ring afterwards; those before `next` were put there.
// Of each group from `first` on, n of them; see Note [Turned as they are read].
static void ring_fill_@(const T *x, T *ring, long low, long high, long *next, long h, long w, long channels, long ins,
    long first, long n, long width, long planes, const ring_t *g) {
  long y = low > *next ? low : *next;
  for (; y <= high && y < h; y++) {
    T *to = ring + y % g->slots * ins * g->across * width + g->lead * width;
    if (!planes) ring_lay_@(x + y * w * channels + first * ins, to, w, channels, ins, n, width, g->across);
    else
      for (long k = 0; k < ins; k++)
        ring_turn_@(x + ((first * ins + k) * h + y) * w, ins * h * w, to + k * g->across * width, width, w, n);
  }
  if (y > *next) *next = y;
}
// Where a row lies in the ring.
static inline long ring_row_@(long y, long h, long size, const ring_t *g) {
  return (y < 0 || y >= h ? g->slots : y % g->slots) * size;
}"""


RING = (*SQUARES.values(), _TURNED, _RING)


def laid(geo: Geometry) -> Geometry:
    """The same convolution with its pixels in one row, where it has one column of them."""
    if not geo.length[1] == geo.size[1] == geo.counts[1] == 1:
        return geo
    pairs = ("length", "size", "counts", "stride", "padding", "dilation")
    return replace(geo, **{name: getattr(geo, name)[::-1] for name in pairs})


def ring_of(name: str, geo: Geometry) -> tuple[int, int, int]:
    """How many rows of x, or of the result, one row of what is made reads, its zeros before, and pixels with zeros."""
    (_, _), (left, _) = geo.padding
    (height, width), (sh, sw), (down, right) = geo.length, geo.stride, geo.spans
    if name != "convolve_input":
        return min(down, height), left, max(left + width, (geo.counts[1] - 1) * sw + right)
    lead = max(0, -((left - right + 1) // sw))
    stop = max(geo.counts[1], (width - 1 + left) // sw + 1)
    return min((down - 1) // sh + 1, geo.counts[0]), lead, lead + stop
