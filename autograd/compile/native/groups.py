"""Groups: instructions that walk over the same elements, to become one loop.

One idea: all of a group see its elements as a table of R rows and C columns. A member gives a value for each element,
for each row (a reduction along it, or a function of such), or adds up over the rows into a value for each column, or
for all. The first two may be used by later members of the same group; sums over rows are ready when the group is done.
So a softmax with its loss, a normalisation, a mask with the gradient of a bias, or Adam are one loop each.
Read `memory.py` next.
"""

# Note [Where a member goes]
# Groups and other steps run in the order in which they stand. A member must stand where all that it reads is ready: in
# the same group as what it reads element by element, behind what it reads otherwise. It joins the first group from
# there on that has its table and shares something that it reads, or opens a new one at the end. What a group reads from
# outside comes from steps before. An element that shares nothing with any group yet, such as a moment of Adam times its
# factor, waits for its first reader, to join the group of what else that one reads.

# Note [Rows over several axes]
# The same mask for all heads of an attention, positions that are added to all texts of a batch, the heads of one
# product of queries, keys and values: for all of them the rows of a table are several axes in memory, and a row's
# number is taken apart to find it. That costs a division for each row, so rows must be long, and lie in one piece.

# Note [Stages]
# A reduction along a row is ready when the loop over its columns is done, so members that need it start another loop
# over the same row: a stage. What a later stage reads of an earlier one is kept in a row of memory.

from __future__ import annotations

import functools
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from ...backend import host
from ..program import Instruction, Program, Variable
from .expressions import C_TYPES, called, has_expression
from .kernels import Check, Kernel, counts_positions, kernel_of
from .layout import Axes, Ref, strides_over
from .moves import Move, joined_moves, move_of
from .products import Product, product_of

__all__ = ["HOST", "Call", "Dialect", "Group", "Member", "Operand", "Step", "schedule"]

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

Table = tuple[int, int]


@dataclass
class Operand:
    """What a member reads: a number of Python's, a number that changes, or elements that lie along the table.

    They have one stride along its columns; its rows may go over several axes, see Note [Rows over several axes].
    """

    constant: Any = None
    number: Variable | None = None
    ref: Ref | None = None
    rows: Axes = ()
    columns: int = 0

    @property
    def strides(self) -> tuple[int | None, int]:
        """Along the rows, None where it is not the same from row to row, and along the columns."""
        return None if len(self.rows) > 1 else self.rows[0][1] if self.rows else 0, self.columns

    @property
    def dtype(self) -> Any:
        """Its dtype; `int` or `float` for numbers."""
        if self.ref is not None:
            return self.ref.base.dtype
        return float if self.number is not None or isinstance(self.constant, float) else int


@dataclass
class Member:
    """One instruction of a group. `kind` is "element", "row" (a value for each row), "column" or "all" (sums)."""

    instruction: Instruction
    name: str  # of the function in C, of the reduction, "pick" or "place"
    kind: str
    operands: list[Operand]
    per_row: bool = False  # whether it is computed once for each row, between the loops over the columns
    stage: int = 0

    @property
    def out(self) -> Variable:
        """The variable that it computes."""
        return self.instruction.out


@dataclass
class Group:
    """Members over one table; while several tables would do for all of them, each member is kept for each."""

    tables: set[Table]
    ways: dict[Variable, dict[Table, Member]] = field(default_factory=dict)
    reads: set[Variable] = field(default_factory=set)

    @property
    def table(self) -> Table:
        """Rows and columns: of several that would do, the one with the longest rows."""
        return max(self.tables, key=lambda table: table[1])

    def touches(self, reads: list[Variable]) -> bool:
        """Whether one of these variables is made or read here."""
        return any(base in self.ways or base in self.reads for base in reads)

    @property
    def members(self) -> dict[Variable, Member]:
        """The members as they are for its table."""
        return {out: ways[self.table] for out, ways in self.ways.items()}


@dataclass
class Call:
    """An instruction that NumPy does."""

    instruction: Instruction


Step = Group | Product | Move | Kernel | Check | Call
MakeKernel = Callable[[Instruction, dict[Variable, Ref]], Kernel | None]


@dataclass(frozen=True)
class Dialect:
    """What can be said of a program in a language: C for the host, CUDA C for a GPU."""

    kernel: MakeKernel  # makes the kernels that are written by hand
    types: Container[str]  # the dtypes that it has
    products: tuple[str, ...]  # those that its BLAS multiplies
    longest_row: int  # elements that may be kept from one stage to the next
    most_parts: int  # of a joined array


