"""Eager code on a GPU: a fused function as a small tape, whose kernels are launched there and then.

One idea: what CuPy does in ten launches is one or two of ours, and the function that says what to do is there already:
the definition of a fused function, and the rule that follows from it. Read `loaded.py` next; `../native/eager.py` does
the same for the host.
"""

# Note [From the second call on]
# A tape is for arrays of certain shapes, and takes a fraction of a second to write and to compile. So the first call
# with arrays of new shapes is done as it always was, and shapes that never come back cost nothing.

# Note [As they lie]
# CuPy needs as long to start a copy as we to start a kernel. So a tape is for arrays as they lie, the heads of an
# attention for one, and its results lie as what they follow: the gradient of a transposed array is transposed too, and
# undoing that is a view. Whole numbers, whose values a trace asks for, are copied where they are not in order.

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...backend import Array, Module, device_of, host, is_array, is_floating, modules
from ...cuda.precision import is_tf32
from ...errors import DeviceError
from ...functional import vjp
from ...modes import autocast, casting
from ...ops.shape import permute_dims, reshape
from ...tensor import Tensor, wrap
from ..passes import simplified
from ..trace import program_of
from .device import Device, eager_device, is_switched_off
from .loaded import Loaded, is_plain
from .strided import memory_of, order_of, view_of
from .tape import Tape

__all__ = ["OnDevice", "kernel_on_device", "needed", "placed", "slopes_of"]

Options = dict[str, Any]
Needs = tuple[bool, ...]
Follows = Sequence[int | None]
Laid = tuple[tuple[int, ...], tuple[int, ...] | None]

_KINDS = 256  # of arguments that are remembered


class OnDevice:
    """`function(*tensors, **options)`, which gives a Tensor or several, as a tape.

    A call with arrays on a GPU, and None for what is not given, gives the results as new arrays, or None where it has
    to be done otherwise: at the first call with such arrays, see Note [From the second call on], and where the function
    is more than kernels and products. `follows` says for each result the number of the argument as which it shall lie,
    see Note [As they lie]; None has it lie in order.
    """

    def __init__(self, function: Callable[..., Any], follows: Callable[[Options], Follows] = lambda _: [0]) -> None:
        self.function, self.follows = function, follows
        self._known: dict[Any, _Made | None] = {}  # by kind of arguments; None: nothing is made, perhaps not yet
        self._waiting: set[Any] = set()  # kinds that were seen once
        self._lock = threading.Lock()

    def __call__(self, arrays: tuple[Any, ...], options: Options) -> tuple[Array, ...] | None:
        name = device_of(arrays[0])
        device = eager_device(name)
        if device is None:
            return None
        # The number of a dtype is had at once, its hash is worked out anew each time.
        kinds = [(x.shape, x.strides, x.dtype.num) if type(x) in modules else x for x in arrays]
        # 1.0 and a float64 of NumPy's are equal, but not all that is computed with them.
        key = (name, is_tf32(), *kinds, *options.items(), *map(type, options.values()))
        try:
            made = self._known[key]
        except KeyError:
            made = self._make(key, device, arrays, options)
        except TypeError:  # an option that is no plain value, such as a list
            return None
        return None if made is None else made(arrays)

    def or_module(self, arrays: tuple[Any, ...], options: Options) -> tuple[Array, ...]:
        """The results of a function that gives several, by the array module where there is no tape."""
        made = self(arrays, options)
        if made is None:
            made = tuple(x.data for x in self.function(*[None if x is None else wrap(x) for x in arrays], **options))
        return made

    def _make(self, key: Any, device: Device, arrays: tuple[Any, ...], options: Options) -> _Made | None:
        if is_switched_off():
            return None
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

    def _made(self, device: Device, arrays: tuple[Any, ...], options: Options) -> _Made | None:
        if not all(x is None or (is_array(x) and x.size) for x in arrays):
            return None
        if any(isinstance(x, host.generic) for x in options.values()):
            return None  # a kernel may take NumPy's numbers as Python's, where a definition does not
        try:
            return _Made.of(self.function, device, arrays, options, self.follows(options))
        except DeviceError as error:
            warnings.warn(f"fused functions are left to CuPy: {error}", RuntimeWarning, stacklevel=2)
            return None


