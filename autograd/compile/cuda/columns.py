"""Columns: the loop over long rows of which nothing but sums over rows is wanted.

One idea: where a lane could not keep a sum for each of its columns in registers, a thread takes one column and walks
down its rows, so that it has one sum of each kind. Its neighbours read what lies beside. Read `rows.py` for short rows,
`bands.py` for few.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..native.groups import Group, Member
from ..native.members import ctype
from .writer import THREADS, Writer

__all__ = ["Columns", "are_sums_of_columns", "is_long"]

_LONGEST = 8192  # columns: 16 for each of 512 lanes, see `rows.py`
_ROWS = 64  # that a thread walks down at least, before the rows are dealt out to several


def is_long(group: Group) -> bool:
    """Whether a group is elements of long rows, and sums over rows."""
    return are_sums_of_columns(group) and group.table[1] > _LONGEST


def are_sums_of_columns(group: Group) -> bool:
    """Whether a group is elements, and sums over rows."""
    kinds = {member.kind for member in group.members.values()}
    plain = not any(m.stage or m.per_row or m.name == "pick" for m in group.members.values())
    return plain and "column" in kinds <= {"element", "column"}


class Columns(Writer):
    """Sums over rows, a thread for each column."""

    def count_blocks(self) -> int:
        self.across = -(-self.columns // THREADS)  # blocks beside each other
        self.parts = max(1, min(self.rows // _ROWS, 4096 // self.across))  # and below each other
        self.each = -(-self.rows // self.parts)  # rows of a thread
        return self.across * self.parts

    @property
    def partials(self) -> int:
        return self.parts

    def column_sum(self, member: Member) -> str:
        return f"s{self.order[member.out]}"

    def body(self) -> Iterator[str]:
        lines, loads = self._gathered(lambda: chain.from_iterable(map(self.in_loop, self.members.values())))
        walk = [f"const {self.index} r = from + u;", "if (r >= end) break;"]
        count, loops = self._read_first(lines, loads, walk)
        yield f"  const {self.index} c = block % {self.across} * {THREADS} + threadIdx.x;"
        yield f"  if (c >= {self.columns}) return;"
        yield f"  const {self.index} part = block / {self.across}, begin = part * {self.each};"
        yield f"  const {self.index} end = begin + {self.each} < {self.rows} ? begin + {self.each} : {self.rows};"
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        yield f"  for ({self.index} from = begin; from < end; from += {count}) {{"
        yield from loops
        yield "  }"
        for member in self.sums:
            index = self.order[member.out]
            yield f"  z{index}[part * {self.columns} + c] = s{index};"
