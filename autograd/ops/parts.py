"""Parts: the gradient of an array of which parts were read, put together from theirs.

One idea: parts that lie side by side, as queries, keys and values do in one product, are often all of an array. Then
their gradients, joined, are its own: one copy, where zeros to which one after the other is added are two passes for
each. So in a first-order backward they wait for each other, as long as they are no more than the array. Read `join.py`
next.
"""

from __future__ import annotations

from itertools import pairwise
from math import prod
from operator import itemgetter
from typing import Any

from ..backend import Array, is_array, module_of, modules
from ..batching import Batched
from ..modes import is_tracing
from ..shapes import Shape, at_axis
from .index import getitem, may_repeat, parts_of, put_at

__all__ = ["Parts", "whole"]


# A part of an array: all of it from one place of an axis to another, and whether an integer took that axis.
Cut = tuple[int, int, int, bool]

_ALL = slice(None)


def _cut(index: Any, shape: Shape) -> Cut | None:
    """The cut that an index is; None where it is none."""
    entries = parts_of(index)
    axis, more, found = -1, 0, None
    for i, entry in enumerate(entries):
        kind = type(entry)
        if kind is slice and entry == _ALL:
            continue
        if entry is Ellipsis:
            more = len(shape) - len(entries)  # the axes that it stands for, less itself
        elif (kind is not slice and kind is not int) or found is not None:
            return None
        else:
            axis, found = i + more, entry
    if found is None:
        return None
    if isinstance(found, int):
        start = found % shape[axis]
        return axis, start, start + 1, True
    start, stop, step = found.indices(shape[axis])
    return (axis, start, max(start, stop), False) if step == 1 else None


class Parts:
    """The gradients of parts of an array of this shape, until all are there and they are `joined`."""

    __slots__ = ("_pieces", "_room", "_total", "shape")

    def __init__(self, shape: Shape) -> None:
        self.shape, self._room = shape, prod(shape)
        self._pieces: list[tuple[Cut, Array, Any]] = []
        self._total: Array | None = None  # of those that would be more than the array

    def take(self, g: Array, cut: Cut, index: Any) -> None:
        """Take the gradient of one part more."""
        self._room -= g.size
        if self._room < 0 and self._pieces:
            self._total, self._pieces = self.joined(), []
        if self._total is None:
            self._pieces.append((cut, g, index))
        else:
            _add_to_part(self._total, g, index)

    def joined(self) -> Array:
        """The gradient of the array."""
        if self._total is not None:
            return self._total
        self._pieces.sort(key=itemgetter(0))
        cuts = [cut for cut, _, _ in self._pieces]
        if _are_all(cuts, self.shape):
            axis = cuts[0][0]
            new_axis = at_axis(axis, None)
            pieces = [g[new_axis] if counted else g for (*_, counted), g, _ in self._pieces]
            # Laid in order, as zeros to which they are added are. Of pieces that lie otherwise NumPy makes an array
            # that does too, and sums of it are added up in another order.
            xp = module_of(pieces[0])
            out = xp.empty(self.shape, xp.result_type(*pieces))
            return xp.concatenate(pieces, axis=axis, out=out)
        (_, g, index), *others = self._pieces
        total = put_at(g, index=index, shape=self.shape)
        for _, g, index in others:
            _add_to_part(total, g, index)
        return total


def _are_all(cuts: list[Cut], shape: Shape) -> bool:
    """Whether cuts in order lie side by side along one axis, from its beginning to its end."""
    axis, first, _, _ = cuts[0]
    *_, last, _ = cuts[-1]
    return first == 0 and last == shape[axis] and all(a[0] == b[0] and a[2] == b[1] for a, b in pairwise(cuts))


def whole(g: Any) -> Any:
    """A gradient, joined where parts of it have arrived."""
    return g.joined() if type(g) is Parts else g


def _gathered(there: Array | Parts | None, g: Array, x_shape: Shape, index: Any) -> Any:
    """The gradient g of x[index] added to what is `there` of x's, and None; or what shall be sent instead."""
    if is_tracing() is None and not isinstance(g, Batched):
        if there is not None and not isinstance(there, Parts):
            if _add_to_part(there, g, index):
                return None
        elif type(g) in modules and (cut := _cut(index, x_shape)) is not None:
            parts = there or Parts(x_shape)
            parts.take(g, cut, index)
            return parts if there is None else None
    return put_at(g, index=index, shape=x_shape)


def _add_to_part(total: Array, g: Array, index: Any) -> bool:
    """Add g to the part of a total, in place; False where that has to be done otherwise."""
    if may_repeat(index) or total.ndim == 0 or isinstance(total, Batched):
        return False  # the total may have room for one example only, or be a NumPy scalar
    part = total[index]
    if is_array(part) and not any(is_array(entry) or type(entry) is bool for entry in parts_of(index)):
        part += g  # a view; `total[index] += g` would put it back where it is
    else:
        total[index] = part + g
    return True


# The parts of x are often many, and their gradients would be as many arrays of x's size.
getitem.vjp_gathered(_gathered)
