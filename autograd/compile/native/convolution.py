"""Convolution in C: a block of windows is laid out as rows, and one product of matrices reads it while it is in cache.

One idea: the same three loops as `autograd/convolution/columns.py`, over a block of windows that stays in the caches,
with no array made on the way. A window's row is made of runs that lie in one piece, since channels are last; of several
groups they are those of one group at a time. Read `pointwise.py` next.
"""

from __future__ import annotations

from ...backend import host
from ...convolution import Geometry
from ..program import Instruction, Variable
from .kernels import KERNELS, Listed, Refs, Statements
from .pointwise import pointwise
from .shares import shared
from .template import COPY, TYPES, address, are_planes, filled, is_packed
from .ways import PLANES, WAYS, adds_bias, convolution_of, reads_planes, way_of

__all__ = ["BLOCK", "FUNCTIONS", "lengths_of"]

# Bytes of windows. Of 128 KiB to 2 MiB, on two cores with 1 MiB of L2 each, 2 MiB was the fastest or within 7 % of it
# in 26 of 27 cases (a LeNet's weight gradient wants 128 KiB): products of few rows mostly bring the weight into order.
BLOCK = 1 << 21

_GEOMETRY = """\
typedef struct {
  long h, w, c, o, kh, kw, oh, ow, sh, sw, top, left, dh, dw;  // lengths, kernel, windows, options
  long groups, block;  // of c channels and o features each; windows at a time
} conv_t;"""

_ROWS = """\
// The windows from `first` on as rows, zeros where they reach over the edge; x is its first channel of a group.
static void windows_@(const T *x, T *rows, long first, long count, const conv_t *g) {
  const long run = g->kw * g->c, channels = g->groups * g->c;
  long b = first / (g->oh * g->ow), oy = first / g->ow % g->oh, ox = first % g->ow;
  for (long r = 0; r < count; r++) {
    const long x0 = ox * g->sw - g->left;
    for (long i = 0; i < g->kh; i++, rows += run) {
      const long y = oy * g->sh - g->top + i * g->dh;
      const T *line = x + (b * g->h + y) * g->w * channels;
      if (y < 0 || y >= g->h) {
        for (long k = 0; k < run; k++) rows[k] = 0;
      } else if (g->dw == 1 && g->groups == 1 && x0 >= 0 && x0 + g->kw <= g->w) {
        copy_@(rows, line + x0 * channels, run);
      } else {
        for (long j = 0; j < g->kw; j++) {
          const long at = x0 + j * g->dw;
          if (at >= 0 && at < g->w) copy_@(rows + j * g->c, line + at * channels, g->c);
          else for (long c = 0; c < g->c; c++) rows[j * g->c + c] = 0;
        }
      }
    }
    if (++ox == g->ow) { ox = 0; if (++oy == g->oh) { oy = 0; b++; } }
  }
}"""

_SPREAD = """\
// The adjoint: rows are added to where the windows from `first` on came from.
static void spread_@(T *x, const T *rows, long first, long count, const conv_t *g) {
  const long run = g->kw * g->c, channels = g->groups * g->c;
  long b = first / (g->oh * g->ow), oy = first / g->ow % g->oh, ox = first % g->ow;
  for (long r = 0; r < count; r++) {
    const long x0 = ox * g->sw - g->left;
    for (long i = 0; i < g->kh; i++, rows += run) {
      const long y = oy * g->sh - g->top + i * g->dh;
      if (y < 0 || y >= g->h) continue;
      T *line = x + (b * g->h + y) * g->w * channels;
      if (g->dw == 1 && g->groups == 1 && x0 >= 0 && x0 + g->kw <= g->w) {
        T *to = line + x0 * channels;
        for (long k = 0; k < run; k++) to[k] += rows[k];
        continue;
      }
      for (long j = 0; j < g->kw; j++) {
        const long at = x0 + j * g->dw;
        if (at < 0 || at >= g->w) continue;
        for (long c = 0; c < g->c; c++) line[at * channels + c] += rows[j * g->c + c];
      }
    }
    if (++ox == g->ow) { ox = 0; if (++oy == g->oh) { oy = 0; b++; } }
  }
}"""

# Each does the samples from `from` to `to`, in blocks of windows, of which those of a group lie in `rows`.

_CONVOLVE = """\
static void convolve_@(const T *x, const T *w, T *y, T *rows, long from, long to, const conv_t *g) {
  const long size = g->oh * g->ow, k = g->kh * g->kw * g->c, o = g->groups * g->o;
  for (long first = from * size; first < to * size; first += g->block) {
    const long count = first + g->block < to * size ? g->block : to * size - first;
    for (long i = 0; i < g->groups; i++) {
      windows_@(x + i * g->c, rows, first, count, g);
      gemm(101, 111, 112, count, g->o, k, 1, rows, k, w + i * g->o * k, k, 0, y + first * o + i * g->o, o);
    }
  }
}"""

