"""Shapes, joining and casts beyond the table's laws: the public functions against NumPy, and their errors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd as ag
from autograd import Tensor
from autograd.errors import DeviceError, ShapeError
from autograd.primitive import primitives
from tests.guard import guard
from tests.opspecs.shape import any_array
from tests.opspecs.spec import generators

from .leaves import ramp


def same(tensor, expected):
    """Equal to what NumPy gives, on Tensors, and to second order."""
    assert tensor.shape == np.shape(expected)
    np.testing.assert_array_equal(tensor.detach().numpy(), expected)


@given(st.data(), generators())
def test_axes_are_added_taken_away_and_moved_as_numpy_does(data, rng):
    x = any_array(data.draw, rng)
    new = tuple(data.draw(st.lists(st.integers(0, x.ndim + 1), min_size=2, max_size=2, unique=True)))
    same(ag.expand_dims(Tensor(x), axis=new), np.expand_dims(x, new))
    same(ag.expand_dims(Tensor(x), axis=-1), np.expand_dims(x, -1))
    same(ag.squeeze(Tensor(x)), np.squeeze(x))
    same(ag.squeeze(Tensor(x[None]), 0), x)
    if x.ndim:
        axes = st.integers(-x.ndim, x.ndim - 1)
        one, other = data.draw(axes), data.draw(axes)
        same(ag.swapaxes(Tensor(x), one, other), np.swapaxes(x, one, other))
        same(ag.moveaxis(Tensor(x), one, other), np.moveaxis(x, one, other))
        order = data.draw(st.permutations(range(x.ndim)))
        places = data.draw(st.permutations(range(x.ndim)))[: x.ndim - 1]
        same(ag.moveaxis(Tensor(x), order[: x.ndim - 1], places), np.moveaxis(x, order[: x.ndim - 1], places))
        same(ag.permute_dims(Tensor(x), [axis - x.ndim for axis in order]), np.transpose(x, order))


@given(st.data(), generators())
def test_tile_and_repeat_are_numpys(data, rng):
    x = any_array(data.draw, rng)
    times = tuple(data.draw(st.lists(st.integers(0, 3), max_size=4)))
    same(ag.tile(Tensor(x), times), np.tile(x, times))
    same(ag.repeat(Tensor(x), 2), np.repeat(x, 2))
    if x.ndim:
        axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
        counts = rng.integers(0, 3, x.shape[axis])
        same(ag.repeat(Tensor(x), 3, axis=axis), np.repeat(x, 3, axis=axis))
        same(ag.repeat(Tensor(x), counts, axis=axis), np.repeat(x, counts, axis=axis))


@given(st.data(), generators())
def test_pad_is_numpys_in_every_mode(data, rng):
    x = any_array(data.draw, rng, min_side=1)
    mode = data.draw(st.sampled_from(["edge", "reflect", "symmetric", "wrap"]))
    widths = [data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5))) for _ in range(x.ndim)]
    if x.ndim:
        same(ag.pad(Tensor(x), widths, mode), np.pad(x, widths, mode))
        same(ag.pad(Tensor(x), widths, constant_values=1.5), np.pad(x, widths, constant_values=1.5))
        same(ag.pad(Tensor(x), widths[0]), np.pad(x, widths[0]))
        same(ag.pad(Tensor(x), widths[:1], mode), np.pad(x, widths[:1], mode))
    same(ag.pad(Tensor(x), 2), np.pad(x, 2))


@given(st.data(), generators())
def test_split_cuts_where_numpy_does(data, rng):
    x = any_array(data.draw, rng, min_ndim=1, max_side=6)
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    places = data.draw(st.lists(st.integers(-7, 7), max_size=3))
    for part, expected in zip(ag.split(Tensor(x), places, axis=axis), np.split(x, places, axis), strict=True):
        same(part, expected)
    for sections in (n for n in range(1, 7) if x.shape[axis] % n == 0):
        for part, expected in zip(ag.split(Tensor(x), sections, axis=axis), np.split(x, sections, axis), strict=True):
            same(part, expected)
    for part, expected in zip(ag.unstack(Tensor(x), axis=axis), np.moveaxis(x, axis, 0), strict=True):
        same(part, expected)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: ag.tile(x, (2, 1, 2)),
        lambda x: ag.repeat(x, [1, 0, 2], axis=1),
        lambda x: ag.repeat(x, 2, axis=0),
        lambda x: ag.pad(x, 2, "reflect"),
        lambda x: ag.pad(x, ((0, 1), (1, 0)), "edge"),
        lambda x: ag.concat([ag.flatten(x), x[0]]) * 2.0,
        lambda x: ag.concat([x, x * x], axis=None),
        lambda x: ag.stack(ag.unstack(x, axis=1)) * ag.permute_dims(x, (1, 0)),
        lambda x: ag.split(x, [1], axis=1)[1] * ag.split(x, 2)[0][:, :2],
        lambda x: ag.broadcast_arrays(x, ag.ones((4, 1, 1), dtype="float64"))[0] * x,
        lambda x: ag.squeeze(ag.expand_dims(x, axis=(0, 2)), 0),
        lambda x: ag.meshgrid(ag.flatten(x), x[0])[0] ** 2,
        lambda x: ag.moveaxis(x, 0, 1) * x.T,
    ],
)
def test_composites_have_right_gradients_of_two_orders(f):
    x = Tensor(np.random.default_rng(0).uniform(0.5, 1.5, (2, 3)))
    assert ag.gradcheck(f, x)
    assert ag.gradgradcheck(f, x)


def test_numpys_whole_numbers_are_whole_numbers():
    x, one, two = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True), np.int64(1), np.int64(2)
    calls = [
        (lambda n: ag.sum(x, axis=n), 1),
        (lambda n: ag.max(x, axis=n), 1),
        (lambda n: ag.expand_dims(x, axis=n), 1),
        (lambda n: ag.split(x, n)[1], 2),
        (lambda n: ag.repeat(x, n, axis=0), 2),
        (lambda n: ag.pad(x, n), 1),
        (lambda n: ag.pad(x, (n, 0)), 1),
        (lambda n: ag.roll(x, n), 1),
        (lambda n: ag.tensordot(x, x, axes=n), 1),
    ]
    for f, n in calls:
        a, b = f(n), f(one if n == 1 else two)
        np.testing.assert_array_equal(a.detach(), b.detach())
        (g,), (h,) = (ag.gradients(y.sum(), [x]) for y in (a, b))
        np.testing.assert_array_equal(g, h)


def test_composites_run_on_a_device():
    x = Tensor(np.arange(6.0).reshape(2, 3)).to("guard")
    waited = guard.synchronizations
    for y in (ag.pad(x, 1, "reflect"), ag.tile(x, 2), ag.repeat(x, [1, 2, 0], axis=1), ag.meshgrid(x[0], x[1])[0]):
        assert y.device == x.device
    assert guard.synchronizations == waited


def test_a_method_takes_a_shape_as_one_tuple_or_as_numbers():
    x = ramp(2, 3)
    same(x.reshape(3, 2), x.data.reshape(3, 2))
    same(x.reshape((3, -1)), x.data.reshape(3, 2))
    same(x.reshape(-1), x.data.ravel())
    same(x.flatten(), x.data.ravel())
    same(ramp(2, 3, 4).flatten(1), ramp(2, 3, 4).data.reshape(2, 12))
    same(ramp().flatten(), [0.0])
    same(x.transpose(), x.data.T)
    same(x.broadcast_to(2, 2, 3), np.broadcast_to(x.data, (2, 2, 3)))
    same(x.T, x.data.T)
    same(ramp(2, 3, 4).mT, ramp(2, 3, 4).data.swapaxes(1, 2))


def test_a_public_function_takes_its_option_by_position_and_by_name():
    x = ramp(2, 3)
    same(ag.reshape(x, 6), ag.reshape(x, shape=(6,)).data)
    same(ag.permute_dims(x, (1, 0)), ag.permute_dims(x, axes=(1, 0)).data)
    same(ag.roll(x, 1), np.roll(x.data, 1))
    same(ag.roll(x, (1, 2), axis=(0, 1)), np.roll(x.data, (1, 2), (0, 1)))
    assert repr(primitives["reshape"]).startswith("<view reshape(")


# ---- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (
            lambda: ag.reshape(ramp(2, 3), (4, -1)),
            ShapeError,
            r"reshape: x of shape \(2, 3\) has 6 elements.*\(4, -1\)",
        ),
        (lambda: ag.broadcast_to(ramp(3), (2,)), ShapeError, r"broadcast_to: x of shape \(3,\).*to \(2,\)"),
        (lambda: ag.broadcast_arrays(ramp(2), ramp(3)), ShapeError, r"shapes \(2,\) and \(3,\) do not broadcast"),
        (lambda: ag.permute_dims(ramp(2, 3), (0, 0)), ValueError, r"axes \(0, 0\) must name each of the 2 axes"),
        (lambda: ag.permute_dims(ramp(2, 3), (0,)), ValueError, r"axes \(0,\) must name each of the 2 axes"),
        (lambda: ag.swapaxes(ramp(2, 3), 0, 2), ValueError, "axis 2 is out of range for 2 axes"),
        (lambda: ag.moveaxis(ramp(2, 3), (0, 1), 0), ValueError, "2 axes to move, but 1 places"),
        (lambda: ag.flatten(ramp(2, 3), start_axis=1, end_axis=0), ValueError, "start_axis 1 comes after end_axis 0"),
        (lambda: ag.squeeze(ramp(2, 1), 0), ShapeError, r"axis 0 of x, of shape \(2, 1\), has length 2"),
        (lambda: ag.expand_dims(ramp(2), axis=2), ValueError, "axis 2 is out of range for 2 axes"),
        (lambda: ag.expand_dims(ramp(2), axis=(0, 0)), ValueError, "names the same axis twice"),
        (lambda: ramp(2, 3, 4).T, ShapeError, r"shape \(2, 3, 4\): use mT.*permute_dims"),
        (lambda: ramp(2).mT, ShapeError, r"matrix_transpose: x of shape \(2,\)"),
        (lambda: ag.concat([ramp(2, 3), ramp(2, 4)]), ShapeError, r"concat.*other than 0; got \(2, 3\), \(2, 4\)"),
        (lambda: ag.concat([ramp(2), ramp(2)], axis=1), ValueError, "axis 1 is out of range for 1 axes"),
        (lambda: ag.concat([ramp()]), ShapeError, "use stack"),
        (lambda: ag.concat([]), ValueError, "at least one array"),
        (lambda: ag.stack([ramp(2), ramp(3)]), ShapeError, r"stack: the shapes must agree; got \(2,\), \(3,\)"),
        (lambda: ag.split(ramp(5), 2), ShapeError, r"axis 0 of x, of shape \(5,\), cannot be cut into 2 equal parts"),
        (lambda: ag.pad(ramp(2, 3), ((1, 1), (1, 1), (1, 1))), ValueError, "do not fit 2 axes"),
        (lambda: ag.pad(ramp(2), -1), ValueError, "none below 0"),
        (lambda: ag.pad(ramp(2), 1, "mirror"), ValueError, "mode 'mirror' is none of"),
        (lambda: ag.repeat(ramp(3), [1, 2]), ShapeError, "2 numbers of repeats for the 3 places of axis 0"),
        (lambda: ag.meshgrid(ramp(2, 2)), ShapeError, r"needs vectors, got shapes \(2, 2\)"),
        (lambda: ramp(2).to("gpu"), DeviceError, 'no dtype has that name, and as a device: unknown device "gpu"'),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call()


# ---- casts ----------------------------------------------------------------------------------------------------------


def test_to_gives_the_same_tensor_when_nothing_changes():
    x = ramp(2)
    assert x.to("cpu") is x
    assert x.to("float64") is x
    assert x.to(np.float64) is x
    assert ag.astype(x, "float64", copy=False) is x
    assert ag.astype(x, "float64") is not x


def test_a_gradient_comes_home_over_dtypes_and_devices():
    x = ramp(3)
    y = x.to("float32").to("guard") * 2.0
    assert (y.dtype, y.device) == (np.float32, "guard")
    y.sum().backward()
    assert (x.grad.dtype, x.grad.device, x.grad.tolist()) == (np.float64, "cpu", [2.0, 2.0, 2.0])


def test_no_gradient_flows_through_integers():
    assert not ramp(3).astype("int64").astype("float64").requires_grad
