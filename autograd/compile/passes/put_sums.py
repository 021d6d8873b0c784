"""Put sums: where one number was put into each row of zeros, the sums of the rows are these numbers.

One idea: such rows are the gradient of what was picked, one of each row, as the logarithms at labels are, and the
gradient of a log-softmax adds them up. Read `powers.py` next.
"""

from __future__ import annotations

from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable, axes_of, replace_variables
from .rewriting import Rewriting

__all__ = ["with_put_sums"]

_SUMS = {"sum", "add.reduce", "ndarray.sum"}
_KNOWN = {"axis", "keepdims"}  # options of a sum of everything


def with_put_sums(program: Program) -> Program:
    """The program with the numbers in the place of such sums, whose axis is kept."""
    new = Rewriting(program)
    constants, zeros = dict(program.constants), program.zeros()
    for instruction in program.instructions:
        plain = instruction.name in _SUMS and instruction.options.keys() <= _KNOWN
        put = new.maker.get(instruction.inputs[0]) if plain else None
        if put is not None and put.name == "set_at" and put.inputs[0] in zeros:
            number, out = put.inputs[2], instruction.out
            alike = isinstance(number, Variable) and (number.shape, number.dtype) == (out.shape, out.dtype)
            if alike and _is_one_in_each(put, axes_of(instruction, len(put.out.shape)), constants):
                new.same[out] = number
                continue
        inputs, options = replace_variables((instruction.inputs, instruction.options), new.now)
        new.add(
            Instruction(instruction.name, instruction.function, inputs, options, instruction.out, instruction.after)
        )
    return program.rewired(new.instructions, new.now)


def _is_one_in_each(put: Instruction, axes: set[int], constants: dict[Variable, Any]) -> bool:
    """Whether an index names one place along an axis for each place along the others."""
    shape, index = put.out.shape, put.inputs[1]
    if len(axes) != 1 or not isinstance(index, tuple) or len(index) != len(shape):
        return False
    (axis,) = axes
    for i, part in enumerate(index):
        if not isinstance(part, Variable) or len(part.shape) != len(shape):
            return False
        counted = tuple(n if i == j else 1 for j, n in enumerate(shape))
        if i != axis and not (
            part in constants and host.array_equal(constants[part], host.arange(shape[i]).reshape(counted))
        ):
            return False
    return all(n == 1 if i == axis else n in (1, shape[i]) for i, n in enumerate(index[axis].shape))
