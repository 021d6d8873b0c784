"""Planes: maxima over windows of images of one channel in C, and numbers by their places in windows.

One idea: the largest number of each column of a window is found first, then that of the columns, for a row of windows
at once, each a loop that becomes vector instructions. What a place names is one number of a window, which is fetched or
added to by itself, however many places a window has. Channels that are last are such images as well where the stride is
1. Read `rows.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

__all__ = ["LANES", "MAXIMA", "MOST", "MOST_PLACES"]

MOST_PLACES = 255  # that a byte tells apart
MOST = 1000  # columns that are worked on at once; arrays of a power of two would clash in the cache
LANES = 8  # that are done at once
_SPACE = MOST + 2 * LANES

# NaN is larger than all numbers. Places are numbers of T until they are stored: bytes beside floats make short vectors.
_LARGER = """\
#define MAX(v, b) (((v) > (b)) | ((v) != (v)) ? (v) : (b))
#define IS_MAX(v, b) (((v) == (b)) | ((v) != (v)))"""

# `many` windows of each row are done at once, from `first` on; columns begin with the first of these, which is `start`
# in x, where they have those from `lo` to `hi`. Rows of windows lie `apart` in lines as long as `MOST`, which are
# read only when some rows were written, since processors wait for what was written just now.
_PLACES = f"""\
static void planes_places_@(const T *x_, K *places, T *best_, long from, long to, const pool_t *g) {{
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, sw = g->sw, dw = g->dw, kh = g->kh, kw = g->kw;
  const long span = (kw - 1) * dw + 1, most = ({MOST} - span) / sw + 1, down = g->dh * w;
  const T none = kh * kw;
  T all_tops[SPACE], all_rows[SPACE], best[SPACE], found[SPACE];
  unsigned char told[SPACE];
  for (long first = 0; first < ow; first += most) {{
    const long many = first + most < ow ? most : ow - first, start = first * sw - g->left;
    const long count = (many - 1) * sw + span, lo = start < 0 ? -start : 0, hi = start + count < w ? count : w - start;
    const long apart = (count + sw - 1) / sw, line = apart * sw, band = {MOST} / line > 1 ? {MOST} / line : 1;
    for (long x = 0; x < SPACE; x++) all_tops[x] = -INFINITY, all_rows[x] = none;
    for (long b = from; b < to; b++)
      for (long top = 0; top < oh; top += band) {{
        const long below = top + band < oh ? band : oh - top;
        for (long r = 0; r < below; r++) {{
          const long y = (top + r) * g->sh - g->top, row = (b * h + y) * w + start;
          T *tops = all_tops + r * line, *rows = all_rows + r * line;
          DOWN
        }}
        const long wanted = (below - 1) * apart + many, full = (wanted + {LANES - 1}) / {LANES} * {LANES};
        ACROSS
        _Pragma("omp simd") for (long o = 0; o < full; o++) told[o] = (int)found[o];
        for (long r = 0; r < below; r++) {{
          const long at = (b * oh + top + r) * ow + first;
          memcpy(places + at, told + r * apart, many);
          if (best_) memcpy(best_ + at, best + r * apart, many * sizeof(T));
        }}
      }}
  }}
}}"""


def _each(lo: str, hi: str, body: str) -> str:
    """A loop over x in vectors, the last of which does some again that are done already."""
    return f"""\
const long lo_ = {lo}, hi_ = {hi}, whole = hi_ - (hi_ - lo_) % {LANES};
        _Pragma("omp simd") for (long x = lo_; x < whole; x++) {{ {body} }}
        if (whole == lo_) for (long x = lo_; x < hi_; x++) {{ {body} }}
        else if (whole < hi_) _Pragma("omp simd") for (long x = hi_ - {LANES}; x < hi_; x++) {{ {body} }}"""


