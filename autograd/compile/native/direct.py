"""Convolution of few channels in C, with no windows laid out: the features of a group are the lanes of a vector.

One idea: a number of x is multiplied by a vector of weights, one for each feature, and as many neighbouring results as
registers hold are summed there. The windows that a product of matrices reads cost more to lay out than to multiply
where it is thin (images of three channels, groups of a few), and here x is read as it is. Read `winograd.py` next.
"""

# Note [Wide vectors]
# Registers decide how many results are summed at once. With AVX-512 there are 32, of 64 bytes: 14 results of two
# vectors. Without it there are 16, of 32 bytes: six of two. Features that fill no more than half of a wide vector are
# summed in short ones. Numbers in one vector never meet, so results are the same to the last bit.

# Note [Packed weights]
# Before the first part the weights are laid out once for all, in the order in which they are read: of each group, of
# as many features as go together, the bias and then the taps, each a vector or two.

# Note [Edges] is Note [Zeros at the edge] of depthwise.py: what is outside x is multiplied as zero, what is outside the
# result adds nothing to x.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from .parts import parts_of
from .rings import GEOMETRY, RING, laid, ring_of
from .shares import LAST, Lies, Work
from .template import COPY

__all__ = ["FUNCTIONS", "PACKS", "PIXELS", "work_of"]

_BYTES = 64  # of a wide vector, see Note [Wide vectors]
_TALL, _LONG = 8, 64  # lines of results whose sums are made at once, at most, and how many results those shall have
PIXELS = 1024  # results, for whose weights it is worth a part
_RING = 1 << 17  # bytes of rows that are laid out, about

_RUNS = """\
typedef struct { long x, w, count; } direct_run;  // numbers in a row, in the ring and in the weight
// One more run; it goes on with the last one where it begins at its end.
static inline long direct_add(direct_run *runs, long found, long x, long w, long count) {
  if (found && runs[found - 1].x + runs[found - 1].count == x && runs[found - 1].w + runs[found - 1].count == w)
    return runs[found - 1].count += count, found;
  runs[found] = (direct_run){x, w, count};
  return found + 1;
}"""

# See Note [Wide vectors].
_WIDE = """\
#ifdef __AVX512F__
typedef T wide_@ __attribute__((vector_size(64), aligned(sizeof(T)), may_alias));
enum { wides_@ = 64 / sizeof(T), longest_@ = 14, taps_@ = 12 };
#else
typedef vector_@ wide_@;
enum { wides_@ = lanes_@, longest_@ = 6, taps_@ = 6 };
#endif
// How many of so many features that are left go together: two wide vectors of them, one, or a short one.
static inline long direct_width_@(long left) {
  return left > 2 * wides_@ - lanes_@ ? 2 * wides_@ : left > lanes_@ ? wides_@ : lanes_@;
}
// So many features as whole vectors.
static inline long direct_whole_@(long count) {
  long whole = 0;
  while (whole < count) whole += direct_width_@(count - whole);
  return whole;
}"""

_BLOCK = """\
// R results, `next` apart, of V vectors each: numbers of x, `step` from one result to the next, times vectors of w, the
// first of which are the bias.
static inline __attribute__((always_inline)) void direct_KIND_@(int R, int V, const T *x, long step, const T *w,
    const direct_run *run, long runs, T *y, long next, long n) {
  enum { lanes = sizeof(KIND_@) / sizeof(T) };
  const T *bias = w;
  KIND_@ sum[28];
  for (int r = 0; r < R; r++)  // there by the time when it is written
    for (int v = 0; v < V; v++) __builtin_prefetch(y + r * next + v * lanes, 1);
  for (int r = 0; r < R * V; r++) sum[r] = (KIND_@){0};
  w += V * lanes;
  for (const direct_run *end = run + runs; run < end; run++) {
    const T *p = x + run->x, *k = w + run->w * V * lanes;
    for (long c = 0; c < run->count; c++, p++, k += V * lanes) {
      KIND_@ factor[2];
      for (int v = 0; v < V; v++) factor[v] = *(const KIND_@ *)(k + v * lanes);
      for (int r = 0; r < R; r++)
        for (int v = 0; v < V; v++) sum[r * V + v] += p[r * step] * factor[v];
    }
  }
  for (int r = 0; r < R; r++, y += next)
    for (int v = 0; v < V; v++) {
      sum[r * V + v] += *(const KIND_@ *)(bias + v * lanes);
      if (n >= (v + 1) * lanes) *(KIND_@ *)(y + v * lanes) = sum[r * V + v];
      else
        for (long l = v * lanes; l < n; l++) y[l] = sum[r * V + v][l - v * lanes];
    }
}"""

