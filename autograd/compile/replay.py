"""Replay: a program run with NumPy, instruction by instruction.

One idea: the program becomes the source of a Python function, a line an instruction, which Python compiles: nothing is
looked up or decided while it runs. A variable is forgotten after the line that reads it last. Read `spare.py` next.
"""

from __future__ import annotations

from typing import Any

from ..backend import host
from ..ops.short_rows import REDUCTIONS
from .program import Instruction, Program, Variable, variables_in

__all__ = ["Replay"]


class Replay:
    """A program as a Python function of its arguments; `source` is its text."""

    takes: tuple[int, ...] = ()  # the numbers of results that it would write into arrays given to it

    def __init__(self, program: Program) -> None:
        self.program = program
        self.source, self._constants = _source(program)
        scope: dict[str, Any] = dict(self._constants)
        exec(compile(self.source, "<program>", "exec"), scope)
        self._run = scope["run"]

    def explain(self) -> str:
        """The Python function that runs."""
        return f"numpy: {len(self.program.instructions)} calls\n{self.source}"

    def bind(self, arrays: list[Any]) -> None:
        """Take these arrays for those of the program's places."""
        self._places = arrays

    def let_go(self, variables: list[Variable]) -> None:
        """What the list that was bound holds no longer, nobody does."""

    def __call__(self, arguments: list[Any], spare: dict[int, Any]) -> tuple[list[Any], list[tuple[Any, Any]]]:
        """The results, and what is to be written where."""
        places = self._places
        numbers = [again() for again, _ in self.program.numbers]
        with host.errstate(all="ignore"):
            results, writes = self._run(arguments, places, numbers)
        return results, [(place, array) for (place, _), array in zip(self.program.writes, writes, strict=True)]


def _source(program: Program) -> tuple[str, dict[str, Any]]:
    constants: dict[str, Any] = {}
    last = _last_reads(program)
    constants["constants"] = [array for _, array in program.constants]
    lines = ["def run(arguments, places, numbers):"]
    for name, variables in (
        ("arguments", program.arguments),
        ("places", [variable for _, variable in program.places]),
        ("numbers", [variable for _, variable in program.numbers]),
        ("constants", [variable for variable, _ in program.constants]),
    ):
        if variables:
            lines.append(f"    {', '.join(map(_name, variables))}, = {name}")
    for line, instruction in enumerate(program.instructions):
        function = f"f{len(constants)}"
        constants[function] = _function_of(instruction)
        given = [_text(x, constants) for x in instruction.inputs]
        given += [f"{key}={_text(x, constants)}" for key, x in instruction.options.items()]
        lines.append(f"    {_name(instruction.out)} = {function}({', '.join(given)})  # {instruction.name}")
        gone = [variable for variable in dict.fromkeys(instruction.variables()) if last[variable] == line]
        if gone:
            lines.append(f"    del {', '.join(map(_name, gone))}")
    fresh = {i.out for i in program.instructions if isinstance(i.function, host.ufunc) and i.out.shape}
    results = [f"own({_name(variable)})" for variable in program.results]
    writes = [_name(variable) if variable in fresh else f"own({_name(variable)})" for _, variable in program.writes]
    lines.append(f"    return [{', '.join(results)}], [{', '.join(writes)}]")
    # What is given away belongs to nobody else; a view of a place would change when that place is written to.
    constants["own"] = host.array
    return "\n".join(lines), constants


def _function_of(instruction: Instruction) -> Any:
    """What is called: of reductions the one that eager code calls, so that the bits are the same."""
    plain = len(instruction.inputs) == 1 and instruction.options.keys() <= {"axis", "keepdims"}
    return REDUCTIONS.get(instruction.function, instruction.function) if plain else instruction.function


def _last_reads(program: Program) -> dict[Variable, int]:
    last: dict[Variable, int] = {}
    for line, instruction in enumerate(program.instructions):
        for variable in instruction.variables():
            last[variable] = line
    for variable in program.kept():
        last[variable] = len(program.instructions)
    return last


def _name(variable: Variable) -> str:
    return f"v{variable.index}"


def _text(value: Any, constants: dict[str, Any]) -> str:
    if isinstance(value, Variable):
        return _name(value)
    if type(value) is tuple and any(True for _ in variables_in(value)):
        return f"({', '.join(_text(part, constants) for part in value)},)"
    if type(value) is list and any(True for _ in variables_in(value)):
        return f"[{', '.join(_text(part, constants) for part in value)}]"
    if value is None or type(value) in (bool, int):
        return repr(value)
    name = f"c{len(constants)}"
    constants[name] = value
    return name
