"""Winograd's convolution in C: windows of 3 x 3, tiles of 4 x 4 results, 36 multiplications in the place of 144.

One idea: a convolution of short rows is a product of polynomials, so both are evaluated at six points, multiplied
there, and the product is read off. In two axes that makes 36 products of matrices, tiles by channels times channels by
features; the adjoints in x and in the weight are the same steps backwards. Lavin and Gray 2016, F(4 x 4, 3 x 3).
Read `planes.py` next.
"""

# Note [Points]
# 0, infinity, and plus and minus the roots of 1/2 and 2: then the numbers at the points are of one size, and a result
# is off by about as much as a plain sum, where the usual 1 and 2 lose another two bits.

# Note [Tiles]
# A block of tiles goes through all steps while it is in the second cache: `v` are the inputs at the points, `m` the
# products, (36, tiles, channels) each, and `u` the weights, (36, channels / 16, other channels, 16), so that the
# product reads what it needs of them in order. So are the inputs, (36, channels / 16, tiles, 16), for the weight's
# gradient, whose product reads them so. Tiles that reach over the edge read zeros, and write nowhere.

# Note [Samples or channels]
# Parts share the samples, and each has the weights at the points for itself. Where there are few tiles and many
# channels that would be most of the work, and hundreds of megabytes: there parts share the channels of what is made,
# and each has the tiles of all samples for itself.

# Note [Few tiles]
# Weights at the points are four times as large as they are. Where one block holds all tiles of a part, each weight is
# read by one product only, so 16 channels of what is made go through all steps before the next: their weights do not
# leave the caches in between. Otherwise all weights are brought to the points before the first block.

from __future__ import annotations

from math import prod

from ...convolution import Geometry
from .parts import parts_of
from .shares import Work

__all__ = ["FUNCTIONS", "pays", "work_of"]

_POINTS = 36
_LANES = 16  # channels at a time, in the product
_BLOCK, _LEAST = 36, 6  # tiles at a time, at most and at least
_COLUMNS = 16  # channels of what is made whose weights at the points lie near; see Note [Few tiles]
_CACHED = 1 << 20  # floats of a block of tiles that still lie near
_WORTH, _WIDE = 64, 128  # tiles, and channels of what is made, that are worth a part
_ROOM = 16 << 20  # floats, in which parts by samples may have weights

_LINES = """\
#define NEAR .70710678f
#define FAR 1.41421356f
typedef float w8 __attribute__((vector_size(32), aligned(4), may_alias));
typedef struct {
  long batch, h, w, c, o, oh, ow, top, left, down, across;  // down x across tiles
  long block, columns;  // tiles at a time, and channels of what is made, see Note [Few tiles]
  long parts, by_channels, room;  // see Note [Samples or channels], floats that a part works in
} wino_t;
typedef struct { long from, to, first, width; } wino_share;  // samples, and the channels of what is made

// One axis: the input at the points, and the adjoint.
static inline void wino_b(const w8 *d, long s, w8 *v) {
  const w8 p = d[4 * s] - 2 * d[2 * s], q = NEAR * (d[3 * s] - 2 * d[s]);
  const w8 r = d[4 * s] - .5f * d[2 * s], t = FAR * (d[3 * s] - .5f * d[s]);
  const w8 first = d[0] - 2.5f * d[2 * s] + d[4 * s], last = d[s] - 2.5f * d[3 * s] + d[5 * s];
  v[0] = first; v[s] = p + q; v[2 * s] = p - q; v[3 * s] = r + t; v[4 * s] = r - t; v[5 * s] = last;
}
static inline void wino_bt(const w8 *v, long s, w8 *d) {
  const w8 p = v[s] + v[2 * s], q = NEAR * (v[s] - v[2 * s]), r = v[3 * s] + v[4 * s], t = FAR * (v[3 * s] - v[4 * s]);
  const w8 first = v[0], last = v[5 * s];
  d[0] = first; d[s] = last - 2 * q - .5f * t; d[2 * s] = -2.5f * first - 2 * p - .5f * r;
  d[3 * s] = q + t - 2.5f * last; d[4 * s] = first + p + r; d[5 * s] = last;
}
// The result from its values at the points, and the adjoint.
static inline void wino_a(const w8 *m, long s, w8 *y, long n) {
  const w8 p = m[s] + m[2 * s], q = NEAR * (m[s] - m[2 * s]), r = m[3 * s] + m[4 * s], t = FAR * (m[3 * s] - m[4 * s]);
  const w8 first = m[0], last = m[5 * s];
  y[0] = first + p + r; y[n] = q + t; y[2 * n] = .5f * p + 2 * r; y[3 * n] = .5f * q + 2 * t + last;
}
static inline void wino_at(const w8 *y, long n, w8 *m, long s) {
  const w8 p = y[0] + .5f * y[2 * n], q = NEAR * (y[n] + .5f * y[3 * n]);
  const w8 r = y[0] + 2 * y[2 * n], t = FAR * (y[n] + 2 * y[3 * n]), first = y[0], last = y[3 * n];
  m[0] = first; m[s] = p + q; m[2 * s] = p - q; m[3 * s] = r + t; m[4 * s] = r - t; m[5 * s] = last;
}
// The weights of a window at the points, each divided by its distances from the others, and the adjoint.
static inline void wino_g(const w8 *w, long n, w8 *u, long s) {
  const w8 p = (-2.f / 3) * w[0] - (1.f / 3) * w[2 * n], q = (-2.f / 3 * NEAR) * w[n];
  const w8 r = (1.f / 6) * w[0] + (1.f / 3) * w[2 * n], t = (1.f / 6 * FAR) * w[n], first = w[0], last = w[2 * n];
  u[0] = first; u[s] = p + q; u[2 * s] = p - q; u[3 * s] = r + t; u[4 * s] = r - t; u[5 * s] = last;
}
static inline void wino_gt(const w8 *u, long s, w8 *w, long n) {
  const w8 p = u[s] + u[2 * s], q = (-2.f / 3 * NEAR) * (u[s] - u[2 * s]);
  const w8 r = u[3 * s] + u[4 * s], t = (1.f / 6 * FAR) * (u[3 * s] - u[4 * s]), first = u[0], last = u[5 * s];
  w[0] = first - (2.f / 3) * p + (1.f / 6) * r; w[n] = q + t; w[2 * n] = (1.f / 3) * (r - p) + last;
}"""

