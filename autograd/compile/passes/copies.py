"""Copies: where nothing is written in place, a copy is the thing itself.

One idea: the engine copies so that nobody's array is changed behind their back; in a program nobody changes anything.
A copy that lies otherwise in memory is another thing for NumPy, whose sums and products then round in another order; C
lays out arrays as it likes. Read `common.py` next.
"""

from __future__ import annotations

from typing import Any

from ..program import Instruction, Program, Variable, replace_variables

__all__ = ["without_copies"]

_COPIES = {"array", "asarray", "ascontiguousarray", "copy", "positive", "ndarray.copy", "ndarray.astype", "astype"}
_COPIES |= {"laid_as"}


def without_copies(program: Program, laid_alike: bool = True) -> Program:
    """The program in which a copy of the same shape and dtype, and `laid_alike` if that matters, is its original."""
    same: dict[Variable, Variable] = {}

    def now(variable: Variable) -> Variable:
        return same.get(variable, variable)

    instructions = []
    for old in program.instructions:
        inputs, options = replace_variables(old.inputs, now), replace_variables(old.options, now)
        first: Any = inputs[0] if inputs else None
        if old.name in _COPIES and isinstance(first, Variable) and _is(first, old.out, laid_alike):
            same[old.out] = first
            continue
        instructions.append(Instruction(old.name, old.function, inputs, options, old.out))
    return program.rewired(instructions, now)


def _is(x: Variable, copy: Variable, laid_alike: bool) -> bool:
    if x.dtype != copy.dtype or x.shape != copy.shape:
        return False
    return not laid_alike or x.layout == copy.layout
