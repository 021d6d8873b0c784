"""In place, in C: the rule of an optimizer as one loop, which reads and writes every number once.

One idea: a rule is element by element, so it is traced on a few elements and done for as many as there are. NumPy takes
a dozen passes over blocks that fit a cache, on one core; this is one pass on all of them. What works on the rows of a
matrix is done in the same way.
Read `large.py` next.
"""

from __future__ import annotations

import operator
from collections.abc import Hashable, Sequence

from ...backend import Array, host
from ..in_place import Function, InPlace, Made
from ..program import Program
from .any_length import AnyLength, has_c, kind_of_rows, sample_of

__all__ = ["LEAST", "InLoop"]

LEAST = 1 << 14  # elements: a call works numbers out besides, and takes 10 us


class InLoop(InPlace):
    """`function(written, read, options)` as a loop, for large arrays of the host.

    All arrays are flat and of one length, or with `by_rows` see Note [Rows] in any_length.py, the first one whole.
    """

    def __init__(self, function: Function, *, by_rows: bool = False) -> None:
        super().__init__(function)
        self.flat = not by_rows

    @staticmethod
    def takes(array: Array) -> bool:
        return array.size >= LEAST and has_c()

    def kind(self, arrays: list[Array]) -> tuple[Hashable, int | None] | None:
        first = arrays[0]
        if any(type(x) is not host.ndarray or not x.flags.c_contiguous for x in arrays):
            return None  # a loop made of arrays in order would read others wrong
        if self.flat:
            if first.ndim != 1 or any(x.shape != first.shape or x.dtype.char not in "fd?" for x in arrays):
                return None
            return tuple([x.dtype for x in arrays]), None
        if first.ndim != 2 or first.shape[1] == 1 or any(x.dtype.char not in "fd" for x in arrays):
            return None
        kinds = [kind_of_rows(x, first) for x in arrays]
        return None if None in kinds else ((*kinds, *[x.dtype for x in arrays]), first.shape[1])

    def samples(self, arrays: Sequence[Array], first: Array) -> Sequence[Array]:
        return [host.ones(*sample_of(x, first, self.flat)) for x in arrays]

    def make(self, program: Program, arrays: list[Array]) -> Made | None:
        loop = AnyLength.of(program, self.flat)
        return None if loop is None else _InLoop(loop)


class _InLoop:
    def __init__(self, loop: AnyLength) -> None:
        self._loop = loop
        self.program, self.plan, self.text = loop.program, loop.plan, loop.source

    def __call__(self, arrays: list[tuple[int, Array]], numbers: list[float]) -> None:
        first = arrays[0][1]  # of those that are written
        self._loop([array for _, array in sorted(arrays, key=_slot)], len(first), first.shape[-1], numbers)


_slot = operator.itemgetter(0)