_TILES = """\
// Where the numbers of a tile of x (6 x 6) or of the result (4 x 4) lie; 0 where it reaches over the edge.
static inline void wino_tile(long tile, int size, long *at, const wino_t *g) {
  const long b = tile / (g->down * g->across), i0 = tile / g->across % g->down * 4, j0 = tile % g->across * 4;
  const long h = size == 6 ? g->h : g->oh, w = size == 6 ? g->w : g->ow, c = size == 6 ? g->c : g->o;
  const long y0 = size == 6 ? i0 - g->top : i0, x0 = size == 6 ? j0 - g->left : j0;
  for (long i = 0; i < size; i++)
    for (long j = 0; j < size; j++) {
      const long y = y0 + i, x = x0 + j;
      at[i * size + j] = y < 0 || y >= h || x < 0 || x >= w ? -1 : ((b * h + y) * w + x) * c;
    }
}
static const w8 wino_zero;
// From one of the 36 planes to the next: a line more, as powers of two would meet in a few sets of a cache.
static inline long wino_plane(long size) { return size + 16; }

static wino_share wino_shared(long part, long channels, const wino_t *g) {
  const long parts = g->parts, all = channels / 16;
  if (g->by_channels) {
    const long first = 16 * (all * part / parts);
    return (wino_share){0, g->batch, first, 16 * (all * (part + 1) / parts) - first};
  }
  return (wino_share){g->batch * part / parts, g->batch * (part + 1) / parts, 0, channels};
}

// Tiles of x at the points, each `row` apart, and 16 channels from the `next`; and the adjoint, which adds to `width`
// channels of x from `first` on.
static void wino_input(const float *x, float *v, long tile, long count, long row, long next, const wino_t *g) {
  const long plane = wino_plane(g->block * g->c);
  for (long t = 0; t < count; t++) {
    long at[36];
    wino_tile(tile + t, 6, at, g);
    for (long c = 0; c < g->c; c += 8) {
      w8 d[36];
      for (int k = 0; k < 36; k++) d[k] = at[k] < 0 ? wino_zero : *(const w8 *)(x + at[k] + c);
      for (int j = 0; j < 6; j++) wino_b(d + j, 6, d + j);
      for (int i = 0; i < 6; i++) wino_b(d + 6 * i, 1, d + 6 * i);
      for (int k = 0; k < 36; k++) *(w8 *)(v + k * plane + t * row + c / 16 * next + c % 16) = d[k];
    }
  }
}
static void wino_input_back(float *x, const float *v, long tile, long count, long first, long width,
    const wino_t *g) {
  const long plane = wino_plane(g->block * width);
  for (long t = 0; t < count; t++) {
    long at[36];
    wino_tile(tile + t, 6, at, g);
    for (long c = 0; c < width; c += 8) {
      w8 d[36];
      for (int k = 0; k < 36; k++) d[k] = *(const w8 *)(v + k * plane + t * width + c);
      for (int j = 0; j < 6; j++) wino_bt(d + j, 6, d + j);
      for (int i = 0; i < 6; i++) wino_bt(d + 6 * i, 1, d + 6 * i);
      for (int k = 0; k < 36; k++) if (at[k] >= 0) *(w8 *)(x + at[k] + first + c) += d[k];
    }
  }
}

// Channels of tiles of the result from their values at the points, and the adjoint.
static void wino_result(float *y, const float *m, long tile, long count, long first, long width, const wino_t *g) {
  const long plane = wino_plane(g->block * width);
  for (long t = 0; t < count; t++) {
    long at[16];
    wino_tile(tile + t, 4, at, g);
    for (long o = 0; o < width; o += 8) {
      w8 d[36], e[24], f[16];
      for (int k = 0; k < 36; k++) d[k] = *(const w8 *)(m + k * plane + t * width + o);
      for (int j = 0; j < 6; j++) wino_a(d + j, 6, e + j, 6);
      for (int i = 0; i < 4; i++) wino_a(e + 6 * i, 1, f + 4 * i, 1);
      for (int k = 0; k < 16; k++) if (at[k] >= 0) *(w8 *)(y + at[k] + first + o) = f[k];
    }
  }
}
static void wino_result_back(const float *y, float *m, long tile, long count, long first, long width,
    const wino_t *g) {
  const long plane = wino_plane(g->block * width);
  for (long t = 0; t < count; t++) {
    long at[16];
    wino_tile(tile + t, 4, at, g);
    for (long o = 0; o < width; o += 8) {
      w8 d[36], e[24], f[16];
      for (int k = 0; k < 16; k++) f[k] = at[k] < 0 ? wino_zero : *(const w8 *)(y + at[k] + first + o);
      for (int i = 0; i < 4; i++) wino_at(f + 4 * i, 1, e + 6 * i, 1);
      for (int j = 0; j < 6; j++) wino_at(e + j, 6, d + j, 6);
      for (int k = 0; k < 36; k++) *(w8 *)(m + k * plane + t * width + o) = d[k];
    }
  }
}

// The weights at the points, of `columns` channels from `first` on of what is made: for the product with x, or turned,
// for that with the result; and the adjoint, for as many features. What lies a window apart is read in squares of 8.
static inline void wino_weight(const w8 *f, long n, float *u, long apart) {
  w8 d[36], e[18];
  for (int j = 0; j < 3; j++) wino_g(f + j * n, 3 * n, e + j, 3);
  for (int i = 0; i < 6; i++) wino_g(e + 3 * i, 1, d + 6 * i, 1);
  for (int k = 0; k < 36; k++) *(w8 *)(u + k * apart) = d[k];
}
static void wino_weights(const float *w, float *u, int turned, long first, long columns, const wino_t *g) {
  const long rows = turned ? g->o : g->c, apart = wino_plane(rows * columns);
  for (long r = 0; turned && r < rows; r++)
    for (long c = 0; c < columns; c += 8) {
      w8 f[9];
      for (int k = 0; k < 9; k++) f[k] = *(const w8 *)(w + (r * 9 + k) * g->c + first + c);
      wino_weight(f, 1, u + (c / 16 * rows + r) * 16 + c % 16, apart);
    }
  for (long c = 0; !turned && c < columns; c += 8)
    for (long r = 0; r < rows; r += 8) {
      w8 f[9][8];
      for (int k = 0; k < 9; k++)
        for (int l = 0; l < 8; l++) {
          const w8 of = *(const w8 *)(w + ((first + c + l) * 9 + k) * g->c + r);
          for (int i = 0; i < 8; i++) f[k][i][l] = of[i];
        }
      for (int i = 0; i < 8; i++) wino_weight(f[0] + i, 8, u + (c / 16 * rows + r + i) * 16 + c % 16, apart);
    }
}
static void wino_weights_back(float *w, const float *u, long first, long width, const wino_t *g) {
  const long plane = wino_plane(width * g->c);
  for (long o = 0; o < width; o++)
    for (long c = 0; c < g->c; c += 8) {
      w8 d[36], e[18], f[9];
      for (int k = 0; k < 36; k++) d[k] = *(const w8 *)(u + k * plane + o * g->c + c);
      for (int j = 0; j < 6; j++) wino_gt(d + j, 6, e + j, 6);
      for (int i = 0; i < 3; i++) wino_gt(e + 6 * i, 1, f + 3 * i, 1);
      for (int k = 0; k < 9; k++) *(w8 *)(w + ((first + o) * 9 + k) * g->c + c) = f[k];
    }
}"""

