"""Split sums: a sum over the first axes and the last ones, such as that of each channel, as a sum of sums.

One idea: a loop over a table adds up its rows, or its columns. A sum over both, but not over axes in between, is
neither; so the last axes go first, in the loop that makes the elements, and what is left is small. It rounds otherwise,
and less, as the parts are many.
Read `linear_sums.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["with_split_sums"]

_SUMS = {"add.reduce": host.sum, "ndarray.sum": host.sum, "sum": host.sum}
_SUMS |= {"mean": host.mean, "ndarray.mean": host.mean}  # of means of as many numbers each


def with_split_sums(program: Program) -> Program:
    """The program with two sums in the place of each that is over first and last axes and not over all."""
    count = max((v.index for i in program.instructions for v in (i.out, *i.variables())), default=0)
    instructions = []
    for instruction in program.instructions:
        found = _first_and_last(instruction)
        if found is None:
            instructions.append(instruction)
            continue
        first, last = found
        source, function = instruction.inputs[0], _SUMS[instruction.name]
        count += 1
        kept = bool(instruction.options.get("keepdims", False))
        shape = source.shape[: -len(last)] + (1,) * len(last) * kept
        inner = Variable(count, shape, source.dtype)
        for sources, axes, out in (((source,), last, inner), ((inner,), first, instruction.out)):
            options = {"axis": axes, "keepdims": kept}
            instructions.append(Instruction(function.__name__, function, sources, options, out))
    return replace(program, instructions=instructions)


def _first_and_last(instruction: Instruction) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The axes that a sum is over, the first ones of an array and the last ones; None where it is otherwise."""
    source: Any = instruction.inputs[0] if len(instruction.inputs) == 1 else None
    if instruction.name not in _SUMS or not isinstance(source, Variable) or source.dtype is None:
        return None
    axis: Any = instruction.options.get("axis")
    known = instruction.options.keys() <= {"axis", "keepdims"} and isinstance(axis, tuple)
    if not known or source.dtype.kind != "f" or source.dtype != instruction.out.dtype or 0 in source.shape:
        return None
    rank = len(source.shape)
    axes = {a % rank for a in axis}
    first = tuple(a for a in range(rank) if axes.issuperset(range(a + 1)))
    last = tuple(a for a in range(rank) if axes.issuperset(range(a, rank)))
    return (first, last) if first and last and len(first) + len(last) == len(axes) < rank else None
