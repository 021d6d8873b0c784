"""Convolution as commands for a GPU: windows laid out as rows by a kernel, and one product of cuBLASLt.

One idea: with its windows as rows, a convolution is a product of matrices, and so are its adjoints; that in x gives
rows, which a second kernel gathers. With channels last the product writes the result where it belongs, also that of
groups, which are a stack of products. Where each window is one place of space, x is its own rows.
Read `depthwise.py` next.
"""

# Note [Rows in blocks]
# Windows overlap, so their rows hold each number of x as often as there are places in a window, and all of a large
# batch at once would take more memory than all else. So they are laid out for some samples at a time, in scratch memory
# that other steps use before and after. The rows of a forward and those of its adjoint in the weight are the same
# numbers, and laid out twice: to keep them would take that memory for every layer at once, and to lay them out again
# takes about as long as to read them.

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from math import prod
from typing import Any, NamedTuple

from ...convolution import Geometry, geometry_of
from ...cuda.blas import Product
from ..native.kernels import Kernel, Memory, Refs
from ..native.layout import Ref, packed, whole
from ..native.template import is_packed
from ..program import Instruction
from .commands import Command, Launch, Multiply
from .depthwise import depthwise
from .nests import Elements, kernel_over
from .operations import Operands, Room
from .windows import Walk, coordinates, each_window, neighbours, pieces, unrolled, where
from .writer import index_type

__all__ = ["BLOCK", "KERNELS", "Convolution"]

BLOCK = 128 << 20  # bytes of rows at a time, or those of one sample where they are more


@dataclass
class Convolution(Kernel):
    """A convolution, or one of its adjoints. `commands` are given where all lies, and whether float32 may be tf32."""

    _: KW_ONLY
    commands: Callable[[Memory, bool], Iterator[Command]]


def convolution(instruction: Instruction, refs: Refs) -> Kernel | None:
    """What a convolution becomes; CuPy has to do that of no numbers, or of such that cuBLASLt does not know."""
    if "groups" not in instruction.options:
        return None  # NumPy's convolve, which is another function
    first, second = instruction.inputs
    geo = geometry_of(instruction.name, first.shape, second.shape, **instruction.options)
    reads, dtype = [refs[variable] for variable in instruction.inputs], instruction.out.dtype
    known = ("float32", "float64") if geo.is_depthwise else ("float32", "float64", "bfloat16")
    if geo.is_empty or str(dtype) not in known or any(ref.base.dtype != dtype for ref in reads):
        return None
    if geo.is_depthwise:
        return depthwise(instruction, geo, _walk(geo), reads)
    return _Products(instruction, geo, reads).step()


KERNELS = dict.fromkeys(("convolve", "convolve_input", "convolve_weight"), convolution)


def _walk(geo: Geometry) -> Walk:
    return Walk(geo.length, geo.counts, geo.size, geo.stride, geo.padding, geo.dilation)


class _Matrices(NamedTuple):
    """Matrices in memory, one for each group."""

    array: Elements
    leading: int  # from row to row
    step: int  # from matrix to matrix

    def at(self, elements: int) -> _Matrices:
        """The same from so many elements on."""
        slot, start = self.array.place
        place = slot, start + elements * self.array.dtype.itemsize
        return self._replace(array=replace(self.array, place=place))


