"""Numbers: what Python works out at each call of a program, and where it lays it.

One idea: learning rates, and which draw of random numbers comes next, are asked for in one function that is compiled
once, and lie in two arrays that C reads, or a GPU is sent. Read `executor.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..expression import function_of, named
from ..program import Program
from .memory import Plan

__all__ = ["questions"]


def questions(program: Program, plan: Plan) -> Callable[[Any, Any, dict[Any, Any]], None]:
    """A function of `numbers` (float64), `words` (uint64, three for each draw) and `others`, which it fills in.

    `others` holds, by variable, what is no array and goes to a function of Python's.
    """
    order = {variable: i for i, variable in enumerate(plan.numbers)}
    lines, scopes = ["pass"], []
    for again, variable in program.numbers:
        scopes.append(again.scope)
        if variable in order:
            lines.append(f"numbers[{order[variable]}] = {again.text}")
            continue
        name, scope = named(variable)
        scopes.append(scope)
        lines.append(f"others[{name}] = x = {again.text}")
        if variable in plan.draws:
            i = 3 * plan.draws.index(variable)
            lines.append(f"words[{i}], words[{i + 1}], words[{i + 2}] = x.seed, x.stream, x.draw")
    return function_of(lines, scopes, "numbers, words, others")
