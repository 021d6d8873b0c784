"""Loop: a function of arrays as one loop in C, for any number of rows and columns, to be called from eager code.

One idea: what NumPy does in ten passes over a large array is one pass in C, and the function that says what to do is
there already: a definition, or the rule that follows from it. It is traced on a few rows; the loop then runs over as
many as it is given, and is told how long they are. Small arrays are left to NumPy, which is as fast there and needs no
compiler.
Read `large.py` next.
"""

# Note [Rows]
# Either all arrays are of one shape and every element is computed by itself: then the array counts as one long row,
# which may be cut anywhere. Or there are rows of one length: arrays (R, C), values of rows (R, 1) and values of columns
# (C,); a row is computed from itself, so that its sums, means and largest numbers can be used. Sums over rows, (C,) or
# (1, C), can be given too; each part has its own, and they are added up in the order of the parts. A length of row is
# traced when it is first met; the text names no length, so that all of them share one library.

from __future__ import annotations

import ctypes
import operator
import os
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

from ...backend import Array, Module, host
from ...functional import vjp
from ...tensor import Tensor, wrap
from ..passes import for_blas, simplified
from ..program import Program
from ..trace import program_of
from .groups import Group, Operand
from .layout import layouts
from .library import blas, load, missing
from .loops import Writer
from .members import ctype
from .memory import Plan
from .parts import parts_of
from .schedule import schedule
from .source import HEADER
from .threads import runner

__all__ = ["LARGE", "Loop", "elementwise_kernel", "has_c"]

# Elements from which on C gains: a call from Python takes 10 to 20 us, as long as NumPy needs for so many of them.
LARGE = 1 << 14

_ROWS = 5, 7  # of the arrays on which a function is traced: the second where rows are as long as the first
_KINDS = 64  # of arguments whose loops are kept by a Loop; a length of row is one


class Loop:
    """`function(*tensors, **options)`, which gives a Tensor or several, as a loop in C.

    Element by element, or with `by_rows`, see Note [Rows].

    A call with arrays gives the results as new arrays, or None where it has to be done otherwise: there is no compiler,
    TAPEGRAD_EXECUTOR is "numpy", the arrays are small or of another kind, or the function is more than one loop. It is
    made at the first call for each set of dtypes and options, and kept in the user's cache.
    """

    def __init__(self, function: Callable[..., Any], *, by_rows: bool = False) -> None:
        self.function, self.flat = function, not by_rows
        self._made: dict[Any, _Made | None] = {}
        self._lock = threading.Lock()

    @staticmethod
    def takes(array: Array) -> bool:
        """Whether an array is large enough, and C can be had."""
        return array.size >= LARGE and type(array) is host.ndarray and has_c()

    def __call__(self, *arrays: Array, **options: Any) -> tuple[Array, ...] | None:
        first = arrays[0]
        if not self.takes(first):
            return None
        kinds: tuple[Any, ...] = tuple(map(_dtype, arrays))
        if not self.flat:
            kinds += tuple(array.shape[-1] for array in arrays)
        key = (kinds, *options.items())
        try:
            made = self._made[key]
        except KeyError:
            made = self._make(key, arrays, options)
        return None if made is None else made(arrays, first.size if self.flat else len(first))

    def _make(self, key: Any, arrays: tuple[Array, ...], options: dict[str, Any]) -> _Made | None:
        with self._lock:
            if key not in self._made:
                if len(self._made) == _KINDS:
                    del self._made[next(iter(self._made))]
                samples = [_sample(array, arrays[0], self.flat) for array in arrays]
                self._made[key] = None if None in samples else _Made.of(self.function, samples, options, self.flat)
            return self._made[key]


_dtype = operator.attrgetter("dtype")


