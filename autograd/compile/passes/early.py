"""Early: the sum of what is there before the first product, such as how many labels count, and what follows from it.

One idea: a loop over rows cannot divide by a sum over all of them that is made in its own midst. Where that sum waits
for nothing that is computed, it comes first, and the loop stays one: that of a mean over labels that may be ignored,
with its gradient. Read `again.py` next.
"""

from __future__ import annotations

from dataclasses import replace

from ...backend import host
from ..program import CASTS, Instruction, Program, Variable

__all__ = ["with_early_sums"]

_SUMS = {"add.reduce", "mean", "ndarray.mean", "ndarray.sum", "sum"}
_VIEWS = {"broadcast_to", "expand_dims", "ndarray.reshape", "reshape"}


def with_early_sums(program: Program) -> Program:
    """The program whose sums over all of an array stand first where they are elementwise of what it is given."""
    computed = {instruction.out for instruction in program.instructions}
    early: dict[Variable, Instruction] = {}
    wanted: dict[Variable, None] = {}  # the sums, what they are made of, and what follows from them
    for instruction in program.instructions:
        reads = [variable for variable in instruction.variables() if variable in computed]
        if instruction.after is not None or any(variable not in early for variable in reads):
            continue
        is_sum = instruction.name in _SUMS and instruction.out.shape == ()
        if is_sum or instruction.name in _VIEWS or _is_elementwise(instruction):
            early[instruction.out] = instruction
            if is_sum or any(variable in wanted for variable in reads):
                _want(instruction.out, early, wanted)
    first = [instruction for instruction in program.instructions if instruction.out in wanted]
    rest = [instruction for instruction in program.instructions if instruction.out not in wanted]
    return replace(program, instructions=first + rest)


def _is_elementwise(instruction: Instruction) -> bool:
    function = instruction.function
    alone = isinstance(function, host.ufunc) and function.signature is None
    return alone or instruction.name in CASTS or instruction.name == "where"


def _want(variable: Variable, early: dict[Variable, Instruction], wanted: dict[Variable, None]) -> None:
    waiting = [variable]  # no recursion: a chain may be longer than Python's stack is deep
    while waiting:
        variable = waiting.pop()
        if variable in early and variable not in wanted:
            wanted[variable] = None
            waiting += early[variable].variables()
