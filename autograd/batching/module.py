"""Batch: the module of the arrays of one run of vmap, what `xp` is for them.

One idea: it has whatever function the module of its arrays has. Each is done by a rule for its name (`rules.py`), by
that of the elementwise ones, or example by example; what has to do with no example is done as it is.
Read `autograd/vmap.py` next.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import ModuleType
from typing import Any

from ..backend import Backend, Module, device_of, host, is_array, module_of, register_backend
from ..errors import VmapError
from ..modes import is_tracing
from ..writes import clock
from . import parts
from .array import Batched, deepest, refuse
from .instructions import INSTRUCTIONS
from .rules import RULES, Rule, arrays_of, elementwise, example_by_example, is_elementwise, most

__all__ = ["Batch"]


class _Names:
    """The functions of a module under their names."""

    def __init__(self, batch: Batch, prefix: str) -> None:
        self._batch, self._prefix = batch, prefix

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        path = self._prefix + name
        known: Any = functools.reduce(lambda thing, part: getattr(thing, part, None), path.split("."), host)
        if isinstance(known, ModuleType):
            return _Names(self._batch, f"{path}.")
        if path not in RULES and (not callable(known) or isinstance(known, type)):
            return _at(self._batch.xp, path)
        return _Function(self._batch, path)


class Batch(_Names):
    """One run of vmap: `count` examples, whose arrays belong to the module `xp`.

    `outside` are the runs inside of which it began, `passed` those through which it pulls back; `depth` is larger for
    a run that began later. `lift` is what brings a Tensor in, on the record, `randomness` whose a draw is.
    """

    ndarray = Batched

    def __init__(
        self, count: int, xp: Module, outside: tuple[Batch, ...], lift: Callable[..., Any], randomness: str
    ) -> None:
        super().__init__(self, "")
        self.count, self.xp, self.outside, self.depth, self.lift = count, xp, outside, clock(), lift
        self.passed: set[Batch] = set()
        self.randomness = randomness
        self.is_running = True

    def has(self, x: Any) -> bool:
        """Whether x is an array of this run. Raises VmapError for one of a run that is over."""
        if not isinstance(x, Batched):
            return False
        if x.batch is not self and x.batch not in self.outside and x.batch not in self.passed:
            raise VmapError(
                "an array of a run of vmap that is over is used in another: what outlives the call must be returned."
            )
        return x.batch is self

    def rows(self, x: Any) -> Any:
        """What an array holds, with the axis of examples; numbers as they are."""
        if self.has(x):
            return x.held
        return x[None] if is_array(x) or isinstance(x, host.generic) else x

    def lined(self, x: Any, ndim: int) -> Any:
        """`rows`, with the axes of one example as the last ones behind so many."""
        rows = self.rows(x)
        if not is_array(rows) or rows.ndim > ndim:
            return rows
        return rows.reshape((rows.shape[0], *(1,) * (ndim + 1 - rows.ndim), *rows.shape[1:]))

    def wide(self, *xs: Any) -> list[Any]:
        """`rows` of arrays, all with as many examples as the most have."""
        rows = [self.rows(x) for x in xs]
        count = most(rows)
        return [
            row if row.shape[0] == count else module_of(row).broadcast_to(row, (count, *row.shape[1:])) for row in rows
        ]

    def joined(self, x: Any) -> Any:
        """An input of an operation as one of this run: a Tensor lifted on the record, an array held once for all."""
        array = getattr(x, "data", None)
        if self.has(x) or (array is not None and self.has(array)):
            return x
        if is_array(x):
            return Batched(self, x[None])
        if not is_array(array):
            return x
        own = deepest(array)
        for run in (*self.outside, self):  # what an outer run lacks is the same for all its examples too
            if own is None or run.depth > own.depth:
                x = run.lift(x, batch=run)
        return x

    def module_among(self, *arrays: Any) -> Module:
        """The module of what is held: of the innermost run, or the one that is not NumPy.

        Those of NumPy alone belong to the trace that there may be: at its next call they may hold other numbers.
        """
        inner = deepest(*arrays)
        if inner is not None:
            return inner
        modules = [module_of(array) for array in arrays_of(arrays)]
        alone = host if modules and is_tracing() is None else self.xp
        return next((xp for xp in modules if xp is not host), alone)

    def do(self, path: str, *held: Any, **options: Any) -> Any:
        """A function of the module of these."""
        return _at(self.module_among(*held, *options.values()), path)(*held, **options)

    def instruction(self, call: Rule, inputs: tuple[Any, ...], options: dict[str, Any], function: Rule) -> Any:
        """One of our own array functions (see `instruction.py`); one without a rule is done step by step."""
        rule = INSTRUCTIONS.get(function.__name__)
        return function(*inputs, **options) if rule is None else rule(self, call, inputs, options)


def _at(xp: Module, path: str) -> Any:
    return functools.reduce(getattr, path.split("."), xp)


class _Function:
    """One function of a module, for arrays of which some may be Batched."""

    def __init__(self, batch: Batch, path: str) -> None:
        self.batch, self.path = batch, path

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        batch = deepest(*inputs, *options.values())
        if batch is None:  # nothing of any example, so the same for all
            if self.path in _FILLED:
                return _filled(self.batch, self.path, *inputs, **options)
            return self.batch.do(self.path, *inputs, **options)
        rule = RULES.get(self.path)
        if rule is None:
            rule = elementwise if is_elementwise(self.path) else example_by_example
        return rule(batch, self.path, *inputs, **options)

    def at(self, x: Any, key: Any, *values: Any) -> None:
        """The ufunc done at each place, one after the other."""
        batch = deepest(x, key, *values)
        if batch is None:
            _at(module_of(x), self.path).at(x, key, *values)
        elif batch is not x.batch:
            refuse("was added to one that is the same for all")
        else:
            parts.add_at(batch, lambda view: _at(batch.module_among(view), self.path), x, key, *values)


_FILLED = ("empty", "full", "ones", "zeros")  # room for all examples, to be written into


def _filled(batch: Batch, path: str, shape: Any, *value: Any, **options: Any) -> Any:
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return Batched(batch, _at(batch.xp, path)((batch.count, *shape), *value, **options), own=True)


register_backend(
    "vmap",
    Backend(Batched, None, lambda a: device_of(a.held), lambda a, _: a, lambda a: a.values(), lambda: None),
)
