"""The schedule: the instructions of a program as steps, each a group, a product, a move, a kernel or a call of NumPy's.

One idea: see Note [Where a member goes]. Read `stored.py` next.
"""

# Note [Where a member goes]
# Groups and other steps run in the order in which they stand. A member must stand where all that it reads is ready: in
# the same group as what it reads element by element, behind what it reads otherwise. It joins the first group from
# there on that has its table and shares something that it reads, or opens a new one at the end. What a group reads from
# outside comes from steps before. An element that shares nothing with any group yet, such as a moment of Adam times its
# factor, waits for its first reader, to join the group of what else that one reads; a function of it alone waits too.
# So do sums over rows, until the next step that is no group: the gradient of a normalisation's bias is the first to be
# asked for, and belongs to the loop that comes behind it.
#
# A single number that follows from what is given, such as a share of a loss, does not wait where it is for many
# elements: it is made first of all, so that the loop that reads it need not be behind a loop that stands before it.

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Any

from ..program import Instruction, Program, Variable
from .dialect import HOST, Dialect
from .groups import Group, Member, Table
from .kernels import Check, Kernel, counts_positions
from .layout import Ref
from .moves import Move, joined_moves, move_of
from .positions import Positions
from .products import Product, product_of
from .tables import Tables, Ways, labels_along

__all__ = ["Call", "Step", "schedule"]


@dataclass
class Call:
    """An instruction that NumPy does."""

    instruction: Instruction


_ALONE = 4096  # columns of a table of one row that have a number of their own beside them

Step = Group | Product | Move | Kernel | Check | Call


def schedule(program: Program, refs: dict[Variable, Ref], dialect: Dialect = HOST) -> list[Step]:
    """The instructions as steps in a dialect, see Note [Where a member goes]."""
    made = _Schedule(program, refs, dialect)
    return joined_moves([*made.checks, *made.steps], program, refs)