_PRODUCT = """\
// R rows and 16 columns of a product: element (r, i) of the first lies at r * row + i * down, row i of the other at
// i * step. The sums stay in registers.
static inline __attribute__((always_inline)) void wino_block(int R, const float *a, long row, long down,
    const float *b, long step, float *y, long width, long count, int add) {
  w8 p[6], q[6];
  for (int r = 0; r < R; r++) {
    p[r] = wino_zero;
    q[r] = wino_zero;
  }
  for (long i = 0; i < count; i++) {
    const w8 s = *(const w8 *)(b + i * step), t = *(const w8 *)(b + i * step + 8);
    for (int r = 0; r < R; r++) {
      const float x = a[r * row + i * down];
      p[r] += x * s;
      q[r] += x * t;
    }
  }
  for (int r = 0; r < R; r++) {
    if (add) p[r] += *(w8 *)(y + r * width), q[r] += *(w8 *)(y + r * width + 8);
    *(w8 *)(y + r * width) = p[r];
    *(w8 *)(y + r * width + 8) = q[r];
  }
}
// All rows of a product, and all columns, 16 after the other, whose parts of b lie `next` apart.
static void wino_product(const float *a, long row, long down, const float *b, long step, long next, float *y,
    long rows, long columns, long count, int add) {
  for (long c = 0; c < columns; c += 16, b += next) {
    long r = 0;
    for (; r + 6 <= rows; r += 6)
      wino_block(6, a + r * row, row, down, b, step, y + r * columns + c, columns, count, add);
    const float *rest = a + r * row;
    float *to = y + r * columns + c;
    switch (rows - r) {
      case 1: wino_block(1, rest, row, down, b, step, to, columns, count, add); break;
      case 2: wino_block(2, rest, row, down, b, step, to, columns, count, add); break;
      case 3: wino_block(3, rest, row, down, b, step, to, columns, count, add); break;
      case 4: wino_block(4, rest, row, down, b, step, to, columns, count, add); break;
      case 5: wino_block(5, rest, row, down, b, step, to, columns, count, add); break;
    }
  }
}"""

