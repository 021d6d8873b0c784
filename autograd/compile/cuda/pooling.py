"""Pooling as kernels in CUDA C: a thread for each number that is written, or some beside one another, channels last.

One idea: a window is walked over place by place, and what goes back to x is gathered from the windows that hold an
element, see `windows.py`. So places and picks are NumPy's to the last bit, and sums are added in one order.
Read `tape.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod
from typing import Any

from ...pooling import geometry
from ..native.expressions import C_TYPES
from ..native.kernels import Memory, Refs
from ..native.layout import Ref, packed, whole
from ..program import Instruction
from .commands import Launch
from .nests import Elements, Launches, kernel_over
from .windows import Walk, coordinates, each_place, each_window, neighbours, pieces, reach, unrolled, where
from .writer import index_type

__all__ = ["KERNELS"]

_OF_X, _OF_WINDOWS = "b y x c", "b oy ox c"

Body = Callable[[Walk, list[Ref], int], Iterable[str]]  # of the walk, what is read, and how many channels at once


def _places(walk: Walk, reads: list[Ref], near: int) -> Iterable[str]:
    # Of NaN, which is not equal to itself, the first is taken, and it is larger than all numbers.
    yield "X0 best = {};"
    yield f"int chosen[{near}];"
    yield from unrolled(near, "chosen[m] = -1;")
    lines = [
        f"const X0 given = *(const X0 *)(x0 + {where(reads[0].strides, _OF_X)});",
        *unrolled(
            near,
            "const auto number = given.of[m], most = best.of[m];",
            "const bool more = chosen[m] < 0 || number > most || (number != number && most == most);",
            "if (more) { best.of[m] = number; chosen[m] = k; }",
        ),
    ]
    yield from each_place(walk, lines)
    yield from unrolled(near, "out.of[m] = chosen[m];")


def _pick(walk: Walk, reads: list[Ref], near: int) -> Iterable[str]:
    height, width = walk.size
    yield f"const X1 places = *(const X1 *)(x1 + {where(reads[1].strides, _OF_WINDOWS)});"
    yield from unrolled(
        near,
        "const long place = places.of[m];",
        f"const int k = place >= 0 && place < {height * width} ? place : -1, u = k / {width}, v = k % {width};",
        f"const index y = {walk.y}, x = {walk.x};",
        f"const bool found = k >= 0 && {walk.inside};",
        f"out.of[m] = found ? x0[{where(reads[0].strides, _OF_X)} + m] : 0;",
    )


def _put(walk: Walk, reads: list[Ref], near: int) -> Iterable[str]:
    g, places = (where(ref.strides, _OF_WINDOWS) for ref in reads)
    lines = [
        f"const X0 given = *(const X0 *)(x0 + {g});",
        f"const X1 places = *(const X1 *)(x1 + {places});",
        *unrolled(near, "if (k == places.of[m]) out.of[m] += given.of[m];"),
    ]
    yield from each_window(walk, lines)


def _sum(walk: Walk, reads: list[Ref], near: int) -> Iterable[str]:
    yield from each_place(walk, _added(where(reads[0].strides, _OF_X), near))


def _spread(walk: Walk, reads: list[Ref], near: int) -> Iterable[str]:
    yield from each_window(walk, _added(where(reads[0].strides, _OF_WINDOWS), near))


def _added(place: str, near: int) -> list[str]:
    given = f"const X0 given = *(const X0 *)(x0 + {place});"
    return [given, *unrolled(near, "out.of[m] += given.of[m];")]


# The names of the coordinates of what is written, where d counts the channels that a thread takes as one, and what is
# done for them: lines that know the first, c, and fill in `out`.
_BODIES: dict[str, tuple[str, Body]] = {
    "pool_places": ("b oy ox d", _places),
    "pool_pick": ("b oy ox d", _pick),
    "pool_put": ("b y x d", _put),
    "pool_sum": ("b oy ox d", _sum),
    "pool_spread": ("b y x d", _spread),
}


def pooled(instruction: Instruction, refs: Refs) -> Launches | None:
    """A pooling; CuPy has to do that of numbers for which C has no name, and of none."""
    name, out = instruction.name, instruction.out
    numbers, *places = reads = [refs[variable] for variable in instruction.inputs]
    if 0 in out.shape or any(0 in ref.shape for ref in reads) or not _is_known(numbers.base.dtype, "iuf"):
        return None
    if not all(_is_known(ref.base.dtype, "iu") for ref in places):
        return None
    walk, (names, body) = _walk(instruction), _BODIES[name]
    index = index_type(prod(out.shape), *map(reach, reads), walk.most)

    def launches(memory: Memory) -> list[Launch]:
        given, target = [Elements.of(ref, memory) for ref in reads], Elements.of(whole(out), memory)
        strides = [*(ref.strides for ref in reads), packed(out.shape)]
        near = neighbours(out.shape[-1], *zip([*given, target], strides, strict=True))
        shape = (*out.shape[:-1], out.shape[-1] // near)
        lines = [
            *coordinates(shape, names, index),
            f"const index c = d * {near};",
            *pieces(near, **{f"x{i}": array.dtype for i, array in enumerate(given)}, y0=target.dtype),
            "Y0 out = {};",
            *body(walk, reads, near),
            f"*(Y0 *)(y0 + (index)i * {near}) = out;",
        ]
        size = " x ".join(map(str, walk.size))
        return [kernel_over(f"{name}, windows of {size}", prod(shape), given, [target], lines)]

    return Launches(instruction, reads, launches=launches)


def _is_known(dtype: Any, kinds: str) -> bool:
    return str(dtype) in C_TYPES and dtype.kind in kinds


def _walk(instruction: Instruction) -> Walk:
    options = dict(instruction.options)
    length = tuple(options.pop("length", instruction.inputs[0].shape[1:3]))
    return Walk(length, geometry(length, **options).counts, **options)


KERNELS = dict.fromkeys(_BODIES, pooled)
