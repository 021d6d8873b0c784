"""Convolution of channels by themselves in C, of images that have them in axis 1: pixels side by side are the lanes.

One idea: of each plane some rows are laid out with zeros around them, pixels that are a stride apart side by side.
Then a place of the weight is a step from each result to the number that it reads, the same step for all results, and
vectors of results are sums of products of vectors and a number of the weight. Read `pooling.py` next.
"""

# Note [Zeros at the edge of planes] is that of depthwise.py: with a weight that is not finite the adjoint in x is made
# number by number, and the weight's gradient where a sum is not finite.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from .parts import parts_of
from .rings import laid
from .shares import Work
from .template import COPY

__all__ = ["FUNCTIONS", "PACKS", "work_of"]

_BYTES = 32  # of a vector
_LAID = 1 << 14  # bytes of rows that are laid out, about

_GEOMETRY = """\
typedef struct {
  long batch, h, w, oh, ow, kh, kw, sh, sw, top, left, dh, dw;  // lengths, windows, weight, options
  long channels, outs;  // of x, and of the result for each of them
  long band, rows, across;  // rows that are made at a time, rows that are laid out for them, and how long they are
  long parts, room;  // parts, and numbers that each works in
} plane_t;"""

_LAY = """\
// Row y of a plane of h rows of w numbers, every sw-th of them from `first` on. Where there is none, zeros: behind both
// ends of a row they are there already.
static inline void plane_row_@(const T *x, T *to, long y, long h, long w, long first, long sw, long across) {
  if (y < 0 || y >= h) { memset(to, 0, across * sizeof(T)); return; }
  x += y * w + first;
  long c = first < 0 ? (-first + sw - 1) / sw : 0, stop = first < w ? (w - first + sw - 1) / sw : 0;
  if (stop > across) stop = across;
  if (sw == 1) copy_@(to + c, x + c, stop - c);
  else for (; c < stop; c++) to[c] = x[c * sw];
}
// The rows that results from row `from` on read of a plane, by their place in a stride.
static void plane_lay_@(const T *x, T *to, long from, const plane_t *g) {
  for (long i = 0; i < g->sh; i++)
    for (long j = 0; j < g->sw; j++)
      for (long r = 0; r < g->rows; r++, to += g->across)
        plane_row_@(x, to, (from + r) * g->sh + i - g->top, g->h, g->w, j - g->left, g->sw, g->across);
}
// How far from a result lies what each place of the weight reads.
static void plane_steps_@(long *at, const plane_t *g) {
  for (long i = 0; i < g->kh * g->dh; i += g->dh)
    for (long j = 0; j < g->kw * g->dw; j += g->dw)
      *at++ = ((i % g->sh * g->sw + j % g->sw) * g->rows + i / g->sh) * g->across + j / g->sw;
}"""

_SUMS = """\
// R rows, `across` apart, of V vectors: sums of what lies `at` these steps times numbers k.
static inline __attribute__((always_inline)) void plane_block_@(int R, int V, const T *x, long across, const long *at,
    const T *k, long taps, T bias, T *y, long next, long n) {
  vector_@ sum[8];
  for (int r = 0; r < R * V; r++) sum[r] = (vector_@){0};
  for (long t = 0; t < taps; t++) {
    const T *p = x + at[t];
    for (int r = 0; r < R; r++)
      for (int v = 0; v < V; v++) sum[r * V + v] += *(const vector_@ *)(p + r * across + v * lanes_@) * k[t];
  }
  for (int r = 0; r < R; r++, y += next)
    for (int v = 0; v < V; v++) {
      sum[r * V + v] += bias;
      if (n >= lanes_@) *(vector_@ *)(y + v * lanes_@) = sum[r * V + v];
      else
        for (long l = 0; l < n; l++) y[l] = sum[r * V + v][l];
    }
}
static void plane_rows_@(const T *x, long across, const long *at, const T *k, long taps, T bias, T *y, long next,
    long rows, long count) {
  for (long r = 0, R; r < rows; r += R) {
    R = rows >= 4 ? 4 : 1;
    if (R > rows - r) r = rows - R;  // some are made twice
    for (long c = 0, many; c < count; c += many) {
      const long rest = count - c;
      many = rest > lanes_@ && count >= 2 * lanes_@ ? 2 * lanes_@ : lanes_@;
      if (many > rest && count >= many) c = count - many;
      const T *p = x + r * across + c;
      T *to = y + r * next + c;
#define CASE(R, V) plane_block_@(R, V, p, across, at, k, taps, bias, to, next, count)
      if (R == 4) { if (many > lanes_@) CASE(4, 2); else CASE(4, 1); }
      else if (many > lanes_@) CASE(1, 2);
      else CASE(1, 1);
#undef CASE
    }
  }
}"""

