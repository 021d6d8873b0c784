"""Shapes: reshape, transpose, broadcast, join, cut.

One idea: these move numbers and compute nothing, so each is linear, and they come in adjoint pairs: the rule of one is
the other. Read `index.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand

__all__ = ["broadcast_to", "permute_dims", "reshape", "sum_to"]


@primitive
def broadcast_to(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """x repeated along axes of length 1, and along new axes in front, until it has `shape`. A view."""
    return xp.broadcast_to(x, shape)


broadcast_to.vjp(lambda g, x_shape: sum_to(g, shape=x_shape))


@primitive
def sum_to(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """x summed down to `shape`: the adjoint of `broadcast_to`."""
    extra = x.ndim - len(shape)
    stretched = [axis + extra for axis, length in enumerate(shape) if length == 1 != x.shape[axis + extra]]
    return xp.sum(x, axis=(*range(extra), *stretched), keepdims=True).reshape(shape)


sum_to.vjp(lambda g, x_shape: broadcast_to(g, shape=x_shape))


@primitive
def reshape(xp: Module, x: Operand, *, shape: Shape) -> Array:
    """The same elements in the same order under another shape; one length may be -1, to be worked out."""
    return xp.reshape(x, shape)


reshape.vjp(lambda g, x_shape: reshape(g, shape=x_shape))


@primitive
def permute_dims(xp: Module, x: Operand, *, axes: Shape) -> Array:
    """x with its axes in another order: axis i of the result is axis `axes[i]` of x. A view."""
    return xp.transpose(x, axes)


@permute_dims.vjp
def _(g: Operand, axes: Shape) -> Operand:
    ndim = len(axes)
    return permute_dims(g, axes=tuple(sorted(range(ndim), key=lambda i: axes[i] % ndim)))
