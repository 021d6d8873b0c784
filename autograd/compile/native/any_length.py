"""Any length: a program that is one loop, as C that is told at each call how long its arrays are.

One idea: the arrays of eager code come in all lengths, and a compiler is slow. So a loop is written from a few rows on
which it was traced, and its text names no length: one library serves all.
Read `eager.py` next, which makes loops of functions, and `in_place.py`, which makes them of rules.
"""

# Note [Rows]
# Either all arrays are of one shape and every element is computed by itself: then the array counts as one long row,
# which may be cut anywhere. Or there are rows of one length: arrays (R, C), values of rows (R, 1) and values of columns
# (C,); a row is computed from itself, so that its sums, means and largest numbers can be used. Sums over rows, (C,) or
# (1, C), can be given too; each part has its own, and they are added up in the order of the parts. A length of row is
# traced when it is first met; the text names no length, so that all of them share one library.

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from typing import Any

from ...backend import Array
from ..passes import for_blas, simplified
from ..program import Program
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

__all__ = ["LARGE", "AnyLength", "has_c", "sample_of"]

# Elements from which on C gains: a call from Python takes 10 to 20 us, as long as NumPy needs for so many of them.
LARGE = 1 << 14

_ROWS = 5, 7  # of the arrays on which a program is traced: the second where rows are as long as the first


def has_c() -> bool:
    """Whether eager code may use C: there is a compiler, and TAPEGRAD_EXECUTOR does not want NumPy alone."""
    # Where there is none, that is no reason for a warning: nobody asked for it.
    return os.environ.get("TAPEGRAD_EXECUTOR") != "numpy" and missing() is None


def sample_of(array: Array, first: Array, flat: bool) -> tuple[tuple[int, ...], Any] | None:
    """The shape and dtype of a few rows of an array, of which a program is traced; None where it is no array of rows.

    `first` is the array that has all rows, see Note [Rows].
    """
    if array.dtype.char not in ("fd?" if flat else "fd"):
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


class AnyLength:
    """A program of one loop, `flat` or by rows, see Note [Rows]; it is called with arrays and their length.

    `sums` are the variables that are sums over rows, of which each part has its own.
    """

    def __init__(self, program: Program, group: Group, plan: Plan, flat: bool) -> None:
        self.program, self.plan, self.flat = program, plan, flat
        self._writer = _AnyTable(group, plan)
        self.source = self._writer.text()
        self.columns = self._writer.columns
        self.sums = {member.out for member in self._writer.sums}
        self._count = 1 + len(plan.slots)
        self._numbers = ctypes.c_double * (_LENGTHS + len(plan.numbers))

    @classmethod
    def of(cls, program: Program, flat: bool) -> AnyLength | None:
        """A program, traced on a few rows; None where it is no loop, or there is no compiler."""
        program = for_blas(simplified(program))
        refs = layouts(program)
        steps = schedule(program, refs)
        if len(steps) != 1 or not isinstance(steps[0], Group):
            return None
        plan = Plan(program, refs, steps)
        written = len(plan.fresh) == len(program.results) and len(plan.in_place) == len(program.writes)
        if not written or plan.arena_bytes or program.constants or not _fits(steps[0], flat):
            return None
        made = cls(program, steps[0], plan, flat)
        try:
            library, found = load(made.source), blas()
        except OSError:  # there is no folder to keep it in
            return None
        if library is None or found is None:
            return None
        library.setup(ctypes.c_void_p(runner(found)))
        library.all.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        made._all = library.all
        return made

    _all: Any

    def parts(self, rows: int) -> int:
        """Into how many parts so many rows are cut; of a flat array, so many elements."""
        work = rows * self._writer.weight
        return parts_of(work, rows // 64) if self.flat else parts_of(work * self.columns, rows)

    def __call__(self, arrays: Iterable[tuple[int, Array]], rows: int, numbers: Iterable[float] = ()) -> None:
        """Do it with arrays by slot, each of which lies in order, and the numbers in the order of the plan."""
        pointers = (ctypes.c_void_p * self._count)()
        for slot, array in arrays:
            pointers[slot] = array.__array_interface__["data"][0]
        parts = self.parts(rows)
        self._all(parts, pointers, self._numbers(parts, rows, self.columns, *numbers))


def _fits(group: Group, flat: bool) -> bool:
    """Whether the text of the loop holds for any number of rows."""
    rows, _ = group.table
    kinds = {member.kind for member in group.members.values()}
    means = any(member.kind == "column" and member.name == "mean" for member in group.members.values())
    return kinds == {"element"} and rows == 1 if flat else "all" not in kinds and rows in _ROWS and not means


_LENGTHS = 3  # numbers that come before those of the program: of parts, of rows and of columns


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
                "static void loop(int part, char **p, const double *lengths) {",
                f"  static const long at[] = {{{', '.join(map(str, self.places))}}};",
                f"  const double *n = lengths + {_LENGTHS};",
                "  const long parts = lengths[0], count = lengths[1], columns = lengths[2];",
                f"  const long cut = count / {step}, first = cut * part / parts * {step};",
                f"  const long last = part + 1 < parts ? cut * (part + 1) / parts * {step} : count;",
                *pointers,
                *sums,
                *lines,
                "}",
                "void all(int parts, char **p, const double *lengths) { run(loop, parts, p, lengths); }",
                "",
            ]
        )
