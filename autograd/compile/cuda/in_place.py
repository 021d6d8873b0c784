"""In place: eager code that changes arrays, such as the rule of an optimizer, as one tape.

One idea: what CuPy does in a dozen launches, with an array for each step between, is one kernel; and the numbers of a
rule, which are others at each call, are worked out by Python and given to the kernel itself. Read `eager.py` first,
and `executor.py` next.
"""

# Note [Which way a rule goes]
# A rule may ask for the truth of a number, as in `if momentum`, and then goes one way or another. So a tape is right
# where all these questions have the answers that they had when it was made, and there is a tape for each way.

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ...backend import Array, device_of
from ...errors import DeviceError
from ...modes import unwatched
from ...writes import owner_of
from ..expression import Expression, function_of
from ..number import Number
from ..passes import simplified
from ..places import Fixed
from ..trace import Trace
from ..watch import watching
from .device import Device, eager_device, is_switched_off
from .loaded import Loaded, is_plain
from .tape import WORDS, Tape

__all__ = ["InPlace"]

Options = dict[str, Any]
Function = Callable[[Sequence[Array], Sequence[Array], Options], None]

_KINDS, _WAYS = 64, 8  # of arguments, and of each the ways, that are remembered


class InPlace:
    """`function(written, read, options)`, which changes the arrays `written` in place, as a tape.

    It is given bare arrays, and what it does depends on nothing besides. A call with arrays on a GPU says whether it
    was done; where it was not, it has to be done otherwise: at the first call with arrays of such shapes, where arrays
    do not lie in order or share memory, and where the function is more than kernels. Options that are floats or ints,
    or tuples of them, may be others at each call.
    """

    def __init__(self, function: Function) -> None:
        self.function = function
        self._known: dict[Any, list[_Way] | None] = {}  # by kind of arguments; None: it cannot be done
        self._lock = threading.Lock()

    def __call__(self, written: Sequence[Array], read: Sequence[Array], options: Options) -> bool:
        device = eager_device(device_of(written[0]))
        if device is None or _is_shared(written, read):
            return False
        arrays = [*written, *read]
        try:
            of_options = [(name, _kind_of(x)) for name, x in options.items()]
        except TypeError:
            return False
        key = (device, len(written), *[(x.shape, x.strides, x.dtype.num) for x in arrays], *of_options)
        ways = self._known.get(key)
        if ways is not None:
            if any(way(arrays, options) for way in ways):
                return True
            ways = ways if is_switched_off() else self._ways(device, written, read, options, ways)
        elif key not in self._known:
            ways = []  # so that the next call makes a tape
        with self._lock:
            if len(self._known) >= _KINDS:
                self._known.clear()
            self._known[key] = ways
        return ways[0](arrays, options) if ways else False

    def _ways(
        self, device: Device, written: Sequence[Array], read: Sequence[Array], options: Options, known: list[_Way]
    ) -> list[_Way] | None:
        """The ways known and that of this call, which comes first; None where it cannot be done."""
        if not all(x.size and x.flags.c_contiguous for x in (*written, *read)):
            return None
        try:
            made = _Way.of(self.function, device, written, read, options)
        except DeviceError as error:
            warnings.warn(f"rules of optimizers are left to CuPy: {error}", RuntimeWarning, stacklevel=2)
            return None
        return None if made is None else [made, *known[: _WAYS - 1]]


def _is_shared(written: Sequence[Array], read: Sequence[Array]) -> bool:
    """Whether what is read is part of memory that is written to: an element may be read after it was changed."""
    views = [owner_of(x) for x in read if x.base is not None]
    return bool(views) and any(owner is owner_of(x) for x in written for owner in views)


def _kind_of(option: Any) -> Any:
    """What of an option a tape is for: of numbers not their values. Raises TypeError for what may change unseen."""
    kind = type(option)
    if kind is tuple:
        return tuple(map(_kind_of, option))
    if kind in (int, float):
        return kind
    if kind in (bool, str, type(None)):
        return option
    raise TypeError(f"an option of a rule is a plain number, got a {kind.__name__}.")


class _Way:
    """The tape for one kind of arguments and one way, see Note [Which way a rule goes]."""

    def __init__(
        self, tape: Tape, device: Device, places: list[Fixed], names: list[str], guards: list[tuple[Expression, Any]]
    ) -> None:
        self.device = device
        plan, program = tape.plan, tape.program
        self._loaded = Loaded(tape, device, plan.constants())
        order = {id(place): i for i, place in enumerate(places)}  # of which a pass may have dropped some
        variables = [(variable, order[id(place)]) for place, variable in program.places]
        variables += [(variable, len(places) + i) for i, variable in enumerate(program.arguments)]
        self._inputs = [(plan.slots[variable], i) for variable, i in variables]
        again = {variable: expression for expression, variable in program.numbers}
        numbers = [again[variable] for variable in plan.numbers]
        self._words = range(WORDS, WORDS - len(numbers), -1)
        self._doubles, self._bits = (struct.Struct(f"{len(numbers)}{kind}") for kind in "dQ")
        self._ask = _worked_out([question for question, _ in guards], names)
        self._answers = [answer for _, answer in guards]
        self._work_out = _worked_out(numbers, names)

    @classmethod
    def of(
        cls, function: Function, device: Device, written: Sequence[Array], read: Sequence[Array], options: Options
    ) -> _Way | None:
        """The tape of a function for arrays and options like these; None where it is more than kernels."""
        trace = Trace()
        with unwatched(), watching(trace):
            places = [*map(Fixed, written)]
            changed, given = [*map(trace.capture, places)], [*map(trace.argument, read)]
            function(changed, given, {name: _in_trace(trace, name, options, x) for name, x in options.items()})
        program = trace.program
        program.writes = [(place, now.variable) for place, now, first in trace.captured if now.variable is not first]
        tape = Tape(simplified(program), eager=True)
        if len(program.places) > len(places) or len(tape.plan.in_place) < len(program.writes):
            return None
        return cls(tape, device, places, [*options], trace.guards) if is_plain(tape) else None

    def __call__(self, arrays: list[Array], options: Options) -> bool:
        """Whether these options lead this way; if so, it was gone."""
        if self._ask(**options) != self._answers:
            return False
        address = self.device.address
        at = self._loaded.addresses()
        for slot, i in self._inputs:
            at[slot] = address(arrays[i])
        bits = self._bits.unpack(self._doubles.pack(*self._work_out(**options)))
        for slot, word in zip(self._words, bits, strict=True):
            at[slot] = word
        self._loaded.start(at)
        return True


def _worked_out(expressions: list[Expression], names: list[str]) -> Callable[..., list[Any]]:
    """The function of options with these names that gives the values of expressions."""
    texts = ", ".join(expression.text for expression in expressions)
    return function_of([f"return [{texts}]"], [expression.scope for expression in expressions], ", ".join(names))


def _in_trace(trace: Trace, text: str, options: Options, option: Any) -> Any:
    """An option as a trace takes it: numbers are worked out anew from the options of each call."""
    if type(option) is tuple:
        return tuple(_in_trace(trace, f"{text}[{i}]", options, x) for i, x in enumerate(option))
    return Number(trace, Expression(text, options)) if type(option) in (int, float) else option