# A row takes 64 KiB of the stack at most; each part is a loop of its own in C, which takes the compiler 5 ms.
HOST = Dialect(kernel_of, C_TYPES, ("float32", "float64"), 16_384, 100)


def schedule(program: Program, refs: dict[Variable, Ref], dialect: Dialect = HOST) -> list[Step]:
    """The instructions as steps in a dialect, see Note [Where a member goes]."""
    steps: list[Step] = []
    ready: dict[Variable, int] = {}  # a base variable -> the step that makes it
    counts = {variable: array for variable, array in program.constants if array.dtype.kind == "i"}
    zeros = program.zeros()
    outside = {*program.arguments, *(variable for _, variable in program.places)}
    checks: list[Check] = []  # those that are done before anything else

    def first(check: Check) -> None:
        nonlocal ready
        steps.insert(0, check)
        checks.append(check)
        ready = {variable: place + 1 for variable, place in ready.items()}

    waiting: dict[Variable, tuple[Instruction, dict[Table, Member]]] = {}
    for instruction in _calls_and_draws_first(program, refs, counts, zeros, dialect):
        out = instruction.out
        if out in refs and refs[out].base is not out:
            continue  # a view
        reads = [refs[variable].base for variable in instruction.variables() if variable in refs]
        needs = reads
        if instruction.after in refs:
            after = refs[instruction.after].base
            instruction, needs = replace(instruction, after=after), [*reads, after]
        for base in needs:
            if base in waiting:
                _join(steps, ready, *waiting.pop(base), near=reads)
        ways = _ways(instruction, refs, counts, zeros, dialect)
        waits = bool(ways) and all(way.kind == "element" for way in ways.values())
        if ways and _join(steps, ready, instruction, ways, opens=not waits):
            continue
        if waits:
            waiting[out] = instruction, ways
            continue
        check = _check(instruction, refs)
        if check is not None and check.positions.base in outside:
            first(check)
            continue
        known = check or _move_or_product(instruction, refs, zeros, dialect) or dialect.kernel(instruction, refs)
        if isinstance(known, Kernel) and known.check is not None:
            if known.check.positions.base not in outside:
                steps.append(known.check)
            elif not any(check.covers(known.check) for check in checks):
                first(known.check)
        ready[out] = len(steps)
        steps.append(known or Call(instruction))
    for instruction, ways in waiting.values():
        _join(steps, ready, instruction, ways)
    return joined_moves(steps, program, refs)


def _calls_and_draws_first(
    program: Program,
    refs: dict[Variable, Ref],
    counts: dict[Variable, Any],
    zeros: set[Variable],
    dialect: Dialect,
) -> list[Instruction]:
    """The instructions with those in front that only NumPy can do and that wait for nothing, and with random draws."""
    computed = {instruction.out for instruction in program.instructions}
    first = []
    for instruction in program.instructions:
        waits = any(variable in computed for variable in instruction.variables())
        view = instruction.out in refs and refs[instruction.out].base is not instruction.out
        if waits or view or _move_or_product(instruction, refs, zeros, dialect):
            continue
        made = dialect.kernel(instruction, refs)
        if made is not None and made.draw is None:
            continue
        if _ways(instruction, refs, counts, zeros, dialect):
            continue
        first.append(instruction)
    early = set(map(id, first))
    return first + [instruction for instruction in program.instructions if id(instruction) not in early]


def _move_or_product(
    instruction: Instruction, refs: dict[Variable, Ref], zeros: set[Variable], dialect: Dialect
) -> Move | Product | None:
    product = product_of(instruction, refs, dialect.products)
    return product or move_of(instruction, refs, zeros, dialect.types, dialect.most_parts)


# How an instruction may be a member


def _ways(
    instruction: Instruction,
    refs: dict[Variable, Ref],
    counts: dict[Variable, Any],
    zeros: set[Variable],
    dialect: Dialect,
) -> dict[Table, Member]:
    """The tables over which an instruction can be a member, with the member that it would be."""
    name, inputs, options = called(instruction)
    out = instruction.out
    if out.dtype is None or str(out.dtype) not in dialect.types or prod(out.shape) == 0:
        return {}
    if name in _REDUCTIONS:
        return _reduction(instruction, _REDUCTIONS[name], refs, dialect.longest_row)
    if name == "getitem":
        return _pick(instruction, refs, counts, dialect.longest_row)
    if name == "set_at":
        return _place(instruction, refs, counts, zeros)
    is_function = isinstance(instruction.function, host.ufunc) or name in ("where", "positive")
    if options.keys() - {"dtype"} or not is_function:
        return {}
    operands = [_operand(x, refs) for x in inputs]
    if any(operand is None for operand in operands):
        return {}
    given: list[Operand] = [operand for operand in operands if operand is not None]
    if not has_expression(name, [operand.dtype for operand in given], out.dtype, dialect.types):
        return {}
    return {table: Member(instruction, name, "element", placed) for table, placed in _tables(out.shape, given)}


