"""Renumber: variables counted anew, in the order in which a program names them.

One idea: the same program gets the same names, so its source in C is the same and is found in the cache.
Read `parts.py` next.
"""

from __future__ import annotations

from ..program import Instruction, Program, Variable, replace_variables

__all__ = ["renumbered"]


def renumbered(program: Program) -> Program:
    """The same program with variables %1, %2, ... in order."""
    new: dict[Variable, Variable] = {}

    def now(variable: Variable) -> Variable:
        if variable not in new:
            new[variable] = Variable(len(new) + 1, variable.shape, variable.dtype, variable.layout)
        return new[variable]

    return Program(
        arguments=[now(variable) for variable in program.arguments],
        places=[(place, now(variable)) for place, variable in program.places],
        numbers=[(again, now(variable)) for again, variable in program.numbers],
        constants=[(now(variable), array) for variable, array in program.constants],
        instructions=[
            Instruction(
                old.name,
                old.function,
                replace_variables(old.inputs, now),
                replace_variables(old.options, now),
                now(old.out),
            )
            for old in program.instructions
        ],
        results=[now(variable) for variable in program.results],
        writes=[(place, now(variable)) for place, variable in program.writes],
        checks=[now(variable) for variable in program.checks],
    )
