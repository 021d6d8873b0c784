"""Sums over windows of images of one channel in C, and the adjoint, what is spread over them.

One idea: the sum of a window is that of the sums of its columns, so rows are added up first, and then what lies side by
side; what is spread goes the other way. Read `window_maxima.py` next.
"""

from __future__ import annotations

from .window_rows import SPACE, across, each, over_rows

__all__ = ["SUMS"]

_ROOM = 4096  # columns over which is spread at once


def _down() -> str:
    def whole(count: int) -> str:
        numbers = " + ".join(f"x_[row + {i} * down + x]" for i in range(count))
        return f"if (kh == {count} && y >= 0 && y + {count - 1} * g->dh < h) {each(f'lines[at + x] = {numbers};')}"

    return f"""\
{whole(2)}
          else {whole(3)}
          else {whole(4)}
          else {{
            for (long x = lo; x < hi; x++) lines[at + x] = 0;
            for (long i = 0; i < kh; i++) {{
              const long here = row + i * down;
              if (y + i * g->dh < 0 || y + i * g->dh >= h) continue;
              _Pragma("omp simd") for (long x = lo; x < hi; x++) lines[at + x] += x_[here + x];
            }}
          }}"""


def _few(at: str, count: int) -> str:
    return f"made[o] = {' + '.join(f'lines[{at} + {j} * dw]' for j in range(count))};"


_SUM = over_rows(
    "planes_sum_@(const T *x_, T *out",
    f"T lines[{SPACE}], made[{SPACE}];",
    "lines[x] = 0;",
    _down(),
    across(_few, lambda at: f"made[o] += lines[{at} + j * dw];"),
    "memcpy(out + here, made + r * apart, many * sizeof(T));",
)

# With a stride of 1 what is spread is a sum too, over windows the other way round. Else a line has the columns of
# `many` windows of a row, from the one that is `start` in x on, of which those from `lo` to `hi` are in x. With a
# stride of 2 places of two columns are written at once, which become vector instructions.
_SPREAD = f"""\
static void planes_spread_@(const T *g_, T *out, long from, long to, const pool_t *g) {{
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, sw = g->sw, dw = g->dw, kw = g->kw, span = (kw - 1) * dw + 1;
  if (g->sh == 1 && sw == 1) {{
    const long top = (g->kh - 1) * g->dh - g->top, left = (kw - 1) * dw - g->left;
    const pool_t t = {{oh, ow, 1, g->kh, kw, h, w, 1, 1, top, left, g->dh, dw}};
    planes_sum_@(g_, out, from, to, &t);
    return;
  }}
  const long most = ({_ROOM} - span) / sw + 1;
  T line[{_ROOM} + 1];
  for (long b = from; b < to; b++) {{
    memset(out + b * h * w, 0, h * w * sizeof(T));
    for (long oy = 0; oy < oh; oy++)
      for (long first = 0; first < ow; first += most) {{
        const long many = first + most < ow ? most : ow - first, start = first * sw - g->left;
        const long count = (many - 1) * sw + span, at = (b * oh + oy) * ow + first;
        const long lo = start < 0 ? -start : 0, hi = start + count < w ? count : w - start;
        memset(line, 0, (count + 1) * sizeof(T));
        if (sw == 2 && dw == 1)
          for (long j = 0; j < kw; j += 2) {{
            const T both = j + 1 < kw;
            _Pragma("omp simd") for (long o = 0; o < many; o++) {{
              const T v = g_[at + o];
              line[2 * o + j] += v;
              line[2 * o + j + 1] += both ? v : 0;
            }}
          }}
        else for (long j = 0; j < kw; j++) for (long o = 0; o < many; o++) line[sw * o + j * dw] += g_[at + o];
        for (long i = 0; i < g->kh; i++) {{
          const long y = oy * g->sh - g->top + i * g->dh, row = (b * h + y) * w + start;
          if (y >= 0 && y < h) _Pragma("omp simd") for (long x = lo; x < hi; x++) out[row + x] += line[x];
        }}
      }}
  }}
}}"""

SUMS = {"sum": _SUM, "spread": _SPREAD}
