"""Products, running sums and products, right also where elements are zero, and differences.

One idea: the gradient of a product is the product of the others, and that is never found by dividing. It is multiplied
up from pairs (`_of_others`), in primitives, so every higher order is right as well. Read `stable.py` next.
"""

from __future__ import annotations

import math

from ..backend import Array, Module, is_floating, is_number
from ..dtypes import result_type
from ..hints import telling
from ..primitive import primitive
from ..shapes import Axis, at_axis, axes_of, normalize_axis
from ..tensor import Operand, Tensor
from .creation import full_like
from .join import _pad, concat
from .reduce import spread, sum
from .shape import permute_dims, reshape

__all__ = ["cumprod", "cumsum", "cumulative_prod", "cumulative_sum", "diff", "prod"]


@primitive
def prod(xp: Module, x: Operand, *, axis: Axis = None, keepdims: bool = False) -> Array:
    """The product over `axis` (one, several, or all of them for None)."""
    return xp.prod(x, axis=axis, keepdims=keepdims)


@prod.vjp
def _(g: Operand, x: Operand, axis: Axis) -> Operand:
    reduced = axes_of(axis, x.ndim)
    g = spread(g, x.shape, axis)
    length = math.prod(x.shape[a] for a in reduced)
    if length <= 1:
        return g
    kept = tuple(a for a in range(x.ndim) if a not in reduced)
    first = x.ndim - 1 not in reduced  # the axis along which pairs lie: the last where that is no detour
    order = (*reduced, *kept) if first else (*kept, *reduced)
    moved = permute_dims(x, axes=order)
    rest = tuple(x.shape[a] for a in kept)
    others = _of_others(reshape(moved, shape=(length, *rest) if first else (*rest, length)), 0 if first else len(rest))
    back = tuple(order.index(a) for a in range(x.ndim))
    return g * permute_dims(reshape(others, shape=moved.shape), axes=back)


def _of_others(x: Operand, axis: int) -> Operand:
    """For each of the 2 or more elements along an axis, the product of all others."""
    half = x.shape[axis] // 2
    a, b, rest = (x[at_axis(axis, part)] for part in (slice(half), slice(half, 2 * half), slice(2 * half, None)))
    if x.shape[axis] == 2:
        return concat([b, a], axis=axis)
    # Pair a with b: the others of a are b and the others of the pair. An odd one at the end pairs with nobody.
    others = _of_others(concat([a * b, rest], axis=axis), axis)
    of_pair, of_rest = others[at_axis(axis, slice(half))], others[at_axis(axis, slice(half, None))]
    return concat([of_pair * b, of_pair * a, of_rest], axis=axis)


@primitive
def cumsum(xp: Module, x: Operand, *, axis: int | None = None, reverse: bool = False) -> Array:
    """The running sums along `axis`, from its start or in `reverse` from its end; for None along x as one long row.

    Floats are added up in double: one after the other, a million of single precision would lose a hundredth.
    """
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    wide = {"dtype": "float64"} if is_floating(x.dtype) and x.dtype.itemsize < 8 else {}
    sums = xp.cumsum(xp.flip(x, axis) if reverse else x, axis=axis, **wide)
    sums = sums.astype(x.dtype) if wide else sums
    return xp.flip(sums, axis) if reverse else sums


# An element is in every sum from its place onwards.
cumsum.vjp(lambda g, x_shape, axis, reverse: reshape(cumsum(g, axis=axis, reverse=not reverse), shape=x_shape))


@primitive
def cumprod(xp: Module, x: Operand, *, axis: int | None = None) -> Array:
    """The running products along `axis`; for None along x as one long row. Whole numbers in 64 bits, as in `prod`."""
    if axis is None:
        x, axis = xp.reshape(x, (-1,)), 0
    return xp.cumprod(x, axis=axis)


@cumprod.vjp
def _(g: Operand, x: Operand, out: Operand, axis: int | None) -> Operand:
    row = x if axis is not None else reshape(x, shape=(-1,))
    axis = normalize_axis(axis or 0, row.ndim)
    if not row.shape[axis]:
        return reshape(g, shape=x.shape)
    # The products of those before an element, times what it is multiplied by from there onwards, weighed by g.
    widths = tuple((int(i == axis), 0) for i in range(row.ndim))
    earlier = _pad(out[at_axis(axis, slice(None, -1))], widths=widths, value=1)
    return reshape(earlier * _recurrence(g, row, axis=axis, reverse=True), shape=x.shape)


