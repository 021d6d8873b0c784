"""Factors of matrices: eigenvalues, singular values and their vectors, Q and R; the pseudo-inverse and the rank.

One idea: what is decomposed is decomposed once. `found` holds every factor as one array and has no rule, as the
positions of `argsort` have none; each factor is a primitive of the matrix and of `found`, which takes its part and
knows how the matrix moves it. So a rule has the other factors at hand, at every order. Who asks for eigenvalues or
singular values alone gets a cheaper function, and pays for the vectors when their gradient is asked for. Formulas:
Giles, "Collected matrix derivative results for forward and reverse mode AD", 2008, section 3; Townsend,
"Differentiating the singular value decomposition", 2016; for Q and R Walter and Lehmann, "Algorithmic differentiation
of linear algebra functions with application in optimum experimental design", arXiv 1001.1654, 2010; Golub and Pereyra,
"The differentiation of pseudo-inverses", 1973, equation 4.12. Read `linalg_norms.py` next.
"""

# Note [Equal values]
# Where two eigenvalues are equal, any two vectors of their plane are eigenvectors, and a small change of the matrix may
# turn those at hand by any angle: they have no gradient, and it is NaN, in every element, also where a loss should not
# mind the angle. Where two are nearly equal, it is large and as exact as their difference is. The eigenvalues have a
# gradient in any case; the second order of a function of them goes through the vectors. So it is with singular values.

from __future__ import annotations

import math
from typing import NamedTuple

from ..backend import Array, Module, module_of
from ..dtypes import finfo
from ..errors import GradientError, ShapeError
from ..hints import telling
from ..modes import is_tracing
from ..primitive import primitive
from ..shapes import Shape
from ..tensor import Operand, Tensor, bare
from .cast import astype
from .choice import where
from .diagonal import diag_embed, diagonal, tril
from .join import concat, pad
from .linalg import _matmul as matmul  # of full precision, also inside `autocast`
from .linalg import matrix_transpose
from .linalg_solve import _real, _solve, _square, decomposed
from .shape import expand_dims

__all__ = [
    "EighResult",
    "QRResult",
    "SVDResult",
    "eigh",
    "eigvalsh",
    "matrix_rank",
    "pinv",
    "qr",
    "svd",
    "svdvals",
]


def _matrix(name: str, x: Operand) -> Operand:
    if x.ndim < 2:
        raise ShapeError(f"{name}: needs matrices in the last two axes, got shape {x.shape}.")
    return _real(name, x)


def _row(values: Operand) -> Operand:
    """Values as a row, which scales the columns of a matrix."""
    return expand_dims(values, axis=-2)


def _over_differences(x: Operand, differences: Operand) -> Operand:
    """x / differences beside the diagonal, where there is nothing of x. See Note [Equal values]."""
    on_diagonal = astype(diagonal(differences) == 0.0, differences.dtype)
    divisor = differences + diag_embed(on_diagonal)
    return x / where(divisor == 0.0, math.nan, divisor)


# Eigenvalues and eigenvectors


def _symmetric(xp: Module, x: Array) -> Array:
    return (x + xp.swapaxes(x, -2, -1)) / 2


@primitive
def _eigh(xp: Module, x: Operand) -> Array:
    """The eigenvalues of each symmetric matrix, rising, as a row, and beneath it its eigenvectors as columns."""
    values, vectors = xp.linalg.eigh(_symmetric(xp, x))
    return xp.concat([values[..., None, :], vectors], axis=-2)


@primitive
def _eigenvalues(xp: Module, x: Operand, found: Operand) -> Array:
    """The eigenvalues of x, from its decomposition."""
    return found[..., 0, :]


@primitive
def _eigenvectors(xp: Module, x: Operand, found: Operand) -> Array:
    """The eigenvectors of x, from its decomposition."""
    return found[..., 1:, :]


def _composed(left: Operand, values: Operand, right: Operand) -> Operand:
    """The matrices with these values and vectors."""
    return matmul(left * _row(values), matrix_transpose(right))


