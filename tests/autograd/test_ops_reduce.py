"""Corners of reductions: zeros in products, ties, equal elements, empty rows, and wrong calls."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor

from .leaves import leaf


def without(values: list[float], *places: int) -> float:
    """The product of all values but those at `places`; 0 when a place is named twice."""
    if len(set(places)) < len(places):
        return 0.0
    return math.prod(v for i, v in enumerate(values) if i not in places)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -3.0]), min_size=1, max_size=6))
def test_prod_is_right_at_zeros_to_the_third_order(values: list[float]) -> None:
    x = leaf(values)
    n = range(len(values))
    (g,) = ag.gradients(ag.prod(x), [x], create_graph=True)
    assert g.tolist() == [without(values, i) for i in n]
    for i in n:
        if len(values) < 2:
            break  # the product of one number is linear
        (h,) = ag.gradients(g[i], [x], create_graph=True, retain_graph=True)
        assert h.tolist() == [without(values, i, j) for j in n]
        for j in n:
            if not h.requires_grad or len(values) < 3:
                continue
            (t,) = ag.gradients(h[j], [x], retain_graph=True, allow_unused=True)
            assert (t.tolist() if t is not None else [0.0] * len(values)) == [without(values, i, j, k) for k in n]


@given(st.lists(st.sampled_from([0.0, 1.0, 2.0, -3.0]), min_size=1, max_size=6), st.integers(0, 5))
def test_cumprod_is_right_at_zeros(values: list[float], last: int) -> None:
    last %= len(values)
    x = leaf(values)
    (g,) = ag.gradients(ag.cumprod(x)[last], [x])
    assert g.tolist() == [without(values[: last + 1], i) if i <= last else 0.0 for i in range(len(values))]


def test_running_sums_and_products_with_a_start() -> None:
    x = leaf([2.0, 3.0, 4.0], "float32")
    sums, products = ag.cumulative_sum(x, include_initial=True), ag.cumulative_prod(x, include_initial=True)
    assert sums.tolist() == [0, 2, 5, 9]
    assert products.tolist() == [1, 2, 6, 24]
    assert sums.dtype == products.dtype == np.float32
    with pytest.raises(ValueError, match=r"cumulative_sum: x has shape \(2, 2\); say along which axis"):
        ag.cumulative_sum(np.ones((2, 2)))


@pytest.mark.parametrize("f", [ag.max, ag.min])
def test_ties_share_the_gradient_evenly(f: Any) -> None:
    x = leaf([[1.0, 1.0], [1.0, 1.0]])
    (g,) = ag.gradients(f(x), [x])
    assert g.tolist() == [[0.25, 0.25], [0.25, 0.25]]
    (g,) = ag.gradients(f(x, axis=1).sum(), [x])
    assert g.tolist() == [[0.5, 0.5], [0.5, 0.5]]


@pytest.mark.parametrize("f", [ag.max, ag.min])
def test_an_infinite_gradient_brings_no_nan_to_those_who_lost(f: Any) -> None:
    x = leaf([[1.0, 2.0, 2.0], [3.0, 3.0, 3.0]])
    (g,) = ag.gradients(f(x, axis=1), [x], np.array([math.inf, 3.0]))
    assert [v if v else 0 for v in g.tolist()[0]] == ([0, math.inf, math.inf] if f is ag.max else [math.inf, 0, 0])
    assert g.tolist()[1] == [1, 1, 1]


@pytest.mark.parametrize("f", [ag.std, ag.norm])
def test_no_spread_and_no_length_have_gradient_zero(f: Any) -> None:
    x = leaf([[0.0, 0.0, 0.0], [1.0, 2.0, 3.0]])
    (g,) = ag.gradients(f(x, axis=1).sum(), [x])
    assert g.tolist()[0] == [0, 0, 0]
    assert all(abs(v) > 0 for v, i in zip(g.tolist()[1], range(3), strict=True) if f is ag.norm or i != 1)


@pytest.mark.parametrize("scale", [1e-4, 6e2, 6e3])
@pytest.mark.parametrize("f", [ag.std, ag.norm, ag.linalg.vector_norm, lambda x: ag.linalg.vector_norm(x, ord=3)])
def test_sizes_of_float16_are_those_of_float64_rounded(f: Any, scale: float) -> None:
    x = np.float16(np.array([1.0, -2.0, 0.5, 3.0]) * scale)
    short, wide = (Tensor(x.astype(dtype), requires_grad=True) for dtype in ("float16", "float64"))
    for each in (short, wide):
        f(each).backward()
    assert f(short).dtype == short.grad.dtype == "float16"
    np.testing.assert_allclose(f(short).data, f(wide).data, rtol=1e-3)
    np.testing.assert_allclose(short.grad.data, wide.grad.data, rtol=3e-3)


def test_the_correction_of_var_may_be_a_fraction_and_may_leave_nothing() -> None:
    x = leaf([1.0, 2.0, 4.0])
    assert ag.var(x, correction=1).item() == pytest.approx(np.var(x.data, ddof=1))
    assert ag.std(x, correction=0.5).item() == pytest.approx(np.std(x.data, ddof=0.5))
    one = leaf([3.0])
    with pytest.warns(RuntimeWarning):
        out = ag.var(one, correction=1)
    (g,) = ag.gradients(out, [one])
    assert math.isnan(out.item())
    assert math.isnan(g.item())


@given(st.sampled_from([None, 0, 1, (0, 1)]), st.booleans())
def test_nothing_reduced_gives_an_empty_gradient(axis: Any, keepdims: bool) -> None:
    x = leaf(np.zeros((0, 3)))
    for f in (ag.sum, ag.prod, ag.norm):
        out = f(x, axis=axis, keepdims=keepdims)
        (g,) = ag.gradients(out, [x], np.ones(out.shape))
        assert g.shape == (0, 3)


def test_integers_and_bools_reduce_as_in_numpy() -> None:
    x = np.array([[1, 2], [3, 5]])
    assert ag.mean(x) == 2.75
    assert ag.sum(x > 1).dtype == np.int64
    for dtype in ("int8", "uint8", "int32", "bool"):
        short = np.array([100, 100, 100], dtype)
        found = ag.cumprod(short)
        assert found.dtype == np.cumprod(short).dtype
        assert found.tolist() == np.cumprod(short).tolist()
        assert ag.norm(short) == np.linalg.norm(short.astype("float64"))
    assert ag.count_nonzero(x > 1, axis=0, keepdims=True).tolist() == [[1, 2]]
    assert ag.all(Tensor(x) > 0).item() is True


@given(st.data())
def test_a_mean_of_means_is_a_mean(data: Any) -> None:
    shape = data.draw(st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)))
    x = leaf(np.random.default_rng(0).normal(size=shape))
    axes = data.draw(st.permutations(range(3)))
    y = x
    for axis in axes:
        y = ag.mean(y, axis=axis, keepdims=True)
    assert y.item() == pytest.approx(x.data.mean())
    (g,) = ag.gradients(y, [x], np.ones((1, 1, 1)))
    np.testing.assert_allclose(g.data, np.full(shape, 1 / x.size))


def test_axes_from_the_end_are_the_same_axes() -> None:
    x = leaf(np.random.default_rng(0).normal(size=(2, 3, 4)))
    for f, axes in itertools.product((ag.sum, ag.prod, ag.max, ag.var, ag.logsumexp), ([1, -2], [(0, 2), (-3, -1)])):
        a, b = (ag.gradients(f(x, axis=axis).sum(), [x])[0] for axis in axes)
        assert np.array_equal(a.data, b.data)


@pytest.mark.parametrize("width", [1, 2, 3, 10, 32, 33, 65, 128, 129])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_short_rows_and_few_columns_are_reduced_as_numpy_does(width, dtype):
    x = np.random.default_rng(0).normal(size=(4, 5000 // width + 16, width)).astype(dtype)
    x[0, :3, 0] = np.nan, np.inf, -np.inf
    for array in (x, x[:, ::2], x.T):
        for axis, keepdims in itertools.product((-1, 1, 0, (0, 1), (1, 2), (1, 0), (0, 2), None), (False, True)):
            for name in ("sum", "mean", "max", "min"):
                found = getattr(ag, name)(array, axis=axis, keepdims=keepdims)
                wanted = getattr(np, name)(array.astype("float64"), axis=axis, keepdims=keepdims)
                assert found.dtype == dtype
                assert found.shape == wanted.shape
                rtol = 0 if name in ("max", "min") else 1e-12 if dtype == "float64" else 1e-5
                np.testing.assert_allclose(found, wanted, rtol=rtol, atol=10 * rtol)


def test_sums_of_many_rows_are_exact():
    x = np.random.default_rng(0).random((100_000, 3), dtype="float32")
    np.testing.assert_allclose(ag.sum(x, axis=0), x.sum(axis=0, dtype="float64"), rtol=2e-7)


def test_softmax_of_short_rows_is_that_of_long_ones():
    x = np.random.default_rng(0).normal(size=(1000, 5))
    for function in (ag.softmax, ag.log_softmax, ag.logsumexp):
        few = [function(row, axis=-1) for row in x[:20]]
        np.testing.assert_allclose(function(x, axis=-1)[:20], few, rtol=1e-13)


@pytest.mark.parametrize(("dtype", "length"), [("float32", 1_000_000), ("float16", 5_000), ("bfloat16", 1_000)])
def test_running_sums_lose_nothing_on_the_way(dtype, length):
    """As PyTorch's; one after the other in their own precision, they stop growing, float16 at 2048."""
    kind = np.dtype(getattr(pytest.importorskip("ml_dtypes"), dtype) if dtype == "bfloat16" else dtype)
    x = Tensor(np.full(length, 0.7).astype(kind))
    wanted = np.arange(1, length + 1) * float(x.data[0])
    for sums in (ag.cumsum(x), ag.compile(ag.cumsum)(x), ag.vmap(ag.cumsum)(ag.stack([x]))[0]):
        assert sums.dtype == kind
        np.testing.assert_array_equal(sums.data, wanted.astype(kind))
    back = ag.cumsum(x, reverse=True).data[::-1]
    np.testing.assert_array_equal(back, wanted.astype(kind))
