"""In place, on a GPU: the rule of an optimizer as one kernel.

One idea: what CuPy does in a dozen launches, with an array for each step between, is one kernel, and the numbers of a
rule are among the words that it is launched with. Read `eager.py` first, and `executor.py` next.
"""

from __future__ import annotations

import struct
import warnings
from collections.abc import Hashable, Sequence

from ...backend import Array, device_of
from ...errors import DeviceError
from ..in_place import InPlace, Made
from ..passes import simplified
from ..program import Program
from .device import Device, device_named, eager_device, is_switched_off
from .loaded import Loaded, is_plain
from .tape import WORDS, Tape

__all__ = ["InTape"]


class InTape(InPlace):
    """`function(written, read, options)` of arrays on a GPU, as a tape of kernels."""

    @staticmethod
    def takes(array: Array) -> bool:
        return eager_device(device_of(array)) is not None and not is_switched_off()

    def kind(self, arrays: list[Array]) -> tuple[Hashable, None]:
        return (device_of(arrays[0]), *[(x.shape, x.strides, x.dtype.num) for x in arrays]), None

    def samples(self, arrays: Sequence[Array], first: Array) -> Sequence[Array]:
        return arrays

    def make(self, program: Program, arrays: list[Array]) -> Made | None:
        tape = Tape(simplified(program), eager=True)
        if len(tape.plan.in_place) < len(program.writes) or not is_plain(tape):
            return None
        try:
            return _InTape(tape, device_named(device_of(arrays[0])))
        except DeviceError as error:
            warnings.warn(f"rules of optimizers are left to CuPy: {error}", RuntimeWarning, stacklevel=2)
            return None


class _InTape:
    def __init__(self, tape: Tape, device: Device) -> None:
        self.device, self.program, self.plan, self.text = device, tape.program, tape.plan, tape
        self._loaded = Loaded(tape, device, tape.plan.constants())
        count = len(tape.plan.numbers)
        self._words = range(WORDS, WORDS - count, -1)
        self._doubles, self._bits = (struct.Struct(f"{count}{kind}") for kind in "dQ")

    def __call__(self, arrays: list[tuple[int, Array]], numbers: list[float]) -> None:
        address, at = self.device.address, self._loaded.addresses()
        for slot, array in arrays:
            at[slot] = address(array)
        for word, bits in zip(self._words, self._bits.unpack(self._doubles.pack(*numbers)), strict=True):
            at[word] = bits
        self._loaded.start(at)
