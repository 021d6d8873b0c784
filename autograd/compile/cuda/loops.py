"""Loops: groups of a program as kernels in CUDA C.

One idea: where a group has no values for rows, its elements are one long line, dealt out to all threads; where it has,
some lanes (threads) take a row together, keep their elements in registers from stage to stage, and add up what is a
value of the row. Sums over rows are first made by each block, and added up by a kernel that follows.
Read `../native/groups.py` first, `nests.py` next.
"""

# Note [Sums over rows]
# Each block adds up its own rows and writes a partial sum, and a kernel of its own adds the partial sums up, always in
# the same order, which atomic additions would not. That kernel is only launched before somebody reads the sums, so
# those of many layers become jobs of one launch. How many blocks there are depends on the sizes alone.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from ..native.groups import Group, Member
from ..native.kernels import Memory
from ..native.members import Members, ctype, position
from ..program import Variable
from .commands import Job, Launch, Place, Span, span_of

__all__ = ["ARGUMENTS", "Sums", "loop_of"]

_THREADS = 256
_MOST_BLOCKS = 1056  # 8 for each multiprocessor of an H100
_SUMMING_BLOCKS = 128
_BUSY = 32_768  # threads
_UNROLLED = 16  # elements of a lane that are kept in registers

# How every kernel begins: which job it works on, where its arrays are, and which of the job's blocks it is.
ARGUMENTS = """  int j = 0;
  while (blockIdx.x >= jobs.first[j + 1]) j++;
  char *const *p = jobs.p[j];
  const long n = jobs.size[j], block = blockIdx.x - jobs.first[j], blocks = jobs.first[j + 1] - jobs.first[j];"""

Reserve = Callable[[int], Place]  # bytes -> where they are


@dataclass(frozen=True)
class Sums:
    """The launch that adds up the partial sums of a variable; see Note [Sums over rows]."""

    out: Variable
    launch: Launch


def loop_of(group: Group, memory: Memory, numbers: Place, reserve: Reserve) -> tuple[Launch, list[Sums]]:
    """The kernel of a group, and those that add up its sums over rows."""
    rows = any(m.kind in ("row", "column") or m.per_row for m in group.members.values())
    writer = _Rows(group, memory, numbers) if rows or _keeps(group) else _Line(group, memory, numbers)
    return writer.launch(reserve)


def _keeps(group: Group) -> bool:
    return any(member.stage or member.name == "pick" for member in group.members.values())


