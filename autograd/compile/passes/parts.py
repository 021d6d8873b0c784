"""Parts: pieces of one array that were put into zeros one by one, and added up, are put beside each other.

One idea: the gradient of x[0] is zeros with a piece in them, and so is that of x[1]; where the pieces do not overlap,
their sum is one array with both pieces.
Read `rewriting.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["is_basic", "with_joined_parts"]


def is_basic(index: Any) -> bool:
    """Whether an index is made of numbers and slices alone, so that it names a part of regular shape."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(part is None or part is Ellipsis or type(part) in (int, slice) for part in parts)


def with_joined_parts(program: Program) -> Program:
    """The program in which sums of parts that do not overlap are one array."""
    zeros = program.zeros()
    placed: dict[Variable, list[Instruction]] = {}  # what was put into zeros, piece by piece
    instructions = []
    for instruction in program.instructions:
        out = instruction.out
        if instruction.name == "set_at" and instruction.inputs[0] in zeros and is_basic(instruction.inputs[1]):
            placed[out] = [instruction]
        if instruction.name == "add" and not instruction.options:
            first, second = (placed.get(x) if isinstance(x, Variable) else None for x in instruction.inputs)
            if first and second and not _overlap(out.shape, [*first, *second]):
                piece = second[-1]
                if len(second) == 1:
                    given = (instruction.inputs[0], *piece.inputs[1:])
                    instruction = Instruction("set_at", piece.function, given, {}, out)
                    placed[out] = [*first, instruction]
        instructions.append(instruction)
    return replace(program, instructions=instructions)


def _overlap(shape: tuple[int, ...], pieces: list[Instruction]) -> bool:
    taken = host.zeros(shape, bool)
    for piece in pieces:
        part = taken[piece.inputs[1]]
        if part.any():
            return True
        taken[piece.inputs[1]] = True
    return False
