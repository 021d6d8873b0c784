"""Native: a program that runs as C, from one piece of memory.

One idea: everything that can be decided beforehand is: where each array lies, which step writes into a parameter
itself, what Python still has to do. A call sets a few addresses and calls one function. Read `held.py` next.
"""

from __future__ import annotations

import ctypes
from sys import getrefcount
from typing import Any

from ...backend import host
from ...writes import mark_written, owners
from ..passes import for_blas, with_biases
from ..program import Program, Variable, replace_variables
from .addresses import data_address
from .groups import Group
from .held import Held
from .kernels import Check, Statements
from .layout import Ref, packed
from .library import blas, load
from .listing import listing
from .memory import Plan
from .moves import Move
from .numbers import questions
from .ordered import in_order, put_in_order
from .pooling import with_picks
from .products import Product
from .schedule import Call
from .stored import with_less_stored
from .threads import runner
from .ways import adds_bias, reads_planes

__all__ = ["Native"]


# Note [Arrays given again]
# To make an array and ask for its address takes more than a microsecond, so small ones that were given away are kept in
# a pool, and given again once nobody else holds them: then the pool and the question itself are all. A large result is
# written over the array that it replaces (see spare.py), where no error can come any more: one must change nothing.
_FREE = 2  # references
_SMALL = 1 << 16  # bytes
_POOL = 3  # arrays for each result


