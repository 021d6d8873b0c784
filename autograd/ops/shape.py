"""Shapes: reshape, reorder axes, broadcast, flip, roll.

One idea: these move numbers and compute nothing, so each is linear, and they come in adjoint pairs: the rule of one is
the other. A primitive takes its options by keyword, tidied. Where the Array API hands an option over by position, as in
`reshape(x, shape)`, the primitive is `_reshape`, and a plain function of the public name reads the arguments for it.
Read `reduce.py` next.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from operator import index as as_int

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive, view
from ..shapes import Axis, Shape, axes_of, normalize_axis
from ..tensor import Operand, Tensor
from .short_rows import total

__all__ = [
    "broadcast_arrays",
    "broadcast_shapes",
    "broadcast_to",
    "expand_dims",
    "flatten",
    "flip",
    "moveaxis",
    "permute_dims",
    "reshape",
    "roll",
    "squeeze",
    "sum_to",
    "swapaxes",
]


def lengths_of(shape: int | Sequence[int]) -> Shape:
    """A shape, or another row of whole numbers, as a tuple; a single number stands for a row of one."""
    if type(shape) is tuple:
        return shape
    return tuple(map(as_int, shape)) if isinstance(shape, Sequence) else (as_int(shape),)


# Broadcasting


@view
def _broadcast_to(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """x repeated along axes of length 1, and along new axes in front, until it has `shape`. A view."""
    try:
        return xp.broadcast_to(x, shape)
    except ValueError:
        raise ShapeError(
            f"broadcast_to: x of shape {x.shape} does not broadcast to {shape}: counted from the right, "
            "each length of x must be 1 or the one that is wanted."
        ) from None


_broadcast_to.vjp(lambda g, x_shape: sum_to(g, shape=x_shape))


@primitive
def _sum_to(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """x summed down to `shape`: the adjoint of `broadcast_to`."""
    extra = x.ndim - len(shape)
    stretched = [axis + extra for axis, length in enumerate(shape) if length == 1 != x.shape[axis + extra]]
    return total(xp, x, (*range(extra), *stretched), keepdims=True).reshape(shape)


_sum_to.vjp(lambda g, x_shape: broadcast_to(g, shape=x_shape))


def broadcast_to(x: Operand, shape: int | Sequence[int]) -> Tensor:
    """x repeated along axes of length 1, and along new axes in front, until it has `shape`. A view.

    Raises ShapeError when a length of x is neither 1 nor the one that is wanted.
    """
    return _broadcast_to(x, shape=lengths_of(shape))


def sum_to(x: Operand, shape: Shape) -> Tensor:
    """x summed down to `shape`, from which it may have been broadcast; x itself when it has that shape."""
    if x.shape == shape:
        return x
    return _sum_to(x, shape=shape)


def broadcast_shapes(*shapes: Shape) -> Shape:
    """The shape to which all of `shapes` broadcast. Raises ShapeError when there is none."""
    ndim = max(map(len, shapes), default=0)
    columns = zip(*((1,) * (ndim - len(shape)) + tuple(shape) for shape in shapes), strict=True)
    result = tuple(next((length for length in column if length != 1), 1) for column in columns)
    for shape in shapes:
        if any(a not in (1, b) for a, b in zip(reversed(shape), reversed(result), strict=False)):
            listed = " and ".join(map(str, shapes))
            raise ShapeError(
                f"the shapes {listed} do not broadcast: counted from the right, unequal lengths must be 1."
            )
    return result


def broadcast_arrays(*arrays: Operand) -> tuple[Tensor, ...]:
    """All of `arrays` broadcast to their common shape. Raises ShapeError when there is none."""
    shape = broadcast_shapes(*(x.shape for x in arrays))
    return tuple(broadcast_to(x, shape) for x in arrays)


# The same elements under another shape


@view
def _reshape(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """The same elements in the same order under another shape; one length may be -1, to be worked out."""
    try:
        return xp.reshape(x, shape)
    except ValueError:
        raise ShapeError(
            f"reshape: x of shape {x.shape} has {math.prod(x.shape)} elements, which do not fit the shape {shape}."
        ) from None


_reshape.vjp(lambda g, x_shape: _reshape(g, shape=x_shape))


@telling
def reshape(x: Operand, shape: int | Sequence[int]) -> Tensor:
    """The same elements in the same order under another shape; one length may be -1, to be worked out.

    Raises ShapeError when the number of elements differs.
    """
    return _reshape(x, shape=lengths_of(shape))


@telling
def flatten(x: Operand, *, start_axis: int = 0, end_axis: int = -1) -> Tensor:
    """x with the axes from `start_axis` to `end_axis` (both included) as one."""
    if x.ndim == 0:
        return _reshape(x, shape=(1,))
    start, end = normalize_axis(start_axis, x.ndim), normalize_axis(end_axis, x.ndim)
    if start > end:
        raise ValueError(f"flatten: start_axis {start_axis} comes after end_axis {end_axis} in {x.ndim} axes.")
    return _reshape(x, shape=(*x.shape[:start], math.prod(x.shape[start : end + 1]), *x.shape[end + 1 :]))


@telling
def expand_dims(x: Operand, *, axis: Axis = 0) -> Tensor:
    """x with a new axis of length 1 at each place that `axis` names, counted in the result."""
    count = len(axis) if isinstance(axis, (tuple, list)) else 1
    new = axes_of(0 if axis is None else axis, x.ndim + count)
    old = iter(x.shape)
    return _reshape(x, shape=tuple(1 if i in new else next(old) for i in range(x.ndim + count)))


@telling
def squeeze(x: Operand, axis: Axis = None) -> Tensor:
    """x without the axes of length 1 that `axis` names; without all of them for None.

    Raises ShapeError for an axis of another length.
    """
    gone = axes_of(axis, x.ndim)
    if axis is None:
        gone = tuple(i for i in gone if x.shape[i] == 1)
    for i in gone:
        if x.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of x, of shape {x.shape}, has length {x.shape[i]}; only 1 can go.")
    return _reshape(x, shape=tuple(length for i, length in enumerate(x.shape) if i not in gone))


# The axes in another order


@view
def _permute_dims(xp: Module, x: Operand, *, axes: Shape) -> Array:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x. A view."""
    return xp.transpose(x, axes)


