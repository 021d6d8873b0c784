"""Native: a program that runs as C, from one piece of memory.

One idea: everything that can be decided beforehand is: where each array lies, which step writes into a parameter
itself, what Python still has to do. A call sets a few addresses and calls one function. Read `memory.py` next.
"""

from __future__ import annotations

import ctypes
from typing import Any

from ...backend import host
from ..passes import for_blas
from ..program import Program, Variable, replace_variables
from .groups import Call, Group, Product, schedule
from .layout import Ref, layouts
from .library import blas, load
from .memory import Plan
from .source import HEADER, group_source, product_source

__all__ = ["Native"]


class Native:
    """A program as C; `source` is its text."""

    @classmethod
    def of(cls, program: Program) -> Native | None:
        """The program as C; None where no library can be made."""
        native = cls(program)
        library = load(native.source)
        addresses = blas()
        if library is None or addresses is None:
            return None
        native.link(library, addresses)
        return native

    def __init__(self, program: Program) -> None:
        self.program = for_blas(program)
        self.refs = layouts(self.program)
        self.steps = schedule(self.program, self.refs)
        self.plan = Plan(self.program, self.refs, self.steps)
        self.source, self._parts = self._write()

    def link(self, library: Any, addresses: tuple[int, int]) -> None:
        """Join it to its library, and to BLAS."""
        library.setup(*map(ctypes.c_void_p, addresses))
        for i, part in enumerate(self._parts):
            if isinstance(part, str):
                self._parts[i] = getattr(library, part)
        plan = self.plan
        self._arena = host.empty(plan.arena_bytes + 64, "uint8")
        start = -self._arena.__array_interface__["data"][0] % 64
        self._arena = self._arena[start:]
        self._pointers = (ctypes.c_void_p * (1 + len(plan.slots)))()
        self._pointers[0] = _address(self._arena)
        self._numbers = (ctypes.c_double * max(1, len(plan.numbers)))()
        self._fixed = {variable: host.ascontiguousarray(array) for variable, array in self.program.constants}
        for variable, array in self._fixed.items():
            if variable in plan.slots:
                self._pointers[plan.slots[variable]] = _address(array)
        self._places = [(place, plan.slots.get(variable, 0), _Bound()) for place, variable in self.program.places]
        self._arguments = [(i, plan.slots[v]) for i, v in enumerate(self.program.arguments) if v in plan.slots]
        order = {variable: i for i, variable in enumerate(plan.numbers)}
        self._asked = [(again, order.get(variable), variable) for again, variable in self.program.numbers]
        self._fresh = [(i, v, plan.slots[v]) for i, v in plan.fresh]
        self._rest = [(i, v) for i, v in enumerate(self.program.results) if i not in {i for i, _ in plan.fresh}]
        self._copied = [(place, v) for place, v in self.program.writes if place not in plan.in_place]
        self._touched = [place for place, _ in self.program.writes if place in plan.in_place]
        self._current: dict[Variable, Any] = {}

    def _write(self) -> tuple[str, list[Any]]:
        """The source, and what is to be called in order: names of C functions, and instructions for NumPy."""
        functions: list[str] = []
        parts: list[Any] = []
        body: list[str] = []

        def close() -> None:
            if body:
                name = f"part{len(parts)}"
                functions.append("\n".join([f"void {name}(char **p, const double *n) {{", *body, "}"]))
                parts.append(name)
                body.clear()

        for i, step in enumerate(self.steps):
            if isinstance(step, Group):
                functions.append(group_source(f"group{i}", step, self.plan))
                body.append(f"  group{i}(p, n);")
            elif isinstance(step, Product):
                body.append(product_source(step, self.plan))
            else:
                close()
                parts.append(step)
        close()
        setup = (
            "static sgemm_t *sgemm;\nstatic dgemm_t *dgemm;\n"
            "void setup(void *s, void *d) { sgemm = (sgemm_t *)s; dgemm = (dgemm_t *)d; }"
        )
        return "\n".join([HEADER, setup, *functions, ""]), parts

    def __call__(self, arguments: list[Any]) -> tuple[list[Any], list[tuple[Any, Any]]]:
        """The results, and what is still to be written where."""
        pointers, numbers, current = self._pointers, self._numbers, self._current
        for again, place, variable in self._asked:
            value = again()
            if place is not None:
                numbers[place] = value
            else:
                current[variable] = value
        kept = []
        for i, slot in self._arguments:
            array = arguments[i]
            if not array.flags.c_contiguous:
                array = host.ascontiguousarray(array)
                kept.append(array)
            pointers[slot] = array.__array_interface__["data"][0]
        for place, slot, bound in self._places:
            array = place.get()
            if array is not bound.array:
                bound.bind(array)
                pointers[slot] = _address(bound.memory)
            if bound.memory is not array:
                bound.memory[...] = array
        results: list[Any] = [None] * len(self.program.results)
        for i, variable, slot in self._fresh:
            results[i] = array = host.empty(variable.shape, variable.dtype)
            pointers[slot] = array.__array_interface__["data"][0]
        for part in self._parts:
            if isinstance(part, Call):
                self._call(part, arguments, results)
            else:
                part(pointers, numbers)
        for i, variable in self._rest:
            results[i] = self._array(variable, arguments, results).copy()
        for _, _, bound in self._places:
            if bound.memory is not bound.array:
                bound.array[...] = bound.memory
        for place in self._touched:
            place.touch()
        writes = [(place, self._array(variable, arguments, results).copy()) for place, variable in self._copied]
        return results, writes

    def _call(self, step: Call, arguments: list[Any], results: list[Any]) -> None:
        instruction = step.instruction
        given = replace_variables(
            (instruction.inputs, instruction.options), lambda v: self._array(v, arguments, results)
        )
        with host.errstate(all="ignore"):
            value = instruction.function(*given[0], **given[1])
        if instruction.out.dtype is None:
            self._current[instruction.out] = value
        elif instruction.out in self.plan.read:
            self._array(instruction.out, arguments, results)[...] = value

    def _array(self, variable: Variable, arguments: list[Any], results: list[Any]) -> Any:
        """The array of a variable, as it is now."""
        ref = self.refs.get(variable)
        if ref is None:
            if variable in self._current:
                return self._current[variable]
            return self._numbers[self.plan.numbers.index(variable)]
        base = self._base(ref.base, arguments, results)
        return base.reshape(ref.shape) if ref.is_whole else _view(base, ref)

    def _base(self, base: Variable, arguments: list[Any], results: list[Any]) -> Any:
        offset = self.plan.offsets.get(base)
        if offset is not None:
            size = base.dtype.itemsize
            for length in base.shape:
                size *= length
            return self._arena[offset : offset + size].view(base.dtype).reshape(base.shape)
        if base in self._fixed:
            return self._fixed[base]
        if base in self.program.arguments:
            return host.ascontiguousarray(arguments[self.program.arguments.index(base)])
        for i, variable in self.plan.fresh:
            if variable is base:
                return results[i]
        source = self.plan.aliases.get(base, base)
        for (_, variable), (_, _, bound) in zip(self.program.places, self._places, strict=True):
            if variable is source:
                return bound.memory
        raise AssertionError(f"{base!r} lies nowhere")


class _Bound:
    """The array that a place had when its address was taken, and the memory that C works on."""

    def __init__(self) -> None:
        self.array: Any = None
        self.memory: Any = None

    def bind(self, array: Any) -> None:
        self.array = array
        packed = array.flags.c_contiguous and array.flags.aligned and array.flags.writeable
        self.memory = array if packed else host.array(array, order="C")


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _view(base: Any, ref: Ref) -> Any:
    flat = base.reshape(-1)
    size = base.dtype.itemsize
    lead = flat[ref.offset :] if ref.offset >= 0 else flat
    return host.lib.stride_tricks.as_strided(lead, ref.shape, tuple(step * size for step in ref.strides))
