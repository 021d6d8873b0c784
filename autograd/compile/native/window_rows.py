"""Rows: windows over images of one channel in C, some rows of them at a time.

One idea: what a window is asked for is that of its columns, so rows of x are brought together first, into lines of
columns, and then what lies side by side, over all lines at once: long loops that become vector instructions, also where
an image is narrow. With a stride of 1 channels that are last are such images as well, whose columns lie as far apart.
Read `window_sums.py` next, which fills it in, and `window_maxima.py`.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["LANES", "MOST", "SPACE", "across", "each", "over_rows"]

MOST = 1000  # columns that are worked on at once; arrays of a power of two would clash in the cache
LANES = 8  # that are done at once
SPACE = MOST + 2 * LANES

# `many` windows of each row are done at once, from `first` on; their columns begin at `start` in x, which has those
# from `lo` to `hi`. Lines of columns lie side by side, and the windows of one begin `apart` windows behind those of
# another. They are read only when all are written, since processors wait for what was written just now.
_FRAME = f"""\
static void HEAD, long from, long to, const pool_t *g) {{
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, sw = g->sw, dw = g->dw, kh = g->kh, kw = g->kw;
  const long span = (kw - 1) * dw + 1, most = ({MOST} - span) / sw + 1, down = g->dh * w;
  ARRAYS
  for (long first = 0; first < ow; first += most) {{
    const long many = first + most < ow ? most : ow - first, start = first * sw - g->left;
    const long count = (many - 1) * sw + span, lo = start < 0 ? -start : 0, hi = start + count < w ? count : w - start;
    const long apart = (count + sw - 1) / sw, line = apart * sw, band = {MOST} / line > 1 ? {MOST} / line : 1;
    for (long x = 0; x < {SPACE}; x++) {{ CLEAR }}
    for (long b = from; b < to; b++)
      for (long top = 0; top < oh; top += band) {{
        const long below = top + band < oh ? band : oh - top;
        for (long r = 0; r < below; r++) {{
          const long y = (top + r) * g->sh - g->top, row = (b * h + y) * w + start, at = r * line;
          DOWN
        }}
        const long wanted = (below - 1) * apart + many, full = (wanted + {LANES - 1}) / {LANES} * {LANES};
        ACROSS
        for (long r = 0; r < below; r++) {{
          const long here = (b * oh + top + r) * ow + first;
          STORE
        }}
      }}
  }}
}}"""


def over_rows(head: str, arrays: str, clear: str, down: str, across: str, store: str) -> str:
    """A function of images of one channel.

    Of `arrays`, `clear` empties column x, `down` fills the columns of a line, which begins at `at`, with the rows of x
    from y on, of which the first is at `row`; `across` does `wanted` windows, or `full` vectors of them, and `store`
    writes those of one line, from r * apart on, from `here` on.
    """
    text = _FRAME.replace("HEAD", head).replace("ARRAYS", arrays).replace("CLEAR", clear)
    return text.replace("DOWN", down).replace("ACROSS", across).replace("STORE", store)


def each(body: str) -> str:
    """A loop over the columns x that are in an image: full vectors, of which the last does some again."""
    return f"""\
{{
          const long whole = hi - (hi - lo) % {LANES};
          _Pragma("omp simd") for (long x = lo; x < whole; x++) {{ {body} }}
          if (whole == lo) for (long x = lo; x < hi; x++) {{ {body} }}
          else if (whole < hi) _Pragma("omp simd") for (long x = hi - {LANES}; x < hi; x++) {{ {body} }}
        }}"""


def across(few: Callable[[str, int], str], more: Callable[[str], str]) -> str:
    """Loops over windows o: `few` begins with so many columns of them, from a place on, `more` adds the j-th.

    Beyond the last window are numbers that nobody reads.
    """

    def windows(body: Callable[[str], str]) -> str:
        loop = '_Pragma("omp simd") for (long o = 0; o < full; o++)'
        return f"""\
if (sw == 1) {loop} {{ {body("o")} }}
          else if (sw == 2) {loop} {{ {body("2 * o")} }}
          else for (long o = 0; o < wanted; o++) {{ {body("sw * o")} }}"""

    return f"""\
if (kw == 3) {{ {windows(lambda at: few(at, 3))} }}
        else if (kw == 2) {{ {windows(lambda at: few(at, 2))} }}
        else {{
          {windows(lambda at: few(at, 1))}
          for (long j = 1; j < kw; j++) {{ {windows(more)} }}
        }}"""