class Native(Held):
    """A program as C; `source` is its text."""

    @classmethod
    def of(cls, program: Program) -> Native | None:
        """The program as C; None where no library can be made."""
        native = cls(program)
        library = load(native.source)
        found = blas()
        if library is None or found is None:
            return None
        native.link(library, (found.single, found.double, runner(found)))
        return native

    def __init__(self, program: Program) -> None:
        biased = with_biases(for_blas(program, in_order=False, reads_planes=reads_planes), adds_bias)
        self.program, self.refs, steps = with_less_stored(biased)
        self.steps = with_picks(steps, self.refs)
        self.plan = Plan(self.program, self.refs, self.steps, turned=True)
        self.source, self._parts = listing(self.steps, self.plan)

    def link(self, library: Any, addresses: tuple[int, int, int]) -> None:
        """Join it to its library, to BLAS and to the pool of threads."""
        library.setup(*map(ctypes.c_void_p, addresses))
        for i, part in enumerate(self._parts):
            if isinstance(part, str):
                self._parts[i] = getattr(library, part)
        plan = self.plan
        self._arena = host.empty(plan.arena_bytes + 64, "uint8")
        self._arena = self._arena[-data_address(self._arena) % 64 :]
        self._pointers = (ctypes.c_void_p * (1 + len(plan.slots)))()
        self._pointers[0] = data_address(self._arena)
        self._constants = {variable: host.ascontiguousarray(array) for variable, array in self.plan.constants()}
        for variable, array in self._constants.items():
            self._pointers[plan.slots[variable]] = data_address(array)
        self._numbers = (ctypes.c_double * max(1, len(plan.numbers)))()
        self._words = host.zeros(3 * len(plan.draws), "uint64")
        for i, variable in enumerate(plan.draws):
            self._pointers[plan.slots[variable]] = data_address(self._words[3 * i :])
        self._ask = questions(self.program, self.plan)
        self._arguments = [(i, plan.slots[variable]) for i, variable in enumerate(self.program.arguments)]
        self._fresh: list[tuple[int, int, Any, Any, list[tuple[Any, int]]]] = [
            (i, plan.slots[v], *_alike(self.refs[self.program.results[i]]), []) for i, v in plan.fresh
        ]
        self.takes = tuple(i for i, v in plan.fresh if v.nbytes > _SMALL and plan.is_safe(v))
        fresh = {i for i, _ in plan.fresh}
        self._rest = [(i, v) for i, v in enumerate(self.program.results) if i not in fresh]
        self._copied = [(place, v) for place, v in self.program.writes if place not in plan.in_place]
        self._touched = [place for place, _ in self.program.writes if place in plan.in_place]
        written = {id(place) for place, _ in self.program.writes}
        self._edited = {variable for place, variable in self.program.places if id(place) in written}
        self._stamped: list[Any] = []
        self._given: list[Any] = [None] * len(self.program.arguments)  # the arguments of the call that runs
        self._results: list[Any] = [None] * len(self.program.results)
        self._others, self._taken, self._places, self._apart = {}, {}, {}, {}

    def bind(self, arrays: list[Any]) -> None:
        """Take these arrays for those of the program's places. Most are the same as before; gradients are new ones."""
        moved = False
        for (place, variable), array in zip(self.program.places, arrays, strict=True):
            if array is self._taken.get(variable):
                continue
            packed = array.flags.c_contiguous and array.flags.aligned and array.flags.writeable
            memory = array if packed else host.array(array, order="C")
            self._apart.pop(variable, None)
            if not packed:
                self._apart[variable] = array, memory
            self._taken[variable], self._places[variable] = array, memory
            self._pointers[self.plan.slots[variable]] = data_address(memory)
            moved = moved or place.marks
        if moved:
            self._stamped = owners([place.get() for place in self._touched if place.marks])

    def explain(self) -> str:
        """The steps in order, what each keeps in memory, and how much memory a call holds at its peak."""
        peak = {what: count for what, count in self.plan.peak().items() if count}
        parts = ", ".join(f"{count:,} of {what}" for what, count in peak.items())
        steps = f"{len(self.steps)} step{'' if len(self.steps) == 1 else 's'}"
        lines = [f"native: {steps}; a call holds {sum(peak.values()):,} bytes at its peak: {parts}"]
        for i, step in enumerate(self.steps):
            if isinstance(step, Group):
                rows, columns = step.table
                kept = [repr(variable) for variable in step.ways if self.plan.is_stored(variable)]
                names = " ".join(member.instruction.name for member in step.members.values())
                lines.append(f"{i:4} loop {rows} x {columns}: {names} -> {', '.join(kept)}")
            elif isinstance(step, Statements):
                more = "" if step.second is None else f" and {step.second}"
                lines.append(f"{i:4} {step.about}: {step.instruction}{more}")
            else:
                kind = {Product: "product", Move: "move", Check: "check", Call: "NumPy"}[type(step)]
                lines.append(f"{i:4} {kind}: {step.instruction}")
        return "\n".join(lines)

    def __call__(self, arguments: list[Any], spare: dict[int, Any]) -> tuple[list[Any], list[tuple[Any, Any]]]:
        """The results, and what is still to be written where.

        Of those results that it `takes`, it writes number i into `spare[i]`, where that is an array that fits.
        """
        pointers, given, results = self._pointers, self._given, self._results
        self._ask(self._numbers, self._words, self._others)
        for i, slot in self._arguments:
            array = arguments[i]
            if array is not given[i]:
                given[i] = array = in_order(array)
                pointers[slot] = data_address(array)
        for variable, (array, memory) in self._apart.items():
            if variable in self._edited and not array.flags.writeable:
                raise ValueError("assignment destination is read-only")
            put_in_order(array, memory)
        for i, slot, like, strides, pool in self._fresh:
            for known in pool:
                if getrefcount(known[0]) == _FREE:
                    break
            else:
                array = spare.get(i)
                if array is None or array.dtype != like.dtype or array.shape != like.shape or array.strides != strides:
                    array = host.empty_like(like)
                known = (array, data_address(array))
                if array.nbytes <= _SMALL and len(pool) < _POOL:
                    pool.append(known)
            results[i], pointers[slot] = known
        for part in self._parts:
            if isinstance(part, Call):
                self._call(part)
            elif wrong := part(pointers, self._numbers):
                self._call(Call(self.steps[wrong - 1].instruction))  # says what is wrong
        for i, variable in self._rest:
            results[i] = self._array(variable).copy()
        for variable, (array, memory) in self._apart.items():
            if variable in self._edited:
                array[...] = memory
        for array in self._stamped:
            mark_written(array)
        writes = [(place, self._array(variable).copy()) for place, variable in self._copied]
        self._results = [None] * len(results)
        return results, writes

    def _call(self, step: Call) -> None:
        instruction = step.instruction
        inputs, options = replace_variables((instruction.inputs, instruction.options), self._array)
        with host.errstate(all="ignore"):
            value = instruction.function(*inputs, **options)
        if instruction.out.dtype is None:
            self._others[instruction.out] = value
        elif instruction.out in self.plan.read:
            target = self._array(instruction.out)
            assert value.shape == target.shape, f"{instruction} gave shape {value.shape}"  # it would be broadcast
            target[...] = value

    def _base(self, base: Variable) -> Any:
        """The memory of a variable as an array."""
        offset = self.plan.offsets.get(base)
        if offset is not None:
            return self._arena[offset : offset + base.nbytes].view(base.dtype).reshape(base.shape)
        for known in (self._constants, self._places):
            if base in known:
                return known[base]
        if base in self.program.arguments:
            return self._given[self.program.arguments.index(base)]
        made = next(self._results[i] for i, variable in self.plan.fresh if variable is base)
        steps = tuple(step * base.dtype.itemsize for step in packed(base.shape))
        return host.lib.stride_tricks.as_strided(made, base.shape, steps)


def _alike(ref: Ref) -> tuple[Any, tuple[int, ...]]:
    """What an array that holds these elements is made like, and the strides that it then has."""
    steps = tuple(step * ref.base.dtype.itemsize for step in ref.strides)
    like = host.lib.stride_tricks.as_strided(host.empty(1, ref.base.dtype), ref.shape, steps)  # never read
    return like, host.empty_like(like).strides