def _operand(x: Any, refs: dict[Variable, Ref]) -> Operand | None:
    if isinstance(x, Variable):
        return Operand(ref=refs[x]) if x in refs else Operand(number=x)
    if isinstance(x, (bool, int, float)):
        return Operand(constant=x)
    if isinstance(x, host.generic) and x.dtype.kind in "biuf":
        return Operand(constant=x.item()) if x.dtype.kind == "b" else None
    return None


def _tables(shape: tuple[int, ...], operands: list[Operand]) -> Iterator[tuple[Table, list[Operand]]]:
    """Every split of the axes into rows and columns along which each operand can be read."""
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
            yield (prod(shape[:split]), prod(shape[split:])), placed


def _reduction(instruction: Instruction, name: str, refs: dict[Variable, Ref], longest_row: int) -> dict[Table, Member]:
    source, out = instruction.inputs[0], instruction.out
    if not isinstance(source, Variable) or len(instruction.inputs) > 1:
        return {}
    if not instruction.options.keys() <= {"axis", "keepdims"} or source.dtype.kind != "f" or source.dtype != out.dtype:
        return {}
    shape, axis = source.shape, instruction.options.get("axis")
    # NumPy takes the axis -1 of a single number too, which has none.
    axes = sorted(range(len(shape)) if axis is None or not shape else [a % len(shape) for a in _row(axis)])
    ways = {}
    for (rows, columns), placed in _tables(shape, [Operand(ref=refs[source])]):
        split = _split_of(shape, rows, columns)
        if axes == list(range(split, len(shape))) and columns <= longest_row:
            ways[rows, columns] = Member(instruction, name, "row", placed)
        elif axes == list(range(len(shape))) and name in ("sum", "mean"):
            ways[rows, columns] = Member(instruction, name, "all", placed)
        elif axes == list(range(split)) and columns > 1 and name in ("sum", "mean"):
            ways[rows, columns] = Member(instruction, name, "column", placed)
    return ways


def _split_of(shape: tuple[int, ...], rows: int, columns: int) -> int:
    """The first split of a shape that gives a table."""
    return next(k for k in range(len(shape) + 1) if (prod(shape[:k]), prod(shape[k:])) == (rows, columns))


def _row(axis: Any) -> tuple[int, ...]:
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _pick(
    instruction: Instruction, refs: dict[Variable, Ref], counts: dict[Variable, Any], longest_row: int
) -> dict[Table, Member]:
    """x[rows, labels]: of each row the element at its label."""
    source, index = instruction.inputs
    labels = _labels(source, index, counts)
    if labels is None:
        return {}
    rows, columns = source.shape
    operands = [
        Operand(ref=refs[source], rows=((rows, columns),), columns=1),
        Operand(ref=refs[labels], rows=_rows(refs[labels])),
    ]
    member = Member(instruction, "pick", "row", operands, per_row=True)
    return {(rows, columns): member} if refs[source].is_whole and columns <= longest_row else {}


def _place(
    instruction: Instruction, refs: dict[Variable, Ref], counts: dict[Variable, Any], zeros: set[Variable]
) -> dict[Table, Member]:
    """Zeros, but in each row a value at its label."""
    base, index, value = instruction.inputs
    labels = _labels(base, index, counts)
    if labels is None or base not in zeros or value.shape != labels.shape or value.dtype != base.dtype:
        return {}
    rows, columns = base.shape
    operands = [
        Operand(ref=refs[labels], rows=_rows(refs[labels])),
        Operand(ref=refs[value], rows=_rows(refs[value])),
    ]
    return {(rows, columns): Member(instruction, "place", "element", operands)}


