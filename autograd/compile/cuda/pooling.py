"""Pooling as kernels in CUDA C: a thread for each number that is written, channels last.

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
from ..native.layout import Ref, whole
from ..native.members import ctype
from ..program import Instruction
from .commands import Launch
from .nests import Array, Launches, kernel_over
from .windows import Walk, coordinates, each_place, each_window, where

__all__ = ["KERNELS"]

_OF_X, _OF_WINDOWS = "b y x c", "b oy ox c"

Body = Callable[[Walk, str, list[Ref]], Iterable[str]]  # of the walk, the type of a number, and what is read


def _places(walk: Walk, kind: str, reads: list[Ref]) -> Iterable[str]:
    # Of NaN, which is not equal to itself, the first is taken, and it is larger than all numbers.
    yield f"{kind} best = 0;"
    yield "int chosen = -1;"
    lines = [
        f"const {kind} number = x0[{where(reads[0].strides, _OF_X)}];",
        "const bool more = chosen < 0 || number > best || (number != number && best == best);",
        "if (more) { best = number; chosen = k; }",
    ]
    yield from each_place(walk, lines)
    yield "y0[i] = chosen;"


def _pick(walk: Walk, kind: str, reads: list[Ref]) -> Iterable[str]:
    height, width = walk.size
    yield f"const long place = x1[{where(reads[1].strides, _OF_WINDOWS)}];"
    yield f"const int k = place >= 0 && place < {height * width} ? place : -1, u = k / {width}, v = k % {width};"
    yield f"const int y = {walk.y}, x = {walk.x};"
    inside = " && ".join(f"{at} >= 0 && {at} < {n}" for at, n in zip("yx", walk.length, strict=True))
    yield f"y0[i] = k >= 0 && {inside} ? x0[{where(reads[0].strides, _OF_X)}] : 0;"


def _put(walk: Walk, kind: str, reads: list[Ref]) -> Iterable[str]:
    g, places = (where(ref.strides, _OF_WINDOWS) for ref in reads)
    yield f"{kind} s = 0;"
    yield from each_window(walk, [f"if (k == x1[{places}]) s += x0[{g}];"])
    yield "y0[i] = s;"


def _sum(walk: Walk, kind: str, reads: list[Ref]) -> Iterable[str]:
    yield f"{kind} s = 0;"
    yield from each_place(walk, [f"s += x0[{where(reads[0].strides, _OF_X)}];"])
    yield "y0[i] = s;"


def _spread(walk: Walk, kind: str, reads: list[Ref]) -> Iterable[str]:
    yield f"{kind} s = 0;"
    yield from each_window(walk, [f"s += x0[{where(reads[0].strides, _OF_WINDOWS)}];"])
    yield "y0[i] = s;"


# The names of the coordinates of what is written, and what is done for each element.
_BODIES: dict[str, tuple[str, Body]] = {
    "pool_places": (_OF_WINDOWS, _places),
    "pool_pick": (_OF_WINDOWS, _pick),
    "pool_put": (_OF_X, _put),
    "pool_sum": (_OF_WINDOWS, _sum),
    "pool_spread": (_OF_X, _spread),
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

    def launches(memory: Memory) -> list[Launch]:
        lines = [*coordinates(out.shape, names), *body(walk, ctype(numbers.base.dtype), reads)]
        given, target = [Array.of(ref, memory) for ref in reads], Array.of(whole(out), memory)
        size = " x ".join(map(str, walk.size))
        return [kernel_over(f"{name}, windows of {size}", prod(out.shape), given, [target], lines)]

    return Launches(instruction, reads, launches=launches)


def _is_known(dtype: Any, kinds: str) -> bool:
    return str(dtype) in C_TYPES and dtype.kind in kinds


def _walk(instruction: Instruction) -> Walk:
    options = dict(instruction.options)
    length = tuple(options.pop("length", instruction.inputs[0].shape[1:3]))
    return Walk(length, geometry(length, **options).counts, **options)


KERNELS = dict.fromkeys(_BODIES, pooled)
