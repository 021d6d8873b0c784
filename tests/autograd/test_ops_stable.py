"""Corners of exponentials: huge numbers, missing entries (-inf), tails."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
import nn.functional as F
from autograd import Tensor

inf = math.inf


def leaf(*values: float, dtype: str = "float64") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


@given(st.floats(-1e4, 1e4), st.sampled_from(["float32", "float64"]))
def test_a_shift_of_all_entries_changes_no_softmax(shift: float, dtype: str) -> None:
    x = np.array([0.0, 1.0, 3.0], dtype)
    moved = (x.astype("float64") + round(shift)).astype(dtype)
    np.testing.assert_allclose(ag.softmax(moved), ag.softmax(x), rtol=1e-5)
    np.testing.assert_allclose(ag.log_softmax(moved), ag.log_softmax(x), rtol=1e-5)
    np.testing.assert_allclose(ag.logsumexp(moved) - round(shift), ag.logsumexp(x), atol=3e-3)


def test_an_entry_of_minus_infinity_is_not_there() -> None:
    x = leaf(1.0, -inf, 2.0)
    small = leaf(1.0, 2.0)
    for f in (ag.logsumexp, lambda x: ag.softmax(x)[0], lambda x: ag.log_softmax(x)[0]):
        (g,) = ag.gradients(f(x), [x], create_graph=True)
        (wanted,) = ag.gradients(f(small), [small])
        assert f(x).item() == pytest.approx(f(small).item())
        assert g.tolist() == pytest.approx([wanted.tolist()[0], 0.0, wanted.tolist()[1]])
        (h,) = ag.gradients((g * np.array([1.0, 0.0, -1.0])).sum(), [x])
        assert np.isfinite(h.data).all()


def test_a_row_without_entries_weighs_nothing() -> None:
    x = leaf(-inf, -inf)
    out = ag.logsumexp(x)
    assert out.item() == -inf
    assert ag.gradients(out, [x])[0].tolist() == [0, 0]
    assert ag.softmax(x).tolist() == [0, 0]
    assert ag.log_softmax(x).tolist() == [-inf, -inf]
    assert ag.gradients(ag.softmax(x)[0], [x])[0].tolist() == [0, 0]
    assert ag.logsumexp(np.zeros((2, 0)), axis=1).tolist() == [-inf, -inf]


def test_logaddexp_of_nothing_is_nothing() -> None:
    a, b = leaf(-inf, 0.0, -inf, 1000.0), leaf(-inf, -inf, 3.0, 0.0)
    out = ag.logaddexp(a, b)
    ga, gb = ag.gradients(out.sum(), [a, b])
    assert out.tolist() == [-inf, 0.0, 3.0, 1000.0]
    assert ga.tolist() == [0, 1, 0, 1]
    assert gb.tolist() == [0, 0, 1, 0]


def test_logaddexp_goes_with_an_infinite_one_and_two_are_undecided() -> None:
    a, b = leaf(inf, 1.0, inf, -inf, inf), leaf(1.0, inf, -inf, inf, inf)
    out = ag.logaddexp(a, b)
    with np.errstate(invalid="ignore"):
        ga, gb = ag.gradients(out.sum(), [a, b])
    assert out.tolist() == [inf] * 5
    assert ga.tolist()[:4] == [1, 0, 1, 0]
    assert gb.tolist()[:4] == [0, 1, 0, 1]
    assert np.isnan([ga.data[4], gb.data[4]]).all()


@pytest.mark.parametrize("x", [np.array([0, 200], "uint8"), np.array([-128, 127], "int8"), np.array([False, True])])
def test_sigmoid_and_softplus_of_whole_numbers(x: Any) -> None:
    wide = x.astype("float64")
    np.testing.assert_array_equal(ag.sigmoid(x), ag.sigmoid(wide))
    np.testing.assert_array_equal(ag.softplus(x), ag.softplus(wide))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sigmoid_and_softplus_are_exact_in_both_tails(dtype: str) -> None:
    x = leaf(-1000.0, -80.0, -20.0, 0.0, 20.0, 80.0, 1000.0, dtype=dtype)
    tail = math.exp(-20.0), math.exp(-80.0)
    wanted = [0.0, tail[1], tail[0] / (1 + tail[0]), 0.5, 1 / (1 + tail[0]), 1.0, 1.0]
    rtol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(ag.sigmoid(x).data, wanted, rtol=rtol)
    np.testing.assert_allclose(
        ag.softplus(x).data, [0.0, tail[1], math.log1p(tail[0]), math.log(2), 20 + tail[0], 80, 1000], rtol=rtol
    )
    (g,) = ag.gradients(ag.softplus(x).sum(), [x])
    np.testing.assert_allclose(g.data, wanted, rtol=rtol)


@pytest.mark.parametrize(("dtype", "eps"), [("float16", 2.0**-11), ("bfloat16", 2.0**-8)])
@pytest.mark.parametrize("function", [ag.sigmoid, ag.softplus, F.silu, F.logsigmoid])
def test_those_of_16_bits_keep_their_dtype_and_are_rounded_once(function: Any, dtype: str, eps: float) -> None:
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype) if dtype == "bfloat16" else dtype)
    x = Tensor(np.linspace(-9, 9, 400).astype(kind), requires_grad=True)
    wide = Tensor(x.data.astype("float64"), requires_grad=True)
    wanted = function(wide)
    for run in (function, ag.compile(function)):
        out = run(x)
        assert out.dtype == kind
        roundings = 2 if function is F.silu else 1  # its gate is rounded too
        np.testing.assert_allclose(out.data.astype("float64"), wanted.data, rtol=roundings * 1.01 * eps, atol=1e-7)
    (g,), (true,) = ag.gradients(function(x).sum(), [x]), ag.gradients(wanted.sum(), [wide])
    assert g.dtype == kind
    np.testing.assert_allclose(g.data.astype("float64"), true.data, atol=4 * eps)