@_permute_dims.vjp
def _(g: Operand, axes: Shape) -> Operand:
    return _permute_dims(g, axes=tuple(sorted(range(len(axes)), key=axes.__getitem__)))


def permute_dims(x: Operand, axes: Sequence[int]) -> Tensor:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x. A view.

    Raises ValueError unless `axes` names each axis once.
    """
    ndim = x.ndim
    tidy = tuple(axis + ndim if axis < 0 else axis for axis in axes)
    if sorted(tidy) != list(range(ndim)):
        raise ValueError(f"permute_dims: axes {tuple(axes)} must name each of the {ndim} axes of x once, from 0.")
    return _permute_dims(x, axes=tidy)


@telling
def swapaxes(x: Operand, axis1: int, axis2: int) -> Tensor:
    """x with two axes exchanged. A view."""
    axes = list(range(x.ndim))
    first, second = normalize_axis(axis1, x.ndim), normalize_axis(axis2, x.ndim)
    axes[first], axes[second] = second, first
    return _permute_dims(x, axes=tuple(axes))


def moveaxis(x: Operand, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
    """x with the axes `source` moved to the places `destination`; the others keep their order. A view."""
    old, new = axes_of(lengths_of(source), x.ndim), axes_of(lengths_of(destination), x.ndim)
    if len(old) != len(new):
        raise ValueError(f"moveaxis: {len(old)} axes to move, but {len(new)} places to move them to.")
    axes = [axis for axis in range(x.ndim) if axis not in old]
    for place, axis in sorted(zip(new, old, strict=True)):
        axes.insert(place, axis)
    return _permute_dims(x, axes=tuple(axes))


# The elements in another order


@view
def flip(xp: Module, x: Operand, *, axis: Axis = None) -> Array:
    """x with the order of its elements turned round along `axis` (one, several, or all for None). A view."""
    return xp.flip(x, axis=axis)


flip.vjp(lambda g, axis: flip(g, axis=axis))


@primitive
def _roll(xp: Module, x: Operand, *, shift: int | Shape, axis: Axis) -> Array:
    """x moved on by `shift` places along `axis`; what falls off the end comes in at the beginning."""
    return xp.roll(x, shift, axis=axis)


@_roll.vjp
def _(g: Operand, shift: int | Shape, axis: Axis) -> Operand:
    back = -shift if isinstance(shift, int) else tuple(-n for n in shift)
    return _roll(g, shift=back, axis=axis)


@telling
def roll(x: Operand, shift: int | Sequence[int], *, axis: Axis = None) -> Tensor:
    """x moved on by `shift` places along `axis`; what falls off the end comes in at the beginning.

    Several axes take a shift each; for None the elements roll as one long row.
    """
    return _roll(x, shift=shift if isinstance(shift, int) else lengths_of(shift), axis=axis)
