"""Powers: exp(a - log(t)), as the softmax in the gradient of a log-softmax is, without a second exponential.

One idea: it is exp(a) / t, and where t is a sum of exp(a), that is there already. It rounds otherwise. So that nothing
is too large, a must be an array less its largest elements, as every softmax makes it. Read `norms.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["with_shared_powers"]

_LARGEST = {"max", "maximum.reduce", "ndarray.max"}


def with_shared_powers(program: Program) -> Program:
    """The program with exp(a) times 1 / t in the place of exp(a - log(t)), where exp(a) was there before."""
    count = max((instruction.out.index for instruction in program.instructions), default=0)
    instructions: list[Instruction] = []
    maker: dict[Any, Instruction] = {}
    powers: dict[Variable, Variable] = {}  # a -> exp(a)
    shares: dict[Variable, Variable] = {}  # t -> 1 / t
    for instruction in program.instructions:
        if instruction.name == "exp" and _is_plain(instruction):
            a: Any = instruction.inputs[0]
            found = _less_a_logarithm(a, maker)
            if found is not None and found[0] in powers:
                a, total = found
                if total not in shares:
                    count += 1
                    shares[total] = Variable(count, total.shape, total.dtype)
                    instructions.append(Instruction("divide", host.divide, (1, total), {}, shares[total]))
                given = powers[a], shares[total]
                instruction = replace(instruction, name="multiply", function=host.multiply, inputs=given)
            else:
                powers.setdefault(a, instruction.out)
        instructions.append(instruction)
        maker[instruction.out] = instruction
    return replace(program, instructions=instructions)


def _less_a_logarithm(x: Any, maker: dict[Any, Instruction]) -> tuple[Variable, Variable] | None:
    """The a and t of an x that is a - log(t), where a is an array less its largest elements."""
    difference = maker.get(x)
    if difference is None or difference.name != "subtract" or not _is_plain(difference):
        return None
    a, taken = difference.inputs
    logarithm, shifted = maker.get(taken), maker.get(a)
    if logarithm is None or logarithm.name != "log" or not _is_plain(logarithm) or a.shape != x.shape:
        return None
    if shifted is None or shifted.name != "subtract" or not _is_plain(shifted):
        return None
    array, off = shifted.inputs
    return (a, logarithm.inputs[0]) if _is_largest(off, array, maker) else None


def _is_largest(off: Any, array: Any, maker: dict[Any, Instruction]) -> bool:
    """Whether `off` has the largest elements of an array, or 0 where they are infinite."""
    made = maker.get(off)
    if made is not None and made.name == "where":
        asked = maker.get(made.inputs[0])
        off = made.inputs[1]
        if asked is None or asked.name != "isfinite" or asked.inputs[0] is not off:
            return False
        made = maker.get(off)
    return made is not None and made.name in _LARGEST and made.inputs[0] is array


def _is_plain(instruction: Instruction) -> bool:
    """Whether it is a function of arrays of one floating dtype alone."""
    out = instruction.out
    alike = all(isinstance(x, Variable) and x.dtype == out.dtype for x in instruction.inputs)
    return alike and not instruction.options and out.dtype is not None and out.dtype.kind == "f"
