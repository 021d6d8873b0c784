"""Numbers: a constant that is one number everywhere is written as that number.

One idea: the gradient of a mean begins with an array that holds 1/n throughout, and to read it would take as long as
to read the data. A Python number beside an array of its dtype gives the same bits. Read `renumber.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["with_plain_numbers"]

_EXACT = {"add", "divide", "maximum", "minimum", "multiply", "subtract"}  # rounded alike for numbers and arrays
_DTYPES = {host.dtype("float32"), host.dtype("float64")}


def with_plain_numbers(program: Program) -> Program:
    """The program with Python's numbers in the place of constants that hold one number, other than 0, everywhere.

    Of zeros it is known that they are; see `Program.zeros`.
    """
    numbers = {variable: number for variable, array in program.constants if (number := _number_of(array))}

    def rewritten(instruction: Instruction) -> Instruction:
        if instruction.name not in _EXACT or instruction.options or numbers.keys().isdisjoint(instruction.variables()):
            return instruction
        inputs = instruction.inputs
        for i, x in enumerate(inputs):
            if isinstance(x, Variable) and x in numbers and _is_like(inputs[1 - i], instruction.out):
                inputs = (*inputs[:i], numbers[x], *inputs[i + 1 :])
        return replace(instruction, inputs=inputs)

    return replace(program, instructions=[rewritten(instruction) for instruction in program.instructions])


def _number_of(array: Any) -> float | None:
    """The number that an array holds everywhere, if it has several elements and they are one number."""
    if array.dtype not in _DTYPES or array.size < 2:
        return None
    first = array[(0,) * array.ndim]
    return float(first) if (array == first).all() else None


def _is_like(x: Any, out: Variable) -> bool:
    """Whether it is an array that gives the result its shape, its dtype and its layout, whatever stands beside it."""
    return isinstance(x, Variable) and (x.shape, x.dtype, x.layout) == (out.shape, out.dtype, out.layout)
