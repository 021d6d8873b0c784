"""Rows of eigenvalues, singular values and their vectors, Q and R, the pseudo-inverse and the rank; powers and norms.

A vector and its negative are equally good, so what is differentiated are functions of the factors that do not mind.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from autograd.ops import linalg_factors as ops
from autograd.ops import linalg_norms as norms
from autograd.ops.join import concat
from autograd.ops.linalg import matrix_transpose
from autograd.ops.linalg_solve import matrix_power
from autograd.ops.products import cumsum

from .linalg import square_case
from .spec import Case, Spec, Values, composite_case, reduction_cases, shapes, whole

# Cases


def _orthogonal(rng: np.random.Generator, stack: tuple[int, ...], rows: int, columns: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(*stack, rows, columns)))[0]


def _apart(rng: np.random.Generator, stack: tuple[int, ...], length: int) -> np.ndarray:
    """Numbers about 1, 2, 3, ... in any order."""
    return rng.permuted(np.broadcast_to(np.arange(1.0, length + 1), (*stack, length)), axis=-1)


def _stack(draw: Any) -> tuple[int, ...]:
    return draw(shapes(max_ndim=2, max_side=2))


def symmetric_case(draw: Any, rng: np.random.Generator) -> Case:
    """Matrices whose symmetric part has eigenvalues at least 1 apart, of both signs."""
    stack, n = _stack(draw), draw(whole(0, 3, first=3))
    vectors = _orthogonal(rng, stack, n, n)
    skew = rng.normal(size=(*stack, n, n))
    values = _apart(rng, stack, n) * rng.choice([-1.0, 1.0])
    return Case(((vectors * values[..., None, :]) @ vectors.swapaxes(-2, -1) + skew - skew.swapaxes(-2, -1),))


def matrix_case(draw: Any, rng: np.random.Generator) -> Case:
    """Matrices whose singular values are about 1, 2, 3."""
    stack, m, n = _stack(draw), draw(whole(0, 3, first=3)), draw(whole(0, 3))
    k = min(m, n)
    left, right = _orthogonal(rng, stack, m, k), _orthogonal(rng, stack, n, k)
    return Case(((left * _apart(rng, stack, k)[..., None, :]) @ right.swapaxes(-2, -1),))


def independent_case(draw: Any, rng: np.random.Generator) -> Case:
    """Matrices with independent columns, each of which begins far from 0 where those before are taken out of it."""
    n = draw(whole(0, 3))
    shape = (*_stack(draw), n + draw(whole(0, 2, first=1)), n)
    return Case((2.0 * np.eye(*shape[-2:]) + rng.uniform(-0.5, 0.5, shape) / max(n, 1),))


def wide_case(draw: Any, rng: np.random.Generator) -> Case:
    (square,) = draw(composite_case(square_case)).inputs
    more = rng.normal(size=(*square.shape[:-1], draw(whole(0, 2, first=1))))
    return Case((np.concatenate([square, more], axis=-1),))


def with_factors(cases: st.SearchStrategy[Case], found: Any) -> st.SearchStrategy[Case]:
    return cases.map(lambda case: Case((*case.inputs, found(*case.inputs))))


# References


def _symmetric(x: np.ndarray) -> np.ndarray:
    return (x + x.swapaxes(-2, -1)) / 2


def found_by_eigh(x: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(_symmetric(x))
    return np.concatenate([values[..., None, :], vectors], axis=-2)


def found_by_svd(x: np.ndarray) -> np.ndarray:
    left, values, right = np.linalg.svd(x, full_matrices=False)
    return np.concatenate([left, values[..., None, :], right.swapaxes(-2, -1)], axis=-2)


def _complement(x: np.ndarray) -> np.ndarray:
    return np.linalg.qr(x, mode="complete")[0][..., x.shape[-1] :]


# Functions of the factors, once with the functions that are tested and once with NumPy's


def _weighed(left: Any, right: Any) -> Any:
    """The products of the first of each, the second, ..., of which the later ones weigh more."""
    weights = cumsum(left[..., :1, :] * 0.0 + 1.0, axis=-1)
    return (left * weights) @ right


def values_of_eigh(x: Any) -> Any:
    return ops.eigh(x).eigenvalues


def weighed_eigenvectors(x: Any) -> Any:
    vectors = ops.eigh(x).eigenvectors
    return _weighed(vectors, matrix_transpose(vectors))


def values_of_svd(x: Any) -> Any:
    return ops.svd(x).S


def weighed_left(x: Any) -> Any:
    left = ops.svd(x, full_matrices=False).U
    return _weighed(left, matrix_transpose(left))


def weighed_right(x: Any) -> Any:
    right = ops.svd(x, full_matrices=False).Vh
    return _weighed(matrix_transpose(right), right)


def weighed_both(x: Any) -> Any:
    left, _, right = ops.svd(x, full_matrices=False)
    return _weighed(left, right)


def of_numpy(part: str) -> Any:
    def reference(x: np.ndarray) -> np.ndarray:
        if part == "eigh":
            vectors = np.linalg.eigh(_symmetric(x))[1]
            return _weighed(vectors, vectors.swapaxes(-2, -1))
        left, _, right = np.linalg.svd(x, full_matrices=False)
        if part == "left":
            right = left.swapaxes(-2, -1)
        return _weighed(right.swapaxes(-2, -1) if part == "right" else left, right)

    return reference


def qr_of_wide(x: Any) -> Any:
    return concat(ops.qr(x), axis=-1)


symmetric, matrices = composite_case(symmetric_case), composite_case(matrix_case)
independent, wide = composite_case(independent_case), composite_case(wide_case)
not_zero = Values(-2.0, 2.0, avoid=(0.0,), margin=0.4)
sizes_apart = Values(0.5, 2.5, apart=True)

ROWS = [
    Spec(ops._eigh, found_by_eigh, symmetric, unique=False),
    # These take their part of what was found, and their rules know that it was found in x: see the rows below.
    Spec(ops._eigenvalues, lambda x, found: found[..., 0, :], with_factors(symmetric, found_by_eigh), "", ()),
    Spec(ops._eigenvectors, lambda x, found: found[..., 1:, :], with_factors(symmetric, found_by_eigh), "", ()),
    Spec(values_of_eigh, lambda x: np.linalg.eigvalsh(_symmetric(x)), symmetric),
    Spec(weighed_eigenvectors, of_numpy("eigh"), symmetric),
    Spec(ops.eigvalsh, lambda x: np.linalg.eigvalsh(_symmetric(x)), symmetric),
    Spec(ops._svd, found_by_svd, matrices, unique=False),
    Spec(ops._left_vectors, lambda x, f: f[..., : x.shape[-2], :], with_factors(matrices, found_by_svd), "", ()),
    Spec(ops._singular_values, lambda x, f: f[..., x.shape[-2], :], with_factors(matrices, found_by_svd), "", ()),
    Spec(ops._right_vectors, lambda x, f: f[..., x.shape[-2] + 1 :, :], with_factors(matrices, found_by_svd), "", ()),
    Spec(values_of_svd, lambda x: np.linalg.svd(x)[1], matrices),
    Spec(weighed_left, of_numpy("left"), matrices),
    Spec(weighed_right, of_numpy("right"), matrices),
    Spec(weighed_both, of_numpy("both"), matrices),
    Spec(ops._complement, _complement, independent, differentiable=(), unique=False),
    Spec(ops.svdvals, lambda x: np.linalg.svd(x, compute_uv=False), matrices),
    Spec(ops._qr, lambda x: np.concatenate(np.linalg.qr(x), axis=-2), independent, unique=False),
    Spec(qr_of_wide, lambda x: np.concatenate(np.linalg.qr(x), axis=-1), wide, unique=False),
    Spec(ops._pinv, np.linalg.pinv, matrices),
    Spec(ops._matrix_rank, np.linalg.matrix_rank, matrices, same_dtype=False),
    *(
        Spec(
            matrix_power,
            np.linalg.matrix_power,
            composite_case(square_case).map(lambda case, n=n: Case((*case.inputs, n))),
            label=str(n),
        )
        for n in (-2, 5)
    ),
    Spec(
        norms._norm_of_order,
        lambda x, *, ord, **options: (np.abs(x) ** ord).sum(**options) ** (1 / ord),
        reduction_cases(not_zero, min_side=1, options=[{"ord": ord} for ord in (3, 1.5, 0.5, -1.0)]),
    ),
    Spec(
        norms.vector_norm,
        np.linalg.vector_norm,
        reduction_cases(sizes_apart, min_side=1, options=[{"ord": ord} for ord in (1, 2, 4, np.inf, -np.inf)]),
    ),
]
