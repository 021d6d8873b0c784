"""Constants: what depends on nothing is computed once, when the program is made.

One idea: zeros, ones and counts are functions of Python's numbers alone, so their arrays can be kept. Nothing writes
in place, so all calls may share them. Read `renumber.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Program, Variable, replace_variables

__all__ = ["with_constants"]

_LARGE = 1 << 24  # bytes; larger ones are made when they are wanted


def with_constants(program: Program) -> Program:
    """The program with `constants` in the place of instructions that read no other variables."""
    known: dict[Variable, Any] = dict(program.constants)
    instructions = []
    for instruction in program.instructions:
        inputs = list(instruction.variables())
        if all(variable in known for variable in inputs) and instruction.out.dtype is not None:
            out = instruction.out
            if instruction.name in ("zeros", "zeros_like"):  # of any size, since it is a single number in memory
                known[out] = host.broadcast_to(host.zeros((), out.dtype), out.shape)
                continue
            if out.nbytes <= _LARGE:
                given = replace_variables((instruction.inputs, instruction.options), known.__getitem__)
                with host.errstate(all="ignore"):
                    known[out] = host.asarray(instruction.function(*given[0], **given[1]))
                continue
        instructions.append(instruction)
    return replace(program, instructions=instructions, constants=list(known.items()))
