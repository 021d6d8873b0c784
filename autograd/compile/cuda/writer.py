"""Writer: what all kinds of loops have: pointers, what is read beforehand, sums over rows, and the launch.

One idea: a kernel is text and the places of its arrays, and the same text at other places is the same kernel. Read
`lines.py`, `rows.py` and `columns.py` next, the ways to walk over elements.
"""

# Note [Loads before stores]
# A thread waits some 500 cycles for what it reads, and what stands behind a store cannot be asked for before, as the
# compiler must take it for possible that both are one place. So a thread reads all that it needs for some elements
# first, then works them out and writes them.

# Note [Neighbours in a row]
# To read or write 16 bytes is one instruction of a thread, as for 2, and where elements are has to be worked out for
# the first of several neighbours only. So a thread takes as many as 16 bytes hold, where arrays of the whole table lie
# so that this is one load or store: in the program's own memory, each row at a multiple of so many bytes. What has one
# number for each column, a parameter for instance, may lie anywhere: `beside` in the header looks.

# Note [Short numbers]
# A GPU divides in 32 bits several times as fast as in 64, and to find row and column of an element is to divide. So
# numbers of elements are `int` wherever all of them fit.

# Note [Sums over rows]
# Each block adds up its own rows and writes a partial sum, and a kernel of its own adds the partial sums up, always in
# the same order, which atomic additions would not. That kernel is only launched before somebody reads the sums, so
# those of many layers become jobs of one launch. How many blocks there are depends on the sizes alone.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

from ..native.groups import Group, Member, Operand
from ..native.kernels import Memory
from ..native.layout import Axes
from ..native.members import Members, ctype
from ..program import Variable
from .commands import Job, Launch, Place, Span, span_of

__all__ = ["ARGUMENTS", "AT_ONCE", "LOADED", "MOST_BLOCKS", "MULTIPROCESSORS", "THREADS"]
__all__ += [
    "Load",
    "Loads",
    "FromPython",
    "Locate",
    "Reserve",
    "Sums",
    "Writer",
    "index_type",
    "is_one_load",
    "summing_blocks",
]

THREADS = 256
MULTIPROCESSORS = 132  # of an H100
MOST_BLOCKS = 8 * MULTIPROCESSORS
AT_ONCE = 4  # elements, or rows, that a thread reads before it writes the first
_AHEAD = 8  # the same of elements, with their neighbours
LOADED = 64  # numbers that a thread reads before it writes
_ONE_LOAD = 16  # bytes
_ARENA = 0  # the slot of the memory that a program works in; what begins elsewhere may begin anywhere
_LEAST_SUMMING, _SUMMED = 264, 8192  # blocks that make partial sums; elements that a block adds up
_SUMMING_WARPS = 64  # partial sums from which on more threads add them up
_SHORT = 1 << 30  # half of what an `int` holds, so that a step past the end fits too

# How every kernel begins: which job it works on, where its arrays are, and which of the job's blocks it is.
ARGUMENTS = """  int j = 0;
  while (blockIdx.x >= jobs.first[j + 1]) j++;
  char *const *p = jobs.p[j];
  const long n = jobs.size[j], block = blockIdx.x - jobs.first[j], blocks = jobs.first[j + 1] - jobs.first[j];"""

Reserve = Callable[[int], Place]  # bytes -> where they are


class FromPython(NamedTuple):
    """A number from Python: where it lies, or which of the addresses has its bits."""

    place: Place
    bits: bool


Locate = Callable[[Variable], FromPython]


class Load(NamedTuple):
    """What is read beforehand: its type, its name with the loops' indices, how it is read, and an element of it.

    `words` is how many registers an element takes.
    """

    kind: str
    name: str
    read: str
    element: str
    words: float


Loads = dict[str, Load]  # by the place of an element


def is_one_load(place: Place, size: int) -> bool:
    """Whether so many bytes from there can be read at once."""
    slot, start = place
    return size <= _ONE_LOAD and slot == _ARENA and start % size == 0


def index_type(*most: int) -> str:
    """The type of what counts elements where no number is further from 0; see Note [Short numbers]."""
    return "int" if max(most) <= _SHORT else "long"


