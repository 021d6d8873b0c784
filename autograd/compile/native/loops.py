"""Loops: a group written in C, all of it or a part.

One idea: a group is a loop over rows, and in it, for each stage, a loop over columns that the compiler turns into
vector instructions. Read `mathematics.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..program import Variable
from .groups import Group, Member
from .kernels import PART, STEP, Listed, Memory
from .members import Members, ctype
from .parts import parts_of

__all__ = ["Writer", "group_source"]

_SLOW = dict.fromkeys(("exp", "log", "tanh", "sin", "cos", "power", "divide", "sqrt", "expm1", "log1p"), 8)
_SLOW |= {"logaddexp": 16, "remainder": 8}
_EXTREMES = {"max": "-INFINITY", "min": "INFINITY"}  # and with what they begin
_MOST_ON_STACK = 1 << 18  # bytes of sums by part
_PIECE = 1024  # columns
_RUN = 256  # rows


def group_source(group: Group, memory: Memory) -> tuple[str, list[int]]:
    """Functions that do a group: all of it, or a part each; then the sums of the parts are added up. And its places.

    The text has @ for its name, and names no place: see Note [Places] in kernels.py.
    """
    writer = Writer(group, memory)
    return "\n".join(writer.functions()), writer.places


# Note [Sums of sums]
# A large sum in float32 loses of each number that is added to it, of equal ones always the same: a million times 0.1
# was off by a thousandth. So a sum over all elements adds up each piece of a row by itself, and these in float64, and a
# sum down the rows adds up runs of them by themselves.

# Note [Letters]
# Of member 3, besides what `members.py` names: b3 is a row that is kept for later stages, z3 are the columns of a block
# or the sums of all parts, p3 those of a run of rows; s3 is the sum of a piece and t3 of all, q3 the number of NaN.


class Writer(Members):
    """Writes the loop of a group in C, see Note [Letters]."""

    def __init__(self, group: Group, memory: Memory) -> None:
        super().__init__(group, memory)
        self._listed = Listed(memory)
        self.places = self._listed.places
        self.weight = sum(_SLOW.get(member.name, 1) for member in self.members.values())  # of what an element takes
        self.parts = self._count_parts()
        self.in_runs = [member for member in (*self.sums, *self.in_blocks) if self._has_runs(member)]

    def _has_runs(self, member: Member) -> bool:
        """Whether a sum goes over more rows than are added up in one run; see Note [Sums of sums]."""
        if member.kind == "column":
            return self.rows > self.parts * _RUN
        return member.kind == "block" and member.name in ("sum", "mean") and member.block > _RUN

    def column_sum(self, member: Member) -> str:
        """Of what is added up in runs, the sum of this one."""
        return f"p{self.order[member.out]}[c]" if member in self.in_runs else super().column_sum(member)

    def _count_parts(self) -> int:
        self.step = max((member.block for member in self.in_blocks), default=64 if self.rows == 1 else 1)
        if any(self.step % member.block for member in self.in_blocks):
            return 1
        self.cut = (self.columns if self.rows == 1 else self.rows) // self.step  # where parts may begin
        parts = parts_of(self.rows * self.columns * self.weight, self.cut)
        by_row = any(member.kind in ("row", "column") or member.per_row for member in self.members.values())
        if self.rows == 1 and (by_row or self.kept):
            return 1
        taken = sum(self.length(member) * member.out.dtype.itemsize for member in self.sums)
        return parts if parts * taken <= _MOST_ON_STACK else 1

    def functions(self) -> Iterator[str]:
        """A function that does everything, or one that does a part and one that has them all done."""
        lines = list(self._lines())  # which find out what has a place
        if self.parts == 1:
            yield STEP
            yield from self._pointers()
            yield from (self._target(member.out) for member in self.sums)
            yield from lines
            yield from self._ends()
            yield "  return 0;\n}"
            return
        cut, step = self.cut, self.step
        yield PART
        last = f"part + 1 < {self.parts} ? {cut}L * (part + 1) / {self.parts} * {step} : "
        last += f"{self.columns if self.rows == 1 else self.rows}"
        yield f"  const long first = {cut}L * part / {self.parts} * {step}, last = {last};"
        for i, member in enumerate(self.sums):
            kind, length = ctype(member.out.dtype), self.length(member)
            yield f"  {kind} *y{self.order[member.out]} = ({kind} *)q[{i + 2}] + {length} * part;"
        yield from self._pointers()
        yield from lines
        yield "}"
        yield STEP
        for member in self.sums:
            yield f"  {ctype(member.out.dtype)} z{self.order[member.out]}[{self.parts * self.length(member)}];"
        given = ", ".join(["(char *)p", "(char *)at", *(f"(char *)z{self.order[member.out]}" for member in self.sums)])
        yield f"  char *q[] = {{{given}}};"
        yield f"  run(@_part, {self.parts}, q, n);"
        for member in self.sums:
            index, length = self.order[member.out], self.length(member)
            yield self._target(member.out)
            yield f"  for (long c = 0; c < {length}; c++) {{"
            yield f"    {ctype(member.out.dtype)} s = z{index}[c];"
            yield f"    for (int part = 1; part < {self.parts}; part++) s += z{index}[{length} * part + c];"
            yield f"    y{index}[c] = s;"
            yield "  }"
        yield from self._ends()
        yield "  return 0;\n}"

    def _target(self, variable: Variable) -> str:
        """What gives a variable that is written its place."""
        kind = ctype(variable.dtype)
        return f"  {kind} *y{self.order[variable]} = ({kind} *){self._place(variable)};"

    def _place(self, base: Variable, offset: int = 0) -> str:
        return self._listed.address(base, offset)

    def _ends(self) -> Iterator[str]:
        """Means of sums."""
        for member in self.sums:
            if member.name == "mean":
                count = self.rows * (1 if member.per_row or member.kind == "column" else self.columns)
                yield f"  for (long c = 0; c < {self.length(member)}; c++) y{self.order[member.out]}[c] /= {count};"

    def _lines(self) -> Iterator[str]:
        """The loops: over all rows, or those of a part; where there is one row, its columns are cut."""
        cut = self.parts > 1
        first, last = ("first", "last") if cut and self.rows > 1 else ("0", str(self.rows))
        self.over = ("first", "last") if cut and self.rows == 1 else ("0", self.width)
        yield from self._before_rows()
        yield f"  for (long r = {first}; r < {last}; r++) {{"
        yield from self._before_row()
        for stage in range(self.stages):
            yield from self._stage([member for member in self.members.values() if member.stage == stage])
        yield from self._after_row(last)
        yield "  }"
        for member in self.sums:
            if member.kind == "all":
                yield f"  y{self.order[member.out]}[0] = t{self.order[member.out]};"

    def _before_rows(self) -> Iterator[str]:
        """Sums over rows, which begin with 0, and room for what is kept from stage to stage."""
        for member in self.sums:
            if member.kind == "column":
                yield f"  {self._each_column} y{self.order[member.out]}[c] = 0;"
            else:
                yield f"  {_wide(member)} t{self.order[member.out]} = 0;"
        for variable in self.kept:
            yield f"  {ctype(variable.dtype)} b{self.order[variable]}[{self.width}];"
        for member in self.in_runs:
            index = self.order[member.out]
            yield f"  {ctype(member.out.dtype)} p{index}[{self.width}];"
            yield f"  {self._each_column} p{index}[c] = 0;"

    def _before_row(self) -> Iterator[str]:
        """What goes over blocks of rows begins anew at the first of a block."""
        for member in self.in_blocks:
            index, kind = self.order[member.out], ctype(member.out.dtype)
            yield f"    {kind} *z{index} = {self.stored(member.out)} + r / {member.block} * {self.width};"
            yield f"    if (r % {member.block} == 0) {self._each_column} z{index}[c] = {_start(member)};"

    def _after_row(self, rows: str) -> Iterator[str]:
        """At the last row of a run it is added to the sum; at the last of a block a sum becomes a mean."""
        for member in self.in_runs:
            index, whole = self.order[member.out], super().column_sum(member)
            ends = f"r + 1 == {rows}" if member.kind == "column" else _ends_block(member)
            yield f"    if (r % {_RUN} == {_RUN - 1} || {ends})"
            yield f"      {self._each_column} {{ {whole} += p{index}[c]; p{index}[c] = 0; }}"
        for member in self.in_blocks:
            if member.name == "mean":
                each = f"{self._each_column} z{self.order[member.out]}[c] /= {member.block};"
                yield f"    if ({_ends_block(member)}) {each}"

    @property
    def _each_column(self) -> str:
        return f"for (long c = 0; c < {self.width}; c++)"

    def _pointers(self) -> Iterator[str]:
        """What gives the arrays and numbers that the lines name their places."""
        for (base, offset), name in self.outside.items():
            kind = ctype(base.dtype)
            yield f"  const {kind} *{name} = (const {kind} *){self._place(base, offset)};"
        yield from map(self._target, self.written)
        for variable, name in self.numbers.items():
            yield f"  const double {name} = {self._listed.number(variable)};"

    def _stage(self, members: list[Member]) -> Iterator[str]:
        """A loop over the columns of a row, around it what is reduced along the row; then what a row has one of."""
        inside = [member for member in members if not member.per_row]
        along = [member for member in inside if member.kind == "row"]
        for member in sorted(along, key=_is_extreme):  # sums first
            index = self.order[member.out]
            nans = f" int q{index} = 0;" if _is_extreme(member) else ""
            yield f"    {ctype(member.out.dtype)} v{index} = {_start(member)};{nans}"
        if inside:
            yield from self._columns(inside)
        for member in along:
            yield from self._reduced(member)
        for member in members:
            if member.per_row:
                yield from (f"    {line}" for line in self._for_row(member))

    def _columns(self, inside: list[Member]) -> Iterator[str]:
        """The loop over the columns, a piece at a time where all elements are added up; see Note [Sums of sums]."""
        totals = [member for member in inside if member.kind == "all"]
        first, last = self.over
        pieces = bool(totals) and self.columns > _PIECE
        if pieces:
            yield f"    for (long from = {first}; from < {last}; from += {_PIECE}) {{"
            yield f"    const long to = from + {_PIECE} < {last} ? from + {_PIECE} : {last};"
            first, last = "from", "to"
        yield from (f"    {ctype(member.out.dtype)} s{self.order[member.out]} = 0;" for member in totals)
        yield f"    #pragma omp simd{self._reductions(inside)}"
        yield f"    for (long c = {first}; c < {last}; c++) {{"
        yield from (f"      {line}" for member in inside for line in self.in_loop(member))
        yield "    }"
        yield from (f"    t{self.order[member.out]} += s{self.order[member.out]};" for member in totals)
        if pieces:
            yield "    }"

    def _reductions(self, inside: list[Member]) -> str:
        """Which variables a loop over columns adds up or finds the largest of; NaN, which is not that, is counted."""
        names: dict[str, list[str]] = {"+": [], "max": [], "min": []}
        for member in sorted((member for member in inside if member.kind in ("row", "all")), key=_is_extreme):
            index = self.order[member.out]
            if _is_extreme(member):
                names["+"].append(f"q{index}")
                names[member.name].append(f"v{index}")
            else:
                names["+"].append(f"{'v' if member.kind == 'row' else 's'}{index}")
        return "".join(f" reduction({how}:{','.join(found)})" for how, found in names.items() if found)

    def _reduced(self, member: Member) -> Iterator[str]:
        """What is left to do for a reduction along a row behind the loop over the columns."""
        index = self.order[member.out]
        if member.name == "mean":
            yield f"    v{index} /= {self.width};"
        if _is_extreme(member):
            yield f"    if (q{index}) v{index} = NAN;"
        if self.memory.is_stored(member.out):
            yield f"    {self.stored(member.out)}[r] = v{index};"

    def _for_row(self, member: Member) -> Iterator[str]:
        index = self.order[member.out]
        if member.kind == "all":
            yield f"t{index} += {self.read(member.operands[0], member, member.out.dtype)};"
            return
        yield f"{ctype(member.out.dtype)} v{index} = {self.value(member)};"
        if self.memory.is_stored(member.out):
            yield f"{self.stored(member.out)}[r] = v{index};"


def _wide(member: Member) -> str:
    """The type in which sums of a member's sums are added up."""
    return "double" if member.out.dtype == "float32" else ctype(member.out.dtype)


def _is_extreme(member: Member) -> bool:
    """Whether a reduction finds the largest or smallest element, and is no sum."""
    return member.name in _EXTREMES


def _start(member: Member) -> str:
    """What a reduction begins with; where a label picks one element, with NaN, so that a wrong label shows."""
    if member.name == "along" and member.out.dtype.kind == "f":
        return "NAN"
    return _EXTREMES.get(member.name, "0")


def _ends_block(member: Member) -> str:
    return f"r % {member.block} == {member.block - 1}"
