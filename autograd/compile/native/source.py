"""Source: the steps of a program, written in C.

One idea: a group is a loop over rows, and in it, for each stage, a loop over columns that the compiler turns into
vector instructions. Nothing is allocated and nothing decided while it runs. Read `library.py` next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from ..program import Variable
from .groups import Group, Member
from .kernels import Check, Memory, Statements
from .layout import Ref, joined_axes, whole
from .mathematics import MATHEMATICS
from .members import Members, ctype
from .moves import Move
from .parts import parts_of
from .products import Product, leading

__all__ = ["HEADER", "check_source", "group_source", "kernel_source", "move_source", "product_source"]

_VECTOR = ("log", "sin", "cos", "tanh", "expm1", "log1p", "sinh", "cosh", "atan")

HEADER = "\n".join(
    [
        "#include <math.h>",
        "#include <string.h>",
        "typedef void sgemm_t(int, int, int, long, long, long, float, const float *, long, const float *, long, float,"
        " float *, long);",
        "typedef void dgemm_t(int, int, int, long, long, long, double, const double *, long, const double *, long,"
        " double, double *, long);",
        "#if defined(__x86_64__) && defined(__linux__)",  # glibc has these for several numbers at once
        *(f'__attribute__((simd("notinbranch"))) float {name}f(float);' for name in _VECTOR),
        *(f'__attribute__((simd("notinbranch"))) double {name}(double);' for name in _VECTOR),
        "#endif",
        MATHEMATICS,
        "typedef void loop_t(int, char **, const double *);",
        "typedef void run_t(loop_t *, int, char **, const double *);",
        "static run_t *pool;",
        "static void run(loop_t *f, int parts, char **p, const double *n) {",
        "  if (pool) pool(f, parts, p, n);",
        "  else for (int part = 0; part < parts; part++) f(part, p, n);",
        "}",
    ]
)

_SLOW = dict.fromkeys(("exp", "log", "tanh", "sin", "cos", "power", "divide", "sqrt", "expm1", "log1p"), 8)
_MOST_ON_STACK = 1 << 18  # bytes of sums by part

# OpenBLAS does a product of fewer multiplications alone; see Note [Parts do not share] in threads.py.
SINGLE = 262_144


# Groups


def group_source(group: Group, memory: Memory) -> tuple[str, list[int]]:
    """Functions that do a group: all of it, or a part each; then the sums of the parts are added up. And its places.

    The text has @ for its name, and names no place: see Note [Places].
    """
    writer = _Writer(group, memory)
    return "\n".join(writer.functions()), writer.places


# Note [Places]
# A model has many layers of a kind, each with arrays of its own, and a compiler is slow: so a loop is compiled once for
# all of them. It is given a list of places: for each array which of the addresses of a call it is counted from, and the
# number of bytes from there; for each number that changes from call to call, which it is.


class _Writer(Members):
    def __init__(self, group: Group, memory: Memory) -> None:
        super().__init__(group, memory)
        self.places: list[int] = []
        self.parts = self._count_parts()

    def _count_parts(self) -> int:
        weight = sum(_SLOW.get(member.name, 1) for member in self.members.values())
        parts = parts_of(self.rows * self.columns * weight, self.columns // 64 if self.rows == 1 else self.rows)
        by_row = any(member.kind in ("row", "column") or member.per_row for member in self.members.values())
        if self.rows == 1 and (by_row or self.kept):
            return 1
        taken = sum(self.length(member) * member.out.dtype.itemsize for member in self.sums)
        return parts if parts * taken <= _MOST_ON_STACK else 1

    def functions(self) -> Iterator[str]:
        """A function that does everything, or one that does a part and one that has them all done."""
        begin = "static __attribute__((noinline)) void @(char **p, const double *n, const long *at) {"
        lines = list(self._lines())  # which find out what has a place
        if self.parts == 1:
            yield begin
            yield from self._pointers()
            yield from (self._target(member.out) for member in self.sums)
            yield from lines
            yield from self._ends()
            yield "}"
            return
        cut = self.columns // 64 if self.rows == 1 else self.rows
        step = 64 if self.rows == 1 else 1
        yield "static void @_part(int part, char **q, const double *n) {"
        yield "  char **p = (char **)q[0];"
        yield "  const long *at = (const long *)q[1];"
        last = f"part + 1 < {self.parts} ? {cut}L * (part + 1) / {self.parts} * {step} : "
        last += f"{self.columns if self.rows == 1 else self.rows}"
        yield f"  const long first = {cut}L * part / {self.parts} * {step}, last = {last};"
        for i, member in enumerate(self.sums):
            kind, length = ctype(member.out.dtype), self.length(member)
            yield f"  {kind} *y{self.order[member.out]} = ({kind} *)q[{i + 2}] + {length} * part;"
        yield from self._pointers()
        yield from lines
        yield "}"
        yield begin
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
        yield "}"

    def _target(self, variable: Variable) -> str:
        """What gives a variable that is written its place."""
        kind = ctype(variable.dtype)
        return f"  {kind} *y{self.order[variable]} = ({kind} *){self._place(variable)};"

    def _place(self, base: Variable, offset: int = 0) -> str:
        slot, start = self.memory.place(base)
        count = len(self.places)
        self.places += (slot, start + offset)
        return f"(p[at[{count}]] + at[{count + 1}])"

    def _ends(self) -> Iterator[str]:
        """Means of sums."""
        for member in self.sums:
            if member.name == "mean":
                count = self.rows * (1 if member.per_row or member.kind == "column" else self.columns)
                yield f"  for (long c = 0; c < {self.length(member)}; c++) y{self.order[member.out]}[c] /= {count};"

    def _lines(self) -> Iterator[str]:
        """The loops: over all rows, or those of a part; where there is one row, its columns are cut."""
        for member in self.sums:
            if member.kind == "column":
                yield f"  for (long c = 0; c < {self.columns}; c++) y{self.order[member.out]}[c] = 0;"
            else:
                yield f"  {ctype(member.out.dtype)} s{self.order[member.out]} = 0;"
        for variable in self.kept:
            yield f"  {ctype(variable.dtype)} b{self.order[variable]}[{self.columns}];"
        cut = self.parts > 1
        rows = ("first", "last") if cut and self.rows > 1 else ("0", str(self.rows))
        self.over = ("first", "last") if cut and self.rows == 1 else ("0", str(self.columns))
        yield f"  for (long r = {rows[0]}; r < {rows[1]}; r++) {{"
        for stage in range(self.stages):
            yield from self._stage([member for member in self.members.values() if member.stage == stage])
        yield "  }"
        for member in self.sums:
            if member.kind == "all":
                yield f"  y{self.order[member.out]}[0] = s{self.order[member.out]};"

    def _pointers(self) -> Iterator[str]:
        """What gives the arrays and numbers that the lines name their places."""
        for (base, offset), name in self.outside.items():
            kind = ctype(base.dtype)
            yield f"  const {kind} *{name} = (const {kind} *){self._place(base, offset * base.dtype.itemsize)};"
        yield from map(self._target, self.written)
        for variable, name in self.numbers.items():
            yield f"  const double {name} = n[at[{len(self.places)}]];"
            self.places.append(self.memory.order(variable))

    def _stage(self, members: list[Member]) -> Iterator[str]:
        inside = [member for member in members if not member.per_row]
        sums = [member for member in inside if member.kind in ("row", "all") and member.name in ("sum", "mean")]
        largest = [member for member in inside if member.kind == "row" and member.name in ("max", "min")]
        for member in sums:
            if member.kind == "row":
                yield f"    {ctype(member.out.dtype)} v{self.order[member.out]} = 0;"
        for member in largest:
            start = "-INFINITY" if member.name == "max" else "INFINITY"
            index = self.order[member.out]
            yield f"    {ctype(member.out.dtype)} v{index} = {start}; int q{index} = 0;"
        if inside:
            added = [f"{'v' if member.kind == 'row' else 's'}{self.order[member.out]}" for member in sums]
            added += [f"q{self.order[member.out]}" for member in largest]
            clauses = f" reduction(+:{','.join(added)})" if added else ""
            for kind in ("max", "min"):
                named = [f"v{self.order[member.out]}" for member in largest if member.name == kind]
                clauses += f" reduction({kind}:{','.join(named)})" if named else ""
            yield f"    #pragma omp simd{clauses}"
            yield f"    for (long c = {self.over[0]}; c < {self.over[1]}; c++) {{"
            for member in inside:
                yield from (f"      {line}" for line in self.in_loop(member))
            yield "    }"
        for member in inside:
            if member.kind == "row":
                index = self.order[member.out]
                if member.name == "mean":
                    yield f"    v{index} /= {self.columns};"
                if member in largest:
                    yield f"    if (q{index}) v{index} = NAN;"
                if self.memory.is_stored(member.out):
                    yield f"    {self.stored(member.out)}[r] = v{index};"
        for member in members:
            if member.per_row:
                yield from (f"    {line}" for line in self._for_row(member))

    def _for_row(self, member: Member) -> Iterator[str]:
        index = self.order[member.out]
        if member.kind == "all":
            yield f"s{index} += {self.read(member.operands[0], member, member.out.dtype)};"
            return
        yield f"{ctype(member.out.dtype)} v{index} = {self.value(member)};"
        if self.memory.is_stored(member.out):
            yield f"{self.stored(member.out)}[r] = v{index};"

# Moves


def move_source(move: Move, memory: Memory) -> str:
    """Statements that move numbers."""
    out = move.instruction.out
    kind = ctype(out.dtype)
    size = out.dtype.itemsize * prod(out.shape)
    lines: list[str] = []
    covered = sum(prod(part.shape) for part, _ in move.parts)
    if move.base is not None:
        target = whole(out)
        lines += _copy(kind, target, replace(move.base, shape=out.shape), memory)
    elif covered < prod(out.shape):
        lines.append(f"  memset({memory.address(out)}, 0, {size});")
    for part, source in move.parts:
        lines += _copy(kind, part, source, memory)
    return "\n".join(lines)


def _copy(kind: str, to: Ref, source: Ref, memory: Memory) -> Iterator[str]:
    """Loops over the axes."""
    axes = joined_axes(to.shape, to.strides, source.strides)
    yield "  {"
    yield f"    {kind} *y = ({kind} *){memory.address(to.base)} + {to.offset};"
    yield f"    const {kind} *x = (const {kind} *){memory.address(source.base)} + {source.offset};"
    for i, (n, _, _) in enumerate(axes):
        yield f"    for (long i{i} = 0; i{i} < {n}; i{i}++)"
    steps = [[f"i{i} * {axis[which]}" for i, axis in enumerate(axes) if axis[which]] for which in (1, 2)]
    places = [" + ".join(step) or "0" for step in steps]
    yield f"      y[{places[0]}] = x[{places[1]}];"
    yield "  }"


# Kernels


def kernel_source(name: str, kernel: Statements, memory: Memory) -> tuple[str, str]:
    """A function that does a part of a kernel, or nothing, and statements that do all of it."""
    statements = kernel.statements(memory)
    function = ""
    if kernel.parts > 1:
        function = f"static void {name}(int part, char **p, const double *n) {{\n{statements}\n}}"
        statements = f"  run({name}, {kernel.parts}, p, n);"
    return function, statements if kernel.ending is None else f"{statements}\n{kernel.ending(memory)}"


# Checks


def check_source(number: int, check: Check, memory: Memory) -> str:
    """Statements that give `number` back where a position is wrong."""
    ref = check.positions
    kind = ctype(ref.base.dtype)
    axes = joined_axes(ref.shape, ref.strides)
    at = " + ".join(f"i{i} * {step}" for i, (_, step) in enumerate(axes) if step) or "0"
    wrong = f"(x < {check.least} || x >= {check.stop})"
    if check.ignored is not None:
        wrong = f"x != {check.ignored} && {wrong}"
    return "\n".join(
        [
            f"  {{ const {kind} *p0 = (const {kind} *){memory.address(ref.base)} + {ref.offset}; int wrong = 0;",
            *(f"    for (long i{i} = 0; i{i} < {n}; i{i}++)" for i, (n, _) in enumerate(axes)),
            f"      {{ long x = p0[{at}]; wrong |= {wrong}; }}",
            f"    if (wrong) return {number}; }}",
        ]
    )


# Products


def product_source(name: str, product: Product, memory: Memory) -> tuple[str, str]:
    """A function that does a part of a product, or nothing, and statements that do all of it."""
    out, a, b = product.instruction.out, product.a, product.b
    kind = ctype(out.dtype)
    gemm = "sgemm" if out.dtype == "float32" else "dgemm"
    (m, k), n = a.shape[-2:], b.shape[-1]
    (a_turned, a_step), (b_turned, b_step) = _known(leading(a)), _known(leading(b))
    stack = () if len(a.shape) == len(b.shape) == 2 else out.shape[:-2]
    indices = [f"i{axis}" for axis in range(len(stack))]
    steps = _packed_stack(out.shape) if stack else ()
    addresses = [
        f"({'const ' if ref is not None else ''}{kind} *){memory.address(base)} + "
        + " + ".join(
            [str(offset), *(f"{index} * {step}" for index, step in zip(indices, strides, strict=True) if step)]
        )
        for ref, base, offset, strides in (
            (a, a.base, a.offset, _over(a, len(stack))),
            (b, b.base, b.offset, _over(b, len(stack))),
            (None, out, 0, steps),
        )
    ]
    lines = []
    if b_turned and not stack and _pays_to_turn(m, n, k):
        # One copy of the small matrix as BLAS likes it costs less than reading it the other way round.
        lines += [
            f"  {{ {kind} t[{n * k}]; const {kind} *b = {addresses[1]};",
            f"  for (long i = 0; i < {n}; i++) for (long j = 0; j < {k}; j++) t[j * {n} + i] = b[i * {b_step} + j];",
        ]
        b_turned, b_step, addresses[1] = False, n, "t"
    flags = [112 if turned else 111 for turned in (a_turned, b_turned)]
    lines.append(
        f"  {gemm}(101, {flags[0]}, {flags[1]}, {m}, {n}, {k}, 1, {addresses[0]}, {a_step}, "
        f"{addresses[1]}, {b_step}, 0, {addresses[2]}, {n});"
    )
    if addresses[1] == "t":
        lines.append("  }")
    if not stack:
        return "", "\n".join(lines)
    # One matrix after the other, or, where BLAS does each alone, side by side.
    count = prod(stack)
    parts = parts_of(count * m * n * k // 16, count) if m * n * k <= SINGLE else 1
    return _in_parts(name, stack, lines, parts)


def _in_parts(name: str, shape: tuple[int, ...], lines: list[str], parts: int) -> tuple[str, str]:
    """Lines that are to be done for every index i0, i1, ... of a shape: a function for a part, and statements."""
    count, rest = prod(shape), prod(shape)
    found = []
    for axis, length in enumerate(shape):
        rest //= length
        found.append(f"    const long i{axis} = i / {rest} % {length};")
    if parts == 1:
        return "", "\n".join([f"  for (long i = 0; i < {count}; i++) {{", *found, *lines, "  }"])
    ends = f"long i = {count}L * part / {parts}; i < {count}L * (part + 1) / {parts}; i++"
    function = [f"static void {name}(int part, char **p, const double *n) {{", f"  for ({ends}) {{", *found, *lines]
    return "\n".join([*function, "  }", "}"]), f"  run({name}, {parts}, p, n);"


def _pays_to_turn(m: int, n: int, k: int) -> bool:
    """Whether to copy b^T first: below half a million multiplications OpenBLAS works on one thread, and slower so."""
    return m >= 32 and n * k <= 10_000 and 100_000 <= m * n * k <= 500_000


def _known(found: tuple[bool, int] | None) -> tuple[bool, int]:
    assert found is not None
    return found


def _over(ref: Ref, count: int) -> tuple[int, ...]:
    own = ref.strides[:-2]
    return (0,) * (count - len(own)) + own


def _packed_stack(shape: tuple[int, ...]) -> tuple[int, ...]:
    steps, step = [], shape[-1] * shape[-2]
    for length in reversed(shape[:-2]):
        steps.append(step)
        step *= length
    return tuple(reversed(steps))
