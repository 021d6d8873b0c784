"""Convolution of few channels in C, with no windows laid out: the features of a group are the lanes of a vector.

One idea: a number of x is multiplied by a vector of weights, one for each feature, and seven neighbouring results are
summed in registers. Where a product of matrices would be thin (images of three channels, groups of a few), the windows
cost more to lay out than to multiply, and here x is read as it is. Read `winograd.py` next.
"""

# Note [Edges] is Note [Zeros at the edge] of depthwise.py: what is outside x is multiplied as zero, what is outside the
# result adds nothing to x.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from .parts import parts_of
from .rings import GEOMETRY, RING, laid, ring_of
from .shares import Work
from .template import COPY

__all__ = ["FUNCTIONS", "work_of"]

_BYTES = 32  # of a vector

_RUNS = """\
typedef struct { long x, w, count; } direct_run;  // numbers in a row, in the ring and in the weight
// One more run; it goes on with the last one where it begins at its end.
static inline long direct_add(direct_run *runs, long found, long x, long w, long count) {
  if (found && runs[found - 1].x + runs[found - 1].count == x && runs[found - 1].w + runs[found - 1].count == w)
    return runs[found - 1].count += count, found;
  runs[found] = (direct_run){x, w, count};
  return found + 1;
}"""

_PAIRS = """\
// Features go by pairs of vectors, the last perhaps by one: the first of the pair in which one is, and numbers in it.
static inline long direct_first_@(long q) { return q / (2 * lanes_@) * (2 * lanes_@); }
static inline long direct_width_@(long left) { return left > lanes_@ ? 2 * lanes_@ : lanes_@; }"""

_LINE = """\
// R results, `next` apart, of V vectors each: numbers of x, `step` from one result to the next, times vectors of w.
static inline __attribute__((always_inline)) void direct_block_@(int R, int V, const T *x, long step, const T *w,
    const direct_run *run, long runs, T *y, long next, long n) {
  vector_@ sum[14];
  for (int r = 0; r < R * V; r++) sum[r] = (vector_@){0};
  for (const direct_run *end = run + runs; run < end; run++) {
    const T *p = x + run->x, *k = w + run->w * V * lanes_@;
    for (long c = 0; c < run->count; c++, p++, k += V * lanes_@) {
      vector_@ factor[2];
      for (int v = 0; v < V; v++) factor[v] = *(const vector_@ *)(k + v * lanes_@);
      for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) sum[r * V + v] += p[r * step] * factor[v];
    }
  }
  for (int r = 0; r < R; r++, y += next)
    for (int v = 0; v < V; v++) {
      if (n >= (v + 1) * lanes_@) *(vector_@ *)(y + v * lanes_@) = sum[r * V + v];
      else
        for (long l = v * lanes_@; l < n; l++) y[l] = sum[r * V + v][l - v * lanes_@];
    }
}
// A line of `count` results, each of n numbers; w has `taps` vectors for each two vectors of them, one for a last one.
static void direct_line_@(const T *x, long step, long count, const T *w, const direct_run *run, long runs, long taps,
    T *y, long next, long n) {
  for (long q = 0; q < n; q += 2 * lanes_@) {
    const int two = n - q > lanes_@;
    // Seven at a time, as often as they fit into most images, then four; the last may be made twice.
    for (long k = 0, many; k < count; k += many) {
      const long rest = count - k;
      many = !two && rest > 10 ? 14 : count >= 7 && rest > 4 ? 7 : count >= 4 ? 4 : 1;
      if (many > count) many = 7;
      if (many > rest) k = count - many;
#define CASE(R, V) case 16 * V + R: \\
      direct_block_@(R, V, x + k * step, step, w + q * taps, run, runs, y + k * next + q, next, n - q); break;
      switch (16 * (two + 1) + many) { CASE(1, 1) CASE(4, 1) CASE(7, 1) CASE(14, 1) CASE(1, 2) CASE(4, 2) CASE(7, 2) }
#undef CASE
    }
  }
}"""

# Each does its part, some rows of what is made, or of the result: group after group, row after row.