# Each does its part; `u`, `v` and `m` lie one behind the other in the room that all parts are given.

_CONVOLVE = """\
static void wino_convolve_@(const float *x, const float *w, float *y, float *room, long part, const wino_t *g) {
  const wino_share my = wino_shared(part, g->o, g);
  const long c = g->c, tiles = g->down * g->across, end = my.to * tiles;
  float *u = room + part * g->room, *v = u + 36 * wino_plane(c * g->columns), *m = v + 36 * wino_plane(g->block * c);
  for (long at = 0, n; at < my.width; at += n) {
    n = my.width - at < g->columns ? my.width - at : g->columns;
    wino_weights(w, u, 0, my.first + at, n, g);
    for (long tile = my.from * tiles; tile < end; tile += g->block) {
      const long count = tile + g->block < end ? g->block : end - tile;
      if (at == 0) wino_input(x, v, tile, count, c, 16, g);
      for (int k = 0; k < 36; k++)
        wino_product(v + k * wino_plane(g->block * c), c, 1, u + k * wino_plane(c * n), 16, 16 * c,
                     m + k * wino_plane(g->block * n), count, n, c, 0);
      wino_result(y, m, tile, count, my.first + at, n, g);
    }
  }
}"""

_INPUT = """\
static void wino_convolve_input_@(const float *y, const float *w, float *x, float *room, long part, const wino_t *g) {
  const wino_share my = wino_shared(part, g->c, g);
  const long o = g->o, tiles = g->down * g->across, end = my.to * tiles;
  float *u = room + part * g->room, *m = u + 36 * wino_plane(o * g->columns), *v = m + 36 * wino_plane(g->block * o);
  for (long i = my.from * g->h * g->w; i < my.to * g->h * g->w; i++)
    memset(x + i * g->c + my.first, 0, my.width * sizeof(float));
  for (long at = 0, n; at < my.width; at += n) {
    n = my.width - at < g->columns ? my.width - at : g->columns;
    wino_weights(w, u, 1, my.first + at, n, g);
    for (long tile = my.from * tiles; tile < end; tile += g->block) {
      const long count = tile + g->block < end ? g->block : end - tile;
      if (at == 0) wino_result_back(y, m, tile, count, 0, o, g);
      for (int k = 0; k < 36; k++)
        wino_product(m + k * wino_plane(g->block * o), o, 1, u + k * wino_plane(o * n), 16, 16 * o,
                     v + k * wino_plane(g->block * n), count, n, o, 0);
      wino_input_back(x, v, tile, count, my.first + at, n, g);
    }
  }
}"""

