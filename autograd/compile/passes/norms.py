"""Norms: vdot(a, b), and the sum or the largest of a stack of numbers, as what loops can do.

One idea: the norm of all gradients is made of one number for each. NumPy is quickest when vdot gives the numbers and a
stack joins them; in C a product and a sum are part of the loop that makes the gradient, and to join the numbers is a
line of arithmetic. They round otherwise.
Read `permutations.py` next.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable

__all__ = ["with_plain_norms"]

_PAIRWISE = {
    "sum": host.add,
    "add.reduce": host.add,
    "ndarray.sum": host.add,
    "max": host.maximum,
    "maximum.reduce": host.maximum,
    "ndarray.max": host.maximum,
}


def with_plain_norms(program: Program) -> Program:
    """The program without vdot of floats, and without reductions of what is a stack of single numbers."""
    count = max((instruction.out.index for instruction in program.instructions), default=0)
    instructions: list[Instruction] = []
    stacks: dict[Variable, list[Variable]] = {}

    def made(function: Any, inputs: tuple[Any, ...], options: dict[str, Any], out: Variable) -> Variable:
        instructions.append(Instruction(function.__name__, function, inputs, options, out))
        return out

    def new(shape: tuple[int, ...], dtype: Any) -> Variable:
        nonlocal count
        count += 1
        return Variable(count, shape, dtype)

    for instruction in program.instructions:
        name, inputs, options, out = instruction.name, instruction.inputs, instruction.options, instruction.out
        first: Any = inputs[0] if inputs else None
        if name == "stack" and not options and len(inputs) == 1 and _are_numbers(first):
            stacks[out] = list(first)
        if name == "vdot" and _are_alike(inputs, out):
            products = made(host.multiply, inputs, {}, new(first.shape, out.dtype))
            made(host.sum, (products,), {}, out)
        elif name in _PAIRWISE and first in stacks and options.get("axis") is None and options.keys() <= {"axis"}:
            total, *others = stacks[first]
            for other in others[:-1]:
                total = made(_PAIRWISE[name], (total, other), {}, new((), out.dtype))
            if others:
                made(_PAIRWISE[name], (total, others[-1]), {}, out)
            else:
                instructions.append(instruction)
        else:
            instructions.append(instruction)
    return replace(program, instructions=instructions)


def _are_numbers(parts: Any) -> bool:
    """Whether these are arrays without axes, all of one floating dtype."""
    known = isinstance(parts, (list, tuple)) and parts and all(isinstance(part, Variable) for part in parts)
    if not known or any(part.dtype is None or part.shape != () for part in parts):
        return False
    return len({part.dtype for part in parts}) == 1 and parts[0].dtype.kind == "f"


def _are_alike(inputs: tuple[Any, ...], out: Variable) -> bool:
    """Whether two arrays have the same shape, and the floating dtype of the result."""
    if out.dtype is None or out.dtype.kind != "f" or len(inputs) != 2:
        return False
    return all(isinstance(x, Variable) and x.dtype == out.dtype and x.shape == inputs[0].shape for x in inputs)
