"""Pooling over two axes of space, channels last: the largest number of each window, and the sum.

One idea: where the largest number stands moves in steps and carries no gradient; with the places known, to pick the
numbers there is linear, and so is its adjoint, to put numbers there. Each is the other's rule, so every order is there,
and of equal numbers the first alone gets g. Summing a window and spreading over it are such a pair too. How they are
computed is in `autograd/pooling.py`, and `nn/functional/pool_windows.py` has PyTorch's layout. Read `cast.py` next.
"""

from __future__ import annotations

from typing import Any

from .. import pooling as arrays
from ..backend import Array, Module
from ..errors import ShapeError
from ..pooling import Pair, Sides, geometry
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand
from .cast import narrowed, single

__all__ = ["pool_pick", "pool_places", "pool_put", "pool_spread", "pool_sum"]


def _check(name: str, given: str, shape: Shape, length: Pair | None = None, **options: Any) -> None:
    """Raise ShapeError unless the shape is that of an array of space, or of the windows over one of `length`."""
    if len(shape) != 4:
        raise ShapeError(f"{name} got {given} of shape {shape}: it must have four axes, (N, H, W, C).")
    if length is not None:
        counts = geometry(length, **options).counts
        if shape[1:3] != counts:
            raise ShapeError(
                f"{name} got {given} of shape {shape}: over a length of {tuple(length)} there are {counts} windows."
            )


@primitive
def pool_places(xp: Module, x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """Which place of each window holds the largest number, counted row by row: the first if several; NaN is largest.

    x is (N, H, W, C), the result (N, H', W', C) of uint8 (wider for windows of more than 255 places), with H' = (H +
    top + bottom - dilation * (kh - 1) - 1) // stride + 1, and W' alike. `padding` is ((top, bottom), (left, right)),
    and is never chosen.

    Raises ShapeError for x without four axes, and for windows that do not fit or hold nothing but padding.
    """
    _check("pool_places", "x", x.shape)
    return arrays.pool_places(x, size=size, stride=stride, padding=padding, dilation=dilation)


@primitive
def pool_pick(
    xp: Module, x: Operand, places: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """The number of x at the place of each window that `places`, as `pool_places` gives them, names.

    x is (N, H, W, C), places and the result (N, H', W', C); a place in the padding gives 0. Raises ShapeError for
    shapes that do not fit each other.
    """
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    _check("pool_pick", "x", x.shape)
    _check("pool_pick", "places", places.shape, x.shape[1:3], **options)
    return arrays.pool_pick(x, places, **options)


@primitive
def pool_put(
    xp: Module,
    g: Operand,
    places: Operand,
    *,
    length: Pair,
    size: Pair,
    stride: Pair,
    padding: Sides,
    dilation: Pair,
) -> Array:
    """The adjoint of `pool_pick`: each number at its place of its window, added where windows overlap, 0 elsewhere.

    g and places are (N, H', W', C), the result (N, *length, C). Raises ShapeError for shapes that do not fit.
    """
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    _check("pool_put", "g", g.shape, length, **options)
    _check("pool_put", "places", places.shape, length, **options)
    return arrays.pool_put(g, places, length=length, **options)


@primitive
def pool_sum(xp: Module, x: Operand, *, size: Pair, stride: Pair, padding: Sides, dilation: Pair) -> Array:
    """The sum of each window of x, padding being 0: (N, H, W, C) gives (N, H', W', C).

    Raises ShapeError for x without four axes, and for windows that do not fit.
    """
    _check("pool_sum", "x", x.shape)
    sums = arrays.pool_sum(single(x), size=size, stride=stride, padding=padding, dilation=dilation)
    return narrowed(sums, x)


@primitive
def pool_spread(
    xp: Module, g: Operand, *, length: Pair, size: Pair, stride: Pair, padding: Sides, dilation: Pair
) -> Array:
    """The adjoint of `pool_sum`: each number at all places of its window, added where windows overlap.

    g is (N, H', W', C), the result (N, *length, C). Raises ShapeError for shapes that do not fit.
    """
    options: dict[str, Any] = {"size": size, "stride": stride, "padding": padding, "dilation": dilation}
    _check("pool_spread", "g", g.shape, length, **options)
    return narrowed(arrays.pool_spread(single(g), length=length, **options), g)


pool_pick.vjp(
    lambda g, x_shape, places, size, stride, padding, dilation: pool_put(
        g, places, length=x_shape[1:3], size=size, stride=stride, padding=padding, dilation=dilation
    )
)
pool_put.vjp(
    lambda g, places, size, stride, padding, dilation: pool_pick(
        g, places, size=size, stride=stride, padding=padding, dilation=dilation
    )
)
pool_sum.vjp(
    lambda g, x_shape, size, stride, padding, dilation: pool_spread(
        g, length=x_shape[1:3], size=size, stride=stride, padding=padding, dilation=dilation
    )
)
pool_spread.vjp(
    lambda g, size, stride, padding, dilation: pool_sum(g, size=size, stride=stride, padding=padding, dilation=dilation)
)
