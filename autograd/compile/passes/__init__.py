"""Passes: each makes of one program another that computes the same with less work.

One idea: a pass is a pure function from program to program, small enough to be read with a program before it and one
after; what it leaves unread is swept up by the first of them. `simplified` and `for_blas` are their orders. Read
`dead.py` first.
"""

from __future__ import annotations

from ..program import Program
from .again import with_less_kept
from .biases import with_biases
from .casts import with_moved_casts
from .common import without_repetition
from .constants import with_constants
from .copies import without_copies
from .dead import without_dead
from .early import with_early_sums
from .linear_sums import with_linear_sums
from .norms import with_plain_norms
from .numbers import with_plain_numbers
from .parts import with_joined_parts
from .permutations import ReadsPlanes, with_sunk_permutations
from .powers import with_shared_powers
from .products import with_turned_products
from .put_sums import with_put_sums
from .renumber import renumbered
from .row_sums import with_row_sums
from .split_sums import with_split_sums

__all__ = ["for_blas", "simplified", "with_biases"]


def simplified(program: Program) -> Program:
    """The program after all passes that hold for every executor."""
    program = without_repetition(without_copies(program))  # before constants are computed, each of them once
    return renumbered(without_dead(with_plain_numbers(with_constants(program))))


def for_blas(program: Program, in_order: bool = True, reads_planes: ReadsPlanes | None = None) -> Program:
    """The program with its products as BLAS and C like them best; they may round otherwise.

    Results lie in the order of their axes, or where they need not be `in_order` as they were made. `reads_planes` says
    which inputs an instruction reads as they lie, of those that are images with their channels in axis 1.
    """
    program = with_moved_casts(with_joined_parts(without_copies(program, laid_alike=False)))
    program = with_plain_norms(with_shared_powers(with_put_sums(with_row_sums(program))))
    program = with_sunk_permutations(program, in_order, reads_planes)
    program = without_repetition(with_linear_sums(without_repetition(with_split_sums(program))))
    return with_less_kept(with_early_sums(without_dead(with_turned_products(program))))
