"""Rows of matrix products, einsum, triangles, diagonals, and solving."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import diagonal, einsum, linalg, linalg_solve

from .shape import any_array, anything
from .spec import LAYOUTS, Case, Spec, broadcasting, chance, composite_case, fill, shapes, whole


def stacks(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The axes before those of two matrices; at first one matrix serves several others."""
    stack = draw(shapes(max_ndim=2, max_side=3))
    return stack if draw(chance) else draw(broadcasting(stack)), draw(broadcasting(stack))


def matmul_case(draw: Any, rng: np.random.Generator) -> Case:
    n, k, m = (draw(whole(0, 4, first)) for first in (2, 3, 4))
    of_a, of_b = stacks(draw)
    a = (k,) if draw(st.booleans()) and draw(st.booleans()) else (*of_a, n, k)
    b = (k,) if draw(st.booleans()) and draw(st.booleans()) else (*of_b, k, m)
    layout = draw(st.sampled_from(LAYOUTS))
    return Case((fill(anything, a, rng, layout), fill(anything, b, rng, layout)))


TIDY = [
    "ab,bc->ac",
    "ab,ab->ab",
    "ab,b->a",
    "a,b->ba",
    "abc,dcb->ad",
    "ab,bc,cd->da",
    "ab,ac,ad->bcd",
    ",ab->ba",
    "ab,ab->",
]


def einsum_case(draw: Any, rng: np.random.Generator) -> Case:
    subscripts = draw(st.sampled_from(TIDY))
    lengths = {c: draw(whole(0, 4, first)) for c, first in zip("abcd", (2, 3, 4, 2), strict=True)}
    terms = subscripts.split("->")[0].split(",")
    return Case(tuple(fill(anything, tuple(lengths[c] for c in t), rng) for t in terms), {"subscripts": subscripts})


def matrix_case(draw: Any, rng: np.random.Generator, option: str) -> Case:
    return Case((any_array(draw, rng, min_ndim=2),), {option: draw(st.integers(-3, 3))})


def diag_embed_case(draw: Any, rng: np.random.Generator) -> Case:
    shape, offset = draw(shapes(min_ndim=2)), draw(st.integers(-3, 3))
    x = fill(anything, np.zeros(shape).diagonal(offset, -2, -1).shape, rng)
    return Case((x,), {"offset": offset, "shape": shape[-2:]})


def kron_case(draw: Any, rng: np.random.Generator) -> Case:
    a, b = (draw(shapes(max_ndim=2, max_side=3)) for _ in range(2))
    return Case((fill(anything, a, rng), fill(anything, b, rng)))


def embedded(x: np.ndarray, *, offset: int, shape: tuple[int, int]) -> np.ndarray:
    out = np.zeros((*x.shape[:-1], *shape), x.dtype)
    for i in range(x.shape[-1]):
        out[..., i + max(-offset, 0), i + max(offset, 0)] = x[..., i]
    return out


def invertible(rng: np.random.Generator, stack: tuple[int, ...], n: int) -> np.ndarray:
    """Matrices far from singular ones: the identity twice, and a little beside it."""
    return 2.0 * np.eye(n) + rng.uniform(-0.5, 0.5, (*stack, n, n)) / max(n, 1)


def square_case(draw: Any, rng: np.random.Generator) -> Case:
    return Case((invertible(rng, draw(shapes(max_ndim=2, max_side=3)), draw(whole(0, 4, first=3))),))


def solve_case(draw: Any, rng: np.random.Generator) -> Case:
    n, m = draw(whole(0, 4, first=3)), draw(whole(0, 3))
    of_a, of_b = stacks(draw)
    return Case((invertible(rng, of_a, n), fill(anything, (*of_b, n, m), rng)))


def triangle_case(upper: bool) -> Any:
    """A matrix of which one triangle is read: any other numbers stand in the other, and NumPy shall get zeros there."""
    return composite_case(solve_case).map(lambda case: Case(case.inputs, {"upper": upper}))


def solve_triangle(a: np.ndarray, b: np.ndarray, *, upper: bool) -> np.ndarray:
    return np.linalg.solve(np.triu(a) if upper else np.tril(a), b)


def cofactors(x: np.ndarray) -> np.ndarray:
    return np.linalg.det(x)[..., None, None] * np.linalg.inv(x).swapaxes(-2, -1)


def cholesky_of(x: np.ndarray) -> np.ndarray:
    return np.linalg.cholesky((x + x.swapaxes(-2, -1)) / 2)


ROWS = [
    Spec(linalg._matmul, np.matmul, composite_case(matmul_case)),
    Spec(
        einsum._einsum,
        lambda *xs, subscripts: np.einsum(subscripts, *xs),
        composite_case(einsum_case),
    ),
    Spec(
        diagonal.tril,
        np.tril,
        composite_case(lambda draw, rng: matrix_case(draw, rng, "k")),
        adjoint=lambda y, x, *, k: diagonal.tril(y, k=k),
    ),
    Spec(
        diagonal.triu,
        np.triu,
        composite_case(lambda draw, rng: matrix_case(draw, rng, "k")),
        adjoint=lambda y, x, *, k: diagonal.triu(y, k=k),
    ),
    Spec(
        diagonal.diagonal,
        lambda x, *, offset: x.diagonal(offset, -2, -1),
        composite_case(lambda draw, rng: matrix_case(draw, rng, "offset")),
        adjoint=lambda y, x, *, offset: diagonal.diag_embed(y, offset=offset, shape=x.shape[-2:]),
    ),
    Spec(
        diagonal.diag_embed,
        embedded,
        composite_case(diag_embed_case),
        adjoint=lambda y, x, *, offset, shape: diagonal.diagonal(y, offset=offset),
    ),
    Spec(linalg_solve.inv, np.linalg.inv, composite_case(square_case)),
    Spec(linalg_solve._solve, np.linalg.solve, composite_case(solve_case)),
    Spec(linalg_solve._solve_triangular, solve_triangle, triangle_case(upper=False)),
    Spec(linalg_solve._solve_triangular, solve_triangle, triangle_case(upper=True), label="upper"),
    Spec(linalg_solve.det, np.linalg.det, composite_case(square_case)),
    Spec(linalg_solve._cofactors, cofactors, composite_case(square_case)),
    Spec(linalg_solve._sign_of_det, lambda x: np.linalg.slogdet(x)[0], composite_case(square_case)),
    Spec(linalg_solve._log_of_det, lambda x: np.linalg.slogdet(x)[1], composite_case(square_case)),
    Spec(linalg_solve.cholesky, cholesky_of, composite_case(square_case)),
    Spec(
        linalg_solve.cholesky,
        lambda x, *, upper: cholesky_of(x).swapaxes(-2, -1),
        composite_case(square_case).map(lambda case: Case(case.inputs, {"upper": True})),
        label="upper",
    ),
    Spec(linalg.kron, np.kron, composite_case(kron_case)),
]
