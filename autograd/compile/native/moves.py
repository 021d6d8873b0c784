"""Moves: numbers that only change their place.

One idea: to copy in another order, to put pieces into an array and to join arrays are the same: parts of a result, each
with where its numbers come from. Pieces that are put into one array after another are one move, and what was only moved
to be moved again goes straight. Read `products.py` next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from math import prod
from typing import TypeVar

from ...shapes import at_axis
from ..passes.parts import is_basic
from ..program import Instruction, Program, Variable
from .layout import Ref, overlap, packed, part_of, reshaped

__all__ = ["Move", "joined_moves", "move_of"]

S = TypeVar("S")  # a step


@dataclass
class Move:
    """Numbers that only change their place: parts of `out`, each with where its numbers come from.

    What no part covers comes from `base`, or is 0 without one. No parts overlap: a GPU fills all of them at once.
    """

    instruction: Instruction
    base: Ref | None
    parts: list[tuple[Ref, Ref]]


_COPIES = {"ascontiguousarray", "ndarray.copy", "ndarray.ravel", "ndarray.reshape", "ravel", "reshape"}


def move_of(
    instruction: Instruction, refs: dict[Variable, Ref], zeros: set[Variable], types: Container[str], most: int
) -> Move | None:
    """A copy in another order, a piece put into an array, or arrays, `most` of them, that are joined.

    All are of one of these dtypes.
    """
    if instruction.name in ("concatenate", "stack"):
        return _joined(instruction, refs, types) if len(instruction.inputs[0]) <= most else None
    out, source = instruction.out, instruction.inputs[0] if instruction.inputs else None
    if not isinstance(source, Variable) or source not in refs or out not in refs or 0 in out.shape:
        return None
    if source.dtype != out.dtype or str(out.dtype) not in types:
        return None
    whole = refs[out]
    if instruction.name in _COPIES and len(set(instruction.variables())) == 1 and prod(source.shape) == prod(out.shape):
        return Move(instruction, None, [(Ref(out, source.shape, packed(source.shape)), refs[source])])
    if instruction.name != "set_at" or not is_basic(instruction.inputs[1]):
        return None
    value = instruction.inputs[2]
    part = part_of(whole, instruction.inputs[1])
    if value.dtype != out.dtype or value.shape != part.shape or 0 in part.shape:
        return None
    return Move(instruction, None if source in zeros else refs[source], [(part, refs[value])])


def _joined(instruction: Instruction, refs: dict[Variable, Ref], types: Container[str]) -> Move | None:
    out, (arrays, *more), axis = instruction.out, instruction.inputs, instruction.options.get("axis", 0)
    if more or instruction.options.keys() - {"axis"} or not isinstance(axis, int):
        return None
    if out not in refs or 0 in out.shape or str(out.dtype) not in types:
        return None
    if not all(isinstance(x, Variable) and x in refs and x.dtype == out.dtype for x in arrays):
        return None
    axis %= len(out.shape)
    where: list[int | slice] = list(range(len(arrays)))
    if instruction.name == "concatenate":
        where = [slice(*ends) for ends in pairwise([0, *accumulate(x.shape[axis] for x in arrays)])]
    places = [at_axis(axis, place) for place in where]
    parts = [(part_of(refs[out], place), refs[x]) for place, x in zip(places, arrays, strict=True) if 0 not in x.shape]
    return Move(instruction, None, parts)


def joined_moves(steps: Sequence[S], program: Program, refs: dict[Variable, Ref]) -> list[S]:
    """The steps with pieces that are put into one array, one after the other, as one step."""
    read = [v for instruction in program.instructions for v in instruction.variables()] + program.kept()
    readers = Counter(refs[variable].base for variable in read if variable in refs)
    moves: dict[Variable, Move] = {}
    gone: set[int] = set()

    def before(ref: Ref | None) -> Move | None:
        """The move that made what is read here, where all of it is and nobody else reads it."""
        return moves.get(ref.base) if ref is not None and ref.is_whole and readers[ref.base] == 1 else None

    for step in steps:
        if isinstance(step, Move):
            made = before(step.base)
            if made is not None and _took_in(step, made):
                gone.add(id(made))
            for i, (part, source) in enumerate(step.parts):
                made = before(source)
                found = None if made is None else _straight(made, part)
                if found is not None:
                    step.parts[i] = found
                    gone.add(id(made))
            moves[step.instruction.out] = step
    return [step for step in steps if id(step) not in gone]


def _took_in(move: Move, made: Move) -> bool:
    """Let a move do too what the one did that made its base, and say so; not where they fill the same places."""
    parts = [(replace(part, base=move.instruction.out), source) for part, source in made.parts]
    if any(overlap(part, other) for part, _ in parts for other, _ in move.parts):
        return False
    move.base, move.parts = made.base, parts + move.parts
    return True


def _straight(move: Move, to: Ref) -> tuple[Ref, Ref] | None:
    """A move into a part of another array, from where a move before it took the numbers; None where that is no view."""
    if move.base is not None or len(move.parts) != 1 or not move.parts[0][0].is_whole:
        return None
    source = move.parts[0][1]
    part = reshaped(to, source.shape)
    return None if part is None else (part, source)
