"""Source: the steps of a program that are no loops over groups, each a function in C, and what stands before them all.

One idea: nothing is allocated and nothing decided while it runs. Copies with rows for columns are in `turns.py`.
Read `listing.py` next, where all steps become one text.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import prod

from .kernels import PART, STEP, Check, Listed, Statements
from .layout import Ref, joined_axes, whole
from .mathematics import MATHEMATICS
from .members import ctype
from .moves import Move
from .parts import parts_of
from .products import Product, leading
from .turns import SQUARES, TURN, numbers_of

__all__ = ["HEADER", "SETUP", "check_source", "kernel_source", "move_source", "product_source"]

_VECTOR: tuple[str, ...] = ("log", "log2", "log10", "log1p", "expm1", "sin", "cos", "tan", "asin", "acos", "atan")
_VECTOR += ("sinh", "cosh", "tanh", "asinh", "acosh", "atanh")
_VECTOR_OF_TWO = ("atan2", "hypot", "pow")

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
        *(f'__attribute__((simd("notinbranch"))) float {name}f(float, float);' for name in _VECTOR_OF_TWO),
        *(f'__attribute__((simd("notinbranch"))) double {name}(double, double);' for name in _VECTOR_OF_TWO),
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

# What `in_pool` calls with NumPy's products and with what runs a loop in the pool.
SETUP = """static sgemm_t *sgemm;
static dgemm_t *dgemm;
void setup(void *s, void *d, void *r) { sgemm = (sgemm_t *)s; dgemm = (dgemm_t *)d; pool = (run_t *)r; }"""

# OpenBLAS does a product of fewer multiplications alone; see Note [Parts do not share] in threads.py.
SINGLE = 262_144


def _step(*statements: str) -> str:
    """The function that does these, see Note [Places] in kernels.py."""
    return "\n".join([STEP, *statements, "  return 0;", "}"])


def _step_in_parts(parts: int, *statements: str) -> tuple[str, str]:
    """A function that does these for one part, and a statement that has all parts done."""
    function = "\n".join([PART, *statements, "}"])
    return function, f"  {{ char *q[] = {{(char *)p, (char *)at}}; run(@_part, {parts}, q, n); }}"


# Moves


def move_source(move: Move, listed: Listed) -> tuple[list[str], str]:
    """The functions that it calls, and one that moves numbers."""
    sizes = sorted({of.base.dtype.itemsize for to, of in move.parts if _turned(to, of) is not None})
    return [text[size] for size in sizes for text in (SQUARES, TURN)], _step(*_statements(move, listed))


def _statements(move: Move, listed: Listed) -> list[str]:
    out = move.instruction.out
    kind = ctype(out.dtype)
    size = out.dtype.itemsize * prod(out.shape)
    lines: list[str] = []
    covered = sum(prod(part.shape) for part, _ in move.parts)
    if move.base is not None:
        target = whole(out)
        lines += _copy(kind, target, replace(move.base, shape=out.shape), listed)
    elif covered < prod(out.shape):
        lines.append(f"  memset({listed.address(out)}, 0, {size});")
    for part, source in move.parts:
        lines += _copy(kind, part, source, listed)
    return lines


def _copy(kind: str, to: Ref, source: Ref, listed: Listed) -> Iterator[str]:
    """Loops over the axes; a call for what is turned."""
    numbers = _turned(to, source)
    if numbers is not None:
        size = to.base.dtype.itemsize
        yield f"  {{ char *q[] = {{{listed.address(source.base, source.offset)},"
        yield f"                {listed.address(to.base, to.offset)}}};"
        yield f"    static const double m[] = {{{', '.join(map(str, numbers))}}};"
        yield f"    run(turn_{8 * size}, {numbers[0]}, q, m); }}"
        return
    axes = joined_axes(to.shape, to.strides, source.strides)
    yield "  {"
    yield f"    {kind} *y = ({kind} *){listed.address(to.base, to.offset)};"
    yield f"    const {kind} *x = (const {kind} *){listed.address(source.base, source.offset)};"
    for i, (n, _, _) in enumerate(axes):
        yield f"    for (long i{i} = 0; i{i} < {n}; i{i}++)"
    steps = [[f"i{i} * {axis[which]}" for i, axis in enumerate(axes) if axis[which]] for which in (1, 2)]
    places = [" + ".join(step) or "0" for step in steps]
    yield f"      y[{places[0]}] = x[{places[1]}];"
    yield "  }"


def _turned(to: Ref, source: Ref) -> tuple[int, ...] | None:
    return numbers_of(joined_axes(to.shape, to.strides, source.strides), to.base.dtype.itemsize)


# Kernels


def kernel_source(kernel: Statements, listed: Listed) -> str:
    """Functions that do a kernel: all of it, or a part each."""
    part, statements = "", kernel.statements(listed)
    if kernel.parts > 1:
        part, statements = _step_in_parts(kernel.parts, statements)
    around = [kernel.beginning, lambda _: statements, kernel.ending]
    return "\n".join(filter(None, [part, _step(*(text(listed) for text in around if text is not None))]))


# Checks


def check_source(check: Check, listed: Listed) -> str:
    """A function that gives 1 where a position is wrong."""
    ref = check.positions
    kind = ctype(ref.base.dtype)
    axes = joined_axes(ref.shape, ref.strides)
    at = " + ".join(f"i{i} * {step}" for i, (_, step) in enumerate(axes) if step) or "0"
    wrong = f"(x < {check.least} || x >= {check.stop})"
    if check.ignored is not None:
        wrong = f"x != {check.ignored} && {wrong}"
    return _step(
        f"  const {kind} *p0 = (const {kind} *){listed.address(ref.base, ref.offset)};",
        "  int wrong = 0;",
        *(f"  for (long i{i} = 0; i{i} < {n}; i{i}++)" for i, (n, _) in enumerate(axes)),
        f"    {{ long x = p0[{at}]; wrong |= {wrong}; }}",
        "  if (wrong) return 1;",
    )


# Products


def product_source(product: Product, listed: Listed) -> str:
    """Functions that do a product: all of it, or some of a stack each."""
    out, a, b = product.instruction.out, product.a, product.b
    kind = ctype(out.dtype)
    gemm = "sgemm" if out.dtype == "float32" else "dgemm"
    (m, k), n = a.shape[-2:], b.shape[-1]
    (a_turned, a_step), (b_turned, b_step) = _known(leading(a)), _known(leading(b))
    stack = () if len(a.shape) == len(b.shape) == 2 else out.shape[:-2]
    indices = [f"i{axis}" for axis in range(len(stack))]
    steps = _packed_stack(out.shape) if stack else ()
    addresses = [
        " + ".join(
            [
                f"({'const ' if ref is not None else ''}{kind} *){listed.address(base, offset)}",
                *(f"{index} * {step}" for index, step in zip(indices, strides, strict=True) if step),
            ]
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
        return _step(*lines)
    # One matrix after the other, or, where BLAS does each alone, side by side.
    count = prod(stack)
    parts = parts_of(count * m * n * k // 16, count) if m * n * k <= SINGLE else 1
    return _in_parts(stack, lines, parts)


def _in_parts(shape: tuple[int, ...], lines: list[str], parts: int) -> str:
    """Functions that do these lines for every index i0, i1, ... of a shape: for all, or for some of them each."""
    count, rest = prod(shape), prod(shape)
    found = []
    for axis, length in enumerate(shape):
        rest //= length
        found.append(f"    const long i{axis} = i / {rest} % {length};")
    if parts == 1:
        return _step(f"  for (long i = 0; i < {count}; i++) {{", *found, *lines, "  }")
    ends = f"long i = {count}L * part / {parts}; i < {count}L * (part + 1) / {parts}; i++"
    part, statement = _step_in_parts(parts, f"  for ({ends}) {{", *found, *lines, "  }")
    return "\n".join([part, _step(statement)])


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
