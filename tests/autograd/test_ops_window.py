"""Windows beyond the table's laws: what they are for, their memory, and errors."""

from __future__ import annotations

import numpy as np
import pytest

import autograd as ag
from autograd import Tensor
from autograd.errors import ShapeError
from tests.guard import guard

from .leaves import ramp


def test_windows_over_two_axes_are_a_convolution():
    rng = np.random.default_rng(0)
    x, kernel = Tensor(rng.normal(size=(2, 5, 6))), Tensor(rng.normal(size=(3, 2)))

    def convolution(x, kernel):
        return ag.einsum("...ij,ij->...", ag.windows(x, size=(3, 2), stride=(2, 1), dilation=(1, 2)), kernel)

    y = convolution(x, kernel)
    assert y.shape == (2, 2, 4)
    expected = sum(kernel.data[i, j] * x.data[:, i : i + 3 : 2, 2 * j : 2 * j + 4] for i in range(3) for j in range(2))
    np.testing.assert_allclose(y.data, expected)
    assert ag.gradcheck(convolution, x, kernel)
    assert ag.gradgradcheck(convolution, x, kernel)


def test_one_number_stands_for_every_axis():
    x = ramp(4, 5)
    one, each = ag.windows(x, size=(2, 2), stride=2, dilation=1), ag.windows(x, size=(2, 2), stride=(2, 2))
    np.testing.assert_array_equal(one.data, each.data)
    assert ag.windows(ramp(5), size=3).shape == (3, 3)
    assert ag.overlap_add(ramp(3, 3), length=5).tolist() == [0.0, 4.0, 12.0, 12.0, 8.0]


def test_windows_are_views_that_never_reach_beyond_the_array():
    x = ramp(1, 7)
    y = ag.windows(x, size=(1, 3), stride=(3, 2))
    assert np.shares_memory(x.data, y.data)
    low, high = np.lib.array_utils.byte_bounds(y.data)
    assert (low, high) <= np.lib.array_utils.byte_bounds(x.data)
    assert y.data[0, -1, 0].tolist() == [4.0, 5.0, 6.0]


def test_many_small_windows_and_few_large_ones_add_up_alike():
    rng = np.random.default_rng(0)
    for size, length in ((2, 40), (30, 40)):
        x = rng.normal(size=(41 - size, size))
        expected = np.zeros(length)
        for start, row in enumerate(x):
            expected[start : start + size] += row
        np.testing.assert_allclose(ag.overlap_add(x, length=length), expected)


def test_windows_run_on_a_device_without_waiting():
    x = ramp(2, 6).to("guard")
    waited = guard.synchronizations
    y = ag.windows(x, size=3, stride=2)
    assert (y.shape, y.device) == ((2, 2, 3), x.device)
    assert ag.overlap_add(y, length=6, stride=2).device == x.device
    assert guard.synchronizations == waited


@pytest.mark.parametrize(
    ("call", "kind", "says"),
    [
        (
            lambda: ag.windows(ramp(2), size=3),
            ShapeError,
            r"windows of \(3,\) places.*reach over \(3,\) places.*only \(2,\)",
        ),
        (lambda: ag.windows(ramp(4), size=3, dilation=2), ShapeError, r"reach over \(5,\) places"),
        (lambda: ag.windows(ramp(4), size=(2, 2)), ShapeError, r"x of shape \(4,\) has fewer than the 2 axes"),
        (lambda: ag.windows(ramp(4), size=2, stride=0), ValueError, "stride 0 must be one number.*at least 1"),
        (lambda: ag.windows(ramp(4), size=2, stride=(1, 1)), ValueError, r"stride \(1, 1\) must be one number"),
        (
            lambda: ag.overlap_add(ramp(2, 2), length=5),
            ShapeError,
            r"\(2, 2\) does not hold the windows.*length \(5,\)",
        ),
        (lambda: ag.overlap_add(ramp(2), length=3), ShapeError, r"\(2,\) does not hold the windows"),
    ],
)
def test_an_error_says_what_came_and_what_was_wanted(call, kind, says):
    with pytest.raises(kind, match=says):
        call()