@_eigenvalues.vjp
def _(g: Operand, x: Operand, found: Operand) -> Operand:
    vectors = _eigenvectors(x, found)
    return _composed(vectors, g, vectors)


@_eigenvectors.vjp
def _(g: Operand, x: Operand, found: Operand, out: Operand) -> Operand:
    values, turned = _eigenvalues(x, found), matrix_transpose(out)
    inner = matmul(turned, g)
    skew = (inner - matrix_transpose(inner)) / 2
    differences = _row(values) - expand_dims(values, axis=-1)
    return matmul(out, matmul(_over_differences(skew, differences), turned))


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Tensor
    eigenvectors: Tensor


def eigh(x: Operand) -> EighResult:
    """The eigenvalues of each symmetric matrix, rising, and its eigenvectors, of length 1, as columns.

    What is read is the symmetric part, (x + x.mT) / 2, so the gradient is symmetric too. That of the eigenvectors is
    NaN where two eigenvalues are equal, since they are not unique there; also their signs are not, so only functions
    that do not mind them mean something. Giles 2008, section 3.1.
    """
    found = _eigh(_real("eigh", _square("eigh", x)))
    return EighResult(_eigenvalues(x, found), _eigenvectors(x, found))


@primitive
def eigvalsh(xp: Module, x: Operand) -> Array:
    """The eigenvalues of each symmetric matrix, rising; their gradient is right also where some are equal.

    What is read is the symmetric part, as in `eigh`, whose work its gradient does: where one is asked for,
    `eigh(x).eigenvalues` is less work. The second order is that of the eigenvectors: NaN where two eigenvalues are
    equal.
    """
    return xp.linalg.eigvalsh(_symmetric(xp, _real("eigvalsh", _square("eigvalsh", x))))


@eigvalsh.vjp
def _(g: Operand, x: Operand) -> Operand:
    vectors = eigh(x).eigenvectors
    return _composed(vectors, g, vectors)


# Singular values and their vectors


@primitive
def _svd(xp: Module, x: Operand) -> Array:
    """Left singular vectors as columns, beneath them a row of singular values, falling, and the right ones as columns.

    (..., m, n) gives (..., m + 1 + n, min(m, n)).
    """
    (left, values, right), finite = decomposed(xp, x, full_matrices=False)
    return xp.where(finite, xp.concat([left, values[..., None, :], xp.swapaxes(right, -2, -1)], axis=-2), math.nan)


@primitive
def _left_vectors(xp: Module, x: Operand, found: Operand) -> Array:
    """The left singular vectors of x, from its decomposition."""
    return found[..., : x.shape[-2], :]


@primitive
def _singular_values(xp: Module, x: Operand, found: Operand) -> Array:
    """The singular values of x, from its decomposition."""
    return found[..., x.shape[-2], :]


@primitive
def _right_vectors(xp: Module, x: Operand, found: Operand) -> Array:
    """The right singular vectors of x, from its decomposition."""
    return found[..., x.shape[-2] + 1 :, :]


def _moving(g: Operand, vectors: Operand, values: Operand) -> Operand:
    """What the gradient of these singular vectors is in terms of those of the other side (Townsend 2016)."""
    inner = matmul(matrix_transpose(vectors), g)
    column = expand_dims(values, axis=-1)
    sums = _row(values) + column
    skew = _over_differences(inner - matrix_transpose(inner), _row(values) - column) / where(sums == 0.0, 1.0, sums)
    moving = matmul(vectors, skew * _row(values))
    if vectors.shape[-2] > vectors.shape[-1]:  # they can move out of what they span
        moving = moving + (g - matmul(vectors, inner)) / where(_row(values) == 0.0, math.nan, _row(values))
    return moving


@_left_vectors.vjp
def _(g: Operand, x: Operand, found: Operand, out: Operand) -> Operand:
    return matmul(_moving(g, out, _singular_values(x, found)), matrix_transpose(_right_vectors(x, found)))