def summing_blocks(size: int) -> int:
    """How many partial sums are made of so many elements: enough to read them fast, few enough to add up."""
    return max(_LEAST_SUMMING, min(MOST_BLOCKS, size // _SUMMED))


@dataclass(frozen=True)
class Sums:
    """The launch that adds up the partial sums of a variable; see Note [Sums over rows]."""

    out: Variable
    launch: Launch


class Writer(Members, ABC):
    """What all kinds of loops have: pointers, what is read beforehand, sums, and the launch."""

    threads = THREADS
    in_parts = True  # whether its blocks make partial sums, see Note [Sums over rows]
    neighbours = 1  # elements of a row that a thread takes together

    def __init__(self, group: Group, memory: Memory, number: Locate) -> None:
        super().__init__(group, memory)
        self.number, self.places = number, list[Place]()
        self.reads: set[Span] = set()
        self.writes: set[Span] = set()
        self.blocks = self.count_blocks()
        bases = [m.ref.base for member in group.members.values() for m in member.operands if m.ref is not None]
        self.index = index_type(self.size, *(prod(base.shape) for base in bases))
        self.loads: Loads | None = None  # while they are gathered
        self._names = 0

    @abstractmethod
    def count_blocks(self) -> int:
        """Into how many blocks it is cut."""

    def count_neighbours(self, lanes: int = 1) -> int:
        """How many elements of a row a thread can take together, of so many in turn; see Note [Neighbours in a row]."""
        members = self.members.values()
        read = {(o.ref.base, o.ref.offset, o.rows, o.columns) for m in members for o in m.operands if o.ref is not None}
        outside = [operand for operand in read if operand[0] not in self.members]
        stored = [m.out for m in members if m.kind == "element" and not m.per_row and self.memory.is_stored(m.out)]
        for count in (8, 4, 2):
            if (
                self.columns % (lanes * count) == 0
                and all(is_one_load(self.memory.place(out), count * out.dtype.itemsize) for out in stored)
                and all(self._are_neighbours(count, *operand) for operand in outside)
            ):
                return count
        return 1

    def _are_neighbours(self, count: int, base: Variable, offset: int, rows: Axes, columns: int) -> bool:
        size, steps = base.dtype.itemsize, [step for _, step in rows if step]
        if columns != 1 or not steps:
            return columns in (0, 1) and count * size <= _ONE_LOAD
        slot, start = self.memory.place(base)
        return is_one_load((slot, start + offset * size), count * size) and all(step % count == 0 for step in steps)

    def from_outside(self, place: str, operand: Operand) -> str:
        """What was read from this place for element u, see Note [Loads before stores]; outside of loops, the place."""
        return place if self.loads is None else self._named(place, operand, "[u]", "[u]", "[u].of[m]")

    def _gathered(self, lines: Callable[[], Iterable[str]]) -> tuple[list[str], Loads]:
        """The lines for an element, and what they read from outside."""
        self.loads = {}
        made = list(lines())
        loads, self.loads = self.loads, None
        return made, loads

    def _read_first(self, lines: list[str], loads: Loads, walk: Iterable[str]) -> tuple[int, list[str]]:
        """How many elements are taken at once, and the loops over them: one reads, the next works.

        The lines of `walk` say which element number u is, the first of its neighbours.
        """
        count = max(1, min(AT_ONCE, _AHEAD // self.neighbours, LOADED // max(1, len(loads) * self.neighbours)))
        made = [f"    {load.kind} {load.name.partition('[')[0]}[{count}];" for load in loads.values()]
        for part in ([f"{load.name} = {load.read};" for load in loads.values()], lines):
            made += ["    #pragma unroll", f"    for (int u = 0; u < {count}; u++) {{"]
            made += [f"      {line}" for line in (*walk, *part)]
            made.append("    }")
        return count, made

    def _named(self, place: str, operand: Operand, one: str, several: str, of_several: str) -> str:
        """The name of what is read from a place before; see Note [Loads before stores].

        It has the indices `one`, or `several` where it is read with its neighbours, and then `of_several` is one of
        them.
        """
        assert self.loads is not None
        assert operand.ref is not None
        if place not in self.loads:
            name, dtype = f"l{self._names}", operand.ref.base.dtype
            words = dtype.itemsize / 4
            self._names += 1
            if self.neighbours > 1 and operand.columns:
                kind, known = self.together(dtype), any(step for _, step in operand.rows)
                read = f"*(const {kind} *)&{place}" if known else f"beside{kind.removeprefix('Beside')}(&{place})"
                self.loads[place] = Load(kind, name + several, read, name + of_several, words)
            else:
                self.loads[place] = Load(ctype(dtype), name + one, place, name + one, max(1, words))
        return self.loads[place].element

    def together(self, dtype: Any) -> str:
        """The type of an element with its neighbours."""
        return f"Beside<{ctype(dtype)}, {self.neighbours}>"

    @abstractmethod
    def body(self) -> Iterator[str]:
        """The lines that walk over the elements."""

    def launch(self, reserve: Reserve) -> tuple[Launch, list[Sums]]:
        """The kernel, and what adds up its sums."""
        lines = list(self.body())  # which find out what has a place
        pointers = list(self._pointers())
        sums = []
        for member in self.sums if self.in_parts else ():
            room = reserve(self.partials * self.length(member) * member.out.dtype.itemsize)
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
    def partials(self) -> int:
        """How many sums of each kind its blocks make, to be added up."""
        return self.blocks

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
            place, bits = self.number(variable)
            yield f"  const double {name} = *(const double *){'&' if bits else ''}{self._pointer(place)};"

    def _summed(self, member: Member, room: Place) -> Sums:
        """The launch that adds up the partial sums of a member, which lie at `room`."""
        kind, length, out = ctype(member.out.dtype), self.length(member), member.out
        slot, start = room
        taken = slot, start, start + self.partials * length * out.dtype.itemsize
        self.writes.add(taken)
        count = self.rows * (1 if member.per_row or member.kind == "column" else self.columns)
        divided = f" / {count}" if member.name == "mean" else ""
        place = self.memory.place(out)
        warps = 32 if self.partials > _SUMMING_WARPS else 8
        threads = 32 * warps
        text = f"""extern "C" __global__ void __launch_bounds__({threads}) @(const __grid_constant__ Jobs<$, 2> jobs) {{
{ARGUMENTS}
  const {kind} *x = (const {kind} *)p[0];
  {kind} *y = ({kind} *)p[1];
  __shared__ {kind} part[{warps}][32];
  const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  const long c = block * 32 + lane;
  {kind} s = 0;
  if (c < n) for (int i = warp; i < {self.partials}; i += {warps}) s += x[i * n + c];
  part[warp][lane] = s;
  __syncthreads();
  if (warp || c >= n) return;
  for (int i = 1; i < {warps}; i++) s += part[i][lane];
  y[c] = s{divided};
}}"""
        writes = frozenset({span_of(out, place)})
        job = Job(-(-length // 32), length, (room, place), frozenset({taken}), writes)
        return Sums(out, Launch(text, threads, (job,), f"{self.partials} partial sums"))
