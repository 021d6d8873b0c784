"""Loop: a function of arrays as one loop in C, for any number of rows and columns, to be called from eager code.

One idea: what NumPy does in ten passes over a large array is one pass in C, and the function that says what to do is
there already: a definition, or the rule that follows from it. It is traced on a few rows; the loop then runs over as
many as it is given, and is told how long they are. Small arrays are left to NumPy, which is as fast there and needs no
compiler.
Read `in_place.py` next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from ...backend import Array, Module, host
from ...functional import vjp
from ...tensor import Tensor, wrap
from ..lengths import Lengths
from ..options import Numbers, Options, in_trace, kind_of
from ..trace import Trace, program_of
from .any_length import LARGE, AnyLength, has_c, kind_of_rows, sample_of, wants_c

__all__ = ["SHORT_ROW", "Loop", "elementwise_kernel"]

# Elements of a row below which NumPy takes powers faster: all at once, where a loop has no vector full of them.
SHORT_ROW = 16

_KINDS = 64  # of arguments whose loops are kept by a Loop


class Loop:
    """`function(*tensors, **options)`, which gives a Tensor or several, as a loop in C.

    Element by element, or with `by_rows`, see Note [Rows] in any_length.py. `least` is the number of elements from
    which on it is faster than NumPy.

    A call with arrays gives the results as new arrays, or None where it has to be done otherwise: there is no compiler,
    TAPEGRAD_EXECUTOR is "numpy", the arrays have less than `least` elements or are of another kind, or the function is
    more than one loop. It is made at the first call for each set of dtypes and kinds of options, and kept in the user's
    cache. Options that are floats or ints may be others at each call, see `options.py`.
    """

    def __init__(self, function: Callable[..., Any], *, by_rows: bool = False, least: int = LARGE) -> None:
        self.function, self.flat, self.least = function, not by_rows, least
        self._made: dict[Any, Lengths[_Made]] = {}  # by kind of arguments
        self._lock = threading.Lock()

    def takes(self, array: Array) -> bool:
        """Whether an array is large enough, and C can be had."""
        return array.size >= self.least and type(array) is host.ndarray and has_c()

    def __call__(self, *arrays: Array, **options: Any) -> tuple[Array, ...] | None:
        first = arrays[0]
        if first.size < self.least:
            return None
        key: list[Any] = []
        for array in arrays:
            if type(array) is not host.ndarray:
                return None
            key.append(array.dtype)
        rows, columns = first.size, 0
        if not self.flat:
            if first.ndim != 2 or first.shape[1] == 1:
                return None
            rows, columns = shape = first.shape
            key += [0 if x.shape == shape else kind_of_rows(x, first) for x in arrays]
        if options:
            try:
                key += options
                key += map(kind_of, options.values())
            except TypeError:
                return None
        kind = tuple(key)
        known = self._made.get(kind)
        ways = None if known is None else known.ways(columns)
        if ways is None:
            ways = self._make(kind, columns, arrays, options)
        if not ways or not wants_c():
            return None
        for made in ways:
            numbers = made.numbers(**options) if options else ()
            if numbers is not None:
                return made(arrays, rows, columns, numbers)
        ways = self._make(kind, columns, arrays, options)
        numbers = ways[0].numbers(**options) if ways else None
        return None if numbers is None else ways[0](arrays, rows, columns, numbers)

    def _make(self, kind: Any, length: int, arrays: tuple[Array, ...], options: Options) -> list[_Made]:
        """The ways there are for such arguments, that of these options first."""
        if not has_c():
            return []
        with self._lock:
            known = self._made.get(kind)
            ways = None if known is None else known.ways(length)
            if ways is not None and (not ways or ways[0].numbers(**options) is not None):
                return ways  # another thread was faster
            made = self._trace(arrays, options)
            if known is None:
                if len(self._made) == _KINDS:
                    del self._made[next(iter(self._made))]
                known = self._made[kind] = Lengths()
            known.add(length, made)
            return [] if made is None else [made]

    def _trace(self, arrays: tuple[Array, ...], options: Options) -> _Made | None:
        first = arrays[0]
        if any(x.dtype.char not in ("fd?" if self.flat else "fd") for x in arrays):
            return None
        if not self.flat and None in [kind_of_rows(x, first) for x in arrays]:
            return None
        return _Made.of(self.function, [sample_of(x, first, self.flat) for x in arrays], options, self.flat)


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


class _Made:
    """The loop of one kind of arguments, with what its results are like."""

    def __init__(self, loop: AnyLength, numbers: Numbers) -> None:
        program, slots = loop.program, loop.plan.slots
        self._loop, self.source = loop, loop.source
        self.numbers = numbers.work_out  # of the options; None where they lead another way
        self.text = (loop.source, numbers.text)
        fresh = loop.plan.fresh
        # Of each its dtype, whether it is as long as a row, and of a sum over rows the lengths before that.
        self._results = []
        for i, base in fresh:
            *before, length = program.results[i].shape
            self._results.append((base.dtype, length == loop.columns, before if base in loop.sums else None))
        given = [slots[variable] for variable in (*program.arguments, *(base for _, base in fresh))]
        assert given == sorted(given)  # arguments, then results, is the order of the slots

    @classmethod
    def of(cls, function: Callable[..., Any], samples: list[Any], options: Options, flat: bool) -> _Made | None:
        """The loop of a function on arrays like these; None where it is none, or there is no compiler."""
        trace = Trace()
        given = in_trace(trace, options)
        program = program_of(function, [host.ones(shape, dtype) for shape, dtype in samples], given, trace)
        loop = AnyLength.of(program, flat)
        if loop is None or loop.program.places:  # which it found besides its arguments
            return None
        return cls(loop, Numbers(loop.program, loop.plan.numbers, trace.guards, options))

    def __call__(
        self, arrays: tuple[Array, ...], rows: int, columns: int, numbers: Iterable[float]
    ) -> tuple[Array, ...]:
        """The results for these arrays, of so many rows and columns, and the numbers that follow from the options."""
        loop, empty = self._loop, host.empty
        packed = [array if array.flags.c_contiguous else host.ascontiguousarray(array) for array in arrays]
        if loop.flat:
            whole = arrays[0].shape
            results = [empty(whole, dtype) for dtype, _, _ in self._results]
            loop((*packed, *results), rows, 0, numbers)
            return tuple(results)
        parts = loop.parts(rows, columns) if loop.sums else 1
        results = []
        for dtype, is_long, before in self._results:
            shape = (rows, columns if is_long else 1) if before is None else (*before, columns if is_long else 1)
            results.append(empty((parts, *shape) if parts > 1 and before is not None else shape, dtype))
        loop((*packed, *results), rows, columns, numbers)
        if parts > 1:  # the sums of each part are added up in their order
            for i, (_, _, before) in enumerate(self._results):
                results[i] = results[i] if before is None else results[i].sum(axis=0)
        return tuple(results)
