"""Parts of an array: x[index], its adjoint, x with a part replaced, and picking by arrays of positions.

One idea: reading copies numbers out, so its adjoint puts them back into zeros, and adds where one number was read
twice: getitem/put_at, take/index_add, and in `along.py` take_along_axis/scatter_add, each the other's rule. All the
adjoints share `add_at`.

On a GPU an array of positions that points outside is not refused, since asking would wait for it: it reads NaN, and
makes NaN of what it is written into (`positions.py`). Read `along.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Integral
from operator import index as as_int
from typing import Any

from ..backend import Array, Module, host, is_array, module_of
from ..batching import Batch, deepest
from ..errors import ShapeError
from ..instruction import instruction
from ..modes import is_batching, is_tracing
from ..positions import read_at, written_at
from ..primitive import primitive
from ..shapes import Shape, at_axis, normalize_axis
from ..tensor import Operand, Tensor, bare
from ..wholes import part_of
from .cast import single
from .choice import where
from .shape import reshape, sum_to

__all__ = ["index_add", "put_at", "set_at", "take"]


# An index


def as_index(key: Any, xp: Module | None = None) -> Any:
    """What stands in x[...], ready for arrays of module `xp`: Tensors and lists in it become arrays.

    Raises TypeError for what cannot be an index.
    """
    if isinstance(key, tuple):
        return tuple(_index_part(part, xp) for part in key)
    return _index_part(key, xp)


def _index_part(part: Any, xp: Module | None) -> Any:
    if part is None or part is Ellipsis or type(part) in (int, bool):
        return part
    if isinstance(part, slice):
        return slice(*(None if n is None else as_int(n) for n in (part.start, part.stop, part.step)))
    if isinstance(part, Tensor):
        part = part.data
    if isinstance(part, Sequence) and not isinstance(part, str):
        part = _positions(part, xp)
    if is_array(part):
        if part.dtype.kind not in "biu":
            raise TypeError(f"an index array must hold integers or bools, this one holds {part.dtype}; use astype.")
        return part
    try:
        return as_int(part)
    except TypeError:
        raise TypeError(
            f"{part!r} cannot be an index: take integers, slices, None, ..., or arrays or lists of integers or bools."
        ) from None


def _positions(part: Sequence[Any], xp: Module | None) -> Array:
    module = xp or module_of(0.0)
    parts = [*map(bare, part)]
    return module.asarray(parts) if parts else module.asarray(parts, dtype="int64")


def parts_of(index: Any) -> tuple[Any, ...]:
    return index if isinstance(index, tuple) else (index,)


def _arrays(index: Any) -> list[Array]:
    return [part for part in parts_of(index) if is_array(part)]


def may_repeat(index: Any) -> bool:
    """Whether an element may be read twice: only by an integer array that holds several positions."""
    return any(part.dtype.kind != "b" and part.size > 1 for part in _arrays(index))


# Note [Adding at repeated positions]
# NumPy's add.at goes element by element and is up to ten times slower than two detours, but for few single numbers.
# Number the rows of the result that an index reaches (a row: all axes behind the last that the index names). Short rows
# are counted by bincount, with the values as weights and float64 inside; long rows are sorted by number and each run of
# equal numbers is summed at once. A GPU has atomic additions, so CuPy's add.at is right as it is.

# Either may be done in another way that gives the same bits: `compile/native/added_rows.py` adds one.

SHORT_ROW = 16  # elements; below it bincount is the faster one
SPARSE = 8  # times as many single places as numbers make add.at, which takes two nanoseconds each, faster than a pass
AddRows = Callable[[Array, Array, int], "Array | None"]  # of rows, their numbers and how many there are
ways_to_add_rows: list[AddRows] = []


def add_at(xp: Module, values: Array, index: Any, shape: Shape) -> Array:
    """Zeros of `shape` with `values` added at `index`."""
    wide = single(values) if may_repeat(index) else values
    if wide is not values:
        return add_at(xp, wide, index, shape).astype(values.dtype)
    on_host = xp is module_of(0.0) or (is_tracing() is not None and not isinstance(xp, Batch))
    if may_repeat(index) and on_host and values.dtype.kind == "f" and values.dtype.itemsize <= 8:
        return _rows_added(values, index, shape)
    out = xp.zeros(shape, dtype=values.dtype)
    if not may_repeat(index):
        out[index] = values
    elif values.dtype.kind in "biu":
        # Whole numbers wrap alike in all sizes, and a GPU adds the unsigned ones.
        wide = xp.zeros(shape, dtype="uint64")
        xp.add.at(wide, index, values.astype("uint64"))
        out[...] = wide.astype(values.dtype)
    else:
        xp.add.at(out, index, values)
    written_at(out, index)
    return out


@instruction
def _rows_added(values: Array, index: Any, shape: Shape) -> Array:
    """`add_at` on the host, by bincount or row by row."""
    xp = module_of(values)
    if xp is not host:  # a compiled step on a GPU has no kernel for these axes
        out = xp.zeros(shape, dtype=values.dtype)
        xp.add.at(out, index, values)
        written_at(out, index)
        return out
    axes = _axes_named(index, len(shape))
    lead, tail = shape[:axes], shape[axes:]
    count, width = math.prod(lead), math.prod(tail)
    reached = _row_numbers(xp, index, lead)
    given = reached.shape + tail
    values = values if values.shape == given else xp.broadcast_to(values, given)
    values = values.reshape(reached.size, width)
    return _added(values, reached.ravel(), count).reshape(shape)


def _added(values: Array, reached: Array, count: int) -> Array:
    """On the host, zeros (count, width) with the rows of `values`, (given, width), added at their numbers."""
    width = values.shape[1]
    sparse = width == 1 and SPARSE * len(reached) <= count
    for way in () if sparse else ways_to_add_rows:
        found = way(values, reached, count)
        if found is not None:
            return found
    out = host.zeros((count, width), dtype=values.dtype)
    if sparse:
        host.add.at(out.reshape(-1), reached, values.reshape(-1))
    elif values.size and width < SHORT_ROW:
        cells = (reached[:, None] * width + host.arange(width)).ravel()
        out[...] = host.bincount(cells, values.ravel(), count * width).reshape(count, width)
    elif values.size:
        order = reached.argsort(kind="stable")
        reached = reached.take(order)
        begins = host.ones(len(order), bool)
        host.not_equal(reached[1:], reached[:-1], out=begins[1:])
        (starts,) = begins.nonzero()
        out[reached.take(starts)] = host.add.reduceat(values.take(order, axis=0), starts, axis=0)
    return out


def _row_numbers(xp: Module, index: Any, lead: Shape) -> Array:
    """The numbers of the rows that an index names, counted over the axes `lead`. Raises IndexError as NumPy does."""
    parts = parts_of(index)
    slices = 0
    while slices < len(parts) and _is_full(parts[slices]):
        slices += 1
    positions = parts[slices:]
    if xp is host and positions and len(parts) == len(lead) and all(map(is_inside, positions, lead[slices:])):
        numbers = positions[0].astype("int64", copy=False)
        for part, length in zip(positions[1:], lead[slices + 1 :], strict=True):
            numbers = numbers * length + part.astype("int64", copy=False)
        if not slices:
            return numbers
        within = math.prod(lead[slices:])
        starts = xp.arange(0, math.prod(lead), within).reshape(*lead[:slices], *(1,) * numbers.ndim)
        return starts + numbers
    return xp.arange(math.prod(lead)).reshape(lead)[index]


def _is_full(part: Any) -> bool:
    return isinstance(part, slice) and part == slice(None)


def is_inside(part: Any, length: int) -> bool:
    """Whether a part of an index is positions, all counted from the front and within the axis."""
    return bool(is_array(part) and part.dtype.kind in "iu" and part.size and part.min() >= 0 and part.max() < length)


def _axes_named(index: Any, ndim: int) -> int:
    """How many axes, from the front, the index names; all of them when it holds an Ellipsis."""
    parts = parts_of(index)
    if any(part is Ellipsis for part in parts):
        return ndim
    named: int = sum(part is not None and type(part) is not bool for part in parts)
    more: int = sum(part.ndim - 1 for part in _arrays(index) if part.dtype.kind == "b")  # a mask names all its axes
    return named + more


# Reading and writing by x[index]


@primitive
def getitem(xp: Module, x: Operand, *, index: Any) -> Array:
    """x[index]: a view for integers and slices, a copy where `index` holds arrays."""
    if is_tracing() is not None and _names_one(x, index):
        return x[(*parts_of(index), ...)]  # there a number is an array as well
    part = _read(xp, x, index)
    if isinstance(part, type(x)) or not isinstance(x, xp.ndarray):
        return part
    return x[(*parts_of(index), ...)]  # NumPy gave a number, which is a copy


def _read(xp: Module, x: Array, index: Any) -> Array:
    """x[index]. What NumPy reads along one axis it reads up to four times faster by `take`."""
    *before, part = parts_of(index) or (None,)
    along = xp is host and is_array(part) and part.dtype.kind in "iu" and part.dtype != "uint64"
    if along and all(map(_is_full, before)) and len(before) < x.ndim and x.flags.c_contiguous:
        return x.take(part, axis=len(before))
    return read_at(x, index)


def _names_one(x: Array, index: Any) -> bool:
    """Whether an index is whole numbers alone, one for each axis."""
    parts = parts_of(index)
    return len(parts) == len(x.shape) and all(isinstance(i, Integral) and not isinstance(i, bool) for i in parts)


@primitive
def put_at(xp: Module, x: Operand, *, index: Any, shape: Shape) -> Array:
    """Zeros of `shape` with x, which has the shape of a part [index], added there: the adjoint of `getitem`."""
    return add_at(xp, x, index, shape)


getitem.vjp(lambda g, x_shape, index: put_at(g, index=index, shape=x_shape))
put_at.vjp(lambda g, index: getitem(g, index=index))


@primitive
def set_at(xp: Module, x: Operand, value: Operand, *, index: Any) -> Array:
    """A copy of x with `value`, broadcast, at `index`.

    Where `index` names a place twice the last value stays; on CuPy any of them.
    """
    out = xp.array(x)
    out[index] = value
    written_at(out, index)
    return out


@primitive
def survives_at(xp: Module, x: Operand, *, index: Any) -> Array:
    """For each element of x[index]: 1 when a write to x[index] leaves it there, 0 when a later one replaces it."""
    shape = x[index].shape
    turn = xp.arange(math.prod(shape), dtype="uint64").reshape(shape)
    last = xp.zeros(x.shape, dtype="uint64")
    xp.maximum.at(last, index, turn)
    return (last[index] == turn).astype(x.dtype)


set_at.vjp(
    x=lambda g, index: set_at(g, 0, index=index),
    value=lambda g, value_shape, index: _gradient_of_value(g, value_shape, index),
)


def _gradient_of_value(g: Operand, value_shape: Shape, index: Any) -> Operand:
    part = getitem(g, index=index)
    if may_repeat(index):
        part = where(survives_at(g, index=index) == 1, part, 0.0)
    extra = max(len(value_shape) - part.ndim, 0)  # axes of length 1 in front, which an assignment lets go
    return reshape(sum_to(part, shape=value_shape[extra:]), value_shape)


def subscript(x: Operand, key: Any) -> Tensor:
    """x[key], for a key as it stands in the user's program: see `as_index`."""
    return part_at(x, as_index(key, module_of(bare(x))))