class _Writer(Members, ABC):
    """What both kinds of loops have: pointers, sums, and the launch."""

    threads = _THREADS

    def __init__(self, group: Group, memory: Memory, numbers: Place) -> None:
        super().__init__(group, memory)
        self.at, self.places = numbers, list[Place]()
        self.reads: set[Span] = set()
        self.writes: set[Span] = set()
        self.blocks = self.count_blocks()

    @abstractmethod
    def count_blocks(self) -> int:
        """Into how many blocks it is cut."""

    @abstractmethod
    def body(self) -> Iterator[str]:
        """The lines that walk over the elements."""

    def launch(self, reserve: Reserve) -> tuple[Launch, list[Sums]]:
        """The kernel, and what adds up its sums."""
        lines = list(self.body())  # which find out what has a place
        pointers = list(self._pointers())
        sums = []
        for member in self.sums:
            room = reserve(self.blocks * self.length(member) * member.out.dtype.itemsize)
            kind = ctype(member.out.dtype)
            pointers.append(f"  {kind} *z{self.order[member.out]} = ({kind} *){self._pointer(room)};")
            sums.append(self._summed(member, room))
        begin = f'extern "C" __global__ void __launch_bounds__({self.threads}) @'
        text = [f"{begin}(const __grid_constant__ Jobs<$, {max(1, len(self.places))}> jobs) {{", ARGUMENTS]
        job = Job(self.blocks, self.size, tuple(self.places), frozenset(self.reads), frozenset(self.writes))
        names = " ".join(member.instruction.name for member in self.members.values())
        about = f"{self.rows} x {self.columns}, {names}"
        return Launch("\n".join([*text, *pointers, *lines, "}"]), self.threads, (job,), about), sums

    @property
    def size(self) -> int:
        return self.rows * self.columns

    def _pointer(self, place: Place) -> str:
        self.places.append(place)
        return f"p[{len(self.places) - 1}]"

    def _pointers(self) -> Iterator[str]:
        for (base, offset), name in self.outside.items():
            slot, start = self.memory.place(base)
            self.reads.add(span_of(base, (slot, start)))
            kind, pointer = ctype(base.dtype), self._pointer((slot, start + offset * base.dtype.itemsize))
            yield f"  const {kind} *{name} = (const {kind} *){pointer};"
        for variable in self.written:
            place = self.memory.place(variable)
            self.writes.add(span_of(variable, place))
            kind = ctype(variable.dtype)
            yield f"  {kind} *y{self.order[variable]} = ({kind} *){self._pointer(place)};"
        for variable, name in self.numbers.items():
            slot, start = self.at
            pointer = self._pointer((slot, start + 8 * self.memory.order(variable)))
            yield f"  const double {name} = *(const double *){pointer};"

    def _summed(self, member: Member, room: Place) -> Sums:
        """The launch that adds up the partial sums of a member, which lie at `room`."""
        kind, length, out = ctype(member.out.dtype), self.length(member), member.out
        slot, start = room
        taken = slot, start, start + self.blocks * length * out.dtype.itemsize
        self.writes.add(taken)
        count = self.rows * (1 if member.per_row or member.kind == "column" else self.columns)
        divided = f" / {count}" if member.name == "mean" else ""
        place = self.memory.place(out)
        text = f"""extern "C" __global__ void __launch_bounds__(256) @(const __grid_constant__ Jobs<$, 2> jobs) {{
{ARGUMENTS}
  const {kind} *x = (const {kind} *)p[0];
  {kind} *y = ({kind} *)p[1];
  __shared__ {kind} part[8][32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const long c = block * 32 + lane;
  {kind} s = 0;
  if (c < n) for (int i = warp; i < {self.blocks}; i += 8) s += x[i * n + c];
  part[warp][lane] = s;
  __syncthreads();
  if (warp || c >= n) return;
  for (int i = 1; i < 8; i++) s += part[i][lane];
  y[c] = s{divided};
}}"""
        writes = frozenset({span_of(out, place)})
        job = Job(-(-length // 32), length, (room, place), frozenset({taken}), writes)
        return Sums(out, Launch(text, 256, (job,), f"{self.blocks} partial sums"))


class _Line(_Writer):
    """Elements alone, with sums over all of them: each thread takes every so manieth."""

    def count_blocks(self) -> int:
        most = _summing_blocks(self.size) if self.sums else _MOST_BLOCKS
        return max(1, min(most, -(-self.size // _THREADS)))

    def body(self) -> Iterator[str]:
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        yield f"  for (long i = block * {_THREADS} + threadIdx.x; i < n; i += blocks * {_THREADS}) {{"
        if self.rows > 1:
            yield f"    const long r = i / {self.columns}, c = i % {self.columns};"
        else:
            yield "    const long c = i;"
        for member in self.members.values():
            index = self.order[member.out]
            if member.kind == "all":
                yield f"    s{index} += {self.read(member.operands[0], member, member.out.dtype)};"
                continue
            yield f"    {ctype(member.out.dtype)} v{index} = {self.value(member)};"
            if self.memory.is_stored(member.out):
                yield f"    {self.stored(member.out)}[i] = v{index};"
        yield "  }"
        for member in self.sums:
            index = self.order[member.out]
            yield f"  s{index} = over_row<Sum, {_THREADS}>(s{index});"
            yield f"  if (threadIdx.x == 0) z{index}[block] = s{index};"


class _Rows(_Writer):
    """Rows with values of their own, each worked on by a number of lanes."""

    def count_blocks(self) -> int:
        self.lanes = _lanes(self.rows, self.columns)
        least = _THREADS if any(member.kind == "column" for member in self.sums) else 128
        self.threads = self.lanes if self.lanes > 32 else least
        self.workers = self.threads // self.lanes  # rows at a time in a block
        self.each = -(-self.columns // self.lanes)  # elements of a lane
        most = _summing_blocks(self.size) if self.sums else 16 * _MOST_BLOCKS
        return max(1, min(most, -(-self.rows // self.workers)))

    def kept_at(self, variable: Variable, column: str) -> str:
        return f"b{self.order[variable]}[k]"

    def column_sum(self, member: Member) -> str:
        return f"s{self.order[member.out]}[k]"

    def body(self) -> Iterator[str]:
        yield f"  const int lane = threadIdx.x % {self.lanes}, worker = threadIdx.x / {self.lanes};"
        for member in self.sums:
            kind, index = ctype(member.out.dtype), self.order[member.out]
            yield f"  {kind} s{index}[{self.each}] = {{}};" if member.kind == "column" else f"  {kind} s{index} = 0;"
        yield f"  for (long r = block * {self.workers} + worker; r < {self.rows}; r += blocks * {self.workers}) {{"
        for variable in self.kept:
            yield f"    {ctype(variable.dtype)} b{self.order[variable]}[{self.each}];"
        for stage in range(self.stages):
            yield from self._stage([member for member in self.members.values() if member.stage == stage])
        yield "  }"
        for member in self.sums:
            yield from self._of_block(member)

    def _columns(self, lines: list[str], indent: str) -> Iterator[str]:
        """Lines for each column of a lane."""
        if self.each <= _UNROLLED:
            yield f"{indent}#pragma unroll"
        yield f"{indent}for (int k = 0; k < {self.each}; k++) {{"
        yield f"{indent}  const long c = lane + k * {self.lanes};"
        if self.columns % self.lanes:
            yield f"{indent}  if (c >= {self.columns}) break;"
        yield from (f"{indent}  {line}" for line in lines)
        yield f"{indent}}}"

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
        lines = [line for member in inside for line in self.in_loop(member)]
        for member in picked:
            source, labels = member.operands
            assert source.ref is not None
            lines.append(f"if (c == {self.label(labels, member)}) v{self.order[member.out]} = {self._picked(member)};")
        if lines:
            yield from self._columns(lines, "    ")
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
        yield from (line.strip() for line in self._store_row(member))

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
        yield f"  {{ __shared__ {kind} part[{self.columns}];"
        yield f"  for (int w = 0; w < {self.workers}; w++) {{"
        yield "    if (worker == w) {"
        yield from self._columns([f"part[c] = w ? part[c] + s{index}[k] : s{index}[k];"], "      ")
        yield "    }"
        yield "    __syncthreads();"
        yield "  }"
        yield f"  for (int c = threadIdx.x; c < {self.columns}; c += {self.threads})"
        yield f"    z{index}[block * {self.columns} + c] = part[c]; }}"


def _summing_blocks(size: int) -> int:
    """How many partial sums are made of so many elements: enough to read them fast, few enough to add up."""
    return max(_SUMMING_BLOCKS, min(4 * _SUMMING_BLOCKS, size // 32_768))


def _lanes(rows: int, columns: int) -> int:
    """How many threads share a row: within a warp if that keeps the GPU busy, else those of a block."""
    lanes = 1
    while lanes < min(columns, 32):
        lanes *= 2
    while lanes < 512 and columns > 4 * lanes and (rows * lanes < _BUSY or columns > _UNROLLED * lanes):
        lanes *= 2
    return lanes
