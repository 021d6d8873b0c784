"""Planes: sums over windows of images of one channel in C, a row of windows at a time.

One idea: the sum of a window is that of the sums of its columns, so rows are added up first, and then what lies side by
side, each a loop that becomes vector instructions. With a stride of 1 channels that are last are such images as well,
whose columns lie as far apart. Read `window_maxima.py` next.
"""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["ROOM", "SUMS"]

ROOM = 4096  # columns that are worked on at once

# Of images of one channel windows are summed first down, then across. `line` has the columns of `many` windows of a
# row, from the one that is `start` in x on; those from `lo` to `hi` are in x. What is spread goes the other way.
_PLANES_OF = """\
static void NAME(const T *GIVEN, T *out, long from, long to, const pool_t *g) {
  const long h = g->h, w = g->w, oh = g->oh, ow = g->ow, sw = g->sw, dw = g->dw, kw = g->kw, span = (kw - 1) * dw + 1;
  const long most = (ROOM - span) / sw + 1;
  T line[ROOM + 1];
  BEGIN
  for (long b = from; b < to; b++)
    for (long oy = 0; oy < oh; oy++)
      for (long first = 0; first < ow; first += most) {
        const long many = first + most < ow ? most : ow - first, start = first * sw - g->left;
        const long count = (many - 1) * sw + span, at = (b * oh + oy) * ow + first;
        const long lo = start < 0 ? -start : 0, hi = start + count < w ? count : w - start;
        STEPS
      }
}"""
_ROWS = """for (long i = 0; i < g->kh; i++) {
          const long y = oy * g->sh - g->top + i * g->dh, row = (b * h + y) * w + start;
          if (y >= 0 && y < h) _Pragma("omp simd") for (long x = lo; x < hi; x++) STEP
        }"""
_DOWN = f"""\
const long y = oy * g->sh - g->top, dh = g->dh * w, row = (b * h + y) * w + start;
        if (lo > 0 || hi < count) memset(line, 0, count * sizeof(T));
        if (g->kh == 2 && y >= 0 && y + g->dh < h)
          _Pragma("omp simd") for (long x = lo; x < hi; x++) line[x] = x_[row + x] + x_[row + dh + x];
        else if (g->kh == 3 && y >= 0 && y + 2 * g->dh < h)
          _Pragma("omp simd") for (long x = lo; x < hi; x++)
            line[x] = x_[row + x] + x_[row + dh + x] + x_[row + 2 * dh + x];
        else {{
          memset(line, 0, count * sizeof(T));
          {_ROWS.replace("STEP", "line[x] += x_[row + x];")}
        }}"""


def _planes(name: str, given: str, begin: str, *steps: str) -> str:
    text = _PLANES_OF.replace("STEPS", "\n        ".join(steps)).replace("ROOM", str(ROOM))
    return text.replace("NAME", name).replace("GIVEN", given).replace("BEGIN", begin)


def _across(step: Callable[[str], str]) -> str:
    """A step for each of many windows, which begin at the places that it is given."""
    loop = '_Pragma("omp simd") for (long o = 0; o < many; o++)'
    return f"""\
if (sw == 1) {loop} {step("o")}
        else if (sw == 2) {loop} {step("2 * o")}
        else for (long o = 0; o < many; o++) {step("sw * o")}"""


def _sums_across() -> str:
    def of(count: int) -> str:
        places = [f" + {j} * dw" if j else "" for j in range(count)]
        return _across(lambda at: f"out[at + o] = {' + '.join(f'line[{at}{place}]' for place in places)};")

    more = _across(lambda at: f"out[at + o] += line[{at} + j * dw];")
    return f"""\
if (kw == 3) {{
        {of(3)}
        }} else if (kw == 2) {{
        {of(2)}
        }} else {{
        {of(1)}
        for (long j = 1; j < kw; j++) {{
        {more}
        }}
        }}"""


# With a stride of 1 what is spread is a sum too, over windows the other way round.
_TURNED = """\
if (g->sh == 1 && sw == 1) {
    const long top = (g->kh - 1) * g->dh - g->top, left = (kw - 1) * dw - g->left;
    const pool_t t = {oh, ow, 1, g->kh, kw, h, w, 1, 1, top, left, g->dh, dw};
    planes_sum_@(g_, out, from, to, &t);
    return;
  }
  memset(out + from * h * w, 0, (to - from) * h * w * sizeof(T));"""
# With one of 2 places of two columns are written at once, which become vector instructions.
_APART = """\
memset(line, 0, (count + 1) * sizeof(T));
        if (sw == 2 && dw == 1)
          for (long j = 0; j < kw; j += 2) {
            const T both = j + 1 < kw;
            _Pragma("omp simd") for (long o = 0; o < many; o++) {
              const T v = g_[at + o];
              line[2 * o + j] += v;
              line[2 * o + j + 1] += both ? v : 0;
            }
          }
        else for (long j = 0; j < kw; j++) for (long o = 0; o < many; o++) line[sw * o + j * dw] += g_[at + o];"""
SUMS = {
    "sum": _planes("planes_sum_@", "x_", "", _DOWN, _sums_across()),
    "spread": _planes(
        "planes_spread_@",
        "g_",
        _TURNED,
        _APART,
        _ROWS.replace("STEP", "out[row + x] += line[x];"),
    ),
}