_CONVOLVE = """\
static void direct_convolve_@(const T *x, const T *w, T *y, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  const long size = g->across * g->ins, lines = (g->outs + lanes_@ - 1) / lanes_@ * lanes_@ * taps;
  direct_run *runs = (direct_run *)(room + part * g->room);
  T *turned = (T *)(runs + g->kh * g->kw), *ring = turned + lines;
  memset(turned, 0, (lines + (g->slots + 1) * size) * sizeof(T));
  const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
  for (long i = 0; i < g->groups; i++, x += g->ins, y += g->outs) {
    for (long q = 0; q < g->outs; q++, w += taps) {
      const long first = direct_first_@(q), width = direct_width_@(g->outs - first);
      for (long t = 0; t < taps; t++) turned[first * taps + t * width + q - first] = w[t];
    }
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      ring_fill_@(x + b * g->h * g->w * c, ring, low, low + (g->kh - 1) * g->dh, &next, g->h, g->w, c, 1, g->ins,
                  g->ins, g);
      long found = 0;
      for (long k = 0; k < g->kh; k++)
        for (long j = 0; j < g->kw; j++)
          found = direct_add(runs, found, ring_row_@(low + k * g->dh, g->h, size, g) + j * g->dw * g->ins,
                             (k * g->kw + j) * g->ins, g->ins);
      direct_line_@(ring, g->sw * g->ins, g->ow, turned, runs, found, taps, y + row * g->ow * o, o, g->outs);
    }
  }
}"""

_INPUT = """\
static void direct_convolve_input_@(const T *y, const T *w, T *x, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, places = g->kh * g->kw, taps = places * g->outs;
  const long size = g->across * g->outs, lines = (g->ins + lanes_@ - 1) / lanes_@ * lanes_@ * taps;
  direct_run *runs = (direct_run *)(room + part * g->room);
  T *turned = (T *)(runs + places), *ring = turned + lines;
  memset(turned, 0, (lines + (g->slots + 1) * size) * sizeof(T));
  const long from = g->batch * g->h * part / g->parts, to = g->batch * g->h * (part + 1) / g->parts;
  for (long group = 0; group < g->groups; group++, x += g->ins, y += g->outs) {
    int finite = 1;
    // The places of the kernel backwards, in which order they meet neighbours of the result.
    for (long q = 0; q < g->outs; q++)
      for (long t = places; t-- > 0;)
        for (long k = 0; k < g->ins; k++, w++) {
          const long first = direct_first_@(k), width = direct_width_@(g->ins - first);
          turned[first * taps + (t * g->outs + q) * width + k - first] = *w;
          finite &= *w - *w == 0;
        }
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->h, y0 = row % g->h, last = y0 + g->top, low = last - (g->kh - 1) * g->dh;
      if (y0 == 0) next = 0;
      ring_fill_@(y + b * g->oh * g->ow * o, ring, low > 0 ? (low + g->sh - 1) / g->sh : 0, last / g->sh, &next, g->oh,
                  g->ow, o, 1, g->outs, g->outs, g);
      // Pixels one stride apart are reached by the same places of the kernel, see Note [Edges].
      for (long x0 = 0; x0 < g->sw && x0 < g->w; x0++) {
        const long count = (g->w - x0 + g->sw - 1) / g->sw, step = finite ? count : 1;
        for (long k = 0; k < count; k += step) {
          long found = 0;
          for (long i = g->kh; i-- > 0;)
            for (long j = g->kw; j-- > 0;) {
              const long down = last - i * g->dh, right = x0 + g->left - j * g->dw, ox = right / g->sw + k;
              if (down < 0 || down % g->sh || down / g->sh >= g->oh || right % g->sw) continue;
              if (!finite && (ox < 0 || ox >= g->ow)) continue;
              found = direct_add(runs, found, ring_row_@(down / g->sh, g->oh, size, g) + (g->lead + ox) * g->outs,
                                 (places - 1 - i * g->kw - j) * g->outs, g->outs);
            }
          direct_line_@(ring, g->outs, step, turned, runs, found, taps, x + (row * g->w + x0 + k * g->sw) * c,
                        g->sw * c, g->ins);
        }
      }
    }
  }
}"""

