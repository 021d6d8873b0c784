"""Maxima over windows of images of one channel in C, and numbers by their places in windows.

One idea: a place is counted row by row, so of equal numbers of a column the first has the least one, and of equal
columns the one whose place is least. What a place names is one number of a window, which is fetched or added to by
itself, however many places a window has. Read `rows.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence

from .window_rows import SPACE, across, each, over_rows

__all__ = ["MAXIMA", "MOST_PLACES"]

MOST_PLACES = 255  # that a byte tells apart

# NaN is larger than all numbers. Places are numbers of T until they are stored: bytes beside floats make short vectors.
_LARGER = """\
#define MAX(v, b) (((v) > (b)) | ((v) != (v)) ? (v) : (b))
#define IS_MAX(v, b) (((v) == (b)) | ((v) != (v)))
"""
_ARRAYS = f"""\
T tops[{SPACE}], rows[{SPACE}], best[{SPACE}], found[{SPACE}];
  unsigned char told[{SPACE}];
  const T none = kh * kw;"""
_STORE = """\
if (r == 0) _Pragma("omp simd") for (long o = 0; o < full; o++) told[o] = (int)found[o];
          if (places) memcpy(places + here, told + r * apart, many);
          if (best_) memcpy(best_ + here, best + r * apart, many * sizeof(T));"""


def _largest(*names: Sequence[str]) -> str:
    """The largest of some numbers, in `b`, and the least of the places of those that are as large, in `k`."""
    tops = " ".join(f"b = MAX({v}, b);" for v, _ in names[1:])
    places = " ".join(f"{{ const T n = IS_MAX({v}, b) ? {k} : none; k = n < k ? n : k; }}" for v, k in names)
    return f"T b = {names[0][0]}, k = none; {tops} {places}"


def _down() -> str:
    def whole(count: int) -> str:
        reads = " ".join(f"const T v{i} = x_[row + {i} * down + x], k{i} = {i} * kw;" for i in range(count))
        largest = _largest(*((f"v{i}", f"k{i}") for i in range(count)))
        loop = each(f"{reads} {largest} tops[at + x] = b; rows[at + x] = k;")
        return f"if (kh == {count} && y >= 0 && y + {count - 1} * g->dh < h) {loop}"

    first = each("tops[at + x] = x_[here + x]; rows[at + x] = k;")
    other = each(
        "const T a = tops[at + x], b = MAX(x_[here + x], a);"
        " rows[at + x] = IS_MAX(a, b) ? rows[at + x] : k; tops[at + x] = b;"
    )
    return f"""\
{whole(3)}
          else {whole(2)}
          else for (long i = 0, any = 0; i < kh; i++) {{
            const long here = row + i * down;
            const T k = i * kw;
            if (y + i * g->dh < 0 || y + i * g->dh >= h) continue;
            if (any) {other}
            else {first}
            any = 1;
          }}"""


def _column(at: str, j: object) -> str:
    return f"const T v{j} = tops[{at} + {j} * dw], k{j} = rows[{at} + {j} * dw] + {j};"


def _few(at: str, count: int) -> str:
    columns = " ".join(_column(at, j) for j in range(count))
    return f"{columns} {_largest(*((f'v{j}', f'k{j}') for j in range(count)))} best[o] = b; found[o] = k;"


def _more(at: str) -> str:
    largest = _largest(("v", "found[o]"), ("vj", "kj"))
    return f"const T v = best[o]; {_column(at, 'j')} {largest} best[o] = b; found[o] = k;"


# In the loop over windows `p` is the number of x at the place that one names. Windows from `lo` to `hi` are all in x.
_AT_PLACES = f"""\
static void HEAD, long from, long to, const pool_t *g) {{
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, sw = g->sw, taps = g->kh * g->kw, wide = (g->kw - 1) * g->dw;
  long down[{MOST_PLACES}], right[{MOST_PLACES}], step[{MOST_PLACES}];
  for (long k = 0; k < taps; k++)
    down[k] = k / g->kw * g->dh, right[k] = k % g->kw * g->dw, step[k] = down[k] * w + right[k];
  for (long b = from; b < to; b++) {{
    BEGIN
    for (long oy = 0; oy < oh; oy++) {{
      const long y = oy * g->sh - g->top, row = (b * h + y) * w - g->left, within = y >= 0 && y + down[taps - 1] < h;
      const long lo = within ? (g->left + sw - 1) / sw : ow, hi = (w + g->left - wide + sw - 1) / sw;
      for (long ox = 0, at = (b * oh + oy) * ow; ox < ow; ox++, at++) {{
        const long k = places[at], x = ox * sw - g->left;
        OUT
        if (k >= taps) continue;
        const long p = row + ox * sw + step[k];
        if ((ox >= lo && ox < hi) ||
            (y + down[k] >= 0 && y + down[k] < h && x + right[k] >= 0 && x + right[k] < w)) STEP
      }}
    }}
  }}
}}"""


def _at_places(head: str, step: str, begin: str = "", out: str = "") -> str:
    text = _AT_PLACES.replace("HEAD", head).replace("STEP", step)
    return text.replace("BEGIN", begin).replace("OUT", out)


MAXIMA = {
    "places": _LARGER
    + over_rows(
        "planes_places_@(const T *x_, K *places, T *best_",
        _ARRAYS,
        "tops[x] = -INFINITY; rows[x] = none;",
        _down(),
        across(_few, _more),
        _STORE,
    ),
    "pick": _at_places("planes_pick_@(const T *x_, const K *places, T *out", "out[at] = x_[p];", out="out[at] = 0;"),
    "put": _at_places(
        "planes_put_@(const T *g_, const K *places, T *out, int apart, int covered",
        "out[p] += g_[at];",
        begin="memset(out + b * h * w, 0, h * w * sizeof(T));",
    ),
}
