"""Tape: a program as commands for a GPU, in order, with the source of their kernels.

One idea: the steps are those of the native executor, loops, products, moves; each becomes a command or two, and
commands that may as well run together become one. Nothing here needs a GPU. Read `executor.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator

from ...cuda.graphs import Operation
from ..native.dialect import HOST, Dialect
from ..native.expressions import CUDA_TYPES
from ..native.groups import Group
from ..native.kernels import Check, Kernel, Refs
from ..native.memory import Plan, reads_of
from ..native.moves import Move
from ..native.products import Product
from ..native.schedule import Call as Step
from ..native.stored import with_less_stored
from ..passes import for_blas
from ..program import Instruction, Program, Variable
from . import convolution, draws, nests, pooling
from .biases import with_biases
from .commands import Call, Command, Launch, Operate, Place, joined, spans
from .convolution import Convolution
from .cudnn import operation_of, with_statistics
from .draws import GENERATOR
from .epilogues import Pays, with_epilogues
from .header import HEADER
from .loops import loop_of
from .nests import Launches, written_move
from .operations import Does, Operated
from .products import Products
from .whole import with_whole_arrays
from .writer import FromPython, Sums

__all__ = ["NUMBERS", "RESERVED", "WORDS", "Tape"]

# Addresses besides those of the plan: numbers and draws; partial sums and packed factors; the first of the numbers that
# are no addresses but their own bits, from which on they go down, see `Tape`.
NUMBERS, RESERVED, WORDS = -1, -2, -3
_ALIGNED = 256  # bytes
_KERNELS = {**nests.KERNELS, **draws.KERNELS, **convolution.KERNELS, **pooling.KERNELS}


_LONGEST_ROW = 65_536  # elements that are kept: 128 in each of 512 lanes
_MOST_PARTS = 10_000  # of a joined array, of which a launch copies some 120
_MOST_ARRAYS = 480  # of a launch, which is given their addresses in 4 KB


def _nothing(operation: Operation) -> bool:
    return False


class Tape:
    """The `commands` of a program, their `source`, and the `names` of the kernels in it by their text.

    `plan` says where its variables lie; `reserved` is how many bytes it needs besides. `tf32` rounds what float32
    products multiply, see `autograd.cuda.matmul_precision`; `does` says what else the device can do, and `pays` which
    epilogues are worth it, none where it is None. `eager` is for commands that are given there and then: numbers from
    Python go to a kernel themselves, where for a recording, which is always given the same words, they lie in memory;
    and no launch is kept for others to share.
    """

    def __init__(
        self,
        program: Program,
        tf32: bool = False,
        does: Does = _nothing,
        pays: Pays | None = None,
        eager: bool = False,
    ) -> None:
        self._tf32, self._does, self._eager = tf32, does, eager
        products = (*HOST.products, "bfloat16")
        dialect = Dialect(self._kernel_of, CUDA_TYPES, products, _LONGEST_ROW, _MOST_PARTS, _MOST_ARRAYS)
        self.program, self.refs, steps = with_less_stored(with_whole_arrays(for_blas(program)), dialect)
        steps = with_biases(steps, self.program, self.refs, dialect)
        if pays is not None:
            steps = with_epilogues(steps, self.program, self.refs, dialect, tf32, pays)
        self.steps = with_statistics(steps, self.refs, does)
        self.plan = Plan(self.program, self.refs, self.steps, after=1)
        self.reserved = 0
        self.commands = joined(list(self._written()))
        operations = [command for command in self.commands if isinstance(command, Operate)]
        self.aligned = {slot for command in operations for _, (slot, _) in command.places}  # by ALIGNMENT
        launches = [command for command in self.commands if isinstance(command, Launch)]
        texts = dict.fromkeys(launch.source for launch in launches)
        self.names = {text: f"kernel{i}" for i, text in enumerate(texts)}
        kernels = (text.replace("@", name) for text, name in self.names.items())
        self.source = "\n".join([HEADER, GENERATOR, *kernels, ""])

    def __str__(self) -> str:
        size = self.plan.arena_bytes + self.reserved
        about = f"{size:,} bytes of working memory, {self.moved():,} read and written"
        lines = [f"cuda: {len(self.commands)} commands, {about}"]
        return "\n".join([*lines, *(f"{i:4} {command}" for i, command in enumerate(self.commands))])

    @property
    def last_word(self) -> int:
        """The address of the last number that is its own bits."""
        return WORDS - len(self.plan.numbers) + 1

    def moved(self) -> int:
        """The bytes that the commands read and write, at most: of an array of which one reads a part, all of it counts.

        What CuPy does is left out. Divided by the bytes that a GPU moves in a second it is a time that no call beats.
        """
        return sum(stop - start for command in self.commands for _, start, stop in spans(command))

    def _kernel_of(self, instruction: Instruction, refs: Refs) -> Kernel | None:
        whole = operation_of(instruction, refs, self._tf32, self._does)
        make = _KERNELS.get(instruction.name)
        return whole or (None if make is None else make(instruction, refs))

    def _written(self) -> Iterator[Command]:
        waiting: list[Sums] = []
        products = Products(self.plan, self._reserve, self._tf32)
        for step in self.steps:
            if waiting and {sums.out for sums in waiting} & set(reads_of(step, self.refs)):
                yield from (sums.launch for sums in waiting)
                waiting = []
            if isinstance(step, Group):
                launch, sums_of_group = loop_of(step, self.plan, self._number, self._reserve, self._eager)
                yield launch
                waiting += sums_of_group
            elif isinstance(step, Product):
                yield from products.commands(step)
            elif isinstance(step, Move):
                yield from written_move(step, self.plan)
            elif isinstance(step, Launches):
                yield from step.launches(self.plan)
            elif isinstance(step, Convolution):
                yield from step.commands(self.plan, self._tf32)
            elif isinstance(step, Operated):
                yield from step.commands(self.plan)
            elif isinstance(step, Step):
                yield Call(step.instruction)
            else:
                assert isinstance(step, Check)  # a wrong position shows as NaN, see Note [Wrong positions] in nests.py
        yield from (sums.launch for sums in waiting)

    def _number(self, variable: Variable) -> FromPython:
        order = self.plan.order(variable)
        return FromPython((WORDS - order, 0), True) if self._eager else FromPython((NUMBERS, 8 * order), False)

    def _reserve(self, size: int) -> Place:
        place = RESERVED, self.reserved
        self.reserved += -(-size // _ALIGNED) * _ALIGNED
        return place
