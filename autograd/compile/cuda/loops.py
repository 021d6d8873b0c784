"""Loops: groups of a program as kernels in CUDA C.

One idea: where a group has no values for rows, its elements are one long line, dealt out to all threads; where it has,
some lanes (threads) take a row together, keep their elements in registers from stage to stage, and add up what is a
value of the row. Sums over rows are first made by each block, and added up by a kernel that follows.
Read `../native/groups.py` first, `writer.py` next.
"""

from __future__ import annotations

from ..native.groups import Group
from ..native.kernels import Memory
from .commands import Launch, Place
from .lines import Lines
from .rows import Rows
from .writer import Reserve, Sums

__all__ = ["loop_of"]


def loop_of(group: Group, memory: Memory, numbers: Place, reserve: Reserve) -> tuple[Launch, list[Sums]]:
    """The kernel of a group, and those that add up its sums over rows."""
    rows = any(m.kind in ("row", "column") or m.per_row for m in group.members.values())
    writer = Rows(group, memory, numbers) if rows or _keeps(group) else Lines(group, memory, numbers)
    return writer.launch(reserve)


def _keeps(group: Group) -> bool:
    return any(member.stage or member.name == "pick" for member in group.members.values())
