"""Cuda: a program that runs on a GPU.

One idea: the first call gives the GPU the commands of the tape one by one, which also loads whatever is loaded late;
the second records them as one graph; every call from then on copies the arguments that do not stay, sends the numbers
that changed, and launches the graph. Where an address changes, such as that of a parameter, it records anew. Read
`device.py` beside it, `steps.py` for several calls in one graph.
"""

# Note [Gradients stay where they are]
# A graph writes to fixed addresses, so a gradient is the same array after every call, as long as nobody else has it: an
# array that somebody kept is theirs, and the next gradient goes to a new one, for which the graph is recorded anew.
# Other results, such as the loss, are copied, since loops keep them for a while.

# Note [Arguments that stay]
# A graph reads from fixed addresses, so an argument is copied to one, which costs a launch. One that is the same array
# at each call, with other numbers perhaps, is read where it lies; the first time that another is given, there is a copy
# from then on. So an array that is lent is held until the next call. It begins as arrays of our own do, for how it is
# aligned decides by which algorithm a product is done, and so how it is rounded.

from __future__ import annotations

import itertools
from collections import OrderedDict
from math import prod
from sys import getrefcount
from typing import Any

from ...backend import host, module_of
from ...cuda.algorithms import is_timed
from ...cuda.cudnn import ALIGNMENT
from ...cuda.precision import is_tf32
from ...writes import mark_written, owners
from ..native.held import Held
from ..native.numbers import questions
from ..program import Program, Variable, replace_variables
from .commands import Call, Launch, Multiply, Operate, order_of
from .device import Addresses, Device, Library
from .numbers import Numbers
from .steps import Steps
from .tape import RESERVED, Tape

__all__ = ["Cuda", "sizes_of"]

_KEPT = 4  # recordings of several calls, by how many these are


def _asked() -> int:
    """How many references a variable and the question take, which is asked of Python itself: 3.14 has one less."""
    array = host.zeros(1)
    return getrefcount(array)


_OURS = 2 + _asked()  # references to the array of a result: a table, its view in another, and those of a question


