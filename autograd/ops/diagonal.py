"""Triangles and diagonals of the matrices in the last two axes.

One idea: a part is kept and the rest is zero, so cutting a triangle is its own adjoint, and the adjoint of taking a
diagonal is laying one. Read `einsum.py` next.
"""

from __future__ import annotations

from ..backend import Array, Module
from ..errors import ShapeError
from ..hints import telling
from ..primitive import primitive, view
from ..tensor import Operand, Tensor
from .reduce import sum

__all__ = ["diag_embed", "diagonal", "trace", "tril", "triu"]


def _check_matrices(name: str, x: Operand) -> None:
    if x.ndim < 2:
        raise ShapeError(f"{name}: x of shape {x.shape} is no matrix; it needs two axes at least.")


@primitive
def tril(xp: Module, x: Operand, *, k: int = 0) -> Array:
    """x with zeros above the diagonal; k moves that border up. Raises ShapeError for fewer than two axes."""
    _check_matrices("tril", x)
    return xp.tril(x, k)


tril.vjp(lambda g, k: tril(g, k=k))


@primitive
def triu(xp: Module, x: Operand, *, k: int = 0) -> Array:
    """x with zeros below the diagonal; k moves that border up. Raises ShapeError for fewer than two axes."""
    _check_matrices("triu", x)
    return xp.triu(x, k)


triu.vjp(lambda g, k: triu(g, k=k))


@view
def diagonal(xp: Module, x: Operand, *, offset: int = 0) -> Array:
    """The diagonals of the matrices in the last two axes: (..., n, m) gives (..., length). A view.

    A positive `offset` is that many places above the main diagonal. Raises ShapeError for fewer than two axes.
    """
    _check_matrices("diagonal", x)
    return xp.diagonal(x, offset, -2, -1)


@primitive
def diag_embed(xp: Module, x: Operand, *, offset: int = 0, shape: tuple[int, int] | None = None) -> Array:
    """Matrices of zeros with x on their diagonals, the adjoint of `diagonal`: (..., length) gives (..., n, m).

    `shape` is (n, m), by default the smallest square. Raises ShapeError when its diagonal has another length than x.
    """
    length, below, right = x.shape[-1], max(-offset, 0), max(offset, 0)
    rows, columns = shape or (length + below + right,) * 2
    if max(0, min(rows - below, columns - right)) != length:
        raise ShapeError(
            f"diag_embed: the diagonal {offset} of a matrix of shape {(rows, columns)} does not have the "
            f"{length} places that x has along its last axis."
        )
    out = xp.zeros((*x.shape[:-1], rows, columns), dtype=x.dtype)
    places = xp.arange(length)
    out[..., places + below, places + right] = x
    return out


diagonal.vjp(lambda g, x_shape, offset: diag_embed(g, offset=offset, shape=x_shape[-2:]))
diag_embed.vjp(lambda g, offset: diagonal(g, offset=offset))


@telling
def trace(x: Operand, *, offset: int = 0) -> Tensor:
    """The sums along the diagonals of the matrices in the last two axes; `offset` as for `diagonal`."""
    return sum(diagonal(x, offset=offset), axis=-1)
