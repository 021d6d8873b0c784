"""Members in text: what a member of a group computes, in C and in CUDA C alike.

One idea: how the elements are walked over differs between a processor and a GPU, what is done with each does not. So a
writer of loops adds the walk to what stands here; in its lines `r` and `c` are row and column, v3 the value of member
3, y3 its elements in memory, x0 elements from outside and n0 a number that changes from call to call.
Read `parts.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..program import Variable
from .expressions import CUDA_TYPES, compute_dtype, constant, expression
from .groups import Group, Member, Operand
from .kernels import Memory
from .layout import Axes

__all__ = ["Members", "ctype", "position"]


def ctype(dtype: Any) -> str:
    """The name of a dtype in C or CUDA C."""
    return CUDA_TYPES[str(dtype)]


class Members:
    """The members of a group as expressions; what they read and write is remembered, to be declared."""

    def __init__(self, group: Group, memory: Memory) -> None:
        self.memory = memory
        self.rows, self.columns = group.table
        self.width = str(self.columns)  # what the text says for the number of columns
        self.members = group.members
        self.stages = 1 + max(member.stage for member in self.members.values())
        self.order = {out: i for i, out in enumerate(self.members)}
        self.outside: dict[tuple[Variable, int], str] = {}  # a base and an offset -> the name of elements from outside
        self.written: dict[Variable, None] = {}
        self.numbers: dict[Variable, str] = {}
        self.kept = self._kept()
        self.in_blocks = [member for member in self.members.values() if member.kind == "block"]
        self.sums = [member for member in self.members.values() if member.kind in ("column", "all")]

    def length(self, member: Member) -> int:
        """How many sums over rows a member makes."""
        return self.columns if member.kind == "column" else 1

    def kept_at(self, variable: Variable, column: str) -> str:
        """An element of a member that is kept from one stage to the next."""
        return f"b{self.order[variable]}[{column}]"

    def _kept(self) -> list[Variable]:
        """Elements that a later stage reads, or of which one is picked, and that are not in memory anyway."""
        found: dict[Variable, None] = {}  # in order, so that the same program has the same source
        for member in self.members.values():
            for operand in member.operands:
                maker = self.members.get(operand.ref.base) if operand.ref is not None else None
                if maker is None or maker.kind != "element":
                    continue
                if maker.stage < member.stage or member.name == "pick":
                    found[maker.out] = None
        return [
            variable for variable in found if not self.memory.is_stored(variable) and not self.is_made_again(variable)
        ]

    def is_made_again(self, variable: Variable) -> bool:
        """Whether each stage works it out for itself, rather than that it is kept from the first one on."""
        return False

    def column_sum(self, member: Member) -> str:
        """Where a sum over rows, of this column, is added up."""
        return f"{'z' if member.kind == 'block' else 'y'}{self.order[member.out]}[c]"

    def in_loop(self, member: Member) -> Iterator[str]:
        """Lines for an element: its value, and where that goes."""
        index, kind = self.order[member.out], ctype(member.out.dtype)
        if member.kind == "element":
            kind = "int" if member.out.dtype == "bool" else kind  # GCC 12 makes no vectors of bytes cast to floats
            yield f"{kind} v{index} = {self.value(member)};"
            if self.memory.is_stored(member.out):
                yield f"{self.stored_at(member.out)} = v{index};"
            if member.out in self.kept:
                yield f"{self.kept_at(member.out, 'c')} = v{index};"
            return
        if member.name == "along":
            found = self.read(member.operands[1], member, member.out.dtype)
            yield f"if ({self.is_labelled(member)}) {self.column_sum(member)} = {found};"
            return
        value = self.read(member.operands[0], member, member.out.dtype)
        if member.kind == "block" and member.name in ("max", "min"):
            compare, so_far = ">" if member.name == "max" else "<", self.column_sum(member)
            yield f"{{ {kind} x = {value}; {so_far} = (x {compare} {so_far}) | (x != x) ? x : {so_far}; }}"
        elif member.kind in ("column", "block"):
            yield f"{self.column_sum(member)} += {value};"
        elif member.kind == "all":
            yield f"s{index} += {value};"
        elif member.name in ("sum", "mean"):
            yield f"v{index} += {value};"
        else:
            compare = ">" if member.name == "max" else "<"
            yield f"{{ {kind} x = {value}; v{index} = x {compare} v{index} ? x : v{index}; q{index} += x != x; }}"

    def source(self, base: Variable, offset: int) -> str:
        """The name of elements from outside."""
        return self.outside.setdefault((base, offset), f"x{len(self.outside)}")

    def position(self, operand: Operand) -> str:
        """The place of an element among those of an operand that lies outside."""
        return position(operand.rows, operand.columns)

    def from_outside(self, place: str, operand: Operand) -> str:
        """What a member reads for an element of an operand that lies outside, at this place."""
        return place

    def stored(self, variable: Variable) -> str:
        """The name of a member in memory."""
        self.written[variable] = None
        return f"y{self.order[variable]}"

    def stored_at(self, variable: Variable) -> str:
        """Where an element of a member is put."""
        return f"{self.stored(variable)}[r * {self.width} + c]"

    def value(self, member: Member) -> str:
        """What it gives for an element, or for a row."""
        if member.name == "pick":
            source, labels = member.operands
            assert source.ref is not None
            label = self.label(labels, member)
            maker = source.ref.base
            if maker in self.kept:
                found = self.kept_at(maker, label)
            else:
                inside = maker in self.members
                pointer = self.stored(maker) if inside else self.source(maker, source.ref.offset)
                found = f"{pointer}[r * {self.width} + {label}]"
            return f"({label} >= 0 && {label} < {self.width} ? {found} : NAN)"  # a wrong label shows in the loss
        if member.name == "place":
            labels, value = member.operands
            label = self.label(labels, member)
            return f"(c == {label} ? {self.read(value, member, member.out.dtype)} : 0)"
        if member.name == "among":
            return f"({self.is_labelled(member)} ? {self.read(member.operands[1], member, member.out.dtype)} : 0)"
        kinds = [operand.dtype for operand in member.operands]
        dtype = compute_dtype(member.name, kinds, member.out.dtype)
        values = [self.read(operand, member, dtype) for operand in member.operands]
        if member.name == "where":
            condition = member.operands[0]
            values[0] = self.read(condition, member, condition.dtype) if condition.ref is not None else values[0]
        return expression(member.name, values, dtype)

    def is_labelled(self, member: Member) -> str:
        """Whether the label, known to be one of the rows of its block, is that of this row."""
        labels = member.operands[0]
        assert labels.ref is not None
        return f"{self.read(labels, member, labels.ref.base.dtype)} == r % {member.block}"

    def label(self, labels: Operand, member: Member) -> str:
        """A label as the number of a column; as in NumPy, -1 is the last."""
        assert labels.ref is not None
        label = f"(long){self.read(labels, member, labels.ref.base.dtype)}"
        return f"({label} < 0 ? {label} + {self.width} : {label})"

    def read(self, operand: Operand, member: Member, dtype: Any) -> str:
        """The operand as a number of this dtype, in C."""
        if operand.ref is None:
            if operand.number is not None:
                name = self.numbers.setdefault(operand.number, f"n{len(self.numbers)}")
                return f"(({ctype(dtype)}){name})"
            return constant(operand.constant, dtype)
        base = operand.ref.base
        maker = self.members.get(base)
        if maker is None:
            place = self.position(operand)
            text = self.from_outside(f"{self.source(base, operand.ref.offset)}[{place}]", operand)
        elif maker.kind == "row" or maker.stage == member.stage:
            text = f"v{self.order[base]}"
        elif base in self.kept:
            text = self.kept_at(base, "c")
        elif self.is_made_again(base):
            text = f"({self.value(maker)})"
        else:
            text = f"{self.stored(base)}[r * {self.width} + c]"
        if base.dtype == dtype:
            return text
        return f"({text} != 0)" if dtype == "bool" else f"(({ctype(dtype)}){text})"


def position(rows: Axes, columns: int) -> str:
    """The place of an element whose row lies along these axes, and that has this stride along the columns."""
    parts, after = [], 1
    for place, (length, stride) in reversed([*enumerate(rows)]):
        row = f"r / {after}" if after > 1 else "r"
        row = f"{row} % {length}" if place else row
        parts += [(f"({row}) * {stride}" if row != "r" else f"r * {stride}") if stride != 1 else row] if stride else []
        after *= length
    parts += [f"c * {columns}" if columns != 1 else "c"] if columns else []
    return " + ".join(parts) or "0"
