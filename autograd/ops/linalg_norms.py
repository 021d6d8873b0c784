"""Norms of vectors and of matrices, of any order.

One idea: a norm is a reduction of sizes: of elements, of rows and columns, or of singular values. At ties the gradient
is split evenly, as that of `max` is, and at 0, where a norm has a corner, it is 0. Read `sort.py` next.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive
from ..shapes import Axis, axes_of
from ..tensor import Operand, Tensor
from .cast import astype, in_single
from .choice import where
from .discrete import sign
from .elementwise import abs, pow
from .extrema import max, min
from .linalg_factors import svdvals
from .reduce import count_nonzero, norm, spread, sum
from .shape import expand_dims
from .short_rows import reducing

__all__ = ["matrix_norm", "vector_norm"]


def _floating(x: Operand) -> Operand:
    """x, and whole numbers as float64."""
    return astype(x, "float64") if x.dtype.kind in "biu" else x


def _largest(x: Operand, axis: Axis, keepdims: bool) -> Operand:
    """The largest size, or 0 where there is nothing."""
    empty = not math.prod(x.shape[a] for a in axes_of(axis, x.ndim))
    return (sum if empty else max)(x, axis=axis, keepdims=keepdims)


@primitive
def _norm_of_order(xp: Module, x: Operand, *, ord: float, axis: Axis = None, keepdims: bool = False) -> Array:
    """The root of degree `ord` of the sum of the sizes of the elements to the power `ord`."""
    total = reducing(xp).sum(xp.abs(x) ** ord, axis=axis, keepdims=keepdims)
    return xp.power(total, 1 / ord)  # a scalar of NumPy's has a ** of its own, which rounds otherwise


@_norm_of_order.vjp
def _(g: Operand, x: Operand, out: Operand, ord: float, axis: Axis) -> Operand:
    whole = spread(out, x.shape, axis)
    corner = (x == 0.0) | (whole == 0.0)
    share = where(corner, 1.0, abs(x)) / where(corner, 1.0, whole)
    return where(corner, 0.0, spread(g, x.shape, axis) * sign(x) * pow(share, ord - 1))


@telling
def vector_norm(x: Operand, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Tensor:
    """The norm of the vectors along `axis` (one, several, or all of x for None), of order `ord`.

    2 is the Euclidean norm, 1 the sum of sizes, `inf` and `-inf` the largest and the smallest size, 0 how many elements
    are not 0 (which has no gradient), and any other the root of the sum of powers. The gradient at an element that is 0
    is 0.
    """
    x = _floating(x)
    if ord == 2:
        return norm(x, axis=axis, keepdims=keepdims)
    if ord == 0:
        return astype(count_nonzero(x, axis=axis, keepdims=keepdims), x.dtype)
    if ord == 1:
        return sum(abs(x), axis=axis, keepdims=keepdims)
    if not math.isinf(ord):
        return in_single(_norm_of_order, x, ord=ord, axis=axis, keepdims=keepdims)
    if ord < 0:
        return min(abs(x), axis=axis, keepdims=keepdims)
    return _largest(abs(x), axis, keepdims)


@telling
def matrix_norm(x: Operand, *, keepdims: bool = False, ord: Any = "fro") -> Tensor:
    """The norm of each matrix in the last two axes, of order `ord`.

    "fro" is the Euclidean norm of its elements, "nuc" the sum of its singular values, 2 and -2 the largest and the
    smallest of them, 1 and -1 the largest and the smallest sum of sizes down a column, inf and -inf along a row.

    Raises ShapeError for fewer than two axes, ValueError for another order.
    """
    if x.ndim < 2:
        raise ShapeError(f"matrix_norm: needs matrices in the last two axes, got shape {x.shape}; write vector_norm.")
    x, axes = _floating(x), (-2, -1)
    if ord == "fro":
        return norm(x, axis=axes, keepdims=keepdims)
    if ord not in ("nuc", 1, -1, 2, -2, math.inf, -math.inf):
        raise ValueError(f'matrix_norm: ord {ord!r} is none of "fro", "nuc", 1, -1, 2, -2, inf, -inf.')
    if ord in ("nuc", 2, -2):
        sizes = expand_dims(svdvals(x), axis=-1)
    else:
        sizes = sum(abs(x), axis=-2 if ord in (1, -1) else -1, keepdims=True)
    if ord == "nuc":
        return sum(sizes, axis=axes, keepdims=keepdims)
    return _largest(sizes, axes, keepdims) if ord > 0 else min(sizes, axis=axes, keepdims=keepdims)
