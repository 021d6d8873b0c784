"""Operations: what a step needs to be one or more operations of cuDNN.

One idea: cuDNN is told addresses, so each operand must lie as it wants it; one that does not is copied first, to the
scratch memory of the step, where what passes from one operation to the next lies too. Read `cudnn.py` next, which
describes the operations; `convolution.py` has its scratch memory from here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import KW_ONLY, dataclass
from math import prod
from typing import NamedTuple

from ...backend import host
from ...cuda.cudnn import ALIGNMENT
from ...cuda.graphs import Operation
from ..native.kernels import Kernel, Memory
from ..native.layout import Ref
from ..program import Variable
from .commands import Command, Launch, Operate, Place, Span, span_of
from .nests import packed_copy

__all__ = ["Does", "Operands", "Operated", "Room", "Spot", "is_aligned", "operate"]

_BLOCK = 256  # bytes

Does = Callable[[Operation], bool]  # whether a device has a way of its own


@dataclass
class Operated(Kernel):
    """An instruction that is done by operations; `commands` are given where all lies."""

    _: KW_ONLY
    commands: Callable[[Memory], Iterator[Command]]


class Spot(NamedTuple):
    """Where something lies: its first byte, and the bytes within which all of it is."""

    place: Place
    span: Span

    @classmethod
    def of(cls, ref: Ref, memory: Memory) -> Spot:
        """That of what a variable names."""
        slot, start = memory.place(ref.base)
        return cls((slot, start + ref.offset * ref.base.dtype.itemsize), span_of(ref.base, (slot, start)))

    def on(self, bytes_: int) -> Spot:
        """The same, so many bytes on."""
        slot, start = self.place
        return self._replace(place=(slot, start + bytes_))


class Room:
    """The scratch memory of a step, given away piece by piece."""

    def __init__(self) -> None:
        self.taken = 0
        self._variable = Variable(-1, (0,), host.dtype("uint8"))

    def take(self, size: int) -> int:
        """So many bytes: where they begin."""
        start, self.taken = self.taken, self.taken + -(-size // _BLOCK) * _BLOCK
        return start

    @property
    def scratch(self) -> Variable | None:
        """The variable that stands for all of it; None where nothing was taken."""
        self._variable.shape = (self.taken,)
        return self._variable if self.taken else None

    def spot(self, memory: Memory, start: int, size: int) -> Spot:
        """A piece of it."""
        slot, begin = memory.place(self._variable)
        return Spot((slot, begin + start), (slot, begin + start, begin + start + size))


class Operands:
    """The operands of a step, of which those that do not lie `well` are copied."""

    def __init__(self, reads: list[Ref], room: Room, well: Callable[[Ref], bool]) -> None:
        self.reads, self.room = reads, room
        self.copies = {ref: room.take(_bytes(ref)) for ref in dict.fromkeys(reads) if not well(ref)}

    def copied(self, memory: Memory) -> list[Launch]:
        """What copies them."""
        return [packed_copy(ref, self.spot(ref, memory).place, memory) for ref in self.copies]

    def spot(self, ref: Ref, memory: Memory) -> Spot:
        """Where an operand is to be read."""
        if ref in self.copies:
            return self.room.spot(memory, self.copies[ref], _bytes(ref))
        return Spot.of(ref, memory)


def _bytes(ref: Ref) -> int:
    return prod(ref.shape) * int(ref.base.dtype.itemsize)


def is_aligned(ref: Ref) -> bool:
    """Whether it begins where cuDNN may read, if its base does."""
    return ref.offset * ref.base.dtype.itemsize % ALIGNMENT == 0


def operate(operation: Operation, spots: Mapping[str, Spot], about: str) -> Operate:
    """The command of an operation whose arrays are at these spots."""
    reads = frozenset(spots[role].span for role in operation.reads)
    writes = frozenset(spots[role].span for role in operation.writes)
    return Operate(operation, tuple((role, spot.place) for role, spot in spots.items()), reads, writes, about)
