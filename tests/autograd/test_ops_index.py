"""Indexing beyond the table's laws: keys as users write them, repeated places, large arrays, and errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.errors import ShapeError
from autograd.ops.along import scatter_add
from autograd.ops.index import index_add, put_at
from tests.guard import guard
from tests.opspecs.index import indices
from tests.opspecs.shape import any_array
from tests.opspecs.spec import generators

from .leaves import ramp


def same(tensor, expected):
    assert tensor.shape == np.shape(expected)
    np.testing.assert_allclose(tensor.detach().numpy(), expected, rtol=1e-12, atol=1e-12)


def with_tensors(part):
    return Tensor(part) if isinstance(part, np.ndarray) else part


@given(st.data(), generators())
def test_any_key_reads_writes_and_sends_back_as_numpy_says(data, rng):
    x = any_array(data.draw, rng)
    key = indices(data.draw, rng, x.shape)
    given_key = tuple(map(with_tensors, key)) if isinstance(key, tuple) else with_tensors(key)
    t = Tensor(x, requires_grad=True)
    y = t[given_key]
    same(y, x[key])
    g = rng.normal(size=x[key].shape)
    y.backward(Tensor(g))
    expected = np.zeros_like(x)
    np.add.at(expected, key, g)
    same(t.grad, expected)
    z = t * 1.0
    z[given_key] = 7.0
    written = x.copy()
    written[key] = 7.0
    same(z, written)


@given(st.data(), generators())
def test_where_a_place_is_written_twice_only_the_value_that_stays_has_a_gradient(data, rng):
    x = any_array(data.draw, rng)
    key = indices(data.draw, rng, x.shape)
    value = Tensor(rng.normal(size=x[key].shape), requires_grad=True)
    y = Tensor(x)
    y[key] = value
    written = x.copy()
    written[key] = value.data
    same(y, written)
    if value.size:
        y.backward(ag.ones_like(y))
        names = np.full(x.shape, -1.0)
        names[key] = np.arange(value.size).reshape(value.shape)
        stayed = np.isin(np.arange(value.size), names).reshape(value.shape)
        same(value.grad, stayed.astype(float))


def test_an_infinite_gradient_brings_no_nan_to_a_value_that_was_replaced():
    value = ramp(2)
    y = Tensor(np.zeros(1))
    y[[0, 0]] = value
    y.backward([np.inf])
    assert value.grad.tolist() == [0.0, np.inf]


@pytest.mark.parametrize(
    "key",
    [[2, 0, 2], [[0, 1], [1, 2]], [True, False, True], (slice(None), [0, 0]), range(2), ([], 1), (1, [Tensor(1), 0])],
)
def test_lists_are_read_as_index_arrays(key):
    x = ramp(3, 4)
    plain = tuple(np.array([int(n) for n in p]) if isinstance(p, list) and p else p for p in key)
    expected = x.data[plain if isinstance(key, tuple) else np.array(key)]
    same(x[key], expected)


def test_numbers_of_every_kind_index():
    x = ramp(3, 4)
    same(x[np.int64(1)], x.data[1])
    same(x[Tensor(1)], x.data[1])
    same(x[Tensor(1) : Tensor(3), 0], x.data[1:3, 0])
    assert x[1, 2].shape == ()
    assert x[1, 2].item() == 6.0


def test_a_mask_beside_positions_sends_back_to_where_it_is_true():
    x = ramp(3, 2)
    x[np.array([False, True, True]), np.array([0, 1])].sum().backward()
    same(x.grad, [[0, 0], [1, 0], [0, 1]])
    y = ramp(2, 2)
    y[np.array([True, True]), np.array([0, 1])].sum().backward()
    same(y.grad, [[1, 0], [0, 1]])


def test_a_mask_of_a_tensor_selects_and_sends_back():
    x = ramp(2, 3)
    x[x > 2.0].sum().backward()
    same(x.grad, [[0, 0, 0], [1, 1, 1]])


def test_an_assigned_value_may_have_more_axes_of_length_one():
    x, v = ramp(3, 2), ramp(1, 1, 2)
    y = x * 1.0
    y[0] = v
    (y * y).sum().backward()
    same(v.grad, [[[0.0, 2.0]]])


@pytest.mark.parametrize("shape", [(40, 3), (40, 64), (7,), (3, 5, 4)])
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "longdouble", "complex64", "int8", "int64", "bool"])
def test_adding_at_repeated_places_is_right_for_every_dtype_and_width(shape, dtype):
    rng = np.random.default_rng(0)
    for key in ((rng.integers(-shape[0], shape[0], 90),), (..., rng.integers(0, shape[-1], (2, 30)))):
        values = rng.integers(0, 2, np.zeros(shape)[key].shape).astype(dtype)
        out = put_at(values, index=key, shape=shape)
        expected = np.zeros(shape, dtype)
        np.add.at(expected, key, values)
        assert out.dtype == expected.dtype
        np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("dtype", ["float32", "int64", "bool"])
def test_adding_at_repeated_places_works_on_a_device(dtype):
    values = guard.asarray(np.array([1, 1, 0, 1]).astype(dtype))
    out = put_at(values, index=(guard.asarray(np.array([0, 2, 2, 0])),), shape=(3,))
    expected = np.zeros(3, dtype)
    np.add.at(expected, [0, 2, 2, 0], [1, 1, 0, 1])
    assert Tensor(out).tolist() == expected.tolist()


def test_a_list_indexes_an_array_on_a_device_without_a_transfer_of_the_array():
    x = ramp(3, 2).to("guard")
    same(x[[2, 0]].to("cpu"), ramp(3, 2).data[[2, 0]])


@given(st.data(), generators())
def test_take_and_index_add_are_adjoint_over_any_axis(data, rng):
    x = any_array(data.draw, rng, min_ndim=1, min_side=1)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    positions = rng.integers(0, x.shape[axis], data.draw(st.sampled_from([(), (3,), (2, 2)])))
    t = Tensor(x, requires_grad=True)
    y = ag.take(t, Tensor(positions), axis=axis)
    same(y, np.take(x, positions, axis))
    y.backward(ag.ones_like(y))
    counts = np.bincount(positions.ravel(), minlength=x.shape[axis]).astype(float)
    same(t.grad, np.broadcast_to(np.expand_dims(counts, [i for i in range(x.ndim) if i != axis % x.ndim]), x.shape))


def test_a_label_in_each_row_is_picked_and_its_gradient_put_there():
    scores, labels = ramp(3, 4), Tensor([2, 0, 3])
    ag.take_along_axis(scores, ag.expand_dims(labels, axis=1), axis=1).sum().backward()
    same(scores.grad, np.eye(4)[[2, 0, 3]])
    ones = ag.ones((3, 2), dtype="float64")
    same(
        scatter_add(ones, Tensor([[0, 0], [1, 2], [3, 3]]), axis=1, length=4),
        [[2, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 2]],
    )
    same(index_add(ones, Tensor([1, 1, 0]), length=2), [[1, 1], [2, 2]])


@pytest.mark.parametrize("kind", ["i1", "u2", "i8", "u8"])
@pytest.mark.parametrize("shape", [(), (4,), (2, 3)])
def test_positions_behind_whole_axes_are_read_and_added_as_numpy_does(kind, shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, 2, 5))
    at = rng.integers(0 if kind[0] == "u" else -5, 5, shape).astype(kind)
    for index in ((..., at), (slice(None), slice(None), at), (slice(None), at % 2, at), (slice(None), at % 2)):
        t = Tensor(x, requires_grad=True)
        y = t[index]
        same(y, x[index])
        g, wanted = rng.normal(size=y.shape), np.zeros_like(x)
        y.backward(g)
        np.add.at(wanted, index, g)
        np.testing.assert_allclose(t.grad.data, wanted, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_few_numbers_among_many_places_are_added_up_too(dtype):
    rng = np.random.default_rng(0)
    at = rng.integers(-20, 20, (300, 2))  # each of 20 places is named about 30 times, 10,000 are not
    g = rng.normal(size=(300, 2)).astype(dtype)
    wanted = np.zeros(10_000)
    np.add.at(wanted, at, g.astype("float64"))
    found = put_at(g, index=(at,), shape=(10_000,))
    assert found.dtype == dtype
    np.testing.assert_allclose(found, wanted, rtol=10 * np.finfo(dtype).eps, atol=10 * np.finfo(dtype).eps)


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (lambda: ramp(3)[3], IndexError, "index 3 is out of bounds for axis 0 with size 3"),
        (lambda: ramp(3)[[0, 3]], IndexError, "index 3 is out of bounds"),
        (lambda: ramp(3)[0, 0], IndexError, "too many indices"),
        (lambda: ramp(3)[1.0], TypeError, "1.0 cannot be an index: take integers, slices"),
        (lambda: ramp(3)["a"], TypeError, "'a' cannot be an index"),
        (lambda: ramp(3)[Tensor([1.0])], TypeError, "must hold integers or bools, this one holds float32"),
        (lambda: ramp(3)[[True, False]], IndexError, "boolean"),
        (lambda: ramp(3).__setitem__(slice(0, 2), ramp(3)), ValueError, r"\(3,\) into shape \(2,\)"),
        (lambda: ag.take(ramp(2, 3), Tensor([0])), ValueError, r"take: x has shape \(2, 3\); say along which axis"),
        (lambda: ag.take(ramp(2, 3), Tensor([0]), axis=2), ValueError, "axis 2 is out of range for 2 axes"),
        (lambda: ag.take(ramp(3), Tensor([1.0]), axis=0), TypeError, "positions must be integers, these are float"),
        (
            lambda: ag.take_along_axis(ramp(2, 3), Tensor([0]), axis=0),
            ShapeError,
            r"\(2, 3\) and indices of shape \(1,\).*same",
        ),
        (
            lambda: ag.take_along_axis(ramp(2, 3), Tensor([[0], [1], [2]]), axis=1),
            ShapeError,
            r"\(2, 3\) and indices of shape \(3, 1\) do not broadcast along the axes other than 1",
        ),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call()
