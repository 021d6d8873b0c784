"""Convolution of many groups in C, of single channels above all: the groups side by side are the lanes of a vector.

One idea: channels that stand at the same place in their groups are treated alike, so a row of x is laid out with them
side by side; then a convolution is a sum of a few products of vectors, which stays in registers. Read `direct.py`
next.
"""

# Note [Zeros at the edge]
# By its definition a convolution multiplies the zeros of its padding, so infinity in a weight gives NaN there, and so
# it is here. The adjoint in x is another matter: where there is no result nothing is added. Zeros that are multiplied
# in their place change nothing while the weight is finite; where it is not, each pixel takes those that there are.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from .parts import parts_of
from .rings import GEOMETRY, RING, laid, ring_of
from .shares import LAST, Lies, Work
from .template import COPY

__all__ = ["FUNCTIONS", "PACKS", "work_of"]

_BYTES = 32  # of a vector
_RING = 1 << 16  # bytes of rows that are laid out, about
_LEAST = 16  # groups at a time
_ROOM = 16 << 20  # numbers that all parts together may lay out, about

_WIDTH = """\
// From one line of so many groups to the next: whole vectors, and more where lines would meet in few sets of a cache.
static inline long side_width_@(long n) {
  const long width = (n + lanes_@ - 1) / lanes_@ * lanes_@;
  return width * sizeof(T) % 256 ? width : width + 64 / sizeof(T);
}"""

_LINE = """\
// R results of V vectors: sums over taps of numbers of x, `step` from one result to the next, times those of w, and b.
static inline __attribute__((always_inline)) void side_block_@(int R, int V, int whole, const T *x, long step,
    const T *w, const ring_tap *tap, long taps, const T *b, T *y, long next, long gap, long n) {
  vector_@ sum[14];
  for (int r = 0; r < R; r++) __builtin_prefetch(y + r * next, 1);  // there by the time when it is written
  for (int r = 0; r < R * V; r++) sum[r] = (vector_@){0};
  for (const ring_tap *end = tap + taps; tap < end; tap++) {
    const T *p = x + tap->x, *k = w + tap->w;
    vector_@ factor[2];
    for (int v = 0; v < V; v++) factor[v] = *(const vector_@ *)(k + v * lanes_@);
    for (int r = 0; r < R; r++, p += step)
      for (int v = 0; v < V; v++) sum[r * V + v] += *(const vector_@ *)(p + v * lanes_@) * factor[v];
  }
  for (int r = 0; r < R; r++, y += next)
    for (int v = 0; v < V; v++) {
      if (whole) *(vector_@ *)(y + v * lanes_@) = sum[r * V + v] + *(const vector_@ *)(b + v * lanes_@);
      else
        for (long l = v * lanes_@; l < (v + 1) * lanes_@ && l < n; l++)
          y[l * gap] = sum[r * V + v][l - v * lanes_@] + b[l * gap];
    }
}
// R results, `next` apart, each `outs` for n groups, with bias b; the weight has `size` numbers for each of these.
static inline __attribute__((always_inline)) void side_few_@(int R, const T *x, long step, const T *w,
    const ring_tap *tap, long taps, long size, const T *b, T *y, long next, long outs, long n) {
  long c = 0;
  if (outs == 1)
    for (; c + 2 * lanes_@ <= n; c += 2 * lanes_@)
      side_block_@(R, 2, 1, x + c, step, w + c, tap, taps, b + c, y + c, next, 1, 0);
  for (; c + lanes_@ < n; c += 2 * lanes_@)
    for (long q = 0; q < outs; q++)
      side_block_@(R, 2, 0, x + c, step, w + q * size + c, tap, taps, b + c * outs + q, y + c * outs + q, next, outs,
                   n - c);
  for (; c < n; c += lanes_@)
    for (long q = 0; q < outs; q++)
      side_block_@(R, 1, 0, x + c, step, w + q * size + c, tap, taps, b + c * outs + q, y + c * outs + q, next, outs,
                   n - c);
}
static void side_line_@(const T *x, long step, long count, const T *w, const ring_tap *tap, long taps, long size,
    const T *b, T *y, long next, long outs, long n) {
  // Seven at a time, as often as they fit into most images, then four; the last may be made twice.
  for (long k = 0, many; k < count; k += many) {
    const long rest = count - k;
    many = count >= 7 && rest > 4 ? 7 : count >= 4 ? 4 : 1;
    if (many > rest) k = count - many;
#define CASE(R) case R: side_few_@(R, x + k * step, step, w, tap, taps, size, b, y + k * next, next, outs, n); break;
    switch (many) { CASE(1) CASE(4) CASE(7) }
#undef CASE
  }
}"""

