"""Eager code on a GPU: a fused function as a small tape, whose kernels are launched there and then.

One idea: what CuPy does in ten launches is one or two of ours, and the function that says what to do is there already:
the definition of a fused function, and the rule that follows from it. Read `tape.py` next; `../native/eager.py` does
the same for the host.
"""

# Note [From the second call on]
# A tape is for arrays of certain shapes, and takes a fraction of a second to write and to compile. So the first call
# with arrays of new shapes is done as it always was, and shapes that never come back cost nothing.

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

from ...backend import Array, Module, device_of, host, is_array, module_of
from ...cuda.precision import is_tf32
from ...errors import DeviceError
from ...functional import vjp
from ...modes import casting
from ...tensor import Tensor, wrap
from ..passes import simplified
from ..program import Variable
from ..trace import program_of
from .commands import Call, Command, Launch, Multiply
from .device import Device, eager_device
from .executor import sizes_of, view_of
from .tape import NUMBERS, RESERVED, Tape

__all__ = ["OnDevice", "kernel_on_device"]

_KINDS = 256  # of arguments that are remembered


class OnDevice:
    """`function(*tensors, **options)`, which gives a Tensor or several, as a tape.

    A call with arrays on a GPU, and None for what is not given, gives the results as new arrays, or None where it has
    to be done otherwise: at the first call with such arrays, see Note [From the second call on], and where the function
    is more than kernels and products.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self._known: dict[Any, _Made | None] = {}  # by kind of arguments; None: nothing is made, perhaps not yet
        self._waiting: set[Any] = set()  # kinds that were seen once
        self._lock = threading.Lock()

    def __call__(self, arrays: tuple[Any, ...], options: dict[str, Any]) -> tuple[Array, ...] | None:
        name = device_of(arrays[0])
        device = eager_device(name)
        if device is None:
            return None
        key = (name, is_tf32(), *map(_kind, arrays), *options.items())
        try:
            made = self._known[key]
        except KeyError:
            made = self._make(key, device, arrays, options)
        except TypeError:  # an option that is no plain value, such as a list
            return None
        return None if made is None else made(arrays)

    def _make(self, key: Any, device: Device, arrays: tuple[Any, ...], options: dict[str, Any]) -> _Made | None:
        with self._lock:
            if key not in self._waiting:
                if len(self._waiting) == _KINDS:
                    self._waiting.clear()
                    self._known.clear()
                self._waiting.add(key)
                return None
            if key not in self._known:
                self._known[key] = self._made(device, arrays, options)
            return self._known[key]

    def _made(self, device: Device, arrays: tuple[Any, ...], options: dict[str, Any]) -> _Made | None:
        if not all(x is None or (is_array(x) and x.size) for x in arrays):
            return None
        try:
            return _Made.of(self.function, device, arrays, options)
        except DeviceError as error:
            warnings.warn(f"fused functions are left to CuPy: {error}", RuntimeWarning, stacklevel=2)
            return None


def _kind(x: Any) -> Any:
    return (x.shape, x.dtype) if is_array(x) else x


def kernel_on_device(
    definition: Callable[..., Any], forward: Callable[..., Any], backward: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel of a fused function on a GPU: by tapes, and where there is none, by that given.

    The tapes follow from the definition and its rules, and keep nothing but the inputs.
    """
    value = OnDevice(definition)

    def slopes(g: Tensor, *inputs: Any, needs: tuple[bool, ...], **options: Any) -> Any:
        def of_needed(*needed: Tensor) -> Any:
            left = iter(needed)
            given = [next(left) if need else x for x, need in zip(inputs, needs, strict=True)]
            return definition(*given, **options)

        return vjp(of_needed, *(x for x, need in zip(inputs, needs, strict=True) if need))[1](g)

    slope = OnDevice(slopes)

    def forward_or_tape(xp: Module, *inputs: Any, **options: Any) -> Any:
        made = None if casting() is not None else value(inputs, options)
        return forward(xp, *inputs, **options) if made is None else (made[0], _BY_TAPE)

    def backward_or_tape(
        xp: Module, g: Array, needs: tuple[bool, ...], inputs: tuple[Any, ...], residuals: Any, **options: Any
    ) -> Any:
        if residuals is not _BY_TAPE:
            return backward(xp, g, needs, inputs, residuals, **options)
        made = slope((g, *inputs), {"needs": needs, **options})
        if made is None:
            tensors = [None if x is None else wrap(x) for x in inputs]
            made = tuple(x.data for x in slopes(wrap(g), *tensors, needs=needs, **options))
        pieces = iter(made)
        return tuple(next(pieces) if need else None for need in needs)

    return forward_or_tape, backward_or_tape


