"""Products: the transpose of a product is the product of the transposes, in the other order.

One idea: BLAS reads a matrix along either axis as fast, but writes its result along one; so a transpose is moved from
the result, where it costs a copy, to the factors, where it is free.
Read `early.py` next.
"""

from __future__ import annotations

from dataclasses import replace

from ..program import Instruction, Program, Variable

__all__ = ["with_turned_products"]


def with_turned_products(program: Program) -> Program:
    """The program with (a b)^T written as b^T a^T, where a and b are matrices and nobody else reads a b."""
    made = {instruction.out: instruction for instruction in program.instructions}
    readers: dict[Variable, int] = {}
    for instruction in program.instructions:
        for variable in instruction.variables():
            readers[variable] = readers.get(variable, 0) + 1
    for variable in program.kept():
        readers[variable] = readers.get(variable, 0) + 1

    count = max((variable.index for variable in made), default=0)
    instructions = []
    for instruction in program.instructions:
        product = made.get(instruction.inputs[0]) if _is_transpose(instruction) else None
        if product is None or readers[product.out] > 1 or not _is_of_matrices(product):
            instructions.append(instruction)
            continue
        a, b = product.inputs
        turned = []
        for factor in (b, a):
            of = made.get(factor)
            if of is not None and _is_transpose(of):
                turned.append(of.inputs[0])  # turned twice
                continue
            count += 1
            out = Variable(count, factor.shape[::-1], factor.dtype)
            instructions.append(Instruction("transpose", instruction.function, (factor, (1, 0)), {}, out))
            turned.append(out)
        instructions.append(Instruction("matmul", product.function, tuple(turned), {}, instruction.out))
    return replace(program, instructions=instructions)


def _is_of_matrices(instruction: Instruction) -> bool:
    # A vector times a stack of matrices has two axes too.
    return instruction.name == "matmul" and all(len(factor.shape) == 2 for factor in instruction.inputs)


def _is_transpose(instruction: Instruction) -> bool:
    return instruction.name == "transpose" and instruction.inputs[1:] == ((1, 0),)