def part_at(x: Operand, index: Any) -> Tensor:
    """x[index] for the user, to whom it is a part of x where it is a view."""
    part = getitem(beside(index, x) if is_batching() else x, index=index)
    return part_of(part, x) if isinstance(x, Tensor) and is_plain(index) else part


def is_plain(index: Any) -> bool:
    """Whether an index gives a view: slices and whole numbers."""
    return _PLAIN.issuperset(map(type, index)) if isinstance(index, tuple) else type(index) in _PLAIN


_PLAIN = {slice, int, type(None), type(...)}


def beside(index: Any, x: Operand) -> Operand:
    """x in the run of vmap that the positions of an index belong to."""
    batch = deepest(index)
    return x if batch is None else batch.joined(x)


# Picking whole parts along one axis


@primitive
def take(xp: Module, x: Operand, indices: Operand, *, axis: int | None = None) -> Array:
    """The elements of x at the positions `indices` along `axis`; `axis` may be left out when x has one axis only.

    x of shape (..., n, ...) and indices of shape (k,) give (..., k, ...); indices of any shape take the axis's place.

    Raises ValueError when the axis is not named, IndexError for a position outside (on a GPU it gives NaN).
    """
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: x has shape {x.shape}; say along which axis, take(x, indices, axis=0).")
    axis, indices = normalize_axis(axis or 0, x.ndim), integers(xp, indices)
    return _read(xp, x, at_axis(axis, indices))