_LINE = """\
// A line of `count` results, each of n numbers; w has a bias and `taps` vectors for as many of them as go together.
static void direct_line_@(const T *x, long step, long count, const T *w, const direct_run *run, long runs, long taps,
    T *y, long next, long n) {
  for (long q = 0, width; q < n; q += width) {
    width = direct_width_@(n - q);
    const int kind = width == lanes_@ ? 0 : width == wides_@ ? 1 : 2;
    // As many at a time as fit into most images, then fewer; the last may be made twice.
    for (long k = 0, many; k < count; k += many) {
      const long rest = count - k, longest = kind < 2 ? 14 : longest_@;
      if (longest == 6) many = count >= 6 && rest > 4 && rest != 7 ? 6 : count >= 4 ? 4 : 1;
      else many = count >= 14 && rest > 10 ? 14 : count >= 7 && rest > 4 ? 7 : count >= 4 ? 4 : 1;
      if (many > rest) k = count - many;
#define CASE(NUMBER, KIND, R, V) case 16 * NUMBER + R: \\
      direct_##KIND##_@(R, V, x + k * step, step, w + q * (taps + 1), run, runs, y + k * next + q, next, n - q); break;
      switch (16 * kind + many) {
        CASE(0, vector, 1, 1) CASE(0, vector, 4, 1) CASE(0, vector, 7, 1) CASE(0, vector, 14, 1)
        CASE(2, wide, 1, 2) CASE(2, wide, 4, 2)
#ifdef __AVX512F__
        CASE(1, wide, 1, 1) CASE(1, wide, 4, 1) CASE(1, wide, 7, 1) CASE(1, wide, 14, 1)
        CASE(2, wide, 7, 2) CASE(2, wide, 14, 2)
#else
        CASE(2, wide, 6, 2)
#endif
      }
#undef CASE
    }
  }
}"""

# The ring of direct.py: in each row the groups one after the other, [group][pixel][channel].
_FILL = """\
// Rows `low` to `high` of a sample, where they exist, are in the ring afterwards; those before `next` were put there.
// Of each group from `first` on, n of them; see Note [Turned as they are read] in rings.py.
static void direct_fill_@(const T *x, T *ring, long low, long high, long *next, long h, long w, long channels,
    long first, long n, long ins, long planes, const ring_t *g) {
  long y = low > *next ? low : *next;
  for (; y <= high && y < h; y++) {
    const T *line = x + y * w * channels + first * ins;
    T *to = ring + (y % g->slots * n * g->across + g->lead) * ins;
    if (planes)
      for (long i = 0; i < n; i++)
        ring_turn_@(x + ((first + i) * ins * h + y) * w, h * w, to + i * g->across * ins, ins, w, ins);
    else if (n == 1 && ins == channels) copy_@(to, line, w * ins);
    else
      for (long p = 0; p < w; p++)
        for (long i = 0; i < n; i++) copy_@(to + (i * g->across + p) * ins, line + p * channels + i * ins, ins);
  }
  if (y > *next) *next = y;
}"""

# See Note [Packed weights].
_PACKED = """\
// Where the packed weights lie, of so many numbers a group; behind them is the room of each part.
static inline T *direct_packed_@(T *room) { return room + 64 / sizeof(T); }
static inline T *direct_room_@(T *room, long lines, long part, const ring_t *g) {
  return direct_packed_@(room) + g->groups * lines + part * g->room;
}"""