def _largest(names: Sequence[tuple[str, str]]) -> str:
    """The largest of some numbers, in `b`, and the least of the places of those that are as large, in `k`."""
    tops = " ".join(f"b = MAX({v}, b);" for v, _ in names[1:])
    places = " ".join(f"{{ const T n = IS_MAX({v}, b) ? {k} : none; k = n < k ? n : k; }}" for v, k in names)
    return f"T b = {names[0][0]}, k = none; {tops} {places}"


def _down() -> str:
    def whole(count: int) -> str:
        reads = " ".join(f"const T v{i} = x_[row + {i} * down + x], k{i} = {i} * kw;" for i in range(count))
        largest = _largest([(f"v{i}", f"k{i}") for i in range(count)])
        loop = _each("lo", "hi", f"{reads} {largest} tops[x] = b; rows[x] = k;")
        return f"if (kh == {count} && y >= 0 && y + {count - 1} * g->dh < h) {{ {loop} }}"

    first = _each("lo", "hi", "tops[x] = x_[here + x]; rows[x] = k;")
    other = _each(
        "lo",
        "hi",
        "const T a = tops[x], b = MAX(x_[here + x], a); rows[x] = IS_MAX(a, b) ? rows[x] : k; tops[x] = b;",
    )
    return f"""\
{whole(3)}
        else {whole(2)}
        else for (long i = 0, any = 0; i < kh; i++) {{
          const long here = row + i * down;
          const T k = i * kw;
          if (y + i * g->dh < 0 || y + i * g->dh >= h) continue;
          if (any) {{ {other} }}
          else {{ {first} }}
          any = 1;
        }}"""


def _across() -> str:
    # Beyond the last window are numbers that nobody reads.
    def windows(body: Callable[[str], str]) -> str:
        loop = '_Pragma("omp simd") for (long o = 0; o < full; o++)'
        return f"""\
if (sw == 1) {loop} {{ {body("o")} }}
          else if (sw == 2) {loop} {{ {body("2 * o")} }}
          else for (long o = 0; o < wanted; o++) {{ {body("sw * o")} }}"""

    def read(at: str, j: str) -> str:
        return f"const T v{j} = all_tops[{at} + {j} * dw], k{j} = all_rows[{at} + {j} * dw] + {j};"

    def whole(count: int) -> str:
        def body(at: str) -> str:
            reads = " ".join(read(at, str(j)) for j in range(count))
            return f"{reads} {_largest([(f'v{j}', f'k{j}') for j in range(count)])} best[o] = b; found[o] = k;"

        return windows(body)

    def more(at: str) -> str:
        names = [("v", "found[o]"), ("vj", "kj")]
        return f"const T v = best[o]; {read(at, 'j')} {_largest(names)} best[o] = b; found[o] = k;"

    return f"""\
if (kw == 3) {{ {whole(3)} }}
        else if (kw == 2) {{ {whole(2)} }}
        else {{
          {whole(1)}
          for (long j = 1; j < kw; j++) {{ {windows(more)} }}
        }}"""


# In the loop over windows `p` is the number of x at the place that one names. Windows from `lo` to `hi` are all in x.
_AT_PLACES = f"""\
static void NAME, long from, long to, const pool_t *g) {{
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
    text = _AT_PLACES.replace("NAME", head).replace("STEP", step)
    return text.replace("BEGIN", begin).replace("OUT", out)


def _places() -> str:
    text = _PLACES.replace("SPACE", str(_SPACE))
    return f"{_LARGER}\n{text.replace('DOWN', _down()).replace('ACROSS', _across())}"


MAXIMA = {
    "places": _places(),
    "pick": _at_places("planes_pick_@(const T *x_, const K *places, T *out", "out[at] = x_[p];", out="out[at] = 0;"),
    "put": _at_places(
        "planes_put_@(const T *g_, const K *places, T *out, int apart, int covered",
        "out[p] += g_[at];",
        begin="memset(out + b * h * w, 0, h * w * sizeof(T));",
    ),
}
