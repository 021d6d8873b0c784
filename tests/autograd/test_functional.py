"""Functions from functions: right to every order, in every container, and with a graph exactly when one is of use."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor, tree
from autograd.errors import GradientError
from autograd.functional import grad, hessian, jacobian, jvp, value_and_grad, vjp

from .leaves import same

MATRIX = np.array([[2.0, -1.0, 0.5], [0.3, 1.0, 4.0]])
POINT = np.array([0.5, -1.5, 2.0])


@dataclass
class Weights:
    a: float
    b: float


def cube(x):
    return (x * x * x).sum()


# ---- grad -----------------------------------------------------------------------------------------------------------


def test_grad_of_a_python_float_an_array_and_a_tensor():
    same(grad(cube)(2.0), 12.0)
    assert grad(cube)(2.0).dtype == np.float32
    same(grad(cube)(POINT), 3 * POINT**2)
    same(grad(cube)(Tensor(POINT)), 3 * POINT**2)
    same(grad(cube)(np.float64(2.0)), 12.0)


@given(st.floats(-2.0, 2.0), st.integers(1, 5))
def test_grad_of_grad_to_any_order(x, order):
    f = lambda x: (x * 2.0).sin()  # noqa: E731
    for _ in range(order):
        f = grad(f)
    derivative = [math.cos, lambda v: -math.sin(v), lambda v: -math.cos(v), math.sin][(order - 1) % 4]
    same(f(np.float64(x)), 2.0**order * derivative(2 * x))


def test_argnums_and_keywords():
    def f(a, b, c, *, scale):
        assert scale == 2.0
        return (a * a * b * c).sum() * scale

    a, b, c = 3.0, 5.0, 7.0
    same(grad(f)(a, b, c, scale=2.0), 2 * 2 * a * b * c)
    same(grad(f, 1)(a, b, c, scale=2.0), 2 * a * a * c)
    same(grad(f, -1)(a, b, c, scale=2.0), 2 * a * a * b)
    by_b, by_a = grad(f, (1, 0))(a, b, c, scale=2.0)
    same(by_b, 2 * a * a * c)
    same(by_a, 2 * 2 * a * b * c)


def test_other_arguments_are_handed_over_as_they_are():
    def f(x, n, kind, array):
        assert (n, kind) == (3, "sum")
        assert isinstance(array, np.ndarray)
        return (x * array).sum() * n

    same(grad(f)(np.ones(3), 3, "sum", POINT), 3 * POINT)


class Layer(NamedTuple):
    weight: object
    bias: object


def test_containers_come_back_as_they_went_in():
    parameters = {"layers": [Layer(MATRIX, np.zeros(2)), (3.0,)], "scale": 2.0, "nothing": None}

    def f(p):
        layer, (extra,) = p["layers"]
        return ((Tensor(POINT) @ layer.weight.T + layer.bias).sum() * extra) * p["scale"]

    value, found = value_and_grad(f)(parameters)
    same(value, (MATRIX @ POINT).sum() * 6)
    assert list(found) == ["layers", "scale", "nothing"]
    assert found["nothing"] is None
    assert isinstance(found["layers"], list)
    assert isinstance(found["layers"][0], Layer)
    assert isinstance(found["layers"][1], tuple)
    same(found["layers"][0].weight, np.tile(6 * POINT, (2, 1)))
    same(found["layers"][0].bias, [6.0, 6.0])
    same(found["layers"][1][0], (MATRIX @ POINT).sum() * 2, rtol=1e-6)


def test_a_registered_dataclass_is_a_container(monkeypatch):
    monkeypatch.setattr(tree, "_registered", dict(tree._registered))
    tree.register(Weights)
    found = grad(lambda w: w.a * w.a * w.b)(Weights(3.0, 2.0))
    assert isinstance(found, Weights)
    same(found.a, 12.0)
    same(found.b, 9.0)


def test_an_argument_that_f_does_not_use_has_zeros():
    by_a, by_b = grad(lambda a, b: a.sum(), (0, 1))(POINT, MATRIX)
    same(by_a, np.ones(3))
    same(by_b, np.zeros((2, 3)))
    assert by_b.dtype == np.float64
    same(grad(lambda x: Tensor(3.0))(POINT), np.zeros(3))
    same(grad(lambda x: 3.0)(POINT), np.zeros(3))
    same(grad(grad(lambda x: x.sum()))(2.0), 0.0)


def test_aux():
    def f(x):
        y = x * x
        return y.sum(), {"square": y, "words": "kept"}

    found, aux = grad(f, has_aux=True)(POINT)
    same(found, 2 * POINT)
    same(aux["square"], POINT**2)
    assert not aux["square"].requires_grad
    assert aux["words"] == "kept"
    (value, aux), found = value_and_grad(f, has_aux=True)(POINT)
    same(value, (POINT**2).sum())
    same(found, 2 * POINT)


def test_aux_of_every_derivative():
    f = lambda x: (x**3, {"half": x / 2, "words": "kept"})  # noqa: E731
    total = lambda x: ((x**3).sum(), x / 2)  # noqa: E731
    y, pullback, aux = vjp(f, POINT, has_aux=True)
    same(y, POINT**3)
    same(pullback(POINT)[0], 3 * POINT**3)
    _, dy, also = jvp(f, (POINT,), (POINT,), has_aux=True)
    same(dy, 3 * POINT**3)
    for vectorize in (False, True):
        slopes, more = jacobian(f, has_aux=True, vectorize=vectorize)(POINT)
        same(slopes, np.diag(3 * POINT**2))
        curvature, half = hessian(total, has_aux=True, vectorize=vectorize)(POINT)
        same(curvature, np.diag(6 * POINT))
        for found in (aux["half"], also["half"], more["half"], half):
            same(found, POINT / 2)
            assert not found.requires_grad
    with pytest.raises(TypeError, match=r"must give \(value, aux\), it gave a Tensor"):
        vjp(cube, POINT, has_aux=True)


@pytest.mark.parametrize("f", [lambda x: (x > 0).sum(), lambda x: x.argmax(), lambda x: (x > 0).all(), lambda x: 3])
def test_what_changes_by_steps_has_no_derivative(f):
    for derivative in (grad(f), value_and_grad(f), jacobian(f), jacobian(f, vectorize=True)):
        with pytest.raises(TypeError, match=r"gave (int64|bool), which has no derivative.* pass has_aux=True"):
            derivative(POINT)


def test_an_array_of_another_library_is_told_how_it_comes_in():
    class Array:
        def __dlpack__(self):
            raise AssertionError

    with pytest.raises(TypeError, match=r"is a .*test_functional.Array; .* write autograd.from_dlpack\(x\)"):
        grad(cube)(Array())


def test_a_copy_inside_f_is_refused_where_it_would_cut_the_graph():
    with pytest.raises(GradientError, match=r"Tensor\(x\) would leave the graph unseen"):
        grad(lambda x: (Tensor(x) * x).sum())(POINT)
    assert not Tensor(Tensor(POINT, requires_grad=True)).requires_grad
    with ag.no_grad():
        Tensor(Tensor(POINT, requires_grad=True) * 2.0)


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: vjp(lambda x: x**3, x)[1](w)[0],
        lambda x, w: jvp(lambda x: x**3, (x,), (w,))[1],
        lambda x, w: ag.hvp(lambda x: (x**3).sum(), x, w),
        lambda x, w: vjp(lambda x: (x**3).sum(), x)[1](2.0)[0],
    ],
)
def test_weights_in_a_compiled_function_are_arrays_as_they_are_at_each_call(f):
    weight, x = POINT.copy(), Tensor(POINT)
    compiled = ag.compile(lambda x: f(x, weight))
    for _ in range(2):
        same(compiled(x), f(x, weight).numpy())
        weight *= 3.0


def test_argnums_of_numpy():
    same(grad(lambda a, b: (a * b).sum(), np.int64(1))(POINT, POINT), POINT)
    assert len(grad(lambda a, b: (a * b).sum(), range(2))(POINT, POINT)) == 2


def test_f_may_change_what_it_was_given():
    def f(x):
        x += 1.0
        x[0] = x[0] * 10.0
        return (x * x).sum()

    array, tensor = POINT.copy(), Tensor(POINT)
    expected = 2 * (POINT + 1) * [100.0, 1.0, 1.0]
    same(grad(f)(array), expected)
    same(grad(f)(tensor), expected)
    np.testing.assert_array_equal(array, POINT)
    same(tensor, POINT)


def test_nothing_is_added_to_any_grad():
    x, w = Tensor(POINT, requires_grad=True), Tensor(2.0, requires_grad=True)
    grad(lambda x: cube(x) * w)(x)
    hessian(cube)(x)
    assert x.grad is None
    assert w.grad is None


def test_names():
    assert grad(cube).__name__ == "gradient_of_cube"
    assert "gradient of cube" in grad(cube).__doc__


# ---- when a result has a graph --------------------------------------------------------------------------------------


def test_plain_arguments_give_plain_results():
    value, found = value_and_grad(cube)(POINT)
    assert not value.requires_grad
    assert not found.requires_grad
    y, pullback = vjp(lambda x: x * x, POINT)
    assert not y.requires_grad
    assert not pullback(POINT)[0].requires_grad
    assert not jvp(lambda x: x * x, (POINT,), (POINT,))[1].requires_grad
    assert not jacobian(lambda x: x * x)(POINT).requires_grad


def test_an_argument_with_a_history_is_led_on_to():
    x = Tensor(POINT, requires_grad=True)
    value, found = value_and_grad(cube)(x * 2.0)
    same(found, 3 * (2 * POINT) ** 2)
    found.sum().backward(retain_graph=True)
    same(x.grad, 24 * POINT)
    x.grad = None
    value.backward()
    same(x.grad, 3 * 8 * POINT**2)


def test_a_parameter_that_f_closes_over_is_led_on_to():
    w = Tensor(2.0, dtype="float64", requires_grad=True)
    found = grad(lambda x: cube(x * w))(POINT)
    same(found, 3 * 8 * POINT**2)
    found.sum().backward()
    same(w.grad, (3 * 3 * 4 * POINT**2).sum())


def test_a_parameter_that_the_gradient_does_not_depend_on_gives_no_graph():
    w = Tensor(2.0, dtype="float64", requires_grad=True)
    value, found = value_and_grad(lambda x: x.sum() + w)(POINT)
    assert not found.requires_grad
    value.backward()
    same(w.grad, 1.0)


def test_under_no_grad_the_gradient_is_there_and_its_graph_is_not():
    w = Tensor(2.0, dtype="float64", requires_grad=True)
    x = Tensor(POINT, requires_grad=True)
    with ag.no_grad():
        value, found = value_and_grad(lambda x: cube(x) * w)(x)
        y, pullback = vjp(lambda x: x * w, x)
        (pulled,) = pullback(x)
        matrix = jacobian(lambda x: x * w)(x)
        _, moved = jvp(lambda x: x * w, (x,), (x,))
    same(found, 6 * POINT**2)
    same(pulled, 2 * POINT)
    same(moved, 2 * POINT)
    same(matrix, 2 * np.eye(3))
    for t in (value, found, y, pulled, matrix, moved):
        assert not t.requires_grad


def test_a_function_that_switches_recording_off_inside():
    def f(x):
        with ag.no_grad():
            constant = x * x
        return (x * constant).sum()

    same(grad(f)(POINT), POINT**2)


def test_first_order_takes_the_rules_on_arrays(monkeypatch):
    # Without an outer derivative nothing is recorded on the way back.
    from autograd import engine

    asked = []
    original = engine._walk
    monkeypatch.setattr(engine, "_walk", lambda *args: asked.append(args[-1]) or original(*args))
    grad(cube)(POINT)
    assert asked == [False]
    w = Tensor(1.0, requires_grad=True)
    grad(lambda x: cube(x) * w)(POINT)
    assert asked == [False, True]


def test_inner_derivatives_do_not_walk_the_outer_graph(monkeypatch):
    # With a long history behind w a step of an inner loop costs no more than with a short one.
    from autograd import engine, leading

    start = w = Tensor(1.0, dtype="float64", requires_grad=True)
    for _ in range(100):
        w = w * 1.0
    seen = []
    original = leading.oldest_first
    monkeypatch.setattr(leading, "oldest_first", lambda *a: seen.append(original(*a)) or seen[-1])
    found = grad(lambda x: cube(x) * w)(POINT)
    assert len(seen[0]) < 10
    same(found, 3 * POINT**2)
    engine.gradients(found.sum(), [start])
    assert len(seen[1]) > 100


def test_derivatives_of_two_variables_are_not_confused():
    # d/dx (x d/dy (x + y)) is 1, not 2: the classic of perturbation confusion.
    same(grad(lambda x: x * grad(lambda y: x + y)(1.0))(1.0), 1.0)
    inner = lambda x: grad(lambda y: x * y * y)(3.0)  # noqa: E731
    same(grad(lambda x: inner(x) * x)(2.0), 2 * 2 * 2.0 * 3.0)


def test_descent_through_a_step_of_descent():
    def inner(w, rate):
        return w - rate * grad(lambda w: (w**4).sum())(w)

    same(grad(lambda rate: inner(Tensor(2.0), rate) ** 2)(0.01), 2 * (2 - 0.32) * -32.0, rtol=1e-5)


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_a_value_with_axes_has_no_gradient():
    def square(x):
        return x * x

    with pytest.raises(GradientError, match=r"square must give a scalar .* shape \(3,\): .* or use jacobian or vjp"):
        grad(square)(POINT)


@pytest.mark.parametrize(
    ("argument", "said"),
    [
        (3, "argument 0 of cube is int; only real floating point has derivatives: write 3.0"),
        (np.arange(3), "argument 0 of cube is of int64"),
        (True, "argument 0 of cube is bool"),
        (1j, "argument 0 of cube is complex"),
        ("three", "argument 0 of cube is a str; only a Tensor, an array or a float"),
        (Weights(1.0, 2.0), "is a Weights; .* or put @autograd.tree.register above class Weights"),
        ({"w": [1.0, 2]}, r"argument 0 at \['w'\]\[1\] of cube is int"),
    ],
)
def test_only_floating_point_has_derivatives(argument, said):
    with pytest.raises(TypeError, match=said):
        grad(cube)(argument)


def test_the_argument_that_is_named_is_the_one_that_is_wrong():
    def f(a, b, c):
        return a

    with pytest.raises(TypeError, match="argument 2 of f is int"):
        grad(f, (0, -1))(1.0, 2, 3)


@pytest.mark.parametrize("f", [math.sin, lambda x: x.item() ** 2, lambda x: np.array(x.tolist()), float])
def test_a_number_that_left_the_graph_is_no_constant(f):
    with pytest.raises(GradientError, match=r"gave a (float|ndarray) after it had read a Tensor as a number"):
        grad(f)(2.0)


def test_numbers_may_be_read_beside():
    same(grad(lambda x: (print(float(x)), x * x)[1])(3.0), 6.0)
    assert value_and_grad(lambda x: (x * x, float(x)), has_aux=True)(3.0)[0][1] == 3.0
    same(grad(lambda x: 2 * x if x > 0 else 0.0)(-1.0), 0.0)  # a branch that is constant
    same(grad(lambda x: 3.0)(1.0), 0.0)


def test_an_argument_that_is_not_there():
    with pytest.raises(ValueError, match="differentiated by argument 1, but was called with 1 positional"):
        grad(cube, 1)(POINT)


@pytest.mark.parametrize("argnums", [(0, 0), (0, -1)])
def test_an_argument_that_is_named_twice(argnums):
    with pytest.raises(ValueError, match=r"argnums \(0, (0|-1)\) names an argument of cube twice"):
        grad(cube, argnums)(POINT)


@pytest.mark.parametrize("bad", [[1.0], "text", None])
def test_a_value_that_is_no_tensor(bad):
    with pytest.raises(TypeError, match="must give a Tensor to be differentiated"):
        grad(lambda x: bad)(POINT)


def test_a_pair_without_has_aux():
    with pytest.raises(TypeError, match="it gave a tuple; pass has_aux=True"):
        grad(lambda x: (x.sum(), x))(POINT)
    with pytest.raises(TypeError, match=r"must give \(value, aux\), it gave a Tensor"):
        grad(cube, has_aux=True)(POINT)


def test_a_failure_in_f_leaves_the_modes_alone():
    with ag.no_grad():
        with pytest.raises(ZeroDivisionError):
            grad(lambda x: 1 / 0)(POINT)
        assert not ag.is_recording()