# What is added to each pixel of what is made lies before the room of the parts.
_PACK = """\
static inline T *side_room_@(T *room, long made, long part, const ring_t *g) {
  return room + (made + 15) / 16 * 16 + part * g->room;
}
static void side_pack_@(const T *bias, T *room, long made) {
  for (long i = 0; i < made; i++) room[i] = bias ? bias[i] : 0;
}
static void side_pack_convolve_@(const T *w, const T *bias, T *room, const ring_t *g) {
  side_pack_@(bias, room, g->groups * g->outs);
}
static void side_pack_convolve_input_@(const T *w, const T *bias, T *room, const ring_t *g) {
  side_pack_@(bias, room, g->groups * g->ins);
}"""

# Each does its part, some rows of what is made, or of the result: for so many groups at a time, row after row.

_CONVOLVE = """\
static void side_convolve_@(const T *x, const T *w, T *y, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  ring_tap *tap = (ring_tap *)side_room_@(room, o, part, g);
  for (long first = 0; first < g->groups; first += g->width) {
    const long n = first + g->width < g->groups ? g->width : g->groups - first;
    const long width = side_width_@(n);
    const long line = g->across * width, size = g->ins * line;
    T *turned = (T *)(tap + taps), *ring = turned + g->outs * taps * width;
    memset(turned, 0, (g->outs * taps * width + (g->slots + 1) * size) * sizeof(T));
    for (long l = 0; l < n; l++)
      for (long q = 0; q < g->outs; q++)
        for (long t = 0; t < taps; t++)
          turned[(q * taps + t) * width + l] = w[((first + l) * g->outs + q) * taps + t];
    const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      ring_fill_@(x + b * g->h * g->w * c, ring, low, low + (g->kh - 1) * g->dh, &next, g->h, g->w, c, g->ins, first, n,
                  width, g->first_planes, g);
      for (long i = 0, t = 0; i < g->kh; i++)
        for (long j = 0; j < g->kw; j++)
          for (long k = 0; k < g->ins; k++, t++) {
            tap[t].x = ring_row_@(low + i * g->dh, g->h, size, g) + k * line + j * g->dw * width;
            tap[t].w = t * width;
          }
      side_line_@(ring, g->sw * width, g->ow, turned, tap, taps, taps * width, room + first * g->outs,
                  y + row * g->ow * o + first * g->outs, o, g->outs, n);
    }
  }
}"""

