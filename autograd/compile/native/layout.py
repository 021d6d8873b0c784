"""Layout: which memory a variable looks at, and how.

One idea: reshaping, transposing and broadcasting move no number, so in C they are nothing but other strides. How a
view lies is found by asking NumPy for that view of an array of the same shape. Read `expressions.py` next.
"""

from __future__ import annotations

import functools
import itertools
from dataclasses import dataclass
from math import prod
from typing import Any

from ...backend import host
from ..passes.parts import is_basic
from ..program import Instruction, Program, Variable

__all__ = ["Axes", "Ref", "joined_axes", "layouts", "overlap", "packed", "part_of", "reshaped", "strides_over", "whole"]

_VIEWS = {
    "diagonal",
    "expand_dims",
    "flip",
    "getitem",
    "matrix_transpose",
    "moveaxis",
    "ndarray.ravel",
    "ndarray.reshape",
    "ndarray.squeeze",
    "ndarray.transpose",
    "broadcast_to",
    "ravel",
    "reshape",
    "squeeze",
    "swapaxes",
    "transpose",
}


@dataclass(frozen=True)
class Ref:
    """The elements that a variable names: those of `base`, from `offset` on, with these strides (all in elements)."""

    base: Variable
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0

    @property
    def is_whole(self) -> bool:
        """Whether it is all of its base, in order."""
        return self.offset == 0 and prod(self.shape) == prod(self.base.shape) and self.strides == packed(self.shape)

    @property
    def is_turned(self) -> bool:
        """Whether it is all of its base, in any order of its axes."""
        steps = sorted(((step, n) for n, step in zip(self.shape, self.strides, strict=True) if n > 1), reverse=True)
        ordered = tuple(step for step, _ in steps) == packed(tuple(n for _, n in steps))
        return self.offset == 0 and prod(self.shape) == prod(self.base.shape) and ordered


