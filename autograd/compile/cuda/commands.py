"""Commands: what a GPU can be asked to do: to launch a kernel, to multiply, to do what cuDNN knows, to wait for CuPy.

One idea: a command says everything in numbers and text, a kernel's source, how many blocks, where its arrays lie, and
nothing of any device. So the same commands are run by a GPU, are run by a simulated one in the tests, and are printed
to be read. Read `loops.py` next, which writes kernels, then `tape.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from ...cuda.blas import Product
from ...cuda.graphs import Operation
from ..program import Instruction, Variable

__all__ = ["Call", "Command", "Job", "Launch", "Multiply", "Operate", "Place", "Span"]
__all__ += ["joined", "meet", "order_of", "span_of", "spans"]

# Note [Jobs]
# A model has many layers of a kind, so many kernels have the same text and differ in where their arrays lie: the text
# is compiled once, and is told the places at each launch. Where such launches follow one another and none waits for
# another, as the updates of all parameters do, they become one launch with a job for each: its blocks are dealt out
# among the jobs. What a kernel is given is one block of 64-bit words: `first` (the first block of each job, and the
# end), `size` (a number for each job), and the addresses.

Place = tuple[int, int]  # which of the addresses of a program, and bytes from there
Span = tuple[int, int, int]  # which of the addresses, first byte, last byte + 1

_MOST_WORDS = 500  # a kernel is given 4 KB at most


@dataclass(frozen=True)
class Job:
    """One piece of work for a kernel: so many blocks, a size, and the places of its arrays.

    `piece_of` numbers an array of which it writes a part; others that write parts of it write other bytes.
    """

    blocks: int
    size: int
    places: tuple[Place, ...]
    reads: frozenset[Span] = frozenset()
    writes: frozenset[Span] = frozenset()
    piece_of: int | None = None


@dataclass(frozen=True)
class Launch:
    """A kernel on the GPU. In its text @ stands for its name and $ for the number of its jobs; see Note [Jobs]."""

    text: str
    threads: int  # of a block
    jobs: tuple[Job, ...]
    about: str

    @property
    def blocks(self) -> int:
        """The blocks of all jobs."""
        return sum(job.blocks for job in self.jobs)

    @property
    def source(self) -> str:
        """Its text for so many jobs."""
        return self.text.replace("$", str(len(self.jobs)))

    @property
    def reads(self) -> frozenset[Span]:
        """The bytes that all jobs read."""
        return frozenset().union(*(job.reads for job in self.jobs))

    @property
    def writes(self) -> frozenset[Span]:
        """The bytes that all jobs write."""
        return frozenset().union(*(job.writes for job in self.jobs))

    def words(self) -> int:
        """How many 64-bit words the kernel is given."""
        return 1 + sum(2 + len(job.places) for job in self.jobs)

    def has_room_for(self, other: Launch) -> bool:
        """Whether the jobs of another launch of the same text fit into this one."""
        return self.words() + other.words() <= _MOST_WORDS

    def __str__(self) -> str:
        jobs = f", {len(self.jobs)} jobs" if len(self.jobs) > 1 else ""
        return f"kernel <{self.blocks} x {self.threads}{jobs}>: {self.about}"


@dataclass(frozen=True)
class Multiply:
    """A product of matrices, or of stacks of them: c = a b, and what its epilogue does with `bias` and `aux`."""

    product: Product
    a: Place
    b: Place
    c: Place
    bias: Place | None
    aux: Place | None
    reads: frozenset[Span]
    writes: frozenset[Span]
    about: str

    def __str__(self) -> str:
        p = self.product
        stack = f"{p.batch} of " if p.batch > 1 else ""
        epilogue = p.epilogue or ""
        added, bend = " + bias" if epilogue.endswith("bias") else "", epilogue.removesuffix("bias").rstrip("_")
        return f"product {stack}{p.m} x {p.k} by {p.k} x {p.n}{added}{bend and f', {bend}'}: {self.about}"


@dataclass(frozen=True)
class Operate:
    """What cuDNN does whole; `places` are those of its arrays, by the names that it has for them."""

    operation: Operation
    places: tuple[tuple[str, Place], ...]
    reads: frozenset[Span]
    writes: frozenset[Span]
    about: str

    def __str__(self) -> str:
        return f"cuDNN, {self.operation}: {self.about}"


@dataclass(frozen=True)
class Call:
    """An instruction that CuPy does, in between."""

    instruction: Instruction

    def __str__(self) -> str:
        return f"CuPy: {self.instruction}"


Command = Launch | Multiply | Operate | Call


def joined(commands: list[Command]) -> list[Command]:
    """The commands, with launches of one text as one where what stands between may come before or after. See above."""
    done: list[Command] = []
    for command in commands:
        place = _partner(done, command) if isinstance(command, Launch) else None
        if place is None:
            done.append(command)
            continue
        first = done[place]
        assert isinstance(first, Launch)
        assert isinstance(command, Launch)
        both = replace(first, jobs=first.jobs + command.jobs)
        between = done[place + 1 :]
        if not any(waits(command, other) for other in between):
            done[place] = both
        elif not any(waits(other, first) for other in between):
            done[place:] = [*between, both]
        else:
            done.append(command)
    return done


def _partner(done: list[Command], command: Launch) -> int | None:
    """The last launch that has the same text, room for more jobs, and does nothing that the command waits for."""
    for place in range(len(done) - 1, -1, -1):
        other = done[place]
        if isinstance(other, Call):
            return None
        if isinstance(other, Launch) and (other.text, other.threads) == (command.text, command.threads):
            return place if other.has_room_for(command) and not waits(command, other) else None
    return None


def order_of(commands: Sequence[Command]) -> list[set[int]]:
    """For each command, which of those before it must be done first."""
    return [{i for i in range(number) if waits(command, commands[i])} for number, command in enumerate(commands)]


def waits(later: Command, earlier: Command) -> bool:
    """Whether a command must be done after an earlier one."""
    if isinstance(later, Call) or isinstance(earlier, Call):
        return True
    if isinstance(later, Operate) and isinstance(earlier, Operate):
        return True  # they work in one place
    reads, writes = later.reads, later.writes
    return _meet(writes, earlier.reads) or _meet(reads, earlier.writes) or _write_the_same(later, earlier)


def _write_the_same(some: Launch | Multiply | Operate, others: Launch | Multiply | Operate) -> bool:
    """Whether two commands write the same bytes; two pieces of an array lie between each other, and do not."""
    if not _meet(some.writes, others.writes):
        return False
    pairs = ((a, b) for a in _jobs(some) for b in _jobs(others) if _meet(a.writes, b.writes))
    return any(a.piece_of is None or a.piece_of != b.piece_of for a, b in pairs)


def _jobs(command: Launch | Multiply | Operate) -> tuple[Job, ...]:
    return command.jobs if isinstance(command, Launch) else (Job(0, 0, (), command.reads, command.writes),)


def _meet(some: frozenset[Span], others: frozenset[Span]) -> bool:
    return any(meet(a, b) for a in some for b in others)


def meet(some: Span, others: Span) -> bool:
    """Whether two ranges of bytes have some in common."""
    return some[0] == others[0] and some[1] < others[2] and others[1] < some[2]


def spans(command: Command) -> list[Span]:
    """The bytes that a command reads and those that it writes, for each job; of CuPy none are known."""
    if isinstance(command, Call):
        return []
    parts = command.jobs if isinstance(command, Launch) else (command,)
    return [span for part in parts for span in (*part.reads, *part.writes)]


def span_of(variable: Variable, place: Place) -> Span:
    """The bytes of a variable that lies at a place."""
    slot, start = place
    return slot, start, start + variable.dtype.itemsize * prod(variable.shape)