_PACK = """\
static void direct_pack_convolve_@(const T *w, const T *bias, T *room, const ring_t *g) {
  const long taps = g->kh * g->kw * g->ins;
  T *to = direct_packed_@(room);
  for (long i = 0; i < g->groups; i++)
    for (long first = 0, width; first < g->outs; first += width) {
      width = direct_width_@(g->outs - first);
      const long n = g->outs - first < width ? g->outs - first : width;
      for (long q = 0; q < width; q++, to++) *to = bias && q < n ? bias[i * g->outs + first + q] : 0;
      // Sixteen taps at a time, whose lines stay in the cache until all features have written to them.
      for (long low = 0; low < taps; low += 16, to += 16 * width)
        for (long q = 0; q < width; q++)
          for (long t = low; t < low + 16 && t < taps; t++) to[(t - low) * width + q] = q < n ? w[q * taps + t] : 0;
      to -= (-taps & 15) * width;
      w += n * taps;
    }
}"""

_PACK_INPUT = """\
static void direct_pack_convolve_input_@(const T *w, const T *bias, T *room, const ring_t *g) {
  const long places = g->kh * g->kw, taps = places * g->outs, lines = direct_whole_@(g->ins) * (taps + 1);
  T *packed = direct_packed_@(room);
  long finite = 1;
  for (long i = 0; i < g->groups; i++, packed += lines) {
    for (long first = 0, width; first < g->ins; first += width) {
      width = direct_width_@(g->ins - first);
      for (long k = 0; k < width; k++)
        packed[first * (taps + 1) + k] = bias && first + k < g->ins ? bias[i * g->ins + first + k] : 0;
    }
    // The places of the kernel backwards, in which order they meet neighbours of the result.
    for (long q = 0; q < g->outs; q++)
      for (long t = places; t-- > 0;)
        for (long first = 0, width; first < g->ins; first += width) {
          width = direct_width_@(g->ins - first);
          const long n = g->ins - first < width ? g->ins - first : width;
          T *to = packed + first * (taps + 1) + (1 + t * g->outs + q) * width;
          for (long k = 0; k < n; k++) to[k] = w[k], finite &= w[k] - w[k] == 0;
          for (long k = n; k < width; k++) to[k] = 0;
          w += n;
        }
  }
  *(long *)room = finite;
}"""

# Each does its part, some rows of what is made, or of the result: some groups at a time, row after row.

_CONVOLVE = """\
static void direct_convolve_@(const T *x, const T *w, T *y, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  const long lines = direct_whole_@(g->outs) * (taps + 1);
  const T *packed = direct_packed_@(room);
  direct_run *runs = (direct_run *)direct_room_@(room, lines, part, g);
  T *ring = (T *)(runs + g->kh * g->kw);
  const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
  for (long first = 0, n; first < g->groups; first += n) {
    n = g->groups - first < g->width ? g->groups - first : g->width;
    const long plane = g->across * g->ins, size = n * plane;
    memset(ring, 0, (g->slots + 1) * size * sizeof(T));
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      direct_fill_@(x + b * g->h * g->w * c, ring, low, low + (g->kh - 1) * g->dh, &next, g->h, g->w, c, first, n,
                    g->ins, g->first_planes, g);
      long found = 0;
      for (long k = 0; k < g->kh; k++) {
        const long line = ring_row_@(low + k * g->dh, g->h, size, g);
        for (long j = 0; j < g->kw; j++)
          found = direct_add(runs, found, line + j * g->dw * g->ins, (k * g->kw + j) * g->ins, g->ins);
      }
      for (long i = 0; i < n; i++)
        direct_line_@(ring + i * plane, g->sw * g->ins, g->ow, packed + (first + i) * lines, runs, found, taps,
                      y + row * g->ow * o + (first + i) * g->outs, o, g->outs);
    }
  }
}"""

