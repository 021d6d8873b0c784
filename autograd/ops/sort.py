"""Order: sort, argsort, the k largest, medians and quantiles.

One idea: an order is found once, as positions (`argsort`, which has no rule); the values are then picked by position,
and picking knows its gradient. Read `search.py` next.
"""

from __future__ import annotations

import math

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive
from ..shapes import at_axis, kept_shape, normalize_axis
from ..tensor import Operand, Tensor
from .along import take_along_axis
from .choice import where
from .discrete import isnan
from .shape import reshape

__all__ = ["argsort", "median", "quantile", "sort", "topk"]


@primitive
def argsort(xp: Module, x: Operand, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Array:
    """The positions of the elements along `axis` in rising (or descending) order; equal ones keep theirs if `stable`.

    NaN counts as larger than everything.
    """
    if not x.ndim:
        normalize_axis(axis, 0)  # which refuses: NumPy gives a number one axis
    kind = "stable" if stable else None
    if not descending:
        return xp.argsort(x, axis=axis, kind=kind)
    # Turned round before and after, equal elements keep their order.
    turned = xp.argsort(xp.flip(x, axis), axis=axis, kind=kind)
    return x.shape[axis] - 1 - xp.flip(turned, axis)


@primitive
def _ranked(xp: Module, x: Operand, *, k: int, axis: int, largest: bool) -> Array:
    """The first k of the positions that `argsort` gives, in descending order for the largest."""
    return argsort.forward(xp, x, axis=axis, descending=largest)[at_axis(axis, slice(k))]


@telling
def sort(x: Operand, *, axis: int | None = -1, descending: bool = False, stable: bool = True) -> Tensor:
    """The elements along `axis`, or for None all of them, in rising (or descending) order, NaN as the largest."""
    if axis is None:
        x, axis = reshape(x, (-1,)), -1
    return take_along_axis(x, argsort(x, axis=axis, descending=descending, stable=stable), axis=axis)


@telling
def topk(x: Operand, k: int, *, axis: int = -1, largest: bool = True) -> tuple[Tensor, Tensor]:
    """The k largest (or smallest) elements along `axis`, the first of them first, and their positions.

    Raises ShapeError when there are fewer than k.
    """
    axis = normalize_axis(axis, x.ndim)
    if not 0 <= k <= x.shape[axis]:
        raise ShapeError(f"topk: k = {k}, but axis {axis} of x, of shape {x.shape}, has {x.shape[axis]} elements.")
    positions = _ranked(x, k=k, axis=axis, largest=largest)
    return take_along_axis(x, positions, axis=axis), positions


@telling
def quantile(x: Operand, q: float, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The number below which the share q of the elements along `axis` lies, between two elements by a straight line;
    NaN where one of them is NaN.

    Raises ValueError for q outside [0, 1], ShapeError when there are no elements.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"quantile: q = {q} is no share; it must lie between 0 and 1.")
    kept = kept_shape(x.shape, axis)
    if axis is None:
        x, axis = reshape(x, shape=(-1,)), 0
    axis = normalize_axis(axis, x.ndim)
    length = x.shape[axis]
    if not length:
        raise ShapeError(f"quantile: axis {axis} of x, of shape {x.shape}, has no elements.")
    ordered = sort(x, axis=axis)
    place = q * (length - 1)
    below, above = (ordered[at_axis(axis, i)] for i in (math.floor(place), math.ceil(place)))
    share = place - math.floor(place)
    # Weighed, not a step from below: inf - inf is no number. Nor is 0 * inf, so an element that is met stands alone.
    found = below * (1.0 - share) + above * share if share else below * 1.0
    last = ordered[at_axis(axis, -1)]
    found = where(isnan(last), last, found)  # sorted as the largest, NaN would be passed over
    return reshape(found, shape=kept) if keepdims else found


@telling
def median(x: Operand, *, axis: int | None = None, keepdims: bool = False) -> Tensor:
    """The middle element along `axis`, or the mean of the two in the middle."""
    return quantile(x, 0.5, axis=axis, keepdims=keepdims)