def kernel_on_device(
    definition: Callable[..., Any], forward: Callable[..., Any], backward: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel of a fused function on a GPU: by tapes, and where there is none, by that given.

    The tapes follow from the definition and its rules, and keep nothing but the inputs.
    """
    value, slope = OnDevice(definition), OnDevice(slopes_of(definition), needed)

    def forward_or_tape(xp: Module, *inputs: Any, **options: Any) -> Any:
        made = None if casting() is not None else value(inputs, options)
        return forward(xp, *inputs, **options) if made is None else (made[0], _BY_TAPE)

    def backward_or_tape(
        xp: Module, g: Array, needs: Needs, inputs: tuple[Any, ...], residuals: Any, **options: Any
    ) -> Any:
        if residuals is not _BY_TAPE:
            return backward(xp, g, needs, inputs, residuals, **options)
        return placed(slope.or_module((g, *inputs), {"needs": needs, **options}), needs)

    return forward_or_tape, backward_or_tape


def slopes_of(definition: Callable[..., Any]) -> Callable[..., Any]:
    """The function from g, the gradient of the definition's result, and its inputs to the gradients of those needed."""

    def slopes(g: Tensor, *inputs: Any, needs: Needs, **options: Any) -> Any:
        def of_needed(*chosen: Tensor) -> Any:
            left = iter(chosen)
            given = [next(left) if need else x for x, need in zip(inputs, needs, strict=True)]
            return definition(*given, **options)

        with autocast(enabled=False):  # what was not rounded forward is not backward, wherever that runs
            return vjp(of_needed, *(x for x, need in zip(inputs, needs, strict=True) if need))[1](g)

    return slopes


def needed(options: Options) -> list[int]:
    """The arguments that the gradients of `slopes_of` belong to, by their numbers: g comes before the inputs."""
    return [1 + i for i, need in enumerate(options["needs"]) if need]


def placed(gradients: Iterable[Array], needs: Needs) -> tuple[Array | None, ...]:
    """The gradients of the inputs that need one, with None for the others."""
    pieces = iter(gradients)
    return tuple([next(pieces) if need else None for need in needs])


_BY_TAPE = object()  # what such a kernel keeps beside its inputs


class _Made:
    """The tape for one kind of arguments, loaded.

    `takes` are the numbers of the arguments that are arrays, `packs` of those that are copied first. `laid` has for
    each result its shape in memory, and the order of axes that makes it what was asked for, None where it is that.
    """

    def __init__(self, tape: Tape, device: Device, takes: list[int], packs: set[int], laid: list[Laid]) -> None:
        self.device, self.packs = device, packs
        plan = tape.plan
        held = [(variable, place.get()) for place, variable in tape.program.places]  # by the function, such as a mask
        self._loaded = Loaded(tape, device, [*plan.constants(), *held])
        self._inputs = [(plan.slots[v], i) for v, i in zip(tape.program.arguments, takes, strict=True)]
        self._outputs = [
            (plan.slots[base], *lies, base.dtype) for (_, base), lies in zip(plan.fresh, laid, strict=True)
        ]

    @classmethod
    def of(
        cls, function: Callable[..., Any], device: Device, arrays: tuple[Any, ...], options: Options, follows: Follows
    ) -> _Made | None:
        """The tape of a function for arrays like these; None where CuPy would have a part in it, or chance."""
        views = [None if x is None or not is_floating(x.dtype) else view_of(x) for x in arrays]
        packs = {i for i, x in enumerate(arrays) if x is not None and views[i] is None and not x.flags.c_contiguous}
        laid: list[Laid] = []

        def on_memory(*memory: Any, **options: Any) -> list[Tensor]:
            given = [x if view is None else view(x) for x, view in zip(memory, views, strict=True)]
            results = function(*given, **options)
            results = (results,) if isinstance(results, Tensor) else results
            flat = []
            for result, i in zip(results, follows, strict=True):
                order = None if i is None or result.ndim != arrays[i].ndim else order_of(arrays[i])
                lies = result if order is None else permute_dims(result, order)
                laid.append((lies.shape, None if order is None else tuple(map(order.index, range(len(order))))))
                flat.append(reshape(lies, -1))
            return flat

        memory = [x if view is None else memory_of(x, view) for x, view in zip(arrays, views, strict=True)]
        program = program_of(on_memory, memory, options)
        if program.numbers or not all(isinstance(place.get(), host.ndarray) for place, _ in program.places):
            return None
        tape = Tape(simplified(program), is_tf32(), eager=True)
        if tape.plan.numbers or not is_plain(tape):
            return None
        if len(tape.plan.fresh) < len(laid):  # a result is an argument, or another result, as it is
            return None
        return cls(tape, device, [i for i, x in enumerate(arrays) if x is not None], packs, laid)

    def __call__(self, arrays: tuple[Any, ...]) -> tuple[Array, ...]:
        address, empty = self.device.address, self.device.empty
        given = [x.copy() if i in self.packs else x for i, x in enumerate(arrays)] if self.packs else arrays
        at = self._loaded.addresses()
        for slot, i in self._inputs:
            at[slot] = address(given[i])
        results = []
        for slot, shape, axes, dtype in self._outputs:
            result = empty(shape, dtype)
            at[slot] = address(result)
            results.append(result if axes is None else result.transpose(axes))
        self._loaded.start(at)
        return tuple(results)
