"""A primitive of one's own: how it is declared, and what is said where it is declared wrongly."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import autograd as ag
import nn.functional as F
from autograd import Tensor, errors, gradients
from autograd.fused import fused, fused_functions
from autograd.primitive import primitive, primitives

pytestmark = pytest.mark.usefixtures("names_come_back")


def cubed():
    @primitive
    def own_cube(xp, x):
        return x**3

    own_cube.vjp(lambda g, x: 3.0 * g * x**2)
    return own_cube


def test_one_of_ones_own_has_gradients_of_every_order():
    cube, x = cubed(), Tensor([1.0, 2.0], requires_grad=True)
    (slope,) = gradients(cube(x).sum(), [x], create_graph=True)
    assert slope.tolist() == [3.0, 12.0]
    assert gradients(slope.sum(), [x])[0].tolist() == [6.0, 12.0]


def test_a_forward_that_forgets_xp_is_told():
    with pytest.raises(errors.RuleError, match=r"forward of double begins with 'x'; .*: def double\(xp, \.\.\.\)\."):

        @primitive
        def double(x):
            return x + x


@pytest.mark.parametrize(("given", "kind"), [((1.0, 2.0), "tuple"), (None, "NoneType"), ("one", "str")])
def test_a_forward_that_gives_no_array_is_told(given, kind):
    @primitive
    def own_parts(xp, x):
        return given

    with pytest.raises(TypeError, match=rf"forward of own_parts gave a {kind}; a primitive gives one array"):
        own_parts(Tensor([1.0, 2.0]))


def test_a_forward_may_give_a_number():
    @primitive
    def own_total(xp, x):
        return float(np.sum(x))

    assert own_total(Tensor([1.0, 2.0])).tolist() == 3.0


@pytest.mark.parametrize("make", [primitive, fused])
def test_a_name_that_is_taken_is_told_with_its_file(make):
    def own_name(xp, x):
        return x

    make(own_name)
    with pytest.raises(errors.RuleError, match=r"own_name already, in .*test_primitive: give this one another name\."):
        make(own_name)


@pytest.mark.parametrize("make", [primitive, fused])
def test_a_cell_of_a_notebook_may_run_twice(make):
    def own_cell(xp, x):
        return x

    own_cell.__module__ = "__main__"
    make(own_cell)
    second = make(own_cell)
    assert {**primitives, **fused_functions}["own_cell"] is second


def test_a_rule_that_is_declared_wrongly_is_told():
    cube = cubed()
    with pytest.raises(errors.RuleError, match="own_cube has a rule for 'x' already"):
        cube.vjp(lambda g: g)
    with pytest.raises(errors.RuleError, match="own_cube has no input 'y'; its inputs are x"):
        cube.vjp(y=lambda g: g)

    @primitive
    def own_other(xp, x):
        return x

    with pytest.raises(errors.RuleError, match="begins with 'grad'; the first parameter is g, the gradient"):
        own_other.vjp(lambda grad: grad)
    with pytest.raises(errors.RuleError, match="asks for y; there are: x, x_shape, out"):
        own_other.vjp(lambda g, y: g)


def test_operations_are_pickled_and_copied_by_name():
    for operation in (ag.exp, F.relu, primitives["reshape"], fused_functions["linear"], fused_functions["gelu"]):
        assert pickle.loads(pickle.dumps(operation)) is operation
        assert copy.deepcopy(operation) is operation
