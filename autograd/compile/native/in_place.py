"""In place, in C: the rule of an optimizer as one loop, which reads and writes every number once.

One idea: a rule is element by element, so it is traced on a few elements and done for as many as there are. NumPy takes
a dozen passes over blocks that fit a cache, on one core; this is one pass on all of them.
Read `large.py` next.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

from ...backend import Array, host
from ..in_place import InPlace, Made
from ..program import Program
from .any_length import LARGE, ROWS, AnyLength, has_c

__all__ = ["InLoop"]


class InLoop(InPlace):
    """`function(written, read, options)` of flat arrays, element by element, as a loop; large ones of the host."""

    @staticmethod
    def takes(array: Array) -> bool:
        return array.size >= LARGE and has_c()

    def kind(self, arrays: list[Array]) -> Hashable | None:
        if any(type(x) is not host.ndarray or x.shape != arrays[0].shape or x.ndim != 1 for x in arrays):
            return None
        kind = "".join([x.dtype.char for x in arrays])
        return kind if set(kind) <= {*"fd"} else None

    def samples(self, arrays: Sequence[Array]) -> Sequence[Array]:
        return [host.ones(64 * ROWS[0], x.dtype) for x in arrays]

    def make(self, program: Program, arrays: list[Array]) -> Made | None:
        loop = AnyLength.of(program, flat=True)
        return None if loop is None else _InLoop(loop)


class _InLoop:
    def __init__(self, loop: AnyLength) -> None:
        self._loop = loop
        self.program, self.plan = loop.program, loop.plan

    def __call__(self, arrays: list[tuple[int, Array]], numbers: list[float]) -> None:
        self._loop(arrays, arrays[0][1].size, numbers)