class _Schedule:
    """The steps of a program, one instruction after the other."""

    def __init__(self, program: Program, refs: dict[Variable, Ref], dialect: Dialect) -> None:
        self.refs, self.dialect = refs, dialect
        self.tables = Tables(program, refs, dialect)
        self.positions = Positions(program, refs)
        self.outside = {*program.arguments, *(variable for _, variable in program.places)}
        self.steps: list[Step] = []
        self.ready: dict[Variable, int] = {}  # a base variable -> the step that makes it
        self.touching: dict[Variable, set[int]] = {}  # the groups that make, read or wait for it
        self.checks: list[Check] = []  # those that are done before anything else
        self.waiting: dict[Variable, tuple[Instruction, Ways]] = {}  # see Note [Where a member goes]
        numbers = self._numbers_for_many(program)
        for instruction, ways in numbers.values():
            self._join(instruction, ways)
        for instruction in self._calls_and_draws_first(program):
            if not self._is_view(instruction.out) and instruction.out not in numbers:
                self._add(instruction)
        for instruction, ways in self.waiting.values():
            self._join(instruction, ways)

    def _is_view(self, out: Variable) -> bool:
        return out in self.refs and self.refs[out].base is not out

    def _numbers_for_many(self, program: Program) -> dict[Variable, tuple[Instruction, Ways]]:
        """What makes single numbers that follow from what is given, and are read for many elements."""
        known = {*self.outside, *(variable for variable, _ in program.constants)}
        found: dict[Variable, tuple[Instruction, Ways]] = {}
        for instruction in program.instructions:
            if prod(instruction.out.shape) != 1 or not known.issuperset(self._reads(instruction)):
                continue
            ways = self.tables.ways(instruction)
            if ways and _is_element(ways) and instruction.after is None:
                found[instruction.out] = instruction, ways
                known.add(instruction.out)
        wanted: set[Variable] = set()
        for instruction in reversed(program.instructions):
            if instruction.out in wanted or prod(instruction.out.shape) > _ALONE:
                wanted.update(found.keys() & self._reads(instruction))
        return {out: made for out, made in found.items() if out in wanted}

    def _reads(self, instruction: Instruction) -> list[Variable]:
        """What an instruction reads, as variables that are no views; not numbers of Python's."""
        return [self.refs[variable].base for variable in instruction.variables() if variable in self.refs]

    def _calls_and_draws_first(self, program: Program) -> list[Instruction]:
        """The instructions; in front those that only NumPy can do and that wait for nothing, and random draws."""
        computed = {instruction.out for instruction in program.instructions}
        first = []
        for instruction in program.instructions:
            waits = any(variable in computed for variable in instruction.variables())
            if waits or self._is_view(instruction.out) or self._move_or_product(instruction):
                continue
            made = self.dialect.kernel(instruction, self.refs)
            if (made is None or made.draw is not None) and not self.tables.ways(instruction):
                first.append(instruction)
        early = set(map(id, first))
        return first + [instruction for instruction in program.instructions if id(instruction) not in early]

    def _add(self, instruction: Instruction) -> None:
        """Make it a member of a group, let it wait for one, or make it a step of its own."""
        reads = self._reads(instruction)
        needs = reads
        if instruction.after in self.refs:
            after = self.refs[instruction.after].base
            instruction, needs = replace(instruction, after=after), [*reads, after]
        ways = self.tables.ways(instruction)
        if ways and instruction.name in ("getitem", "set_at") and not self._has_checked_columns(instruction):
            ways = {}  # NumPy says what is wrong
        waits = bool(ways) and (_is_element(ways) or all(way.kind == "column" for way in ways.values()))
        if waits and len(needs) == 1 and needs[0] in self.waiting:
            self.waiting[instruction.out] = instruction, ways
            return
        for base in needs:
            self._release(base, near=reads)
        if ways and self._join(instruction, ways, opens=not waits):
            return
        if waits:
            self.waiting[instruction.out] = instruction, ways
        else:
            for base in [out for out, (_, ways) in self.waiting.items() if not _is_element(ways)]:
                self._release(base, near=reads)
            self._add_step(instruction)

    def _release(self, base: Variable, near: Sequence[Variable]) -> None:
        """Let what waits, and what that is a function of, join the group of what is `near`."""
        todo: list[Variable | tuple[Instruction, Ways]] = [base]  # a chain may be longer than Python's stack is deep
        while todo:
            now = todo.pop()
            if isinstance(now, tuple):
                self._join(*now, near=near)
            elif now in self.waiting:
                instruction, ways = self.waiting.pop(now)
                reads = self._reads(instruction)
                todo += [(instruction, ways), *reversed(reads)]  # what it reads joins before it does

    def _add_step(self, instruction: Instruction) -> None:
        check = _check(instruction, self.refs)
        if check is not None and check.positions.base in self.outside:
            self.checks.append(check)
            return
        known = check or self._move_or_product(instruction) or self.dialect.kernel(instruction, self.refs)
        if isinstance(known, Kernel) and known.check is not None:
            if known.check.positions.base not in self.outside:
                self.steps.append(known.check)
            elif not any(check.covers(known.check) for check in self.checks):
                self.checks.append(known.check)
        self.ready[instruction.out] = len(self.steps)
        self.steps.append(known or Call(instruction))

    def _has_checked_columns(self, instruction: Instruction) -> bool:
        """Whether the column that is named in each row is there, which is asked first where that can be."""
        if not self.dialect.checks:
            return True
        table, index, *_ = instruction.inputs
        along = labels_along(table, index, self.tables.counts) if len(table.shape) > 2 else None
        if along is not None:  # of those from outside some may be negative
            axis, labels = along
            return self.refs[labels].base not in self.outside and self.positions.are_below(labels, table.shape[axis])
        labels, columns = index[1], table.shape[1]
        if self.refs[labels].base not in self.outside:
            return self.positions.are_below(labels, columns)
        asked = replace(
            instruction, name="check_columns", function=_refuse_columns, inputs=(labels, columns), options={}
        )
        check = Check(asked, self.refs[labels], -columns, columns)
        if not any(known.covers(check) for known in self.checks):
            self.checks.append(check)
        return True

    def _move_or_product(self, instruction: Instruction) -> Move | Product | None:
        product = product_of(instruction, self.refs, self.dialect.products)
        zeros, dialect = self.tables.zeros, self.dialect
        return product or move_of(instruction, self.refs, zeros, dialect.types, dialect.most_parts)

    def _join(self, instruction: Instruction, ways: Ways, near: Sequence[Variable] = (), opens: bool = True) -> bool:
        """Make the instruction a member of a group that has to do with what it reads or `near`; False where it is none.

        Where there is no such group it opens one, if it `opens` any.
        """
        steps, ready = self.steps, self.ready
        reads = [operand.ref.base for operand in next(iter(ways.values())).operands if operand.ref is not None]
        needs = reads if instruction.after is None else [*reads, instruction.after]
        earliest = max((ready.get(base, 0) for base in needs), default=0)
        for place in [*self._groups_with([*needs, *near], earliest), *[len(steps)] * opens]:
            step = steps[place] if place < len(steps) else Group(set(ways))
            assert isinstance(step, Group)
            if step.most_arrays + 1 + len(reads) > self.dialect.most_arrays:
                continue
            own = {base for base in reads if ready.get(base) == place}
            fitting = {
                table: way
                for table, way in _widened(ways, step, self.dialect.longest_row).items()
                if table in step.tables and _fits(way, table, step, own)
            }
            if not fitting:
                continue
            if place == len(steps):
                steps.append(step)
            _take_in(step, instruction, fitting, reads)
            ready[instruction.out] = place
            for base in (instruction.out, *needs):
                self.touching.setdefault(base, set()).add(place)
            return True
        return False

    def _groups_with(self, bases: Sequence[Variable], earliest: int) -> list[int]:
        """The groups from a step on that have to do with one of these; with others nothing but the loop is shared."""
        return sorted({place for base in bases for place in self.touching.get(base, ()) if place >= earliest})


