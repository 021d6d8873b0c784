"""Rows: the loop over elements whose rows have values of their own, each row worked on by some lanes.

One idea: a lane keeps its elements of a row in registers from stage to stage, and what is a value of the row is made by
all lanes of it together. Where there are none, only sums over rows, several rows are under way at once.
Read `nests.py` next.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..native.groups import Group, Member, Operand
from ..native.kernels import Memory
from ..native.members import ctype, position
from ..program import Variable
from .writer import AT_ONCE, LOADED, MOST_BLOCKS, MULTIPROCESSORS, THREADS, Load, Loads, Locate, Writer, summing_blocks

__all__ = ["Rows"]

# Note [Made again]
# What backward makes again of what it reads, as a row less its mean, it makes in each stage that wants it: a stage
# reads what it needs anyway, which is in the cache by then, and a register for each element of a lane is one that other
# rows, under way at the same time, would want.

_STEPS = {"add", "multiply", "positive", "subtract"}
_BUSY = 32_768  # threads
_UNROLLED = 16  # elements of a lane that are kept in registers
_HELD = 4  # the same of a column, kept from row to row
_REGISTERS, _OTHERS = 65_536, 30  # of a multiprocessor; of a thread, beside those for its elements
_ROW, _COLUMN = (re.compile(rf"\b{letter}\b") for letter in "rc")  # in the place of an element


class Rows(Writer):
    """Rows with values of their own, each worked on by a number of lanes."""

    def __init__(self, group: Group, memory: Memory, number: Locate) -> None:
        super().__init__(group, memory, number)
        self.held: Loads = {}  # what is read of a column
        self.rows_at_once = 1
        self.most_read = 0.0  # words that a thread reads before it goes on
        self.read_before = self.each <= _UNROLLED
        of_rows = any(m.kind == "row" or m.per_row or m.name == "pick" for m in self.members.values())
        self.alone = self.read_before and self.stages == 1 and not of_rows

    def count_blocks(self) -> int:
        self.lanes = _lanes(self.rows, self.columns)
        least = THREADS if any(member.kind == "column" for member in self.sums) else 128
        self.threads = self.lanes if self.lanes > 32 else least
        self.workers = self.threads // self.lanes  # rows at a time in a block
        self.each = -(-self.columns // self.lanes)  # elements of a lane
        if self.each <= _UNROLLED:
            self.neighbours = self.count_neighbours(self.lanes)
        most = summing_blocks(self.size) if self.sums else 16 * MOST_BLOCKS
        return max(1, min(most, -(-self.rows // self.workers)))

    def kept_at(self, variable: Variable, column: str) -> str:
        return f"b{self.order[variable]}[k]"

    def is_made_again(self, variable: Variable) -> bool:
        """Whether it is a step from what is read and from values of the row; see Note [Made again]."""
        member = self.members[variable]
        bases = [operand.ref.base for operand in member.operands if operand.ref is not None]
        makers = [self.members[base] for base in bases if base in self.members]
        is_step = member.name in _STEPS and all(maker.kind == "row" for maker in makers)
        if not is_step or member.instruction.after is None or self.memory.is_stored(variable):
            return False
        picking = [m for m in self.members.values() if m.name == "pick"]
        return all(o.ref is None or o.ref.base is not variable for m in picking for o in m.operands)

    def column_sum(self, member: Member) -> str:
        return f"s{self.order[member.out]}[k]"

    def body(self) -> Iterator[str]:
        yield f"  const int lane = threadIdx.x % {self.lanes}, worker = threadIdx.x / {self.lanes};"
        sizes = [member.out.dtype.itemsize for member in self.sums if member.kind == "column"]
        if sizes and self.workers > 1:
            yield f"  __shared__ double shared[{-(-self.workers * self.columns * max(sizes) // 8)}];"
        for member in self.sums:
            kind, index = ctype(member.out.dtype), self.order[member.out]
            yield f"  {kind} s{index}[{self.each}] = {{}};" if member.kind == "column" else f"  {kind} s{index} = 0;"
        walk = [*(self._several() if self.alone else self._one_by_one())]
        for load in self.held.values():
            yield f"  {load.kind} {self._sized(load.name)};"
            yield from self._read({load.name: load}, "  ")
        first, step = f"block * {self.workers} + worker", f"blocks * {self.workers}"
        yield f"  const {self.index} step = {step};"
        yield "  #pragma unroll 1"  # to unroll it begins with a division
        yield f"  for ({self.index} from = {first}; from < {self.rows}; from += {self.rows_at_once} * step) {{"
        yield from walk
        yield "  }"
        for member in self.sums:
            yield from self._of_block(member)
        if self.sums:
            self.blocks = min(self.blocks, self._under_way())

    def _under_way(self) -> int:
        """How many blocks can be under way at once: those that wait for others to end only make more partial sums."""
        kept = [*self.kept, *(member.out for member in self.sums if member.kind == "column")]
        words = self.each * sum(variable.dtype.itemsize for variable in kept) / 4 + self.most_read + _OTHERS
        return MULTIPROCESSORS * max(1, int(_REGISTERS / (self.threads * words)))

    def _one_by_one(self) -> Iterator[str]:
        """A row, stage by stage."""
        yield f"    const {self.index} r = from;"
        for variable in self.kept:
            yield f"    {ctype(variable.dtype)} b{self.order[variable]}[{self.each}];"
        for stage in range(self.stages):
            yield from self._stage([member for member in self.members.values() if member.stage == stage])

    def _several(self) -> Iterator[str]:
        """Several rows, of which nothing but sums over rows is wanted."""
        members = [*self.members.values()]
        lines, loads = self._lines(members, [])
        wide = [load for load in loads.values() if load.name.endswith(("[k]", "[q]"))]
        self.rows_at_once = max(1, min(AT_ONCE, LOADED // max(1, self.each * len(wide))))
        for load in loads.values():
            yield f"    {load.kind} {self._sized(load.name).replace('[u]', f'[{self.rows_at_once}]')};"
        before, work = [*self._read(loads, "      ")], [*self._work(members, lines, "      ")]
        for part in (before, work) if before else (work,):
            yield "    #pragma unroll"
            yield f"    for (int u = 0; u < {self.rows_at_once}; u++) {{"
            yield f"      const {self.index} r = from + u * step;"
            yield f"      if (r >= {self.rows}) break;"
            yield from part
            yield "    }"

    def _columns(self, lines: list[str], indent: str) -> Iterator[str]:
        """Lines for each column of a lane, k."""
        count = self.neighbours
        if self.each <= _UNROLLED:
            yield f"{indent}#pragma unroll"
        yield f"{indent}for (int k = 0; k < {self.each}; k++) {{"
        if count > 1:
            yield f"{indent}  const {self.index} c = (k / {count} * {self.lanes} + lane) * {count} + k % {count};"
        else:
            yield f"{indent}  const {self.index} c = lane + k * {self.lanes};"
        if self.columns % self.lanes:
            yield f"{indent}  if (c >= {self.columns}) break;"
        yield from (f"{indent}  {line}" for line in lines)
        yield f"{indent}}}"

    def _neighbourhoods(self, lines: list[str], indent: str) -> Iterator[str]:
        """Lines for each column and its neighbours, q."""
        yield f"{indent}#pragma unroll"
        yield f"{indent}for (int q = 0; q < {self.each // self.neighbours}; q++) {{"
        yield f"{indent}  const {self.index} c = (q * {self.lanes} + lane) * {self.neighbours};"
        yield from (f"{indent}  {line}" for line in lines)
        yield f"{indent}}}"

    def _sized(self, name: str) -> str:
        """A name with the lengths of what it names in the place of its indices."""
        return name.replace("[k]", f"[{self.each}]").replace("[q]", f"[{self.each // self.neighbours}]")

    def _read(self, loads: Loads, indent: str) -> Iterator[str]:
        """What is read before, but for what is read where it is declared."""
        wide = sum(load.words for load in loads.values() if load.name.endswith(("[k]", "[q]")))
        self.most_read = max(self.most_read, self.each * self.rows_at_once * wide)
        for load in loads.values():
            if load.name.endswith("[u]"):
                yield f"{indent}{load.name} = {load.read};"
        for index, walk in (("[k]", self._columns), ("[q]", self._neighbourhoods)):
            lines = [f"{load.name} = {load.read};" for load in loads.values() if load.name.endswith(index)]
            if lines:
                yield from walk(lines, indent)

    def _work(self, members: list[Member], lines: list[str], indent: str) -> Iterator[str]:
        """Lines for each column, and what members give there is put where it belongs."""
        put = []
        for member in members if self.neighbours > 1 else ():
            if member.kind == "element" and self.memory.is_stored(member.out):
                kind, name = self.together(member.out.dtype), f"w{self.order[member.out]}[q]"
                yield f"{indent}{kind} {self._sized(name)};"
                put.append(f"*({kind} *)&{super().stored_at(member.out)} = {name};")
        yield from self._columns(lines, indent)
        if put:
            yield from self._neighbourhoods(put, indent)

    def stored_at(self, variable: Variable) -> str:
        """Where an element of a member is put: where there are neighbours, beside them first."""
        if self.neighbours == 1:
            return super().stored_at(variable)
        return f"w{self.order[variable]}[k / {self.neighbours}].of[k % {self.neighbours}]"

    def _stage(self, members: list[Member]) -> Iterator[str]:
        inside = [member for member in members if not member.per_row]
        reduced = [member for member in inside if member.kind == "row"]
        picked = [member for member in members if member.name == "pick"]
        for member in [*reduced, *picked]:
            start = {"max": "-INFINITY", "min": "INFINITY"}.get(member.name, "0")
            index = self.order[member.out]
            yield f"    {ctype(member.out.dtype)} v{index} = {start};"
            if member.name in ("max", "min"):
                yield f"    int q{index} = 0;"
        yield from self._walk(inside, picked)
        for member in reduced:
            index = self.order[member.out]
            how = {"max": "Max", "min": "Min"}.get(member.name, "Sum")
            yield f"    v{index} = over_row<{how}, {self.lanes}>(v{index});"
            if member.name == "mean":
                yield f"    v{index} /= {self.columns};"
            if how != "Sum":
                yield f"    if (over_row<Sum, {self.lanes}>(q{index})) v{index} = NAN;"
            yield from self._store_row(member)
        for member in picked:
            # One lane has the element, all others have 0; a label that is wrong shows in the loss.
            index, label = self.order[member.out], self.label(member.operands[1], member)
            yield f"    v{index} = over_row<Sum, {self.lanes}>(v{index});"
            yield f"    if ({label} < 0 || {label} >= {self.columns}) v{index} = NAN;"
            yield from self._store_row(member)
        for member in members:
            if member.per_row and member not in picked:
                yield from (f"    {line}" for line in self._for_row(member))

    def from_outside(self, place: str, operand: Operand) -> str:
        """As in the loop over lines, but what every row has is read once."""
        of_row, of_column = _ROW.search(place), _COLUMN.search(place)
        if self.loads is None or not self.read_before:
            return place
        # Of no rows nothing may be read, and one row reads it once anyway.
        if self.rows > 1 and of_column and not of_row and self.each * (len(self.held) + 1) <= _HELD:
            assert operand.ref is not None
            name, dtype = f"h{len(self.held)}[k]", operand.ref.base.dtype
            return self.held.setdefault(place, Load(ctype(dtype), name, place, name, dtype.itemsize / 4)).element
        u, count = "[u]" if self.alone else "", self.neighbours
        one = f"{u}[k]" if of_column else u
        return self._named(place, operand, one, f"{u}[q]", f"{u}[k / {count}].of[k % {count}]")

    def _walk(self, inside: list[Member], picked: list[Member]) -> Iterator[str]:
        """The walk over the columns of a row; see Note [Loads before stores] in `writer.py`."""
        lines, loads = self._lines(inside, picked)
        for load in loads.values():
            once = "" if load.name.endswith("]") else f" = {load.read}"
            yield f"    {load.kind} {self._sized(load.name)}{once};"
        yield from self._read(loads, "    ")
        if lines:
            yield from self._work(inside, lines, "    ")

    def _lines(self, inside: list[Member], picked: list[Member]) -> tuple[list[str], Loads]:
        """What is done for each column, and what is read before."""

        def lines() -> Iterator[str]:
            for member in inside:
                yield from self.in_loop(member)
            for member in picked:
                source, labels = member.operands
                assert source.ref is not None
                value = self._picked(member)
                yield f"if (c == {self.label(labels, member)}) v{self.order[member.out]} = {value};"

        return self._gathered(lines)

    def _picked(self, member: Member) -> str:
        """The element of this column of what is picked from."""
        source = member.operands[0]
        assert source.ref is not None
        maker = source.ref.base
        if maker in self.members:
            same = self.members[maker].stage == member.stage
            return f"v{self.order[maker]}" if same else self.kept_at(maker, "c")
        return f"{self.source(maker, source.ref.offset)}[{position(((self.rows, self.columns),), 1)}]"

    def _store_row(self, member: Member) -> Iterator[str]:
        if self.memory.is_stored(member.out):
            yield f"    if (lane == 0) {self.stored(member.out)}[r] = v{self.order[member.out]};"

    def _for_row(self, member: Member) -> Iterator[str]:
        index = self.order[member.out]
        if member.kind == "all":
            yield f"if (lane == 0) s{index} += {self.read(member.operands[0], member, member.out.dtype)};"
            return
        yield f"{ctype(member.out.dtype)} v{index} = {self.value(member)};"
        if self._is_written_over(member.out):
            yield f"meet_in_row<{self.lanes}>();"  # all lanes have read what one of them now writes over
        yield from (line.strip() for line in self._store_row(member))

    def _is_written_over(self, variable: Variable) -> bool:
        """Whether it lies where something lies that was read before."""
        place = self.memory.place(variable) if self.memory.is_stored(variable) else None
        return any(self.memory.place(base) == place for base, _ in self.outside)

    def _of_block(self, member: Member) -> Iterator[str]:
        """The partial sums of a block, from those of its threads."""
        kind, index = ctype(member.out.dtype), self.order[member.out]
        if member.kind == "all":
            yield f"  s{index} = over_row<Sum, {self.threads}>(s{index});"
            yield f"  if (threadIdx.x == 0) z{index}[block] = s{index};"
            return
        if self.workers == 1:
            yield from self._columns([f"z{index}[block * {self.columns} + c] = s{index}[k];"], "  ")
            return
        # Each worker's sums side by side, added up in the order of the workers.
        yield f"  {{ {kind} *part = ({kind} *)shared;"
        yield "  __syncthreads();"
        yield from self._columns([f"part[worker * {self.columns} + c] = s{index}[k];"], "  ")
        yield "  __syncthreads();"
        yield f"  for (int c = threadIdx.x; c < {self.columns}; c += {self.threads}) {{"
        yield f"    {kind} s = part[c];"
        yield f"    for (int w = 1; w < {self.workers}; w++) s += part[w * {self.columns} + c];"
        yield f"    z{index}[block * {self.columns} + c] = s;"
        yield "  } }"


def _lanes(rows: int, columns: int) -> int:
    """How many threads share a row: within a warp if that keeps the GPU busy, else those of a block."""
    lanes = 1
    while lanes < min(columns, 32):
        lanes *= 2
    while lanes < 512 and columns > 4 * lanes and (rows * lanes < _BUSY or columns > _UNROLLED * lanes):
        lanes *= 2
    return lanes
