"""Rewriting: a program written anew, one instruction behind the other.

One idea: what a walk over a program needs, however it changes the instructions: variables with numbers of their own,
what makes each, and which stands in the place of which. Read `casts.py` next, the first of two such walks.
"""

from __future__ import annotations

from typing import Any

from ..program import Instruction, Program, Variable

__all__ = ["Rewriting"]


class Rewriting:
    """One walk over a program `before`: `maker[v]` is the new instruction that makes v, `same[v]` is in v's place."""

    def __init__(self, program: Program) -> None:
        self.before = program
        self.instructions: list[Instruction] = []
        self.maker: dict[Variable, Instruction] = {}
        self.same: dict[Variable, Variable] = {}
        self._count = max((v.index for i in program.instructions for v in (i.out, *i.variables())), default=0)

    def now(self, variable: Variable) -> Variable:
        """The variable, or what stands in its place."""
        return self.same.get(variable, variable)

    def variable(self, shape: tuple[int, ...], dtype: Any) -> Variable:
        """A new one."""
        self._count += 1
        return Variable(self._count, shape, dtype)

    def add(self, instruction: Instruction) -> None:
        """Put one behind the others."""
        self.instructions.append(instruction)
        self.maker[instruction.out] = instruction
