"""Steps: several calls of a program as one recording, so that the host asks for all of them at once.

One idea: the commands of each step are those of a call; only what a call is given and what it gives lie elsewhere: its
numbers in a row of their own, each argument and each result in a slice of its own. Parameters, state, gradients and
working memory lie where they always do, so that a step finds what the one before it left. Read `gpu.py` next.
"""

# Note [Slices begin as arrays do]
# cuBLASLt chooses an algorithm by how its arrays are aligned, and another may round in another way. So a slice begins
# where an array of its own might, at a multiple of 256 bytes; arguments are copied there, and results from there.

from __future__ import annotations

from collections.abc import Callable, Iterable, Set
from math import prod
from typing import Any

from ...cuda.blas import ALIGNMENT
from ..program import Program, Variable
from .commands import order_of
from .device import Device, Run
from .numbers import Numbers
from .tape import Tape

__all__ = ["Steps"]

Bind = Callable[[dict[int, int]], list[Run]]  # the commands of a call, with these addresses in the place of its own


class Steps:
    """`count` calls as one; `stay` are the numbers of those results that are the same array after every call."""

    def __init__(self, device: Device, tape: Tape, count: int, stay: Set[int]) -> None:
        program: Program = tape.program
        slots = tape.plan.slots
        self.count, self._device = count, device
        self.numbers = Numbers(device, tape.plan, count)
        self._arguments = [(slots[v], _Slices(device, v, v.shape, count)) for v in program.arguments]
        self._results = [
            (slots[v], _Slices(device, v, program.results[i].shape, count)) for i, v in tape.plan.fresh if i not in stay
        ]
        order, many = order_of(tape.commands), len(tape.commands)
        self._after = [  # a step comes after all of the one before
            {first + i for i in needed} | set(range(max(0, first - many), first))
            for first in range(0, count * many, many)
            for needed in order
        ]
        self._bound: list[list[Run]] = []  # the commands of each step
        self._play: Run | None = None

    def forget(self) -> None:
        """Some address is another than before."""
        self._bound, self._play = [], None

    def __call__(self, arguments: Iterable[Any], done: int, bind: Bind) -> list[Any]:
        """Do the first `done` steps, whose numbers stand in their rows; gives the results of each kind as one array.

        `arguments` have the slices of all steps.
        """
        self.numbers.send()
        for (_, slices), array in zip(self._arguments, arguments, strict=True):
            self._device.copy(slices.inside, array.reshape(slices.inside.shape))
        if not self._bound:
            self._bound = [bind(self._addresses(step)) for step in range(self.count)]
        if done == self.count:
            self._play = self._play or self._device.record([run for runs in self._bound for run in runs], self._after)
            self._play()
        else:
            for runs in self._bound[:done]:
                for run in runs:
                    run()
        return [slices.inside[:done].copy().reshape((done, *slices.shape)) for _, slices in self._results]

    def _addresses(self, step: int) -> dict[int, int]:
        slices = {slot: known.start + step * known.size for slot, known in (*self._arguments, *self._results)}
        return {**self.numbers.addresses(step), **slices}


class _Slices:
    """Memory for one variable of each step; see Note [Slices begin as arrays do]."""

    def __init__(self, device: Device, variable: Variable, shape: tuple[int, ...], count: int) -> None:
        self.shape, length = shape, prod(shape)
        each = variable.dtype.itemsize
        self.size = -(-length * each // ALIGNMENT) * ALIGNMENT  # bytes from slice to slice
        memory = device.empty((count, self.size // each), variable.dtype)
        self.start = device.address(memory)
        self.inside = memory[:, :length]
