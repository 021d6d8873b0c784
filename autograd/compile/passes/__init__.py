"""Passes: each makes of one program another that computes the same with less work.

One idea: a pass is a pure function from program to program, small enough to be read with a program before it and one
after. `simplified` is their order. Read `dead.py` first.
"""

from __future__ import annotations

from ..program import Program
from .common import without_repetition
from .dead import without_dead

__all__ = ["simplified"]


def simplified(program: Program) -> Program:
    """The program after all passes that hold for every executor."""
    return without_dead(without_repetition(program))
