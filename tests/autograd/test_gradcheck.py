"""The checker is checked: it passes what is right and catches what is wrong, and says which, where and by how much."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograd import Tensor
from autograd.fused import fused
from autograd.gradcheck import gradcheck, gradgradcheck
from autograd.primitive import elementwise, primitive

POINT = np.array([0.5, -1.5, 2.0])


def cube_with(rule):
    """x^3 as a primitive with a rule to be judged."""

    @elementwise
    def checked_cube(xp, x):
        return x * x * x

    if rule is not None:
        checked_cube.vjp(rule)
    return checked_cube


# ---- what is right passes -------------------------------------------------------------------------------------------


def test_a_right_rule_passes_and_shows_its_numbers(names_come_back):
    cube = cube_with(lambda g, x: g * 3.0 * x * x)
    for check in (gradcheck, gradgradcheck):
        verdict = check(cube, POINT)
        assert verdict
        assert verdict.ok
        assert all(finding.error < 1e-6 for finding in verdict.findings)
        assert str(verdict).startswith(f"{check.__name__}: right\n  right  input 0 of shape (3,): rules ")


@given(st.integers(0, 2**32))
def test_ordinary_functions_pass_with_any_seed(seed):
    def f(p, x):
        return ((x @ p["w"] + p["b"]).exp() / (1.0 + x.sum())).log()

    p = {"w": np.linspace(-1, 1, 6).reshape(3, 2), "b": 0.25}
    for check in (gradcheck, gradgradcheck):
        verdict = check(f, p, np.array([[1.0, 2.0, 3.0]]), seed=seed)
        assert verdict, str(verdict)
    assert [finding.name for finding in verdict.findings[:3]] == ["input 0['w']", "input 0['b']", "input 1"]


def test_several_values_integers_and_large_values():
    def f(x, n, word):
        assert (n.dtype, word) == (np.int64, "word")
        return {"a": x * 1e6, "b": [x.sum()], "whole": (x > 0)}

    assert gradcheck(f, Tensor(POINT), np.arange(3), "word")
    assert gradcheck(lambda x: x + 1e9, POINT)  # what rounding 1e9 costs is no error of the rule
    assert gradcheck(lambda x: x * x, 0.0)


def test_f_may_write_into_what_it_gets():
    def f(x):
        x += 1.0
        x[0] = x[1] * x[2]
        return x * x

    x = POINT.copy()
    assert gradcheck(f, x)
    assert gradgradcheck(f, x)
    np.testing.assert_array_equal(x, POINT)


# ---- what is wrong is caught ----------------------------------------------------------------------------------------

WRONG = {
    "one per cent too much": lambda g, x: g * 3.03 * x * x,
    "one per cent too little": lambda g, x: g * 2.97 * x * x,
    "the wrong sign": lambda g, x: -g * 3.0 * x * x,
    "zero": lambda g, x: g * 0.0,
    "not a number": lambda g, x: g * float("nan"),
    "g forgotten": lambda g, x: 3.0 * x * x + 0.0 * g,
    "another function": lambda g, x: g * 3.0 * x,
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("seed", range(5))
def test_a_wrong_rule_is_caught(name, seed, names_come_back):
    verdict = gradcheck(cube_with(WRONG[name]), POINT, seed=seed)
    assert not verdict
    assert "gradcheck: WRONG" in str(verdict)
    assert "WRONG  input 0 of shape (3,)" in str(verdict)


@pytest.mark.parametrize("seed", range(20))
def test_one_per_cent_in_one_element_of_many_is_caught(seed, names_come_back):
    off = np.ones(400)
    off[123] = 1.01
    verdict = gradcheck(cube_with(lambda g, x: g * 3.0 * x * x * off), np.linspace(0.5, 2.0, 400), seed=seed)
    assert not verdict


def test_a_missing_rule_is_caught(names_come_back):
    verdict = gradcheck(cube_with(None), POINT)
    assert not verdict
    assert verdict.findings[0].analytic == 0.0


def test_only_the_wrong_input_is_blamed(names_come_back):
    @primitive
    def checked_product(xp, x, y):
        return x * y

    checked_product.vjp(x=lambda g, y: g * y, y=lambda g, x: g * x * 1.01)
    verdict = gradcheck(checked_product, POINT, POINT + 1)
    assert [finding.ok for finding in verdict.findings] == [True, False]
    assert "right  input 0" in str(verdict)
    assert "WRONG  input 1" in str(verdict)


def test_the_worst_elements_are_named(names_come_back):
    off = np.ones((2, 3))
    off[1, 2] = 1.5
    cube = cube_with(lambda g, x: g * 3.0 * x * x * off)
    x = np.arange(1.0, 7.0).reshape(2, 3)
    (finding,) = gradcheck(cube, x).findings
    worst = finding.worst[0]
    assert worst.index == (1, 2)
    assert worst.analytic / worst.numeric == pytest.approx(1.5)
    assert finding.searched == 6
    text = str(finding)
    assert "the worst of 6 elements that were looked at:" in text
    assert text.splitlines()[2].strip().startswith("[1, 2]: rules ")
    number = gradcheck(another_cube(), 2.0)
    assert "the number: rules" in str(number)


def another_cube():
    @elementwise
    def other_cube(xp, x):
        return x * x * x

    other_cube.vjp(lambda g, x: g * x * x)
    return other_cube


def test_a_wrong_second_derivative_is_caught(names_come_back):
    # The first derivative is right, but its rule goes round the graph.
    cube = cube_with(lambda g, x: g * 3.0 * getattr(x, "data", x) * x if isinstance(x, Tensor) else g * 3.0 * x * x)
    assert gradcheck(cube, POINT)
    verdict = gradgradcheck(cube, POINT)
    assert not verdict
    assert "gradgradcheck: WRONG" in str(verdict)


def test_a_kernel_that_differs_from_its_definition_is_caught(names_come_back):
    @fused
    def checked_square(x):
        return x * x

    checked_square.kernel(lambda xp, x: (x * x, x), lambda xp, g, needs, inputs, residuals: (g * 2.02 * residuals,))
    assert not gradcheck(checked_square, POINT)
    assert not gradgradcheck(checked_square, POINT)


def test_a_function_that_is_not_deterministic_is_caught():
    draws = iter(range(100))
    verdict = gradcheck(lambda x: x * float(next(draws)), POINT)
    assert not verdict
    assert str(verdict) == (
        "gradcheck: WRONG\n  f is not deterministic: two calls with the same inputs gave different values."
    )


# ---- what is refused ------------------------------------------------------------------------------------------------


def test_lower_precision_is_refused():
    with pytest.raises(TypeError, match=r"input 1\['w'\] is of float32; differences need float64"):
        gradcheck(lambda x, p: x * p["w"], POINT, {"w": POINT.astype("float32")})


def test_nothing_to_check():
    with pytest.raises(ValueError, match="no input is a float64"):
        gradcheck(lambda n: n, 3)
    with pytest.raises(ValueError, match="f gives nothing of floating point"):
        gradcheck(lambda x: x > 0, POINT)


def test_errors_of_f_come_through():
    with pytest.raises(ZeroDivisionError):
        gradcheck(lambda x: 1 / 0, POINT)