# Of several parts each makes a sum of its own, one behind the other in `w`.
_WEIGHT = """\
// K vectors of V sums: a line of `count` results, V vectors each, times numbers of x at `at`.
static inline __attribute__((always_inline)) void direct_sums_@(int K, int V, const T *x, long step, const long *at,
    const T *y, long width, long count, T *sums) {
  vector_@ sum[12];
  const T *p[12];
  for (int t = 0; t < K * V; t++) sum[t] = (vector_@){0};
  for (int t = 0; t < K; t++) p[t] = x + at[t];
  for (long k = 0, i = 0; k < count; k++, i += step, y += width) {
    vector_@ factor[2];
    for (int v = 0; v < V; v++) factor[v] = *(const vector_@ *)(y + v * lanes_@);
    for (int t = 0; t < K; t++)
      for (int v = 0; v < V; v++) sum[t * V + v] += p[t][i] * factor[v];
  }
  for (int t = 0; t < K * V; t++) *(vector_@ *)(sums + t * lanes_@) += sum[t];
}
static void direct_taps_@(const T *x, long step, const long *at, long taps, const T *y, long width, long count, int two,
    T *sums) {
  for (long t = 0, many; t < taps; t += many) {
    many = taps - t >= 6 ? 6 : taps - t >= 3 ? 3 : 1;
#define CASE(K, V) case 8 * V + K: \\
    direct_sums_@(K, V, x, step, at + t, y, width, count, sums + t * V * lanes_@); break;
    switch (8 * (two + 1) + many) { CASE(1, 1) CASE(3, 1) CASE(6, 1) CASE(1, 2) CASE(3, 2) CASE(6, 2) }
#undef CASE
  }
}
static void direct_convolve_weight_@(const T *x, const T *y, T *w, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  const long size = g->across * g->ins, whole = (g->outs + lanes_@ - 1) / lanes_@ * lanes_@;
  long *at = (long *)(room + part * g->room);
  T *sums = (T *)(at + taps), *of_y = sums + whole * taps, *ring = of_y + g->ow * whole;
  memset(of_y, 0, (g->ow * whole + (g->slots + 1) * size) * sizeof(T));
  w += part * o * taps;
  const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
  for (long i = 0; i < g->groups; i++, x += g->ins, y += g->outs) {
    memset(sums, 0, whole * taps * sizeof(T));
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      ring_fill_@(x + b * g->h * g->w * c, ring, low, low + (g->kh - 1) * g->dh, &next, g->h, g->w, c, 1, g->ins,
                  g->ins, g);
      ring_lay_@(y + row * g->ow * o, of_y, g->ow, o, 1, g->outs, whole, g->ow);
      for (long k = 0, t = 0; k < g->kh; k++)
        for (long j = 0; j < g->kw; j++)
          for (long n = 0; n < g->ins; n++, t++)
            at[t] = ring_row_@(low + k * g->dh, g->h, size, g) + j * g->dw * g->ins + n;
      for (long q = 0; q < whole; q += 2 * lanes_@)
        direct_taps_@(ring, g->sw * g->ins, at, taps, of_y + q, whole, g->ow, whole - q > lanes_@, sums + q * taps);
    }
    for (long q = 0; q < g->outs; q++, w += taps) {
      const long first = direct_first_@(q), width = direct_width_@(g->outs - first);
      for (long t = 0; t < taps; t++) w[t] = sums[first * taps + t * width + q - first];
    }
  }
}"""

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (GEOMETRY, COPY, RING, _PAIRS, _RUNS, _LINE, _CONVOLVE),
    "convolve_input": (GEOMETRY, COPY, RING, _PAIRS, _RUNS, _LINE, _INPUT),
    "convolve_weight": (GEOMETRY, COPY, RING, _PAIRS, _WEIGHT),
}


def work_of(name: str, geo: Geometry, itemsize: int) -> Work:
    """How "convolve", "convolve_input" or "convolve_weight" is done."""
    geo = laid(geo)
    lanes = _BYTES // itemsize
    ins, outs = geo.channels // geo.groups, geo.features // geo.groups
    read, made, height = (outs, ins, geo.length[0]) if name == "convolve_input" else (ins, outs, geo.counts[0])
    taps, whole = prod(geo.size) * read, -(-made // lanes) * lanes
    slots, lead, across = ring_of(name, geo)
    room = whole * taps + (slots + 1) * across * read
    room += (
        (geo.counts[1] * whole + taps * 8 // itemsize) if name == "convolve_weight" else prod(geo.size) * 24 // itemsize
    )
    room = -(-room // 16) * 16
    parts = parts_of(prod(geo.out_shape) * geo.kernel // 4, geo.batch * height)
    (top, _), (left, _) = geo.padding
    numbers = (
        geo.batch, *geo.length, *geo.counts, *geo.size, *geo.stride, top, left, *geo.dilation,
        geo.groups, ins, outs, 1, slots, lead, across, parts, room,
    )  # fmt: skip
    return Work(numbers, parts, parts * room, parts if name == "convolve_weight" else 1)