_PACK = """\
static void plane_pack_@(const T *bias, T *room, long made) {
  for (long i = 0; i < made; i++) room[i] = bias ? bias[i] : 0;
}
static inline T *plane_room_@(T *room, long made, long part, const plane_t *g) {
  return room + (made + 15) / 16 * 16 + part * g->room;
}
static void plane_pack_convolve_@(const T *w, const T *bias, T *room, const plane_t *g) {
  plane_pack_@(bias, room, g->channels * g->outs);
}
static void plane_pack_convolve_input_@(const T *w, const T *bias, T *room, const plane_t *g) {
  plane_pack_@(bias, room, g->channels);
}"""

# Each does its part: some bands of all planes, or, of a weight's gradient, some channels.

_CONVOLVE = """\
static void plane_convolve_@(const T *x, const T *w, T *y, T *room, long part, const plane_t *g) {
  const long taps = g->kh * g->kw, bands = (g->oh + g->band - 1) / g->band, all = g->batch * g->channels * bands;
  long *at = (long *)plane_room_@(room, g->channels * g->outs, part, g);
  T *laid = (T *)(at + taps);
  memset(laid, 0, g->sh * g->sw * g->rows * g->across * sizeof(T));
  plane_steps_@(at, g);
  for (long item = all * part / g->parts; item < all * (part + 1) / g->parts; item++) {
    const long plane = item / bands, i = plane % g->channels, from = item % bands * g->band;
    const long rows = g->oh - from < g->band ? g->oh - from : g->band;
    plane_lay_@(x + plane * g->h * g->w, laid, from, g);
    for (long q = 0; q < g->outs; q++)
      plane_rows_@(laid, g->across, at, w + (i * g->outs + q) * taps, taps, room[i * g->outs + q],
                   y + ((plane * g->outs + q) * g->oh + from) * g->ow, g->ow, rows, g->ow);
  }
}"""

