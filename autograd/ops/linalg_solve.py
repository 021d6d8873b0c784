"""Inverse, powers, linear equations, determinants, Cholesky factors, of the matrices in the last two axes.

One idea: differentiate the equation that defines the result. From A X = 1 follows dX = -X dA X, and the rule is its
transpose. A matrix that has no inverse is refused (on the CPU; CuPy gives Inf or NaN), but by its determinant, which
has a gradient everywhere, see Note [Cofactors]. Formulas: Giles, "Collected matrix derivative results for forward and
reverse mode AD", 2008; Cholesky: Murray, "Differentiation of the Cholesky decomposition", 2016, section 3.1.
Read `linalg_factors.py` next.
"""

# Note [Cofactors]
# The gradient of a determinant is the matrix of cofactors, the determinants of what is left without a row and a column.
# Where there is an inverse they are det(x) times its transpose. They are also those of U and Vh, each times the product
# of the singular values but its own: so they are where a singular value is 0, and this is slower. The derivative of the
# cofactors, for the second order, is that of an invertible matrix.

# Note [Triangles]
# NumPy does not solve a triangle as such: it factors it first, which takes n/3 times as long as a column does. So the
# halves of a large one are solved one after the other: what the first gives is taken off the rest by a product. NumPy
# is left with at most 64 rows at once. In float32 on one thread, 300 equations for one column take 0.19 ms instead of
# 0.78, and for 300 columns 1.7 instead of 3.8.

from __future__ import annotations

import math
from operator import index as as_int
from typing import Any, NamedTuple

from ..backend import Array, Module, host, module_of
from ..batching import every_example
from ..errors import ShapeError
from ..hints import telling
from ..instruction import instruction
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand, Tensor
from .diagonal import diag_embed, diagonal, tril, triu
from .elementwise import positive
from .linalg import matmul, matrix_transpose
from .reduce import sum as sum_of
from .shape import expand_dims, squeeze, sum_to

__all__ = ["SlogdetResult", "cholesky", "det", "inv", "matrix_power", "slogdet", "solve", "solve_triangular"]

_ROWS = 64  # of a triangle that NumPy solves; see Note [Triangles]


def _square(name: str, x: Operand) -> Operand:
    if x.ndim < 2 or x.shape[-1] != x.shape[-2]:
        raise ShapeError(f"{name}: needs square matrices in the last two axes, got shape {x.shape}.")
    return x


def _real(name: str, x: Operand) -> Operand:
    if x.dtype.kind == "c":
        raise TypeError(
            f"{name}: takes real matrices, got {x.dtype}, and complex numbers carry no gradient here; "
            f"numpy.linalg.{name}(x.numpy()) takes them."
        )
    return x


@primitive
def inv(xp: Module, x: Operand) -> Array:
    """The inverse of each matrix. Raises LinAlgError (a ValueError) for a singular one."""
    try:
        return xp.linalg.inv(_square("inv", x))
    except host.linalg.LinAlgError:
        raise host.linalg.LinAlgError(
            "a singular matrix has no inverse, its det no second derivative here and its slogdet none: linalg.pinv(x) "
            "gives the pseudo-inverse, inv(x + eps * eye(n)) that of a matrix beside it."
        ) from None


@inv.vjp
def _(g: Operand, out: Operand) -> Operand:
    turned = matrix_transpose(out)
    return -matmul(turned, matmul(g, turned))


