"""Depthwise convolution as kernels in CUDA C: each channel is convolved by itself, so there is no product of matrices.

One idea: a thread makes one number of the result, or of the gradient of x, and its neighbours those of the channels
beside it, which lie beside it in memory. The gradient of the weight is a sum over all windows: blocks add up parts of
it, and a second kernel adds up the parts, in one order. Read `pooling.py` next.
"""

from __future__ import annotations

from math import prod

from ...backend import host
from ...convolution import Geometry
from ..native.kernels import Kernel, Memory
from ..native.layout import Ref, whole
from ..native.members import ctype
from ..program import Instruction, Variable
from .commands import Job, Launch
from .nests import Elements, Launches, kernel_over
from .windows import Walk, coordinates, each_place, each_window, reach, where
from .writer import ARGUMENTS, index_type

__all__ = ["depthwise"]

_WARPS = 8
_LANES = 32
_BLOCKS = 1056  # at which the sums over windows are no longer cut: 8 for each multiprocessor of an H100


def depthwise(instruction: Instruction, geo: Geometry, walk: Walk, reads: list[Ref]) -> Kernel:
    """A convolution of each channel by itself, or one of its adjoints, by the name of the instruction."""
    if instruction.name == "convolve_weight":
        return _Weight(instruction, geo, walk, reads).kernel()
    shape, names, body = {
        "convolve": (geo.out_shape, "b oy ox o", _convolve),
        "convolve_input": (geo.x_shape, "b y x c", _convolve_input),
    }[instruction.name]
    index = index_type(prod(shape), *map(reach, reads), walk.most)
    lines = [*coordinates(shape, names, index), *body(geo, walk, ctype(instruction.out.dtype), *reads)]

    def launches(memory: Memory) -> list[Launch]:
        given, target = [Elements.of(ref, memory) for ref in reads], Elements.of(whole(instruction.out), memory)
        return [kernel_over(f"{instruction.name}, {geo.groups} channels apart", prod(shape), given, [target], lines)]

    return Launches(instruction, reads, launches=launches)


def _convolve(geo: Geometry, walk: Walk, kind: str, x: Ref, w: Ref) -> list[str]:
    term = f"s += x0[{where(x.strides, 'b y x c')}] * x1[{where(w.strides[:3], 'o u v')}];"
    return [f"const index c = o / {_times(geo)};", f"{kind} s = 0;", *each_place(walk, [term]), "y0[i] = s;"]


def _convolve_input(geo: Geometry, walk: Walk, kind: str, y: Ref, w: Ref) -> list[str]:
    times = _times(geo)
    term = f"s += x0[{where(y.strides, 'b oy ox o')}] * x1[{where(w.strides[:3], 'o u v')}];"
    terms = f"for (index o = c * {times}; o < c * {times} + {times}; o++) {term}"
    return [f"{kind} s = 0;", *each_window(walk, [terms]), "y0[i] = s;"]


def _times(geo: Geometry) -> int:
    """How many kernels read a channel."""
    return geo.features // geo.channels


class _Weight:
    """The adjoint in the weight. A block has 32 kernels, one row of each, and a part of all windows."""

    def __init__(self, instruction: Instruction, geo: Geometry, walk: Walk, reads: list[Ref]) -> None:
        self.instruction, self.geo, self.walk, self.reads = instruction, geo, walk, reads
        self.size = prod(geo.w_shape)
        pieces = -(-geo.features // _LANES) * geo.size[0]
        self.parts = max(1, min(128, _BLOCKS // pieces, geo.batch * geo.windows // (4 * _WARPS)))
        self.blocks = pieces * self.parts

    def kernel(self) -> Launches:
        """The step; where windows are cut into parts, the sums of these lie in its scratch memory."""
        out = self.instruction.out
        scratch = None
        if self.parts > 1:
            scratch = Variable(-1, (self.parts * self.size * out.dtype.itemsize,), host.dtype("uint8"))

        def launches(memory: Memory) -> list[Launch]:
            target = Elements.of(whole(out), memory)
            if scratch is None:
                return [self._launch(memory, target)]
            room = Elements.of(whole(scratch), memory)
            room = Elements(out.dtype, room.place, room.span)
            body = [
                f"{ctype(out.dtype)} s = 0;",
                f"for (int k = 0; k < {self.parts}; k++) s += x0[k * n + i];",
                "y0[i] = s;",
            ]
            summed = kernel_over(f"{self.parts} partial sums", self.size, [room], [target], body)
            return [self._launch(memory, room), summed]

        return Launches(self.instruction, self.reads, scratch=scratch, launches=launches)

    def _launch(self, memory: Memory, target: Elements) -> Launch:
        geo, walk, (height, width) = self.geo, self.walk, self.geo.size
        x, y = self.reads
        kind, threads = ctype(target.dtype), _LANES * _WARPS
        index = index_type(geo.batch * geo.windows, self.parts * self.size, reach(x), reach(y), walk.most)
        text = f"""extern "C" __global__ void __launch_bounds__({threads}) @(const __grid_constant__ Jobs<$, 3> jobs) {{
{ARGUMENTS}
  const {kind} *x0 = (const {kind} *)p[0];
  const {kind} *x1 = (const {kind} *)p[1];
  {kind} *y0 = ({kind} *)p[2];
  __shared__ {kind} sums[{_WARPS}][{_LANES}];
  const int lane = threadIdx.x & {_LANES - 1}, warp = threadIdx.x / {_LANES};
  const {index} part = block % {self.parts}, u = block / {self.parts} % {height};
  const {index} o = block / {self.parts * height} * {_LANES} + lane, c = o / {_times(geo)};
  {kind} s[{width}] = {{}};
  for ({index} w = part * {_WARPS} + warp; w < {geo.batch * geo.windows}; w += {_WARPS * self.parts}) {{
    {" ".join(coordinates((geo.batch, *geo.counts), "b oy ox", index, "w"))}
    const index y = {walk.y};
    if (o >= {geo.features} || y < 0 || y >= {geo.length[0]}) continue;
    const {kind} g = x1[{where(y.strides, "b oy ox o")}];
    #pragma unroll
    for (int v = 0; v < {width}; v++) {{
      const index x = {walk.x};
      if (x >= 0 && x < {geo.length[1]}) s[v] += x0[{where(x.strides, "b y x c")}] * g;
    }}
  }}
  #pragma unroll
  for (int v = 0; v < {width}; v++) {{
    sums[warp][lane] = s[v];
    __syncthreads();
    if (warp == 0 && o < {geo.features}) {{
      {kind} sum = sums[0][lane];
      for (int k = 1; k < {_WARPS}; k++) sum += sums[k][lane];
      y0[part * {self.size} + (o * {height} + u) * {width} + v] = sum;
    }}
    __syncthreads();
  }}
}}"""
        reads = [Elements.of(ref, memory) for ref in self.reads]
        places = tuple(array.place for array in (*reads, target))
        job = Job(self.blocks, self.size, places, frozenset(a.span for a in reads), frozenset({target.span}))
        return Launch(text, threads, (job,), f"convolve_weight, {geo.groups} channels apart")
