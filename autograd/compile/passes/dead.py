"""Dead code: instructions whose result nobody reads are left out.

One idea: from the end backwards, what is needed is known before what gives it is met, so one walk finds all that is
needed. Read `copies.py` next.
"""

from __future__ import annotations

from dataclasses import replace

from ..program import Program

__all__ = ["without_dead"]


def without_dead(program: Program) -> Program:
    """The program without what does not lead to a result or a write."""
    needed = {*program.kept(), *program.checks}
    instructions = []
    for instruction in reversed(program.instructions):
        if instruction.out in needed:
            instructions.append(instruction)
            needed.update(instruction.variables())
    return replace(
        program,
        instructions=instructions[::-1],
        constants=[(variable, array) for variable, array in program.constants if variable in needed],
        places=[(place, variable) for place, variable in program.places if variable in needed],
    )