@primitive
def _recurrence(xp: Module, x: Operand, a: Operand, *, axis: int, reverse: bool) -> Array:
    """y with y[i] = x[i] + a[i] y[i - 1] along `axis`, or in `reverse` y[i] = x[i] + a[i + 1] y[i + 1].

    An element of a, in the shape of x, lies between two of y; its first is not used.
    """
    axis = normalize_axis(axis, x.ndim)
    y, length, step = x, x.shape[axis], 1
    while step < length:
        # By now an element knows those fewer than `step` places from it, and a is the product of as many weights.
        late, early, near, far = (
            at_axis(axis, part)
            for part in (slice(step, None), slice(None, -step), slice(None, step), slice(-step, None))
        )
        if reverse:
            y = xp.concatenate([y[early] + a[late] * y[late], y[far]], axis=axis)
        else:
            y = xp.concatenate([y[near], y[late] + a[late] * y[early]], axis=axis)
        a = xp.concatenate([a[near], a[late] * a[early]], axis=axis)
        step *= 2
    return y if y is not x else xp.array(x, copy=True)


def _slope_of_weights(g: Operand, a: Operand, out: Operand, axis: int, reverse: bool) -> Operand:
    axis = normalize_axis(axis, out.ndim)
    if not out.shape[axis]:
        return g * a
    back = _recurrence(g, a, axis=axis, reverse=not reverse)
    late, early = at_axis(axis, slice(1, None)), at_axis(axis, slice(None, -1))
    slopes = back[early] * out[late] if reverse else back[late] * out[early]
    return _pad(slopes, widths=tuple((int(i == axis), 0) for i in range(out.ndim)), value=0)


_recurrence.vjp(x=lambda g, a, axis, reverse: _recurrence(g, a, axis=axis, reverse=not reverse), a=_slope_of_weights)


@telling
def cumulative_sum(x: Operand, *, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running sums along `axis` (the only one, for None), with a 0 in front if `include_initial`."""
    axis = _only_axis(x, axis, "cumulative_sum")
    sums = cumsum(x, axis=axis)
    if not include_initial:
        return sums
    return concat([sum(sums[at_axis(axis, slice(None, 0))], axis=axis, keepdims=True), sums], axis=axis)


@telling
def cumulative_prod(x: Operand, *, axis: int | None = None, include_initial: bool = False) -> Tensor:
    """The running products along `axis` (the only one, for None), with a 1 in front if `include_initial`."""
    axis = _only_axis(x, axis, "cumulative_prod")
    products = cumprod(x, axis=axis)
    if not include_initial:
        return products
    return concat([prod(products[at_axis(axis, slice(None, 0))], axis=axis, keepdims=True), products], axis=axis)


@telling
def diff(x: Operand, *, axis: int = -1, n: int = 1, prepend: Operand = None, append: Operand = None) -> Tensor:
    """The differences between neighbours along `axis`, taken n times: what undoes `cumulative_sum`.

    `prepend` and `append`, arrays or numbers, are joined to the ends of x before. Raises ValueError for n below 0.
    """
    if n < 0:
        raise ValueError(f"diff: n = {n}; differences are taken 0 times or more.")
    axis = normalize_axis(axis, x.ndim)
    ends = [_as_end(x, part, axis) if is_number(part) else part for part in (prepend, append)]
    parts = [part for part in (ends[0], x, ends[1]) if part is not None]
    x = concat(parts, axis=axis) if len(parts) > 1 else x
    for _ in range(n):
        x = x[at_axis(axis, slice(1, None))] - x[at_axis(axis, slice(None, -1))]
    return x


def _as_end(x: Operand, number: float, axis: int) -> Tensor:
    """A number in every place of an end of x, in the dtype that both have together."""
    return full_like(x[at_axis(axis, slice(None, 1))], number, dtype=result_type(x.dtype, number))


def _only_axis(x: Operand, axis: int | None, name: str) -> int:
    if axis is None and x.ndim != 1:
        raise ValueError(f"{name}: x has shape {x.shape}; say along which axis, {name}(x, axis=0).")
    return normalize_axis(axis or 0, x.ndim)
