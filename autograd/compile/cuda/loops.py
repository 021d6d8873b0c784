"""Loops: groups of a program as kernels in CUDA C.

One idea: where a group has no values for rows, its elements are one long line, dealt out to all threads; where it has,
some lanes (threads) take a row together, keep their elements in registers from stage to stage, and add up what is a
value of the row. Where rows are long and only added up, a thread takes a column. Sums over rows are first made by each
block, and added up by a kernel that follows, which eager code saves where rows are few. Read `../native/groups.py`
first, `writer.py` next.
"""

from __future__ import annotations

from ..native.groups import Group
from ..native.kernels import Memory
from .bands import Bands, is_few
from .columns import Columns, is_long
from .commands import Launch
from .lines import Lines
from .rows import Rows
from .writer import Locate, Reserve, Sums, Writer

__all__ = ["loop_of"]


def loop_of(group: Group, memory: Memory, number: Locate, reserve: Reserve, eager: bool) -> tuple[Launch, list[Sums]]:
    """The kernel of a group, and those that add up its sums over rows."""
    return _kind_of(group, eager)(group, memory, number).launch(reserve)


def _kind_of(group: Group, eager: bool) -> type[Writer]:
    if eager and is_few(group):
        return Bands
    if is_long(group):
        return Columns
    members = group.members.values()
    rows = any(m.kind in ("row", "column") or m.per_row or m.stage or m.name == "pick" for m in members)
    return Rows if rows else Lines
