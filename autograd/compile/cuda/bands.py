"""Bands: sums over rows as one launch, where the rows are few.

One idea: each block takes a band of columns as wide as a warp, its warps take turns at the rows, and in the end they
add up among themselves. So no partial sums go to memory, and no second kernel is launched for them, which eager code
has no others to share with. Read `nests.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..native.groups import Group, Member
from ..native.members import ctype
from .columns import are_sums_of_columns
from .writer import Writer

__all__ = ["Bands", "is_few"]

_WARPS = 32
_MOST_ROWS = 1024  # 32 for each warp; of more rows, a block for each band leaves most of a GPU idle
_MOST_SUMS = 4  # of 8 KiB of shared memory, at most, each


def is_few(group: Group) -> bool:
    """Whether a group is elements of few rows, and sums over rows."""
    sums = [member for member in group.members.values() if member.kind == "column"]
    return are_sums_of_columns(group) and group.table[0] <= _MOST_ROWS and len(sums) <= _MOST_SUMS


class Bands(Writer):
    """Sums over few rows, a block for each band of columns."""

    threads, in_parts = 32 * _WARPS, False

    def count_blocks(self) -> int:
        return -(-self.columns // 32)

    def column_sum(self, member: Member) -> str:
        return f"s{self.order[member.out]}"

    def body(self) -> Iterator[str]:
        lines, loads = self._gathered(lambda: chain.from_iterable(map(self.in_loop, self.members.values())))
        walk = [f"const {self.index} r = from + u * {_WARPS};", f"if (r >= {self.rows}) break;"]
        count, loops = self._read_first(lines, loads, walk)
        yield "  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;"
        yield f"  const {self.index} c = block * 32 + lane;"
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        yield f"  const {self.index} rows = c < {self.columns} ? {self.rows} : 0;"
        yield f"  for ({self.index} from = warp; from < rows; from += {count * _WARPS}) {{"
        yield from loops
        yield "  }"
        for member in self.sums:
            kind, index = ctype(member.out.dtype), self.order[member.out]
            yield f"  __shared__ {kind} part{index}[{_WARPS}][32];"
            yield f"  part{index}[warp][lane] = s{index};"
        yield "  __syncthreads();"
        yield f"  if (warp || c >= {self.columns}) return;"
        for member in self.sums:
            index = self.order[member.out]
            yield f"  for (int i = 1; i < {_WARPS}; i++) s{index} += part{index}[i][lane];"
            divided = f" / {self.rows}" if member.name == "mean" else ""
            yield f"  {self.stored(member.out)}[c] = s{index}{divided};"
