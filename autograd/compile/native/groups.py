"""Groups: instructions that walk over the same elements, to become one loop.

One idea: all of a group see its elements as a table of R rows and C columns. A member gives a value for each element,
for each row (a reduction along it, or a function of such), or adds up over the rows, or so many of them each, into a
value for each column, or for all. The first two may be used by later members of the same group; sums over rows are
ready when the group is done. So a softmax with its loss, a normalisation, a mask with the gradient of a bias, or Adam
are one loop each.
Read `dialect.py` next.
"""

# Note [Rows over several axes]
# The same mask for all heads of an attention, positions that are added to all texts of a batch, the heads of one
# product of queries, keys and values: for all of them the rows of a table are several axes in memory, and a row's
# number is taken apart to find it. That costs a division for each row, so rows must be long, and lie in one piece.

# Note [Stages]
# A reduction along a row is ready when the loop over its columns is done, so members that need it start another loop
# over the same row: a stage. What a later stage reads of an earlier one is kept in a row of memory.

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..program import Instruction, Variable
from .layout import Axes, Ref

__all__ = ["Group", "Member", "Operand", "Table"]

Table = tuple[int, int]


@dataclass
class Operand:
    """What a member reads: a number of Python's, a number that changes, or elements that lie along the table.

    They have one stride along its columns; its rows may go over several axes, see Note [Rows over several axes].
    """

    constant: Any = None
    number: Variable | None = None
    ref: Ref | None = None
    rows: Axes = ()
    columns: int = 0

    @property
    def strides(self) -> tuple[int | None, int]:
        """Along the rows, None where it is not the same from row to row, and along the columns."""
        return None if len(self.rows) > 1 else self.rows[0][1] if self.rows else 0, self.columns

    @property
    def dtype(self) -> Any:
        """Its dtype; `int` or `float` for numbers."""
        if self.ref is not None:
            return self.ref.base.dtype
        return float if self.number is not None or isinstance(self.constant, float) else int


@dataclass
class Member:
    """One instruction of a group.

    `kind` is "element", "row" (a value for each row), "column" or "all" (sums), or "block" (sums over some rows each,
    or the largest of them, or the one that a label names).
    """

    instruction: Instruction
    name: str  # of the function in C, of the reduction, "pick" or "place" by columns, "along" or "among" by rows
    kind: str
    operands: list[Operand]
    per_row: bool = False  # whether it is computed once for each row, between the loops over the columns
    stage: int = 0
    block: int = 1  # rows that are added up together

    @property
    def out(self) -> Variable:
        """The variable that it computes."""
        return self.instruction.out


@dataclass
class Group:
    """Members over one table; while several tables would do for all of them, each member is kept for each."""

    tables: set[Table]
    ways: dict[Variable, dict[Table, Member]] = field(default_factory=dict)
    reads: set[Variable] = field(default_factory=set)
    parts: set[tuple[Variable, int]] = field(default_factory=set)  # of what members read, each by its first element

    @property
    def table(self) -> Table:
        """Rows and columns: of several that would do, the one with the longest rows."""
        return max(self.tables, key=lambda table: table[1])

    @property
    def most_arrays(self) -> int:
        """How many arrays it is given at most, one by one: what it reads and what it makes."""
        return len(self.parts) + len(self.ways)

    @property
    def members(self) -> dict[Variable, Member]:
        """The members as they are for its table."""
        return {out: ways[self.table] for out, ways in self.ways.items()}
