"""Strided: what is done element by element where the elements lie in no table.

One idea: a group wants one stride along its rows and one along its columns, and a view such as the queries among the
queries, keys and values of all heads has more; for those a nest of loops, one for each axis. Read `draws.py` next.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from typing import Any

from ..program import CASTS, Instruction, Variable
from .expressions import (
    C_TYPES,
    CUDA_TYPES,
    called,
    compute_dtype,
    constant,
    elementwise,
    expression,
    has_expression,
    is_elementwise,
)
from .kernels import KERNELS, Listed, Refs, Statements
from .layout import Ref, joined_axes, packed

# Note [Read before choosing]
# In `m[i] ? x[j] : 0` an element of x is read only where m says so. Where x is a transposed matrix of 4 columns, GCC 12
# reads it by masked vectors and forgets to turn them (-O3 with AVX2 or AVX-512; also 2 columns of short numbers). Read
# into a variable first, whatever m says, it is turned as it should be.

__all__ = ["Elementwise", "strided"]


@dataclass(frozen=True)
class Elementwise:
    """An elementwise function of `arrays` and Python's numbers, with the axes over which it is walked.

    Each axis is its length, and its strides in the result and in every array.
    """

    name: str
    inputs: tuple[Any, ...]
    arrays: list[Ref]
    axes: list[tuple[int, ...]]
    dtype: Any  # in which it is computed

    @classmethod
    def of(cls, instruction: Instruction, refs: Refs, types: Container[str] = C_TYPES) -> Elementwise | None:
        """The same for an instruction; None where a language with these dtypes has no text for it."""
        name, inputs, options = called(instruction)
        out = instruction.out
        arrays = [refs[x] for x in inputs if isinstance(x, Variable) and x in refs]
        numbers = [x for x in inputs if isinstance(x, (bool, int, float))]
        if not is_elementwise(instruction, name) or options or 0 in out.shape:
            return None
        kinds = [x.dtype if isinstance(x, Variable) else float if isinstance(x, float) else int for x in inputs]
        if len(arrays) + len(numbers) < len(inputs) or not arrays:
            return None
        if not has_expression(name, kinds, out.dtype, types):
            return None
        strides = [(0,) * (len(out.shape) - len(ref.shape)) + ref.strides for ref in arrays]
        axes = joined_axes(out.shape, packed(out.shape), *strides)
        return cls(name, inputs, arrays, axes, compute_dtype(name, kinds, out.dtype))

    def value(self, element: Callable[[int], str]) -> str:
        """The function in C; `element` gives the text of the element of an array, by its number."""
        read, values = iter(range(len(self.arrays))), []
        for place, x in enumerate(self.inputs):
            wanted = x.dtype if self.name == "where" and place == 0 and isinstance(x, Variable) else self.dtype
            if not isinstance(x, Variable):
                values.append(constant(x, wanted))
                continue
            text = element(next(read))
            cast = f"({text} != 0)" if wanted == "bool" else f"(({CUDA_TYPES[str(wanted)]}){text})"
            values.append(text if x.dtype == wanted else cast)
        return expression(self.name, values, self.dtype)


def strided(instruction: Instruction, refs: Refs) -> Statements | None:
    """An elementwise function of arrays and Python's numbers; NumPy has to do what C has no text for."""
    found = Elementwise.of(instruction, refs)
    if found is None:
        return None
    out, axes = instruction.out, found.axes

    def statements(listed: Listed) -> str:
        lines = ["  {", f"    {C_TYPES[str(out.dtype)]} *restrict y = (void *){listed.address(out)};"]
        for i, ref in enumerate(found.arrays):
            kind = C_TYPES[str(ref.base.dtype)]
            lines.append(f"    const {kind} *restrict x{i} = (const {kind} *){listed.address(ref.base, ref.offset)};")
        lines += [f"    for (long i{i} = 0; i{i} < {n}; i{i}++)" for i, (n, *_) in enumerate(axes)]
        places = [
            " + ".join([f"i{i} * {steps[which]}" for i, (_, *steps) in enumerate(axes) if steps[which]]) or "0"
            for which in range(1 + len(found.arrays))
        ]
        lines += ["    {"]  # see Note [Read before choosing]
        for i, ref in enumerate(found.arrays):
            lines.append(f"      const {C_TYPES[str(ref.base.dtype)]} e{i} = x{i}[{places[i + 1]}];")
        return "\n".join([*lines, f"      y[{places[0]}] = {found.value('e{}'.format)};", "    }", "  }"])

    return Statements(instruction, found.arrays, statements=statements, about="strided")


for _name in (*elementwise(), *CASTS):
    KERNELS.setdefault(_name, strided)
