"""Common subexpressions: what was computed already is not computed again.

One idea: two instructions are the same when they call the same function on the same variables and constants; since
nothing changes in place, the first result serves for both. Read `constants.py` next.
"""

from __future__ import annotations

from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable, replace_variables

__all__ = ["without_repetition"]


def without_repetition(program: Program) -> Program:
    """The program in which no instruction repeats an earlier one."""
    first: dict[Any, Variable] = {}
    same: dict[Variable, Variable] = {}

    def now(variable: Variable) -> Variable:
        return same.get(variable, variable)

    instructions = []
    for old in program.instructions:
        inputs, options = replace_variables(old.inputs, now), replace_variables(old.options, now)
        key = _key((old.name, old.function, inputs, options))
        if key is not None and key in first:
            same[old.out] = first[key]
            continue
        if key is not None:
            first[key] = old.out
        instructions.append(Instruction(old.name, old.function, inputs, options, old.out))
    return program.rewired(instructions, now)


def _key(value: Any) -> Any:
    """Something equal for equal inputs; None where that cannot be told."""
    if isinstance(value, Variable):  # most of them are
        return value
    if isinstance(value, (tuple, list)):
        parts = tuple(map(_key, value))
        return None if any(part is None for part in parts) else (type(value), parts)
    if isinstance(value, dict):
        return _key(tuple(value.items()))
    if isinstance(value, slice):
        return (slice, value.start, value.stop, value.step)
    if isinstance(value, host.generic):
        return (type(value), value.tobytes())  # 0.0 and -0.0 are equal, and not the same
    if isinstance(value, (float, complex)):
        return (type(value), repr(value))  # so too here
    if value is None or value is Ellipsis:
        return ("the", str(value))
    try:
        hash(value)
    except TypeError:
        return None
    return (type(value), value)
