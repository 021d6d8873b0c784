"""Batched: the array of one example, which holds those of all.

One idea: an axis of examples stands in front of what is held, and nobody sees it. What is the same for all examples
holds one, along an axis of length 1, which broadcasts: so it is stored once and computed with once.
Read `parts.py` next.
"""

# Note [Writing in place]
# What a function of the module made may be written into. What came from outside is the user's memory, and what is the
# same for all examples has room for one: the first write gives such an array memory of its own, which `held` then is.
# Its views x[key] are taken again then, and a write through one of them begins with x. Others, by reshape say, could
# not follow, so where one lives the write is refused; so it is where the examples lie so in memory that reshape copied.

from __future__ import annotations

import math
import weakref
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from ..array_operators import give_operators
from ..backend import Array, host, is_array, is_number
from ..errors import VmapError
from ..writes import owner_of
from . import parts

__all__ = ["Batched", "deepest", "every_example", "refuse"]


_APART = (
    "inside vmap an array was written in place of which there is a view, by reshape or the like, that could not "
    "follow: write into a copy, y = x.clone()."
)


class Batched:
    """An array in a function that vmap calls. `held` is the array of all examples, or of one, the same for all."""

    __slots__ = ("__weakref__", "_views", "batch", "held", "key", "own", "source")
    __array_ufunc__ = None  # so that other arrays leave `array * x` to it

    def __init__(self, batch: Any, held: Array, own: bool = False, source: Any = None, key: Any = None) -> None:
        self.batch, self.held = batch, held
        self.own = own  # whether the memory may be written into. See Note [Writing in place]
        self.source, self.key = source, key  # what it is a view of, and where in it, where it is source[key]
        self._views: list[weakref.ref[Batched]] = []
        if isinstance(source, Batched):
            source._views.append(weakref.ref(self))

    shape = property(lambda self: self.held.shape[1:])
    dtype = property(lambda self: self.held.dtype)
    ndim = property(lambda self: self.held.ndim - 1)
    size = property(lambda self: math.prod(self.shape))
    itemsize = property(lambda self: self.held.dtype.itemsize)
    nbytes = property(lambda self: self.held.nbytes)
    base = property(lambda self: self.held)  # a write is noted where the memory is
    module = property(lambda self: self.batch)
    T = property(lambda self: self.batch.transpose(self))
    mT = property(lambda self: self.batch.swapaxes(self, -2, -1))

    def __len__(self) -> int:
        return int(self.shape[0])

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return f"Batched({self.dtype}, shape {self.shape}, {self.batch.count} examples)"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or not callable(getattr(host.ndarray, name, None)):
            raise AttributeError(f"an array inside vmap has no {name!r}.")
        function = getattr(self.batch, name)
        return lambda *inputs, **options: function(self, *inputs, **options)

    def reshape(self, *shape: Any) -> Any:
        """The same elements under another shape."""
        return self.batch.reshape(self, shape[0] if len(shape) == 1 else shape)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order, or turned round."""
        return self.batch.transpose(self, *([axes[0] if len(axes) == 1 else axes] if axes else []))

    def __getitem__(self, key: Any) -> Any:
        batch = deepest(self, key)
        found = parts.read(batch, batch.rows(self), key)
        basic = not any(is_array(part) for part in parts.parts_of(key))
        if not basic:
            return Batched(batch, found, own=True)
        return Batched(batch, found, self.own, self, (key,))

    def __setitem__(self, key: Any, value: Any) -> None:
        batch = deepest(self, key, value)
        if batch is not self.batch:
            self._refuse("of an outer run was written to by each example of an inner one")
        parts.write(batch, self, key, value)

    @property
    def views(self) -> list[Batched]:
        """Its views that live."""
        return [view for view in (reference() for reference in self._views) if view is not None]

    @property
    def has_room(self) -> bool:
        """Whether it holds each example by itself, in memory that may be written into. See Note [Writing in place]."""
        inner = not isinstance(self.held, Batched) or self.held.has_room
        return self.own and inner and self.held.shape[0] == self.batch.count

    def make_room(self, *rows: Any) -> None:
        """Let it have room for each example, to be written into with these."""
        runs = _runs_of(self.held)
        missing = _runs_of(*rows) - runs  # it takes in what differs along another run
        if not missing and self.has_room:
            return self._refuse_apart()
        if self.key is not None:
            return self.source.make_room(*rows)
        if self.source is not None or not self._views_follow():
            raise VmapError(_APART)
        youngest_first = sorted(runs | missing, key=lambda run: -run.depth)
        self.held, self.own = _with_room(self.held, [self.batch, *youngest_first], self.batch), True
        self._show()

    def _views_follow(self) -> bool:
        """Whether the views that live can be taken again, when it has other memory."""
        return all(view.key is not None and view._views_follow() for view in self.views)

    def _refuse_apart(self) -> None:
        """Raise VmapError where what should be a view, of this or beside it, has memory of its own."""
        if not self.held.size:  # nothing is written; and in a trace what is empty shares no memory
            return
        first = self
        while isinstance(first.source, Batched):
            first = first.source
        waiting, owner = [first], owner_of(first.held)
        while waiting:
            one = waiting.pop()
            if owner_of(one.held) is not owner:
                raise VmapError(_APART)
            waiting += one.views

    def _show(self) -> None:
        """Let the views see the memory that it has now."""
        for view in self.views:
            view.held, view.own = parts.read(self.batch, self.held, *view.key), True
            view._show()

    # What has no answer for all examples at once

    def _refuse(self, what: str) -> NoReturn:
        if not self.batch.is_running:
            raise VmapError(f"an array of a run of vmap that is over {what}: what outlives the run must be returned.")
        refuse(what)

    def values(self) -> NoReturn:
        """Refused: printing and the like ask for them."""
        self._refuse("was asked for its values, as by printing, numpy() and move()")

    def __array__(self, *args: Any, **options: Any) -> Any:
        self._refuse("was turned into a NumPy array, or written into one that is the same for all")

    def item(self, *args: Any) -> Any:
        """Refused: it has a number for each example."""
        self._refuse("was asked for its number, as by item(), float() and if")

    def tolist(self) -> Any:
        """Refused, as `item`."""
        self._refuse("was turned into a list")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        self._refuse("was pickled")

    def __bool__(self) -> bool:
        self._refuse("was asked whether it is true, as `if` and `while` do")

    def __float__(self) -> float:
        self._refuse("was turned into a Python float")

    def __int__(self) -> int:
        self._refuse("was turned into a Python int")

    def __index__(self) -> int:
        self._refuse("was used as a Python index; index a Tensor with it")

    def __array_function__(self, function: Any, types: Any, args: Any, options: Any) -> Any:
        path = ".".join([*function.__module__.split(".")[1:], function.__name__])
        found = self.batch
        for name in path.split("."):
            found = getattr(found, name)
        return found(*args, **options)


def refuse(what: str) -> NoReturn:
    """Raise the error for what an array with a value for each example cannot do."""
    raise VmapError(
        f"inside vmap an array {what}; but it has a value for each example. Use where() instead of if, return what "
        "you want to look at, or do this outside."
    )


def _inside(values: Iterable[Any]) -> Iterator[Batched]:
    for value in values:
        if isinstance(value, Batched):
            yield value
        elif type(value) in (list, tuple):
            yield from _inside(value)


def deepest(*values: Any) -> Any:
    """The innermost batch of which one of these is an array, also inside lists and tuples; None where none is."""
    found = None
    for x in _inside(values):
        if found is None or x.batch.depth > found.depth:
            found = x.batch
    return found


def every_example(array: Array) -> Array:
    """The array of all examples behind that of one, for a question that is asked of them together."""
    while isinstance(array, Batched):
        array = array.held
    return array


def _runs_of(*arrays: Any) -> set[Any]:
    """The runs of which these are arrays, and those of what they hold."""
    found = set()
    for array in arrays:
        while isinstance(array, Batched):
            found.add(array.batch)
            array = array.held
    return found


def _with_room(held: Array, runs: list[Any], batch: Any) -> Array:
    """A copy of what an array of the first of these runs holds, with room for each example of all of them."""
    run, *others = runs
    held = batch.module_among(held).broadcast_to(held, (run.count, *held.shape[1:]))
    if not others:
        return batch.module_among(held).array(held)
    rows = held.held if isinstance(held, Batched) and held.batch is others[0] else held[None]
    return Batched(others[0], _with_room(rows, others, batch), own=True)


give_operators(Batched, lambda x: is_array(x) or is_number(x))