class Cuda(Held):
    """A program on a device; `tape` is what it is told to do."""

    def __init__(self, program: Program, device: Device) -> None:
        self.device = device
        self._stream: Any = None  # that of the last call
        self.timed = is_timed()
        self.tape = Tape(program, is_tf32(), device.does, device.pays if self.timed else None)
        self.program, self.refs, self.plan = self.tape.program, self.tape.refs, self.tape.plan
        self.takes = tuple(i for i, _ in self.plan.fresh)
        self._library: Library | None = None
        self._set_up()

    def explain(self) -> str:
        """The commands in order, and how much memory they work in."""
        return str(self.tape)

    # Its memory

    def _set_up(self) -> None:
        device, plan = self.device, self.plan
        self._arena = device.empty((max(1, plan.arena_bytes),), "uint8")
        self._scratch = device.empty((max(1, self.tape.reserved),), "uint8")
        self._staged = Numbers(device, plan)
        ((self._numbers, self._words),) = self._staged.rows
        self._addresses = {0: device.address(self._arena), RESERVED: device.address(self._scratch)}
        self._addresses |= self._staged.addresses(0)
        self._arrays: dict[Variable, Any] = {}  # constants, arguments and results
        for variable, array in plan.constants():
            self._own(variable)[...] = module_of(self._arena).asarray(host.ascontiguousarray(array))
        self._lent: dict[Variable, Any] = {}  # arguments that are read where they lie
        self._copies: dict[Variable, Any] = {}  # of the others
        self._results = [(i, variable, self._result(i, variable)) for i, variable in plan.fresh]
        fresh = {i for i, _ in plan.fresh}
        self._rest = [(i, v) for i, v in enumerate(self.program.results) if i not in fresh]
        self._copied = [(place, v) for place, v in self.program.writes if place not in plan.in_place]
        self._touched = [place for place, _ in self.program.writes if place in plan.in_place and place.marks]
        self._ask = questions(self.program, self.plan)
        self._stamped: list[Any] = []  # the arrays whose memory is written to
        self._others, self._places, self._taken, self._apart = {}, {}, {}, {}
        self._on_host: dict[Variable, tuple[Any, Any]] = {}  # arrays that the host may write to, each with its copy
        self._parts: list[Any] = []  # what is run, in order: recordings, and instructions for CuPy
        self._recorded = False
        self._steps: OrderedDict[int, Steps] = OrderedDict()

    def _own(self, variable: Variable) -> Any:
        array = self._arrays[variable] = self.device.empty(variable.shape, variable.dtype)
        self._addresses[self.plan.slots[variable]] = self.device.address(array)
        return array

    def _result(self, i: int, variable: Variable) -> Any:
        """A new array for result number i, into which this variable is written."""
        array = self.device.empty(self.program.results[i].shape, variable.dtype)
        self._arrays[variable] = array.reshape(variable.shape)
        self._addresses[self.plan.slots[variable]] = self.device.address(array)
        return array

    def bind(self, arrays: list[Any]) -> None:
        """Take these arrays for those of the program's places. Most are the same as before."""
        xp, moved = module_of(self._arena), False
        for (place, variable), array in zip(self.program.places, arrays, strict=True):
            if array is self._taken.get(variable):
                continue
            here = isinstance(array, type(self._arena))
            packed = here and array.flags.c_contiguous
            if packed and self.plan.slots[variable] in self.tape.aligned:
                packed = self.device.address(array) % ALIGNMENT == 0
            memory = array if packed else xp.array(array, order="C")
            self._apart.pop(variable, None)
            self._on_host.pop(variable, None)
            if here and not packed:
                self._apart[variable] = array, memory
            elif not here and (array.flags.writeable or array.base is not None):
                self._on_host[variable] = array, memory
            self._taken[variable], self._places[variable] = array, memory
            self._move(variable, memory)
            moved = moved or place.marks
        if moved:
            self._stamped = owners([place.get() for place in self._touched])

    def _move(self, variable: Variable, memory: Any) -> None:
        """Another address, for which the commands are given anew."""
        slot, address = self.plan.slots[variable], self.device.address(memory)
        if self._addresses.get(slot) != address:
            self._addresses[slot] = address
            self._forget()

    def _forget(self) -> None:
        """Let go of all that was made for the addresses of before."""
        self._parts, self._recorded = [], False
        for steps in self._steps.values():
            steps.forget()

    # A call

    def __call__(self, arguments: list[Any], spare: dict[int, Any]) -> tuple[list[Any], list[tuple[Any, Any]]]:
        """The results, and what is still to be written where; see Note [Gradients stay where they are]."""
        self._stream = self.device.follow(self._stream)
        self._ask(self._numbers, self._words, self._others)
        self._staged.send()
        for variable, array in zip(self.program.arguments, arguments, strict=True):
            if array is not self._lent.get(variable):
                self._take(variable, array)
        self._make_room(spare)
        self._begin()
        self._run()
        results: list[Any] = [None] * len(self.program.results)
        for i, _, array in self._results:
            results[i] = array if i in spare else self._copy_of(array)
        for i, variable in self._rest:
            results[i] = self._copy_of(self._array(variable))
        self._end()
        return results, [(place, self._copy_of(self._array(variable))) for place, variable in self._copied]

    def _take(self, variable: Variable, array: Any) -> None:
        """Let the commands read an argument; see Note [Arguments that stay]."""
        copy = self._copies.get(variable)
        if copy is None:
            fits = array.flags.c_contiguous and not self.device.address(array) % self.device.alignment
            if fits and variable not in self._lent:
                self._lent[variable] = self._arrays[variable] = array
                self._move(variable, array)
                return
            self._lent[variable] = None  # never again
            copy = self._copies[variable] = self._arrays[variable] = self.device.empty(variable.shape, variable.dtype)
            self._move(variable, copy)
        self.device.copy(copy, array)

    def _copy_of(self, array: Any) -> Any:
        copy = self.device.empty(array.shape, array.dtype)
        self.device.copy(copy, array)
        return copy

    def _make_room(self, spare: dict[int, Any]) -> None:
        """New arrays for those gradients that somebody keeps."""
        for number, (i, variable, array) in enumerate(self._results):
            replaced = spare.get(i) is array  # it is held by the gradient, and by `spare`
            if i in spare and getrefcount(array) > _OURS + 2 * replaced:
                self._results[number] = i, variable, self._result(i, variable)
                self._forget()

    def _begin(self) -> None:
        for array, memory in self._apart.values():
            memory[...] = array
        for array, memory in self._on_host.values():
            memory[...] = module_of(memory).asarray(array)

    def _end(self) -> None:
        for array, memory in self._apart.values():
            array[...] = memory
        for array in self._stamped:
            mark_written(array)

    # Several calls

    def steps(self, count: int, spare: dict[int, Any]) -> Steps | None:
        """So many calls as one; None where they must be made one by one.

        That is where CuPy does a part, where anything but a gradient that stays in its array has to be copied after
        each call, and where the commands were not yet given with the addresses of now, which has to be done once
        before they are recorded.
        """
        calls = any(isinstance(command, Call) for command in self.tape.commands)
        if calls or self._rest or self._copied:
            return None
        self._make_room(spare)
        if not self._parts:
            return None
        if count not in self._steps:
            self._steps[count] = Steps(self.device, self.tape, count, spare.keys())
            while len(self._steps) > _KEPT:
                self._steps.popitem(last=False)
        self._steps.move_to_end(count)
        return self._steps[count]

    def ask(self, steps: Steps, step: int) -> None:
        """Work out the numbers of a step."""
        self._ask(*steps.numbers.rows[step], self._others)

    def gradients(self, spare: dict[int, Any]) -> list[Any]:
        """The arrays that gradients stay in, in the order of the results."""
        return [array for i, _, array in self._results if i in spare]

    def run_steps(self, steps: Steps, arguments: list[Any], done: int) -> list[Any]:
        """Do the first `done` of these calls, see `Steps`."""
        self._stream = self.device.follow(self._stream)
        self._begin()
        results = steps(arguments, done, lambda addresses: self._bound(self._addresses | addresses))
        self._end()
        return results

    def _run(self) -> None:
        if not self._parts:
            self._parts = self._bound(self._addresses)
        elif not self._recorded:
            self._parts = self._record(self._parts)
            self._recorded = True
        for part in self._parts:
            if isinstance(part, Call):
                self._call(part)
            else:
                part()

    def _bound(self, at: dict[int, int]) -> list[Any]:
        """The commands with these addresses."""
        if self._library is None:
            self._library = self.device.library(self.tape.source)
        parts: list[Any] = []
        for command in self.tape.commands:
            if isinstance(command, Launch):
                name, words = self.tape.names[command.source], _words_of(command, at)
                parts.append(self._library.launch(name, command.blocks, command.threads, words))
            elif isinstance(command, Multiply):
                places = (command.a, command.b, command.c, command.bias, command.aux)
                where = Addresses(*(0 if place is None else at[place[0]] + place[1] for place in places))
                parts.append(self.device.product(command.product, where, self.timed))
            elif isinstance(command, Operate):
                roles = {role: at[slot] + start for role, (slot, start) in command.places}
                parts.append(self.device.operation(command.operation, roles))
            else:
                parts.append(command)
        return parts

    def _record(self, parts: list[Any]) -> list[Any]:
        """What stands between calls of CuPy, as recordings."""
        recorded: list[Any] = []
        of_calls = [i for i, part in enumerate(parts) if isinstance(part, Call)]
        for begin, end in itertools.pairwise([-1, *of_calls, len(parts)]):
            runs = parts[begin + 1 : end]
            if runs:
                recorded.append(self.device.record(runs, order_of(self.tape.commands[begin + 1 : end])))
            recorded += parts[end : end + 1]
        return recorded

    def _call(self, call: Call) -> None:
        instruction = call.instruction
        inputs, options = replace_variables((instruction.inputs, instruction.options), self._array)
        own = _owns(host, instruction.name) == instruction.function
        function = _owns(module_of(self._arena), instruction.name) if own else instruction.function
        value = function(*inputs, **options)
        if instruction.out.dtype is None:
            self._others[instruction.out] = value
        elif instruction.out in self.plan.read:
            target = self._array(instruction.out)
            target[...] = module_of(target).asarray(value)

    def _base(self, base: Variable) -> Any:
        """The memory of a variable as an array."""
        offset = self.plan.offsets.get(base)
        if offset is not None:
            size = base.dtype.itemsize * prod(base.shape)
            return self._arena[offset : offset + size].view(base.dtype).reshape(base.shape)
        return self._places[base] if base in self._places else self._arrays[base]


def _owns(module: Any, name: str) -> Any:
    """The function of an array module that has this name, as in "linalg.inv"; None where there is none."""
    for part in name.split("."):
        module = getattr(module, part, None)
    return module


def _words_of(launch: Launch, addresses: dict[int, int]) -> list[int]:
    """What a kernel is given; see Note [Jobs] in `commands.py`."""
    return [*sizes_of(launch), *(addresses[slot] + start for job in launch.jobs for slot, start in job.places)]


def sizes_of(launch: Launch) -> list[int]:
    """The words before the addresses."""
    first = [0, *itertools.accumulate(job.blocks for job in launch.jobs)]
    return [*first, *(job.size for job in launch.jobs)]
