"""Factors, powers and norms of matrices beyond the table's laws: what they are, equal values, corners, and refusals."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import GradientError, ShapeError, Tensor, linalg

from .leaves import close, leaf

RNG = np.random.default_rng(0)
SQUARE, TALL, WIDE = (RNG.normal(size=shape) for shape in ((2, 3, 3), (2, 4, 3), (2, 3, 4)))
SYMMETRIC = SQUARE + SQUARE.swapaxes(-2, -1)


def slope_of(f, values):
    x = leaf(values)
    return ag.gradients(f(x), [x])[0].numpy()


# ---- what they are --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("x", [SQUARE, TALL, WIDE, TALL[:0], np.ones((1, 1)), np.ones((0, 3)), np.ones((3, 0))])
@pytest.mark.parametrize("full", [True, False])
def test_factors_are_numpys_and_give_the_matrix_again(x, full):
    found, wanted = linalg.svd(Tensor(x), full_matrices=full), np.linalg.svd(x, full_matrices=full)
    assert [f.shape for f in found] == [w.shape for w in wanted]
    k = min(x.shape[-2:])
    close((found.U[..., :k] * found.S[..., None, :]) @ found.Vh[..., :k, :], x)
    close(linalg.svdvals(Tensor(x)), wanted.S)
    q, r = linalg.qr(Tensor(x), mode="complete" if full else "reduced")
    q_of_numpy, r_of_numpy = np.linalg.qr(x, mode="complete" if full else "reduced")
    close(q @ r, x)
    close(r, r_of_numpy)
    assert q.shape == q_of_numpy.shape
    for basis in (q, found.U, found.Vh.mT):
        close(basis.mT @ basis, np.broadcast_to(np.eye(basis.shape[-1]), basis.mT.shape[:-1] + basis.shape[-1:]))


def test_results_have_the_standards_names():
    assert linalg.EighResult._fields == ("eigenvalues", "eigenvectors")
    assert linalg.SVDResult._fields == ("U", "S", "Vh")
    assert linalg.QRResult._fields == ("Q", "R")


def test_eigh_reads_the_symmetric_part():
    values, vectors = linalg.eigh(Tensor(SYMMETRIC + np.triu(np.ones((3, 3)), 1) - np.tril(np.ones((3, 3)), -1)))
    close(values, np.linalg.eigvalsh(SYMMETRIC))
    close(vectors * values[..., None, :] @ vectors.mT, SYMMETRIC)


def test_one_decomposition_serves_all_factors_and_all_orders(monkeypatch):
    calls = []

    def counted(x):
        calls.append(x)
        return found(x)

    found = np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", counted)
    x = leaf(SYMMETRIC)
    values, vectors = linalg.eigh(x)
    (g,) = ag.gradients((values * vectors[..., 0, :] ** 2).sum(), [x], create_graph=True)
    ag.gradients((g * g).sum(), [x])
    assert len(calls) == 1


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool"])
def test_whole_numbers_are_taken_as_numpy_takes_them(dtype):
    x = Tensor(np.array([[2, 1], [1, 0]], dtype))
    for found in (*linalg.eigh(x), *linalg.svd(x), *linalg.qr(x), linalg.pinv(x), linalg.svdvals(x)):
        assert found.dtype == "float64"
    for norm in (*(linalg.matrix_norm(x, ord=ord) for ord in (1, "fro", "nuc")), linalg.vector_norm(x, ord=1)):
        assert norm.dtype == "float64"
    close(linalg.matrix_power(Tensor([[2, 1], [1, 0]]), 3), [[12, 5], [5, 2]])


def test_the_rank_and_the_pseudo_inverse_count_what_exceeds_rtol():
    x = Tensor(np.diag([1.0, 1e-3, 1e-20]))
    assert (linalg.matrix_rank(x).item(), linalg.matrix_rank(x, rtol=0.1).item()) == (2, 1)
    close(linalg.pinv(x), np.diag([1.0, 1e3, 0.0]))
    both = ag.stack([x, x])
    assert linalg.matrix_rank(both, rtol=Tensor([0.1, 1e-6])).tolist() == [1, 2]
    close(linalg.pinv(both, rtol=Tensor([0.1, 1e-6]))[0], np.diag([1.0, 0.0, 0.0]))
    close(linalg.pinv(x * 0.0), np.zeros((3, 3)))


def test_the_pseudo_inverse_of_a_singular_matrix_has_the_gradient_of_its_rank():
    a, b = leaf(RNG.normal(size=(4, 2))), leaf(RNG.normal(size=(2, 3)))
    assert ag.gradcheck(lambda a, b: linalg.pinv(a @ b), a, b)
    assert ag.gradgradcheck(lambda a, b: linalg.pinv(a @ b), a, b)


# ---- equal values ---------------------------------------------------------------------------------------------------


def test_values_alone_have_a_gradient_where_some_are_equal():
    two, weights = 2.0 * np.eye(3), np.array([[1.0, 2.0, 3.0], [2.0, 5.0, 6.0], [3.0, 6.0, 9.0]])
    for values in (linalg.eigvalsh, lambda x: linalg.eigh(x).eigenvalues, linalg.svdvals, lambda x: linalg.svd(x).S):
        close(Tensor(slope_of(lambda x, f=values: (f(x) ** 3).sum(), two)), 12.0 * np.eye(3))
        x = leaf(two)
        ag.gradients(ag.sum(values(x)), [x])
    assert ag.gradcheck(lambda x: (linalg.eigvalsh(x) ** 2).sum(), leaf(weights @ weights - np.eye(3)))
    close(Tensor(slope_of(lambda x: linalg.eigvalsh(x).sum(), np.zeros((3, 3)))), np.eye(3))


@pytest.mark.parametrize("x", [np.eye(3), np.zeros((3, 3)), np.diag([1.0, 1.0, 2.0])])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: linalg.eigh(x).eigenvectors[:, 0],
        lambda x: linalg.svd(x).U[0],
        lambda x: linalg.svd(x).Vh[0],
    ],
)
def test_vectors_have_no_gradient_where_values_are_equal(x, f):
    assert np.isnan(slope_of(lambda x: (f(x) ** 2).sum(), x)).all()


def test_the_watch_names_the_vectors_whose_gradient_is_no_number():
    with ag.anomaly(), pytest.raises(ag.AnomalyError, match="the gradient of eigenvectors gave NaN"):
        linalg.eigh(leaf(np.eye(2))).eigenvectors.sum().backward()


def test_gradients_of_factors_are_not_rounded_by_autocast():
    pytest.importorskip("ml_dtypes")

    def f(x):
        return (
            (linalg.eigh(x).eigenvectors[..., 0] ** 2).sum() + linalg.svd(x).U[..., 0, 0].sum() + linalg.qr(x).R.sum()
        )

    x = SYMMETRIC.astype("float32")
    (wanted,) = ag.gradients(f(a := Tensor(x, requires_grad=True)), [a])
    with ag.autocast("bfloat16"):
        (found,) = ag.gradients(f(a := Tensor(x, requires_grad=True)), [a])
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_the_second_order_of_equal_values_is_no_number_rather_than_a_wrong_one():
    for x in (np.eye(2), np.zeros((2, 2))):
        a = leaf(x)
        (g,) = ag.gradients((linalg.eigvalsh(a) ** 2).sum(), [a], create_graph=True)
        assert np.isnan(ag.gradients(g.sum(), [a])[0].numpy()).all()


def test_what_completes_a_basis_has_no_gradient():
    for f in (
        lambda x: linalg.svd(x).U,
        lambda x: linalg.svd(x.mT).Vh,
        lambda x: linalg.qr(x, mode="complete").Q,
    ):
        with pytest.raises(GradientError, match="of the 4 vectors of length 4 only the first 3 have a gradient"):
            slope_of(lambda x, f=f: f(x).sum(), TALL)
    for f in (
        lambda x: linalg.svd(x).S,
        lambda x: linalg.svd(x).Vh ** 2,
        lambda x: linalg.qr(x, mode="complete").R,
        lambda x: linalg.svd(x[:, :3]).U ** 2,
    ):
        assert ag.gradcheck(f, leaf(TALL))


def test_a_singular_value_of_0_leaves_the_vectors_of_a_tall_matrix_without_a_gradient():
    x = np.array([[1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert np.isnan(slope_of(lambda x: (linalg.svd(x, full_matrices=False).U ** 2).sum(), x)).any()
    close(Tensor(slope_of(lambda x: linalg.svdvals(x)[0], x)), x)
    assert ag.gradcheck(lambda x: linalg.svd(x).Vh ** 2, leaf(x))


# ---- norms ----------------------------------------------------------------------------------------------------------

ORDERS = ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf]


@pytest.mark.parametrize("ord", ORDERS)
def test_norms_of_matrices_are_numpys(ord):
    for x in (SQUARE, TALL, WIDE, SQUARE[:0], np.ones((1, 1))):
        for keepdims in (False, True):
            found = linalg.matrix_norm(Tensor(x), ord=ord, keepdims=keepdims)
            close(found, np.linalg.matrix_norm(x, ord=ord, keepdims=keepdims))
    for x in (SQUARE, WIDE):
        assert ag.gradcheck(lambda x: linalg.matrix_norm(x, ord=ord), leaf(x))
        assert ag.gradgradcheck(lambda x: linalg.matrix_norm(x, ord=ord), leaf(x))
    assert linalg.matrix_norm(Tensor(TALL.astype("float32")), ord=ord).dtype == "float32"


@pytest.mark.parametrize("ord", [0, 0.5, 1, 1.5, 2, 2.5, -1, -2.5, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [None, 0, (0, 2)])
def test_norms_of_vectors_are_numpys(ord, axis):
    x = np.where(np.abs(TALL) < 0.1, 0.2, TALL)
    for keepdims in (False, True):
        found = linalg.vector_norm(Tensor(x), axis=axis, keepdims=keepdims, ord=ord)
        close(found, np.linalg.vector_norm(x, axis=axis, keepdims=keepdims, ord=ord))
    if ord != 0:
        assert ag.gradcheck(lambda x: linalg.vector_norm(x, axis=axis, ord=ord), leaf(x))
        assert ag.gradgradcheck(lambda x: linalg.vector_norm(x, axis=axis, ord=ord), leaf(x))
    assert linalg.vector_norm(Tensor(x.astype("float32")), ord=ord).dtype == "float32"


@pytest.mark.parametrize("ord", [0.5, 1, 1.5, 2, 3, -1, np.inf, -np.inf])
def test_the_gradient_of_a_norm_at_the_origin_is_0(ord):
    with np.errstate(divide="ignore"):  # of order -1
        close(Tensor(slope_of(lambda x: linalg.vector_norm(x, ord=ord), [0.0, 0.0])), [0.0, 0.0])


# As PyTorch 2.13 has them.
@pytest.mark.parametrize(
    ("ord", "values", "slope"),
    [
        (0.5, [3.0, 0.0], [1.0, 0.0]),
        (1, [3.0, 0.0], [1.0, 0.0]),
        (-1, [3.0, 0.0], [0.0, 0.0]),
        (-1, [2.0, -2.0], [0.25, -0.25]),
        (np.inf, [2.0, -2.0], [0.5, -0.5]),
        (-np.inf, [2.0, -2.0], [0.5, -0.5]),
    ],
)
def test_ties_share_the_gradient_and_zeros_get_none(ord, values, slope):
    with np.errstate(divide="ignore"):
        close(Tensor(slope_of(lambda x: linalg.vector_norm(x, ord=ord), values)), slope)


def test_norms_and_products_of_complex_vectors_are_numpys():
    x = RNG.normal(size=3) + 1j * RNG.normal(size=3)
    for ord in (0, 1, 2, 3, np.inf):
        close(linalg.vector_norm(Tensor(x), ord=ord), np.linalg.vector_norm(x, ord=ord))
    close(linalg.matrix_norm(Tensor(x[None])), np.linalg.matrix_norm(x[None]))
    close(ag.vecdot(Tensor(x), Tensor(x + 1.0)), np.vecdot(x, x + 1.0))


def test_a_matrix_norm_of_nothing_is_0_where_numpy_says_so():
    for shape in ((0, 3), (3, 0)):
        x = np.zeros(shape)
        for ord in ("fro", "nuc", 1, 2, np.inf):
            close(linalg.matrix_norm(Tensor(x), ord=ord), 0.0)
        with pytest.raises(ValueError, match="has no elements"):
            linalg.matrix_norm(Tensor(x), ord=-2)
    close(linalg.vector_norm(Tensor(np.zeros((2, 0))), axis=1, ord=np.inf), [0.0, 0.0])


# ---- powers ---------------------------------------------------------------------------------------------------------


def test_the_power_0_is_the_identity_whatever_the_matrix_holds():
    x = leaf([[np.inf, np.nan], [0.0, 1.0]])
    power = linalg.matrix_power(x, 0)
    close(power, np.eye(2))
    close(ag.gradients(power.sum(), [x])[0], np.zeros((2, 2)))
    assert linalg.matrix_power(x, 1) is not x


# ---- refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: linalg.eigh(leaf(TALL)), ShapeError, r"eigh: needs square matrices.*\(2, 4, 3\)"),
        (lambda: linalg.eigvalsh(leaf([1.0])), ShapeError, r"eigvalsh: needs square matrices.*\(1,\)"),
        (lambda: linalg.svd(leaf([1.0])), ShapeError, r"svd: needs matrices in the last two axes, got shape \(1,\)"),
        (lambda: linalg.svdvals(leaf(1.0)), ShapeError, "svdvals: needs matrices"),
        (lambda: linalg.qr(leaf([1.0])), ShapeError, "qr: needs matrices"),
        (lambda: linalg.qr(leaf(TALL), mode="r"), ValueError, "mode 'r' is neither"),
        (lambda: linalg.pinv(leaf([1.0])), ShapeError, "pinv: needs matrices"),
        (lambda: linalg.matrix_rank(leaf([1.0])), ShapeError, "matrix_rank: needs matrices"),
        (lambda: linalg.matrix_power(leaf(TALL), 2), ShapeError, "matrix_power: needs square matrices"),
        (lambda: linalg.matrix_power(leaf(np.zeros((2, 2))), -1), ValueError, "[Ss]ingular"),
        (lambda: linalg.matrix_power(leaf(SQUARE), 0.5), TypeError, "a whole number, got"),
        (lambda: linalg.matrix_norm(leaf([1.0])), ShapeError, "write vector_norm"),
        (lambda: linalg.matrix_norm(leaf(TALL), ord=3), ValueError, 'ord 3 is none of "fro", "nuc", 1'),
        (lambda: linalg.vector_norm(leaf(TALL), ord="fro"), TypeError, "real number"),
        (lambda: linalg.eigh(Tensor(np.ones((2, 2), "float16"))), TypeError, "float16"),
        (lambda: linalg.eigh(Tensor(1j * SQUARE)), TypeError, "eigh: takes real matrices, got complex128"),
        (lambda: linalg.cholesky(Tensor(1j * SQUARE)), TypeError, r"numpy\.linalg\.cholesky\(x\.numpy\(\)\)"),
        (lambda: linalg.pinv(Tensor(1j * TALL)), TypeError, "pinv: takes real matrices"),
        (lambda: slope_of(lambda x: linalg.qr(x).Q.sum(), np.zeros((3, 2))), ValueError, "[Ss]ingular"),
        (lambda: linalg.pinv(leaf(TALL), rcond=0.1), TypeError, "rcond is called rtol here"),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call()


@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("run", [lambda f: f, ag.compile], ids=["eager", "compiled"])
def test_what_is_not_finite_gives_nan_and_leaves_its_neighbours_alone(number, run):
    x = TALL.copy()
    x[0, 1, 0] = number  # with Inf LAPACK goes on for ever
    for function in (linalg.pinv, linalg.svdvals, lambda x: linalg.svd(x, full_matrices=False).U):
        found = run(function)(Tensor(x)).numpy()
        assert np.isnan(found[0]).all()
        close(Tensor(found[1]), function(Tensor(TALL[1])).numpy())
    with pytest.raises(ValueError, match="matrix_rank got x with NaN or Inf in it, which has no rank"):
        run(linalg.matrix_rank)(Tensor(x))
