"""Whole: pieces of one array that are put together again as they were are that array.

One idea: where every piece is put at the same place that it was taken from, nothing has to be moved. So the gradients
of queries, keys and values, which attention leaves beside one another, are the gradient of what they were split from.
Read `operations.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from math import prod

from ...backend import host
from ..native.layout import Ref, joined_axes, layouts, part_of, whole
from ..passes.dead import without_dead
from ..passes.parts import is_basic
from ..program import Instruction, Program, Variable

__all__ = ["with_whole_arrays"]

Piece = tuple[Ref, Ref]  # the part of an array, and what is put there


def with_whole_arrays(program: Program) -> Program:
    """The program in which what is put together of all of an array, as it lay there, is that array in another shape."""
    refs, zeros = layouts(program), program.zeros()
    made = {instruction.out for instruction in program.instructions}  # what the program is given may be written to
    pieces: dict[Variable, list[Piece]] = {}
    instructions = []
    for instruction in program.instructions:
        if instruction.name == "set_at" and is_basic(instruction.inputs[1]):
            into, index, value = instruction.inputs
            out, before = instruction.out, [] if into in zeros else pieces.get(into)
            part = part_of(whole(out), index)
            if before is not None and value in refs and value.shape == part.shape and value.dtype == out.dtype:
                pieces[out] = [*before, (part, refs[value])]
                base = _taken_from(out, pieces[out])
                if base in made:
                    instruction = Instruction("reshape", host.reshape, (base, out.shape), {}, out)
        instructions.append(instruction)
    return without_dead(replace(program, instructions=instructions))


def _taken_from(out: Variable, pieces: list[Piece]) -> Variable | None:
    """The array of which these are all pieces, each put where it was; None where there is none."""
    base = pieces[0][1].base
    size = prod(out.shape)
    if prod(base.shape) != size or any(source.base != base or not _alike(part, source) for part, source in pieces):
        return None
    spans = sorted(_span(part, size) for part, _ in pieces)
    rows, row = spans[0][2:]
    ends = [0, *(stop for _, stop, *_ in spans)]
    meet = all(span[0] == end and span[2:] == (rows, row) for span, end in zip(spans, ends, strict=False))
    return base if meet and ends[-1] == row and rows * row == size else None


def _alike(part: Ref, source: Ref) -> bool:
    """Whether a part of one array lies as a piece of another."""
    axes = joined_axes(part.shape, part.strides, source.strides)
    return part.offset == source.offset and all(step == other for _, step, other in axes)


def _span(part: Ref, size: int) -> tuple[int, int, int, int]:
    """Of an array of this size as rows: from which column to which a part goes, how many rows, how long each is.

    The columns are none where a part is something else.
    """
    axes = joined_axes(part.shape, part.strides)
    if not axes or axes[-1][1] != 1:
        axes.append((1, 1))  # a column
    *rows, (columns, _) = axes
    if len(rows) > 1:
        return 0, 0, 0, 0
    count, row = rows[0] if rows else (1, size)
    return part.offset, part.offset + columns, count, row
