"""Tables: over which tables of rows and columns an instruction can be a member of a group, and what member it would be.

One idea: an instruction asks little of a table. A function of elements takes every split of its axes along which its
inputs can be read; a reduction the one that puts what it adds up into the columns, or into the rows; a label names one
column of each row. Read `positions.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable, axes_of
from .dialect import Dialect
from .expressions import called, has_expression, is_elementwise
from .groups import Member, Operand, Table
from .layout import Ref, strides_over

__all__ = ["Tables", "labels_along"]

_REDUCTIONS = {
    "add.reduce": "sum",
    "max": "max",
    "maximum.reduce": "max",
    "mean": "mean",
    "min": "min",
    "ndarray.max": "max",
    "ndarray.mean": "mean",
    "ndarray.min": "min",
    "ndarray.sum": "sum",
    "sum": "sum",
}
_LONG = 16  # columns of a table whose rows may go over several axes


Ways = dict[Table, Member]  # for each table over which an instruction can be a member, that member


class Tables:
    """The tables of the instructions of one program."""

    def __init__(self, program: Program, refs: dict[Variable, Ref], dialect: Dialect) -> None:
        self.refs, self.dialect = refs, dialect
        self.zeros = program.zeros()
        self.counts = {variable: array for variable, array in program.constants if array.dtype.kind == "i"}

    def ways(self, instruction: Instruction) -> Ways:
        """The tables over which an instruction can be a member, with the member that it would be."""
        name, inputs, options = called(instruction)
        out = instruction.out
        if out.dtype is None or str(out.dtype) not in self.dialect.types or prod(out.shape) == 0:
            return {}
        if name in _REDUCTIONS:
            return self._reduction(instruction, _REDUCTIONS[name])
        if name == "getitem":
            return self._pick(instruction)
        if name == "set_at":
            return self._place(instruction)
        if options.keys() - {"dtype"} or not is_elementwise(instruction, name):
            return {}
        operands = [self._operand(x) for x in inputs]
        given = [operand for operand in operands if operand is not None]
        if len(given) < len(operands):
            return {}
        if not has_expression(name, [operand.dtype for operand in given], out.dtype, self.dialect.types):
            return {}
        shape = out.shape
        return {_table(shape, k): Member(instruction, name, "element", placed) for k, placed in _splits(shape, given)}

    def _operand(self, x: Any) -> Operand | None:
        if isinstance(x, Variable):
            return Operand(ref=self.refs[x]) if x in self.refs else Operand(number=x)
        if isinstance(x, (bool, int, float)):
            return Operand(constant=x)
        if isinstance(x, host.generic) and x.dtype.kind in "biuf":
            return Operand(constant=x.item()) if x.dtype.kind == "b" else None
        return None

    def _reduction(self, instruction: Instruction, name: str) -> Ways:
        source, out, options = instruction.inputs[0], instruction.out, instruction.options
        plain = len(instruction.inputs) == 1 and isinstance(source, Variable) and options.keys() <= {"axis", "keepdims"}
        if not plain or source.dtype.kind != "f" or source.dtype != out.dtype:
            return {}
        shape = source.shape
        axes = [a for a in sorted(axes_of(instruction, len(shape))) if shape[a] != 1]  # along others it is no work
        ways = {}
        for split, placed in _splits(shape, [Operand(ref=self.refs[source])]):
            kind = self._kind_of_reduction(shape, split, axes, name in ("sum", "mean"))
            if kind is not None:
                block = prod(shape[a] for a in axes) if kind == "block" else 1
                ways[_table(shape, split)] = Member(instruction, name, kind, placed, block=block)
        return ways

    def _kind_of_reduction(self, shape: tuple[int, ...], split: int, axes: list[int], is_sum: bool) -> str | None:
        """The kind of member that goes over these axes in a table of this split; None where there is none."""
        before = [a for a in range(split) if shape[a] != 1]
        behind = [a for a in range(split, len(shape)) if shape[a] != 1]
        columns = prod(shape[split:])
        if axes == behind and columns <= self.dialect.longest_row:
            return "row"
        if axes == before + behind:
            return "all" if is_sum else None
        if axes == before:
            return "column" if is_sum else None
        is_block = self.dialect.blocks and columns > 1 and axes and axes == before[-len(axes) :]
        return "block" if is_block else None

    def _pick(self, instruction: Instruction) -> Ways:
        """x[rows, labels]: of each row the element at its label."""
        source, index = instruction.inputs
        labels = self._labels(source, index)
        if labels is None:
            return self._along(instruction, source, index)
        rows, columns = source.shape
        operands = [Operand(ref=self.refs[source], rows=((rows, columns),), columns=1), self._for_each_row(labels)]
        member = Member(instruction, "pick", "row", operands, per_row=True)
        fits = self.refs[source].is_whole and columns <= self.dialect.longest_row
        return {(rows, columns): member} if fits else {}

    def _place(self, instruction: Instruction) -> Ways:
        """Zeros, but in each row a value at its label."""
        base, index, value = instruction.inputs
        labels = self._labels(base, index)
        if base not in self.zeros or value.dtype != base.dtype:
            return {}
        if labels is None:
            return self._along(instruction, base, index, value)
        if value.shape != labels.shape:
            return {}
        rows, columns = base.shape
        operands = [self._for_each_row(labels), self._for_each_row(value)]
        return {(rows, columns): Member(instruction, "place", "element", operands)}

    def _along(self, instruction: Instruction, table: Any, index: Any, value: Variable | None = None) -> Ways:
        """x[..., labels, ...]: of each line along an axis, not the last, the element at its label; or its adjoint.

        A label is compared with the number of each row, so what it names is found, or put, where rows are read anyway.
        """
        found = labels_along(table, index, self.counts) if self.dialect.blocks else None
        if found is None or (value is not None and value.shape != found[1].shape):
            return {}
        axis, labels = found
        shape, block = table.shape, table.shape[axis]
        inputs = [self._spread(labels, shape, axis)]
        inputs.append(Operand(ref=self.refs[table]) if value is None else self._spread(value, shape, axis))
        wanted = _table(shape, axis + 1)
        name, kind = ("along", "block") if value is None else ("among", "element")
        return {
            _table(shape, split): Member(instruction, name, kind, placed, block=block)
            for split, placed in _splits(shape, inputs)
            if _table(shape, split) == wanted
        }

    def _spread(self, values: Variable, shape: tuple[int, ...], axis: int) -> Operand:
        """What has one value for each line along an axis."""
        ref = self.refs[values]
        steps = (*ref.strides[:axis], 0, *ref.strides[axis + 1 :])
        return Operand(ref=replace(ref, shape=shape, strides=steps))

    def _labels(self, table: Any, index: Any) -> Variable | None:
        """The labels of an index (rows, labels) that names one column in each row of a table."""
        if not isinstance(table, Variable) or len(table.shape) != 2 or type(index) is not tuple or len(index) != 2:
            return None
        rows, labels = index
        if not isinstance(rows, Variable) or not isinstance(labels, Variable):
            return None
        if labels.dtype.kind != "i" or not labels.dtype.isnative:
            return None
        numbers = self.counts.get(rows)
        if (
            numbers is None
            or labels.shape not in ((table.shape[0],), (table.shape[0], 1))
            or rows.shape != labels.shape
        ):
            return None
        return labels if (numbers.reshape(-1) == host.arange(table.shape[0])).all() else None

    def _for_each_row(self, values: Variable) -> Operand:
        """What has one value for each row of the table."""
        ref = self.refs[values]
        return Operand(ref=ref, rows=((ref.shape[0], ref.strides[0]),) if ref.shape[0] > 1 else ())


def labels_along(table: Any, index: Any, counts: dict[Variable, Any]) -> tuple[int, Variable] | None:
    """The axis along which an index names one place in each line, and these places; `counts` are whole constants.

    It is an index of `take_along_axis`: along every other axis it counts. The axis is not the last, which has columns.
    """
    if not isinstance(table, Variable) or type(index) is not tuple or len(index) != len(table.shape):
        return None
    shape = table.shape
    if not all(isinstance(part, Variable) for part in index):
        return None
    chosen = [axis for axis, part in enumerate(index) if not _counts(counts.get(part), axis, shape)]
    if len(chosen) != 1 or chosen[0] == len(shape) - 1:
        return None
    (axis,) = chosen
    labels = index[axis]
    one_each = labels.shape == (*shape[:axis], 1, *shape[axis + 1 :])
    return (axis, labels) if one_each and labels.dtype.kind == "i" and labels.dtype.isnative else None


def _counts(numbers: Any, axis: int, shape: tuple[int, ...]) -> bool:
    """Whether a constant counts the places of an axis."""
    if numbers is None or numbers.shape != tuple(n if a == axis else 1 for a, n in enumerate(shape)):
        return False
    return bool((numbers.reshape(-1) == host.arange(shape[axis])).all())


def _splits(shape: tuple[int, ...], operands: list[Operand]) -> Iterator[tuple[int, list[Operand]]]:
    """Every split of the axes into rows and columns along which each operand can be read: how many make the rows."""
    for split in range(len(shape) + 1):
        placed = []
        for operand in operands:
            if operand.ref is None:
                placed.append(operand)
                continue
            strides = strides_over(operand.ref, shape, split)
            if strides is None:
                break
            rows, columns = strides
            if len(rows) > 1 and (columns > 1 or prod(shape[split:]) < _LONG):
                break
            placed.append(Operand(ref=operand.ref, rows=rows, columns=columns))
        else:
            yield split, placed


def _table(shape: tuple[int, ...], split: int) -> Table:
    return prod(shape[:split]), prod(shape[split:])
