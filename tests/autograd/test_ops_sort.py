"""Corners of order: equal elements, NaN, the k largest, quantiles, and wrong calls."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor

few = st.lists(st.integers(0, 3), min_size=1, max_size=8)


@given(few)
def test_equal_elements_keep_their_order_both_ways(values: list[int]) -> None:
    x = np.array(values)
    rising = sorted(range(len(values)), key=lambda i: values[i])
    falling = sorted(range(len(values)), key=lambda i: -values[i])
    assert ag.argsort(x).tolist() == rising
    assert ag.argsort(x, descending=True).tolist() == falling


@given(few, st.integers(0, 8), st.booleans())
def test_topk_is_the_beginning_of_a_sort(values: list[int], k: int, largest: bool) -> None:
    x = Tensor(np.array(values, "float64"), requires_grad=True)
    k = min(k, len(values))
    found, positions = ag.topk(x, k, largest=largest)
    assert found.tolist() == sorted(values, reverse=largest)[:k]
    assert [values[i] for i in positions.tolist()] == found.tolist()
    (g,) = ag.gradients(found.sum(), [x])
    assert g.tolist() == [float(i in positions.tolist()) for i in range(len(values))]


def test_nan_is_the_largest() -> None:
    x = np.array([1.0, np.nan, 0.0])
    assert ag.argsort(x).tolist() == [2, 0, 1]
    assert ag.argsort(x, descending=True).tolist() == [1, 0, 2]


@given(few, st.floats(0, 1))
def test_quantiles_are_numpys(values: list[int], q: float) -> None:
    x = np.array(values, "float64")
    assert ag.quantile(x, q) == pytest.approx(np.quantile(x, q))
    assert ag.median(x) == np.median(x)


INF, NAN = np.inf, np.nan


@pytest.mark.parametrize("values", [[INF] * 3, [-INF, 1.0], [1.0, INF], [INF, INF], [1.0, 2.0, NAN], [NAN, -INF, INF]])
def test_a_median_beside_infinities_is_numpys_and_no_nan_is_passed_over(values: list[float]) -> None:
    np.testing.assert_equal(ag.median(np.array(values)), np.median(values))


def test_a_quantile_that_is_an_element_asks_no_other() -> None:
    x = Tensor(np.array([INF, 1.0, -INF]), requires_grad=True)
    assert [ag.quantile(x, q).item() for q in (0.0, 0.5, 1.0)] == [-INF, 1.0, INF]
    (g,) = ag.gradients(ag.median(x), [x])
    assert g.tolist() == [0.0, 1.0, 0.0]
    assert ag.quantile(np.arange(3), 1).dtype == np.float64


def test_wrong_calls_say_what_came_and_what_was_wanted() -> None:
    x = np.zeros((2, 3))
    with pytest.raises(ag.ShapeError, match=r"topk: k = 4, but axis 1 of x, of shape \(2, 3\), has 3 elements\."):
        ag.topk(x, 4)
    with pytest.raises(ValueError, match=r"quantile: q = 1\.5 is no share; it must lie between 0 and 1\."):
        ag.quantile(x, 1.5)
    with pytest.raises(ag.ShapeError, match=r"quantile: axis 0 of x, of shape \(0,\), has no elements\."):
        ag.median(np.zeros(0))