def _labels(table: Any, index: Any, counts: dict[Variable, Any]) -> Variable | None:
    """The labels of an index (rows, labels) that names one column in each row of a table."""
    if not isinstance(table, Variable) or len(table.shape) != 2 or type(index) is not tuple or len(index) != 2:
        return None
    rows, labels = index
    if not isinstance(rows, Variable) or not isinstance(labels, Variable):
        return None
    if labels.dtype.kind != "i" or not labels.dtype.isnative:
        return None
    numbers = counts.get(rows)
    if numbers is None or labels.shape not in ((table.shape[0],), (table.shape[0], 1)) or rows.shape != labels.shape:
        return None
    return labels if (numbers.reshape(-1) == host.arange(table.shape[0])).all() else None


def _rows(ref: Ref) -> Axes:
    return ((ref.shape[0], ref.strides[0]),) if ref.shape[0] > 1 else ()


# Where it goes


def _join(
    steps: list[Step],
    ready: dict[Variable, int],
    instruction: Instruction,
    ways: dict[Table, Member],
    near: Sequence[Variable] = (),
    opens: bool = True,
) -> bool:
    """Make the instruction a member of a group that has to do with what it reads or `near`; False where it is none.

    Where there is no such group it opens one, if it `opens` any.
    """
    reads = [operand.ref.base for operand in next(iter(ways.values())).operands if operand.ref is not None]
    needs = reads if instruction.after is None else [*reads, instruction.after]
    earliest = max((ready.get(base, 0) for base in needs), default=0)
    for place in range(earliest, len(steps) + opens):
        step = steps[place] if place < len(steps) else Group(set(ways))
        if not isinstance(step, Group):
            continue
        if place < len(steps) and not step.touches([*needs, *near]):
            continue  # it would share nothing but the loop
        own = {base for base in reads if ready.get(base) == place}
        fitting = {}
        for table, way in _widened(ways, step).items():
            if table in step.tables and _fits(way, table, step, own):
                fitting[table] = way
        if not fitting:
            continue
        if place == len(steps):
            steps.append(step)
        step.tables = set(fitting)
        if any(way.kind != "element" for way in fitting.values()):
            step.tables = {step.table}  # one table, as soon as a member goes by rows
        for table in step.tables:
            fitting[table].stage = _stage(fitting[table], step, table)
        step.ways[instruction.out] = fitting
        step.reads.update(reads)
        ready[instruction.out] = place
        return True
    return False


def _widened(ways: dict[Table, Member], group: Group) -> dict[Table, Member]:
    """The ways of a member, and besides those in which its elements are the rows of the group's table."""
    more = dict(ways)
    for rows, columns in group.tables:
        way = ways.get((rows, 1))
        if columns > 1 and way is not None and (rows, columns) not in ways:
            if way.kind == "element":
                more[rows, columns] = Member(way.instruction, way.name, "row", way.operands, per_row=True)
            elif way.kind == "all":
                more[rows, columns] = Member(way.instruction, way.name, "all", way.operands, per_row=True)
    return more


def _fits(way: Member, table: Table, group: Group, own: set[Variable]) -> bool:
    """Whether what the member reads of its own group is at the same element, or row; see Note [Stages]."""
    _rows, columns = table
    for operand in way.operands:
        if operand.ref is None or operand.ref.base not in own:
            continue
        maker = group.ways[operand.ref.base].get(table)
        if maker is None or maker.kind in ("column", "all") or operand.ref.offset:
            return False
        picked = way.name == "pick" and operand is way.operands[0]
        if way.per_row and (maker.kind == "row") == picked:
            return False
        wanted = (1, 0) if maker.kind == "row" else (columns, 1)
        if any(n > 1 and g != w for n, g, w in zip(table, operand.strides, wanted, strict=True)):
            return False
    return True


def _stage(member: Member, group: Group, table: Table) -> int:
    """The loop over the columns in which, or after which, it is computed; see Note [Stages]."""
    stage = 0
    for operand in member.operands:
        made = group.ways.get(operand.ref.base) if operand.ref is not None else None
        if made is not None:
            maker = made[table]
            stage = max(stage, maker.stage + (maker.kind == "row" and not member.per_row))
    return stage


def _check(instruction: Instruction, refs: dict[Variable, Ref]) -> Check | None:
    """A check of positions, which can be done before anything else where they come from outside."""
    if instruction.name == "check_labels":
        labels, ignored, classes = instruction.inputs
    elif instruction.name == "check_range" and isinstance(instruction.function, functools.partial):
        labels, ignored, classes = instruction.inputs[0], None, instruction.function.args[-1]
    else:
        return None
    return Check(instruction, refs[labels], 0, classes, ignored) if counts_positions(labels) else None
