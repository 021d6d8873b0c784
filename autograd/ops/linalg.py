"""Matrix products and their relatives.

One idea: a product is linear in each factor, so the gradient of one factor is a product of g with the other.
Read `linalg_solve.py` next.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from numbers import Integral

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive
from ..shapes import Shape, axes_of, normalize_axis
from ..tensor import Operand, Tensor
from .einsum import einsum, tensordot_subscripts
from .elementwise import conj, multiply
from .rounded import rounded
from .shape import _permute_dims, lengths_of, moveaxis, permute_dims, reshape, roll, sum_to

__all__ = [
    "cross",
    "dot",
    "kron",
    "matmul",
    "matrix_transpose",
    "outer",
    "tensordot",
    "vecdot",
]


def matrix_transpose(x: Operand) -> Tensor:
    """x with its last two axes exchanged. A view. Raises ShapeError for fewer than two axes."""
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: x of shape {x.shape} is no matrix; it needs two axes at least.")
    return _permute_dims(x, axes=_turned(x.ndim))


@functools.cache
def _turned(ndim: int) -> Shape:
    """So many axes, the last two exchanged."""
    return (*range(ndim - 2), ndim - 1, ndim - 2)


def transpose_of_matrix(x: Operand) -> Tensor:
    """The transpose of a matrix, x.T. Raises ShapeError for anything but two axes."""
    if x.ndim != 2:
        raise ShapeError(
            f"T is the transpose of a matrix, this has shape {x.shape}: use mT for stacks of matrices, "
            "or permute_dims(axes) for another order of the axes."
        )
    return permute_dims(x, (1, 0))


# Products


@primitive
def _matmul(xp: Module, a: Operand, b: Operand) -> Array:
    """The matrix product a @ b: (..., n, k) with (..., k, m) gives (..., n, m). A vector counts as a row or a column.

    Raises ShapeError when the two k differ, or the axes in front do not broadcast.
    """
    try:
        return xp.matmul(a, b)
    except ValueError:
        raise ShapeError(f"matmul: {_misfit(getattr(a, 'shape', ()), getattr(b, 'shape', ()))}") from None


matmul = rounded(_matmul)


def _misfit(a: Shape, b: Shape) -> str:
    if not a or not b:
        return f"shapes {a} and {b}: a number is no matrix; use * to multiply by a number."
    k, place = (b[0], "first (and only)") if len(b) == 1 else (b[-2], "last but one")
    if a[-1] != k:
        return (
            f"the last axis of a, of shape {a}, and the {place} axis of b, of shape {b}, must agree: {a[-1]} and {k}."
        )
    return f"the axes in front of the matrices of shapes {a} and {b} do not broadcast."


def _shaped(x: Operand, shape: Shape) -> Operand:
    return x if x.shape == shape else reshape(x, shape)


def _matrix(shape: Shape, last: bool) -> Shape:
    """The shape of a factor as a matrix: a vector in front is a row, one at the end a column."""
    if len(shape) > 1:
        return shape
    return (*shape, 1) if last else (1, *shape)


def _full(g: Operand, a_ndim: int, b_ndim: int) -> Operand:
    """g with the axes that a product with a vector lost."""
    shape = g.shape
    if b_ndim == 1:
        shape = (*shape, 1)
    if a_ndim == 1:
        shape = (*shape[:-1], 1, shape[-1])
    return _shaped(g, shape)


def _tall(x: Operand) -> Operand:
    """A stack of matrices as one, each laid beneath the one before."""
    return reshape(x, (math.prod(x.shape[:-1]), x.shape[-1]))


def _gradient_of_a(g: Operand, a_shape: Shape, b: Operand) -> Operand:
    if len(a_shape) == b.ndim == 2:
        return _matmul(g, matrix_transpose(b))
    g = _full(g, len(a_shape), b.ndim)
    b = _shaped(b, _matrix(b.shape, last=True))
    return _shaped(sum_to(_matmul(g, matrix_transpose(b)), shape=_matrix(a_shape, last=False)), a_shape)


def _gradient_of_b(g: Operand, a: Operand, b_shape: Shape) -> Operand:
    if a.ndim == len(b_shape) == 2:
        return _matmul(matrix_transpose(a), g)
    g = _full(g, a.ndim, len(b_shape))
    a = _shaped(a, _matrix(a.shape, last=False))
    if len(b_shape) <= 2 and a.ndim > 2:
        # One b for the whole stack: the sum over the stack is the product of the stack laid in one tall matrix.
        a, g = _tall(a), _tall(g)
    return _shaped(sum_to(_matmul(matrix_transpose(a), g), shape=_matrix(b_shape, last=True)), b_shape)


_matmul.vjp(a=_gradient_of_a, b=_gradient_of_b)


@telling
def tensordot(a: Operand, b: Operand, *, axes: int | tuple[Sequence[int] | int, Sequence[int] | int] = 2) -> Tensor:
    """The sum of products over pairs of axes: the last n of a with the first n of b, or axes[0] of a with axes[1] of b.

    The axes left over, a's first, are those of the result. Raises ShapeError when the lengths of a pair differ.
    """
    if isinstance(axes, (int, Integral)):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    of_a, of_b = axes_of(lengths_of(axes[0]), a.ndim), axes_of(lengths_of(axes[1]), b.ndim)
    if len(of_a) != len(of_b) or any(a.shape[i] != b.shape[j] for i, j in zip(of_a, of_b, strict=True)):
        raise ShapeError(f"tensordot: axes {of_a} of shape {a.shape} and axes {of_b} of shape {b.shape} must agree.")
    return einsum(tensordot_subscripts(a.ndim, b.ndim, of_a, of_b), a, b)


def dot(a: Operand, b: Operand) -> Tensor:
    """NumPy's `dot`: the sum of products over the last axis of a and the last but one of b (the last of a vector)."""
    if a.ndim == 0 or b.ndim == 0:
        return multiply(a, b)
    return tensordot(a, b, axes=(-1, max(-2, -b.ndim)))


