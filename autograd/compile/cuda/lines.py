"""Lines: the loop over elements that have no values for rows, one long line, dealt out to all threads.

One idea: a thread takes every n-th element, n the number of all threads, and a few at a time.
Read `rows.py` for the other kind of loop.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from ..native.members import ctype
from ..program import Variable
from .writer import MOST_BLOCKS, THREADS, Writer, summing_blocks

__all__ = ["Lines"]

_MANY = 1 << 18  # elements from which on all of a GPU has work even when a thread takes several together


class Lines(Writer):
    """Elements alone, with sums over all of them: each thread takes every n-th."""

    def count_blocks(self) -> int:
        if self.size >= _MANY or len(self.members) == 1:  # which does little but read and write
            self.neighbours = self.count_neighbours()
        # A thread that takes neighbours has enough to do with them; the blocks then come and go.
        most = summing_blocks(self.size) if self.sums else MOST_BLOCKS * (16 if self.neighbours > 1 else 1)
        return max(1, min(most, -(-self.size // (THREADS * self.neighbours))))

    def body(self) -> Iterator[str]:
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        lines, loads = self._gathered(lambda: chain.from_iterable(map(self.in_loop, self.members.values())))
        walk = [f"const {self.index} i = from + u * step;", "if (i >= n) break;"]
        if self.rows > 1:
            walk.append(f"const {self.index} r = i / {self.columns}, c = i % {self.columns};")
        else:
            walk.append(f"const {self.index} c = i;")
        count, loops = self._read_first([*self._for_neighbours(lines)], loads, walk)
        first = f"block * {THREADS} + threadIdx.x"
        first = f"({first}) * {self.neighbours}" if self.neighbours > 1 else first
        yield f"  const {self.index} step = blocks * {THREADS * self.neighbours};"
        yield "  #pragma unroll 1"  # to unroll it begins with a division
        yield f"  for ({self.index} from = {first}; from < n; from += {count} * step) {{"
        yield from loops
        yield "  }"
        for member in self.sums:
            index = self.order[member.out]
            yield f"  s{index} = over_row<Sum, {THREADS}>(s{index});"
            yield f"  if (threadIdx.x == 0) z{index}[block] = s{index};"

    def _for_neighbours(self, lines: list[str]) -> Iterator[str]:
        """Lines for an element as lines for it and its neighbours, which are stored together."""
        if self.neighbours == 1:
            yield from lines
            return
        together = [(self.together(out.dtype), self.order[out]) for out in self.written]
        for kind, index in together:
            yield f"{kind} w{index};"
        yield f"const {self.index} first = c;"
        yield "#pragma unroll"
        yield f"for (int m = 0; m < {self.neighbours}; m++) {{"
        yield f"  const {self.index} c = first + m;"
        yield from (f"  {line}" for line in lines)
        yield "}"
        for kind, index in together:
            yield f"*({kind} *)&y{index}[i] = w{index};"

    def stored_at(self, variable: Variable) -> str:
        """Where an element of a member is put: where there are neighbours, beside them first."""
        name = self.stored(variable)
        return f"w{self.order[variable]}.of[m]" if self.neighbours > 1 else f"{name}[i]"