def packed(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in C order; 0 along axes of length 1."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step if length > 1 else 0)
        step *= length
    return tuple(reversed(strides))


def whole(variable: Variable) -> Ref:
    """All of a variable, in order."""
    return Ref(variable, variable.shape, packed(variable.shape))


def layouts(program: Program) -> dict[Variable, Ref]:
    """For each variable that is an array, the memory it looks at."""
    refs: dict[Variable, Ref] = {}
    arrays: dict[Variable, Any] = {}  # never read or written: only their addresses count

    def own(variable: Variable) -> None:
        refs[variable] = whole(variable)
        arrays[variable] = host.empty(variable.shape, variable.dtype)

    inputs = [*program.arguments, *(v for _, v in program.places), *(v for v, _ in program.constants)]
    for variable in inputs:
        own(variable)
    for instruction in program.instructions:
        out = instruction.out
        if out.dtype is None:
            continue
        view = _view(instruction, arrays)
        if view is None:
            own(out)
            continue
        base = refs[instruction.inputs[0]].base
        start = arrays[base].__array_interface__["data"][0]
        offset = (view.__array_interface__["data"][0] - start) // out.dtype.itemsize
        strides = tuple(
            step // out.dtype.itemsize if n > 1 else 0 for step, n in zip(view.strides, out.shape, strict=True)
        )
        refs[out] = Ref(base, out.shape, strides, offset)
        arrays[out] = view
    return refs


def _view(instruction: Instruction, arrays: dict[Variable, Any]) -> Any:
    if instruction.name not in _VIEWS or len(set(instruction.variables())) != 1:
        return None
    source = arrays.get(instruction.inputs[0])
    if source is None or source.size == 0:
        return None
    if instruction.name == "getitem" and not is_basic(instruction.inputs[1]):
        return None
    try:
        view = _looked_at(instruction, source)
    except ValueError:
        return None
    shares = view.dtype == source.dtype and host.may_share_memory(view, source)
    return view if shares and view.base is not None else None


def _looked_at(instruction: Instruction, source: Any) -> Any:
    """The result of an instruction that moves no number; ValueError where one reshapes what would have to be copied."""
    name, given = instruction.name, instruction.inputs[1:]
    if name in ("ravel", "ndarray.ravel", "reshape") and len(given) == (name == "reshape") and not instruction.options:
        return source.reshape(instruction.out.shape, copy=False)
    if name == "ndarray.reshape" and not instruction.options:
        return source.reshape(instruction.out.shape, copy=False)
    return instruction.function(source, *given, **instruction.options)


def part_of(whole: Ref, index: Any) -> Ref:
    """The part of an array that a basic index names; `whole` is all of its base."""
    array = host.empty(whole.shape, whole.base.dtype)
    parts = index if isinstance(index, tuple) else (index,)
    part = array[parts if Ellipsis in parts else (*parts, ...)]  # a view also where it is one number
    size = array.dtype.itemsize
    offset = (part.__array_interface__["data"][0] - array.__array_interface__["data"][0]) // size
    strides = tuple(step // size if n > 1 else 0 for step, n in zip(part.strides, part.shape, strict=True))
    return Ref(whole.base, part.shape, strides, offset)


def reshaped(ref: Ref, shape: tuple[int, ...]) -> Ref | None:
    """The same elements, in the same order, in another shape; None where they lie in no such strides."""
    size = ref.base.dtype.itemsize
    try:
        view = _seen(ref, host.empty(ref.base.shape, ref.base.dtype)).reshape(shape, copy=False)
    except ValueError:
        return None
    strides = tuple(step // size if n > 1 else 0 for step, n in zip(view.strides, shape, strict=True))
    return Ref(ref.base, shape, strides, ref.offset)


def overlap(ref: Ref, other: Ref) -> bool:
    """Whether two parts of one array have an element in common."""
    array = host.empty(ref.base.shape, ref.base.dtype)
    return bool(host.shares_memory(_seen(ref, array), _seen(other, array)))


def _seen(ref: Ref, array: Any) -> Any:
    """The elements of an array like the base."""
    steps = [step * array.dtype.itemsize for step in ref.strides]
    return host.lib.stride_tricks.as_strided(array.reshape(-1)[ref.offset :], ref.shape, steps)


Axes = tuple[tuple[int, int], ...]  # the length of each and its stride


def strides_over(ref: Ref, shape: tuple[int, ...], split: int) -> tuple[Axes, int] | None:
    """How `ref`, broadcast to `shape`, lies along its first `split` axes, and its stride along the others as one.

    The first axes are joined as far as they can be, to none where all are of length 1. None where the others have no
    single stride.
    """
    return _strides_over((0,) * (len(shape) - len(ref.shape)) + ref.strides, shape, split)


@functools.lru_cache(maxsize=4096)  # the steps of a recurrent network are all alike
def _strides_over(own: tuple[int, ...], shape: tuple[int, ...], split: int) -> tuple[Axes, int] | None:
    columns = _as_one(shape[split:], own[split:])
    if columns is None:
        return None
    return tuple((n, stride) for n, stride in joined_axes(shape[:split], own[:split])), columns


def _as_one(shape: tuple[int, ...], strides: tuple[int, ...]) -> int | None:
    pairs = [(n, step) for n, step in zip(shape, strides, strict=True) if n > 1]
    if not pairs:
        return 0
    for (_, outer), (n, inner) in itertools.pairwise(pairs):
        if outer != inner * n:
            return None
    return pairs[-1][1]


def joined_axes(shape: tuple[int, ...], *strides: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Axes of several arrays of one shape, each as its length and its stride in every array.

    Those that lie one behind the other in all the arrays are taken as one; those of length 1 are left out.
    """
    axes: list[tuple[int, ...]] = []
    for n, *steps in zip(shape, *strides, strict=True):
        if n == 1:
            continue
        if axes and axes[-1][1:] == tuple(step * n for step in steps):
            axes[-1] = (axes[-1][0] * n, *steps)
        else:
            axes.append((n, *steps))
    return axes