_INPUT = """\
static void convolve_input_@(const T *y, const T *w, T *x, T *rows, long from, long to, const conv_t *g) {
  const long size = g->oh * g->ow, k = g->kh * g->kw * g->c, c = g->groups * g->c, o = g->groups * g->o;
  const long sample = g->h * g->w * c;
  memset(x + from * sample, 0, (to - from) * sample * sizeof(T));
  for (long first = from * size; first < to * size; first += g->block) {
    const long count = first + g->block < to * size ? g->block : to * size - first;
    for (long i = 0; i < g->groups; i++) {
      gemm(101, 111, 111, count, k, g->o, 1, y + first * o + i * g->o, o, w + i * g->o * k, k, 0, rows, k);
      spread_@(x + i * g->c, rows, first, count, g);
    }
  }
}"""

_WEIGHT = """\
static void convolve_weight_@(const T *x, const T *y, T *w, T *rows, long from, long to, const conv_t *g) {
  const long size = g->oh * g->ow, k = g->kh * g->kw * g->c, o = g->groups * g->o;
  for (long first = from * size; first < to * size; first += g->block) {
    const long count = first + g->block < to * size ? g->block : to * size - first;
    for (long i = 0; i < g->groups; i++) {
      windows_@(x + i * g->c, rows, first, count, g);
      gemm(101, 112, 111, g->o, k, count, 1, y + first * o + i * g->o, o, rows, k, first == from * size ? 0 : 1,
           w + i * g->o * k, k);
    }
  }
}"""


FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (_GEOMETRY, COPY, _ROWS, _CONVOLVE),
    "convolve_input": (_GEOMETRY, _SPREAD, _INPUT),
    "convolve_weight": (_GEOMETRY, COPY, _ROWS, _WEIGHT),
}


def _convolution(instruction: Instruction, refs: Refs) -> Statements | None:
    if "groups" not in instruction.options:
        return None  # NumPy's convolve, which is another function
    name, geo = convolution_of(instruction)
    out, in_planes, bias = instruction.out, instruction.name in PLANES, instruction.inputs[2:]
    a, b, *_ = reads = [refs[variable] for variable in instruction.inputs]
    alike = all(ref.base.dtype == out.dtype and 0 not in ref.shape for ref in reads) and all(map(is_packed, reads[2:]))
    if str(out.dtype) not in TYPES or not alike or 0 in out.shape or (bias and not adds_bias(instruction)):
        return None
    way = "plane" if in_planes else way_of(name, geo, out.dtype)
    apart = not is_packed(reads[0]), not is_packed(reads[1])
    if any(apart):
        if in_planes or reads_planes(instruction, [are_planes(ref) for ref in reads[:2]]) != apart:
            return None
        if geo.is_depthwise:
            if name != "convolve_weight":
                return None  # what it makes would lie so too
            way = "plane"
    if way == "point":
        return pointwise(instruction, refs, geo)
    if way in WAYS:
        return shared(instruction, refs, geo, way, WAYS[way], name, apart)
    kind, _, ending = TYPES[str(out.dtype)]
    numbers, room = lengths_of(geo, out.dtype.itemsize)
    rows = Variable(-1, (room * out.dtype.itemsize,), host.dtype("uint8"))

    def statements(listed: Listed) -> str:
        return (
            f"  {{ static const conv_t g = {{{', '.join(map(str, numbers))}}};\n"
            f"    {name}_{ending}({address(a, listed, kind)}, {address(b, listed, kind)}, "
            f"({kind} *){listed.address(out)}, ({kind} *){listed.address(rows)}, "
            f"0, {geo.batch}, &g); }}"
        )

    functions = tuple(filled(text, out.dtype) for text in FUNCTIONS[name])
    return Statements(instruction, reads, statements=statements, functions=functions, scratch=rows, about="convolution")


def lengths_of(geo: Geometry, itemsize: int) -> tuple[tuple[int, ...], int]:
    """The numbers of a `conv_t`, and how many numbers a block of windows has."""
    block = min(geo.batch * geo.windows, max(16, BLOCK // (geo.fan_in * itemsize)))
    (top, _), (left, _) = geo.padding
    channels, features = geo.channels // geo.groups, geo.features // geo.groups
    lengths = (*geo.length, channels, features, *geo.size, *geo.counts)
    numbers = (*lengths, *geo.stride, top, left, *geo.dilation, geo.groups, block)
    return numbers, block * geo.fan_in


KERNELS.update(dict.fromkeys([*FUNCTIONS, *PLANES], _convolution))
