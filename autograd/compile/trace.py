"""Trace: one call of a function, written down as a program.

One idea: the function runs once, on Traced copies of real arrays. What it reads from outside (a parameter, a running
mean, an optimizer's state) is captured where it lives, as a place, and found there again at each call; whatever it
changes is written back there at the end. If it fails on the way nothing has been changed. Read `effects.py` next.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from ..backend import Backend, device_of, host, is_array, is_floating, move, plain, register_backend, to_host
from ..batching import Batched, every_example
from ..draws import Draw
from ..errors import DeviceError, GradientError, TraceError
from ..modes import enable_grad, is_tracing, unwatched
from ..random import Generator
from ..tensor import Tensor, wrap
from ..writes import owner_of
from .expression import Expression, named
from .hollow import hollow, hollow_like
from .number import Number
from .once import Ended
from .places import DataOf, Fixed, GradOf, Item
from .program import Instruction, Program, Variable, layout_of
from .surroundings import questions_about_methods
from .traced import KEPT, Traced, record, tracer
from .watch import check_grad, data_of, has_grad, paused, watching

__all__ = ["Trace", "program_of"]


# Note [Tracing for a device]
# What a trace needs of values are their shapes and dtypes, so a step on a GPU is traced on the host, with NumPy; the
# program is then for the GPU, see `cuda/executor.py`. Floats stay where they are: zeros stand for them, and whatever is
# computed from them costs next to nothing, see `hollow.py`. Whole numbers, which may be places in an array, are copied
# and computed. Mixing devices is the error that it is in eager code, but where the host's are constants or random
# numbers. What a step is told of a device is where its arrays are, not where it is traced.


# Note [Reshaped places]
# Whether a reshape gives a view or a copy depends on how the array lies, and with it who sees what is written there. So
# a trace works on arrays that lie as the real ones do, and where it reshapes one, another array at that place has to
# lie alike.


class TracedDraw:
    """A draw of random numbers whose number is another at each call."""

    def __init__(self, trace: Trace, generator: Generator) -> None:
        name, scope = named(generator)
        self._trace = trace
        self.again = Expression(f"{name}.take()", scope)
        self.value = generator.take()

    def __getattr__(self, name: str) -> Any:
        function = getattr(Draw, name)

        def made(*inputs: Any, **options: Any) -> Any:
            given = inspect.signature(function).bind(self, *inputs, **options)
            if given.arguments.get("device", "cpu") != "cpu":
                self._trace.works_on(device_of(move(host.empty(0), given.arguments["device"])))
                given.arguments["device"] = "cpu"  # they are made where the program runs
            return record(f"draw.{name}", function, given.args, given.kwargs)

        return made


class Trace:
    """What a function reads, does, and leaves behind."""

    def __init__(self) -> None:
        self.program = Program()
        self.guards: list[tuple[Expression, Any]] = []  # questions, with the answers that this program is for
        self.effects: list[Callable[[], Any]] = []  # what Python has to do after each call
        self.captured: list[tuple[Any, Traced, Variable]] = []
        self.data: dict[int, tuple[Tensor, Traced]] = {}  # of Tensors from outside, by id
        self.grads: dict[int, tuple[Tensor, Tensor | None]] = {}  # those assigned, by id
        self.found: dict[int, tuple[Tensor, Tensor | None]] = {}  # those that were there before
        self._fixed: dict[int, tuple[Any, Traced]] = {}  # with the array, so that no other takes its id
        self.arguments: list[tuple[Traced, Variable]] = []
        self.given: list[Any] = []  # the arguments' own arrays
        self.tensors: list[tuple[Tensor, Traced]] = []  # the Tensors around the arguments
        self.slots: dict[tuple[int, str], tuple[Tensor, Any]] = {}  # what else was assigned to Tensors from outside
        self._numbers: dict[Any, Variable] = {}
        self._answers: dict[str, Any] = {}
        self.made: dict[int, Any] = {}  # the Modules that are made in it, by id
        self._attended: dict[int, Any] = {}
        self._called: dict[int, Any] = {}
        self._draws: list[tuple[Generator, Draw]] = []
        self._items: dict[tuple[int, str], Traced] = {}
        self._grown: Counter[tuple[int, str]] = Counter()  # by how much a number of a dictionary has grown
        self._lying: set[int] = set()  # the Traced of which it counts how they lie in memory, by id
        self._count = 0
        self.device: str | None = None  # where the arrays from outside are

    # Writing down

    def variable(self, value: Any) -> Variable:
        """A new variable for this value."""
        self._count += 1
        if is_array(value) or isinstance(value, host.generic):
            return Variable(self._count, value.shape, value.dtype, layout_of(value))
        return Variable(self._count, (), None)

    def emit(
        self, name: str, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any], value: Any
    ) -> Variable:
        """Write down one call whose result is like `value`; gives the variable of the result."""
        out = self.variable(value)
        self.program.instructions.append(Instruction(name, function, inputs, options, out))
        return out

    def call(self, name: str, function: Callable[..., Any], inputs: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Call a function of our own (see `instruction.py`) on the values, and write it down as one."""
        return record(name, function, inputs, options)

    def values(self, tree: Any) -> Any:
        """The real values of inputs."""
        return _mapped(tree, lambda x: x.value)

    def names(self, tree: Any) -> Any:
        """The variables of inputs."""
        return _mapped(tree, self._name, arrays=True)

    def _name(self, x: Any) -> Any:
        if isinstance(x, Traced):
            if x.trace is not self:
                raise TraceError(
                    "an array of an earlier trace was kept, in an attribute, a list or a cache such as lru_cache, and "
                    f"used again. {KEPT}"
                )
            return x.variable
        if is_array(x):
            return self.lift(x).variable
        key = x.again.text if isinstance(x, Number) else x  # every draw is another
        if key not in self._numbers:
            self._numbers[key] = self.variable(None)
            self.program.numbers.append((x.again, self._numbers[key]))
        return self._numbers[key]

    # What comes from outside

    def _copied(self, array: Any) -> Any:
        """The values of an array, for the trace to work on; see Note [Tracing for a device]."""
        device = device_of(array)
        self.works_on(device)
        if device == "cpu":
            return _copy_as_it_lies(array)
        return hollow_like(array) if is_floating(array.dtype) else to_host(array)

    def works_on(self, device: str) -> None:
        """Note that there are arrays on this device. Raises DeviceError where others are elsewhere."""
        self.device = self.device or device
        if device != self.device:
            raise DeviceError(
                f'a compiled function works on arrays of "{self.device}" and also reads one of "{device}": move '
                "everything to one of them with .to(device)."
            )

    @property
    def _is_hollow(self) -> bool:
        """Whether floats have no values here; see Note [Tracing for a device]."""
        return self.device not in (None, "cpu")

    def done(self, function: Callable[..., Any], values: Any, options: dict[str, Any]) -> Any:
        """What a function gives for these values."""
        found = hollow(function, values, options) if self._is_hollow else None
        return function(*values, **options) if found is None else found

    def assign(self, array: Any, key: Any, value: Any) -> None:
        """Write into the values of an array."""
        if not (self._is_hollow and is_floating(array.dtype)):
            array[key] = value

    def argument(self, array: Any) -> Traced:
        """One of the arrays with which the function is called."""
        variable = self.variable(array)
        self.program.arguments.append(variable)
        traced = Traced(self, self._copied(array), variable)
        self.arguments.append((traced, variable))
        self.given.append(array)
        return traced

    def wrapped(self, argument: Traced) -> Tensor:
        """An argument as the Tensor that it is for the function."""
        tensor = wrap(argument)
        self.tensors.append((tensor, argument))
        return tensor

    def capture(self, place: Any) -> Traced:
        """The array at a place, which the function may change."""
        array = place.get()
        variable = self.variable(array)
        fixed = isinstance(place, Fixed) and isinstance(array, host.ndarray)
        traced = Traced(self, _copy_as_it_lies(array) if fixed else self._copied(array), variable)
        self.program.places.append((place, variable))
        self.captured.append((place, traced, variable))
        return traced

    def lift(self, array: Any) -> Any:
        """An array that the function holds, for reading. One on the host may be read on any device."""
        if isinstance(array, (Batched, Traced)):
            return array
        if id(array) not in self._fixed:
            self._fixed[id(array)] = array, self.capture(Fixed(plain(array)))
        return self._fixed[id(array)][1]

    def writes_into(self, traced: Traced) -> None:
        """Note who holds the array behind one that is written to. See Note [Made inside] in effects.py."""
        for place, other, _ in self.captured:
            if other is traced and isinstance(place, Fixed):
                place.holders()

    def reads(self, array: Any) -> bool:
        """Whether the program finds the numbers of this array, or some of them, at each call."""
        owner = owner_of(array)
        return any(owner_of(place.get()) is owner for place, _, _ in self.captured)

    def lies(self, traced: Traced) -> None:
        """Note that what is done with an array, or with what it is a view of, depends on how that lies in memory."""
        while traced.base is not None:
            traced = traced.base
        self._lying.add(id(traced))

    def laid(self) -> list[Any]:
        """The places whose arrays must lie in memory as they do now. See Note [Reshaped places]."""
        return [place for place, traced, _ in self.captured if id(traced) in self._lying]

    def option(self, table: dict[str, Any], name: str) -> Any:
        """An option of a group: numbers may be others at the next call, anything else is guarded."""
        value = table[name]
        word, scope = named(table)
        text = f"{word}[{name!r}]"
        if isinstance(value, tuple):
            return tuple(Number(self, Expression(f"{text}[{i}]", scope)) for i in range(len(value)))
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            grown = self.grown(table, name)
            return Number(self, Expression(f"({text} + {grown})" if grown else text, scope))
        return self.guard(Expression(text, scope))

    def count(self, tables: list[dict[str, Any]], name: str) -> None:
        """Let a number in each of these grow by one: here for what the function reads from now on, and at each call."""
        self._grown.update((id(table), name) for table in tables)
        self.effects.append(lambda: _count(tables, name))

    def grown(self, table: dict[str, Any], name: str) -> int:
        """By how much a number has grown since the call began."""
        return self._grown[id(table), name]

    def item(self, table: dict[str, Any], name: str) -> Traced:
        """The array under a key of a dictionary."""
        if (id(table), name) not in self._items:
            self._items[id(table), name] = self.capture(Item(table, name))
        return self._items[id(table), name]

    def draw(self, generator: Generator) -> TracedDraw:
        """The next draw of a generator, at each call anew."""
        draw = TracedDraw(self, generator)
        self._draws.append((generator, draw.value))
        self._name(draw)  # drawn at each call, wanted or not
        return draw

    def guard(self, question: Expression | Callable[[], Any]) -> Any:
        """The answer to a question, which must be the same whenever this program is used."""
        asked = Expression.of(question)
        if asked.text not in self._answers:
            self._answers[asked.text] = asked()
            self.guards.append((asked, self._answers[asked.text]))
        return self._answers[asked.text]

    def hold(self, array: Any) -> None:
        """Use this program only as long as an array of NumPy's has the same values."""
        word, scope = named(array)
        self.guard(Expression(f"({word}.shape, {word}.tobytes())", scope))

    def check(self, name: str, function: Callable[..., None], *inputs: Any) -> None:
        """Call `function` on these at each call, before anything is changed; it raises an error or does nothing."""
        inputs = tuple(map(every_example, inputs))
        function(*self.values(inputs))
        self.program.checks.append(self.emit(name, function, self.names(inputs), {}, None))

    def attend(self, things: tuple[Any, ...], settings: Callable[[], Any], called: bool) -> None:
        """Use this program only while `settings()` of things, a Module and those below it, are what they are now.

        Of one that is `called`, what the `forward` of these finds around it is asked about too.
        """
        if id(things[0]) not in self._attended:
            self._attended.update((id(thing), thing) for thing in things)
            self.guard(settings)
        if called:
            self.attend_forward(things)

    def attend_made(self, things: tuple[Any, ...], settings: Callable[[], Any], called: bool) -> None:
        """The same for a Module that is made in the trace, whose settings count as they are when it ends."""
        if id(things[0]) not in self._attended:
            self._attended[id(things[0])] = things[0]
            self.guard(Ended(settings))
        if called:
            self.attend_forward(things)

    def attend_forward(self, things: tuple[Any, ...]) -> None:
        """Use this program only while the `forward` of these Modules finds around it what it finds now."""
        if id(things[0]) not in self._called:
            self._called.update((id(thing), thing) for thing in things)
            for question in questions_about_methods(things, "forward"):
                self.guard(question)

    def undo(self) -> None:
        """Give back the random draws of a trace, the last one first."""
        for generator, draw in reversed(self._draws):
            generator.give_back(draw)

    # What the watch sees, see `watch.py`

    def read_data(self, tensor: Tensor, array: Any) -> Any:
        """A Tensor's data, when it is read."""
        if isinstance(array, (Batched, Traced)):
            return array
        found = self.data.get(id(tensor))
        if found is None:
            if tensor.node is not None:
                raise GradientError(
                    "a compiled function uses a Tensor whose graph was recorded outside, so no gradient could go back "
                    "there: compute it inside, or detach() it."
                )
            self.ask_requires_grad(tensor)
            found = self.data[id(tensor)] = (tensor, self.capture(DataOf(tensor)))
        return found[1]

    def ask_requires_grad(self, tensor: Tensor) -> None:
        """Use this program only while a Tensor asks for its gradient as it did before the call."""
        word, scope = named(tensor)
        with paused():  # the question itself reads it
            self.guard(Expression(f"{word}.requires_grad", scope))

    def write_data(self, tensor: Tensor, array: Any) -> None:
        """Another array assigned to the data of a Tensor from outside."""
        self.data[id(tensor)] = (tensor, self.lift(array))

    def read_grad(self, tensor: Tensor) -> Tensor | None:
        """The gradient of a Tensor from outside, when it is read."""
        for known in (self.grads, self.found):
            if id(tensor) in known:
                return known[id(tensor)][1]
        there = self.guard(lambda: has_grad(tensor))
        found = wrap(self.capture(GradOf(tensor))) if there else None
        self.found[id(tensor)] = (tensor, found)
        return found

    def write_grad(self, tensor: Tensor, grad: Tensor | None) -> None:
        """Another gradient assigned to a Tensor from outside. Raises TypeError for what is none."""
        check_grad(grad)
        self.grads[id(tensor)] = (tensor, grad)


