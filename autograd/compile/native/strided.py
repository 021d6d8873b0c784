"""Strided: what is done element by element where the elements lie in no table.

One idea: a group wants one stride along its rows and one along its columns, and a view such as the queries among the
queries, keys and values of all heads has more; for those a nest of loops, one for each axis. Read `source.py` next.
"""

from __future__ import annotations

from ...backend import host
from ..program import Instruction, Variable
from .expressions import C_TYPES, compute_dtype, constant, elementwise, expression, has_expression
from .kernels import KERNELS, Kernel, Memory, Refs
from .layout import joined_axes, packed

__all__ = ["strided"]


def strided(instruction: Instruction, refs: Refs) -> Kernel | None:
    """An elementwise function of arrays and Python's numbers; NumPy has to do what C has no text for."""
    name, out, inputs = instruction.name, instruction.out, instruction.inputs
    plain = isinstance(instruction.function, host.ufunc) or name == "where"
    arrays = [refs[x] for x in inputs if isinstance(x, Variable) and x in refs]
    numbers = [x for x in inputs if isinstance(x, (bool, int, float))]
    if not plain or instruction.options or len(arrays) + len(numbers) < len(inputs) or 0 in out.shape:
        return None
    kinds = [x.dtype if isinstance(x, Variable) else float if isinstance(x, float) else int for x in inputs]
    if not arrays or not has_expression(name, kinds, out.dtype):
        return None
    dtype = compute_dtype(name, kinds, out.dtype)

    def statements(memory: Memory) -> str:
        strides = [(0,) * (len(out.shape) - len(ref.shape)) + ref.strides for ref in arrays]
        axes = joined_axes(out.shape, packed(out.shape), *strides)
        lines = ["  {", f"    {C_TYPES[str(out.dtype)]} *restrict y = (void *){memory.address(out)};"]
        for i, ref in enumerate(arrays):
            kind = C_TYPES[str(ref.base.dtype)]
            lines.append(
                f"    const {kind} *restrict x{i} = (const {kind} *){memory.address(ref.base)} + {ref.offset};"
            )
        lines += [f"    for (long i{i} = 0; i{i} < {n}; i{i}++)" for i, (n, *_) in enumerate(axes)]
        places = [
            " + ".join([f"i{i} * {steps[which]}" for i, (_, *steps) in enumerate(axes) if steps[which]]) or "0"
            for which in range(1 + len(arrays))
        ]
        read = iter(range(len(arrays)))
        given = []
        for place, x in enumerate(inputs):
            wanted = x.dtype if name == "where" and place == 0 and isinstance(x, Variable) else dtype
            if not isinstance(x, Variable):
                given.append(constant(x, wanted))
                continue
            i = next(read)
            text = f"x{i}[{places[i + 1]}]"
            cast = f"({text} != 0)" if wanted == "bool" else f"(({C_TYPES[str(wanted)]}){text})"
            given.append(text if x.dtype == wanted else cast)
        return "\n".join([*lines, f"      y[{places[0]}] = {expression(name, given, dtype)};", "  }"])

    return Kernel(instruction, arrays, statements, about="strided")


for _name in elementwise():
    KERNELS.setdefault(_name, strided)