_INPUT = """\
static void side_convolve_input_@(const T *y, const T *w, T *x, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, places = g->kh * g->kw, taps = places * g->outs;
  ring_tap *tap = (ring_tap *)side_room_@(room, c, part, g);
  for (long first = 0; first < g->groups; first += g->width) {
    const long n = first + g->width < g->groups ? g->width : g->groups - first;
    const long width = side_width_@(n);
    const long line = g->across * width, size = g->outs * line;
    T *turned = (T *)(tap + taps), *ring = turned + g->ins * taps * width;
    memset(turned, 0, (g->ins * taps * width + (g->slots + 1) * size) * sizeof(T));
    int finite = 1;
    for (long l = 0; l < n; l++)
      for (long q = 0; q < g->outs; q++)
        for (long t = 0; t < places; t++)
          for (long k = 0; k < g->ins; k++) {
            const T v = w[(((first + l) * g->outs + q) * places + t) * g->ins + k];
            turned[(k * taps + t * g->outs + q) * width + l] = v;
            finite &= v - v == 0;
          }
    const long from = g->batch * g->h * part / g->parts, to = g->batch * g->h * (part + 1) / g->parts;
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->h, y0 = row % g->h, last = y0 + g->top, low = last - (g->kh - 1) * g->dh;
      if (y0 == 0) next = 0;
      ring_fill_@(y + b * g->oh * g->ow * o, ring, low > 0 ? (low + g->sh - 1) / g->sh : 0, last / g->sh, &next, g->oh,
                  g->ow, o, g->outs, first, n, width, g->first_planes, g);
      // Pixels one stride apart are reached by the same places of the kernel, see Note [Zeros at the edge].
      for (long x0 = 0; x0 < g->sw && x0 < g->w; x0++) {
        const long count = (g->w - x0 + g->sw - 1) / g->sw, step = finite ? count : 1;
        for (long k = 0; k < count; k += step) {
          long found = 0;
          for (long i = 0; i < g->kh; i++)
            for (long j = 0; j < g->kw; j++) {
              const long down = last - i * g->dh, right = x0 + g->left - j * g->dw, ox = right / g->sw + k;
              if (down < 0 || down % g->sh || down / g->sh >= g->oh || right % g->sw) continue;
              if (!finite && (ox < 0 || ox >= g->ow)) continue;
              for (long q = 0; q < g->outs; q++, found++) {
                tap[found].x = ring_row_@(down / g->sh, g->oh, size, g) + q * line + (g->lead + ox) * width;
                tap[found].w = ((i * g->kw + j) * g->outs + q) * width;
              }
            }
          side_line_@(ring, width, step, turned, tap, found, taps * width, room + first * g->ins,
                      x + (row * g->w + x0 + k * g->sw) * c + first * g->ins, g->sw * c, g->ins, n);
        }
      }
    }
  }
}"""

# Of several parts each makes a sum of its own, one behind the other in `w`.
_WEIGHT = """\
// K sums of products of a line of results, `count` vectors, with x at `at`.
static inline __attribute__((always_inline)) void side_sums_@(int K, const T *x, long step, const long *at, const T *y,
    long next, long width, long count, T *sums) {
  vector_@ sum[9];
  const T *p[9];
  for (int t = 0; t < K; t++) sum[t] = (vector_@){0}, p[t] = x + at[t];
  for (long k = 0, i = 0; k < count; k++, i += step, y += next) {
    const vector_@ factor = *(const vector_@ *)y;
    __builtin_prefetch(y + count * next);  // the next line, of which no more than a vector is asked for at a time
    for (int t = 0; t < K; t++) sum[t] += factor * *(const vector_@ *)(p[t] + i);
  }
  for (int t = 0; t < K; t++) *(vector_@ *)(sums + t * width) += sum[t];
}
static void side_taps_@(const T *x, long step, const long *at, long taps, const T *y, long next, long width, long count,
    T *sums) {
  long t = 0;
  for (; t + 9 <= taps; t += 9) side_sums_@(9, x, step, at + t, y, next, width, count, sums + t * width);
  for (; t + 3 <= taps; t += 3) side_sums_@(3, x, step, at + t, y, next, width, count, sums + t * width);
  for (; t < taps; t++) side_sums_@(1, x, step, at + t, y, next, width, count, sums + t * width);
}
static void side_convolve_weight_@(const T *x, const T *y, T *w, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  long *at = (long *)(room + part * g->room);
  w += part * o * taps;
  for (long first = 0; first < g->groups; first += g->width) {
    const long n = first + g->width < g->groups ? g->width : g->groups - first;
    const long width = side_width_@(n);
    const long line = g->across * width, size = g->ins * line, length = g->ow * width;
    T *sums = (T *)(at + taps), *ring = sums + g->outs * taps * width, *of_y = ring + (g->slots + 1) * size;
    memset(sums, 0, (g->outs * taps * width + (g->slots + 1) * size + g->outs * length) * sizeof(T));
    const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      ring_fill_@(x + b * g->h * g->w * c, ring, low, low + (g->kh - 1) * g->dh, &next, g->h, g->w, c, g->ins, first, n,
                  width, g->first_planes, g);
      // Results that fill vectors are read where they lie.
      const T *of = y + row * g->ow * o + first * g->outs;
      const int lies = g->outs == 1 && n % lanes_@ == 0 && !g->second_planes;
      if (g->second_planes)
        for (long q = 0; q < g->outs; q++)
          ring_turn_@(y + ((b * o + first * g->outs + q) * g->oh + oy) * g->ow, g->outs * g->oh * g->ow,
                      of_y + q * length, width, g->ow, n);
      else if (!lies) ring_lay_@(of, of_y, g->ow, o, g->outs, n, width, g->ow);
      if (!lies) of = of_y;
      for (long i = 0, t = 0; i < g->kh; i++)
        for (long j = 0; j < g->kw; j++)
          for (long k = 0; k < g->ins; k++, t++)
            at[t] = ring_row_@(low + i * g->dh, g->h, size, g) + k * line + j * g->dw * width;
      for (long l = 0; l < n; l += lanes_@)
        for (long q = 0; q < g->outs; q++)
          side_taps_@(ring + l, g->sw * width, at, taps, of + q * length + l, lies ? o : width, width, g->ow,
                      sums + q * taps * width + l);
    }
    for (long l = 0; l < n; l++)
      for (long q = 0; q < g->outs; q++)
        for (long t = 0; t < taps; t++)
          w[((first + l) * g->outs + q) * taps + t] = sums[(q * taps + t) * width + l];
  }
}"""

