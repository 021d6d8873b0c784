"""Rings: the few rows of an image that a row of what is made reads, laid out side by side with zeros around them.

One idea: neighbouring rows read the same rows, so each is laid out once, in the place of one that is needed no longer.
`depthwise.py` and `direct.py` walk over them. Read `depthwise.py` next.
"""

# Note [A ring of rows]
# Neighbouring rows of results read the same rows. Each is laid out once, in the place of one that is needed no longer:
# row y in place y modulo their number, [place in the group][pixel][group], with zeros before and behind it for pixels
# outside. One place more holds zeros, for rows outside.

from __future__ import annotations

from dataclasses import replace

from ...convolution import Geometry

__all__ = ["GEOMETRY", "RING", "laid", "ring_of"]

GEOMETRY = """\
typedef struct {
  long batch, h, w, oh, ow, kh, kw, sh, sw, top, left, dh, dw;  // lengths, windows, kernel, options
  long groups, ins, outs, width;  // channels of x and of the result in a group, groups at a time
  long slots, lead, across;  // the ring: rows, zeros before each, pixels of each with zeros
  long tall, parts, room;  // rows of results at a time, numbers that a part works in
} ring_t;
typedef struct { long x, w; } ring_tap;  // where a place of the kernel lies in the ring, and in the weight"""

RING = """\
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
static void ring_fill_@(const T *x, T *ring, long low, long high, long *next, long h, long w, long channels, long ins,
    long n, long width, const ring_t *g) {
  long y = low > *next ? low : *next;
  for (; y <= high && y < h; y++)
    ring_lay_@(x + y * w * channels, ring + y % g->slots * ins * g->across * width + g->lead * width, w, channels, ins,
               n, width, g->across);
  if (y > *next) *next = y;
}
// Where a row lies in the ring.
static inline long ring_row_@(long y, long h, long size, const ring_t *g) {
  return (y < 0 || y >= h ? g->slots : y % g->slots) * size;
}"""


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
