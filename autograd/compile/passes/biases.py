"""Biases: one that is added to a convolution's result, and to nothing else, is added as the result is made.

One idea: a loop over all of the result for one sum each is as long as memory takes to read and write it again. Kernels
that keep sums in registers begin with the bias instead. Read `../native/__init__.py` next, which runs what comes of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from ..program import Instruction, Program, Variable

__all__ = ["with_biases"]

_CHANNELS = {"convolve": -1, "convolve_input": -1, "convolve_planes": -3, "convolve_planes_input": -3}  # their axis
_VIEWS = {"ndarray.reshape", "reshape", "transpose"}  # of a vector, in whose axes of length 1 nothing can move


def with_biases(program: Program, adds_bias: Callable[[Instruction], bool]) -> Program:
    """The program in which what `adds_bias` has the bias as its third input, where it lies outside the program."""
    maker = {instruction.out: instruction for instruction in program.instructions}
    readers = Counter(v for instruction in program.instructions for v in set(instruction.variables()))
    readers.update(program.kept())
    outside = {*program.arguments, *(variable for _, variable in program.places)}

    def is_bias(x: Any, made: Variable, axis: int) -> bool:
        """Whether it has one number for each channel of what was made, whose axis this is, and lies outside."""
        if not isinstance(x, Variable) or x.dtype != made.dtype or len(x.shape) > len(made.shape):
            return False
        shape = (1,) * (len(made.shape) - len(x.shape)) + x.shape
        if not prod(shape) == shape[axis] == made.shape[axis]:
            return False
        while x in maker and maker[x].name in _VIEWS:
            x = maker[x].inputs[0]
        return x in outside

    def with_bias(made: Any, bias: Any, out: Variable) -> Instruction | None:
        """What makes a convolution's result and adds the bias to it, in one; None where they are not these."""
        of = maker.get(made) if isinstance(made, Variable) else None
        if of is None or of.name not in _CHANNELS or "groups" not in of.options or readers[made] > 1:
            return None
        same = (made.shape, made.dtype) == (out.shape, out.dtype)
        if not same or not is_bias(bias, made, _CHANNELS[of.name]) or not adds_bias(of):
            return None
        return replace(of, function=_shifted(of), inputs=(*of.inputs, bias), out=out)

    joined: dict[Variable, Instruction] = {}
    gone: set[Variable] = set()
    for old in program.instructions:
        if old.name == "add" and len(old.inputs) == 2 and not old.options:
            for made, bias in (old.inputs, old.inputs[::-1]):
                found = with_bias(made, bias, old.out)
                if found is not None:
                    joined[old.out] = found
                    gone.add(made)
                    break
    instructions = [joined.get(old.out, old) for old in program.instructions if old.out not in gone]
    return replace(program, instructions=instructions)


def _shifted(instruction: Instruction) -> Callable[..., Any]:
    function = instruction.function

    def shifted(x: Any, w: Any, bias: Any, **options: Any) -> Any:
        return function(x, w, **options) + bias

    return shifted
