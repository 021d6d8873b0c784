"""Positions: which whole numbers of a program are places in an array for certain, whatever it is called with.

One idea: an argmax lies within its axis, and labels that are checked before anything else are labels. Of others nothing
is known, and who reads at such places has to look. Read `schedule.py` next.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ..program import Program, Variable
from .expressions import called
from .layout import Ref

__all__ = ["Positions"]

_WITHIN = {"argmax", "argmin", "argsort"}  # an axis of what they are given


class Positions:
    """The whole numbers of one program."""

    def __init__(self, program: Program, refs: dict[Variable, Ref]) -> None:
        self._refs = refs
        self._made = {instruction.out: instruction for instruction in program.instructions}
        checks = [instruction.inputs for instruction in program.instructions if instruction.name == "check_labels"]
        self._checked = [(refs[labels].base, classes) for labels, _, classes in checks]

    def are_below(self, x: Any, stop: int) -> bool:
        """Whether all numbers of x are from 0 to stop - 1."""
        if isinstance(x, int):
            return 0 <= x < stop
        if not isinstance(x, Variable) or x not in self._refs:
            return False
        base = self._refs[x].base
        if any(base is labels and classes <= stop for labels, classes in self._checked):
            return True  # but for those to be ignored, for which there is another number
        if base not in self._made:
            return False
        name, inputs, options = called(self._made[base])
        if name in _WITHIN:
            axis = options.get("axis", inputs[1] if len(inputs) > 1 else None)
            shape = inputs[0].shape
            return bool((prod(shape) if axis is None else shape[axis]) <= stop)
        read = {"where": inputs[1:], "positive": inputs}.get(name, ())
        return bool(read) and all(self.are_below(part, stop) for part in read)