def _is_element(ways: Ways) -> bool:
    return all(way.kind == "element" for way in ways.values())


def _take_in(group: Group, instruction: Instruction, ways: Ways, reads: list[Variable]) -> None:
    """Make the instruction a member of the group, over those of its tables that both can have."""
    group.tables = set(ways)
    if any(way.kind != "element" for way in ways.values()):
        group.tables = {group.table}  # one table, as soon as a member goes by rows
    for table in group.tables:
        ways[table].stage = _stage(ways[table], group, table)
    group.ways[instruction.out] = ways
    group.reads.update(reads)
    operands = next(iter(ways.values())).operands
    group.parts.update((operand.ref.base, operand.ref.offset) for operand in operands if operand.ref is not None)


def _widened(ways: Ways, group: Group, longest: int) -> Ways:
    """The ways of a member, and besides those in which its elements are the rows of the group's table.

    Its rows have at most the `longest` number of columns: what a stage before the member makes is kept for one behind.
    Parts of a single row can be worked on side by side, so a long one is left as it is, unless it has such values yet.
    """
    more = dict(ways)
    for rows, columns in group.tables:
        way, table = ways.get((rows, 1)), (rows, columns)
        if not 1 < columns <= longest or way is None or table in ways:
            continue
        if rows == 1 and columns > _ALONE and all(made[table].kind != "row" for made in group.ways.values()):
            continue
        if way.kind == "element":
            more[table] = Member(way.instruction, way.name, "row", way.operands, per_row=True)
        elif way.kind == "all":
            more[table] = Member(way.instruction, way.name, "all", way.operands, per_row=True)
    return more


def _fits(way: Member, table: Table, group: Group, own: set[Variable]) -> bool:
    """Whether what the member reads of its own group is at the same element, or row; see Note [Stages] in groups.py."""
    _rows, columns = table
    for operand in way.operands:
        if operand.ref is None or operand.ref.base not in own:
            continue
        maker = group.ways[operand.ref.base].get(table)
        if maker is None or maker.kind in ("column", "all", "block") or operand.ref.offset:
            return False
        picked = way.name == "pick" and operand is way.operands[0]
        if way.per_row and (maker.kind == "row") == picked:
            return False
        wanted = (1, 0) if maker.kind == "row" else (columns, 1)
        if any(n > 1 and g != w for n, g, w in zip(table, operand.strides, wanted, strict=True)):
            return False
    return True


def _stage(member: Member, group: Group, table: Table) -> int:
    """The loop over the columns in which, or after which, it is computed; see Note [Stages] in groups.py."""
    stage = 0
    for operand in member.operands:
        made = group.ways.get(operand.ref.base) if operand.ref is not None else None
        if made is not None:
            maker = made[table]
            stage = max(stage, maker.stage + (maker.kind == "row" and not member.per_row))
    return stage


def _refuse_columns(labels: Any, columns: int) -> None:
    """Raise NumPy's error for one of these labels that is no column."""
    wrong = labels[(labels < -columns) | (labels >= columns)]
    raise IndexError(f"index {wrong[0]} is out of bounds for axis 1 with size {columns}")


def _check(instruction: Instruction, refs: dict[Variable, Ref]) -> Check | None:
    """A check of positions, which can be done before anything else where they come from outside."""
    if instruction.name == "check_labels":
        labels, ignored, classes = instruction.inputs
    elif instruction.name == "check_range" and isinstance(instruction.function, functools.partial):
        labels, ignored, classes = instruction.inputs[0], None, instruction.function.args[-1]
    else:
        return None
    return Check(instruction, refs[labels], 0, classes, ignored) if counts_positions(labels) else None