PACKS = frozenset({"convolve", "convolve_input"})
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (GEOMETRY, COPY, *RING, _WIDTH, _PACK, _LINE, _CONVOLVE),
    "convolve_input": (GEOMETRY, COPY, *RING, _WIDTH, _PACK, _LINE, _INPUT),
    "convolve_weight": (GEOMETRY, COPY, *RING, _WIDTH, _WEIGHT),
}


def work_of(name: str, geo: Geometry, itemsize: int, lies: Lies = LAST) -> Work:
    """How "convolve", "convolve_input" or "convolve_weight" is done."""
    geo = laid(geo)
    lanes = _BYTES // itemsize
    ins, outs = geo.channels // geo.groups, geo.features // geo.groups
    taps = prod(geo.size) * (outs if name == "convolve_input" else ins)
    slots, lead, across = ring_of(name, geo)
    planes = outs if name == "convolve_input" else ins
    line = (slots + 1) * planes * across * itemsize  # bytes of one group
    width = min(geo.groups, max(_LEAST, _RING // line // lanes * lanes))
    whole = -(-width // lanes) * lanes + 64 // itemsize  # or less, see `side_width`
    made, others = (ins, geo.length) if name == "convolve_input" else (outs, geo.counts)
    row = (outs * geo.counts[1] if name == "convolve_weight" else 0) + (slots + 1) * planes * across
    room = 2 * taps * 8 // itemsize + whole * (made * taps + row)
    room = -(-room // 16) * 16
    work = prod(geo.out_shape) * geo.fan_in
    parts = parts_of(work // 4, min(geo.batch * others[0], _ROOM // room))
    (top, _), (left, _) = geo.padding
    numbers = (
        geo.batch, *geo.length, *geo.counts, *geo.size, *geo.stride, top, left, *geo.dilation,
        geo.groups, ins, outs, width, slots, lead, across, 1, parts, room, *map(int, lies),
    )  # fmt: skip
    packed = -(-geo.groups * made // 16) * 16 if name in PACKS else 0
    return Work(numbers, parts, packed + parts * room, parts if name == "convolve_weight" else 1)
