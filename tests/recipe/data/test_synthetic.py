"""The sets that need no file: seeded, of the promised shapes, and of the promised difficulty."""

from __future__ import annotations

import numpy as np
import pytest

from autograd.random import Generator
from recipe.data import synthetic


@pytest.mark.parametrize(
    ("make", "x_shape", "y_shape", "y_dtype"),
    [
        (synthetic.blobs, (101, 2), (101,), np.int64),
        (synthetic.spirals, (101, 2), (101,), np.int64),
        (synthetic.sine, (101, 1), (101, 1), np.float32),
    ],
)
def test_shapes_types_and_seeds(make, x_shape, y_shape, y_dtype):
    x, y = make(101, generator=Generator(3))
    assert (x.shape, x.dtype, y.shape, y.dtype) == (x_shape, np.float32, y_shape, y_dtype)
    again_x, again_y = make(101, generator=Generator(3))
    np.testing.assert_array_equal(x, again_x)
    np.testing.assert_array_equal(y, again_y)
    assert (make(101, generator=Generator(4))[0] != x).any()


def linear_accuracy(x, y):
    """How much of a two-class set the best line in the least-squares sense tells apart."""
    design = np.column_stack([x, np.ones(len(x))])
    weights, *_ = np.linalg.lstsq(design, 2.0 * y - 1.0)
    return ((design @ weights > 0) == y).mean()


def test_blobs_stand_around_their_centres():
    x, y = synthetic.blobs(3000, classes=4, features=6, spread=0.5, generator=Generator(0))
    assert np.bincount(y).tolist() == [750] * 4
    for label in range(4):
        np.testing.assert_allclose(x[y == label].std(axis=0), 0.5, rtol=0.1)
    few, labels = synthetic.blobs(200, classes=2, spread=0.01, generator=Generator(0))
    assert linear_accuracy(few, labels) == 1.0


def test_no_line_parts_the_spirals_but_near_neighbours_do():
    x, y = synthetic.spirals(1000, generator=Generator(0))
    assert linear_accuracy(x, y) < 0.7
    distance = ((x[:, None] - x) ** 2).sum(axis=-1)
    np.fill_diagonal(distance, np.inf)
    assert (y[distance.argmin(axis=1)] == y).mean() > 0.97
    assert np.abs(x).max() < 1.2


def test_sine_is_a_sine_with_the_promised_noise():
    x, y = synthetic.sine(4000, noise=0.2, generator=Generator(0))
    error = y - np.sin(np.pi * x)
    assert abs(error.mean()) < 0.02
    np.testing.assert_allclose(error.std(), 0.2, rtol=0.05)
    assert (x >= -1).all()
    assert (x < 1).all()


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda: synthetic.blobs("10"), TypeError, "blobs takes a whole number as rows, got '10'."),
        (lambda: synthetic.spirals(10, classes=0), ValueError, "spirals got classes=0: 1 or more is wanted."),
        (lambda: synthetic.sine(-1), ValueError, "sine got rows=-1: 0 or more is wanted."),
    ],
)
def test_numbers_that_make_no_set_are_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
