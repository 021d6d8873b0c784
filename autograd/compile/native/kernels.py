"""Kernels: instructions that have a C text of their own.

One idea: most instructions are loops, products or moves; what is none of these, such as a convolution or the rows of a
table by their numbers, is written by hand, once, as a function from the instruction to its text. A new one is a file
that fills in `KERNELS`. Read `source.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ..program import Instruction, Variable
from .layout import Ref

__all__ = ["KERNELS", "Kernel", "Memory", "kernel_of"]

Refs = dict[Variable, Ref]


class Memory(Protocol):
    """Where variables lie while the program runs."""

    def address(self, base: Variable) -> str:
        """The address of a variable, in C."""

    def is_stored(self, variable: Variable) -> bool:
        """Whether a member of a group must be written to memory, for others to read."""

    def number(self, variable: Variable) -> str:
        """A number that changes from call to call, in C."""


@dataclass
class Kernel:
    """One instruction, done by statements of its own. `scratch` is memory that it needs while it runs.

    `functions` are definitions that its statements call; the same text is written once for all kernels that have it.
    The address of `draw`, a draw of random numbers, is that of three words: seed, stream and number of the draw.

    Of several `parts` the statements do the one whose number is in `part`, beside the others, and without BLAS (see
    Note [Parts do not share] in threads.py); `ending` is what is done after the last.
    """

    instruction: Instruction
    reads: list[Ref]
    statements: Callable[[Memory], str]
    functions: tuple[str, ...] = ()
    scratch: Variable | None = None
    draw: Variable | None = None
    about: str = "kernel"
    parts: int = 1
    ending: Callable[[Memory], str] | None = None


# By the name of the instruction: gives its kernel, or None for a case that NumPy has to do.
KERNELS: dict[str, Callable[[Instruction, Refs], Kernel | None]] = {}


def kernel_of(instruction: Instruction, refs: Refs) -> Kernel | None:
    """The kernel of an instruction, where there is one for this case."""
    make = KERNELS.get(instruction.name)
    return None if make is None else make(instruction, refs)
