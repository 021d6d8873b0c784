"""Matrix products and their relatives.

One idea: a product is linear in each factor, so the gradient of one factor is a product of g with the other.
Read `window.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand
from .shape import permute_dims, reshape, sum_to

__all__ = ["matmul", "matrix_transpose"]


def matrix_transpose(x: Operand) -> Operand:
    """x with its last two axes exchanged."""
    return permute_dims(x, axes=(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2))


@primitive
def matmul(xp: Module, a: Operand, b: Operand) -> Array:
    """The matrix product a @ b: (..., n, k) with (..., k, m) gives (..., n, m). A vector counts as a row or a column."""
    return xp.matmul(a, b)


def _matrix(shape: Shape, last: bool) -> Shape:
    """The shape of a factor as a matrix: a vector in front is a row, one at the end a column."""
    if len(shape) > 1:
        return shape
    return (*shape, 1) if last else (1, *shape)


def _full(g: Operand, a_ndim: int, b_ndim: int) -> Operand:
    """g with the axes that a product with a vector lost."""
    if b_ndim == 1:
        g = reshape(g, shape=(*g.shape, 1))
    if a_ndim == 1:
        g = reshape(g, shape=(*g.shape[:-1], 1, g.shape[-1]))
    return g


def _gradient_of_a(g: Operand, a_shape: Shape, b: Operand) -> Operand:
    g = _full(g, len(a_shape), b.ndim)
    b = reshape(b, shape=_matrix(b.shape, last=True))
    return reshape(sum_to(matmul(g, matrix_transpose(b)), shape=_matrix(a_shape, last=False)), shape=a_shape)


def _gradient_of_b(g: Operand, a: Operand, b_shape: Shape) -> Operand:
    g = _full(g, a.ndim, len(b_shape))
    a = reshape(a, shape=_matrix(a.shape, last=False))
    if len(b_shape) <= 2 and a.ndim > 2:
        # One b for the whole stack: the sum over the stack is the product of the stack laid in one tall matrix.
        a, g = reshape(a, shape=(-1, a.shape[-1])), reshape(g, shape=(-1, g.shape[-1]))
    return reshape(sum_to(matmul(matrix_transpose(a), g), shape=_matrix(b_shape, last=True)), shape=b_shape)


matmul.vjp(a=_gradient_of_a, b=_gradient_of_b)