_INPUT = """\
static void direct_convolve_input_@(const T *y, const T *w, T *x, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, places = g->kh * g->kw, taps = places * g->outs;
  const long lines = direct_whole_@(g->ins) * (taps + 1), finite = *(const long *)room;
  const T *packed = direct_packed_@(room);
  direct_run *runs = (direct_run *)direct_room_@(room, lines, part, g);
  T *ring = (T *)(runs + places);
  const long from = g->batch * g->h * part / g->parts, to = g->batch * g->h * (part + 1) / g->parts;
  for (long first = 0, n; first < g->groups; first += n) {
    n = g->groups - first < g->width ? g->groups - first : g->width;
    const long plane = g->across * g->outs, size = n * plane;
    memset(ring, 0, (g->slots + 1) * size * sizeof(T));
    for (long row = from, next = 0; row < to; row++) {
      const long b = row / g->h, y0 = row % g->h, last = y0 + g->top, low = last - (g->kh - 1) * g->dh;
      if (y0 == 0) next = 0;
      direct_fill_@(y + b * g->oh * g->ow * o, ring, low > 0 ? (low + g->sh - 1) / g->sh : 0, last / g->sh, &next,
                    g->oh, g->ow, o, first, n, g->outs, g->first_planes, g);
      // Pixels one stride apart are reached by the same places of the kernel, see Note [Edges].
      for (long x0 = 0; x0 < g->sw && x0 < g->w; x0++) {
        const long count = (g->w - x0 + g->sw - 1) / g->sw, step = finite ? count : 1;
        for (long k = 0; k < count; k += step) {
          long found = 0;
          for (long i = g->kh; i-- > 0;) {
            const long down = last - i * g->dh;
            if (down < 0 || down % g->sh || down / g->sh >= g->oh) continue;
            const long line = ring_row_@(down / g->sh, g->oh, size, g);
            for (long j = g->kw; j-- > 0;) {
              const long right = x0 + g->left - j * g->dw, ox = right / g->sw + k;
              if (right % g->sw || !finite && (ox < 0 || ox >= g->ow)) continue;
              found = direct_add(runs, found, line + (g->lead + ox) * g->outs, (places - 1 - i * g->kw - j) * g->outs,
                                 g->outs);
            }
          }
          for (long i = 0; i < n; i++)
            direct_line_@(ring + i * plane, g->outs, step, packed + (first + i) * lines, runs, found, taps,
                          x + (row * g->w + x0 + k * g->sw) * c + (first + i) * g->ins, g->sw * c, g->ins);
        }
      }
    }
  }
}"""

# Of several parts each makes a sum of its own, one behind the other in `w`.
_SUMS = """\
// K vectors of V sums: `tall` lines of `count` results, V vectors each, times K numbers in a row of as many lines of x.
static inline __attribute__((always_inline)) void direct_sums_KIND_@(int K, int V, const T *const *lines, long t,
    long step, const T *y, long width, long tall, long down, long count, T *sums) {
  enum { lanes = sizeof(KIND_@) / sizeof(T) };
  KIND_@ sum[24];
  for (int i = 0; i < K * V; i++) sum[i] = (KIND_@){0};
  for (long r = 0; r < tall; r++, y += down) {
    const T *x = lines[r] + t, *at = y;
    for (long k = 0; k < count; k++, x += step, at += width) {
      KIND_@ factor[2];
      for (int v = 0; v < V; v++) factor[v] = *(const KIND_@ *)(at + v * lanes);
      for (int i = 0; i < K; i++)
        for (int v = 0; v < V; v++) sum[i * V + v] += x[i] * factor[v];
    }
  }
  for (int i = 0; i < K * V; i++) *(KIND_@ *)(sums + i * lanes) += sum[i];
}"""

