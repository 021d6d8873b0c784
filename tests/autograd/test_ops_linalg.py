"""Matrix products, einsum, diagonals and solving beyond the table's laws: against NumPy, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.errors import ShapeError
from autograd.ops.linalg import transpose_of_matrix
from tests.guard import guard
from tests.opspecs.linalg import invertible
from tests.opspecs.spec import generators

from .leaves import close, ramp

# ---- einsum ---------------------------------------------------------------------------------------------------------


@st.composite
def sums_of_products(draw):
    """Subscripts of any kind, and operands for them."""
    lengths = {c: draw(st.integers(0 if c == "d" else 1, 3)) for c in "abcdE"}
    hidden = draw(st.lists(st.integers(1, 3), max_size=2))
    rng = draw(generators())
    terms, operands, dotted = [], [], False
    for _ in range(draw(st.integers(1, 3))):
        letters = draw(st.text("abcdE", max_size=3))
        dots = draw(st.booleans())
        dotted = dotted or dots
        shape = [lengths[c] for c in letters]
        once = [i for i, c in enumerate(letters) if letters.count(c) == 1]
        for i in once:  # lengths of 1 broadcast
            shape[i] = draw(st.sampled_from([shape[i], shape[i], 1]))
        own = hidden[draw(st.integers(0, len(hidden))) :] if dots else []
        own = [draw(st.sampled_from([n, 1])) for n in own]
        place = draw(st.integers(0, len(letters)))
        terms.append(letters[:place] + "..." * dots + letters[place:])
        operands.append(rng.uniform(-1, 1, (*shape[:place], *own, *shape[place:])))
    text = ",".join(terms)
    if draw(st.booleans()):
        used = sorted(set("".join(terms)) - {"."})
        output = "".join(draw(st.permutations(used))[: draw(st.integers(0, len(used)))])
        place = draw(st.integers(0, len(output)))
        text += "->" + output[:place] + "..." * dotted + output[place:]
    return text.replace(",", ", "), operands


@given(sums_of_products())
def test_einsum_is_numpys(case):
    subscripts, operands = case
    close(ag.einsum(subscripts, *map(Tensor, operands)), np.einsum(subscripts, *operands))


@pytest.mark.parametrize(
    ("subscripts", "shapes"),
    [
        ("ij,jk->ik", [(2, 3), (3, 2)]),
        ("ii", [(3, 3)]),
        ("iij->j", [(2, 2, 3)]),
        ("ij->", [(2, 3)]),
        ("ij,kl->j", [(2, 3), (2, 2)]),
        ("...ij,...jk->...ik", [(2, 1, 2, 3), (3, 3, 2)]),
        ("i...,i...->...", [(2, 3), (2, 1)]),
        ("ij,jk,kl->il", [(2, 3), (3, 2), (2, 2)]),
        ("ii,ij,j", [(2, 2), (2, 3), (3,)]),
        ("bi,bi->b", [(3, 2), (3, 2)]),
        ("ij,ij->ij", [(2, 3), (1, 3)]),
    ],
)
def test_einsum_has_right_gradients_to_third_order(subscripts, shapes):
    rng = np.random.default_rng(0)
    xs = [Tensor(rng.uniform(0.5, 1.5, shape)) for shape in shapes]

    def squared(*xs):
        y = ag.einsum(subscripts, *xs)
        return y * y

    assert ag.gradcheck(squared, *xs)
    assert ag.gradgradcheck(squared, *xs)

    def slope(x):
        return ag.grad(lambda x: (squared(x, *xs[1:]) * squared(x, *xs[1:])).sum())(x)

    assert ag.gradgradcheck(slope, xs[0])


def test_einsum_of_three_operands_multiplies_two_at_a_time():
    rng = np.random.default_rng(0)
    a, b, c = (rng.normal(size=(30, 30)) for _ in range(3))
    close(ag.einsum("ij,kj,kl->li", Tensor(a), Tensor(b), Tensor(c)), c.T @ b @ a.T)


@pytest.mark.parametrize(
    ("subscripts", "shapes", "kind", "says"),
    [
        ("ij,jk", [(2, 3)], ValueError, r"describes 2 operand\(s\), got 1"),
        ("ij", [(2,)], ShapeError, r'"ij" of "ij" does not name the axes of an operand of shape \(2,\)'),
        ("i", [(2, 3)], ShapeError, "does not name the axes"),
        (
            "ij,jk",
            [(2, 3), (4, 5)],
            ShapeError,
            r'"j" of "ij,jk" has the lengths 3 and 4, in shapes \(2, 3\), \(4, 5\)',
        ),
        ("...,...", [(2,), (3,)], ShapeError, r'an axis of "\.\.\." of .* has the lengths 2 and 3'),
        ("ii", [(2, 3)], ShapeError, r'"i" of "ii" has the lengths 2 and 3, in shapes \(2, 3\)'),
        ("ii", [(1, 3)], ShapeError, r'"i" of "ii" has the lengths 1 and 3 in one operand, of shape \(1, 3\)'),
        ("ij->ii", [(2, 3)], ValueError, "must name letters of the operands, each once"),
        ("ij->k", [(2, 3)], ValueError, "must name letters of the operands"),
        ("...i->i", [(2, 3)], ValueError, r'must say where "\.\.\." stands in the result'),
        ("i1", [(2, 3)], ValueError, "may hold letters"),
        ("......", [(2, 3)], ValueError, "twice in one operand"),
    ],
)
def test_einsum_says_what_it_cannot_read(subscripts, shapes, kind, says):
    with pytest.raises(kind, match=says):
        ag.einsum(subscripts, *(ramp(*shape) for shape in shapes))


# ---- products -------------------------------------------------------------------------------------------------------


@given(st.data(), generators())
def test_tensordot_and_dot_are_numpys(data, rng):
    shape = tuple(data.draw(st.integers(0, 3)) for _ in range(3))
    a, b = rng.normal(size=shape), rng.normal(size=shape[::-1])
    of_a = data.draw(st.permutations(range(3)))[: data.draw(st.integers(0, 3))]
    axes = ([axis - 3 for axis in of_a], [2 - axis for axis in of_a])
    close(ag.tensordot(Tensor(a), Tensor(b), axes=axes), np.tensordot(a, b, axes))
    close(ag.tensordot(Tensor(a), Tensor(a.T), axes=1), np.tensordot(a, a.T, 1))
    close(ag.dot(Tensor(a), Tensor(a.swapaxes(1, 2))), np.dot(a, a.swapaxes(1, 2)))
    close(ag.dot(Tensor(a), Tensor(b.sum((1, 2)))), np.dot(a, b.sum((1, 2))))
    close(ag.dot(Tensor(b.sum((1, 2))), Tensor(b.sum((1, 2)))), np.dot(b.sum((1, 2)), b.sum((1, 2))))
    close(ag.dot(Tensor(a), Tensor(np.float64(2.0))), np.dot(a, 2.0))


@given(generators())
def test_vecdot_outer_and_cross_are_numpys(rng):
    a, b, c = rng.normal(size=(2, 3)), rng.normal(size=(4, 1, 3)), rng.normal(size=5)
    close(ag.vecdot(Tensor(a), Tensor(b)), (a * b).sum(-1))
    close(ag.vecdot(Tensor(a), Tensor(a), axis=0), (a * a).sum(0))
    close(ag.outer(Tensor(a), Tensor(c)), np.outer(a, c))
    close(ag.cross(Tensor(a), Tensor(b)), np.cross(a, b))
    close(ag.cross(Tensor(a.T), Tensor(a.T * a.T), axis=0), np.cross(a.T, a.T * a.T, axis=0))
    d, e = rng.normal(size=(3, 3)), rng.normal(size=(3, 2, 3))
    close(ag.cross(Tensor(d), Tensor(e), axis=0), np.cross(d, e, axis=0))


@pytest.mark.parametrize(
    "f",
    [
        ag.cross,
        ag.vecdot,
        ag.outer,
        lambda a, b: ag.tensordot(a, b, axes=([0], [1])),
        lambda a, b: ag.dot(a, b.T),
        lambda a, b: ag.trace(a @ b.T, offset=1),
        lambda a, b: ag.diag_embed(a) @ ag.diag_embed(b, offset=0),
        lambda a, b: ag.linalg.solve(a @ a.T + ag.eye(3, dtype="float64"), b[:, 0]),
        lambda a, b: ag.linalg.slogdet(a @ b.T)[1] * ag.linalg.slogdet(a @ b.T)[0],
        lambda a, b: ag.linalg.cholesky(a @ a.T + ag.diag_embed(b[0] * b[0])),
    ],
)
def test_composites_have_right_gradients_of_two_orders(f):
    rng = np.random.default_rng(1)
    a, b = Tensor(rng.uniform(0.5, 1.5, (3, 3))), Tensor(rng.uniform(0.5, 1.5, (3, 3)))
    assert ag.gradcheck(f, a, b)
    assert ag.gradgradcheck(f, a, b)


def test_products_run_on_a_device_without_waiting():
    a, b = ramp(2, 3).to("guard"), ramp(3, 2).to("guard")
    waited = guard.synchronizations
    for y in (a @ b, ag.einsum("ij,ji", a, b), ag.tensordot(a, b, axes=1), ag.trace(a), ag.cross(a, a), a.T, a.mT):
        assert y.device == a.device
    assert guard.synchronizations == waited


def test_the_gradient_of_a_matrix_under_a_stack_is_one_product():
    """(..., n, k) @ (k, m): no array of a matrix for each of the stack is made on the way."""
    x, w = ramp(2, 3, 4), ramp(4, 5)
    g = np.random.default_rng(0).normal(size=(2, 3, 5))
    (x @ w).backward(Tensor(g))
    close(w.grad, x.data.reshape(6, 4).T @ g.reshape(6, 5))
    close(x.grad, g @ w.data.T)


def test_solve_takes_a_vector_and_stacks():
    rng = np.random.default_rng(0)
    a, b = invertible(rng, (2, 1), 3), rng.normal(size=(4, 3, 2))
    close(ag.linalg.solve(Tensor(a), Tensor(b)), np.linalg.solve(a, b))
    close(ag.linalg.solve(Tensor(a), Tensor(b[0, :, 0])), np.linalg.solve(a, b[0, :, 0]))
    close(ag.linalg.inv(Tensor(a)) @ Tensor(a), np.broadcast_to(np.eye(3), (2, 1, 3, 3)))
    sign, size = ag.linalg.slogdet(Tensor(-a))
    close(sign * ag.exp(size), np.linalg.det(-a))


SINGULAR = np.stack([np.arange(9.0).reshape(3, 3), np.ones((3, 3)), np.diag([2.0, 0.0, 3.0]), 2 * np.eye(3)])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    "slope",
    [
        lambda x: ag.grad(lambda x: ag.linalg.det(x).sum())(x),
        lambda x: ag.compile(ag.grad(lambda x: ag.linalg.det(x).sum()))(x),
        ag.vmap(ag.grad(ag.linalg.det)),
        lambda x: ag.stack([ag.grad(ag.linalg.det)(one) for one in x]),
        lambda x: ag.grad(lambda x: ag.linalg.det(x).sum())(x.to("guard")).to("cpu"),
    ],
)
def test_the_gradient_of_the_determinant_of_a_singular_matrix_is_that_of_its_cofactors(slope, dtype):
    wanted = [
        [[-3, 6, -3], [6, -12, 6], [-3, 6, -3]],
        np.zeros((3, 3)),
        np.diag([0.0, 6.0, 0.0]),
        np.diag([4.0, 4.0, 4.0]),
    ]
    found = slope(Tensor(SINGULAR.astype(dtype)))
    assert found.dtype == dtype
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-13 if dtype == "float64" else 1e-5)


def test_the_second_derivative_of_the_determinant_of_a_singular_matrix_is_refused():
    with pytest.raises(np.linalg.LinAlgError, match="a singular matrix has no inverse, its det no second derivative"):
        ag.hessian(ag.linalg.det)(SINGULAR[0])
    with (
        pytest.raises(np.linalg.LinAlgError, match=r"its slogdet none: linalg\.pinv\(x\) gives"),
        np.errstate(all="ignore"),
    ):
        ag.grad(lambda x: ag.linalg.slogdet(x).logabsdet)(SINGULAR[2])


def test_cholesky_reads_the_symmetric_part_and_its_gradient_is_symmetric():
    x = ramp(2, 2)
    x.data[...] = [[4.0, 1.5], [0.5, 3.0]]
    factor = ag.linalg.cholesky(x)
    close(factor @ factor.mT, [[4.0, 1.0], [1.0, 3.0]])
    factor.sum().backward()
    close(x.grad, x.grad.data.T)


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("n", [3, 150])
def test_a_triangle_is_solved_whatever_stands_beside_it(n, upper):
    rng = np.random.default_rng(0)
    a, b = invertible(rng, (2,), n), rng.normal(size=(2, n, 3))
    triangle = np.triu(a) if upper else np.tril(a)

    def solve(a, b):
        return ag.linalg.solve_triangular(a, b, upper=upper)

    found = solve(Tensor(a), Tensor(b))
    close(Tensor(triangle) @ found, b)
    for run in (ag.compile(solve), ag.compile(solve, executor="numpy"), ag.vmap(solve)):
        close(run(Tensor(a), Tensor(b)), found)
    close(solve(Tensor(a).to("guard"), Tensor(b).to("guard")).to("cpu"), found)
    close(solve(Tensor(a[0]), Tensor(b[0, :, 0])), found[0, :, 0])

    def by(solved):
        return ag.grad(lambda a, b: ag.sin(solved(a, b)).sum(), (0, 1))(Tensor(a), Tensor(b[0]))

    cut = ag.triu if upper else ag.tril
    for slope, wanted in zip(by(solve), by(lambda a, b: ag.linalg.solve(cut(a), b)), strict=True):
        close(slope, wanted)


@pytest.mark.parametrize("upper", [False, True])
def test_the_gradient_of_a_large_factor(upper):
    """|L^-1 b|^2 is b . x^-1 b, whose gradient is that of an inverse."""
    rng = np.random.default_rng(0)
    x, b = invertible(rng, (), 150), rng.normal(size=150)
    x = (x + x.T) / 2

    def through_the_factor(x):
        factor = ag.linalg.cholesky(x, upper=upper)
        return ag.linalg.solve_triangular(factor.mT if upper else factor, Tensor(b), upper=False).square().sum()

    found = np.linalg.solve(x, b)
    close(ag.grad(through_the_factor)(Tensor(x)), -np.outer(found, found))


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (
            lambda: ramp(2, 3) @ ramp(2, 3),
            ShapeError,
            r"last axis of a, of shape \(2, 3\).*\(2, 3\), must agree: 3 and 2",
        ),
        (
            lambda: ramp(2, 3) @ ramp(2),
            ShapeError,
            r"first \(and only\) axis of b, of shape \(2,\), must agree: 3 and 2",
        ),
        (lambda: ramp(2, 2, 3) @ ramp(3, 3, 2), ShapeError, r"shapes \(2, 2, 3\) and \(3, 3, 2\) do not broadcast"),
        (lambda: ramp(2, 3) @ 2.0, ShapeError, r"shapes \(2, 3\) and \(\): a number is no matrix; use \*"),
        (lambda: transpose_of_matrix(ramp(2)), ShapeError, r"this has shape \(2,\)"),
        (
            lambda: ag.tensordot(ramp(2, 3), ramp(2, 3), axes=1),
            ShapeError,
            r"axes \(1,\) of shape \(2, 3\) and axes \(0,\)",
        ),
        (lambda: ag.vecdot(ramp(3), ramp(1)), ShapeError, r"axis -1 of shapes \(3,\) and \(1,\) must have the same"),
        (lambda: ag.cross(ramp(2), ramp(2)), ShapeError, r"axis -1 of shapes \(2,\) and \(2,\) must have length 3"),
        (lambda: ag.diagonal(ramp(2)), ShapeError, r"diagonal: x of shape \(2,\)"),
        (lambda: ag.diag_embed(ramp(2), shape=(3, 3)), ShapeError, "does not have the 2 places"),
        (lambda: ag.linalg.inv(ramp(2, 3)), ShapeError, r"inv: needs square matrices.*\(2, 3\)"),
        (lambda: ag.linalg.inv(ramp(2, 2) * 0.0), ValueError, "[Ss]ingular"),
        (lambda: ag.linalg.solve(ramp(2, 2), ramp(3)), ShapeError, r"\(2, 2\) needs x2 with 2 rows, got shape \(3,\)"),
        (
            lambda: ag.linalg.solve_triangular(ramp(2, 2), ramp(3), upper=True),
            ShapeError,
            r"solve_triangular: x1 of shape \(2, 2\) needs x2 with 2 rows, got shape \(3,\)",
        ),
        (
            lambda: ag.linalg.solve_triangular(ramp(2, 2), ramp(2), lower=True),
            TypeError,
            "upper=False stands here for lower=True",
        ),
        (lambda: ag.linalg.cholesky_solve(ramp(2), ramp(2, 2)), AttributeError, r"write .*solve_triangular\(L\.mT, y"),
        (lambda: ag.linalg.cholesky(-ramp(2, 2)), ValueError, "positive definite"),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call()
