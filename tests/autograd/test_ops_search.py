"""Positions, orders, different elements, differences and Kronecker's product beyond the table's laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import ShapeError, Tensor
from tests.guard import guard

NAN = np.nan
NUMBERS = st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.5, np.inf, NAN]), max_size=8)


@given(NUMBERS, st.sampled_from(["float64", "float32", "int64", "bool"]))
def test_different_elements_are_numpys(values, dtype):
    x = np.array([0.0 if dtype[0] in "ib" and not np.isfinite(v) else v for v in values]).astype(dtype)
    for shape in ((len(x),), (1, len(x)), (len(x), 1, 1)):
        found, wanted = ag.unique_all(Tensor(x.reshape(shape))), np.unique_all(x.reshape(shape))
        assert found._fields == wanted._fields
        for ours, numpys in zip(found, wanted, strict=True):
            assert ours.dtype == numpys.dtype
            np.testing.assert_array_equal(ours.numpy(), numpys)
        np.testing.assert_array_equal(ag.unique_counts(x).counts, wanted.counts)
        np.testing.assert_array_equal(ag.unique_inverse(x).inverse_indices, wanted.inverse_indices.ravel())
        for values_alone in (ag.unique_values(x), ag.unique_counts(x).values, ag.unique_inverse(x).values):
            np.testing.assert_array_equal(values_alone, wanted.values)


def test_the_gradient_of_a_value_goes_to_where_it_is_first():
    x = Tensor([3.0, 1.0, 3.0, 2.0], requires_grad=True)
    (g,) = ag.gradients((ag.unique_values(x) * Tensor([10.0, 20.0, 30.0])).sum(), [x])
    assert g.tolist() == [30.0, 10.0, 0.0, 20.0]


def test_positions_are_numpys():
    x = np.array([[0.0, 2.0, NAN], [0.0, 0.0, -1.0]])
    for ours, numpys in zip(ag.nonzero(Tensor(x)), np.nonzero(x), strict=True):
        assert ours.dtype == "int64"
        assert ours.tolist() == numpys.tolist()
    assert [places.shape for places in ag.nonzero(np.zeros((0, 2)))] == [(0,), (0,)]
    assert ag.stack(ag.nonzero(x), axis=-1).tolist() == np.argwhere(x).tolist()


@pytest.mark.parametrize("side", ["left", "right"])
def test_places_in_an_order_are_numpys(side):
    ordered, wanted = np.array([1.0, 2.0, 2.0, NAN]), np.array([[0.0, 2.0], [NAN, 9.0]])
    assert ag.searchsorted(ordered, wanted, side=side).tolist() == np.searchsorted(ordered, wanted, side).tolist()
    order = np.array([3, 1, 0, 2])
    mixed = np.empty(4)
    mixed[order] = ordered
    found = ag.searchsorted(Tensor(mixed), Tensor(wanted), side=side, sorter=Tensor(order))
    assert found.tolist() == np.searchsorted(mixed, wanted, side, order).tolist()
    assert ag.searchsorted(Tensor(ordered), 2.0, side=side).item() == np.searchsorted(ordered, 2.0, side)


def test_membership():
    x = Tensor([[1, 2], [3, 4]])
    assert ag.isin(x, Tensor([2, 3, 9])).tolist() == [[False, True], [True, False]]
    assert ag.isin(x, Tensor([2]), invert=True).tolist() == [[True, False], [True, True]]
    assert ag.isin(2, x).item() is True


def test_differences_with_ends():
    x = np.array([[1.0, 4.0, 9.0], [2.0, 3.0, 5.0]])
    end = np.array([[7.0], [8.0]])
    for options in ({"prepend": end}, {"append": end, "n": 2}, {"prepend": 0.5, "append": 1}, {"axis": 0, "append": 3}):
        np.testing.assert_array_equal(ag.diff(x, **options), np.diff(x, **options))
        assert ag.gradcheck(lambda x, options=options: ag.diff(x, **options), Tensor(x, requires_grad=True))
    assert ag.diff(x, n=0).tolist() == x.tolist()
    whole = ag.diff(Tensor([1, 2, 4]), prepend=0.5)
    assert (whole.dtype, whole.tolist()) == ("float64", [0.5, 1.0, 2.0])
    sums = ag.cumulative_sum(Tensor(x[0]), include_initial=True)
    assert ag.diff(sums).tolist() == x[0].tolist()


def test_all_of_them_run_on_a_device():
    x, waited = Tensor([3.0, 1.0, 3.0]).to("guard"), guard.synchronizations
    ordered = ag.sort(x)
    found = (ag.isin(x, x), ag.isin(2.0, x), ag.searchsorted(ordered, x), ag.searchsorted(ordered, 2.0))
    for y in (*found, ag.diff(x), ag.diff(x, append=1)):
        assert y.device == x.device
    assert guard.synchronizations == waited
    for y in (*ag.unique_all(x), *ag.nonzero(x)):
        assert y.device == x.device


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda x: ag.nonzero(x.sum()), ShapeError, "x has no axes"),
        (lambda x: ag.searchsorted(x, x), ShapeError, r"x1 must be a vector, it has shape \(2, 2\)"),
        (lambda x: ag.searchsorted(x[0], x, side="both"), ValueError, "side 'both' is neither"),
        (lambda x: ag.diff(x, n=-1), ValueError, "n = -1"),
        (lambda x: ag.diff(x.sum()), ValueError, "axis -1 is out of range for a single number"),
        (lambda x: ag.diff(x, prepend=x[:1]), ShapeError, "concat: the shapes must agree"),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call(Tensor([[1.0, 2.0], [3.0, 4.0]]))