_WEIGHT = """\
// The same for `taps` numbers of x in a row: twelve at a time, or eight where that leaves no rest.
static void direct_taps_@(const T *const *lines, long step, long taps, const T *y, long width, long tall, long down,
    long count, int kind, long size, T *sums) {
  const long longest = kind < 2 ? 12 : taps_@, most = taps % 12 && taps % 8 == 0 ? 8 : 12;
  for (long t = 0, many; t < taps; t += many) {
    const long rest = taps - t < most ? taps - t : most;
    if (longest == 12) many = rest == 12 ? 12 : rest >= 9 ? 9 : rest >= 8 ? 8 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
    else many = rest >= 6 ? 6 : rest >= 4 ? 4 : rest >= 2 ? 2 : 1;
#define CASE(NUMBER, KIND, K, V) case 16 * NUMBER + K: \\
    direct_sums_##KIND##_@(K, V, lines, t, step, y, width, tall, down, count, sums + t * size); break;
    switch (16 * kind + many) {
      CASE(0, vector, 1, 1) CASE(0, vector, 2, 1) CASE(0, vector, 4, 1) CASE(0, vector, 8, 1) CASE(0, vector, 9, 1)
      CASE(0, vector, 12, 1) CASE(2, wide, 1, 2) CASE(2, wide, 2, 2) CASE(2, wide, 4, 2)
#ifdef __AVX512F__
      CASE(1, wide, 1, 1) CASE(1, wide, 2, 1) CASE(1, wide, 4, 1) CASE(1, wide, 8, 1) CASE(1, wide, 9, 1)
      CASE(1, wide, 12, 1) CASE(2, wide, 8, 2) CASE(2, wide, 9, 2) CASE(2, wide, 12, 2)
#else
      CASE(2, wide, 6, 2)
#endif
    }
#undef CASE
  }
}
static void direct_convolve_weight_@(const T *x, const T *y, T *w, T *room, long part, const ring_t *g) {
  const long c = g->groups * g->ins, o = g->groups * g->outs, taps = g->kh * g->kw * g->ins;
  const long whole = direct_whole_@(g->outs), many = whole * taps;
  // Numbers of x that lie in a row: those of a line of a kernel, where it leaves no place out.
  const long spans = g->dw == 1 ? 1 : g->kw, span = g->kw / spans * g->ins;
  T *of_y = room + part * g->room, *sums = of_y + g->tall * g->ow * whole, *ring = sums + g->width * many;
  memset(of_y, 0, g->tall * g->ow * whole * sizeof(T));
  w += part * o * taps;
  const long from = g->batch * g->oh * part / g->parts, to = g->batch * g->oh * (part + 1) / g->parts;
  for (long first = 0, n; first < g->groups; first += n) {
    n = g->groups - first < g->width ? g->groups - first : g->width;
    const long plane = g->across * g->ins, size = n * plane;
    memset(sums, 0, n * many * sizeof(T));
    memset(ring, 0, (g->slots + 1) * size * sizeof(T));
    for (long row = from, next = 0, tall; row < to; row += tall) {
      const long b = row / g->oh, oy = row % g->oh, low = oy * g->sh - g->top;
      if (oy == 0) next = 0;
      tall = to - row < g->oh - oy ? to - row : g->oh - oy;
      if (tall > g->tall) tall = g->tall;
      direct_fill_@(x + b * g->h * g->w * c, ring, low, low + (tall - 1) * g->sh + (g->kh - 1) * g->dh, &next, g->h,
                    g->w, c, first, n, g->ins, g->first_planes, g);
      for (long i = 0; i < n; i++) {
        // Results that fill vectors are read where they lie.
        const T *of = y + row * g->ow * o + (first + i) * g->outs;
        const int lies = whole == g->outs && !g->second_planes;
        if (g->second_planes)
          ring_turn_@(y + ((b * o + (first + i) * g->outs) * g->oh + oy) * g->ow, g->oh * g->ow, of_y, whole,
                      tall * g->ow, g->outs);
        else if (!lies) ring_lay_@(of, of_y, tall * g->ow, o, 1, g->outs, whole, 0);
        if (!lies) of = of_y;
        const long step = lies ? o : whole;
        for (long across = 0; across < g->ow; across += 64) {
          const long count = across + 64 < g->ow ? 64 : g->ow - across, from_x = across * g->sw * g->ins + i * plane;
          for (long k = 0; k < g->kh; k++)
            for (long j = 0; j < spans; j++) {
              const T *lines[8];
              for (long r = 0; r < tall; r++)
                lines[r] = ring + ring_row_@(low + r * g->sh + k * g->dh, g->h, size, g) + from_x + j * g->dw * g->ins;
              for (long q = 0, width; q < whole; q += width) {
                width = direct_width_@(g->outs - q);
                direct_taps_@(lines, g->sw * g->ins, span, of + across * step + q, step, tall, g->ow * step, count,
                              width == lanes_@ ? 0 : width == wides_@ ? 1 : 2, width,
                              sums + i * many + q * taps + (k * spans + j) * span * width);
              }
            }
        }
      }
    }
    for (long i = 0; i < n; i++)
      for (long q0 = 0, width; q0 < g->outs; q0 += width) {
        width = direct_width_@(g->outs - q0);
        for (long q = q0; q < q0 + width && q < g->outs; q++, w += taps)
          for (long t = 0; t < taps; t++) w[t] = sums[i * many + q0 * taps + t * width + q - q0];
      }
  }
}"""

