"""Loaded: a tape of eager code on its device, ready to be told where its arrays are.

One idea: the arrays of eager code are others at each call, so all that can be made ready before is made, and a call
only fills in addresses and starts the commands there and then. Read `in_place.py` next, and `tape.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...backend import Array, host, module_of
from ...cuda.blas import ALIGNMENT
from ..program import Variable
from .commands import Call, Command, Launch, Multiply
from .device import Device
from .executor import sizes_of
from .tape import NUMBERS, RESERVED, Tape

__all__ = ["Loaded", "is_plain"]

_BYTE = host.dtype("uint8")


def is_plain(tape: Tape) -> bool:
    """Whether a tape is kernels and products alone: neither CuPy has a part in it, nor chance."""
    return not tape.plan.draws and not any(isinstance(command, Call) for command in tape.commands)


class Loaded:
    """The commands of a tape, to be given addresses at each call; `held` are arrays that are always the same."""

    def __init__(self, tape: Tape, device: Device, held: list[tuple[Variable, Array]]) -> None:
        self.device = device
        self._library = device.library(tape.source)
        self._starts = [self._start(command, tape) for command in tape.commands]
        slots = tape.plan.slots
        self._reserved = -(-tape.plan.arena_bytes // ALIGNMENT) * ALIGNMENT  # where it begins, behind the arena
        self._room = (self._reserved + tape.reserved,)
        self._at = [0] * (1 + max(slots.values()) - min(NUMBERS, RESERVED, tape.last_word))  # by slot, from either end
        self._held = []
        for variable, array in held:
            copy = device.empty(variable.shape, variable.dtype)
            copy[...] = module_of(copy).asarray(host.ascontiguousarray(array))
            self._held.append(copy)
            self._at[slots[variable]] = device.address(copy)

    def _start(self, command: Command, tape: Tape) -> Callable[[list[int], int], Any]:
        """What gives a command, with the addresses of a call, on a stream."""
        if isinstance(command, Launch):
            sizes, places = sizes_of(command), [place for job in command.jobs for place in job.places]
            name = tape.names[command.source]
            launch = self._library.launcher(name, command.blocks, command.threads, sizes, len(places))
            return lambda at, stream: launch([at[slot] + start for slot, start in places], stream)
        assert isinstance(command, Multiply)  # cuDNN is slow to ask, and left to recordings
        multiply = self.device.multiplier(command.product)
        (a, in_a), (b, in_b), (c, in_c) = command.a, command.b, command.c
        bias, in_bias = command.bias or (NUMBERS, 0)
        return lambda at, stream: multiply(at[a] + in_a, at[b] + in_b, at[c] + in_c, at[bias] + in_bias, stream)

    def addresses(self) -> list[int]:
        """Those of what is held, by slot, among which a call fills in its own."""
        return self._at.copy()

    def start(self, at: list[int]) -> None:
        """Start the commands with these addresses."""
        device = self.device
        if self._room[0]:
            room = device.empty(self._room, _BYTE)
            at[0] = device.address(room)
            at[RESERVED] = at[0] + self._reserved
        stream = device.stream
        for start in self._starts:
            start(at, stream)
