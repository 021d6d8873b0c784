"""Row sums: einsum('ij,ij->i', a, b), the product of each row of a with that of b, as a product and a sum.

One idea: einsum is quickest where NumPy does it alone, as in a max-norm; in C a product and a sum along the row are
part of the loop that makes the row. They round otherwise.
Read `put_sums.py` next.
"""

from __future__ import annotations

from dataclasses import replace

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["with_row_sums"]


def with_row_sums(program: Program) -> Program:
    """The program with a multiply and a sum in the place of each einsum('ij,ij->i', a, b)."""
    count = max((instruction.out.index for instruction in program.instructions), default=0)
    instructions = []
    for instruction in program.instructions:
        known = instruction.name == "einsum" and not instruction.options and instruction.inputs[0] == "ij,ij->i"
        if not known or instruction.out.dtype.kind != "f":
            instructions.append(instruction)
            continue
        _, a, b = instruction.inputs
        count += 1
        products = Variable(count, host.broadcast_shapes(a.shape, b.shape), instruction.out.dtype)
        instructions.append(Instruction("multiply", host.multiply, (a, b), {}, products))
        instructions.append(Instruction("sum", host.sum, (products,), {"axis": 1}, instruction.out))
    return replace(program, instructions=instructions)