def matrix_power(x: Operand, n: int) -> Tensor:
    """Each square matrix multiplied n times by itself; its inverse for a negative n, the identity for 0.

    Raises LinAlgError (a ValueError) for a negative power of a singular matrix, TypeError for n that is not whole.
    """
    if not hasattr(n, "__index__"):
        raise TypeError(f"matrix_power: n must be a whole number, got {n!r}.")
    n = as_int(n)
    if n < 0:
        return matrix_power(inv(x), -n)
    if n == 0:
        nothing = matmul(_square("matrix_power", x)[..., :0], x[..., :0, :])  # zeros, which have a gradient
        return diag_embed(diagonal(nothing) + 1)
    if n == 1:
        return positive(_square("matrix_power", x))
    half = matrix_power(x, n // 2)
    return matmul(matmul(half, half), x) if n % 2 else matmul(half, half)


@primitive
def _solve(xp: Module, a: Operand, b: Operand) -> Array:
    """X with a X = b, b a matrix."""
    stack = xp.broadcast_shapes(a.shape[:-2], b.shape[:-2])  # NumPy does this itself, CuPy does not
    return xp.linalg.solve(*(xp.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (a, b)))


_solve.vjp(
    a=lambda g, a, a_shape, out: sum_to(-matmul(_solve(matrix_transpose(a), g), matrix_transpose(out)), shape=a_shape),
    b=lambda g, a, b_shape: sum_to(_solve(matrix_transpose(a), g), shape=b_shape),
)


def solve(x1: Operand, x2: Operand) -> Tensor:
    """The X with x1 @ X = x2: for (..., n, n) and (..., n, m) of shape (..., n, m); a vector x2, (n,), gives (..., n).

    Raises ShapeError when x1 is not square or x2 does not have n rows, LinAlgError for a singular matrix.
    """
    columns = _columns("solve", x1, x2)
    found = _solve(x1, columns)
    return squeeze(found, -1) if columns is not x2 else found


def _columns(name: str, x1: Operand, x2: Operand) -> Operand:
    """x2 as the columns for which x1 is solved; x2 itself, where it is no vector."""
    _square(name, x1)
    columns = expand_dims(x2, axis=1) if x2.ndim == 1 else x2
    if columns.ndim < 2 or columns.shape[-2] != x1.shape[-1]:
        raise ShapeError(f"{name}: x1 of shape {x1.shape} needs x2 with {x1.shape[-1]} rows, got shape {x2.shape}.")
    return columns


@primitive
def _solve_triangular(xp: Module, a: Operand, b: Operand, *, upper: bool) -> Array:
    """X with t X = b, t the upper triangle of a or the lower one, b a matrix."""
    return _by_halves(xp, a, b, upper)


def _by_halves(xp: Module, a: Array, b: Array, upper: bool) -> Array:
    """See Note [Triangles]."""
    n = a.shape[-1]
    if n <= _ROWS:
        stack = xp.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        triangle = xp.triu(a) if upper else xp.tril(a)
        return xp.linalg.solve(*(xp.broadcast_to(x, (*stack, *x.shape[-2:])) for x in (triangle, b)))
    first, last = slice(n // 2), slice(n // 2, n)
    if upper:
        first, last = last, first
    found = _by_halves(xp, a[..., first, first], b[..., first, :], upper)
    rest = b[..., last, :] - xp.matmul(a[..., last, first], found)
    others = _by_halves(xp, a[..., last, last], rest, upper)
    return xp.concatenate([others, found] if upper else [found, others], axis=-2)


def _gradient_of_triangle(g: Operand, a: Operand, a_shape: Shape, out: Operand, upper: bool) -> Operand:
    found = -matmul(_solve_triangular(matrix_transpose(a), g, upper=not upper), matrix_transpose(out))
    return sum_to(triu(found) if upper else tril(found), shape=a_shape)


_solve_triangular.vjp(
    a=_gradient_of_triangle,
    b=lambda g, a, b_shape, upper: sum_to(_solve_triangular(matrix_transpose(a), g, upper=not upper), shape=b_shape),
)


@telling
def solve_triangular(x1: Operand, x2: Operand, *, upper: bool) -> Tensor:
    """The X with t @ X = x2, where t is the upper triangle of x1, or the lower one; the rest of x1 is not looked at.

    Shapes and errors are those of `solve`, which takes longer.
    """
    columns = _columns("solve_triangular", x1, x2)
    found = _solve_triangular(x1, columns, upper=upper)
    return squeeze(found, -1) if columns is not x2 else found


def _per_matrix(g: Operand) -> Operand:
    return expand_dims(g, axis=(-2, -1))


@primitive
def det(xp: Module, x: Operand) -> Array:
    """The determinant of each matrix. It has a gradient everywhere; the second order of a singular one is refused."""
    return xp.linalg.det(_square("det", x))


@primitive
def _cofactors(xp: Module, x: Operand) -> Array:
    """The cofactors of each matrix, in its shape. See Note [Cofactors]."""
    return _cofactors_of(x)


@instruction
def _cofactors_of(x: Array) -> Array:
    xp = module_of(x)
    if module_of(every_example(x)) is host:  # CuPy does not say which matrices have no inverse
        try:
            return xp.linalg.det(x)[..., None, None] * xp.swapaxes(xp.linalg.inv(x), -2, -1)
        except host.linalg.LinAlgError:
            pass
    (left, values, right), finite = decomposed(xp, x)
    others = xp.where(xp.eye(x.shape[-1], dtype="bool"), 1, values[..., None, :])
    scales = xp.prod(others, axis=-1) * (xp.linalg.det(left) * xp.linalg.det(right))[..., None]
    return xp.where(finite, xp.matmul(left * scales[..., None, :], right), math.nan)


def decomposed(xp: Module, x: Array, **options: bool) -> tuple[Any, Array]:
    """The SVD of each matrix, of zeros in the place of one that is not finite, and which are finite.

    With NaN LAPACK fails, and with Inf it may go on for ever.
    """
    finite = xp.all(xp.isfinite(x), axis=(-2, -1), keepdims=True)
    return xp.linalg.svd(xp.where(finite, x, 0), **options), finite


det.vjp(lambda g, x: _per_matrix(g) * _cofactors(x))


@_cofactors.vjp
def _(g: Operand, x: Operand, out: Operand) -> Operand:
    turned = matrix_transpose(inv(x))
    return _per_matrix(sum_of(g * out, axis=(-2, -1))) * turned - matmul(out, matmul(matrix_transpose(g), turned))


@primitive
def _sign_of_det(xp: Module, x: Operand) -> Array:
    """The sign of each determinant: -1, 0 or 1. It has no slope."""
    return xp.linalg.slogdet(x)[0]


@primitive
def _log_of_det(xp: Module, x: Operand) -> Array:
    """log |det x|, without overflow."""
    return xp.linalg.slogdet(x)[1]


_log_of_det.vjp(lambda g, x: _per_matrix(g) * matrix_transpose(inv(x)))


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def slogdet(x: Operand) -> SlogdetResult:
    """The sign and the logarithm of the size of each determinant, without overflow."""
    _square("slogdet", x)
    return SlogdetResult(_sign_of_det(x), _log_of_det(x))


@primitive
def cholesky(xp: Module, x: Operand, *, upper: bool = False) -> Array:
    """The lower triangle L with L @ L.mT = x, for symmetric positive definite x; L.mT if `upper`.

    What is read is the symmetric part, (x + x.mT) / 2, so the gradient is symmetric too.

    Raises LinAlgError (a ValueError) when x is not positive definite.
    """
    _real("cholesky", _square("cholesky", x))
    lower = xp.linalg.cholesky((x + xp.swapaxes(x, -2, -1)) / 2)
    return xp.swapaxes(lower, -2, -1) if upper else lower


@cholesky.vjp
def _(g: Operand, out: Operand, upper: bool) -> Operand:
    turned = out if upper else matrix_transpose(out)
    inner = matmul(turned, tril(matrix_transpose(g) if upper else g))
    half = (tril(inner) + tril(inner, k=-1)) / 2  # the lower triangle, its diagonal counted half
    one = matrix_transpose(_solve_triangular(turned, matrix_transpose(half), upper=True))
    sides = _solve_triangular(turned, one, upper=True)
    return (sides + matrix_transpose(sides)) / 2
