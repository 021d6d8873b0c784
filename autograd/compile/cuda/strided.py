"""Strided: an array that lies otherwise than in order, as a view of one that lies in order.

One idea: a tape knows memory in order and views of it, and reads a view as cheaply. So for a transposed array, or a
part of one, it is made for the memory that begins where the array does, of which it looks at the same elements.
Read `eager.py` next.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from ...backend import Array, module_of
from ...ops.index import getitem
from ...ops.shape import permute_dims
from ...shapes import Shape
from ...tensor import Tensor
from ..native.layout import packed

__all__ = ["View", "memory_of", "order_of", "view_of"]


class View(NamedTuple):
    """An array: of memory in order, of shape `whole`, the part [part], its axes in another order."""

    whole: Shape
    part: tuple[slice | int, ...]
    axes: Shape

    def __call__(self, memory: Tensor) -> Tensor:
        return permute_dims(getitem(memory, index=self.part), self.axes)


def order_of(x: Array) -> Shape | None:
    """The axes of an array from the longest stride to the shortest, those of length 1 first; None for one in order."""
    if x.flags.c_contiguous:
        return None
    return tuple(sorted(range(x.ndim), key=lambda i: (x.shape[i] > 1, -x.strides[i])))


def view_of(x: Array) -> View | None:
    """What an array is of memory in order; None for one that lies in order itself, or is no such view.

    Nor is one that shows an element several times: a product would not take it.
    """
    order = order_of(x)
    if order is None:
        return None
    shape = [x.shape[i] for i in order]
    still = shape.count(1)
    steps = [x.strides[i] // x.dtype.itemsize for i in order[still:]]
    if min(steps) <= 0 or any(outer % inner for outer, inner in pairwise(steps)):
        return None
    room = [outer // inner for outer, inner in pairwise(steps)]  # along all but the first
    if any(length < taken for length, taken in zip(room, shape[still + 1 :], strict=True)):
        return None  # it overlaps
    whole = (*shape[: still + 1], *room, steps[-1])
    return View(whole, (*map(slice, shape), 0), tuple(map(order.index, range(x.ndim))))


def memory_of(x: Array, view: View) -> Array:
    """The memory of which an array is this view, to be looked at but not read: it may end before this does."""
    strides = [step * x.dtype.itemsize for step in packed(view.whole)]
    return module_of(x).lib.stride_tricks.as_strided(x, view.whole, strides)
