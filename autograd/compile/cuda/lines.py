"""Lines: the loop over elements that have no values for rows, one long line, dealt out to all threads.

One idea: a thread takes every so manieth element, a few at a time. Read `rows.py` for the other kind of loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..native.groups import Member
from ..native.members import ctype
from .writer import MOST_BLOCKS, THREADS, Writer, summing_blocks

__all__ = ["Lines"]


class Lines(Writer):
    """Elements alone, with sums over all of them: each thread takes every so manieth."""

    def count_blocks(self) -> int:
        most = summing_blocks(self.size) if self.sums else MOST_BLOCKS
        return max(1, min(most, -(-self.size // THREADS)))

    def body(self) -> Iterator[str]:
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        lines, loads = self._gathered(lambda: chain.from_iterable(map(self._of, self.members.values())))
        walk = [f"const {self.index} i = from + u * step;", "if (i >= n) break;"]
        if self.rows > 1:
            walk.append(f"const {self.index} r = i / {self.columns}, c = i % {self.columns};")
        else:
            walk.append(f"const {self.index} c = i;")
        count, loops = self._read_first(lines, loads, walk)
        yield f"  const {self.index} step = blocks * {THREADS};"
        yield "  #pragma unroll 1"  # to unroll it begins with a division
        yield f"  for ({self.index} from = block * {THREADS} + threadIdx.x; from < n; from += {count} * step) {{"
        yield from loops
        yield "  }"
        for member in self.sums:
            index = self.order[member.out]
            yield f"  s{index} = over_row<Sum, {THREADS}>(s{index});"
            yield f"  if (threadIdx.x == 0) z{index}[block] = s{index};"

    def _of(self, member: Member) -> Iterator[str]:
        """What is done for an element."""
        index = self.order[member.out]
        if member.kind == "all":
            yield f"s{index} += {self.read(member.operands[0], member, member.out.dtype)};"
            return
        yield f"{ctype(member.out.dtype)} v{index} = {self.value(member)};"
        if self.memory.is_stored(member.out):
            yield f"{self.stored(member.out)}[i] = v{index};"
