"""Corners of elementwise operations that random numbers do not meet: ties, zeros, limits, infinities, dtypes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor


def leaf(*values: float, dtype: str = "float64") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def orders(f: Any, x: Tensor, count: int) -> list[list[float]]:
    """The first so many derivatives of an elementwise function."""
    found = []
    y = f(x)
    for _ in range(count):
        g = ag.gradients(y.sum(), [x], create_graph=True, allow_unused=True)[0] if y.requires_grad else None
        y = Tensor(np.zeros(x.shape)) if g is None else g
        found.append(y.tolist())
    return found


# Powers


def test_powers_by_a_whole_number_have_all_their_derivatives_at_zero_and_below() -> None:
    assert orders(lambda x: x**2, leaf(0.0, -2.0), 3) == [[0, -4], [2, 2], [0, 0]]
    assert orders(lambda x: x**3, leaf(0.0, -2.0), 4) == [[0, 12], [0, -12], [6, 6], [0, 0]]
    assert orders(lambda x: x**0, leaf(0.0, -2.0), 2) == [[0, 0], [0, 0]]
    assert orders(lambda x: x**1, leaf(0.0, -2.0), 2) == [[1, 1], [0, 0]]
    assert orders(lambda x: x**-1, leaf(-2.0), 2) == [[-0.25], [-0.25]]


def test_a_power_by_an_array_has_the_same_derivatives_as_by_a_number() -> None:
    x = leaf(0.0, 0.0, 0.0, -2.0)
    assert orders(lambda x: x ** np.array([0.0, 1.0, 2.0, 3.0]), x, 3) == [[0, 1, 0, 12], [0, 0, 2, -12], [0, 0, 0, 6]]
    assert orders(lambda x: x ** np.array([0, 1, 2, 3]), x, 1) == [[0, 1, 0, 12]]
    x = leaf(0.0, 0.0, 2.0, -2.0, dtype="float32")
    assert orders(lambda x: x ** np.array([0, 1, 0, 3], "uint8"), x, 2) == [[0, 1, 0, 12], [0, 0, 0, -12]]


def test_no_nan_comes_to_the_exponent_from_bases_where_there_is_no_slope() -> None:
    base, exponent = leaf(0.0, 0.0, -2.0, 2.0), leaf(2.0, 0.0, 3.0, 3.0)
    (g,) = ag.gradients((base**exponent).sum(), [exponent])
    assert g.tolist() == pytest.approx([0, 0, 0, 8 * math.log(2)])
    (g,) = ag.gradients((2.0**exponent).sum(), [exponent])
    assert g.tolist() == pytest.approx([4 * math.log(2), math.log(2), 8 * math.log(2), 8 * math.log(2)])
    (g,) = ag.gradients((0.0 ** leaf(2.0)).sum(), [exponent], allow_unused=True)
    assert g is None
    below = leaf(-1.0, -0.5)
    for base in (0.0, leaf(0.0, 0.0)):
        with np.errstate(divide="ignore"):
            out = ag.pow(base, below)
        assert ag.gradients(out.sum(), [below])[0].tolist() == [0, 0]


def test_the_mixed_second_derivative_of_a_power_holds_at_exponent_zero() -> None:
    base, exponent = leaf(2.0), leaf(0.0)
    (g,) = ag.gradients((base**exponent).sum(), [base], create_graph=True)
    (mixed,) = ag.gradients(g.sum(), [exponent])
    assert mixed.tolist() == [0.5]  # the slope of y x^(y - 1) along y, at y = 0, is 1 / x


@pytest.mark.parametrize("exponent", [2, 3, 0.5, 2.0, -1, -0.5])
def test_the_short_cuts_of_power_keep_the_dtype(exponent: float) -> None:
    x = np.array([1.5, 2.5], np.float32)
    assert ag.pow(x, exponent).dtype == np.float32
    np.testing.assert_allclose(ag.pow(x, exponent), x**exponent, rtol=1e-6)
    if exponent != -1:  # which whole numbers refuse
        assert ag.pow(np.array([2, 3]), exponent).dtype == np.power(np.array([2, 3]), exponent).dtype
    corners = np.array([0.0, -0.0, np.inf, np.nan, -2.0], "float32")
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(ag.pow(corners, exponent), np.power(corners, np.float32(exponent)))


# Kinks: what PyTorch says there


def test_a_tie_is_split_evenly() -> None:
    for f in (ag.maximum, ag.minimum):
        a, b = leaf(1.0, 2.0), leaf(1.0, 2.0)
        ga, gb = ag.gradients(f(a, b).sum(), [a, b])
        assert ga.tolist() == gb.tolist() == [0.5, 0.5]


def test_nan_wins_a_maximum_and_gets_the_gradient() -> None:
    a = leaf(math.nan, 1.0)
    out = ag.maximum(a, 2.0)
    (g,) = ag.gradients(out.sum(), [a])
    assert math.isnan(out.tolist()[0])
    assert g.tolist() == [1.0, 0.0]


def test_abs_and_hypot_have_slope_zero_at_zero() -> None:
    assert orders(abs, leaf(0.0, -3.0), 2) == [[0, -1], [0, 0]]
    a, b = leaf(0.0, 3.0), leaf(0.0, 4.0)
    ga, gb = ag.gradients(ag.hypot(a, b).sum(), [a, b])
    assert ga.tolist() == [0.0, 0.6]
    assert gb.tolist() == [0.0, 0.8]


def test_the_limits_of_clip() -> None:
    x, low, high = leaf(-2.0, -1.0, 0.0, 1.0, 2.0), leaf(-1.0), leaf(1.0)
    out = ag.clip(x, low, high)
    found = ag.gradients(out.sum(), [x, low, high])
    assert out.tolist() == [-1, -1, 0, 1, 1]
    assert [g.tolist() for g in found] == [[0, 1, 1, 1, 0], [1], [1]]


def test_where_the_limits_of_clip_are_crossed_the_upper_one_wins() -> None:
    x, low, high = leaf(-3.0, 0.0, 3.0), leaf(1.0), leaf(-1.0)
    out = ag.clip(x, low, high)
    found = ag.gradients(out.sum(), [x, low, high])
    assert out.tolist() == [-1, -1, -1]
    assert [g.tolist() for g in found] == [[0, 0, 0], [0], [3]]


def test_clip_takes_its_limits_by_name() -> None:
    x = leaf(-2.0, 0.5, 2.0)
    (g,) = ag.gradients(ag.clip(x, max=1.0).sum(), [x])
    assert g.tolist() == [1, 1, 0]
    (g,) = ag.gradients(ag.clip(x, min=-1.0, max=1.0).sum(), [x])
    assert g.tolist() == [0, 1, 0]
    copy = ag.clip(x.data)
    assert not np.shares_memory(copy, x.data)


def test_no_nan_comes_back_from_the_road_not_taken() -> None:
    a, b = leaf(1.0, 2.0), leaf(3.0, 4.0)
    ga, gb = ag.gradients(ag.where(np.array([True, False]), a, b), [a, b], np.array([math.inf, math.nan]))
    assert ga.tolist() == [math.inf, 0.0]
    assert gb.tolist()[0] == 0.0


def test_remainder_has_the_slope_of_its_quotient_along_the_divisor() -> None:
    a, b = leaf(7.5, -7.5), leaf(2.0, 2.0)
    out = a % b
    ga, gb = ag.gradients(out.sum(), [a, b])
    assert out.tolist() == [1.5, 0.5]
    assert ga.tolist() == [1, 1]
    assert gb.tolist() == [-3, 4]


# Dtypes


def test_python_numbers_leave_float32_alone() -> None:
    x = leaf(1.0, 2.0, dtype="float32")
    for y in (x * 2.0, 2.0 - x, x / 3, 2.0**x, x**1.5, x % 0.7, ag.maximum(x, 0.5), ag.clip(x, 0.0, 1.5)):
        assert y.dtype == np.float32
    for y in (ag.where(x > 1, x, 0.0), ag.where(x > 1, 1.0, 0.0), ag.where(x > 1, 1, 0.0), ag.atan2(x, 2.0)):
        assert y.dtype == np.float32
    assert ag.where(x > 1, 1.0, False).dtype == np.float32
    assert ag.where(x > 1, 1, 0).dtype == np.int64


@given(st.sampled_from(["float16", "float32", "float64"]), st.integers(1, 4))
def test_gradients_keep_narrow_dtypes(dtype: str, size: int) -> None:
    x = leaf(*np.linspace(0.3, 0.9, size), dtype=dtype)
    for f in (ag.exp, ag.erf, ag.sigmoid, ag.softplus, ag.tan, ag.rsqrt, ag.log2, ag.asin):
        y = f(x)
        (g,) = ag.gradients(y.sum(), [x])
        assert y.dtype == g.dtype == dtype


def test_steps_start_no_graph() -> None:
    x = leaf(0.5, 1.5)
    for y in (x > 1, ag.floor(x), ag.sign(x), x // 1, ag.isnan(x), ag.nextafter(x, 2.0)):
        assert not y.requires_grad


@pytest.mark.parametrize("f", [ag.floor, ag.ceil, ag.trunc, ag.round])
@pytest.mark.parametrize("dtype", ["int8", "uint16", "int64"])
def test_whole_numbers_are_round(f: Any, dtype: str) -> None:
    x = np.array([0, np.iinfo(dtype).max], dtype)
    y = f(x)
    assert y.dtype == dtype
    assert y.tolist() == x.tolist()
    assert not np.shares_memory(x, y)


# The error function


def test_erf_is_exact_to_the_last_places() -> None:
    x = np.concatenate([np.linspace(-7, 7, 20001), np.geomspace(1e-300, 1, 1000), [-0.0, np.inf, -np.inf, 1.7e308]])
    true = np.vectorize(math.erf)(x)
    np.testing.assert_allclose(ag.erf(x), true, rtol=8e-16, atol=0)
    assert np.signbit(ag.erf(np.array([-0.0]))).all()
    narrow = np.linspace(-7, 7, 20001, dtype=np.float32)
    np.testing.assert_allclose(ag.erf(narrow), np.vectorize(math.erf)(narrow), rtol=3.5e-7, atol=0)
    far = np.array([5.0, 9.0, 1e4, 1e30, np.inf], dtype=np.float32)
    np.testing.assert_array_equal(ag.erf(far), 1.0)
    np.testing.assert_array_equal(ag.erf(-far), -1.0)
    assert np.isnan(ag.erf(np.array([np.nan]))).all()
    assert ag.erf(np.array([0, 1])).dtype == np.float64
    assert ag.erf(2) == pytest.approx(math.erf(2), rel=1e-15)