@telling
def vecdot(x1: Operand, x2: Operand, *, axis: int = -1) -> Tensor:
    """The dot products of the vectors that lie along an axis of both; the other axes broadcast.

    Of complex vectors the first is conjugated. Raises ShapeError when the vectors differ in length.
    """
    if x1.shape[normalize_axis(axis, x1.ndim)] != x2.shape[normalize_axis(axis, x2.ndim)]:
        raise ShapeError(f"vecdot: axis {axis} of shapes {x1.shape} and {x2.shape} must have the same length.")
    x1 = conj(x1) if x1.dtype.kind == "c" else x1
    return einsum("...i,...i->...", moveaxis(x1, axis, -1), moveaxis(x2, axis, -1))


def outer(x1: Operand, x2: Operand) -> Tensor:
    """Every product of an element of x1 with one of x2: a matrix of shape (x1.size, x2.size)."""
    return multiply(reshape(x1, (-1, 1)), reshape(x2, (1, -1)))


def kron(a: Operand, b: Operand) -> Tensor:
    """Kronecker's product: each element of a times the whole of b. Shapes (n, m) and (k, l) give (n * k, m * l).

    The one with fewer axes gets more in front.
    """
    ndim = max(a.ndim, b.ndim)
    of_a, of_b = ((1,) * (ndim - x.ndim) + x.shape for x in (a, b))
    every = multiply(
        reshape(a, tuple(length for n in of_a for length in (n, 1))),
        reshape(b, tuple(length for n in of_b for length in (1, n))),
    )
    return reshape(every, tuple(n * m for n, m in zip(of_a, of_b, strict=True)))


@telling
def cross(x1: Operand, x2: Operand, *, axis: int = -1) -> Tensor:
    """The cross products of the vectors of length 3 that lie along an axis of both; the other axes broadcast.

    Raises ShapeError for another length.
    """
    for x in (x1, x2):
        if x.shape[normalize_axis(axis, x.ndim)] != 3:
            raise ShapeError(f"cross: axis {axis} of shapes {x1.shape} and {x2.shape} must have length 3.")
    x1, x2 = moveaxis(x1, axis, -1), moveaxis(x2, axis, -1)  # from the front, they need not be the same axis
    one = multiply(roll(x1, -1, axis=-1), roll(x2, -2, axis=-1))
    other = multiply(roll(x1, -2, axis=-1), roll(x2, -1, axis=-1))
    return moveaxis(one - other, -1, axis)
