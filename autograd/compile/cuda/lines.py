"""Lines: the loop over elements that have no values for rows, one long line, dealt out to all threads.

One idea: a thread takes every so manieth element, a few at a time. Read `rows.py` for the other kind of loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..native.groups import Member
from ..native.members import ctype
from .writer import AT_ONCE, LOADED, MOST_BLOCKS, THREADS, Writer, summing_blocks

__all__ = ["Lines"]


class Lines(Writer):
    """Elements alone, with sums over all of them: each thread takes every so manieth."""

    def count_blocks(self) -> int:
        most = summing_blocks(self.size) if self.sums else MOST_BLOCKS
        return max(1, min(most, -(-self.size // THREADS)))

    def from_outside(self, place: str, dtype: Any) -> str:
        return place if self.loads is None else self._named(place, "[u]", dtype)

    def body(self) -> Iterator[str]:
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        self.loads = {}
        lines = [line for member in self.members.values() for line in self._of(member)]
        loads, self.loads = self.loads, None
        count = max(1, min(AT_ONCE, LOADED // max(1, len(loads))))
        yield f"  const {self.index} step = blocks * {THREADS};"
        yield "  #pragma unroll 1"  # to unroll it begins with a division
        yield f"  for ({self.index} from = block * {THREADS} + threadIdx.x; from < n; from += {count} * step) {{"
        for name, kind in loads.values():
            yield f"    {kind} {name.partition('[')[0]}[{count}];"
        for part in ([f"{name} = {place};" for place, (name, _) in loads.items()], lines):
            yield "    #pragma unroll"
            yield f"    for (int u = 0; u < {count}; u++) {{"
            yield f"      const {self.index} i = from + u * step;"
            yield "      if (i >= n) break;"
            if self.rows > 1:
                yield f"      const {self.index} r = i / {self.columns}, c = i % {self.columns};"
            else:
                yield f"      const {self.index} c = i;"
            yield from (f"      {line}" for line in part)
            yield "    }"
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