_INPUT = """\
// The adjoint in one plane of x, where no number may be multiplied by a zero that is none.
static void plane_spread_@(const T *y, const T *w, T *x, T bias, const plane_t *g) {
  for (long k = 0; k < g->h * g->w; k++) x[k] = 0;
  for (long q = 0; q < g->outs; q++, w += g->kh * g->kw)
    for (long oy = 0; oy < g->oh; oy++)
      for (long ox = 0; ox < g->ow; ox++, y++)
        for (long i = 0; i < g->kh; i++)
          for (long j = 0; j < g->kw; j++) {
            const long down = oy * g->sh - g->top + i * g->dh, right = ox * g->sw - g->left + j * g->dw;
            if (down >= 0 && down < g->h && right >= 0 && right < g->w)
              x[down * g->w + right] += *y * w[i * g->kw + j];
          }
  for (long k = 0; k < g->h * g->w; k++) x[k] += bias;
}
static void plane_convolve_input_@(const T *y, const T *w, T *x, T *room, long part, const plane_t *g) {
  const long places = g->kh * g->kw, taps = places * g->outs, bands = (g->h + g->band - 1) / g->band;
  const long all = g->batch * g->channels * bands, size = g->oh * g->ow;
  const long above = ((g->kh - 1) * g->dh) / g->sh, before = ((g->kw - 1) * g->dw) / g->sw;
  long *at = (long *)plane_room_@(room, g->channels, part, g);
  T *k = (T *)(at + taps), *laid = k + taps, *made = laid + g->outs * g->rows * g->across;
  memset(laid, 0, g->outs * g->rows * g->across * sizeof(T));
  for (long item = all * part / g->parts; item < all * (part + 1) / g->parts; item++) {
    const long plane = item / bands, i = plane % g->channels, from = item % bands * g->band;
    const long stop = g->h - from < g->band ? g->h : from + g->band;
    const T *of_y = y + plane * g->outs * size, *of_w = w + i * taps;
    long finite = 1;
    for (long t = 0; t < taps; t++) finite &= of_w[t] - of_w[t] == 0;
    if (!finite) {
      if (from == 0) plane_spread_@(of_y, of_w, x + plane * g->h * g->w, room[i], g);
      continue;
    }
    const long least = (from + g->top) / g->sh;
    for (long q = 0; q < g->outs; q++)
      for (long r = 0; r < g->rows; r++)
        plane_row_@(of_y + q * size, laid + (q * g->rows + r) * g->across, least - above + r, g->oh, g->ow,
                    g->left / g->sw - before, 1, g->across);
    // Pixels a stride apart, along both axes, are reached by the same places of the weight.
    for (long y0 = from; y0 < stop && y0 < from + g->sh; y0++)
      for (long x0 = 0; x0 < g->sw && x0 < g->w; x0++) {
        const long down = y0 + g->top, right = x0 + g->left;
        long found = 0;
        for (long q = 0; q < g->outs; q++)
          for (long a = 0; a < g->kh; a++)
            for (long b = 0; b < g->kw; b++) {
              if ((down - a * g->dh) % g->sh || (right - b * g->dw) % g->sw) continue;
              at[found] = (q * g->rows + above - a * g->dh / g->sh) * g->across + before - b * g->dw / g->sw;
              k[found++] = of_w[(q * g->kh + a) * g->kw + b];
            }
        const T *p = laid + (down / g->sh - least) * g->across + right / g->sw - g->left / g->sw;
        const long rows = (stop - y0 + g->sh - 1) / g->sh, count = (g->w - x0 + g->sw - 1) / g->sw;
        T *to = x + (plane * g->h + y0) * g->w + x0;
        if (g->sw == 1) plane_rows_@(p, g->across, at, k, found, room[i], to, g->sh * g->w, rows, count);
        else {
          plane_rows_@(p, g->across, at, k, found, room[i], made, count, rows, count);
          for (long r = 0; r < rows; r++)
            for (long n = 0; n < count; n++) to[r * g->sh * g->w + n * g->sw] = made[r * count + n];
        }
      }
  }
}"""

_WEIGHT = """\
// K sums of products of results with x at these steps, in as many numbers as fill vectors.
static inline __attribute__((always_inline)) void plane_sums_@(int K, const T *x, const long *at, const T *y,
    long count, vector_@ *sums) {
  vector_@ sum[9];
  const T *p[9];
  for (int t = 0; t < K; t++) sum[t] = (vector_@){0}, p[t] = x + at[t];
  for (long c = 0; c < count; c += lanes_@) {
    const vector_@ factor = *(const vector_@ *)(y + c);
    for (int t = 0; t < K; t++) sum[t] += factor * *(const vector_@ *)(p[t] + c);
  }
  for (int t = 0; t < K; t++) sums[t] += sum[t];
}
// The sums of one feature, where no number may be multiplied by a zero that is none.
static void plane_exactly_@(const T *x, const T *y, T *w, const plane_t *g) {
  for (long i = 0; i < g->kh; i++)
    for (long j = 0; j < g->kw; j++, w++) {
      *w = 0;
      for (long b = 0; b < g->batch; b++)
        for (long oy = 0; oy < g->oh; oy++)
          for (long ox = 0; ox < g->ow; ox++) {
            const long down = oy * g->sh - g->top + i * g->dh, right = ox * g->sw - g->left + j * g->dw;
            const int inside = down >= 0 && down < g->h && right >= 0 && right < g->w;
            const T of_x = inside ? x[(b * g->channels * g->h + down) * g->w + right] : 0;
            *w += of_x * y[(b * g->channels * g->outs * g->oh + oy) * g->ow + ox];
          }
    }
}
static void plane_convolve_weight_@(const T *x, const T *y, T *w, T *room, long part, const plane_t *g) {
  const long taps = g->kh * g->kw, size = g->oh * g->ow, longest = g->band * g->across + lanes_@;
  long *at = (long *)(room + part * g->room);
  vector_@ *sums = (vector_@ *)(at + taps);
  T *of_y = (T *)(sums + g->outs * taps), *laid = of_y + longest;
  memset(of_y, 0, (longest + g->sh * g->sw * g->rows * g->across + lanes_@) * sizeof(T));
  plane_steps_@(at, g);
  for (long i = g->channels * part / g->parts; i < g->channels * (part + 1) / g->parts; i++) {
    for (long t = 0; t < g->outs * taps; t++) sums[t] = (vector_@){0};
    for (long b = 0; b < g->batch; b++)
      for (long from = 0; from < g->oh; from += g->band) {
        const long rows = g->oh - from < g->band ? g->oh - from : g->band, plane = b * g->channels + i;
        const long count = rows * g->across;
        plane_lay_@(x + plane * g->h * g->w, laid, from, g);
        for (long q = 0; q < g->outs; q++) {
          // As x is laid out, so that vectors go on from line to line: between these are zeros.
          const T *of = y + (plane * g->outs + q) * size + from * g->ow;
          for (long r = 0; r < rows; r++) copy_@(of_y + r * g->across, of + r * g->ow, g->ow);
          for (long n = count; n < count + lanes_@; n++) of_y[n] = 0;
          long t = 0;
#define CASE(K) for (; t + K <= taps; t += K) plane_sums_@(K, laid, at + t, of_y, count, sums + q * taps + t);
          CASE(9) CASE(3) CASE(1)
#undef CASE
        }
      }
    for (long q = 0; q < g->outs; q++) {
      T *of_w = w + (i * g->outs + q) * taps, none = 0;
      for (long t = 0; t < taps; t++) {
        of_w[t] = 0;
        for (long l = 0; l < lanes_@; l++) of_w[t] += sums[q * taps + t][l];
        none += of_w[t] - of_w[t];
      }
      if (none != 0) plane_exactly_@(x + i * g->h * g->w, y + (i * g->outs + q) * size, of_w, g);
    }
  }
}"""