def elementwise_kernel(
    definition: Callable[..., Any],
    forward: Callable[..., Any] | None = None,
    backward: Callable[..., Any] | None = None,
    kept: tuple[Callable[..., Any], Callable[..., Any]] | None = None,
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The kernel of a fused function of one array, element by element: large arrays by loops, others by that given.

    Without one the definition does the others. The loops follow from the definition and its rules, and keep nothing but
    the input. Or they are of `kept`: of x the result and what is kept, and of g, x and that the slope.
    """

    def slope(g: Tensor, x: Tensor, **options: Any) -> Any:
        return vjp(lambda x: definition(x, **options), x)[1](g)

    value_loop, slope_loop = (Loop(definition), Loop(slope)) if kept is None else map(Loop, kept)

    def forward_or_loop(xp: Module, x: Array, **options: Any) -> Any:
        made = value_loop(x, **options)
        if made is not None:
            return made[0], _ByLoop(made[1:])
        return NotImplemented if forward is None else forward(xp, x, **options)

    def backward_or_loop(
        xp: Module, g: Array, needs: Any, inputs: tuple[Array], residuals: Any, **options: Any
    ) -> tuple[Array]:
        if isinstance(residuals, _ByLoop):
            made: Any = slope_loop(g, *inputs, *residuals.kept, **options)
            if made is not None:
                return made
            # The gradient came in another dtype.
            if forward is None:
                return (slope(wrap(g), wrap(inputs[0]), **options).data,)
            residuals = forward(xp, *inputs, **options)[1]
        assert backward is not None
        return backward(xp, g, needs, inputs, residuals, **options)

    return forward_or_loop, backward_or_loop


class _ByLoop(NamedTuple):
    """What such a kernel keeps beside its input."""

    kept: tuple[Array, ...]


def has_c() -> bool:
    """Whether eager code may use C: there is a compiler, and TAPEGRAD_EXECUTOR does not want NumPy alone."""
    # Where there is none, that is no reason for a warning: nobody asked for it.
    return os.environ.get("TAPEGRAD_EXECUTOR") != "numpy" and missing() is None


def _sample(array: Array, first: Array, flat: bool) -> Any:
    """The shape and dtype of a few rows of an array; None where it is no array of rows, see Note [Rows]."""
    if array.dtype.char not in "fd":
        return None
    if flat:
        return (64 * _ROWS[0],), array.dtype
    columns = first.shape[-1]
    if first.ndim != 2 or columns == 1:
        return None
    if array.shape == (columns,):
        return (columns,), array.dtype
    if array.ndim == 2 and len(array) == len(first) and array.shape[1] in (1, columns):
        return (_ROWS[columns == _ROWS[0]], array.shape[1]), array.dtype
    return None


class _Made:
    """The loop of one kind of arguments, with the library that it lies in."""

    def __init__(self, program: Program, steps: list[Any], plan: Plan, flat: bool) -> None:
        self.writer = _AnyTable(steps[0], plan)
        self.flat = flat
        self.source = self.writer.text()
        self.inputs = [plan.slots[variable] for variable in program.arguments]
        sums = {member.out for member in self.writer.sums}
        self.outputs: list[tuple[int, Any, tuple[int, ...], bool]] = []
        for i, base in plan.fresh:
            self.outputs.append((plan.slots[base], base.dtype, program.results[i].shape, base in sums))
        self.count = 1 + len(plan.slots)

    @classmethod
    def of(cls, function: Callable[..., Any], samples: list[Any], options: dict[str, Any], flat: bool) -> _Made | None:
        """The loop of a function on arrays like these; None where it is none, or there is no compiler."""
        program = for_blas(
            simplified(program_of(function, [host.ones(shape, dtype) for shape, dtype in samples], options))
        )
        refs = layouts(program)
        steps = schedule(program, refs)
        if len(steps) != 1 or not isinstance(steps[0], Group):
            return None
        plan = Plan(program, refs, steps)
        fresh = len(plan.fresh) == len(program.results) and not plan.arena_bytes and not program.constants
        if not fresh or plan.numbers or program.places or not _fits(steps[0], flat):
            return None
        made = cls(program, steps, plan, flat)
        try:
            library, found = load(made.source), blas()
        except OSError:  # there is no folder to keep it in
            return None
        if library is None or found is None:
            return None
        library.setup(ctypes.c_void_p(runner(found)))
        library.all.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        made.run = library.all
        return made

    run: Any

    def __call__(self, arrays: tuple[Array, ...], rows: int) -> tuple[Array, ...]:
        """The results for these arrays, of so many rows."""
        columns = self.writer.columns
        parts = parts_of(rows * self.writer.weight * (1 if self.flat else columns), rows // 64 if self.flat else rows)
        pointers = (ctypes.c_void_p * self.count)()
        packed = [array if array.flags.c_contiguous else host.ascontiguousarray(array) for array in arrays]
        for slot, array in zip(self.inputs, packed, strict=True):
            pointers[slot] = array.__array_interface__["data"][0]
        results = []
        for slot, dtype, shape, is_sum in self.outputs:
            if is_sum:
                shape = (parts, columns)
            elif self.flat:
                shape = arrays[0].shape
            else:
                shape = (rows, *shape[1:])
            result = host.empty(shape, dtype)
            pointers[slot] = result.__array_interface__["data"][0]
            results.append(result)
        self.run(parts, pointers, (ctypes.c_double * 3)(parts, rows, columns))
        return tuple(
            result.sum(axis=0).reshape(shape) if is_sum else result
            for result, (_, _, shape, is_sum) in zip(results, self.outputs, strict=True)
        )


def _fits(group: Group, flat: bool) -> bool:
    """Whether the text of the loop holds for any number of rows."""
    rows, _ = group.table
    kinds = {member.kind for member in group.members.values()}
    means = any(member.kind == "column" and member.name == "mean" for member in group.members.values())
    return kinds == {"element"} and rows == 1 if flat else "all" not in kinds and rows in _ROWS and not means


class _AnyTable(Writer):
    """Writes a loop whose numbers of rows, of columns and of parts are given at each call."""

    def __init__(self, group: Group, memory: Plan) -> None:
        super().__init__(group, memory)
        if self.rows > 1:
            self.width = "columns"

    def position(self, operand: Operand) -> str:
        """As in the loop of one table, but that rows are as long as is said."""
        if self.rows > 1 and operand.strides == (self.columns, 1):
            return f"r * {self.width} + c"
        return super().position(operand)

    def _count_parts(self) -> int:
        return 2  # as far as the text knows: more than one

    def text(self) -> str:
        """The source of the library."""
        lines = list(self._lines())
        pointers = list(self._pointers())
        sums = []
        for member in self.sums:
            index, kind = self.order[member.out], ctype(member.out.dtype)
            sums.append(f"  {kind} *y{index} = ({kind} *){self._place(member.out)} + {self.width} * part;")
        step = 64 if self.rows == 1 else 1
        return "\n".join(
            [
                HEADER,
                "void setup(void *r) { pool = (run_t *)r; }",
                "static void loop(int part, char **p, const double *n) {",
                f"  static const long at[] = {{{', '.join(map(str, self.places))}}};",
                f"  const long parts = n[0], count = n[1], columns = n[2], cut = count / {step};",
                f"  const long first = cut * part / parts * {step};",
                f"  const long last = part + 1 < parts ? cut * (part + 1) / parts * {step} : count;",
                *pointers,
                *sums,
                *lines,
                "}",
                "void all(int parts, char **p, const double *n) { run(loop, parts, p, n); }",
                "",
            ]
        )