@take.vjp
def _(g: Operand, x_shape: Shape, indices: Operand, axis: int | None) -> Operand:
    at = normalize_axis(axis or 0, len(x_shape))
    return index_add(g, indices, axis=at, length=x_shape[at])


@primitive
def index_add(xp: Module, x: Operand, indices: Operand, *, axis: int = 0, length: int) -> Array:
    """Zeros with `length` places along `axis`, to which x is added at `indices`: the adjoint of `take`.

    x of shape (..., *indices.shape, ...), with that part beginning at `axis`, gives (..., length, ...).

    Raises ShapeError where x has no such part.
    """
    indices = integers(xp, indices)
    axis = normalize_axis(axis, x.ndim - indices.ndim + 1)
    if x.shape[axis : axis + indices.ndim] != indices.shape:
        raise ShapeError(
            f"index_add: x of shape {x.shape} needs an index for each place along axis {axis}, got indices of shape "
            f"{indices.shape}."
        )
    return add_at(xp, x, at_axis(axis, indices), (*x.shape[:axis], length, *x.shape[axis + indices.ndim :]))


@index_add.vjp
def _(g: Operand, indices: Operand, axis: int) -> Operand:
    return take(g, indices, axis=axis)


def integers(xp: Module, indices: Any) -> Array:
    indices = indices if is_array(indices) else xp.asarray(indices)
    if indices.dtype.kind not in "iu":
        raise TypeError(f"positions must be integers, these are {indices.dtype}; use astype.")
    return indices