_BLOCKS, _ALL_SUMS = ("\n".join(text.replace("KIND", kind) for kind in ("vector", "wide")) for text in (_BLOCK, _SUMS))

PACKS = frozenset({"convolve", "convolve_input"})
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (GEOMETRY, COPY, *RING, _WIDE, _FILL, _PACKED, _PACK, _RUNS, _BLOCKS, _LINE, _CONVOLVE),
    "convolve_input": (GEOMETRY, COPY, *RING, _WIDE, _FILL, _PACKED, _PACK_INPUT, _RUNS, _BLOCKS, _LINE, _INPUT),
    "convolve_weight": (GEOMETRY, COPY, *RING, _WIDE, _FILL, _ALL_SUMS, _WEIGHT),
}


def work_of(name: str, geo: Geometry, itemsize: int, lies: Lies = LAST) -> Work:
    """How "convolve", "convolve_input" or "convolve_weight" is done."""
    geo = laid(geo)
    lanes = _BYTES // itemsize
    ins, outs = geo.channels // geo.groups, geo.features // geo.groups
    read, made, height = (outs, ins, geo.length[0]) if name == "convolve_input" else (ins, outs, geo.counts[0])
    taps, whole = prod(geo.size) * read, -(-made // lanes) * lanes
    slots, lead, across = ring_of(name, geo)
    # Lines whose sums stay in registers: with few results in each they would be written and read too often.
    tall = min(_TALL, max(1, _LONG // geo.counts[1])) if name == "convolve_weight" else 1
    slots += (tall - 1) * geo.stride[0]
    groups = max(1, min(geo.groups, _RING // ((slots + 1) * across * read * itemsize)))
    room, packed = groups * (slots + 1) * across * read, 0
    if name == "convolve_weight":
        room += (groups * taps + tall * geo.counts[1]) * whole
    else:
        room += prod(geo.size) * 24 // itemsize
        packed = 64 // itemsize + geo.groups * whole * (taps + 1)
    room, packed = (-(-size // 16) * 16 for size in (room, packed))
    pieces = geo.batch * height
    if name == "convolve_weight":  # a part has a sum of its own for each weight
        pieces = min(pieces, geo.batch * geo.windows // PIXELS)
    parts = parts_of(prod(geo.out_shape) * geo.fan_in // 4, pieces)
    (top, _), (left, _) = geo.padding
    numbers = (
        geo.batch, *geo.length, *geo.counts, *geo.size, *geo.stride, top, left, *geo.dilation,
        geo.groups, ins, outs, groups, slots, lead, across, tall, parts, room, *map(int, lies),
    )  # fmt: skip
    return Work(numbers, parts, packed + parts * room, parts if name == "convolve_weight" else 1)
