"""Convolution with windows of one pixel in C: nothing but products of matrices, of images as they lie.

One idea: pixels by channels or channels by pixels, an image is a matrix or a turned one, and BLAS reads either. So
images with their channels in axis 1 are brought in no order first; only, their samples are a product each. What is made
has its channels last. Read `ways.py` next.
"""

from __future__ import annotations

from ...convolution import Geometry
from ..program import Instruction
from .kernels import Listed, Refs, Statements
from .template import TYPES, address, filled, is_packed

__all__ = ["FUNCTIONS", "RECORD", "lengths_of", "pointwise"]

RECORD = "point_t"
_GEOMETRY = """\
// How an image lies: from a sample, a group and a line of the matrix to the next, and 111, or 112 where it is turned.
typedef struct { long sample, group, line, order; } point_image;
typedef struct { long samples, pixels, groups, ins, outs; point_image x, y; } point_t;"""

_CONVOLVE = """\
static void point_convolve_@(const T *x, const T *w, T *y, const point_t *g) {
  for (long b = 0; b < g->samples; b++)
    for (long i = 0; i < g->groups; i++)
      gemm(101, g->x.order, 112, g->pixels, g->outs, g->ins, 1, x + b * g->x.sample + i * g->x.group, g->x.line,
           w + i * g->outs * g->ins, g->ins, 0, y + b * g->y.sample + i * g->y.group, g->y.line);
}"""

_INPUT = """\
static void point_convolve_input_@(const T *y, const T *w, T *x, const point_t *g) {
  for (long b = 0; b < g->samples; b++)
    for (long i = 0; i < g->groups; i++)
      gemm(101, g->y.order, 111, g->pixels, g->ins, g->outs, 1, y + b * g->y.sample + i * g->y.group, g->y.line,
           w + i * g->outs * g->ins, g->ins, 0, x + b * g->x.sample + i * g->x.group, g->x.line);
}"""

_WEIGHT = """\
static void point_convolve_weight_@(const T *x, const T *y, T *w, const point_t *g) {
  for (long b = 0; b < g->samples; b++)
    for (long i = 0; i < g->groups; i++)
      gemm(101, 223 - g->y.order, g->x.order, g->outs, g->ins, g->pixels, 1, y + b * g->y.sample + i * g->y.group,
           g->y.line, x + b * g->x.sample + i * g->x.group, g->x.line, b ? 1 : 0, w + i * g->outs * g->ins, g->ins);
}"""

FUNCTIONS: dict[str, tuple[str, ...]] = {
    "convolve": (_GEOMETRY, _CONVOLVE),
    "convolve_input": (_GEOMETRY, _INPUT),
    "convolve_weight": (_GEOMETRY, _WEIGHT),
}


def pointwise(instruction: Instruction, refs: Refs, geo: Geometry) -> Statements:
    """The kernel of an instruction whose images lie with their channels last, or in axis 1."""
    name, out = instruction.name, instruction.out
    kind, _, ending = TYPES[str(out.dtype)]
    a, b = reads = [refs[variable] for variable in instruction.inputs]
    numbers = lengths_of(name, geo, not is_packed(a), not is_packed(b))

    def statements(listed: Listed) -> str:
        return (
            f"  {{ static const {RECORD} g = {{{', '.join(map(str, numbers))}}};\n"
            f"    point_{name}_{ending}({address(a, listed, kind)}, {address(b, listed, kind)}, "
            f"({kind} *){listed.address(out)}, &g); }}"
        )

    functions = tuple(filled(text, out.dtype) for text in FUNCTIONS[name])
    return Statements(instruction, reads, statements=statements, functions=functions, about="convolution (pointwise)")


def lengths_of(name: str, geo: Geometry, first: bool, second: bool) -> tuple[int, ...]:
    """The numbers of a `point_t`, where the channels of the `first` image, or the `second`, are in axis 1."""
    x_first, y_first = {
        "convolve": (first, False),
        "convolve_input": (False, first),
        "convolve_weight": (first, second),
    }[name]
    ins, outs = geo.channels // geo.groups, geo.features // geo.groups
    samples, pixels = (geo.batch, geo.windows) if x_first or y_first else (1, geo.batch * geo.windows)

    def image(channels: int, count: int, channels_first: bool) -> tuple[int, ...]:
        apart = pixels * channels
        return (apart, count * pixels, pixels, 112) if channels_first else (apart, count, channels, 111)

    x, y = image(geo.channels, ins, x_first), image(geo.features, outs, y_first)
    return (samples, pixels, geo.groups, ins, outs, *x, *y)
