"""Copies: where nothing is written in place, a copy is the thing itself.

One idea: the engine copies so that nobody's array is changed behind their back; in a program nobody changes anything.
Read `products.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ..program import Instruction, Program, Variable, replace_variables

__all__ = ["without_copies"]

_COPIES = {"array", "asarray", "ascontiguousarray", "copy", "positive", "ndarray.copy", "ndarray.astype", "astype"}


def without_copies(program: Program) -> Program:
    """The program in which a copy of the same shape and dtype is its original."""
    same: dict[Variable, Variable] = {}

    def now(variable: Variable) -> Variable:
        return same.get(variable, variable)

    instructions = []
    for old in program.instructions:
        inputs, options = replace_variables(old.inputs, now), replace_variables(old.options, now)
        first: Any = inputs[0] if inputs else None
        copied = old.name in _COPIES and isinstance(first, Variable)
        if copied and first.dtype == old.out.dtype and first.shape == old.out.shape:
            same[old.out] = first
            continue
        instructions.append(Instruction(old.name, old.function, inputs, options, old.out))
    return replace(
        program,
        instructions=instructions,
        results=[now(variable) for variable in program.results],
        writes=[(place, now(variable)) for place, variable in program.writes],
    )