_BY_TAPE = object()  # what such a kernel keeps beside its inputs


class _Made:
    """The tape for one kind of arguments, loaded."""

    def __init__(self, tape: Tape, device: Device, takes: list[int]) -> None:
        self.tape, self.device, self.takes = tape, device, takes
        plan = tape.plan
        self._library = device.library(tape.source)
        self._starts = [self._start(command) for command in tape.commands]
        self._inputs = [plan.slots[variable] for variable in tape.program.arguments]
        self._outputs = [
            (number, plan.slots[base], base.dtype, tape.program.results[number].shape) for number, base in plan.fresh
        ]
        fresh = {number for number, _ in plan.fresh}
        # What lies in another array, or otherwise than a new one, is copied from there.
        self._copied = [(i, tape.refs[v]) for i, v in enumerate(tape.program.results) if i not in fresh]
        self._rooms = [(slot, size) for slot, size in ((0, plan.arena_bytes), (RESERVED, tape.reserved)) if size]
        self._fixed: dict[int, Any] = {}
        held = [(variable, place.get()) for place, variable in tape.program.places]  # by the function, such as a mask
        for variable, array in [*plan.constants(), *held]:
            copy = device.empty(variable.shape, variable.dtype)
            copy[...] = module_of(copy).asarray(host.ascontiguousarray(array))
            self._fixed[plan.slots[variable]] = copy

    def _start(self, command: Command) -> Callable[[dict[int, int], int], Any]:
        """What gives a command, with the addresses of a call, on a stream."""
        if isinstance(command, Launch):
            sizes, places = sizes_of(command), [place for job in command.jobs for place in job.places]
            name, count = self.tape.names[command.source], len(sizes) + len(places)
            launch = self._library.launcher(name, command.blocks, command.threads, count)
            return lambda at, stream: launch(sizes + [at[slot] + start for slot, start in places], stream)
        assert isinstance(command, Multiply)  # cuDNN is slow to ask, and left to recordings
        multiply = self.device.multiplier(command.product)
        (a, in_a), (b, in_b), (c, in_c) = command.a, command.b, command.c
        bias, in_bias = command.bias or (NUMBERS, 0)
        return lambda at, stream: multiply(at[a] + in_a, at[b] + in_b, at[c] + in_c, at[bias] + in_bias, stream)

    @classmethod
    def of(
        cls, function: Callable[..., Any], device: Device, arrays: tuple[Any, ...], options: dict[str, Any]
    ) -> _Made | None:
        """The tape of a function for arrays like these; None where CuPy would have a part in it, or chance."""
        program = program_of(function, arrays, options)
        if program.numbers or not all(isinstance(place.get(), host.ndarray) for place, _ in program.places):
            return None
        tape = Tape(simplified(program), is_tf32())
        plan = tape.plan
        if plan.numbers or plan.draws or any(isinstance(command, Call) for command in tape.commands):
            return None
        return cls(tape, device, [i for i, x in enumerate(arrays) if x is not None])

    def __call__(self, arrays: tuple[Any, ...]) -> tuple[Array, ...]:
        device, address = self.device, self.device.address
        memory: dict[int, Any] = dict(self._fixed)  # the array behind each address
        for slot, i in zip(self._inputs, self.takes, strict=True):
            memory[slot] = arrays[i] if arrays[i].flags.c_contiguous else arrays[i].copy()
        results: list[Any] = [None] * len(self.tape.program.results)
        for number, slot, dtype, shape in self._outputs:
            results[number] = memory[slot] = device.empty(shape, dtype)
        for slot, size in self._rooms:
            memory[slot] = device.empty((size,), "uint8")
        at = {NUMBERS: 0, **{slot: address(array) for slot, array in memory.items()}}
        stream = device.stream
        for start in self._starts:
            start(at, stream)
        for number, ref in self._copied:
            results[number] = view_of(self._base(ref.base, memory), ref).copy()
        return tuple(results)

    def _base(self, base: Variable, memory: dict[int, Any]) -> Any:
        """The memory of a variable as an array."""
        slot, offset = self.tape.plan.place(base)
        if slot:
            return memory[slot].reshape(base.shape)
        return memory[0][offset : offset + base.nbytes].view(base.dtype).reshape(base.shape)
