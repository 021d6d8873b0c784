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
import functools
from collections.abc import Callable, Iterable
from typing import Any

from ...backend import Array
from ..passes import for_blas, simplified
from ..program import Program
from .addresses import FIRST_FIELD
from .groups import Group, Member, Operand
from .layout import layouts
from .library import UntrustedFolder, blas, load, missing
from .loops import Writer
from .members import ctype
from .memory import Plan
from .parts import parts_of
from .schedule import schedule
from .source import HEADER
from .threads import runner

__all__ = ["LARGE", "AnyLength", "has_c", "kind_of_rows", "sample_of", "wants_c"]

# Elements from which on C gains: a call from Python takes 3 to 5 us, as long as NumPy needs for a few passes over them.
LARGE = 1 << 12

_ROWS = 5, 7  # of the arrays on which a program is traced: the second where rows are as long as the first


def has_c() -> bool:
    """Whether eager code may use C: there is a compiler, and TAPEGRAD_EXECUTOR does not want NumPy alone."""
    # Where there is none, that is no reason for a warning: nobody asked for it.
    return missing() is None and wants_c()


def wants_c() -> bool:
    """Whether TAPEGRAD_EXECUTOR allows C."""
    return _environment()(b"TAPEGRAD_EXECUTOR") != b"numpy"


@functools.cache
def _environment() -> Callable[[bytes], bytes | None]:
    """The C library's own `getenv`: to ask `os.environ`, which sets what that reads, takes as long as a small loop."""
    getenv = ctypes.PyDLL(None).getenv
    getenv.argtypes, getenv.restype = [ctypes.c_char_p], ctypes.c_char_p
    return getenv


def kind_of_rows(array: Array, first: Array) -> int | None:
    """Whether an array has rows, or a number for each column, or one for each row; None if it is no such array.

    `first` is the array that has all rows, see Note [Rows].
    """
    shape, (rows, columns) = array.shape, first.shape
    if shape == (rows, columns):
        return 0
    return 1 if shape == (columns,) else 2 if shape == (rows, 1) else None


def sample_of(array: Array, first: Array, flat: bool) -> tuple[tuple[int, ...], Any]:
    """The shape and dtype of a few rows of an array, of which a program is traced."""
    if flat:
        return (64 * _ROWS[0],), array.dtype
    columns = first.shape[1]
    return (array.shape if array.ndim == 1 else (_ROWS[columns == _ROWS[0]], array.shape[1])), array.dtype


class AnyLength:
    """A program of one loop, `flat` or by rows, see Note [Rows]; it is called with arrays and their length.

    `sums` are the variables that are sums over rows, of which each part has its own.
    """

    def __init__(self, program: Program, group: Group, plan: Plan, flat: bool) -> None:
        self.program, self.plan, self.flat = program, plan, flat
        self._writer = _AnyTable(group, plan)
        self.source = self._writer.text()
        self.columns = self._writer.columns  # of the rows on which it was traced
        self.sums = {member.out for member in self._writer.sums}
        self._numbers = ctypes.c_double * len(plan.numbers)

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
        except UntrustedFolder:
            return None
        if library is None or found is None:
            return None
        library.setup(ctypes.c_void_p(runner(found)))
        library.all.argtypes = [ctypes.c_int, ctypes.c_long, ctypes.c_long, ctypes.c_void_p]
        library.all.argtypes += [ctypes.py_object] * len(plan.slots)
        library.all.restype = None
        made._all = library.all
        return made

    _all: Any

    def parts(self, rows: int, columns: int) -> int:
        """Into how many parts so many rows are cut; of a flat array, so many elements."""
        work = rows * self._writer.weight
        return parts_of(work, rows // 64) if self.flat else parts_of(work * columns, rows)

    def __call__(self, arrays: Iterable[Array], rows: int, columns: int, numbers: Iterable[float] = ()) -> None:
        """Do it with NumPy's arrays in the order of their slots, each lying in order, and the numbers of the plan.

        Rows of another length than those of which it was traced are right where `lengths.py` found that they are.
        """
        self._all(self.parts(rows, columns), rows, columns, self._numbers(*numbers) if numbers else None, *arrays)


def _fits(group: Group, flat: bool) -> bool:
    """Whether the text of the loop holds for any number of rows."""
    rows, _ = group.table
    kinds = {member.kind for member in group.members.values()}
    means = any(member.kind == "column" and member.name == "mean" for member in group.members.values())
    return kinds == {"element"} and rows == 1 if flat else "all" not in kinds and rows in _ROWS and not means


_LENGTHS = 3  # numbers that come before those of the program: of parts, of rows and of columns

# What C is given is arrays, see addresses.py.
_CALL = """void all(int parts, long rows, long columns, const double *numbers%(given)s) {
  char *p[] = {0%(addresses)s};
  double n[%(lengths)s + %(count)s] = {parts, rows, columns};
  for (int i = 0; i < %(count)s; i++) n[%(lengths)s + i] = numbers[i];
  if (parts == 1) loop(0, p, n);
  else run(loop, parts, p, n);
}
"""


class _AnyTable(Writer):
    """Writes a loop whose numbers of rows, of columns and of parts are given at each call."""

    def __init__(self, group: Group, memory: Plan) -> None:
        super().__init__(group, memory)
        self.plan = memory
        if self.rows > 1:
            self.width = "columns"

    def position(self, operand: Operand) -> str:
        """As in the loop of one table, but that rows are as long as is said."""
        if self.rows > 1 and operand.strides == (self.columns, 1):
            return f"r * {self.width} + c"
        return super().position(operand)

    def _count_parts(self) -> int:
        return 2  # as far as the text knows: more than one

    def _has_runs(self, member: Member) -> bool:
        return member.kind == "column"  # of which there may be any number of rows

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
                self._call(),
            ]
        )

    def _call(self) -> str:
        """The function that Python calls."""
        slots = range(1, 1 + len(self.plan.slots))
        return _CALL % {
            "given": "".join(f", char *a{slot}" for slot in slots),
            "addresses": "".join(f", *(char **)(a{slot} + {FIRST_FIELD})" for slot in slots),
            "lengths": _LENGTHS,
            "count": len(self.plan.numbers),
        }
