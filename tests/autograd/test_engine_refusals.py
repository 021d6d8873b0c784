"""Backward refuses in clear words what has no gradient, and what would give a wrong one."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.engine import gradients
from autograd.errors import GradientError, ShapeError

from .leaves import leaf, same


def test_a_second_backward_says_how():
    x = leaf(2.0)
    y = x * x
    y.backward()
    with pytest.raises(GradientError, match=r"behind this multiply was used .* retain_graph=True"):
        y.backward()


def test_retain_graph_allows_a_second_backward():
    x = leaf(2.0)
    y = x * x
    y.backward(retain_graph=True)
    y.backward()
    same(x.grad, 8.0)


def test_a_part_that_keeps_nothing_can_be_used_twice_only_with_retain_graph():
    x = leaf(2.0)
    y = x + 1.0
    y.backward()
    with pytest.raises(GradientError, match="behind this add"):
        y.backward()


def test_several_tensors_may_come_one_by_one():
    x = leaf(2.0)
    ag.backward(y for y in (x * x, x * 3.0))
    same(x.grad, 7.0)
    same(gradients((y for y in (x * x, x * 3.0)), (x for _ in range(1)))[0], 7.0)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda y: ag.backward([y, y], [1.0]), ValueError, "2 Tensors need as many gradients to begin with, got 1"),
        (lambda y: ag.backward([y, y], 1.0), ValueError, "2 Tensors need as many gradients to begin with, got 1"),
        (lambda y: ag.backward(None), TypeError, "wanted is a Tensor, or several of them in a list, got a NoneType"),
        (lambda y: ag.backward([3.0]), TypeError, "wanted is a Tensor, or several of them in a list, got a float"),
        (lambda y: ag.backward({"loss": y}), TypeError, "wanted is a Tensor, or several of them in a list, got a str"),
        (lambda y: gradients(y, [None]), TypeError, "wanted is a Tensor, or several of them in a list, got a NoneType"),
        (lambda y: gradients(y, {"w": y}), TypeError, "wanted is a Tensor, or several of them in a list, got a str"),
    ],
)
def test_what_is_no_tensor_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call(leaf(2.0) * 2.0)


def test_a_result_with_axes_needs_a_gradient_to_begin_with():
    x = leaf([1.0, 2.0])
    with pytest.raises(GradientError, match=r"shape \(2,\) needs the gradient .* \.sum\(\) or \.mean\(\)"):
        (x * x).backward()
    (x * x).backward(np.array([1.0, 10.0]))
    same(x.grad, [2.0, 40.0])
    (leaf([[2.0]]) * 2.0).backward()  # one element needs none


def test_the_gradient_must_have_the_shape_of_the_result():
    x = leaf([1.0, 2.0])
    with pytest.raises(ShapeError, match=r"gradient has shape \(3,\), the Tensor has shape \(2,\)"):
        (x * x).backward(np.ones(3))
    with pytest.raises(ShapeError, match=r"shape \(\)"):
        (x * x).backward(1.0)


def test_a_complex_gradient_to_begin_with_is_refused():
    with pytest.raises(TypeError, match="complex128"):
        (leaf([1.0, 2.0]) * 2.0).backward(np.array([1.0j, 1.0]))


def test_what_a_gradient_cannot_be_added_to_is_refused_before_any_is_added():
    for wrong, error in ((Tensor([1.0]), ShapeError), (Tensor([[1.0], [1.0]]), ShapeError), (np.ones(2), TypeError)):
        x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
        x.grad, y.grad = Tensor([1.0, 1.0]), wrong
        with pytest.raises(error, match=r"assign .*Tensor"):
            (x * y).sum().backward()
        same(x.grad, [1.0, 1.0])
        assert y.grad is wrong


def test_nothing_to_differentiate():
    with pytest.raises(GradientError, match=r"requires no gradient .* no_grad\(\)"):
        Tensor([1.0]).sum().backward()
    with ag.no_grad():
        y = leaf(1.0) * 2.0
    with pytest.raises(GradientError, match="requires no gradient"):
        y.backward()


@pytest.mark.parametrize("values", [[1, 2], [True, False]])
def test_integers_and_bools_carry_no_gradient(values):
    with pytest.raises(GradientError, match=r"asked of a Tensor of (int64|bool); only real floating point"):
        Tensor(values, requires_grad=True)
    assert not (leaf([1.0, 2.0]) > 1.0).requires_grad
    assert not leaf([1.0, 2.0]).astype("int64").requires_grad


def test_complex_numbers_carry_no_gradient():
    with pytest.raises(GradientError, match="asked of a Tensor of complex128"):
        Tensor([1j], requires_grad=True)
    x = leaf([1.0])
    with pytest.raises(GradientError, match=r"multiply gave complex128 .* detach"):
        x * 1j
    assert (x.detach() * 1j).dtype == np.complex128


def test_a_rule_of_the_wrong_shape_is_named():
    from autograd.primitive import primitive, primitives

    @primitive
    def crooked(xp, x):
        return xp.sum(x)

    crooked.vjp(lambda g: g)
    try:
        y = crooked(leaf([1.0, 2.0]))
        with pytest.raises(ShapeError, match=r"rule of crooked gave a gradient of shape \(\) for .* \(2,\)"):
            y.backward()
    finally:
        del primitives["crooked"]


def test_arrays_of_two_devices_do_not_meet():
    on_guard = Tensor([1.0, 2.0], device="guard", requires_grad=True)
    with pytest.raises(ag.errors.DeviceError, match=r'multiply got arrays on "guard(:0)?" and "cpu"'):
        on_guard * Tensor([1.0, 2.0])
    y = on_guard * 2.0
    with pytest.raises(ag.errors.DeviceError, match="another device"):
        y.backward(np.ones(2, dtype="float32"))
    y.backward(Tensor([1.0, 1.0], device="guard"))
    assert on_guard.grad.device == on_guard.device
    assert on_guard.grad.tolist() == [2.0, 2.0]


def test_the_unused_one_of_several_inputs_is_named():
    a, b = Tensor([1.0, 2.0], requires_grad=True), Tensor([3.0], requires_grad=True)
    with pytest.raises(GradientError, match="do not depend on input 1"):
        gradients((a * 2.0).sum(), [a, b])


def test_a_kept_gradient_of_another_shape_is_not_added_to():
    x = leaf([1.0, 2.0])
    y = x * 2.0
    y.retain_grad()
    y.grad = Tensor(np.ones((3, 2), "float32"))
    with pytest.raises(ShapeError, match=r"a Tensor of shape \(2,\) has a gradient of shape \(3, 2\)"):
        y.sum().backward()
    assert x.grad is None