@_singular_values.vjp
def _(g: Operand, x: Operand, found: Operand) -> Operand:
    return _composed(_left_vectors(x, found), g, _right_vectors(x, found))


@_right_vectors.vjp
def _(g: Operand, x: Operand, found: Operand, out: Operand) -> Operand:
    return matmul(_left_vectors(x, found), matrix_transpose(_moving(g, out, _singular_values(x, found))))


@primitive
def _complement(xp: Module, x: Operand) -> Array:
    """The columns that complete those of x, which are orthogonal and of length 1, to a basis."""
    return xp.linalg.qr(x, mode="complete")[0][..., x.shape[-1] :]


@_complement.vjp
def _(g: Operand, x_shape: Shape) -> Operand:
    rows, columns = x_shape[-2:]
    raise GradientError(
        f"of the {rows} vectors of length {rows} only the first {columns} have a gradient: the others are any that "
        "complete a basis; write svd(x, full_matrices=False), or qr(x)."
    )


def _completed(vectors: Operand) -> Operand:
    return concat([vectors, _complement(vectors)], axis=-1) if vectors.shape[-2] > vectors.shape[-1] else vectors


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Tensor
    S: Tensor
    Vh: Tensor


@telling
def svd(x: Operand, *, full_matrices: bool = True) -> SVDResult:
    """U, S and Vh of each matrix: x = U @ diag(S) @ Vh with S falling, the columns of U and the rows of Vh orthonormal.

    (..., m, n) gives S of (..., k), k = min(m, n), with full_matrices=False U of (..., m, k) and Vh of (..., k, n),
    else square ones; what completes those to squares has no gradient, so backward through it raises GradientError.

    All are NaN for a matrix with NaN or Inf in it. The gradient of U and Vh is NaN where two singular values are equal,
    since they are not unique there, and where one is 0 if x is not square; also their signs are not unique. Townsend
    2016.
    """
    found = _svd(_matrix("svd", x))
    left, right = _left_vectors(x, found), _right_vectors(x, found)
    if full_matrices:
        left, right = _completed(left), _completed(right)
    return SVDResult(left, _singular_values(x, found), matrix_transpose(right))


@primitive
def svdvals(xp: Module, x: Operand) -> Array:
    """The singular values of each matrix, falling; their gradient is right also where some are equal.

    At 0 it is one of many slopes. It does the work of `svd`: where one is asked for, `svd(x, full_matrices=False).S` is
    less work. The second order is that of the singular vectors: NaN where two singular values are equal.
    """
    values, finite = decomposed(xp, _matrix("svdvals", x), compute_uv=False)
    return xp.where(finite[..., 0], values, math.nan)


@svdvals.vjp
def _(g: Operand, x: Operand) -> Operand:
    found = _svd(x)
    return _composed(_left_vectors(x, found), g, _right_vectors(x, found))


# Q and R


@primitive
def _qr(xp: Module, x: Operand) -> Array:
    """Q of each matrix that is not wide, and R beneath it."""
    q, r = xp.linalg.qr(x)
    return xp.concat([q, r], axis=-2)


@_qr.vjp
def _(g: Operand, x_shape: Shape, out: Operand) -> Operand:
    rows = x_shape[-2]
    (q, r), (of_q, of_r) = ((both[..., :rows, :], both[..., rows:, :]) for both in (out, g))
    inner = matmul(r, matrix_transpose(of_r)) - matmul(matrix_transpose(of_q), q)
    symmetric = tril(inner) + matrix_transpose(tril(inner, k=-1))  # of the lower triangle; g of zeros is above it
    return matrix_transpose(_solve(r, matrix_transpose(of_q + matmul(q, symmetric))))


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Tensor
    R: Tensor