PACKS = frozenset({"convolve", "convolve_input"})
FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (_GEOMETRY, COPY, _LAY, _SUMS, _PACK, _CONVOLVE),
    "convolve_input": (_GEOMETRY, COPY, _LAY, _SUMS, _PACK, _INPUT),
    "convolve_weight": (_GEOMETRY, COPY, _LAY, _WEIGHT),
}


def work_of(name: str, geo: Geometry, itemsize: int) -> Work:
    """How "convolve", "convolve_input" or "convolve_weight" is done."""
    geo = laid(geo)
    lanes, outs, taps = _BYTES // itemsize, geo.features // geo.channels, prod(geo.size)
    (sh, sw), (down, right) = geo.stride, geo.spans
    (top, _), (left, _) = geo.padding
    more, beside = (down - 1) // sh, (right - 1) // sw  # rows and pixels that are laid out besides those of results
    if name == "convolve_input":
        height, planes, line = geo.length[0], outs, (geo.length[1] - 1 + left) // sw - left // sw + 1
        more += 1  # where a band begins within a stride
    else:
        height, planes, line = geo.counts[0], sh * sw, geo.counts[1]
    across = (line if name == "convolve_weight" else max(line, lanes + 1)) + beside
    most = max(4, _LAID // (planes * across * itemsize) - more)
    band = -(-height // -(-height // most))
    rows = (-(-band // sh) if name == "convolve_input" else band) + more
    room, bands = taps * outs * (1 + 8 // itemsize) + planes * rows * across, -(-height // band)
    if name == "convolve_input" and sw > 1:
        room += -(-band // sh) * line
    if name == "convolve_weight":
        room += taps * outs * lanes + band * across + 2 * lanes
    room = -(-room // 16) * 16
    pieces = geo.channels if name == "convolve_weight" else geo.batch * geo.channels * bands
    parts = parts_of(prod(geo.out_shape) * geo.fan_in // 4, pieces)
    numbers = (
        geo.batch, *geo.length, *geo.counts, *geo.size, *geo.stride, top, left, *geo.dilation,
        geo.channels, outs, band, rows, across, parts, room,
    )  # fmt: skip
    packed = -(-(geo.channels if name == "convolve_input" else geo.features) // 16) * 16 if name in PACKS else 0
    return Work(numbers, parts, packed + parts * room, 1)
