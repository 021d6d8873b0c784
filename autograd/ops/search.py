"""Finding: where elements are not zero, where numbers belong in an order, and which elements differ from each other.

One idea: what is looked for is found as positions, which have no gradient; where values are wanted they are picked by
position, and picking knows its gradient. How many are found depends on the values, so a GPU is waited for, and a
compiled function refuses it. Read `window.py` next.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive
from ..tensor import Operand, Tensor
from .cast import astype
from .discrete import not_equal
from .index import take
from .join import pad, unstack
from .products import cumsum, diff
from .shape import reshape
from .sort import argsort

__all__ = [
    "UniqueAllResult",
    "UniqueCountsResult",
    "UniqueInverseResult",
    "isin",
    "nonzero",
    "searchsorted",
    "unique_all",
    "unique_counts",
    "unique_inverse",
    "unique_values",
]


@primitive
def _nonzero(xp: Module, x: Operand) -> Array:
    """The positions of the elements that are not zero, a row for each axis."""
    return xp.stack(xp.nonzero(x))


@telling
def nonzero(x: Operand) -> tuple[Tensor, ...]:
    """The positions of the elements that are not zero (not false), in the order of rows: along each axis one array.

    Raises ShapeError for a number, which has no axis.
    """
    if x.ndim == 0:
        raise ShapeError("nonzero: x has no axes, so no position in it has a number; write reshape(x, 1) or x != 0.")
    return unstack(_nonzero(x))


@primitive
def _searchsorted(xp: Module, x1: Operand, x2: Operand, *, side: str) -> Array:
    """Where each element of x2 belongs among those of x1, which rise."""
    return xp.searchsorted(x1, xp.asarray(x2), side=side).astype("int64")


@telling
def searchsorted(
    x1: Operand, x2: Operand, *, side: Literal["left", "right"] = "left", sorter: Operand = None
) -> Tensor:
    """Where each element of x2 belongs among those of the vector x1, which rise (taken in the order `sorter`, if any).

    With side="left" that is in front of equal ones, with "right" behind them. Raises ShapeError when x1 is no vector.
    """
    if side not in ("left", "right"):
        raise ValueError(f'searchsorted: side {side!r} is neither "left" nor "right".')
    if x1.ndim != 1:
        raise ShapeError(f"searchsorted: x1 must be a vector, it has shape {x1.shape}.")
    return _searchsorted(x1 if sorter is None else take(x1, sorter), x2, side=side)


@primitive
def isin(xp: Module, x1: Operand, x2: Operand, *, invert: bool = False) -> Array:
    """Where an element of x1 is one of the elements of x2; where it is none of them if `invert`."""
    return xp.isin(xp.asarray(x1), xp.asarray(x2), invert=invert)


# Unique elements


class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Tensor
    indices: Tensor
    inverse_indices: Tensor
    counts: Tensor


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Tensor
    counts: Tensor


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Tensor
    inverse_indices: Tensor


def _runs(x: Operand) -> tuple[Operand, Operand, Operand, Operand]:
    """x as one row, the order in which it rises, where in that order another value begins, and those positions."""
    row = reshape(x, (-1,))
    order = argsort(row)
    ordered = take(row, order)
    begins = pad(not_equal(ordered[1:], ordered[:-1]), (1, 0), constant_values=True)[: row.shape[0]]
    return row, order, begins, nonzero(begins)[0]


def unique_all(x: Operand) -> UniqueAllResult:
    """The different elements of x, rising; where in x, as one row, each is first; which of them each element of x is;
    and how often each is there.

    `inverse_indices`, the third, has the shape of x. Every NaN is another one. The gradient of a value goes to the
    place where it is first.
    """
    row, order, begins, first = _runs(x)
    places = take(order, first)
    of_order = cumsum(astype(begins, "int64")) - 1
    counts = diff(pad(first, (0, 1), constant_values=row.shape[0]))
    return UniqueAllResult(take(row, places), places, reshape(take(of_order, argsort(order)), x.shape), counts)


def unique_values(x: Operand) -> Tensor:
    """The different elements of x, rising; as in `unique_all`."""
    row, order, _, first = _runs(x)
    return take(row, take(order, first))


def unique_counts(x: Operand) -> UniqueCountsResult:
    """The different elements of x, rising, and how often each is there; as in `unique_all`."""
    found = unique_all(x)
    return UniqueCountsResult(found.values, found.counts)


def unique_inverse(x: Operand) -> UniqueInverseResult:
    """The different elements of x, rising, and which of them each element of x is; as in `unique_all`."""
    found = unique_all(x)
    return UniqueInverseResult(found.values, found.inverse_indices)