@telling
def qr(x: Operand, *, mode: str = "reduced") -> QRResult:
    """Q and R of each matrix: x = Q @ R, with orthonormal columns in Q and an upper triangle in R.

    (..., m, n) gives Q of (..., m, k) and R of (..., k, n), k = min(m, n); with mode="complete" k = m, and the columns
    of Q beyond n have no gradient, so backward through Q raises GradientError.

    For a gradient the first k columns of x must be independent. Walter and Lehmann 2010; where x is wide, the columns
    beyond m are turned by the Q of those before.
    """
    if mode not in ("reduced", "complete"):
        raise ValueError(f'qr: mode {mode!r} is neither "reduced" nor "complete".')
    rows, columns = _matrix("qr", x).shape[-2:]
    both = _qr(x[..., :rows] if columns > rows else x)
    q, r = both[..., :rows, :], both[..., rows:, :]
    if columns > rows:
        r = concat([r, matmul(matrix_transpose(q), x[..., rows:])], axis=-1)
    elif mode == "complete":
        q, r = _completed(q), pad(r, ((0, 0),) * (x.ndim - 2) + ((0, rows - columns), (0, 0)))
    return QRResult(q, r)


# The pseudo-inverse and the rank


def _smallest(xp: Module, x: Array, values: Array, rtol: Operand) -> Array:
    """For each matrix the bound above which a singular value counts, with an axis to compare it along."""
    if rtol is None:
        rtol = max(x.shape[-2:]) * float(finfo(values.dtype).eps)
    return values[..., :1] * (rtol[..., None] if hasattr(rtol, "ndim") else rtol)


@primitive
def _pinv(xp: Module, x: Operand, rtol: Operand = None) -> Array:
    """The pseudo-inverse of each matrix."""
    (left, values, right), finite = decomposed(xp, x, full_matrices=False)
    counts = values > _smallest(xp, x, values, rtol)
    inverted = xp.where(counts, 1 / xp.where(counts, values, 1), 0)
    inverse = xp.matmul(xp.swapaxes(right, -2, -1) * inverted[..., None, :], xp.swapaxes(left, -2, -1))
    return xp.where(finite, inverse, math.nan)


@_pinv.vjp
def _(g: Operand, x: Operand, out: Operand) -> Operand:
    p, h = matrix_transpose(out), matrix_transpose(g)
    moving = -matmul(p, matmul(g, p))
    moving = moving + matmul(h - matmul(x, matmul(out, h)), matmul(out, p))
    return moving + matmul(matmul(p, out), h - matmul(matmul(h, out), x))


@telling
def pinv(x: Operand, *, rtol: Operand = None) -> Tensor:
    """The pseudo-inverse of each matrix (Moore and Penrose's): (..., m, n) gives (..., n, m).

    Singular values up to `rtol` times the largest count as 0; by default max(m, n) times the dtype's eps. The gradient
    is that of a change that keeps the rank. Golub and Pereyra 1973, equation 4.12.
    """
    return _pinv(_matrix("pinv", x), rtol)


@primitive
def _matrix_rank(xp: Module, x: Operand, rtol: Operand = None) -> Array:
    """How many singular values of each matrix count."""
    values = xp.linalg.svd(x, compute_uv=False)
    return xp.sum(values > _smallest(xp, x, values, rtol), axis=-1)


@telling
def matrix_rank(x: Operand, *, rtol: Operand = None) -> Tensor:
    """The rank of each matrix: how many singular values exceed `rtol` times the largest; `rtol` as in `pinv`.

    A whole number, which has no gradient. Raises ValueError where x holds NaN or Inf.
    """
    x = _matrix("matrix_rank", x)
    array = bare(x)
    trace = is_tracing()
    if trace is None:
        _refuse_without_rank(array)
    else:
        trace.check("check_finite", _refuse_without_rank, array)
    return _matrix_rank(x, rtol)


def _refuse_without_rank(x: Array) -> None:
    if not module_of(x).isfinite(x).all():
        raise ValueError("matrix_rank got x with NaN or Inf in it, which has no rank: look for it with anomaly().")
