"""Kernels: instructions that have a C text of their own.

One idea: most instructions are loops, products or moves; what is none of these, such as a convolution or the rows of a
table by their numbers, is written by hand, once, as a function from the instruction to its text. A new one is a file
that fills in `KERNELS`; `rows.py` is one. Read `groups.py` next.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Protocol

from ..program import Instruction, Variable
from .layout import Ref

__all__ = [
    "KERNELS",
    "PART",
    "STEP",
    "Check",
    "Kernel",
    "Listed",
    "Memory",
    "Statements",
    "counts_positions",
    "kernel_of",
]

Refs = dict[Variable, Ref]


# Note [Places]
# A model has many layers of a kind, and a loop of Python many turns, each with arrays of its own, and a compiler is
# slow: so a step is compiled once for all of them. It is given a list of places: for each array which of the addresses
# of a call it is counted from, and the number of bytes from there; for each number that changes from call to call,
# which it is.

# How the function of a step begins, and that of a part of it, which is given both. They have @ for the step's name.
# What a step gives is 0, or another number where Python shall do it and raise an error.
STEP = "static __attribute__((noinline)) int @(char **p, const double *n, const long *at) {"
PART = """static void @_part(int part, char **q, const double *n) {
  char **p = (char **)q[0];
  const long *at = (const long *)q[1];"""


class Memory(Protocol):
    """Where variables lie while the program runs."""

    def place(self, base: Variable) -> tuple[int, int]:
        """The number of an address that a call sets, and the bytes from there."""

    def is_stored(self, variable: Variable) -> bool:
        """Whether a member of a group must be written to memory, for others to read."""

    def is_zero(self, base: Variable) -> bool:
        """Whether a variable is a constant that is zero everywhere."""

    def order(self, variable: Variable) -> int:
        """Which of the numbers that change from call to call it is."""


@dataclass
class Listed:
    """The memory of one step in C, whose text names no place but its number in a list; see Note [Places]."""

    memory: Memory
    places: list[int] = field(default_factory=list)

    def address(self, base: Variable, offset: int = 0) -> str:
        """The address of a variable, or of the element of it with this number."""
        slot, start = self.memory.place(base)
        count = len(self.places)
        self.places += (slot, start + offset * (base.dtype.itemsize if offset else 0))
        return f"(p[at[{count}]] + at[{count + 1}])"

    def number(self, variable: Variable) -> str:
        """A number that changes from call to call."""
        self.places.append(self.memory.order(variable))
        return f"n[at[{len(self.places) - 1}]]"


@dataclass
class Check:
    """Positions that must be `least` ... `stop` - 1, or the one to be ignored; where one is wrong Python is called.

    Python then does the instruction, which raises its error.
    """

    instruction: Instruction
    positions: Ref
    least: int
    stop: int
    ignored: int | None = None

    def covers(self, other: Check) -> bool:
        """Whether what is found right here needs no other check."""
        same = self.positions == other.positions and self.ignored is None
        return same and other.least <= self.least and self.stop <= other.stop


@dataclass
class Kernel:
    """One instruction that has a text of its own. `scratch` is memory that it needs while it runs.

    `second` is what another instruction gives, which is made in this step and so has none of its own.
    `check` says what must be asked before it may run.
    The address of `draw`, a draw of random numbers, is that of three words: seed, stream and number of the draw.
    """

    instruction: Instruction
    reads: list[Ref]
    _: KW_ONLY
    scratch: Variable | None = None
    second: Variable | None = None
    draw: Variable | None = None
    about: str = "kernel"
    check: Check | None = None


@dataclass
class Statements(Kernel):
    """A kernel in C. `functions` are definitions that its statements call, each text written once for all kernels.

    Of several `parts` the statements do the one whose number is in `part`, beside the others, and without BLAS (see
    Note [Parts do not share] in threads.py); `beginning` is what is done before the first, `ending` after the last.
    """

    _: KW_ONLY
    statements: Callable[[Listed], str]
    functions: tuple[str, ...] = ()
    parts: int = 1
    beginning: Callable[[Listed], str] | None = None
    ending: Callable[[Listed], str] | None = None


# By the name of the instruction: gives its kernel, or None for a case that NumPy has to do.
KERNELS: dict[str, Callable[[Instruction, Refs], Kernel | None]] = {}


def kernel_of(instruction: Instruction, refs: Refs) -> Kernel | None:
    """The kernel of an instruction, where there is one for this case."""
    make = KERNELS.get(instruction.name)
    return None if make is None else make(instruction, refs)


def counts_positions(x: object) -> bool:
    """Whether it is an array of integers that C can count with, none of which wraps as a long."""
    if not isinstance(x, Variable) or x.dtype is None:
        return False
    return x.dtype.kind in "iu" and x.dtype.isnative and x.dtype != "uint64"
