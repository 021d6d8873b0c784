"""What the demo computes that can be known beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from autograd import Tensor
from benchmarks.claims import e0_demo, setting


def test_the_squared_error_is_the_mean_over_rows_and_classes():
    logits = np.random.default_rng(0).normal(size=(4, 10)).astype("float32")
    labels = np.array([3, 0, 9, 3])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    wanted = ((p - np.eye(10)[labels]) ** 2).mean()
    assert float(e0_demo.squared_error(Tensor(logits), Tensor(labels)).data) == pytest.approx(wanted, rel=1e-5)


def test_the_demo_takes_the_first_digits_of_the_file_and_draws_its_noise_from_the_seed():
    data = setting.first_digits(100)
    assert data.x_train.shape == (100, 784)
    assert data.y_train[:5].tolist() == [5, 0, 4, 1, 9]
    noise = e0_demo.with_noise(data, 0) - data.x_test
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    assert noise.std() == pytest.approx(1, abs=1e-3)
    np.testing.assert_array_equal(e0_demo.with_noise(data, 0), e0_demo.with_noise(data, 0))
    assert not np.array_equal(e0_demo.with_noise(data, 0), e0_demo.with_noise(data, 1))
    assert setting.raw(data).x_test.max() == 255