def program_of(
    function: Callable[..., Any], arrays: Iterable[Any], options: dict[str, Any], trace: Trace | None = None
) -> Program:
    """What a function of Tensors, which gives one or several, does with arrays like these; None stays None.

    `trace` is the one to write it down, where the options have numbers of it.
    """
    trace = trace or Trace()
    arguments = [None if x is None else trace.wrapped(trace.argument(x)) for x in arrays]
    with enable_grad(), unwatched(), watching(trace):
        results = function(*arguments, **options)
        results = (results,) if isinstance(results, Tensor) else results
        trace.program.results = [trace.lift(data_of(result)).variable for result in results]
    return trace.program


def _copy_as_it_lies(array: Any) -> Any:
    """A copy of an array on the host with the same strides."""
    copy = array.copy("K")
    if layout_of(copy) == layout_of(array):
        return copy
    first, end = host.lib.array_utils.byte_bounds(array)
    memory, offset = host.empty(end - first, "uint8"), array.__array_interface__["data"][0] - first
    copy = host.ndarray(array.shape, array.dtype, memory, offset, array.strides)
    copy[...] = array
    return copy


def _count(tables: list[dict[str, Any]], name: str) -> None:
    for table in tables:
        table[name] += 1


def _mapped(tree: Any, function: Callable[[Any], Any], arrays: bool = False) -> Any:
    if isinstance(tree, (Traced, Number, TracedDraw)):
        return function(tree)
    if is_array(tree):
        return function(tree) if arrays else tree
    if type(tree) in (tuple, list):
        return type(tree)([_mapped(part, function, arrays) for part in tree])
    if isinstance(tree, dict):
        return {name: _mapped(part, function, arrays) for name, part in tree.items()}
    return tree


def _lifted(array: Any, device: str) -> Any:
    return is_tracing().lift(array)


def _no_values(array: Any) -> Any:
    return array.__array__()


def _device_of(array: Any) -> str:
    return array.trace.device or "cpu"


register_backend("trace", Backend(Traced, tracer, _device_of, _lifted, _no_values, lambda: None))