class _Products:
    """The commands of a convolution that is products of matrices; see Note [Rows in blocks]."""

    def __init__(self, instruction: Instruction, geo: Geometry, reads: list[Ref]) -> None:
        self.instruction, self.geo, self.reads = instruction, geo, reads
        self.dtype = instruction.out.dtype
        self.blocks = [(0, geo.batch)] if geo.is_pointwise else _blocks(geo, self.dtype.itemsize)
        self.room = Room()
        # In scratch memory lie the rows, and a factor that lies out of order where it is.
        self.rows = 0 if geo.is_pointwise else self.room.take(self._bytes(self.blocks[0][1]))
        self.operands = Operands(reads, self.room, is_packed)

    def _bytes(self, count: int) -> int:
        """Those of the rows of so many samples."""
        return count * _row_numbers(self.geo) * int(self.dtype.itemsize)

    def step(self) -> Convolution:
        """The step of the program."""
        return Convolution(self.instruction, self.reads, scratch=self.room.scratch, commands=self._commands)

    def _commands(self, memory: Memory, tf32: bool) -> Iterator[Command]:
        geo, name = self.geo, self.instruction.name
        yield from self.operands.copied(memory)
        arrays = [Elements(self.dtype, *self.operands.spot(ref, memory)) for ref in self.reads]
        names = {"convolve": "xwy", "convolve_input": "ywx", "convolve_weight": "xyw"}[name]
        known = dict(zip(names, [*arrays, Elements.of(whole(self.instruction.out), memory)], strict=True))
        channels, features = geo.channels // geo.groups, geo.features // geo.groups
        all_x, all_y = _Matrices(known["x"], geo.channels, channels), _Matrices(known["y"], geo.features, features)
        w = _Matrices(known["w"], geo.fan_in, features * geo.fan_in)
        for first, count in self.blocks:
            windows = count * geo.windows
            x, y = all_x.at(first * prod(geo.x_shape[1:])), all_y.at(first * prod(geo.out_shape[1:]))
            rows = x
            if not geo.is_pointwise:
                room = self.room.spot(memory, self.rows, self._bytes(count))
                rows = _Matrices(Elements(self.dtype, *room), geo.fan_in, windows * geo.fan_in)
            if name == "convolve":
                yield from _laid_out(geo, x.array, rows.array, count)
                yield self._product(rows, w, y, (windows, features, geo.fan_in), tf32, b_transposed=True)
            elif name == "convolve_input":
                yield self._product(y, w, rows, (windows, geo.fan_in, features), tf32)
                yield from _gathered(geo, rows.array, x.array, count)
            else:
                more = {"a_transposed": True, "accumulate": first > 0}
                yield from _laid_out(geo, x.array, rows.array, count)
                yield self._product(y, rows, w, (features, geo.fan_in, windows), tf32, **more)

    def _product(
        self, a: _Matrices, b: _Matrices, c: _Matrices, sizes: tuple[int, int, int], tf32: bool, **more: Any
    ) -> Multiply:
        """The product of the matrices of each group, of these m, n and k."""
        if self.geo.groups > 1:
            more |= {"batch": self.geo.groups, "stride_a": a.step, "stride_b": b.step, "stride_c": c.step}
        more = {"a_transposed": False, "b_transposed": False, "tf32": tf32 and self.dtype == "float32", **more}
        product = Product(*sizes, lda=a.leading, ldb=b.leading, ldc=c.leading, dtype=str(self.dtype), **more)
        reads, writes = frozenset({a.array.span, b.array.span}), frozenset({c.array.span})
        out = repr(self.instruction.out)
        return Multiply(product, a.array.place, b.array.place, c.array.place, None, None, reads, writes, out)


def _row_numbers(geo: Geometry) -> int:
    """How many numbers the rows of a sample hold, those of all groups."""
    return geo.windows * geo.groups * geo.fan_in


def _blocks(geo: Geometry, itemsize: int) -> list[tuple[int, int]]:
    """The samples whose rows are laid out together: the first, and how many, about as many in each block."""
    most = max(1, BLOCK // (_row_numbers(geo) * itemsize))
    size = -(-geo.batch // -(-geo.batch // most))
    return [(first, min(size, geo.batch - first)) for first in range(0, geo.batch, size)]


def _laid_out(geo: Geometry, x: Elements, rows: Elements, count: int) -> list[Launch]:
    """The windows of so many samples as rows, by group."""
    if geo.is_pointwise:
        return []
    walk, channels, strides = _walk(geo), geo.channels // geo.groups, packed(geo.x_shape)
    near = neighbours(channels, (x, strides), (rows, (channels, 1)))
    shape = (geo.groups, count, *geo.counts, *geo.size, channels // near)
    body = [
        *coordinates(shape, "g b oy ox u v d", _index(geo, count)),
        *pieces(near, x0=x.dtype),
        f"const index y = {walk.y}, x = {walk.x}, c = g * {channels} + d * {near};",
        "X0 found = {};",
        f"if ({walk.inside}) found = *(const X0 *)(x0 + {where(strides, 'b y x c')});",
        f"*(X0 *)(y0 + (index)i * {near}) = found;",
    ]
    return [kernel_over(f"{count} samples as windows", prod(shape), [x], [rows], body)]


def _gathered(geo: Geometry, rows: Elements, x: Elements, count: int) -> list[Launch]:
    """For each element of so many samples what the rows of the windows that hold it have there, added up."""
    if geo.is_pointwise:
        return []
    channels = geo.channels // geo.groups
    kind = "double" if x.dtype == "float64" else "float"  # of the sum, also of bfloat16
    steps = packed((geo.groups, count, *geo.counts, prod(geo.size), channels))
    near = neighbours(channels, (rows, steps), (x, packed(geo.x_shape)))
    shape = (count, *geo.length, geo.channels // near)
    term = [
        f"const X0 one = *(const X0 *)(x0 + {where(steps, 'g b oy ox k from')});",
        *unrolled(near, "s[m] += one.of[m];"),
    ]
    body = [
        *coordinates(shape, "b y x d", _index(geo, count)),
        *pieces(near, x0=rows.dtype, y0=x.dtype),
        f"const index c = d * {near}, g = c / {channels}, from = c % {channels};",
        f"{kind} s[{near}] = {{}};",
        *each_window(_walk(geo), term),
        "Y0 sums;",
        *unrolled(near, "sums.of[m] = s[m];"),
        f"*(Y0 *)(y0 + (index)i * {near}) = sums;",
    ]
    return [kernel_over(f"{count} samples from their windows", prod(shape), [rows], [x], body)]


def _index(geo: Geometry, count: int) -> str:
    """What indices are in kernels over so many samples and their rows."""
    return index_type(count * _row_numbers(geo), count * prod(geo.x_shape[1:]), _walk(geo).most)
