"""Listing: a program in C, as a list of its steps: for each a function, and the places of what it works on.

One idea: most steps do what others do, elsewhere, so there are few functions. And a compiler takes a list as it stands,
where in a thousand calls, one behind the other, it would look for what each two of them have to do with each other.
Read `library.py` next.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from .groups import Group
from .kernels import Check, Listed, Memory, Statements
from .loops import group_source
from .moves import Move
from .products import Product
from .schedule import Call, Step
from .source import HEADER, SETUP, check_source, kernel_source, move_source, product_source

__all__ = ["listing"]

# Does some of the steps. Gives the number of one, counted from 1, that Python shall do and raise an error; else 0.
_LIST = """\
static const long places[] = {
%s
};
static const struct { int (*step)(char **, const double *, const long *); long at; } steps[] = {
%s
};
static int run_steps(int first, int stop, char **p, const double *n) {
  for (int i = first; i < stop; i++)
    if (steps[i].step(p, n, places + steps[i].at)) return i + 1;
  return 0;
}"""


def listing(steps: Sequence[Step], memory: Memory) -> tuple[str, list[Any]]:
    """The source, and what is to be called in order: names of C functions, and instructions for NumPy."""
    called: dict[str, None] = {}  # definitions that several steps call
    names: dict[str, str] = {}  # what a step does -> its name
    lines: list[str] = []
    places: list[int] = []
    rows: list[str] = []
    for step in steps:
        if isinstance(step, Call):
            lines.append("  {0, 0},")
            continue
        kind, functions, text, at = _function(step, memory)
        called |= dict.fromkeys(functions)
        name = names.setdefault(text, f"{kind}{len(names)}")
        lines.append(f"  {{{name}, {len(places)}}},")
        rows.append(f"  {', '.join(map(str, at))},")
        places += at
    made = [text.replace("@", name) for text, name in names.items()]
    parts: list[Any] = []
    if made:
        made.append(_LIST % ("\n".join(rows), "\n".join(lines)))
    for is_call, numbers in groupby(range(len(steps)), key=lambda i: isinstance(steps[i], Call)):
        some = [*numbers]
        if is_call:
            parts += [steps[i] for i in some]
            continue
        parts.append(f"part{len(parts)}")
        run = f"run_steps({some[0]}, {some[-1] + 1}, p, n)"
        made.append(f"int {parts[-1]}(char **p, const double *n) {{ return {run}; }}")
    return "\n".join([HEADER, SETUP, *called, *made, ""]), parts


def _function(step: Step, memory: Memory) -> tuple[str, list[str], str, list[int]]:
    """What kind of step it is, the definitions that it calls, its text with @ for its name, and its places."""
    listed = Listed(memory)
    if isinstance(step, Group):
        text, places = group_source(step, memory)
        return "loop", [], text, places
    if isinstance(step, Product):
        return "product", [], product_source(step, listed), listed.places
    if isinstance(step, Move):
        functions, text = move_source(step, listed)
        return "move", functions, text, listed.places
    if isinstance(step, Check):
        return "check", [], check_source(step, listed), listed.places
    assert isinstance(step, Statements)
    return "kernel", [*step.functions], kernel_source(step, listed), listed.places
