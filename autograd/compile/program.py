"""A program: what one call of a traced function computes, as a straight line of instructions.

One idea: an instruction calls one function of the array module on variables and constants, and gives one new variable;
nothing is ever changed in place, so every pass over a program may move, merge or drop instructions as it likes. What
the step changes (weights, moments, running means) are writes, done at the end. Read `expression.py` next, the questions
that a program asks of Python.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any, Protocol

from .expression import Expression

__all__ = ["CASTS", "Instruction", "Place", "Program", "Variable", "axes_of", "layout_of", "replace_variables"]
__all__ += ["variables_in"]


@dataclass(eq=False, slots=True)
class Variable:
    """One value of a program; `dtype` is None for what is no array (a Python number, the number of a random draw)."""

    index: int
    shape: tuple[int, ...]
    dtype: Any
    layout: tuple[int, ...] = ()  # of its array in the trace, see `layout_of`

    def __repr__(self) -> str:
        return f"%{self.index}"

    @property
    def nbytes(self) -> int:
        """The size of its array in bytes; 0 for what is none."""
        return 0 if self.dtype is None else int(self.dtype.itemsize) * prod(self.shape)

    @property
    def about(self) -> str:
        """Its dtype and shape, as in float32[100, 64]."""
        return "number" if self.dtype is None else f"{self.dtype}[{', '.join(map(str, self.shape))}]"


def layout_of(array: Any) -> tuple[int, ...]:
    """How an array lies in memory: its strides, but for axes along which there is no step."""
    return tuple(stride for count, stride in zip(array.shape, array.strides, strict=True) if count > 1)


@dataclass(eq=False, slots=True)
class Instruction:
    """out = function(*inputs, **options); variables may sit inside tuples and lists of the inputs and options.

    Whatever the order in which an executor runs it, it stays behind the one that gives `after`, which it does not read.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[Any, ...]
    options: dict[str, Any]
    out: Variable
    after: Variable | None = None

    def variables(self) -> Iterator[Variable]:
        """The variables that it reads, one after the other, repeated as they are."""
        yield from variables_in(self.inputs)
        yield from variables_in(self.options)

    def __str__(self) -> str:
        given = [_text(x) for x in self.inputs] + [f"{name}={_text(x)}" for name, x in self.options.items()]
        after = "" if self.after is None else f" after {self.after!r}"
        return f"{self.out!r}: {self.out.about} = {self.name}({', '.join(given)}){after}"


class Place(Protocol):
    """Where an array lives between calls: a Tensor's data, an optimizer's state. Found again at each call."""

    marks: bool  # whether the engine is to be told when it is written to

    def get(self) -> Any:
        """What is there now."""

    def expression(self) -> Expression:
        """The same as a question."""

    def put(self, array: Any) -> None:
        """Leave an array there."""


@dataclass
class Program:
    """Instructions in order, and how they are joined to the world around them."""

    arguments: list[Variable] = field(default_factory=list)  # the arrays among a call's arguments
    places: list[tuple[Place, Variable]] = field(default_factory=list)  # read at the beginning
    numbers: list[tuple[Expression, Variable]] = field(default_factory=list)  # worked out by Python at each call
    constants: list[tuple[Variable, Any]] = field(default_factory=list)  # computed when the program was made
    instructions: list[Instruction] = field(default_factory=list)
    results: list[Variable] = field(default_factory=list)
    writes: list[tuple[Place, Variable]] = field(default_factory=list)  # done at the end
    checks: list[Variable] = field(default_factory=list)  # of instructions that raise an error or do nothing

    def kept(self) -> list[Variable]:
        """What is still wanted when the last instruction is done."""
        return [*self.results, *(variable for _, variable in self.writes)]

    def rewired(self, instructions: list[Instruction], now: Callable[[Variable], Variable]) -> Program:
        """The program with other instructions, in which `now(variable)` stands in the place of each variable."""
        return replace(
            self,
            instructions=instructions,
            results=[now(variable) for variable in self.results],
            writes=[(place, now(variable)) for place, variable in self.writes],
            checks=[now(variable) for variable in self.checks],
        )

    def zeros(self) -> set[Variable]:
        """The constants that are zero everywhere."""
        return {variable for variable, array in self.constants if not _seen_once(array).any()}

    def __str__(self) -> str:
        lines = [f"{variable!r}: {variable.about} = argument" for variable in self.arguments]
        lines += [f"{variable!r}: {variable.about} = {place}" for place, variable in self.places]
        lines += [f"{variable!r}: {variable.about} = from Python" for _, variable in self.numbers]
        lines += [f"{variable!r}: {variable.about} = constant" for variable, _ in self.constants]
        lines += map(str, self.instructions)
        lines += [f"{place} <- {variable!r}" for place, variable in self.writes]
        lines.append(f"give {', '.join(map(repr, self.results)) or 'nothing'}")
        return "\n".join(lines)


def axes_of(instruction: Instruction, ndim: int) -> set[int]:
    """The axes that a reduction of an array of so many axes goes over; a single number has none, whatever is said."""
    axis: Any = instruction.options.get("axis")
    if axis is None or not ndim:
        return set(range(ndim))
    return {a % ndim for a in ((axis,) if isinstance(axis, int) else axis)}


CASTS = {"astype", "ndarray.astype"}  # names of instructions that give their input in another dtype


def _seen_once(array: Any) -> Any:
    """An array without the repetitions that it was broadcast to."""
    return array[tuple(slice(None) if step else slice(1) for step in array.strides)]


def variables_in(value: Any) -> Iterator[Variable]:
    """The variables in an input: one, or those in tuples, lists, dictionaries and slices."""
    if isinstance(value, Variable):
        yield value
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from variables_in(part)
    elif isinstance(value, dict):
        for part in value.values():
            yield from variables_in(part)


def replace_variables(value: Any, new: Callable[[Variable], Any]) -> Any:
    """The same input with `new(variable)` in the place of each variable."""
    if isinstance(value, Variable):
        return new(value)
    if isinstance(value, (tuple, list)):
        return type(value)([replace_variables(part, new) for part in value])
    if isinstance(value, dict):
        return {name: replace_variables(part, new) for name, part in value.items()}
    return value


def _text(value: Any) -> str:
    if isinstance(value, slice):
        return ":".join(
            "" if n is None else str(n) for n in (value.start, value.stop, value.step)[: 2 + bool(value.step)]
        )
    if isinstance(value, tuple):
        return f"({', '.join(map(_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, list):
        return f"[{', '.join(map(_text, value))}]"
    return "..." if value is Ellipsis else repr(value)
