"""Products with the Jacobian and the Hessian, and the whole of them: shapes, containers, and derivatives of these."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor
from autograd.errors import ShapeError
from autograd.functional import grad, hessian, hvp, jacobian, jvp, vjp

from .leaves import same

MATRIX = np.array([[2.0, -1.0, 0.5], [0.3, 1.0, 4.0]])
POINT = np.array([0.5, -1.5, 2.0])


def cube(x):
    return (x * x * x).sum()


# ---- vjp, jvp -------------------------------------------------------------------------------------------------------


def product(x, y):
    return x @ y


def test_vjp_calls_f_once_and_pulls_back_again_and_again():
    calls = []

    def f(x, y):
        calls.append(1)
        return product(x, y)

    y, pullback = vjp(f, MATRIX, POINT)
    same(y, MATRIX @ POINT)
    for weight in (np.array([1.0, 0.0]), Tensor([2.0, 3.0])):
        by_matrix, by_point = pullback(weight)
        w = np.asarray(weight)
        same(by_matrix, np.outer(w, POINT))
        same(by_point, w @ MATRIX)
    assert len(calls) == 1


def test_vjp_of_containers():
    y, pullback = vjp(lambda p: {"twice": p[0] * 2.0, "sum": p[0].sum() + p[1]}, [POINT, 1.0])
    assert list(y) == ["twice", "sum"]
    ((by_array, by_number),) = pullback({"sum": 1.0, "twice": np.zeros(3)})
    same(by_array, np.ones(3))
    same(by_number, 1.0)
    with pytest.raises(ValueError, match=r"weight given to pullback is a dict with the keys 'twice', where"):
        pullback({"twice": POINT})


def test_pullback_is_differentiable_in_the_weight():
    _, pullback = vjp(lambda x: x * x, POINT)
    weight = Tensor(np.ones(3), requires_grad=True)
    (found,) = pullback(weight)
    found.sum().backward()
    same(weight.grad, 2 * POINT)


@given(st.integers(0, 2**32 - 1))
def test_jvp_and_vjp_are_adjoint(seed):
    rng = np.random.default_rng(seed)
    x, dx = rng.normal(size=(2, 2, 3))
    y, dy = rng.normal(size=(2, 3))

    def f(x, y):
        return (x @ y).sin() * x.sum(axis=1)

    weight = rng.normal(size=2)
    value, moved = jvp(f, (x, y), (dx, dy))
    again, pullback = vjp(f, x, y)
    by_x, by_y = pullback(weight)
    same(value, again.numpy())
    left = (moved.numpy() * weight).sum()
    right = (by_x.numpy() * dx).sum() + (by_y.numpy() * dy).sum()
    assert left == pytest.approx(right, rel=1e-10, abs=1e-12)


def test_jvp_of_containers_and_of_what_does_not_move():
    y, dy = jvp(lambda p: {"a": p["w"] * 3.0, "constant": Tensor(1.0)}, ({"w": POINT},), ({"w": np.ones(3)},))
    same(y["a"], 3 * POINT)
    same(dy["a"], np.full(3, 3.0))
    same(dy["constant"], 0.0)
    with pytest.raises(ValueError, match=r"vs\[0\] is a dict with the keys 'v', where a dict with the keys 'w'"):
        jvp(lambda p: p["w"], ({"w": POINT},), ({"v": POINT},))
    with pytest.raises(ShapeError, match=r"gradient has shape \(2,\)"):
        jvp(lambda x: x * x, (POINT,), (np.ones(2),))


def test_jvp_is_differentiable():
    found = grad(lambda x: jvp(lambda x: x * x * x, (x,), (np.ones(3),))[1].sum())(POINT)
    same(found, 6 * POINT)
    found = grad(lambda v: jvp(lambda x: x * x * x, (POINT,), (v,))[1].sum())(POINT)
    same(found, 3 * POINT**2)


# ---- jacobian, hessian, hvp -----------------------------------------------------------------------------------------


def test_jacobian_has_the_shape_of_the_value_then_of_the_argument():
    same(jacobian(product, 1)(MATRIX, POINT), MATRIX)
    found = jacobian(product)(MATRIX, POINT)
    assert found.shape == (2, 2, 3)
    same(found, np.einsum("ij,k->ijk", np.eye(2), POINT))
    assert jacobian(cube)(POINT).shape == (3,)
    assert jacobian(lambda x: x * x)(2.0).shape == ()
    assert jacobian(lambda x: x[:0])(POINT).shape == (0, 3)


def test_jacobian_of_containers_and_several_arguments():
    found = jacobian(lambda a, p: {"y": a * p["w"]}, (0, 1))(POINT, {"w": MATRIX})
    by_a, by_p = found["y"]
    assert by_a.shape == (2, 3, 3)
    assert by_p["w"].shape == (2, 3, 2, 3)
    same(by_a, MATRIX[:, :, None] * np.eye(3))


def test_jacobian_is_differentiable():
    w = Tensor(MATRIX, requires_grad=True)
    jacobian(lambda x: (w @ x).exp())(POINT).sum().backward()
    inner = np.exp(MATRIX @ POINT)
    same(w.grad, inner[:, None] * (1 + POINT[None] * MATRIX.sum(axis=1, keepdims=True)))


def quartic(x):
    return (x * x).sum() * (x * x).sum() + x[0] * x[1] * x[2]


def hessian_of_quartic(x):
    a, b, c = x
    return 8 * np.outer(x, x) + 4 * (x @ x) * np.eye(3) + np.array([[0, c, b], [c, 0, a], [b, a, 0]])


@given(st.lists(st.floats(-3, 3), min_size=3, max_size=3))
def test_hessian_and_hvp(values):
    x = np.array(values)
    v = np.array([1.0, -2.0, 0.5])
    same(hessian(quartic)(x), hessian_of_quartic(x), rtol=1e-9)
    same(hvp(quartic, x, v), hessian_of_quartic(x) @ v, rtol=1e-9)


def test_hessian_and_hvp_of_containers():
    def f(p):
        return (p["a"] ** 2).sum() * p["b"]

    found = hessian(f)({"a": POINT, "b": np.float64(2.0)})
    same(found["a"]["a"], 4 * np.eye(3))
    same(found["a"]["b"], 2 * POINT)
    same(found["b"]["a"], 2 * POINT)
    same(found["b"]["b"], 0.0)
    product = hvp(f, {"a": POINT, "b": np.float64(2.0)}, {"a": np.ones(3), "b": 1.0})
    same(product["a"], 4 + 2 * POINT)
    same(product["b"], 2 * POINT.sum())


def test_hessian_equals_the_jacobian_of_the_gradient_by_jvp():
    columns = [jvp(grad(quartic), (POINT,), (e,))[1].numpy() for e in np.eye(3)]
    same(hessian(quartic)(POINT), np.stack(columns, axis=1))


def test_hvp_is_differentiable():
    found = grad(lambda x: hvp(quartic, x, np.ones(3)).sum())(POINT)
    ones = np.ones(3)
    # sum of the Hessian: 8 (sum x)^2 + 12 x.x + 2 (a + b + c)
    same(found, 16 * POINT.sum() * ones + 24 * POINT + 2)