# Of several parts by samples each makes a sum of its own, one behind the other in `w`.
_WEIGHT = """\
static void wino_convolve_weight_@(const float *x, const float *y, float *w, float *room, long part, const wino_t *g) {
  const wino_share my = wino_shared(part, g->o, g);
  const long c = g->c, tiles = g->down * g->across, begin = my.from * tiles, end = my.to * tiles;
  float *u = room + part * g->room, *v = u + 36 * wino_plane(c * g->columns), *m = v + 36 * wino_plane(g->block * c);
  for (long at = 0, n; at < my.width; at += n) {
    n = my.width - at < g->columns ? my.width - at : g->columns;
    for (long tile = begin; tile < end; tile += g->block) {
      const long count = tile + g->block < end ? g->block : end - tile;
      if (at == 0) wino_input(x, v, tile, count, 16, 16 * g->block, g);
      wino_result_back(y, m, tile, count, my.first + at, n, g);
      for (int k = 0; k < 36; k++)
        wino_product(m + k * wino_plane(g->block * n), 1, n, v + k * wino_plane(g->block * c), 16, 16 * g->block,
                     u + k * wino_plane(c * n), n, c, count, tile > begin);
    }
    wino_weights_back(g->by_channels ? w : w + part * 9 * c * g->o, u, my.first + at, n, g);
  }
}"""

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (_LINES, _TILES, _PRODUCT, _CONVOLVE),
    "convolve_input": (_LINES, _TILES, _PRODUCT, _INPUT),
    "convolve_weight": (_LINES, _TILES, _PRODUCT, _WEIGHT),
}


def pays(geo: Geometry) -> bool:
    """Whether tiles hold this convolution without much waste, and its channels are whole vectors."""
    tiles = prod(_tiles(geo))
    plain = geo.size == (3, 3) and geo.stride == geo.dilation == (1, 1) and geo.groups == 1
    return plain and geo.channels % _LANES == geo.features % _LANES == 0 and 16 * tiles <= 2 * geo.windows


def work_of(name: str, geo: Geometry, itemsize: int) -> Work:
    """How "convolve", "convolve_input" or "convolve_weight" is done, where it pays."""
    assert itemsize == 4  # the texts count in floats
    down, across = _tiles(geo)
    tiles = geo.batch * down * across
    made, others = geo.features, geo.channels
    if name == "convolve_input":
        made, others = others, made
    size = _POINTS * tiles * made * others // _LANES
    # See Note [Samples or channels]. So each part has tiles, or channels, that are worth what it does for itself.
    by_samples = parts_of(size, min(geo.batch, tiles // _WORTH, _ROOM // (_POINTS * made * others)))
    by_channels = parts_of(size, made // _WIDE)
    parts, width = max(by_samples, by_channels), made
    if parts > by_samples:
        width = _LANES * -(-made // _LANES // parts)
    block = min(_BLOCK, tiles, max(_LEAST, _CACHED // (_POINTS * others)))
    most = tiles if parts > by_samples else -(-geo.batch // parts) * down * across
    columns = min(width, _COLUMNS) if most <= block else width  # see Note [Few tiles]
    room = _POINTS * (others * columns + block * (others + columns) + 3 * _LANES)
    (top, _), (left, _) = geo.padding
    lengths = (geo.batch, *geo.length, geo.channels, geo.features, *geo.counts, top, left, down, across)
    sums = parts if name == "convolve_weight" and parts == by_samples else 1
    return Work((*lengths, block, columns, parts, int(parts > by_samples), room), parts, parts * room, sums)


def _tiles(geo: Geometry) -> tuple[int, int]:
    return -(-geo.counts[0] // 4), -(-geo.counts[1] // 4)
