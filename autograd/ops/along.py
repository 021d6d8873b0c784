"""Picking along one axis, place by place, by an array of positions, and its adjoint.

One idea: on the host, along the last axis, a position and the row it stands in make one place in the flat array; all
else is an index with an array for each axis. Read `parts.py` next.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, Module, host
from ..errors import ShapeError
from ..positions import read_at, written_at
from ..primitive import primitive
from ..shapes import Shape, normalize_axis
from ..tensor import Operand
from .index import add_at, integers, is_inside
from .shape import broadcast_shapes, sum_to

__all__ = ["scatter_add", "take_along_axis"]


def _along(xp: Module, indices: Array, axis: int, shape: Shape) -> tuple[Array, ...]:
    """The index that picks `indices` along `axis`, and each position by itself along the other axes of `shape`."""
    ndim = len(shape)
    rows = [xp.arange(n).reshape((1,) * i + (n,) + (1,) * (ndim - i - 1)) for i, n in enumerate(shape)]
    return (*rows[:axis], indices, *rows[axis + 1 :])


def _places(xp: Module, indices: Array, axis: int, shape: Shape) -> Array | None:
    """Where the indices stand in a flat array of `shape`; None where that takes more, or one is outside."""
    if xp is not host or axis != len(shape) - 1 or not is_inside(indices, shape[axis]):
        return None
    starts = xp.arange(0, math.prod(shape), shape[axis]).reshape(*shape[:axis], 1)
    return starts + indices.astype("int64", copy=False)


@primitive
def take_along_axis(xp: Module, x: Operand, indices: Operand, *, axis: int = -1) -> Array:
    """The elements of x at the positions `indices` along `axis`, place by place (PyTorch's gather).

    x of shape (..., n, ...) and indices of shape (..., k, ...) give (..., k, ...); the other axes broadcast.

    Raises ShapeError when they do not, IndexError for a position outside (on a GPU it gives NaN).
    """
    indices, axis, shape = _aligned(xp, "take_along_axis", x, indices, axis)
    if x.shape[:axis] + x.shape[axis + 1 :] != shape[:axis] + shape[axis + 1 :]:
        x = xp.broadcast_to(x, (*shape[:axis], x.shape[axis], *shape[axis + 1 :]))
    places = _places(xp, indices, axis, x.shape) if xp is host and x.flags.c_contiguous else None
    return read_at(x, _along(xp, indices, axis, shape)) if places is None else x.reshape(-1).take(places)


@take_along_axis.vjp
def _(g: Operand, x_shape: Shape, indices: Operand, axis: int) -> Operand:
    return sum_to(scatter_add(g, indices, axis=axis, length=x_shape[axis]), shape=x_shape)


@primitive
def scatter_add(xp: Module, x: Operand, indices: Operand, *, axis: int = -1, length: int) -> Array:
    """Zeros with `length` places along `axis`, to which x is added at `indices`: the adjoint of `take_along_axis`.

    x and indices of shape (..., k, ...) give (..., length, ...); the other axes broadcast.
    """
    indices, axis, shape = _aligned(xp, "scatter_add", x, indices, axis)
    out = (*shape[:axis], length, *shape[axis + 1 :])
    places = _places(xp, indices, axis, out)
    if places is not None:
        return _put(xp, x, (places,), (math.prod(out),), indices.shape[axis]).reshape(out)
    return _put(xp, x, _along(xp, indices, axis, shape), out, indices.shape[axis])


def _put(xp: Module, x: Array, index: Any, shape: Shape, number: int) -> Array:
    """Zeros of `shape` with x added at an index that names `number` places in each row."""
    if number > 1:
        return add_at(xp, x, index, shape)
    zeros = xp.zeros(shape, dtype=x.dtype)
    zeros[index] = x  # none is named twice
    written_at(zeros, index)
    return zeros


@scatter_add.vjp
def _(g: Operand, x_shape: Shape, indices: Operand, axis: int) -> Operand:
    return sum_to(take_along_axis(g, indices, axis=axis), shape=x_shape)


def _aligned(xp: Module, name: str, x: Array, indices: Any, axis: int) -> tuple[Array, int, Shape]:
    """The indices as an array, the axis from the front, and the shape to which both broadcast (k places along it)."""
    indices = integers(xp, indices)
    if x.ndim != indices.ndim:
        raise ShapeError(
            f"{name}: x of shape {x.shape} and indices of shape {indices.shape} must have the same number of axes."
        )
    axis = normalize_axis(axis, x.ndim)
    others = (*x.shape[:axis], indices.shape[axis], *x.shape[axis + 1 :])
    if others == indices.shape:
        return indices, axis, others
    try:
        return indices, axis, broadcast_shapes(others, indices.shape)
    except ShapeError:
        raise ShapeError(
            f"{name}: x of shape {x.shape} and indices of shape {indices.shape} do not broadcast "
            f"along the axes other than {axis}."
        ) from None
