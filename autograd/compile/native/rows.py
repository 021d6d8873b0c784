"""Rows of a table by their numbers, as an embedding takes them, and rows added up at their numbers: its gradient.

One idea: an index that names positions along one axis is a walk over three groups of axes, those before it, those of
the positions, and those behind it, which all lie somewhere with regular strides. Sums are added in NumPy's order, one
after the other. Read `strided.py` next; `added_rows.py` does the sums of eager code.
"""

from __future__ import annotations

from math import prod
from typing import Any

from ...ops.index import SHORT_ROW
from ..program import Instruction, Variable
from .expressions import C_TYPES
from .kernels import KERNELS, Check, Listed, Refs, Statements, counts_positions
from .layout import Ref, joined_axes, packed

__all__ = ["along_an_axis", "rows_added", "rows_at"]


def rows_at(instruction: Instruction, refs: Refs) -> Statements | None:
    """x[..., positions], x with values there, and x with values added there; NumPy has to do what is less regular."""
    table, index, *values = instruction.inputs
    return _kernel(instruction, refs, table, index, values) if not instruction.options else None


def rows_added(instruction: Instruction, refs: Refs) -> Statements | None:
    """Zeros with values added at positions along an axis; NumPy adds up short rows in float64, and has to do those."""
    values, index, _ = instruction.inputs
    found = _positions(index)
    if found is None or prod(instruction.out.shape[found[0] + 1 :]) < SHORT_ROW:
        return None
    return _kernel(instruction, refs, instruction.out, index, [values])


KERNELS["getitem"] = KERNELS["set_at"] = KERNELS["add.at"] = rows_at
KERNELS["_rows_added"] = rows_added


def _kernel(instruction: Instruction, refs: Refs, table: Any, index: Any, values: list[Any]) -> Statements | None:
    found = along_an_axis(instruction, refs, table, index, values)
    if found is None:
        return None
    axis, positions = found
    walked = [refs[table], refs[positions], *(refs[value] for value in values)]
    length = table.shape[axis]
    return Statements(
        instruction,
        [ref for ref in walked if ref.base is not instruction.out],
        statements=lambda listed: "\n".join(_statements(instruction, axis, walked, listed)),
        about="rows",
        check=Check(instruction, refs[positions], -length, length),
    )


def along_an_axis(
    instruction: Instruction, refs: Refs, table: Any, index: Any, values: list[Any]
) -> tuple[int, Variable] | None:
    """The axis that an index of a table names positions along, and these; None where it is less regular than that."""
    found = _positions(index)
    if found is None or not isinstance(table, Variable):
        return None
    axis, positions = found
    if not counts_positions(positions) or axis >= len(table.shape) or 0 in (*table.shape, *positions.shape):
        return None
    shape = (*table.shape[:axis], *positions.shape, *table.shape[axis + 1 :])
    given = values[0] if values else table
    fits = isinstance(given, Variable) and given.dtype == table.dtype and str(table.dtype) in C_TYPES
    if not fits or len(values) > 1 or (values and (given.shape != shape or not refs[table].is_whole)):
        return None
    if instruction.name == "add.at" and table.dtype == "bool":
        return None  # NumPy's sums of bools are bools again
    return axis, positions


def _positions(index: Any) -> tuple[int, Any] | None:
    """The axis and the positions of an index that takes all of every other axis."""
    parts = index if isinstance(index, tuple) else (index,)
    whole = all(isinstance(part, slice) and part == slice(None) for part in parts[:-1])
    return (len(parts) - 1, parts[-1]) if parts and whole and isinstance(parts[-1], Variable) else None


def _statements(instruction: Instruction, axis: int, walked: list[Ref], listed: Listed) -> list[str]:
    """Three nests of loops in each other; x is read, y written, and `at` leads to the position in the table."""
    table, positions, *values = walked
    out, count, length = instruction.out, len(positions.shape), table.shape[axis]
    shape = (*table.shape[:axis], *positions.shape, *table.shape[axis + 1 :])
    kind, index = C_TYPES[str(out.dtype)], C_TYPES[str(positions.base.dtype)]
    address = listed.address(out)
    begin = []
    if values:
        # The table is all of its base, so its strides are those of the result.
        source, near, far = values[0], values[0].strides, _spread(table.strides, axis, count)
        size = out.dtype.itemsize * prod(out.shape)
        zero = table.base is out or listed.memory.is_zero(table.base)
        copied = f"memcpy({address}, {listed.address(table.base)}, {size});"
        begin = [f"memset({address}, 0, {size});" if zero else copied]
    else:
        source, near, far = table, _spread(table.strides, axis, count), packed(out.shape)
    own = (*(0,) * axis, *positions.strides, *(0,) * (len(shape) - axis - count))
    lines = [
        "  {",
        *(f"    {line}" for line in begin),
        f"    const {index} *p0 = (const {index} *){listed.address(positions.base, positions.offset)};",
        f"    const {kind} *restrict x0 = (const {kind} *){listed.address(source.base, source.offset)};",
        f"    {kind} *restrict y0 = ({kind} *){address};",
    ]
    x, y, p = "x0", "y0", "p0"
    for letter, part in zip("ijk", (slice(axis), slice(axis, axis + count), slice(axis + count, None)), strict=True):
        axes = joined_axes(shape[part], near[part], far[part], own[part])
        lines += [f"    for (long {letter}{i} = 0; {letter}{i} < {n}; {letter}{i}++)" for i, (n, *_) in enumerate(axes)]
        for i, (_, *steps) in enumerate(axes):
            x, y, p = (f"{where} + {letter}{i} * {step}" for where, step in zip((x, y, p), steps, strict=True))
        if letter == "j":
            lines.append(f"    {{ long at = *({p}); at = (at < 0 ? at + {length} : at) * {table.strides[axis]};")
            x, y = (x, f"{y} + at") if values else (f"{x} + at", y)
    sign = "+=" if instruction.name in ("add.at", "_rows_added") else "="
    return [*lines, f"      *({y}) {sign} *({x}); }}", "  }"]


def _spread(strides: tuple[int, ...], axis: int, count: int) -> tuple[int, ...]:
    """The strides of a table with `count` axes of positions in the place of one, which move nothing by themselves."""
    return (*strides[:axis], *(0,) * count, *strides[axis + 1 :])
