"""Dialects: what can be said of a program in a language, C for the host or CUDA C for a GPU.

One idea: both languages have the same loops; they differ in the instructions that have a text of their own, in dtypes,
in what their BLAS multiplies, and in how much a loop may keep. Read `tables.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass

from ..program import Instruction, Variable
from .expressions import C_TYPES
from .kernels import Kernel, kernel_of
from .layout import Ref

__all__ = ["HOST", "Dialect"]


@dataclass(frozen=True)
class Dialect:
    """A language in which programs are written."""

    kernel: Callable[[Instruction, dict[Variable, Ref]], Kernel | None]  # makes the kernels that are written by hand
    types: Container[str]  # the dtypes that it has
    products: tuple[str, ...]  # those that its BLAS multiplies
    longest_row: int  # elements that may be kept from one stage to the next
    most_parts: int  # of a joined array
    most_arrays: int  # that a loop is given
    blocks: bool = False  # whether a loop adds up so many rows each
    checks: bool = False  # whether a position that is not there is an error


# A row takes 64 KiB of the stack at most; each part is a loop of its own in C, which takes the compiler 5 ms. A loop
# finds the places of its arrays in memory, however many there are, but for a loop of many members the compiler takes
# longer than in proportion: 21 s for 1,100, and 1 s for loops of 256 each.
HOST = Dialect(kernel_of, C_TYPES, ("float32", "float64"), 16_384, 100, 256, blocks=True, checks=True)
