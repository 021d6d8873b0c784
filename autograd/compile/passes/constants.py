"""Constants: what depends on nothing is computed once, when the program is made.

One idea: zeros, ones and counts are functions of Python's numbers alone, or of a shape, so their arrays can be kept.
Nothing writes in place, so all calls may share them. Read `numbers.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Program, Variable, replace_variables

__all__ = ["with_constants"]

_LARGE = 1 << 24  # bytes; larger ones are made when they are wanted
_LIKE = {"full_like", "ones_like", "zeros_like"}  # of what they are given they take the shape and the dtype alone


def with_constants(program: Program) -> Program:
    """The program with `constants` in the place of instructions that read no other variables."""
    known: dict[Variable, Any] = dict(program.constants)
    instructions = []
    for instruction in program.instructions:
        out, read = instruction.out, known
        if instruction.name in _LIKE and isinstance(like := instruction.inputs[0], Variable) and like.dtype is not None:
            read = {like: _zeros(like), **known}
        if out.dtype is not None and all(variable in read for variable in instruction.variables()):
            if instruction.name in ("zeros", "zeros_like"):  # of any size, since it is a single number in memory
                known[out] = _zeros(out)
                continue
            if out.nbytes <= _LARGE:
                given = replace_variables((instruction.inputs, instruction.options), read.__getitem__)
                with host.errstate(all="ignore"):
                    known[out] = host.asarray(instruction.function(*given[0], **given[1]))
                continue
        instructions.append(instruction)
    return replace(program, instructions=instructions, constants=list(known.items()))


def _zeros(variable: Variable) -> Any:
    """Zeros of its shape and dtype."""
    return host.broadcast_to(host.zeros((), variable.dtype), variable.shape)
