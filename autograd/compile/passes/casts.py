"""Casts: what is only moved is moved in bfloat16, and a cast that undoes another is left out.

One idea: float32 holds every number of bfloat16, so to move numbers and to cast them is the same in either order. Casts
to float32 come as late as they can, where a loop takes them in, casts to bfloat16 as early as they can, where a loop
writes what it computed; where one meets the other both are gone. Read `row_sums.py` next.
"""

# Note [How early]
# A cast to bfloat16 goes before views and copies of as many numbers, so a weight is cast as it lies, once for all that
# read it. It goes before the reading of a part only where all else that is read of the array is cast as well: else
# numbers would be cast that nobody wants so.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod
from typing import Any

from ...backend import float32, host, is_floating
from ..program import CASTS, Instruction, Program, Variable, replace_variables
from .rewriting import Rewriting

__all__ = ["with_moved_casts"]

_MOVES = {"ascontiguousarray", "expand_dims", "getitem", "matrix_transpose", "moveaxis", "ndarray.copy"}
_MOVES |= {"ndarray.ravel", "ndarray.reshape", "ndarray.squeeze", "ndarray.transpose", "ravel", "reshape", "squeeze"}
_MOVES |= {"swapaxes", "transpose"}


def with_moved_casts(program: Program) -> Program:
    """The program whose casts between float32 and bfloat16 stand where they cost least."""
    if not any(_is_bfloat16(instruction.out) for instruction in program.instructions):
        return program
    return _Moving(program).program()


def _is_bfloat16(variable: Variable) -> bool:
    return variable.dtype is not None and variable.dtype.kind == "V" and is_floating(variable.dtype)


class _Moving(Rewriting):
    """One walk over a program. `exact[v]` is the bfloat16 that v is a cast of, `rounded[v]` that to which v is cast."""

    def __init__(self, program: Program) -> None:
        super().__init__(program)
        self.constants = list(program.constants)
        self.zeros = program.zeros()
        self.exact: dict[Variable, Variable] = {}
        self.rounded: dict[Variable, Variable] = {}
        self.caster: Callable[[Variable, Variable], Instruction]  # that of the last cast to float32
        self.kept = set(program.kept())
        self.readers: dict[Variable, list[Instruction]] = {}
        for instruction in program.instructions:
            for variable in instruction.variables():
                self.readers.setdefault(variable, []).append(instruction)

    def program(self) -> Program:
        """What comes of it."""
        for old in self.before.instructions:
            inputs, options = replace_variables((old.inputs, old.options), self.now)
            self.step(Instruction(old.name, old.function, inputs, options, old.out, old.after))
        return replace(self.before.rewired(self.instructions, self.now), constants=self.constants)

    def step(self, instruction: Instruction) -> None:
        """Put one instruction behind the others, in its best form."""
        out = instruction.out
        first: Any = instruction.inputs[0] if instruction.inputs else None
        if _is_cast(instruction) and _is_bfloat16(out) and first.dtype == float32:
            self.same[out] = self.narrow(first, instruction)
            return
        twin = self.moved(instruction)
        if twin is not None:
            self.exact[out] = self.rounded[out] = twin
            instruction = self.caster(twin, out)
        elif _is_cast(instruction) and out.dtype == float32 and _is_bfloat16(first):
            self.exact[out] = self.rounded[out] = first
            self.caster = _caster(instruction)
        self.add(instruction)

    def moved(self, instruction: Instruction) -> Variable | None:
        """The bfloat16 of numbers that are only moved, moved likewise; None where they are no such."""
        first: Any = instruction.inputs[0] if instruction.inputs else None
        if instruction.name in _MOVES and first in self.exact:
            return self.again(instruction, self.exact[first])
        if instruction.name != "set_at":
            return None
        base, index, value = instruction.inputs
        if value not in self.exact or not (base in self.exact or base in self.zeros):
            return None
        if base not in self.exact:
            dtype = self.exact[value].dtype
            self.exact[base] = self.variable(base.shape, dtype)
            self.constants.append((self.exact[base], host.broadcast_to(host.zeros((), dtype), base.shape)))
        return self.again(instruction, self.exact[base], index, self.exact[value])

    def narrow(self, x: Variable, cast: Instruction) -> Variable:
        """x in bfloat16, cast as early as it can be; see Note [How early]."""
        if x in self.rounded:
            return self.rounded[x]
        maker = self.maker.get(x)
        source = maker.inputs[0] if maker is not None and maker.name in _MOVES else None
        if isinstance(source, Variable) and (prod(source.shape) == prod(x.shape) or self.is_only_cast(source)):
            assert maker is not None
            found = self.again(maker, self.narrow(source, cast))
        else:
            found = self.variable(x.shape, cast.out.dtype)
            self.add(_caster(cast)(x, found))
        self.rounded[x] = found
        return found

    def is_only_cast(self, x: Variable) -> bool:
        """Whether all that is read of it is cast to bfloat16."""
        readers = self.readers.get(x, [])
        return x not in self.kept and all(
            (_is_cast(reader) and _is_bfloat16(reader.out)) or (reader.name in _MOVES and self.is_only_cast(reader.out))
            for reader in readers
        )

    def again(self, instruction: Instruction, first: Variable, *more: Any) -> Variable:
        """The variable of the same instruction on bfloat16."""
        out = self.variable(instruction.out.shape, first.dtype)
        given = (first, *(more or instruction.inputs[1:]))
        self.add(replace(instruction, inputs=given, out=out))
        return out


def _is_cast(instruction: Instruction) -> bool:
    return instruction.name in CASTS and isinstance(instruction.inputs[0], Variable)


def _caster(cast: Instruction) -> Callable[[Variable, Variable], Instruction]:
    """What casts one variable to another, as this instruction does."""
    return lambda x, out: Instruction(cast.name, cast.function, (x, out.dtype), {}, out)
